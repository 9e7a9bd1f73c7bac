"""Days for strategies: instruments, handmade candles and signals, and real bars of 2016."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from niftyflow.model import (
    Candle,
    Exchange,
    Instrument,
    InstrumentKey,
    Interval,
    Kind,
    Side,
    Signal,
    instrument_key,
    moment,
    signal_id,
    split_key,
)
from support.data import shared_data
from support.market import ist

DAY = "2016-08-16"
SHARE = Instrument(exchange=Exchange.NSE, symbol="TCS", kind=Kind.EQUITY, has_derivatives=True)
OTHER = Instrument(exchange=Exchange.NSE, symbol="INFY", kind=Kind.EQUITY, has_derivatives=True)
INDEX = Instrument(exchange=Exchange.NSE, symbol="NIFTY 50", kind=Kind.INDEX, has_derivatives=True)
RANGE_100_TO_102 = [(101, 102, 100, 101)] * 15
"""The candles of a quarter of an hour, as (open, high, low, close)."""


def a_bar(instrument: Instrument, time: int, bar: Sequence[float], **changes: Any) -> Candle:
    """Return the candle that begins at `time` (ms UTC) with these four prices, or of one price."""
    open_, high, low, close = bar if len(bar) == 4 else bar * 4
    fields: dict[str, Any] = {
        "time": moment(time), "symbol": instrument.symbol, "exchange": instrument.exchange, "interval": Interval.M1,
        "open": float(open_), "high": float(high), "low": float(low), "close": float(close), "volume": 100, "trades": 1,
        "vwap": float(close),
    }  # fmt: skip
    return Candle(**(fields | changes))


def bars(
    prices: Sequence[float | Sequence[float]], start: str = "09:15", instrument: Instrument = SHARE, day: str = DAY
) -> list[Candle]:
    """Return candles of consecutive minutes, each of one price or of four."""
    first = ist(day, start)
    given = [price if isinstance(price, tuple) else (price,) for price in prices]
    return [a_bar(instrument, first + minute * 60_000, bar) for minute, bar in enumerate(given)]


def a_signal(at: int, action: Side = Side.BUY, instrument: Instrument = SHARE, **changes: Any) -> Signal:
    """Return a signal told at a moment, valid for three minutes."""
    time = moment(at)
    fields: dict[str, Any] = {
        "id": signal_id("rule-1", instrument.key, Interval.M1, time), "strategy": "rule-1", "symbol": instrument.symbol,
        "exchange": instrument.exchange, "interval": Interval.M1, "timestamp": time,
        "valid_until": time + timedelta(minutes=3), "action": action, "strength": 1.0, "price": 100.0, "stop": None,
        "target": None, "reason": [], "saw": {},
    }  # fmt: skip
    return Signal(**(fields | changes))


def real_bars(symbols: Sequence[str], days: int, skip: int = 0) -> dict[InstrumentKey, list[Candle]]:
    """Return real candles of some sessions of 2016 by instrument, or skip the test."""
    import polars as pl  # noqa: PLC0415 - only these tests read files

    frame = pl.read_parquet(shared_data("bars_1m_equity_2016/bars.parquet")).filter(pl.col("symbol").is_in(symbols))
    wanted = sorted(frame["ts"].dt.date().unique().to_list())[skip : skip + days]
    found: dict[InstrumentKey, list[Candle]] = {instrument_key("NSE", symbol): [] for symbol in symbols}
    rows = frame.filter(pl.col("ts").dt.date().is_in(wanted)).sort("ts", "symbol")
    times = rows["ts"].dt.epoch("ms").to_list()
    for row, time in zip(rows.iter_rows(named=True), times, strict=True):
        key = instrument_key("NSE", row["symbol"])
        bar = (row["open"], row["high"], row["low"], row["close"])
        found[key].append(a_bar(a_share(key), time, bar, volume=row["volume"]))
    return found


def a_share(key: InstrumentKey) -> Instrument:
    """Return the share of a key."""
    exchange, symbol = split_key(key)
    return Instrument(exchange=Exchange(exchange), symbol=symbol, kind=Kind.EQUITY, has_derivatives=True)
