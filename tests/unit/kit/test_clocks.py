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


def test_the_wall_clock_takes_no_part_in_a_step_of_the_system_s(monkeypatch):
    """Back or ahead, it goes on at the monotonic clock's pace, counts the step once, and follows again afterwards."""
    system = [5_000, 5_000, 6_000, 2_000, 3_001, 8_003, 9_003, 99_000, 11_005]
    steady = [0, 0, 1_000, 2_000, 3_000, 3_003, 4_003, 5_003, 6_005]
    monkeypatch.setattr(time, "time_ns", lambda: system.pop(0) * 1_000_000)
    monkeypatch.setattr(time, "monotonic_ns", lambda: steady.pop(0) * 1_000_000)
    clock = WallClock()
    assert [clock.now() for _ in range(8)] == [5_000, 6_000, 7_000, 8_000, 8_003, 9_003, 10_003, 11_005]
    assert clock.steps == 2


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
