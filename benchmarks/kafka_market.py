"""The market of the Kafka benchmark: any tick of it from its number, and what candles all of them make.

What is expected is counted here by Polars, from the rules as written: it shares no code with the product.
"""

from __future__ import annotations

import os

import numpy as np
import polars as pl

from niftyflow.model import Exchange, Instrument, Kind, Name, NameTable, TickBatch, Watermark

OPENING_MS = 1_706_154_300_000
"""09:15 in India on 2024-01-25, ms UTC."""
INSTRUMENTS = 500
PARTITIONS = int(os.environ.get("NIFTYFLOW_BENCH_PARTITIONS", "50"))
MARKET_SPEED = 10
"""Seconds of market in one of ours: a minute closes every six seconds."""
MARK_MS = 10_000
"""Watermarks are so far apart, in market time: one a second and partition, as in life."""
MINUTE_MS = 60_000
FIELDS = ("instrument", "time", "open", "high", "low", "close", "volume", "trades")


class Market:
    """Ticks at a steady rate, all instruments in turn."""

    def __init__(self, rate: int) -> None:
        self.shares = [
            Instrument(exchange=Exchange.NSE, symbol=f"S{place:03}", kind=Kind.EQUITY) for place in range(INSTRUMENTS)
        ]
        self.names = NameTable(Name(share.key, str(place), "bench") for place, share in enumerate(self.shares))
        self._rate = rate

    def before(self, time: int) -> int:
        """Return how many ticks come before a market time (ms UTC)."""
        return -(-(time - OPENING_MS) * self._rate // (1000 * MARKET_SPEED))

    def ticks(self, first: int, stop: int, received: int = 0) -> TickBatch:
        """Return ticks by their numbers."""
        number = np.arange(first, stop)
        name = number % INSTRUMENTS
        at = OPENING_MS + number * (1000 * MARKET_SPEED) // self._rate
        # Prices move on paise; the day's volume grows with each trade, so that none repeats the one before it.
        price = np.round(100.0 + name + (number * 7919 % 401) * 0.05, 2)
        turn = number // INSTRUMENTS + 1
        return TickBatch(
            self.names, name=name, ltp=price, volume=1 + number % 7, day_volume=turn * 9 + number % 5,
            bid=np.round(price - 0.05, 2), ask=np.round(price + 0.05, 2), open_interest=np.zeros_like(number),
            timestamp=at, traded_at=at, received=np.full_like(number, received), sequence=number,
        )  # fmt: skip

    def expected(self, minutes: int) -> pl.DataFrame:
        """Return the candles of the first minutes; a first minute's volume is not known."""
        frames = []
        for minute in range(minutes):
            begin = OPENING_MS + minute * MINUTE_MS
            ticks = self.ticks(self.before(begin), self.before(begin + MINUTE_MS))
            frame = pl.DataFrame({field: getattr(ticks, field) for field in ("name", "ltp", "day_volume")})
            made = frame.group_by("name", maintain_order=True).agg(
                open=pl.col("ltp").first(), high=pl.col("ltp").max(), low=pl.col("ltp").min(),
                close=pl.col("ltp").last(), end=pl.col("day_volume").max(), trades=pl.len(),
            )  # fmt: skip
            frames.append(made.with_columns(time=pl.lit(begin)))
        keys = pl.DataFrame({"name": np.arange(INSTRUMENTS), "instrument": [share.key for share in self.shares]})
        volume = pl.col("end") - pl.col("end").shift(1).over("name", order_by="time")
        return (
            pl.concat(frames)
            .join(keys, on="name")
            .with_columns(volume=volume, trades=pl.col("trades").cast(pl.Int64))
            .select(FIELDS)
            .sort("instrument", "time")
        )


def marks(at: int) -> list[Watermark]:
    """Return a watermark for every partition."""
    return [Watermark(time=at, partition=place, source="bench", healthy=True) for place in range(PARTITIONS)]
