"""Candle buckets and minute masks: which minutes belong to which candle.

An intraday bucket is anchored at the open of its part of continuous trading, so it never spans the break of a split
session and always starts on a traded minute. Arrays are cached per (session class, day), read-only, never recomputed.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from niftyflow.market.calendar import (
    MINUTE_MS,
    SessionClass,
    day_start,
    ist_day,
    session,
)
from niftyflow.market.tables import MINUTES_OF_DAY, Phase
from niftyflow.model import Instrument, Interval

NO_BUCKET = -1


def bucket_of(subject: Instrument | SessionClass, interval: Interval, t: int) -> int | None:
    """Return the start of the candle that holds a moment, both in ms UTC; None outside continuous trading.

    1m to 1h start at the open of their part of the session (60m: 09:15, 10:15 …) and are cut off at its end.
    1d starts at 00:00 IST of the trading day.

    Raises:
        CalendarUnknown: as `market.calendar.session`.
    """
    day = ist_day(t)
    found = session(subject, day)
    span = None if found is None else found.at(t)
    if span is None or span.phase is not Phase.CONTINUOUS:
        return None
    if interval is Interval.D1:
        return day_start(day)
    return t - (t - span.start) % (interval.minutes * MINUTE_MS)


def minute_mask(subject: Instrument | SessionClass, day: date) -> NDArray[np.uint8]:
    """Return 1440 flags, one per minute of the IST day: 1 where it is continuous trading. Shared and read-only.

    Raises:
        CalendarUnknown: as `market.calendar.session`.
    """
    found = session(subject, day)
    return _NO_MINUTE if found is None else _mask(found.session_class, day)


def minute_buckets(subject: Instrument | SessionClass, interval: Interval, day: date) -> NDArray[np.int64]:
    """Return, for each of the 1440 minutes of the IST day, the start of its candle in ms UTC, or -1. Read-only.

    Raises:
        CalendarUnknown: as `market.calendar.session`.
    """
    found = session(subject, day)
    return _NO_BUCKETS if found is None else _buckets(found.session_class, interval, day)


def _parts(of: SessionClass, day: date) -> list[tuple[int, int]]:
    found = session(of, day)
    midnight = day_start(day)
    return [
        ((span.start - midnight) // MINUTE_MS, (span.end - midnight) // MINUTE_MS)
        for span in (found.continuous if found else ())
    ]


@lru_cache(maxsize=4096)
def _mask(of: SessionClass, day: date) -> NDArray[np.uint8]:
    mask = np.zeros(MINUTES_OF_DAY, dtype=np.uint8)
    for start, end in _parts(of, day):
        mask[start:end] = 1
    mask.setflags(write=False)
    return mask


@lru_cache(maxsize=4096)
def _buckets(of: SessionClass, interval: Interval, day: date) -> NDArray[np.int64]:
    buckets = np.full(MINUTES_OF_DAY, NO_BUCKET, dtype=np.int64)
    midnight = day_start(day)
    for start, end in _parts(of, day):
        minutes = np.arange(start, end, dtype=np.int64)
        if interval is Interval.D1:
            buckets[start:end] = midnight
        else:
            buckets[start:end] = midnight + (minutes - (minutes - start) % interval.minutes) * MINUTE_MS
    buckets.setflags(write=False)
    return buckets


_NO_MINUTE = np.zeros(MINUTES_OF_DAY, dtype=np.uint8)
_NO_MINUTE.setflags(write=False)
_NO_BUCKETS = np.full(MINUTES_OF_DAY, NO_BUCKET, dtype=np.int64)
_NO_BUCKETS.setflags(write=False)
