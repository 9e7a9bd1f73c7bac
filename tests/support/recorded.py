"""Recorded sessions and stored candles as frames of the same shape."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from support.polars_oracle import DAY, IST, MINUTE
from support.replays import Outcome

OPEN_MINUTE = 555
FIELDS = ["symbol", "time", "open", "high", "low", "close", "volume", "trades", "incomplete"]


def stored(outcome: Outcome) -> pl.DataFrame:
    """Return the stored candles as the oracle's frame."""
    frames = [
        pl.DataFrame({"symbol": [key.partition(":")[2]] * len(batch), **batch.columns()}).select(FIELDS)
        for key, batch in outcome.candles.items()
        if len(batch)
    ]
    return pl.concat(frames).sort("symbol", "time")


def in_ms(path: Path) -> pl.DataFrame:
    """Return a recording with its times in ms UTC."""
    return pl.read_parquet(path).with_columns(pl.col("timestamp").dt.epoch("ms"))


def open_of(time: float) -> int:
    """Return 09:15 IST of the day a time (ms UTC) lies in."""
    return int(time + IST) // DAY * DAY - IST + OPEN_MINUTE * MINUTE
