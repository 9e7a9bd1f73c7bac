"""A generated session of the Nifty 50, the same for the same seed: prices, volumes and quotes with a real day's habits.

Nothing in it ever happened. The statistics it keeps to are stated in `docs/explanation/simulator.md` and tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from niftyflow.brokers.simulator.instruments import named
from niftyflow.brokers.simulator.nifty50 import INDEX, INDEX_LEVEL, MEMBERS, Member
from niftyflow.brokers.simulator.tape import DAY, EVENT, MINUTE, SECOND, Events, Session, in_order_of_arrival
from niftyflow.kit.clock import IST_OFFSET_MS
from niftyflow.model import Instrument, InvalidValue

TICK = 0.05
SLOT = 500
"""At most one update of a symbol comes in each slot of half a second."""
ACTIVE, QUIET = 0.5, 0.0035
"""Chance of a trade in a slot, averaged over the day, of a usual symbol and of the one illiquid symbol."""
QUOTES = 0.15
"""Chance of a quote without a trade in a slot that has no trade."""
SNAPSHOT_LEAD = 10 * SECOND

_CLOCK_LEAD = 15 * SECOND
_SHARE_MARKET, _SHARE_SECTOR = 0.20, 0.12
_MARKET_VOLATILITY = (0.97, 0.25)
_OWN_VOLATILITY = (0.93, 0.45)
_JUMPS_A_DAY, _JUMP_SIZE = 1.5, 0.0035
_MARKET_JUMPS_A_DAY, _MARKET_JUMP_SIZE = 0.5, 0.0020
_GAP = 0.006
_SPREAD = 2e-4
_TRADE_SIZE_SPREAD = 1.1
_WIDE = 1000


class SyntheticSession:
    """A tape of one generated session; with `symbols` above 50, made-up shares follow the members of the index.

    The last symbol is illiquid: many of its minutes have no trade. The index itself comes on top of `symbols`.
    """

    def __init__(
        self, parts: Sequence[tuple[int, int]], *, seed: int = 1, symbols: int = len(MEMBERS),
        closes: Sequence[float] | None = None,
    ) -> None:  # fmt: skip
        """Describe a session of one or more parts of continuous trading, each (from, until) in ms UTC.

        `closes` are the previous session's last prices, in the order of `instruments`; without, usual ones.

        Raises:
            InvalidValue: there is no symbol, a part has no minute, or there are not as many closes as instruments.
        """
        if symbols < 1:
            raise InvalidValue("symbols", symbols, "a session has at least one symbol")
        if seed < 0:
            raise InvalidValue("seed", seed, "a seed is a whole number from 0")
        for since, until in parts:
            if until - since < MINUTE:
                raise InvalidValue("parts", (since, until), "trading lasts at least a minute")
        self.name = f"synthetic-{seed}"
        self.seed = seed
        self.parts = tuple(parts)
        self.members = _members(symbols, seed)
        listed = named([each.symbol for each in self.members] + [INDEX], [INDEX])
        traded_in_derivatives = {INDEX, *(each.symbol for each in MEMBERS)}
        self.instruments: Sequence[Instrument] = [
            msgspec.structs.replace(each, has_derivatives=each.symbol in traded_in_derivatives) for each in listed
        ]
        if closes is not None and len(closes) != len(self.instruments):
            raise InvalidValue("closes", len(closes), f"there are {len(self.instruments)} instruments")
        self._closes = closes
        self.sessions: Sequence[Session] = [session_of(parts)]

    def chunks(self) -> Iterator[Events]:
        """Yield the snapshot before the open, then a minute at a time (15 seconds with more than 1,000 symbols)."""
        opens = self.parts[0][0]
        day = (opens + IST_OFFSET_MS) // DAY
        random = np.random.Generator(np.random.PCG64([self.seed, day, len(self.members)]))
        minutes = sum(until - since for since, until in self.parts) / MINUTE
        market = _Market(self.members, opens, minutes, random, self._closes)
        yield market.snapshot()
        length = MINUTE if len(self.members) <= _WIDE else MINUTE // 4
        traded = 0
        for since, until in self.parts:
            for start in range(since, until, length):
                end = min(start + length, until)
                yield market.block(start, end, traded / MINUTE)
                traded += end - start


def session_of(parts: Sequence[tuple[int, int]]) -> Session:
    """Return the span of exchange time that parts of trading lie in: from shortly before them to a minute after."""
    opens, closes = parts[0][0], parts[-1][1]
    return Session(opens - _CLOCK_LEAD, opens, closes + MINUTE)


class _Market:
    """The state of all symbols between two blocks."""

    def __init__(
        self, members: Sequence[Member], opens: int, minutes: float, random: np.random.Generator,
        closes: Sequence[float] | None,
    ) -> None:  # fmt: skip
        self._random = random
        self._opens = opens
        count = len(members)
        self._slots_a_minute = MINUTE // SLOT
        self._minutes = minutes
        self._previous = np.array([each.price for each in members] if closes is None else closes[:-1])
        self._index_previous = INDEX_LEVEL if closes is None else closes[-1]
        sectors = sorted({each.sector for each in members})
        self._sector = np.array([sectors.index(each.sector) for each in members])
        self._sectors = len(sectors)
        weights = np.array([each.weight for each in members])
        self._weights = weights / weights.sum()
        self._day_volume_expected = np.array([each.volume * 1000.0 for each in members])
        self._activity = np.full(count, ACTIVE)
        if count > 1:
            self._activity[-1] = QUIET
        self._sigma = random.uniform(0.012, 0.019, count) / np.sqrt(375 * self._slots_a_minute)
        self._spread = np.maximum(1, np.rint(self._previous * _SPREAD / TICK)) * TICK
        self._log = np.log(self._previous) + random.normal(0, _GAP, count)
        self._market_mood = random.normal(0, _MARKET_VOLATILITY[1])
        self._mood = random.normal(0, _OWN_VOLATILITY[1], count)
        self._mood_of = -1
        self._ltp = _to_tick(self._previous)
        self._quantity = np.zeros(count, dtype=np.int64)
        self._day_volume = np.zeros(count, dtype=np.int64)
        day_start = (opens + IST_OFFSET_MS) // DAY * DAY - IST_OFFSET_MS
        self._traded_at = np.full(count, day_start - DAY + (15 * 60 + 30) * MINUTE - SECOND)
        grid = np.linspace(0, self._minutes, 2001)
        self._volatility_scale = 1 / np.sqrt(np.mean(_volatility_shape(grid, self._minutes) ** 2))
        self._volume_scale = 1 / np.mean(_volume_shape(grid, self._minutes))

    def snapshot(self) -> Events:
        """Return the quotes before the open: nothing traded today."""
        count = len(self._ltp)
        events = np.zeros(count + 1, dtype=EVENT)
        events["instrument"] = np.arange(count + 1)
        events["ltp"] = [*self._ltp, self._index_previous]
        events["timestamp"] = self._opens - SNAPSHOT_LEAD
        events["arrival"] = self._opens - SNAPSHOT_LEAD + 1 + np.arange(count + 1) * 900 // (count + 1)
        events["traded_at"] = [*self._traded_at, self._opens - SNAPSHOT_LEAD]
        events["bid"][:-1], events["ask"][:-1] = self._ltp, self._ltp + self._spread
        return events

    def block(self, start: int, end: int, minutes_before: float) -> Events:
        """Return what happens from `start` to `end`, after so many minutes of trading, and carry the state there."""
        times = np.arange(start, end, SLOT)
        shape = (len(times), len(self._ltp))
        minutes = minutes_before + (times - start) / MINUTE
        returns = self._returns(minutes, shape)
        path = self._log + np.cumsum(returns, axis=0)
        self._log = path[-1]
        bids = np.floor(np.exp(path) / TICK + 0.5) * TICK
        asks = bids + self._spread

        volume = _volume_shape(minutes, self._minutes) * self._volume_scale
        chance = np.minimum(0.95, self._activity * np.sqrt(volume)[:, None])
        is_trade = self._random.random(shape) < chance
        is_quote = ~is_trade & (self._random.random(shape) < QUOTES * np.minimum(1, 2 * self._activity))
        prices = np.where(self._random.random(shape) < 0.5, bids, asks)  # noqa: PLR2004  a fair coin
        quantities = self._quantities(volume, chance, returns, shape)

        seconds = np.broadcast_to((times // SECOND * SECOND)[:, None], shape)
        last = np.maximum.accumulate(np.where(is_trade, np.arange(len(times))[:, None], -1), axis=0)
        ltp = _carried(prices, last, self._ltp)
        quantity = _carried(quantities, last, self._quantity)
        traded_at = _carried(seconds, last, self._traded_at)
        day_volume = self._day_volume + np.cumsum(np.where(is_trade, quantities, 0), axis=0)
        self._ltp, self._quantity, self._traded_at, self._day_volume = (
            ltp[-1],
            quantity[-1],
            traded_at[-1],
            day_volume[-1],
        )

        slot, place = np.nonzero(is_trade | is_quote)
        events = np.zeros(len(slot), dtype=EVENT)
        events["instrument"] = place
        events["arrival"] = times[slot] + self._random.integers(0, SLOT - 20, len(slot))
        events["timestamp"] = seconds[slot, place]
        columns = {"ltp": ltp, "last_quantity": quantity, "day_volume": day_volume, "bid": bids, "ask": asks,
                   "traded_at": traded_at}  # fmt: skip
        for field, values in columns.items():
            events[field] = values[slot, place]
        for field in ("ltp", "bid", "ask"):
            events[field] = np.rint(events[field] * 100) / 100
        return in_order_of_arrival(np.concatenate([events, self._index(times, ltp)]))

    def _returns(self, minutes: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
        random = self._random
        minute = int(minutes[0])
        if minute != self._mood_of:
            self._mood_of = minute
            keep, spread = _MARKET_VOLATILITY
            self._market_mood = keep * self._market_mood + random.normal(0, spread * np.sqrt(1 - keep**2))
            keep, spread = _OWN_VOLATILITY
            self._mood = keep * self._mood + random.normal(0, spread * np.sqrt(1 - keep**2), shape[1])
        excess = _MARKET_VOLATILITY[1] ** 2 + _OWN_VOLATILITY[1] ** 2
        mood = np.exp(self._market_mood + self._mood - excess)
        curve = _volatility_shape(minutes, self._minutes) * self._volatility_scale
        common = np.sqrt(_SHARE_MARKET) * random.standard_normal((shape[0], 1))
        sector = np.sqrt(_SHARE_SECTOR) * random.standard_normal((shape[0], self._sectors))[:, self._sector]
        own = np.sqrt(1 - _SHARE_MARKET - _SHARE_SECTOR) * random.standard_normal(shape)
        returns = curve[:, None] * (self._sigma * mood) * (common + sector + own)
        slots_a_day = 375 * self._slots_a_minute
        jumps = random.random(shape) < _JUMPS_A_DAY / slots_a_day
        returns[jumps] += random.normal(0, _JUMP_SIZE, int(jumps.sum()))
        together = random.random(shape[0]) < _MARKET_JUMPS_A_DAY / slots_a_day
        returns[together] += random.normal(0, _MARKET_JUMP_SIZE, (int(together.sum()), 1))
        return np.asarray(returns, dtype=np.float64)

    def _quantities(
        self, volume: NDArray[np.float64], chance: NDArray[np.float64], returns: NDArray[np.float64],
        shape: tuple[int, int],
    ) -> NDArray[np.int64]:  # fmt: skip
        """Return the size of the trade in each slot, were there one: larger when the price moves."""
        a_slot = self._day_volume_expected / (self._minutes * self._slots_a_minute) * volume[:, None]
        usual = a_slot * np.minimum(1, self._activity / ACTIVE) / chance
        push = 0.7 + 0.5 * np.minimum(4, np.abs(returns) / self._sigma)
        size = np.exp(self._random.normal(-(_TRADE_SIZE_SPREAD**2) / 2, _TRADE_SIZE_SPREAD, shape))
        sizes: NDArray[np.int64] = 1 + (usual * push * size).astype(np.int64)
        return sizes

    def _index(self, times: NDArray[np.int64], ltp: NDArray[np.float64]) -> Events:
        """Return the index, once a second, from the last trades of its members."""
        rows = np.flatnonzero(np.append(np.diff(times // SECOND) > 0, True))
        members = min(len(MEMBERS), ltp.shape[1])
        weights = self._weights[:members] / self._weights[:members].sum()
        level = self._index_previous * (ltp[rows, :members] / self._previous[:members]) @ weights
        events = np.zeros(len(rows), dtype=EVENT)
        events["instrument"] = ltp.shape[1]
        events["arrival"] = times[rows] + SLOT - 10
        events["timestamp"] = events["traded_at"] = times[rows] // SECOND * SECOND
        events["ltp"] = np.rint(_to_tick(level) * 100) / 100
        return events


def _carried(values: NDArray[Any], last: NDArray[np.int64], before: NDArray[Any]) -> NDArray[Any]:
    """Return, at each slot, the value of the last trade so far, or the one carried from before the block."""
    taken = np.take_along_axis(values, np.maximum(last, 0), axis=0)
    return np.where(last >= 0, taken, before)


def _volatility_shape(minutes: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """High after the open, falling for an hour, a little higher again before the close."""
    shape: NDArray[np.float64] = 1 + 1.6 * np.exp(-minutes / 18) + 0.45 * np.exp(-(length - minutes) / 20)
    return shape


def _volume_shape(minutes: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """Heavy at both ends of the day."""
    shape: NDArray[np.float64] = 0.7 + 1.4 * np.exp(-minutes / 18) + 2.4 * np.exp(-(length - minutes) / 20)
    return shape


def _to_tick(prices: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.rint(prices / TICK) * TICK


def _members(symbols: int, seed: int) -> list[Member]:
    members = list(MEMBERS[:symbols])
    extra = symbols - len(members)
    if extra:
        random = np.random.Generator(np.random.PCG64([seed, extra]))
        sectors = sorted({each.sector for each in MEMBERS})
        prices = np.exp(random.uniform(np.log(50), np.log(5000), extra))
        volumes = np.exp(random.normal(np.log(800), 1.0, extra))
        chosen = random.integers(0, len(sectors), extra)
        members += [
            Member(f"STOCK{number + 1:04d}", sectors[sector], round(price / TICK) * TICK, 0.01, 1 + int(volume))
            for number, (price, volume, sector) in enumerate(zip(prices, volumes, chosen, strict=True))
        ]
    return members
