"""Several topics joined by their watermarks: order, waiting, restarts, and independence of arrival."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from niftyflow.kit.join import Input, Join, Segment
from niftyflow.model import Watermark

INPUTS = [Input("ticks"), Input("signals", 60_000)]
Log = list[tuple[int, int, object]]


def log_of(*bodies: object) -> Log:
    """Return bodies with their offsets: (offset, end, body)."""
    log, offset = [], 0
    for body in bodies:
        end = offset + (1 if isinstance(body, Watermark) else len(body))
        log.append((offset, end, body))
        offset = end
    return log


def mark(time: int, *, healthy: bool = True) -> Watermark:
    """Return a watermark."""
    return Watermark(time=time, partition=0, source="test", healthy=healthy)


def joined(*logs: Log, after=None) -> Join:
    """Return a join with every record of the logs of the two topics taken in."""
    join = Join(INPUTS, after)
    for topic in join.topics:
        join.assign(topic, 0, 0)
    for topic, log in zip(join.topics, logs, strict=True):
        for offset, end, body in log:
            join.add(topic, 0, offset, end, body)
    return join


def test_a_step_holds_what_lies_between_two_watermarks_of_each_topic():
    """By topic as declared, then in log order."""
    ticks = log_of(("a",), mark(59_000), ("b",), ("c",), mark(60_000))
    signals = log_of(("s",), mark(60_000))
    first, second = joined(ticks, signals).steps()
    assert (first.time, first.segments) == (59_000, (Segment("ticks", 0, ("a",)),))
    assert second.time == 60_000
    assert [segment.body for segment in second.segments] == [("b",), ("c",), ("s",)]
    assert second.position == {("ticks", 0): 5, ("signals", 0): 2}


def test_a_moment_inside_a_period_asks_only_for_the_periods_beginning():
    """Ticks of the 61st second need not wait for the signals of the second minute, but for those of the first."""
    ticks = log_of(mark(59_000), mark(60_000), mark(61_000), mark(120_000))
    assert [step.time for step in joined(ticks, log_of(mark(0))).steps()] == [0, 59_000]
    assert [step.time for step in joined(ticks, log_of(mark(60_000))).steps()] == [59_000, 60_000, 61_000]


def test_nothing_comes_out_before_every_topic_has_a_partition():
    """A topic whose partitions are not known yet may hold anything."""
    join = Join(INPUTS)
    join.assign("ticks", 0, 0)
    join.add("ticks", 0, 0, 1, mark(1000))
    assert join.steps() == []


def test_a_step_is_unhealthy_when_some_of_its_time_was_not_observed():
    """Whichever topic says so."""
    join = joined(log_of(mark(60_000, healthy=False)), log_of(mark(60_000)))
    assert [step.is_healthy for step in join.steps()] == [False]


def test_a_watermark_told_again_ends_nothing():
    """Its records belong to the next that moves on."""
    ticks = log_of(("a",), mark(1000), ("b",), mark(1000), ("c",), mark(2000))
    _, last = joined(ticks, log_of(mark(0))).steps()[-2:]
    assert [segment.body for segment in last.segments] == [("b",), ("c",)]


def test_what_waits_is_counted_until_it_is_out():
    """So that whoever reads can stop reading what is ahead."""
    join = joined(log_of(mark(60_000), ("a", "b"), mark(61_000)), log_of(mark(0)))
    join.steps()
    assert join.waiting("ticks") == 2
    assert not join.is_behind("ticks")
    assert join.is_behind("signals")
    join.add("signals", 0, 1, 2, mark(60_000))
    assert [step.time for step in join.steps()] == [60_000, 61_000]
    assert join.waiting("ticks") == 0


@st.composite
def logs(draw: st.DrawFn) -> tuple[Log, Log]:
    """Two logs of records and ascending watermarks, the second's once a minute."""
    made = []
    for period in (1000, 60_000):
        bodies: list[object] = []
        for number in range(draw(st.integers(1, 8))):
            bodies += [(f"{period}/{number}/{each}",) for each in range(draw(st.integers(0, 3)))]
            bodies.append(mark((number + 1) * period * draw(st.just(1)), healthy=draw(st.booleans())))
        made.append(log_of(*bodies))
    return made[0], made[1]


@given(both=logs(), turns=st.lists(st.booleans(), max_size=60))
def test_what_comes_out_does_not_depend_on_the_order_of_arrival(both, turns):
    """Any interleaving gives the very same steps, in ascending time."""
    whole = joined(*both).steps()
    join = joined([], [])
    rest = [list(both[0]), list(both[1])]
    found = []
    for turn in [*turns, *[False] * 99, *[True] * 99]:
        if rest[turn]:
            join.add(join.topics[turn], 0, *rest[turn].pop(0))
            found += join.steps()
    assert found == whole
    assert all(one.time < next_.time for one, next_ in pairwise(whole))


@given(both=logs(), cut=st.integers(0, 20))
def test_a_restart_behind_a_step_goes_on_with_the_next(both, cut):
    """The position of a step is where the rest begins, for a reader that begins at it or anywhere before."""
    whole = joined(*both).steps()
    cut = min(cut, len(whole))
    after = whole[cut - 1].position if cut else {}
    again = joined(*both, after=after).steps()
    assert again == whole[cut:]
