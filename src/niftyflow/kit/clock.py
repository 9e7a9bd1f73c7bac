"""The only place that reads a clock: wall time, or the time a recording carries.

Data-path code takes a `Clock` and never asks the system. `monotonic` is for waiting and measuring, never for data.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Protocol
from zoneinfo import ZoneInfo

from niftyflow.model import moment

IST = ZoneInfo("Asia/Kolkata")
IST_OFFSET = timezone(timedelta(hours=5, minutes=30))
IST_OFFSET_MS = 19_800_000


class Clock(Protocol):
    """Time in ms UTC, as the data path sees it."""

    def now(self) -> int:
        """Return the time now, ms UTC; it never steps back."""
        ...


class WallClock:
    """The system's clock, held where it steps back so that time never runs backwards."""

    def __init__(self) -> None:
        self._last = 0
        self.steps_back = 0

    def now(self) -> int:
        """Return the system's time, or the last one told while the system's is behind it."""
        now = time.time_ns() // 1_000_000
        if now < self._last:
            self.steps_back += 1
            return self._last
        self._last = now
        return now


class VirtualClock:
    """A clock that is told the time: by a recording, by the simulator's clock messages, or by a test."""

    def __init__(self, now: int = 0) -> None:
        self._now = now

    def now(self) -> int:
        """Return the last time told."""
        return self._now

    def advance_to(self, now: int) -> None:
        """Move to `now`; an earlier time is ignored."""
        self._now = max(self._now, now)


def monotonic() -> float:
    """Return seconds for waiting and measuring; unrelated to any calendar."""
    return time.monotonic()


def to_ist(ms: int) -> datetime:
    """Return ms UTC as an aware time in Asia/Kolkata."""
    return moment(ms).astimezone(IST)
