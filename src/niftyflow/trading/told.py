"""Candles and signals as an account takes them: each once, however often the log tells it.

Whoever takes a partition over may tell once more what its last owner told. The log then holds a record again behind a
watermark that is past its time, or twice before one. It keeps until when each partition was told, and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from niftyflow.kit.join import Place, Step
from niftyflow.model import Candle, CandleBatch, Interval, Signal, milliseconds

MINUTE_MS = 60_000
TOPICS = ("market_candles", "signals")
"""What is told by moments: a record of one comes before the watermark that ends it, and after the one before."""


class Told:
    """Until when each partition has told, ms UTC; `until` is taken from the log's watermarks when an account opens."""

    def __init__(self) -> None:
        self.until: dict[Place, int] = {}

    def take(self, step: Step, watched: Collection[str]) -> tuple[list[Candle], list[Signal]]:
        """Return a step's closed candles of watched instruments, by time and instrument, and its signals, as told."""
        candles: dict[tuple[int, str], Candle] = {}
        signals: dict[str, Signal] = {}
        for place, body in _told(step):
            until = self.until.get(place, 0)
            if isinstance(body, CandleBatch):
                for candle, time in _first_told(body, until, watched):
                    candles.setdefault((time, candle.instrument), candle)
            else:
                for signal in body:
                    if milliseconds(signal.timestamp) > until:
                        signals.setdefault(signal.id, signal)
        self.until |= dict.fromkeys({place for place, _ in _told(step)}, step.time)
        return [candles[key] for key in sorted(candles)], list(signals.values())


def _told(step: Step) -> Iterator[tuple[Place, Any]]:
    for segment in step.segments:
        if segment.topic in TOPICS:
            yield (segment.topic, segment.partition), segment.body


def _first_told(batch: CandleBatch, until: int, watched: Collection[str]) -> Iterator[tuple[Candle, int]]:
    """Return the watched candles of a minute that ended after `until`; one revised since decides nothing."""
    if batch.interval is not Interval.M1:
        return
    keys = batch.keys()
    first = np.flatnonzero((batch.revision == 0) & (batch.time + MINUTE_MS > until)).tolist()
    rows = [row for row in first if keys[row] in watched]
    if rows:
        chosen = batch.take(np.array(rows, dtype=np.int64))
        yield from zip(chosen.to_records(), chosen.time.tolist(), strict=True)
