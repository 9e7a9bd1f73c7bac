"""What the log tells again after a partition changed hands reaches a strategy once, wherever the account goes on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from niftyflow.bus.port import Body, count_of
from niftyflow.kit.join import Segment, Step
from niftyflow.model import CandleBatch, Side, Watermark
from niftyflow.trading.told import TOPICS, Told
from support.trading_days import BASES, Record, a_candle, a_signal, at, steps_of, the_log

MINUTE = 60_000
NOON = at("12:00")
LOG = the_log(at("15:06"), [a_signal("TCS", at(f"15:0{minute}"), Side.BUY) for minute in range(1, 6)])
WATCHED = {f"NSE:{symbol}" for symbol in BASES}


def told_again(log: Sequence[Record], repeats: Iterable[tuple[int, int]]) -> list[Record]:
    """Return the log with some records of a topic told again, so many records of that topic later."""
    told: list[Record] = []
    for topic, records in groupby(sorted(log, key=lambda each: each.topic), key=lambda each: each.topic):
        bodies: list[Body] = [each.body for each in records]
        once = list(bodies)
        if topic in TOPICS:
            for which, later in repeats:
                first = which % len(once)
                behind = next(place for place, body in enumerate(bodies) if body is once[first])
                bodies.insert(min(behind + 1 + later, len(bodies)), once[first])
        offset = 0
        for body in bodies:
            told.append(Record(topic, offset, body))
            offset += count_of(body)
    return told


def taken(log: Sequence[Record], restarts: set[int]) -> list[tuple[int, list[object], list[object]]]:
    """Return what an account takes of a log, step by step; at a restart it knows the watermark before its position."""
    told, found = Told(), []
    for number, step in steps_of(log):
        candles, signals = told.take(step, WATCHED)
        found.append((step.time, [*candles], [*signals]))
        if number in restarts:
            told = Told()
            for (topic, partition), offset in step.position.items():
                marks = [each.body for each in log if each.topic == topic and each.end <= offset]
                last = next(mark for mark in reversed(marks) if isinstance(mark, Watermark))
                told.until[topic, partition] = last.time
    return found


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 30)), max_size=12), st.sets(st.integers(0, 80), max_size=6)
)
def test_whatever_is_told_again_is_taken_once(repeats: list[tuple[int, int]], restarts: set[int]) -> None:
    """Candles, signals and watermarks again, at once or much later, before or after a restart: the same is taken."""
    assert taken(told_again(LOG, repeats), restarts) == taken(LOG, set())


def test_the_log_that_is_repeated_tells_of_something() -> None:
    """Five minutes of five shares, and five signals."""
    told = taken(LOG, set())
    assert sum(len(candles) for _, candles, _ in told) == 5 * len(list(filter(lambda row: row[1], told)))
    assert sum(len(signals) for _, _, signals in told) == 5


def test_a_partition_that_lags_behind_tells_its_candles_later() -> None:
    """Its share of the feed was away for a while: what the others told meanwhile does not make its candles old."""
    told = Told()
    early = CandleBatch.from_records([a_candle("INFY", NOON, [1500.0])])
    late = CandleBatch.from_records([a_candle("TCS", NOON, [3800.0])])
    first, _ = told.take(Step(NOON + MINUTE, True, (Segment("market_candles", 0, early),), {}), WATCHED)  # noqa: FBT003
    second, _ = told.take(Step(NOON + 2 * MINUTE, True, (Segment("market_candles", 1, late),), {}), WATCHED)  # noqa: FBT003
    assert [candle.symbol for candle in first + second] == ["INFY", "TCS"]
