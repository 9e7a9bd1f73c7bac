"""The signal stage over the real log and stores: what is told, once, in which order, whatever happens on the way."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from pathlib import Path

import msgspec
import numpy as np
import pytest

from niftyflow.bus.port import Body
from niftyflow.kit import metrics, showing
from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.join import Segment, Step
from niftyflow.kit.joined_reader import StepBatch
from niftyflow.model import Misconfigured, Sentiment, Side, Signal, Watermark, milliseconds
from niftyflow.signals.engine import RuleEngine
from niftyflow.signals.rules import Rule
from niftyflow.signals.stage import ALERTS, SignalStage
from niftyflow.storage.memory_hot import MemoryHotStore
from support.signal_rules import DAY, MINUTE, Desk, HotStoreAway, HotStoreHangs, at, cards, desk, rule, view

KEYS = [f"NSE:S{number}" for number in range(6)]
RULES = (
    rule(name="scores", buy="[composite_score >= 3, market.sentiment_score >= 0]", confirm=2, cooldown="4m"),
    rule(name="extremes", cooldown="1h", stop="1 atr", target="2 atr"),
)
DAYS, MINUTES = 2, 14


def scores(seed: int, minute: int) -> dict[str, float]:
    """Return scores that often hold for some minutes."""
    draw = np.random.default_rng([seed, minute // 3])
    return {key: float(score) for key, score in zip(KEYS, draw.integers(-5, 6, len(KEYS)), strict=True)}


def times() -> list[int]:
    """Return the minutes of two short days, and one of the night between."""
    return [at(minute) for minute in range(1, MINUTES)] + [at(600)] + [at(minute) + DAY for minute in range(1, MINUTES)]


async def tape(on: Desk, *, first: int = 0, until: int | None = None, parts: int = 1) -> None:
    """Append steps of the days, each minute's scorecards in so many batches; none at night, views but for some."""
    for number, time in list(enumerate(times()))[first:until]:
        rows = [] if time == at(600) else list(scores(1, number).items())
        seen = None if number % 7 == 0 else view(time, sentiment_score=float(number % 3 - 1))
        await on.step(time, [cards(time, rows[part::parts]) for part in range(parts) if rows], seen)


def by_the_engine() -> list[Signal]:
    """Return what the rules say of the same days, asked directly."""
    engine, found = RuleEngine(RULES), []
    for number, time in enumerate(times()):
        seen = None if number % 7 == 0 else view(time, sentiment_score=float(number % 3 - 1))
        if time != at(600):
            found += engine.take(cards(time, scores(1, number)), seen)
    return found


def in_order_of_storage(signals: list[Signal]) -> list[Signal]:
    """Return signals by time, then by name and instrument."""
    return sorted(signals, key=lambda signal: (signal.timestamp, signal.strategy, signal.instrument))


async def test_signals_are_stored_announced_and_published_before_their_watermark(tmp_path: Path):
    """Each minute's signals in one body, and the watermark of every minute behind them."""
    async with desk(tmp_path, rule()) as on, aclosing(on.hot.listen(ALERTS)) as listening:
        heard = asyncio.ensure_future(anext(listening))
        await asyncio.sleep(0)
        await on.step(at(1), [cards(at(1), {"NSE:A": 4.0, "NSE:B": -4.0})], None)
        await on.step(at(2), [cards(at(2), {"NSE:A": 0.0})], None, healthy=False)
        await on.step(at(3), [], None)
        before = metrics.SIGNALS.labels("plain", "BUY")._value.get()
        await on.run()
        first, *rest = await on.published()
        assert [(signal.action, signal.instrument) for signal in first] == [(Side.BUY, "NSE:A"), (Side.SELL, "NSE:B")]
        assert rest == [
            Watermark(time=at(1), partition=0, source="signals", healthy=True),
            Watermark(time=at(2), partition=0, source="signals", healthy=False),
            Watermark(time=at(3), partition=0, source="signals", healthy=True),
        ]
        assert await on.stored() == list(first)
        assert metrics.SIGNALS.labels("plain", "BUY")._value.get() == before + 1
        channel, message = await asyncio.wait_for(heard, 60)
        assert (channel, msgspec.json.decode(message, type=Signal)) == (ALERTS, first[0])


@pytest.mark.parametrize("parts", [1, 2, 6])
@pytest.mark.parametrize("at_once", [1, 7, 50_000])
async def test_what_is_told_does_not_depend_on_batching(tmp_path: Path, parts: int, at_once: int):
    """Neither on how scorecards were published, nor on how they are read."""
    async with desk(tmp_path, *RULES) as on:
        await tape(on, parts=parts)
        await on.run(at_once)
        expected = by_the_engine()
        assert len(expected) > 20
        assert await on.signals() == expected
        assert await on.stored() == in_order_of_storage(expected)


@pytest.mark.parametrize("commits", [True, False])
async def test_a_restart_after_any_step_tells_every_signal_once(tmp_path: Path, commits: bool):  # noqa: FBT001
    """Counts and silences are folded again from the day's first step; what was told is not told again."""
    async with desk(tmp_path, *RULES) as on:
        for number in range(len(times())):
            await tape(on, first=number, until=number + 1)
            await on.run(commits=commits)
        expected = by_the_engine()
        assert await on.signals() == expected
        assert await on.stored() == in_order_of_storage(expected)
        marks = [body.time for body in await on.published() if isinstance(body, Watermark)]
        assert marks == times()


async def test_the_same_log_gives_the_same_bytes_after_kills_at_random(tmp_path: Path):
    """Five kills against none."""
    dice = random.Random(4)
    cuts = sorted(dice.sample(range(1, len(times())), 5))
    bodies: list[list[Body]] = []
    for name, stops in (("calm", []), ("killed", cuts)):
        async with desk(tmp_path / name, *RULES) as on:
            for first, until in zip([0, *stops], [*stops, None], strict=True):
                await tape(on, first=first, until=until, parts=1 + dice.randrange(4))
                await on.run(dice.choice([1, 3, 100]), commits=dice.random() < 0.5)
            bodies.append(await on.published())
    assert msgspec.json.encode(bodies[0]) == msgspec.json.encode(bodies[1])


async def test_the_position_is_held_at_the_days_first_step(tmp_path: Path):
    """Within a day it stays; with the next day's first step it moves there, scorecards or not."""
    async with desk(tmp_path, *RULES) as on:
        await tape(on, until=5)
        await on.run()
        assert await on.committed("analysis_updates") == 0
        await on.step(at(1) + DAY - 9 * 60 * MINUTE, [], None)
        first = {topic: (await on.bus.end(topic))[0] for topic in ("analysis_updates", "market_view")}
        await on.step(at(1) + DAY, [cards(at(1) + DAY, {"NSE:A": 1.0})], None)
        await on.run()
        assert {topic: await on.committed(topic) for topic in first} == {topic: end - 1 for topic, end in first.items()}


async def test_a_killed_stage_that_had_stored_but_not_published_tells_it_once(tmp_path: Path):
    """Storing again changes nothing; the signal is published by whoever comes after."""
    async with desk(tmp_path, *RULES) as on:
        await tape(on)
        await on.decisions.save_signals(by_the_engine()[:3])
        await on.run()
        assert await on.signals() == by_the_engine()
        assert await on.stored() == in_order_of_storage(by_the_engine())


@pytest.mark.parametrize("hot", [HotStoreAway, HotStoreHangs])
async def test_a_hot_store_that_does_not_answer_holds_nothing_up(
    tmp_path: Path, hot: type[MemoryHotStore], monkeypatch: pytest.MonkeyPatch
):
    """Those who listen miss it; the log does not."""
    monkeypatch.setattr(showing, "LONGEST_SECONDS", 0.01)
    async with desk(tmp_path, *RULES, hot=hot()) as on:
        await tape(on)
        await on.run()
        assert await on.signals() == by_the_engine()


async def test_a_contradiction_is_counted_once_however_often_it_is_read(tmp_path: Path):
    """A restart reads the day again, in silence."""
    both = rule(name="contrary", buy="[rsi > 30]", sell="[rsi > 60]")
    counter = metrics.SIGNAL_CONFLICTS.labels("contrary")
    before = counter._value.get()
    async with desk(tmp_path, both) as on:
        await on.step(at(1), [cards(at(1), {"NSE:A": {"rsi": 70.0}, "NSE:B": {"rsi": 50.0}})], None)
        await on.run()
        await on.step(at(2), [cards(at(2), {"NSE:A": {"rsi": 20.0}})], None)
        await on.run()
        assert [signal.instrument for signal in await on.signals()] == ["NSE:B"]
    assert counter._value.get() == before + 1


async def test_minutes_that_come_with_the_next_days_watermark_belong_to_their_day(tmp_path: Path):
    """After a night without power the last minutes are told in the morning, and the morning's count begins there."""
    both = rule(confirm=2, buy="[composite_score >= 3, market.breadth > 0]")
    async with desk(tmp_path, both) as on:
        await on.step(at(375) - DAY, [cards(at(375) - DAY, {"NSE:A": 4.0})], view(at(375) - DAY))
        await on.run()
        morning = at(1) + DAY
        late = [cards(at(374), {"NSE:A": 4.0}), cards(at(375), {"NSE:A": 4.0}), cards(morning, {"NSE:B": 4.0})]
        await on.bus.publish("market_view", [(view(at(374)), view(at(375)), view(morning))], 0)
        await on.step(morning, late, None)
        await on.run()
        await on.step(morning + MINUTE, [cards(morning + MINUTE, {"NSE:B": 4.0})], view(morning + MINUTE))
        await on.run()
        await on.run()
        found = [(milliseconds(signal.timestamp), signal.instrument) for signal in await on.signals()]
        assert found == [(at(375), "NSE:A"), (morning + MINUTE, "NSE:B")]


# -- partitions, as on a cluster ---------------------------------------------------------------------------------------


class Partitioned:
    """What the stage asks of a bus of several partitions: where a key goes, and what was told before."""

    def __init__(self, told: dict[int, int], outputs: int = 3) -> None:
        self.told = told
        self.outputs = outputs

    def partitions(self, topic: str) -> int:
        """As many for both topics, unless the test says otherwise."""
        return self.outputs if topic == "signals" else 3

    def partition_of(self, topic: str, key: str) -> int:
        """By the last digit."""
        return int(key[-1]) % self.partitions(topic)

    async def last_watermark(self, topic: str, partition: int) -> Watermark | None:
        """As told."""
        time = self.told.get(partition) if topic == "signals" else None
        return None if time is None else Watermark(time=time, partition=partition, source="signals", healthy=True)


def step_of(time: int, rows: dict[str, float], partitions: list[int], seen: bool = True) -> Step:  # noqa: FBT001, FBT002
    """Return a step in which each partition has the scorecards of its keys."""
    segments = []
    for partition in partitions:
        mine = {key: score for key, score in rows.items() if int(key[-1]) % 3 == partition}
        if mine:
            segments.append(Segment("analysis_updates", partition, cards(time, mine)))
    if seen:
        segments.append(Segment("market_view", 0, (view(time),)))
    places = {("analysis_updates", partition): 0 for partition in partitions} | {("market_view", 0): 0}
    return Step(time, is_healthy=True, segments=tuple(segments), position=places)


async def taken(stage: SignalStage, number: int, step: Step) -> dict[int, list[tuple[str, ...] | int]]:
    """Give a stage a step; return what it publishes to each partition: keys of signals, and watermarks' times."""
    batch = StepBatch("analysis_updates", number, step)
    await stage.before(batch)
    stage.take(batch)
    return {
        partition: [
            body.time if isinstance(body, Watermark) else tuple(signal.instrument for signal in body) for body in bodies
        ]
        for _, bodies, partition in stage.work(0).publications
    }


def stage_on(bus: Partitioned, *rules: Rule) -> SignalStage:
    """Return a stage on a partitioned bus; its stores are asked by effects alone, which no one runs here."""
    return SignalStage(bus, None, None, VirtualClock(), rules)


async def test_every_partition_of_a_step_gets_its_signals_and_its_watermark():
    """And one that was told further is told nothing of it again."""
    stage = stage_on(Partitioned({1: at(1)}), rule())
    await stage.assigned(0, 0)
    rows = {"NSE:S0": 4.0, "NSE:S1": 4.0, "NSE:S3": 4.0}
    assert await taken(stage, 0, step_of(at(1), rows, [0, 1, 2])) == {0: [("NSE:S0", "NSE:S3"), at(1)], 2: [at(1)]}
    assert await taken(stage, 1, step_of(at(2), rows, [0, 1, 2])) == {
        0: [("NSE:S0", "NSE:S3"), at(2)], 1: [("NSE:S1",), at(2)], 2: [at(2)],
    }  # fmt: skip


async def test_a_partition_that_comes_within_the_day_is_folded_with_the_days_views():
    """Its older steps come without them: the view was taken with the steps of the others."""
    shared = rule(confirm=2, buy="[composite_score >= 3, market.breadth > 0]")
    bus = Partitioned({})
    stage = stage_on(bus, shared)
    await stage.assigned(0, 0)
    rows = {"NSE:S0": 4.0, "NSE:S1": 4.0}
    assert await taken(stage, 0, step_of(at(1), rows, [0])) == {0: [at(1)]}
    bus.told[1] = at(1)
    assert await taken(stage, 1, step_of(at(1), {"NSE:S1": 4.0}, [0, 1], seen=False)) == {}
    assert await taken(stage, 2, step_of(at(2), rows, [0, 1])) == {
        0: [("NSE:S0",), at(2)], 1: [("NSE:S1",), at(2)],
    }  # fmt: skip


async def test_a_partition_that_left_and_came_back_is_asked_again_what_it_was_told():
    """Somebody else told on meanwhile."""
    bus = Partitioned({})
    stage = stage_on(bus, rule())
    await stage.assigned(0, 0)
    await taken(stage, 0, step_of(at(1), {}, [0, 1]))
    await taken(stage, 1, step_of(at(2), {}, [0]))
    bus.told[1] = at(3)
    rows = {"NSE:S1": 4.0}
    assert await taken(stage, 2, step_of(at(3), rows, [0, 1])) == {0: [at(3)]}
    assert await taken(stage, 3, step_of(at(4), rows, [0, 1])) == {0: [at(4)], 1: [("NSE:S1",), at(4)]}


async def test_topics_of_different_partitions_are_refused():
    """A signal would be published where its scorecard's watermark does not pass."""
    with pytest.raises(Misconfigured, match="make them as many"):
        await stage_on(Partitioned({}, outputs=2), rule()).assigned(0, 0)


async def test_a_stage_that_lost_its_steps_remembers_nothing():
    """Whoever gets them folds the day from its first step."""
    stage = stage_on(Partitioned({}), rule(confirm=2))
    await stage.assigned(0, 0)
    rows = {"NSE:S0": 4.0}
    await taken(stage, 0, step_of(at(1), rows, [0]))
    stage.revoked(0)
    assert stage.work(0).commit is None
    await stage.assigned(0, 0)
    assert await taken(stage, 0, step_of(at(2), rows, [0])) == {0: [at(2)]}


def test_a_view_of_the_tests_is_neutral():
    """No rule of the tests reads its mood."""
    assert view(at(1)).sentiment is Sentiment.NEUTRAL
