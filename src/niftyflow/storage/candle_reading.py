"""Stored candles as people ask for them: any interval, the newest few, and the minutes that are missing.

It reads the market store and builds; it stores and publishes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from niftyflow.kit.intervals import MINUTE_MS, higher
from niftyflow.market import day_start, ist_day, minute_mask
from niftyflow.model import CandleBatch, Exchange, Instrument, Interval, Kind, split_key
from niftyflow.storage.ports import MarketStore

FAR_DAY = date(9999, 1, 1)
LONGEST_DAY = 400
"""Minutes; no session of the calendar has more."""
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class DayQuality:
    """Minutes of one trading day: how many there should be by now, and which (ms UTC) are missing or incomplete."""

    day: date
    expected: int
    stored: int
    missing: NDArray[np.int64]
    incomplete: NDArray[np.int64]


async def read_candles(
    store: MarketStore, key: str, interval: Interval, since: int, until: int, last: int | None = None
) -> CandleBatch:
    """Return an instrument's candles with `since` <= time < `until` (ms UTC), oldest first; of them the newest `last`.

    1m is as stored. 1d is as stored, and built from minutes on days without one. All others are built from minutes.

    Raises:
        CalendarUnknown: candles have to be built of a day that the calendar does not know.
    """
    if interval is Interval.M1:
        return await store.candles(key, interval, since, until, last)
    built = await _built(store, key, interval, since, until, last)
    if interval is Interval.D1:
        built = _joined(await store.candles(key, interval, since, until, last), built)
    inside = np.flatnonzero((built.time >= since) & (built.time < until))
    return built.take(inside if last is None else inside[-last:])


async def missing_minutes(store: MarketStore, key: str, since: int, until: int, now: int) -> list[DayQuality]:
    """Return every trading day that touches the span (ms UTC), with its minutes that ended before `now`.

    Raises:
        CalendarUnknown: the calendar does not know one of the days.
    """
    instrument = await instrument_of(store, key, until)
    days = []
    for ordinal in range(ist_day(since).toordinal(), ist_day(until - 1).toordinal() + 1):
        day = date.fromordinal(ordinal)
        begins = day_start(day)
        expected = begins + np.flatnonzero(minute_mask(instrument, day)) * MINUTE_MS
        expected = expected[expected + MINUTE_MS <= now]
        if not len(expected):
            continue
        there = await store.candles(key, Interval.M1, begins, begins + DAY_MS)
        inside = np.isin(there.time, expected)
        missing = np.setdiff1d(expected, there.time)
        days.append(DayQuality(day, len(expected), int(inside.sum()), missing, there.time[inside & there.incomplete]))
    return days


async def instrument_of(store: MarketStore, key: str, time: int) -> Instrument:
    """Return an instrument as it stood at a time, else as it stands now; one not known is taken as a plain share."""
    day = min(ist_day(time), FAR_DAY) if time < day_start(FAR_DAY) else FAR_DAY
    for on in (day, FAR_DAY):
        for instrument in await store.instruments(on):
            if instrument.key == key:
                return instrument
    exchange, symbol = split_key(key)
    return Instrument(exchange=Exchange(exchange), symbol=symbol, kind=Kind.EQUITY)


async def _built(
    store: MarketStore, key: str, interval: Interval, since: int, until: int, last: int | None
) -> CandleBatch:
    """Build from the minutes of whole days, so that no candle at an edge of the span is built from a part."""
    begins = day_start(ist_day(since))
    ends = until if until >= day_start(FAR_DAY) else day_start(ist_day(until - 1)) + DAY_MS
    # one candle more than asked, as the oldest may lack minutes; and a day more, for what `until` cuts off afterwards
    limit = None if last is None else (last + 1) * (interval.minutes or LONGEST_DAY) + LONGEST_DAY
    minutes = await store.candles(key, Interval.M1, begins, ends, limit)
    return higher(minutes, await instrument_of(store, key, int(minutes.time[-1]) if len(minutes) else until), interval)


def _joined(stored: CandleBatch, built: CandleBatch) -> CandleBatch:
    """Return stored candles, and built ones of days without, by time."""
    records = [*stored.to_records(), *built.take(~np.isin(built.time, stored.time)).to_records()]
    if not records:
        return stored
    return CandleBatch.from_records(sorted(records, key=lambda candle: candle.time))
