"""Reads several subscriptions and hands out whole steps, so that the shell runs a joining stage like any other.

A subscription that runs ahead of the slowest is not polled until that has caught up: what waits is bounded. Committing
step n stores, for each topic, where the step after n begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from niftyflow.kit.join import Join, Place, Step
from niftyflow.kit.stage import Batch
from niftyflow.model import DecodeError, NiftyflowError

WAIT_SECONDS = 0.5
MOST_WAITING = 100_000
"""Records of one topic that wait for others before it is no longer polled."""


class Source(Protocol):
    """The part of a subscription that is needed."""

    async def poll(self) -> Sequence[Batch]:
        """Return what is there, waiting a moment for it."""
        ...

    async def commit(self, position: Mapping[int, int]) -> None:
        """Store the group's position."""
        ...

    async def lag(self) -> Mapping[int, int]:
        """Return the records behind the position."""
        ...

    async def close(self) -> None:
        """Leave."""
        ...


@dataclass(frozen=True, slots=True)
class StepBatch:
    """A step as the shell's batch: one record, numbered from 0."""

    topic: str
    offset: int
    body: Step
    partition: int = 0

    @property
    def end(self) -> int:
        """Number of the step after it."""
        return self.offset + 1


class Lanes:
    """Told by the bus which partitions of one topic are ours; passes that on to the join."""

    def __init__(self, join: Join, topic: str) -> None:
        self._join = join
        self._topic = topic

    async def assigned(self, partitions: Mapping[int, int]) -> None:
        """Partitions came to us."""
        for partition, offset in partitions.items():
            self._join.assign(self._topic, partition, offset)

    async def revoked(self, partitions: Sequence[int]) -> None:
        """Partitions left us."""
        for partition in partitions:
            self._join.revoke(self._topic, partition)


Subscribe = Callable[[str, Lanes], Awaitable[Source]]


class JoinedReader:
    """A reader of steps over the topics of a join."""

    def __init__(self, join: Join, commits: Mapping[str, bool] | None = None) -> None:
        """Read for `join`; `commits` says of which topics the position is stored (those of a group), default all."""
        self.join = join
        self.number = 0
        self._commits = commits or dict.fromkeys(join.topics, True)
        self._sources: dict[str, Source] = {}
        self._polls: dict[str, asyncio.Task[Sequence[Batch]]] = {}
        self._positions: dict[int, Mapping[Place, int]] = {}
        self._failed: list[NiftyflowError] = []
        self._done = 0

    async def open(self, subscribe: Subscribe) -> None:
        """Subscribe to every topic."""
        for topic in self.join.topics:
            self._sources[topic] = await subscribe(topic, Lanes(self.join, topic))

    async def poll(self) -> Sequence[StepBatch]:
        """Return the steps that are whole, waiting a moment for one.

        Raises:
            Retryable: the bus is away.
            DecodeError: a stored record cannot be read; reading goes on behind it.
        """
        self._done = self.number
        if not self._failed:
            await self._read()
        batches = []
        for step in self.join.steps():
            batches.append(StepBatch(self.join.topics[0], self.number, step))
            self.number += 1
            self._positions[self.number] = step.position
        if not batches and self._failed:
            raise self._failed.pop(0)
        return batches

    def has_done(self, ends: Mapping[Place, int]) -> bool:
        """Whether all before these offsets was read, and whoever polls came back for more than the steps of it."""
        return self._done == self.number and self.join.has_read(ends)

    async def commit(self, position: Mapping[int, int]) -> None:
        """Store where reading goes on after so many steps.

        Raises:
            Retryable: the bus is away.
        """
        number = position[0]
        places = self._positions.get(number)
        if places is None:
            return
        for topic, source in self._sources.items():
            mine = {place[1]: offset for place, offset in places.items() if place[0] == topic and place in self.join}
            if mine and self._commits.get(topic):
                await source.commit(mine)
        for old in [each for each in self._positions if each < number]:
            del self._positions[old]

    async def lag(self) -> Mapping[int, int]:
        """Return the records behind the position, of all topics together, as one partition."""
        lags = [await source.lag() for source in self._sources.values()]
        return {0: sum(sum(lag.values()) for lag in lags)}

    async def close(self) -> None:
        """Leave every topic."""
        for task in self._polls.values():
            task.cancel()
        await asyncio.gather(*self._polls.values(), return_exceptions=True)
        for source in self._sources.values():
            await source.close()

    async def _read(self) -> None:
        for topic, source in self._sources.items():
            if topic not in self._polls and self._may_poll(topic):
                self._polls[topic] = asyncio.create_task(_poll(source), name=f"poll-{topic}")
        if not self._polls:
            return
        await asyncio.wait(self._polls.values(), timeout=WAIT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for topic in [topic for topic, task in self._polls.items() if task.done()]:
            self._take(self._polls.pop(topic))

    def _may_poll(self, topic: str) -> bool:
        return self.join.waiting(topic) < MOST_WAITING or self.join.is_behind(topic)

    def _take(self, task: asyncio.Task[Sequence[Any]]) -> None:
        try:
            batches = task.result()
        except DecodeError as error:
            self._lose(error)
            self._failed.append(error)
            return
        except NiftyflowError as error:
            self._failed.append(error)
            return
        for batch in batches:
            self.join.add(batch.topic, batch.partition, batch.offset, batch.end, batch.body)

    def _lose(self, error: DecodeError) -> None:
        """Tell the join of records that cannot be read, when the error says where they lie."""
        place = (getattr(error, "topic", ""), getattr(error, "partition", -1))
        if place in self.join:
            self.join.lose(*place, getattr(error, "offset", 0) + getattr(error, "count", 1))


async def _poll(source: Source) -> Sequence[Batch]:
    return await source.poll()
