"""The journal's ticks on the cluster once: what a forwarder publishes again after a crash or a failure is left out.

A tick's sequence is its number in the journal. At the start and after each failure a partition is asked which of them
it has, so no reader has to know a tick that comes twice. It leaves out what is there and nothing else. It publishes
while the leases of the partitions are surely held; otherwise the journal waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from niftyflow.bus.port import Body, Bus, count_of
from niftyflow.ingestion.intake import TOPIC
from niftyflow.ingestion.service import Told
from niftyflow.ingestion.tenure import Tenure
from niftyflow.kit.log import get_logger
from niftyflow.kit.stage import Writer
from niftyflow.model import Retryable, TickBatch, Unavailable

log = get_logger(__name__)


@runtime_checkable
class TellsTicks(Protocol):
    """A bus that can say which ticks are in a partition."""

    async def ticks_from(self, topic: str, partition: int, sequence: int) -> list[int]:
        """Return the sequences from `sequence` on of a partition's ticks."""
        ...


class Addressed(Protocol):
    """The part of a bus that is needed to publish once."""

    def partition_of(self, topic: str, key: str) -> int:
        """Return the partition that records of `key` go to."""
        ...

    async def publish(self, topic: str, bodies: Sequence[Body], partition: int | None = None) -> None:
        """Append durably."""
        ...


class WhileHeld:
    """Publishes to a bus while a tenure is surely ours; who asks at another time waits from the second time on."""

    def __init__(self, bus: Addressed, tenure: Tenure) -> None:
        self._bus = bus
        self._tenure = tenure
        self._has_told = False

    def partition_of(self, topic: str, key: str) -> int:
        """Return the partition that records of `key` go to."""
        return self._bus.partition_of(topic, key)

    async def publish(self, topic: str, bodies: Sequence[Body], partition: int | None = None) -> None:
        """Publish.

        Raises:
            Retryable: the bus is away, or the tenure is not surely ours, which is told once.
        """
        if not self._tenure.is_held:
            if not self._has_told:
                self._has_told = True
                raise Unavailable(
                    f"the lease of {self._tenure.name}",
                    "it was not renewed in time; the journal is forwarded once it is",
                )
            await self._tenure.held_again()
        self._has_told = False
        await self._bus.publish(topic, bodies, partition)


async def told_before(bus: Bus, partitions: Sequence[int]) -> Told:
    """Return up to when these partitions were told, and a number that no tick in them has, nor a higher one.

    A new journal numbers its ticks from there. It is that of all records of the topic, because a journal of fewer
    shares gave its numbers to the ticks of all its partitions, or what lies above that where some were left out.

    Raises:
        Retryable: the bus does not answer.
    """
    marks = await asyncio.gather(*(bus.last_watermark(TOPIC, partition) for partition in partitions))
    until = max((mark.time for mark in marks if mark is not None), default=0)
    records = sum((await bus.end(TOPIC)).values())
    if isinstance(bus, TellsTicks):
        above = await asyncio.gather(*(bus.ticks_from(TOPIC, partition, records) for partition in partitions))
        records = max([records, *(number + 1 for numbers in above for number in numbers)])
    return Told(until, records)


class OnceOnly:
    """Publishes to a bus the ticks that it has not; watermarks may come twice, and say the same."""

    def __init__(self, bus: Addressed, tells: TellsTicks) -> None:
        self._bus = bus
        self._tells = tells
        self._there: dict[int, NDArray[np.int64]] = {}

    @classmethod
    def of(cls, bus: Bus, tenure: Tenure) -> Writer:
        """Return what writes to a bus during a tenure; once, where the bus can say what it has."""
        guarded = WhileHeld(bus, tenure)
        return cls(guarded, bus) if isinstance(bus, TellsTicks) else guarded

    async def publish(self, topic: str, bodies: Sequence[Body], partition: int | None = None) -> None:
        """Publish what is new.

        Raises:
            Retryable: some of it was not published, or what is there cannot be told.
        """
        new = [await self._new(topic, body) if isinstance(body, TickBatch) else body for body in bodies]
        before = sum(map(count_of, bodies)) - sum(map(count_of, new))
        if before:
            log.info("forwarded_before", topic=topic, ticks=before)
        try:
            await self._bus.publish(topic, new, partition)
        except Retryable:
            self._there = {}
            raise

    async def _new(self, topic: str, ticks: TickBatch) -> TickBatch:
        """Return the ticks that are not there; each partition is asked when the first of it come."""
        to = np.array([self._bus.partition_of(topic, name.key) for name in ticks.names.names], dtype=np.int64)
        places = to[ticks.name]
        is_new = np.ones(len(ticks), dtype=bool)
        for place in np.unique(places).tolist():
            mine = np.flatnonzero(places == place)
            sequences = ticks.sequence[mine]
            there = self._there.get(place)
            if there is None:
                found = await self._tells.ticks_from(topic, place, int(sequences.min()))
                there = self._there[place] = np.array(found, dtype=np.int64)
            if len(there) and sequences.min() > there.max():  # past what was there
                there = self._there[place] = there[:0]
            if len(there):
                is_new[mine] = ~np.isin(sequences, there)
        return ticks if is_new.all() else ticks.take(np.flatnonzero(is_new))
