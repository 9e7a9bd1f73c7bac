"""Ingestion's core: numbers that are offsets, watermarks that tell the truth, ticks that cannot be."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.brokers.port import FeedClock, FeedDown, FeedEnd, FeedEvent, FeedText, FeedUp, Malformed
from niftyflow.bus.codec import encode
from niftyflow.ingestion.intake import Intake, Taken
from niftyflow.ingestion.validate import refusals
from niftyflow.model import Misconfigured, TickBatch, Watermark
from support.intakes import DAY, Ticks, marks, numbers

SECOND = 1000
MINUTE = 60_000


def by_feed(last: int = 0, sequence: int = 0) -> Intake:
    """Return an intake that follows the feed's own clock."""
    return Intake("test", sequence=sequence, last=last, grace_ms=1500, follows_feed=True)


def by_wall(last: int = 0, grace_ms: int = 1500) -> Intake:
    """Return an intake that lives in our time."""
    return Intake("test", sequence=0, last=last, grace_ms=grace_ms, follows_feed=False)


def up(intake: Intake, at: int = 0) -> Taken:
    """Let the feed be observed from ms after `DAY` on."""
    return intake.take([FeedUp(DAY + at, "connected")], DAY + at)


# -- watermarks -----------------------------------------------------------------------------------------------------


def test_nothing_is_told_before_the_feed_is_observed():
    """Time that nobody watched is not called watched."""
    intake = by_wall()
    assert intake.tell_time(DAY).bodies == []
    assert not intake.is_up
    assert by_feed().take([FeedClock(DAY)], DAY).bodies == []


def test_the_first_watermark_says_that_before_it_nothing_was_seen():
    """It is unhealthy and stands where observing began."""
    assert marks(up(by_wall(), 250).bodies) == [(250, False)]


def test_our_clock_is_marked_once_a_second_behind_by_the_grace():
    """However often it is asked; whole seconds, so that minutes end on one."""
    intake = by_wall()
    up(intake, 0)
    told = [marks(intake.tell_time(DAY + at).bodies) for at in range(0, 4001, 200)]
    assert [mark for some in told for mark in some] == [(1000, True), (2000, True)]
    assert marks(intake.tell_time(DAY + 5100).bodies) == [(3000, True)]


def test_without_grace_the_mark_is_the_second_itself():
    """A setting, not a constant."""
    intake = by_wall(grace_ms=0)
    up(intake, 0)
    assert marks(intake.tell_time(DAY + 1000).bodies) == [(1000, True)]


def test_while_the_feed_is_away_time_is_held_and_then_told_as_unobserved():
    """No watermark claims the outage; the next one after it names it."""
    intake = by_wall()
    up(intake, 0)
    intake.tell_time(DAY + 3000)
    down = intake.take([FeedDown(DAY + 3200, "silent")], DAY + 3200)
    assert down.bodies == []
    assert [intake.tell_time(DAY + at).bodies for at in range(4000, 30_000, 1000)] == [[]] * 26
    assert marks(up(intake, 30_500).bodies) == [(30_500, False)]
    assert intake.tell_time(DAY + 31_000).bodies == []  # the grace: not past what was told
    assert marks(intake.tell_time(DAY + 33_000).bodies) == [(31_000, True)]


def test_a_watermark_never_goes_back():
    """Not by a feed that comes back with an earlier time, nor by a late clock mark."""
    intake = by_feed(last=DAY + 10_000)
    assert marks(up(intake, 9_000).bodies) == [(10_000, False)]
    assert intake.take([FeedClock(DAY + 9_500)], 0).bodies == []
    assert marks(intake.take([FeedClock(DAY + 11_000)], 0).bodies) == [(11_000, True)]


def test_a_feed_that_tells_its_own_time_is_not_marked_by_ours():
    """A recording played at a thousand times its speed has its own seconds."""
    intake = by_feed()
    up(intake)
    assert intake.tell_time(DAY + 60_000).bodies == []


@pytest.mark.parametrize(("step", "healthy"), [(1000, True), (2000, True), (2001, False), (3_600_000, False)])
def test_a_feed_s_clock_that_leaps_was_not_observed_in_between(step, healthy):
    """Somebody sought, or another session began."""
    intake = by_feed()
    up(intake)
    assert marks(intake.take([FeedClock(DAY + step)], 0).bodies) == [(step, healthy)]


def test_the_end_of_a_feed_closes_its_minute():
    """The last candle of a recording is made; nothing comes after."""
    intake = by_feed()
    up(intake)
    ended = intake.take([FeedClock(DAY + 1000), FeedEnd(DAY + 61_001)], 0)
    assert marks(ended.bodies) == [(1000, True), (120_000, True)]
    assert intake.has_ended


def test_a_feed_older_than_the_workspace_is_refused():
    """The line says where the workspace stands, where the feed is, and what to do."""
    intake = by_feed(last=DAY + 10 * MINUTE)
    with pytest.raises(Misconfigured, match=r"2024-01-18T03:55.*2024-01-18T03:45.*--workspace"):
        up(intake, 0)
    with pytest.raises(Misconfigured):
        by_wall(last=DAY + 10 * MINUTE).refuse_past(DAY)


def test_a_minute_of_difference_is_forgiven():
    """Clocks of two machines differ."""
    by_wall(last=DAY + MINUTE).refuse_past(DAY)
    with pytest.raises(Misconfigured):
        by_wall(last=DAY + MINUTE + 1).refuse_past(DAY)


# -- numbers --------------------------------------------------------------------------------------------------------


def test_numbers_are_offsets_of_the_log_watermarks_included():
    """Over several calls, several batches in one, and clock marks in between."""
    make, intake = Ticks(), by_feed()
    bodies = up(intake).bodies
    bodies += intake.take(
        [
            make.of({"at": 10}, {"at": 20}),
            FeedClock(DAY + 1000),
            make.of({"at": 1010}),
            make.of({"at": 1020}, {"at": 1030}, {"at": 1040}),
            FeedClock(DAY + 2000),
        ],
        0,
    ).bodies
    bodies += intake.take([make.of({"at": 2010}), FeedClock(DAY + 3000)], 0).bodies
    bodies += intake.take([make.of({"at": 3010})], 0).bodies
    assert [sequence for _, sequence in numbers(bodies)] == [1, 2, 4, 5, 6, 7, 9, 11]
    assert all(offset == sequence for offset, sequence in numbers(bodies))


def test_numbering_goes_on_where_the_journal_ends():
    """A restart gives no number twice."""
    intake = by_feed(sequence=1000, last=DAY)
    up(intake)
    assert intake.take([Ticks().of({"at": 5}, {"at": 6})], 0).bodies[0].sequence.tolist() == [1001, 1002]


def test_refused_ticks_take_no_number():
    """The log has no hole where they would have been."""
    intake, make = by_feed(), Ticks()
    bodies = up(intake).bodies
    bodies += intake.take([make.of({"at": 1}, {"at": 2, "ltp": -1.0}, {"at": 3})], 0).bodies
    bodies += intake.take([make.of({"at": 4, "ltp": -1.0}), make.of({"at": 5})], 0).bodies
    assert numbers(bodies) == [(1, 1), (2, 2), (3, 3)]


# -- ticks that cannot be -------------------------------------------------------------------------------------------

IMPOSSIBLE = [
    ({"ltp": math.nan}, "ltp is nan"),
    ({"ltp": math.inf}, "ltp is inf"),
    ({"ltp": -2850.5}, "ltp is -2850.5"),
    ({"ltp": 0.0}, "ltp is 0.0"),
    ({"bid": math.nan}, "bid is nan"),
    ({"bid": -1.0}, "bid is -1.0"),
    ({"ask": -0.05}, "ask is -0.05"),
    ({"volume": -1}, "volume is -1"),
    ({"day_volume": -5}, "day_volume is -5"),
    ({"open_interest": -5}, "open_interest is -5"),
    ({"timestamp": 0}, "timestamp is 1970-01-01T05:30:00+05:30: not of the day"),
    ({"timestamp": DAY - 86_400_000}, "timestamp is 2024-01-17T09:15:00+05:30: not of the day"),
    ({"timestamp": DAY + 86_400_000}, "timestamp is 2024-01-19T09:15:00+05:30: not of the day"),
    ({"timestamp": 2**62}, f"timestamp is {2**62} ms: not of the day"),
    ({"traded_at": DAY + 90_000}, "traded_at is 2024-01-18T09:16:30+05:30: after 2024-01-18T09:15:02+05:30"),
]


def columns_with(fields: dict[str, object]) -> TickBatch:
    """Return three ticks, the second one with impossible fields."""
    batch = Ticks().of({"at": 1000}, {"at": 1500}, {"at": 1900})
    changed = {}
    for field, value in fields.items():
        column = getattr(batch, field).copy()
        column[1] = value
        changed[field] = column
    return batch.replace(**changed)


@pytest.mark.parametrize(("fields", "reason"), IMPOSSIBLE)
@pytest.mark.parametrize("clock", ["feed", "wall"])
def test_a_tick_that_cannot_be_becomes_a_dead_letter_and_its_neighbours_go_on(fields, reason, clock):
    """The field is named with its value; the letter holds the record; the two others are in the log."""
    intake = by_feed() if clock == "feed" else by_wall()
    up(intake)
    taken = intake.take([FeedClock(DAY + 2000), columns_with(fields)], DAY + 2000)
    (letter,) = taken.letters
    assert letter.error.startswith(reason)
    assert (letter.topic, letter.stage, letter.key, letter.at) == ("raw-ticks", "ingestion", "NSE:RELIANCE", DAY + 2000)
    assert json.loads(letter.record)["symbol"] == "RELIANCE"
    kept = [body for body in taken.bodies if isinstance(body, TickBatch)]
    assert [body.received.tolist() for body in kept] == [[DAY + 1000, DAY + 1900]]
    assert taken.ticks == 2
    received = [at for body in taken.bodies if isinstance(body, TickBatch) for at in body.received.tolist()]
    assert received == [DAY + 1000, DAY + 1900]


def test_the_first_broken_rule_is_the_reason():
    """One line, not all of them."""
    batch = columns_with({"ltp": math.nan, "volume": -1, "timestamp": 0})
    assert refusals(batch, np.full(3, DAY + 2000))[1].startswith("ltp")


def test_a_tick_without_a_trade_time_is_no_error():
    """An instrument that has not traded tells 0, or yesterday's last trade."""
    for traded_at in (0, DAY - 86_400_000):
        assert refusals(columns_with({"traded_at": traded_at}), np.full(3, DAY + 2000)) == {}


def test_a_trade_slightly_ahead_of_our_clock_is_taken():
    """Clocks of hosts and exchanges differ by less than a minute."""
    assert refusals(columns_with({"traded_at": DAY + 62_000}), np.full(3, DAY + 2000)) == {}


def test_each_tick_is_judged_at_its_own_time():
    """A batch before the clock's leap is of the day before it, one behind it of the day after."""
    intake, make = by_feed(), Ticks()
    up(intake)
    day = 86_400_000
    taken = intake.take([make.of({"at": 10}), FeedClock(DAY + day), make.of({"at": 20}), make.of({"at": day + 5})], 0)
    assert [json.loads(letter.record)["received"] - DAY for letter in taken.letters] == [20]
    assert taken.ticks == 2


def test_a_batch_of_nothing_but_impossible_ticks_leaves_no_body():
    """No empty record in the log."""
    intake = by_feed()
    up(intake)
    taken = intake.take([Ticks().of({"at": 1, "ltp": -1.0}, {"at": 2, "ltp": math.nan})], 0)
    assert taken.bodies == []
    assert len(taken.letters) == 2


@given(st.lists(st.sampled_from(IMPOSSIBLE) | st.none(), min_size=1, max_size=12))
def test_exactly_the_impossible_ticks_are_refused(rows):
    """Whatever stands beside them."""
    batch = Ticks().of(*({"at": 1000 + each} for each in range(len(rows))))
    changed = {field: getattr(batch, field).copy() for field in TickBatch.COLUMNS}
    for row, case in enumerate(rows):
        for field, value in (case[0] if case else {}).items():
            changed[field][row] = value
    found = refusals(batch.replace(**changed), np.full(len(rows), DAY + 2000))
    assert sorted(found) == [row for row, case in enumerate(rows) if case]


# -- other events ---------------------------------------------------------------------------------------------------


def test_malformed_frames_and_texts_leave_no_record():
    """They are counted and logged with their bytes."""
    intake = by_feed()
    up(intake)
    with structlog.testing.capture_logs() as said:
        taken = intake.take([Malformed(DAY, "cut", b"\x00\x01", 2), FeedText(DAY, "order", b'{"a":1}')], 0)
    assert (taken.malformed, taken.bodies, taken.letters) == (1, [], [])
    assert [(each["event"], each["data"]) for each in said] == [("frame_malformed", "0001"), ("feed_said", '{"a":1}')]


# -- grouping -------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(st.integers(0, 900), st.sampled_from(["tick", "tick", "bad", "clock", "down", "up"])), max_size=30
)


@st.composite
def sessions(draw: st.DrawFn) -> tuple[list[tuple[str, int]], list[int]]:
    """A session as (kind, ms after `DAY`) in order, and where it is cut into calls."""
    at, told = 0, [("up", 0)]
    for step, kind in draw(STEPS):
        at += step
        told.append((kind, at))
    return told, sorted(draw(st.lists(st.integers(0, len(told)), max_size=6)))


def played(told: list[tuple[str, int]], cuts: list[int]) -> tuple[list[bytes], list[object]]:
    """Take a session in calls that end at the cuts; return its records as bytes, and its letters."""
    make, intake = Ticks(), by_feed()
    events: list[FeedEvent] = []
    for kind, at in told:
        match kind:
            case "tick":
                events.append(make.of({"at": at}, {"at": at, "symbol": "INFY"}))
            case "bad":
                events.append(make.of({"at": at, "ltp": -1.0}, {"at": at}))
            case "clock":
                events.append(FeedClock(DAY + at))
            case "down":
                events.append(FeedDown(DAY + at, "x"))
            case _:
                events.append(FeedUp(DAY + at, "x"))
    records, letters = [], []
    for first, end in zip([0, *cuts], [*cuts, len(events)], strict=True):
        taken = intake.take(events[first:end], 0)
        letters += taken.letters
        for body in taken.bodies:
            if isinstance(body, Watermark):
                records.append(encode(body))
            else:
                records += [encode(body.take(slice(row, row + 1))) for row in range(len(body))]
    return records, letters


@given(sessions())
def test_however_a_session_is_cut_into_calls_the_same_records_come_out(session):
    """Byte for byte, letters included: a fast replay and a slow one write the same log."""
    told, cuts = session
    assert played(told, cuts) == played(told, [])


def test_a_sleep_of_the_whole_process_is_no_observed_time():
    """Stopped, or on a laptop that was shut, nothing was taken in: the next watermark says so."""
    intake = Intake("kite", sequence=0, last=0, grace_ms=0, follows_feed=False)
    intake.take([FeedUp(DAY, "data flows")], DAY)
    awake = intake.tell_time(DAY + 1000).bodies
    asleep = intake.tell_time(DAY + 61_000, was_asleep=True).bodies
    after = intake.tell_time(DAY + 62_000).bodies
    assert [mark.healthy for mark in (*awake, *asleep, *after)] == [True, False, True]


def test_a_sleep_changes_nothing_where_the_feed_tells_the_time():
    """A recording waits for us: replayed on a machine with no time for it, it gives the same records."""
    intake = Intake("replay", sequence=0, last=0, grace_ms=0, follows_feed=True)
    intake.take([FeedUp(DAY, "it begins")], DAY)
    assert intake.tell_time(DAY + 61_000, was_asleep=True).bodies == []
    told = intake.take([FeedClock(DAY + 1000)], DAY).bodies
    assert [mark.healthy for mark in told] == [True]


def test_a_watermark_never_runs_ahead_of_when_the_feed_was_heard():
    """A socket that has gone silent is found later; until then nothing counts as observed."""
    intake = Intake("kite", sequence=0, last=0, grace_ms=1500, follows_feed=False)
    intake.take([FeedUp(DAY, "data flows")], DAY)
    told = [marks(intake.tell_time(DAY + at, heard_at=DAY + 4000).bodies) for at in range(1000, 10_000, 1000)]
    assert [mark for each in told for mark in each] == [(1000, True), (2000, True)]
    intake.take([FeedDown(DAY + 4000, "silent")], DAY + 10_000)
    again = intake.take([FeedUp(DAY + 70_000, "data flows")], DAY + 70_000)
    assert marks(again.bodies) == [(70_000, False)]


def test_a_clock_behind_the_exchange_holds_the_watermarks():
    """Trades of our future are refused, no minute closes meanwhile, and what passed was not observed."""
    intake = Intake("kite", sequence=0, last=0, grace_ms=0, follows_feed=False)
    intake.take([FeedUp(DAY, "data flows")], DAY)
    ticks = Ticks()
    taken = intake.take([ticks.of({"at": 300_000}, {"at": 301_000})], DAY + 1000)
    assert taken.ticks == 0
    assert intake.tell_time(DAY + 2000).bodies == []
    intake.take([ticks.of({"at": 2500})], DAY + 3000)
    assert marks(intake.tell_time(DAY + 4000).bodies) == [(4000, False)]
    assert marks(intake.tell_time(DAY + 5000).bodies) == [(5000, True)]
