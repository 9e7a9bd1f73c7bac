"""The newest bodies of a topic, kept in memory: readers at the head get them by reference, without a file or a copy.

It is bounded in bytes and in age, and holds one unbroken run of offsets. Whoever lags behind it reads the file.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice

from niftyflow.bus.port import Batch, Body, count_of
from niftyflow.kit.clock import monotonic
from niftyflow.model import Columns, Watermark, rows_of

_RECORD_BYTES = 512  # about what one plain record takes as Python objects


@dataclass(frozen=True, slots=True)
class _Kept:
    first: int
    end: int
    body: Body
    size: int
    since: float


class Recent:
    """A ring of bodies. The oldest leave when it is full or when they are old; nobody waits for a reader."""

    def __init__(self, limit_bytes: int, limit_seconds: float) -> None:
        self._limit_bytes = limit_bytes
        self._limit_seconds = limit_seconds
        self._kept: deque[_Kept] = deque()
        self.size = 0

    def add(self, first: int, body: Body) -> None:
        """Keep a body; one that does not follow the last (another process wrote between) begins a new run."""
        if self._kept and self._kept[-1].end != first:
            self._kept.clear()
            self.size = 0
        now = monotonic()
        size = size_of(body)
        self._kept.append(_Kept(first, first + count_of(body), body, size, now))
        self.size += size
        while self._kept and (self.size > self._limit_bytes or self._kept[0].since < now - self._limit_seconds):
            self.size -= self._kept.popleft().size

    def read(self, topic: str, position: int, max_records: int) -> list[Batch] | None:
        """Return batches from `position` on, or None when the ring does not hold it."""
        back = 0
        for kept in reversed(self._kept):
            if kept.end <= position:
                break
            back += 1
        if not back or self._kept[-back].first > position:
            return None
        batches: list[Batch] = []
        records = 0
        for kept in islice(self._kept, len(self._kept) - back, None):
            records += kept.end - max(kept.first, position)
            if batches and records > max_records:
                break
            batches.append(batch_from(topic, kept.first, kept.body, position))
        return batches


def batch_from(topic: str, first: int, body: Body, position: int) -> Batch:
    """Return the part of a stored body from `position` on; all of it, by reference, where it begins there or later."""
    skip = position - first
    if skip <= 0 or isinstance(body, Watermark):
        return Batch(topic, 0, first, body)
    return Batch(topic, 0, position, rows_of(body, slice(skip, None)))


def size_of(body: Body) -> int:
    """Return about how many bytes a body keeps in memory."""
    if isinstance(body, Columns):
        return sum(column.nbytes for column in body.columns().values())
    return _RECORD_BYTES * count_of(body)
