"""Clocks: wall time that never runs back, and time that is told."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from niftyflow.kit.clock import VirtualClock, WallClock, monotonic, to_ist


def test_the_wall_clock_is_the_system_s_in_milliseconds():
    """Between two looks at the system's."""
    before = time.time_ns() // 1_000_000
    assert before <= WallClock().now() <= time.time_ns() // 1_000_000


def test_the_wall_clock_is_held_while_the_system_s_is_behind(monkeypatch):
    """It never runs back, counts how often that was prevented, and goes on when the system has caught up."""
    told = [5_000, 6_000, 2_000, 5_999, 6_000, 6_001]
    monkeypatch.setattr(time, "time_ns", lambda: told.pop(0) * 1_000_000)
    clock = WallClock()
    assert [clock.now() for _ in range(6)] == [5_000, 6_000, 6_000, 6_000, 6_000, 6_001]
    assert clock.steps_back == 2


@given(st.lists(st.integers(0, 2**40), max_size=20))
def test_told_time_is_the_latest_told(times):
    """An earlier one is ignored."""
    clock = VirtualClock()
    for each in times:
        clock.advance_to(each)
    assert clock.now() == max([0, *times])


def test_a_moment_in_india():
    """Five and a half hours ahead, aware of its zone."""
    assert to_ist(1_705_560_000_123).isoformat() == "2024-01-18T12:10:00.123000+05:30"


def test_waiting_time_only_grows():
    """It has nothing to do with the calendar."""
    assert monotonic() <= monotonic()
