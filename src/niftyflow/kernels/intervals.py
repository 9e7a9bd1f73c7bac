"""Higher intervals from one-minute candles: rows that share a bucket become one, by whole-array reductions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def bucket_starts(bucket: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first row of each run of equal buckets; `bucket` (rows,) is ascending."""
    if not len(bucket):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate(([True], bucket[1:] != bucket[:-1])))


def roll_up(
    starts: NDArray[np.int64],
    *,
    prices: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    volume: NDArray[np.int64],
    trades: NDArray[np.int64],
    vwap: NDArray[np.float64],
) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
    """Return open, high, low, close, volume, trades and vwap of each run of rows that begins at `starts`.

    `prices` are open, high, low, close of the minutes (rows,). The vwap is weighted by volume; of minutes without
    volume (an index) it is the mean of their vwaps weighted by trades, or the close where nothing traded.
    """
    open_, high, low, close = prices
    ends = np.append(starts[1:], len(volume)) - 1
    total = np.add.reduceat(volume, starts)
    count = np.add.reduceat(trades, starts)
    by_volume = np.add.reduceat(vwap * volume, starts)
    by_trades = np.add.reduceat(vwap * trades, starts)
    average = np.where(
        total > 0,
        by_volume / np.maximum(total, 1),
        np.where(count > 0, by_trades / np.maximum(count, 1), close[ends]),
    )
    highest, lowest = np.maximum.reduceat(high, starts), np.minimum.reduceat(low, starts)
    return {
        "open": open_[starts],
        "high": highest,
        "low": lowest,
        "close": close[ends],
        "volume": total,
        "trades": count,
        "vwap": np.clip(average, lowest, highest),
    }
