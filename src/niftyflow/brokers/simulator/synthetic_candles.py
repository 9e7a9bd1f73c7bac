"""The one-minute candles of a generated session, without playing it: what a fold would make of its ticks, in a second.

Bucketing is that of `docs/explanation/candles.md`: trades by the minute they were made in, a flat candle for a minute
without one once the instrument has traded that day. Marked as synthetic.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from niftyflow.brokers.simulator.synthetic import SyntheticSession
from niftyflow.brokers.simulator.tape import MINUTE, Events
from niftyflow.model import CandleBatch, Interval, Name, NameTable, Provenance


def session_candles(session: SyntheticSession, until: int | None = None) -> tuple[CandleBatch, list[float]]:
    """Return the candles of the minutes that end by `until` (ms UTC; None: all), and each instrument's last price."""
    day = _Day(session)
    closes = np.zeros(len(session.instruments))
    minutes = []
    for chunk in session.chunks():
        if until is not None and len(chunk) and int(chunk["arrival"][-1]) >= until:
            break
        closes[chunk["instrument"]] = chunk["ltp"]
        minutes += list(day.candles(chunk))
    return CandleBatch.concat(minutes or [day.nothing()]), closes.tolist()


class _Day:
    """What is known of each instrument between two minutes."""

    def __init__(self, session: SyntheticSession) -> None:
        count = len(session.instruments)
        self._names = NameTable(Name(str(each.key), "synthetic") for each in session.instruments)
        self._opens = session.parts[0][0]
        self._volume = np.zeros(count, dtype=np.int64)
        self._price, self._traded_at = np.zeros(count), np.zeros(count, dtype=np.int64)
        self._is_index = np.array([not session.members[place:] for place in range(count)])

    def nothing(self) -> CandleBatch:
        """Return no candle."""
        return self._batch(0, np.zeros(0, dtype=np.int64), {})

    def candles(self, events: Events) -> Iterator[CandleBatch]:
        """Yield the candles of the minute, or the minutes, that a chunk is of."""
        events = events[events["arrival"] >= self._opens]
        minutes = events["arrival"] // MINUTE
        for minute in np.unique(minutes).tolist():
            yield self._minute(minute * MINUTE, events[minutes == minute])

    def _minute(self, time: int, events: Events) -> CandleBatch:
        rows = events[np.argsort(events["instrument"], kind="stable")]
        place = rows["instrument"]
        before = np.where(_is_first(place), self._volume[place], np.roll(rows["day_volume"], 1))
        bought = rows["day_volume"] - before
        is_trade = (bought > 0) | self._is_index[place]
        rows, place, bought = rows[is_trade], place[is_trade], bought[is_trade]
        traded = np.zeros(len(self._price), dtype=np.bool_)
        found: dict[str, NDArray[np.float64]] = {}
        if len(rows):
            starts = np.flatnonzero(_is_first(place))
            ends = np.append(starts[1:], len(rows)) - 1
            which, price = place[starts], rows["ltp"]
            traded[which] = True
            weight = np.where(self._is_index[place], 1, bought)
            high, low = np.maximum.reduceat(price, starts), np.minimum.reduceat(price, starts)
            mean = np.add.reduceat(price * weight, starts) / np.add.reduceat(weight, starts)
            found = {
                "open": price[starts], "high": high, "low": low, "vwap": np.clip(mean, low, high),
                "volume": np.add.reduceat(bought, starts), "trades": (ends - starts + 1).astype(np.float64),
            }  # fmt: skip
            self._price[which], self._volume[which] = price[ends], rows["day_volume"][ends]
            self._traded_at[which] = rows["traded_at"][ends]
        return self._batch(time, np.flatnonzero(traded), found)

    def _batch(self, time: int, traded: NDArray[np.int64], found: dict[str, NDArray[np.float64]]) -> CandleBatch:
        """Return a minute's candles: those of the instruments traded in it, and flat ones of those traded before."""
        count = len(self._price)
        columns = {name: self._price.copy() for name in ("open", "high", "low", "vwap")}
        columns |= {name: np.zeros(count) for name in ("volume", "trades")}
        for name, values in found.items():
            columns[name][traded] = values
        shown = np.flatnonzero(self._traded_at > 0)
        whole = {name: columns[name][shown].astype(np.int64) for name in ("volume", "trades")}
        prices = {name: columns[name][shown] for name in ("open", "high", "low", "vwap")}
        constant = {"time": time, "open_interest": 0, "provenance": int(Provenance.SYNTHETIC), "revision": 0,
                    "incomplete": False, "through_partition": -1, "through_offset": -1}  # fmt: skip
        return CandleBatch(
            self._names, Interval.M1, name=shown.astype(np.int32), **prices, close=self._price[shown], **whole,
            day_volume=self._volume[shown], traded_at=self._traded_at[shown],
            **{name: np.full(len(shown), value, CandleBatch.COLUMNS[name]) for name, value in constant.items()},
        )  # fmt: skip


def _is_first(place: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which rows are the first of their instrument; rows of one instrument stand together."""
    first = np.ones(len(place), dtype=np.bool_)
    first[1:] = place[1:] != place[:-1]
    return first
