"""A handmade afternoon for an account: its logs, its commands, and a desk that can be killed at every commit.

Prices are made of steps of 0.05 by arithmetic alone, so that every run reads the very same logs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any, NamedTuple, TypeVar

import msgspec

from niftyflow.bus.port import Body, count_of
from niftyflow.kit.join import Join, Step
from niftyflow.model import (
    Candle,
    CandleBatch,
    Command,
    CommandKind,
    Exchange,
    Instrument,
    Interval,
    Kind,
    Side,
    Signal,
    Tick,
    TickBatch,
    Watermark,
    moment,
    signal_id,
)
from niftyflow.trading.settings import TradingSettings
from niftyflow.trading.stage import INPUTS
from support.market import ist

T = TypeVar("T")

DAY = "2024-01-18"
"""A Thursday without anything special."""
MINUTE = 60_000
STEP = 5_000
STARTS = ist(DAY, "15:00")
CLOSES = ist(DAY, "15:30")
ACCOUNT = "paper-1"
OWNED = {"fence", "taken_over_at"}


def a_share(symbol: str) -> Instrument:
    """Return a share of NSE."""
    return Instrument(exchange=Exchange.NSE, symbol=symbol, kind=Kind.EQUITY, has_derivatives=True)


SHARES = [a_share(symbol) for symbol in ("INFY", "RELIANCE", "SBIN", "TCS", "WIPRO")]
BASES = {"INFY": 150_000, "RELIANCE": 270_000, "SBIN": 62_000, "TCS": 380_000, "WIPRO": 45_000}
"""Where prices begin, in paise."""


# -- logs ----------------------------------------------------------------------------------------------------------


class Record(NamedTuple):
    """A body on a topic of one partition, at its offset."""

    topic: str
    offset: int
    body: Body

    @property
    def end(self) -> int:
        """Offset after it."""
        return self.offset + count_of(self.body)


def paise(symbol: str, time: int) -> int:
    """Return a price that goes up and down by about a percent in eight minutes, in steps of 5 paise."""
    base, second = BASES[symbol], (time - STARTS) // 1000 + 37 * len(symbol)
    wave = abs(second % 480 - 240) - 120
    return (base + base * wave // 12_000 + second % 7 * 5) // 5 * 5


def a_tick(symbol: str, time: int, price: float, **changes: Any) -> Tick:
    """Return a tick whose book stands 5 paise to both sides of the price."""
    fields: dict[str, Any] = {
        "token": symbol, "symbol": symbol, "exchange": "NSE", "ltp": price, "volume": 10, "day_volume": 1000,
        "bid": round(price - 0.05, 2), "ask": round(price + 0.05, 2), "open_interest": 0, "timestamp": time,
        "traded_at": time, "received": time, "sequence": 0, "source": "test",
    }  # fmt: skip
    return Tick(**(fields | changes))


def ticks_at(time: int, symbols: Iterable[str], received: int | None = None) -> TickBatch:
    """Return a tick of each symbol."""
    at = time if received is None else received
    return TickBatch.from_records([a_tick(each, time, paise(each, time) / 100, received=at) for each in symbols])


def a_candle(symbol: str, time: int, prices: Sequence[float], **changes: Any) -> Candle:
    """Return the candle of these prices that begins at a time."""
    fields: dict[str, Any] = {
        "time": moment(time), "symbol": symbol, "exchange": "NSE", "interval": Interval.M1, "open": prices[0],
        "high": max(prices), "low": min(prices), "close": prices[-1], "volume": 100, "trades": len(prices),
        "vwap": prices[-1],
    }  # fmt: skip
    return Candle(**(fields | changes))


def candles_of(time: int, symbols: Iterable[str]) -> CandleBatch:
    """Return the candles of the minute that begins at a time."""
    times = range(time, time + MINUTE, STEP)
    return CandleBatch.from_records([a_candle(each, time, [paise(each, at) / 100 for at in times]) for each in symbols])


def a_signal(symbol: str, at: int, action: Side, *, strategy: str = "rule", **changes: Any) -> Signal:
    """Return a signal told at a moment, with a stop and a target half a percent away."""
    price, time = paise(symbol, at) / 100, moment(at)
    near, far = price * 0.995, price * 1.005
    fields: dict[str, Any] = {
        "id": signal_id(strategy, f"NSE:{symbol}", Interval.M1, time), "strategy": strategy, "symbol": symbol,
        "exchange": "NSE", "interval": Interval.M1, "timestamp": time, "valid_until": time + timedelta(minutes=3),
        "action": action, "strength": 1.0, "price": price, "stop": near if action is Side.BUY else far,
        "target": far if action is Side.BUY else near, "reason": [], "saw": {},
    }  # fmt: skip
    return Signal(**(fields | changes))


def the_log(until: int, signals: Iterable[Signal], lead_ms: int = 300) -> list[Record]:
    """Return what raw-ticks, market_candles and signals hold from `STARTS` to `until`.

    Ticks come `lead_ms` after the moment they are of, so that some lie beyond the watermark that follows them.
    """
    offsets = {each.topic: count() for each in INPUTS}
    records: list[Record] = []
    told: dict[int, list[Signal]] = {}
    for signal in signals:
        told.setdefault(int(signal.timestamp.timestamp() * 1000), []).append(signal)
    at = dict.fromkeys(offsets, 0)

    def put(topic: str, body: Body) -> None:
        records.append(Record(topic, at[topic], body))
        at[topic] += count_of(body)

    symbols = sorted(BASES)
    for time in range(STARTS, until + STEP, STEP):
        put("raw-ticks", ticks_at(time, symbols, time + lead_ms))
        put("raw-ticks", _mark(time))
        if time % MINUTE == 0:
            put("market_candles", candles_of(time - MINUTE, symbols))
            if time in told:
                put("signals", tuple(told[time]))
            put("signals", _mark(time))
        put("market_candles", _mark(time))
    return records


def _mark(time: int) -> Watermark:
    return Watermark(time=time, partition=0, source="test", healthy=True)


def steps_of(log: Sequence[Record], after: Mapping[tuple[str, int], int] | None = None) -> Iterator[tuple[int, Step]]:
    """Yield the steps of a log behind a position, each with its number from 1."""
    join = Join(INPUTS, after)
    for each in INPUTS:
        join.assign(each.topic, 0, 0)
    for record in log:
        join.add(record.topic, 0, record.offset, record.end, record.body)
    return enumerate(join.steps(), 1)


# -- the day -------------------------------------------------------------------------------------------------------


def at(clock: str) -> int:
    """Return a time of the day, ms UTC."""
    return ist(DAY, clock)


def a_command(number: int, kind: CommandKind, body: dict[str, Any], time: int) -> Command:
    """Return a command of an id that tells its number."""
    return Command(
        id=f"command-{number}", account=ACCOUNT, kind=kind, by="test", issued_at=time, expires_at=time + MINUTE,
        body=body,
    )  # fmt: skip


def follower(name: str, symbols: Sequence[str], on_error: str = "square_off", **parameters: Any) -> dict[str, Any]:
    """Return the settings of a signal follower on some symbols, with 30,000 rupees a position."""
    given = {"value_rupees": 30_000, "exit_minutes_before_close": 2, "rules": [name]} | parameters
    return {
        "name": name, "kind": "signal-follower", "instruments": [f"NSE:{each}" for each in symbols],
        "on_error": on_error, "parameters": given,
    }  # fmt: skip


TOO_FAR = 1e300
"""A target that is no price: the follower throws when it has to put it on a step of prices."""


@dataclass
class TradingDay:
    """Logs, settings and commands by the time of the step after which they are given."""

    log: list[Record]
    settings: TradingSettings
    commands: dict[int, list[Command]] = field(default_factory=dict)


def the_day() -> TradingDay:
    """Return an afternoon on which everything happens that an account can do."""
    signals = [
        a_signal("TCS", at("15:01"), Side.BUY, strategy="follower"),
        a_signal("INFY", at("15:02"), Side.SELL, strategy="follower"),
        a_signal("TCS", at("15:05"), Side.SELL, strategy="follower"),
        a_signal("WIPRO", at("15:02"), Side.BUY, strategy="holder", target=TOO_FAR),
        a_signal("SBIN", at("15:03"), Side.BUY, strategy="thrower", target=TOO_FAR),
        a_signal("INFY", at("15:09"), Side.BUY, strategy="follower"),
        a_signal("TCS", at("15:13"), Side.BUY, strategy="follower"),
        a_signal("INFY", at("15:14"), Side.SELL, strategy="follower", stop=None, target=None),
    ]
    settings = TradingSettings.model_validate(
        {
            "strategies": [
                follower("follower", ["INFY", "TCS"]),
                follower("holder", ["WIPRO"], "hold"),
                follower("thrower", ["SBIN"]),
                {
                    "name": "crosser",
                    "kind": "ema-cross",
                    "instruments": ["NSE:RELIANCE"],
                    "parameters": {
                        "fast": 2,
                        "slow": 4,
                        "value_rupees": 20_000,
                        "stop_atr": 2.0,
                        "trade_until": "15:17",
                        "exit_minutes_before_close": 5,
                    },
                },
            ],
            "limits": {"entries_end_minutes_before_close": 12},
            "square_off_minutes_before_close": 10,
        }
    )
    return TradingDay(the_log(at("15:31"), signals), settings, _commands())


def _commands() -> dict[int, list[Command]]:
    kinds = CommandKind
    price = paise("SBIN", at("15:04")) // 500 * 5
    placed = msgspec.to_builtins({"instrument": "SBIN", "side": "BUY", "quantity": 7})
    low = placed | {"order_type": "LIMIT", "price": str(price - 10)}
    given: list[tuple[str, CommandKind, dict[str, Any]]] = [
        ("15:04:10", kinds.PLACE_ORDER, placed),
        ("15:04:15", kinds.PLACE_ORDER, low),
        ("15:04:25", kinds.MODIFY_ORDER, {"client_order_id": "command-2", "price": str(price - 11), "quantity": 9}),
        ("15:04:40", kinds.CANCEL_ORDER, {"client_order_id": "command-2"}),
        ("15:04:50", kinds.CANCEL_ORDER, {"client_order_id": "nothing"}),
        ("15:05:20", kinds.SQUARE_OFF, {"strategy": "manual"}),
        ("15:06:05", kinds.STOP_STRATEGY, {"name": "crosser"}),
        ("15:07:00", kinds.SET_KILL_SWITCH, {"on": True, "square_off": True, "reason": "test"}),
        ("15:07:20", kinds.PLACE_ORDER, placed),
        ("15:08:00", kinds.SET_KILL_SWITCH, {"on": False}),
        ("15:08:20", kinds.START_STRATEGY, {"name": "crosser", "kind": "ema-cross", "instruments": ["RELIANCE"],
         "parameters": {"fast": 2, "slow": 3, "trade_until": "15:17", "value_rupees": 20_000,
                        "exit_minutes_before_close": 5}}),
        ("15:09:30", kinds.PLACE_ORDER, placed | {"product": "CNC"}),
        ("15:10:10", kinds.SET_KILL_SWITCH, {"on": True}),
        ("15:11:00", kinds.SET_KILL_SWITCH, {"on": False}),
        ("15:16:00", kinds.PLACE_ORDER, placed | {"side": "SELL", "quantity": 3, "product": "CNC"}),
        ("15:16:30", kinds.STOP_STRATEGY, {"name": "holder"}),
        ("15:24:00", kinds.PLACE_ORDER, low | {"product": "CNC"}),
    ]  # fmt: skip
    found: dict[int, list[Command]] = {}
    for number, (clock, kind, body) in enumerate(given, 1):
        found.setdefault(at(clock), []).append(a_command(number, kind, body, at(clock)))
    return found
