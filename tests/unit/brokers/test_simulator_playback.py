"""The simulated exchange's time: each event once, whatever the steps; jumps; speed and pause."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.brokers.simulator.ahead import made_ahead
from niftyflow.brokers.simulator.pace import UNLIMITED, Pace, parse_speed
from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.tape import DAY, MINUTE, SECOND, OneDay, Session
from niftyflow.model import InvalidValue, Misconfigured
from support.simulator import OPENS, SmallTape, every

gaps = st.lists(st.integers(0, 4000), min_size=1, max_size=60)
steps = st.lists(st.one_of(st.integers(0, 30_000), st.just(-1)), max_size=40)


class TwoDays(SmallTape):
    """The same small session on two days."""

    def __init__(self, rows, **options):
        super().__init__(rows, **options)
        self.sessions += [Session(*(each + DAY for each in self.sessions[0]))]

    def chunks(self):
        """Yield the first day, then the second."""
        yield from super().chunks()
        for chunk in super().chunks():
            chunk["arrival"] += DAY
            yield chunk


def play_all(playback):
    """Play by large steps and return what came."""
    parts = []
    while not playback.is_finished:
        parts.append(playback.advance(playback.position + 10 * MINUTE))
    return parts


@given(gaps, steps, st.integers(1, 9))
def test_no_step_loses_or_doubles_an_event_or_a_mark(between, forward, chunk):
    """Any mixture of timed steps and blocks hands over the whole tape in order, and every second once."""
    times = np.minimum(np.cumsum(between), 2 * MINUTE - 1)
    tape = SmallTape([(int(each), row % 2, 100.0, row) for row, each in enumerate(times)], chunk=chunk)
    playback = Playback(tape)
    taken = [playback.advance_block(5) if each < 0 else playback.advance(playback.position + each) for each in forward]
    taken += play_all(playback)
    events = np.concatenate([step.events for step in taken])
    assert events["day_volume"].tolist() == list(range(len(times)))
    assert np.concatenate([step.marks for step in taken]).tolist() == list(range(OPENS, OPENS + 2 * MINUTE + 1, SECOND))
    for step in taken:
        for mark, cut in zip(step.marks, step.cuts, strict=True):
            assert (step.events["arrival"][:cut] < mark).all()
            assert (step.events["arrival"][cut:] >= mark).all()
    assert playback.delivered == len(times)


@given(gaps, st.integers(0, 2 * MINUTE), st.integers(0, 2 * MINUTE))
def test_a_jump_knows_the_last_state_and_goes_on_with_the_next_event(between, first, second):
    """Forward or back, what follows is what the tape has from there, and the snapshot what it had before."""
    times = np.minimum(np.cumsum(between), 2 * MINUTE - 1)
    tape = SmallTape([(int(each), row % 2, 100.0, row) for row, each in enumerate(times)])
    playback = Playback(tape)
    for to in (first, second):
        playback.seek(OPENS + to)
        before = [row for row, each in enumerate(times) if each < to]
        last = {row % 2: row for row in before}
        state = playback.snapshot(np.array([0, 1]))
        assert {int(each["instrument"]): int(each["day_volume"]) for each in state} == last
        assert playback.position == OPENS + to
    rest = [int(row) for step in play_all(playback) for row in step.events["day_volume"]]
    assert rest == [row for row, each in enumerate(times) if each >= second]


def test_between_sessions_the_clock_jumps():
    """No second of the night is told, and a step never crosses from one session to the next."""
    playback = Playback(TwoDays(every(5000, 20)))
    step = playback.advance(OPENS + DAY)
    assert step.marks[-1] == OPENS + 2 * MINUTE
    assert playback.position == OPENS + DAY
    following = playback.advance(OPENS + DAY + SECOND)
    assert following.marks.tolist() == [OPENS + DAY, OPENS + DAY + SECOND]
    assert len(step.events) == 20
    assert len(following.events) == 1


def test_a_seek_between_sessions_lands_at_the_next_one_and_past_the_end_finishes():
    """Backwards again revives a finished playback."""
    playback = Playback(TwoDays(every(5000, 20)))
    playback.seek(OPENS + DAY // 2)
    assert playback.position == OPENS + DAY
    playback.seek(OPENS + 9 * DAY)
    assert playback.is_finished
    playback.seek(OPENS + 50_000)
    assert not playback.is_finished
    assert sum(len(step.events) for step in play_all(playback)) == 10 + 20


def test_an_earlier_time_changes_nothing():
    """Only a seek goes back."""
    playback = Playback(SmallTape(every(100, 50)))
    playback.advance(OPENS + 2000)
    step = playback.advance(OPENS + 500)
    assert (len(step.events), len(step.marks), playback.position) == (0, 0, OPENS + 2000)


def test_quotes_carry_the_day_so_far():
    """Open, high, low, average and the previous session's close are those of the events before them."""
    rows = [(0, 0, 100.0, 10), (10, 0, 104.0, 20), (20, 0, 98.0, 20), (30, 0, 101.0, 30), (40, 1, 7.0, 1)]
    playback = Playback(TwoDays(rows, chunk=2))
    first = playback.advance(OPENS + DAY).events
    second = playback.advance(OPENS + DAY + MINUTE).events
    assert [float(first[name][3]) for name in ("open", "high", "low", "close")] == [100.0, 104.0, 98.0, 0.0]
    assert float(first["average"][3]) == pytest.approx((10 * 100 + 10 * 104 + 10 * 101) / 30)
    assert [float(second[name][0]) for name in ("open", "high", "low", "close")] == [100.0, 100.0, 100.0, 101.0]


def test_one_day_of_a_tape_is_that_day_only():
    """The others' events are left out, and a day it does not have is refused with the days it has."""
    tape = TwoDays(every(5000, 20))
    chosen = OneDay(tape, date(2026, 1, 6))
    events = np.concatenate(list(chosen.chunks()))
    assert len(events) == 20
    assert events["arrival"][0] == OPENS + DAY
    with pytest.raises(Misconfigured, match="2026-01-05 to 2026-01-06"):
        OneDay(tape, date(2026, 1, 7))


def test_a_source_without_sessions_is_refused():
    """There would be no time to stand at."""
    tape = SmallTape(every(100, 2))
    tape.sessions = []
    with pytest.raises(Misconfigured, match="holds no session"):
        Playback(tape)


def test_pace_maps_real_seconds_to_exchange_time():
    """By the speed from the anchor on; not at all while paused."""
    pace = Pace(60)
    pace.anchor(100.0, 5_000)
    assert pace.due(102.5) == 5_000 + 150_000
    pace.is_paused = True
    assert pace.due(102.5) == 5_000
    assert not pace.is_unlimited


@pytest.mark.parametrize(("text", "speed"), [("60", 60.0), ("0.1x", 0.1), (" MAX ", UNLIMITED), ("0", UNLIMITED)])
def test_a_speed_is_read_from_words(text, speed):
    """As the command line and the desk take it."""
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["", "fast", "0.05", "-3", "nan"])
def test_a_speed_that_cannot_be_played_is_refused(text):
    """With the rule in the message."""
    with pytest.raises(InvalidValue, match="speed"):
        parse_speed(text)
    assert math.isinf(UNLIMITED)


def test_a_tape_made_ahead_is_the_same_tape():
    """The same events at the same steps, after a jump back as well."""
    plain, ahead = Playback(TwoDays(every(5000, 20))), Playback(TwoDays(every(5000, 20)), is_made_ahead=True)
    for _ in range(2):
        while not plain.is_finished:
            assert plain.advance_block(7).events.tolist() == ahead.advance_block(7).events.tolist()
        assert ahead.is_finished
        plain.seek(0)
        ahead.seek(0)


def test_what_goes_wrong_while_the_tape_is_made_ahead_is_raised():
    """At the step that needs it, not before."""

    def items():
        yield 1
        raise ValueError("torn")

    found = made_ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="torn"):
        next(found)
