"""The shell's surroundings in memory: a bus and a stage that are real, small, and can be away when a test says so.

Everything that happens is written down in `MemoryBus.happened`, in order.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from niftyflow.bus.port import Batch
from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import Worker
from niftyflow.kit.stage import Shell, Work
from niftyflow.model import Broken, DeadLetter, Unavailable, Watermark
from support.waiting import until

NOW = 1_705_560_000_000
LINES = "lines"


class Line(msgspec.Struct, frozen=True):
    """A record of the test's topic; one that begins with `broken` cannot be taken."""

    text: str


@dataclass
class MemoryBus:
    """A log in memory. `away` says how many more calls of a kind fail before they work again."""

    happened: list[str] = field(default_factory=list)
    away: Counter[str] = field(default_factory=Counter)
    bodies: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    targets: list[int | None] = field(default_factory=list)

    def note(self, what: str, say: str = "") -> None:
        """Write down that a call of a kind came, or fail it."""
        if self.away[what] > 0:
            self.away[what] -= 1
            self.happened.append(f"{what} fails")
            raise Unavailable(what, "the test says so")
        self.happened.append(f"{what} {say}".strip())

    async def publish(self, topic: str, bodies: Sequence[Any], partition: int | None = None) -> None:
        """Append, or fail as told."""
        self.note("letters" if topic.startswith("dlq.") else "publish", topic)
        self.bodies[topic] += bodies
        self.targets.append(partition)

    @property
    def letters(self) -> list[DeadLetter]:
        """Every dead letter, in order."""
        return [letter for body in self.bodies["dlq." + LINES] for letter in body]


@dataclass
class MemoryReader:
    """A subscription over a list of polls: batches to hand out, or an error to raise."""

    bus: MemoryBus
    polls: list[list[Batch] | Exception]
    commits: list[dict[int, int]] = field(default_factory=list)
    behind: dict[int, int] = field(default_factory=dict)
    is_closed: bool = False

    async def poll(self) -> Sequence[Batch]:
        """Hand out what is next; nothing once all is."""
        await asyncio.sleep(0 if self.polls else 0.001)
        if not self.polls:
            return []
        following = self.polls.pop(0)
        if isinstance(following, Exception):
            raise following
        return following

    async def commit(self, position: Mapping[int, int]) -> None:
        """Keep the position, or fail as told."""
        self.bus.note("commit", str(dict(position)))
        self.commits.append(dict(position))

    async def lag(self) -> Mapping[int, int]:
        """Return what the test says, or fail as told."""
        self.bus.note("lag")
        return self.behind

    async def close(self) -> None:
        """Leave."""
        self.is_closed = True
        self.bus.happened.append("close")


class Notebook:
    """A stage that writes lines down: an effect and a publication for each partition's lines, then the commit."""

    name = "notebook"
    topic = LINES

    def __init__(self, bus: MemoryBus) -> None:
        self.bus = bus
        self.taken: dict[int, list[str]] = {}
        self.pages: dict[int, list[str]] = {}
        self.ends: dict[int, int] = {}
        self.dead: list[DeadLetter] = []

    async def assigned(self, partition: int, offset: int) -> None:
        """Begin the partition's pages."""
        self.bus.note("assigned", f"{partition} from {offset}")
        self.taken[partition], self.pages[partition], self.ends[partition] = [], [], offset

    def revoked(self, partition: int) -> None:
        """Forget them."""
        self.bus.happened.append(f"revoked {partition}")
        del self.taken[partition], self.pages[partition], self.ends[partition]

    async def before(self, batch: Batch) -> None:
        """Fetch nothing, or fail as told."""
        self.bus.note("before", f"{batch.offset}")

    def take(self, batch: Batch) -> None:
        """Take all lines, or none when one of them is broken; no watermark."""
        if isinstance(batch.body, Watermark):
            raise Broken("a notebook has no time")
        for line in batch.body:
            if line.text.startswith("broken"):
                raise Broken(f"{line.text} cannot be")
        self.taken[batch.partition] += [line.text for line in batch.body]
        self.pages[batch.partition] += [line.text for line in batch.body]
        self.ends[batch.partition] = batch.end

    def work(self, partition: int) -> Work:
        """Store and publish the page."""
        page, self.pages[partition] = self.pages[partition], []

        async def store() -> None:
            self.bus.note("effect", ",".join(page))

        dead, self.dead = self.dead, []
        return Work(
            effects=[store], publications=[("pages", [page], partition)], dead=dead, commit=self.ends[partition]
        )


def lines(*texts: str, offset: int = 0, partition: int = 0) -> Batch:
    """Return a batch of lines."""
    return Batch(LINES, partition, offset, tuple(Line(text) for text in texts))


@dataclass
class Play:
    """A shell over everything above."""

    bus: MemoryBus
    stage: Notebook
    shell: Shell
    worker: Worker
    letters: DeadLetters
    reader: MemoryReader

    async def run(self, *polls: list[Batch] | Exception) -> None:
        """Work off these polls and stop."""
        self.reader.polls = list(polls)
        running = asyncio.create_task(self.shell.run(self.reader))
        await until(lambda: not self.reader.polls or running.done())
        self.shell.stop()
        await asyncio.wait_for(running, 60)


async def play(folder: Path, *partitions: int) -> Play:
    """Return a shell that has partitions (0 when none is named), nothing read yet."""
    bus = MemoryBus()
    stage, worker = Notebook(bus), Worker("notebook")
    letters = DeadLetters(bus, folder)
    shell = Shell(stage, bus, letters, worker, VirtualClock(NOW))
    await shell.assigned(dict.fromkeys(partitions or (0,), 0))
    return Play(bus, stage, shell, worker, letters, MemoryReader(bus, []))
