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
    """The system's clock, which goes on at the pace of the monotonic one while the system's jumps.

    A jump of more than `STEP_MS` either way is a step: it is counted once, and our time takes no part in it until the
    system's is back, or the program is started again.
    """

    STEP_MS = 500

    def __init__(self) -> None:
        self.steps = 0
        self._is_stepped = False
        self._last = time.time_ns() // 1_000_000
        self._looked = time.monotonic_ns()

    def now(self) -> int:
        """Return the time, ms UTC, never less than before."""
        looked = time.monotonic_ns()
        system = time.time_ns() // 1_000_000
        expected = self._last + (looked - self._looked) // 1_000_000
        is_stepped = abs(system - expected) > self.STEP_MS
        self.steps += is_stepped and not self._is_stepped
        self._is_stepped = is_stepped
        now = max(self._last, expected if is_stepped else system)
        if now > self._last:
            self._looked += (now - self._last) * 1_000_000 if is_stepped else looked - self._looked
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
