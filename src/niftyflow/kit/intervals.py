"""Candles of 3m to 1d from stored one-minute candles, anchored at the session's open.

Nothing higher than a minute is folded from ticks: one source, one truth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from niftyflow.kernels.intervals import bucket_starts, roll_up
from niftyflow.market import NO_BUCKET, ist_day, minute_buckets
from niftyflow.model import CandleBatch, Instrument, Interval

MINUTE_MS = 60_000


def higher(minutes: CandleBatch, instrument: Instrument, interval: Interval) -> CandleBatch:
    """Return the candles of `interval` that one instrument's minutes (ascending) make.

    Minutes outside continuous trading are left out. A candle is incomplete when one of its minutes is, or when it
    has fewer minutes than the session gives it (the last candle of a session under way is).
    """
    bucket, expected = _buckets(minutes.time, instrument, interval)
    inside = minutes.take(bucket != NO_BUCKET)
    bucket, expected = bucket[bucket != NO_BUCKET], expected[bucket != NO_BUCKET]
    starts = bucket_starts(bucket)
    if not len(starts):
        return CandleBatch(minutes.names, interval, **inside.columns())
    columns = roll_up(
        starts,
        prices=(inside.open, inside.high, inside.low, inside.close),
        volume=inside.volume,
        trades=inside.trades,
        vwap=inside.vwap,
    )
    ends = np.append(starts[1:], len(bucket)) - 1
    there = ends - starts + 1
    return CandleBatch(
        minutes.names,
        interval,
        **columns,
        name=inside.name[starts],
        time=bucket[starts],
        open_interest=inside.open_interest[ends],
        day_volume=inside.day_volume[ends],
        traded_at=inside.traded_at[ends],
        provenance=np.maximum.reduceat(inside.provenance, starts),
        revision=np.maximum.reduceat(inside.revision, starts),
        incomplete=np.logical_or.reduceat(inside.incomplete, starts) | (there < expected[starts]),
        through_partition=inside.through_partition[ends],
        through_offset=inside.through_offset[ends],
    )


def _buckets(
    time: NDArray[np.int64], instrument: Instrument, interval: Interval
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each minute's bucket and how many minutes the session gives that bucket."""
    bucket = np.full(len(time), NO_BUCKET, np.int64)
    expected = np.zeros(len(time), np.int64)
    days = (time + 19_800_000) // 86_400_000
    for day in np.unique(days).tolist():
        rows = days == day
        of_minute = minute_buckets(instrument, interval, ist_day(day * 86_400_000 - 19_800_000))
        values, counts = np.unique(of_minute, return_counts=True)
        minute = (time[rows] + 19_800_000) % 86_400_000 // MINUTE_MS
        bucket[rows] = of_minute[minute]
        expected[rows] = counts[np.searchsorted(values, bucket[rows])]
    return bucket, expected
