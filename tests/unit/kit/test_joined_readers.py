"""Several subscriptions read as one stream of steps: what is lost, what fails, what is committed, what is done."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from niftyflow.bus.port import Batch, UnreadableRecord, count_of
from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import Worker
from niftyflow.kit.join import Input, Join
from niftyflow.kit.joined_reader import JoinedReader, Lanes
from niftyflow.kit.stage import Shell, Work
from niftyflow.model import Watermark
from support.stages import Line, MemoryBus
from support.waiting import until

TICKS, SIGNALS = "ticks", "signals"


def lines(*texts: str) -> tuple[Line, ...]:
    """Return records."""
    return tuple(Line(text) for text in texts)


def mark(time: int) -> Watermark:
    """Return a watermark."""
    return Watermark(time=time, partition=0, source="test", healthy=True)


def unreadable(topic: str, offset: int, count: int = 1) -> UnreadableRecord:
    """Return the error of an entry that cannot be read."""
    return UnreadableRecord("torn", b"?", topic=topic, partition=0, offset=offset, count=count)


@dataclass
class Log:
    """A subscription of one partition that hands out one thing a poll."""

    topic: str
    polls: list[object]
    commits: list[dict[int, int]] = field(default_factory=list)
    offset: int = 0

    async def poll(self) -> Sequence[Batch]:
        """Hand out what is next, or fail."""
        await asyncio.sleep(0 if self.polls else 0.001)
        if not self.polls:
            return []
        body = self.polls.pop(0)
        if isinstance(body, UnreadableRecord):
            self.offset = body.offset + body.count
            raise body
        batch = Batch(self.topic, 0, self.offset, body)
        self.offset += count_of(body)
        return [batch]

    async def commit(self, position: Mapping[int, int]) -> None:
        """Keep the position."""
        self.commits.append(dict(position))

    async def lag(self) -> Mapping[int, int]:
        """Return nothing behind."""
        return {0: 0}

    async def close(self) -> None:
        """Leave."""


async def reading(ticks: list[object], signals: list[object]) -> tuple[JoinedReader, dict[str, Log]]:
    """Return a reader over two logs of one partition each."""
    logs = {TICKS: Log(TICKS, ticks), SIGNALS: Log(SIGNALS, signals)}
    reader = JoinedReader(Join([Input(TICKS), Input(SIGNALS)]))

    async def subscribe(topic: str, lanes: Lanes) -> Log:
        await lanes.assigned({0: 0})
        return logs[topic]

    await reader.open(subscribe)
    return reader, logs


async def steps(reader: JoinedReader, count: int) -> list[object]:
    """Poll until so many steps came, past what cannot be read."""
    found: list[object] = []
    for _ in range(200):
        try:
            found += [batch.body for batch in await reader.poll()]
        except UnreadableRecord:
            continue
        if len(found) >= count:
            break
    return found


async def test_a_step_with_a_record_that_cannot_be_read_is_unhealthy():
    """Some of its time is not known; the step after it is as good as any."""
    reader, _ = await reading([lines("a"), unreadable(TICKS, 1, 5), mark(1000), mark(2000)], [mark(1000), mark(2000)])
    assert [(step.time, step.is_healthy) for step in await steps(reader, 2)] == [(1000, False), (2000, True)]


async def test_a_log_that_ends_with_a_record_that_cannot_be_read_is_read_to_its_end():
    """Or a replay would wait for it for ever."""
    reader, _ = await reading([mark(1000), unreadable(TICKS, 1, 5)], [mark(1000)])
    await steps(reader, 1)
    with pytest.raises(UnreadableRecord):
        await reader.poll()
    await reader.poll()
    assert reader.has_done({(TICKS, 0): 6, (SIGNALS, 0): 1})
    assert not reader.has_done({(TICKS, 0): 7, (SIGNALS, 0): 1})


class Slow:
    """A stage whose effect waits until it is let go."""

    name = "slow"
    topic = TICKS

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.taken = 0

    async def assigned(self, partition: int, offset: int) -> None:
        """Begin."""

    def revoked(self, partition: int) -> None:
        """End."""

    async def before(self, batch: object) -> None:
        """Fetch nothing."""

    def take(self, batch: object) -> None:  # noqa: ARG002 - the stage's
        """Count a step."""
        self.taken += 1

    def work(self, partition: int) -> Work:  # noqa: ARG002 - the stage's
        """Wait."""
        return Work(effects=[self.go.wait])


async def test_a_record_that_cannot_be_read_does_not_make_steps_done_that_are_not(tmp_path):
    """Offsets of a topic are no numbers of steps; its letter goes to the topic it is of."""
    reader, _ = await reading([mark(1000)], [unreadable(SIGNALS, 0, 5000), mark(1000)])
    bus, stage = MemoryBus(), Slow()
    letters = DeadLetters(bus, tmp_path)
    shell = Shell(stage, bus, letters, Worker("slow"), VirtualClock(0))
    await shell.assigned({0: 0})
    running = asyncio.create_task(shell.run(reader))
    ends = {(TICKS, 0): 1, (SIGNALS, 0): 5001}
    await until(lambda: stage.taken == 1)
    assert not reader.has_done(ends)
    stage.go.set()
    await until(lambda: reader.has_done(ends))
    shell.stop()
    await running
    assert [letter.topic for letter in bus.bodies["dlq." + SIGNALS][0]] == [SIGNALS]


async def test_a_partition_that_left_is_not_committed_any_more():
    """It is another member's now."""
    reader, logs = await reading([mark(1000), mark(2000)], [mark(1000), mark(2000)])
    await steps(reader, 2)
    reader.join.revoke(TICKS, 0)
    await reader.commit({0: 2})
    assert (logs[TICKS].commits, logs[SIGNALS].commits) == ([], [{0: 2}])
