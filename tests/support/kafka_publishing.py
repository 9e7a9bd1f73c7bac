"""A publisher that goes on whatever happens to the brokers, and what must be true of what it was told.

Each partition's ticks are numbered from 0; a publish that failed is made again, as every stage does.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from niftyflow.bus.port import Batch, Bus, Start, Subscription
from niftyflow.model import Retryable, TickBatch
from support.buses import sequences, ticks

AT_ONCE = 50


@dataclass
class Publisher:
    """Publishes to every partition in turn until told to end."""

    bus: Bus
    partitions: int
    told: Counter[int] = field(default_factory=Counter)
    """Partition → how many records were told durable."""
    tried_again: set[tuple[int, int]] = field(default_factory=set)
    """(partition, number) of records in a publish that failed: they may be there twice."""
    failures: int = 0
    _is_ended: bool = False
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Publish until ended, every batch until it is told durable."""
        partition = 0
        while not self._is_ended:
            await self._publish(partition)
            partition = (partition + 1) % self.partitions
            await asyncio.sleep(0.005)
        self._idle.set()

    async def end(self) -> None:
        """End after the batch in hand."""
        self._is_ended = True
        await self._idle.wait()

    async def until_told(self, more: int, seconds: float = 90.0) -> None:
        """Wait until so many more records were told durable."""
        wanted = self.told.total() + more
        async with asyncio.timeout(seconds):
            while self.told.total() < wanted:  # noqa: ASYNC110 - the publisher signals nothing
                await asyncio.sleep(0.01)

    async def until_refused(self, seconds: float = 60.0) -> None:
        """Wait until one more publish fails."""
        failures = self.failures
        async with asyncio.timeout(seconds):
            while self.failures == failures:  # noqa: ASYNC110 - the publisher signals nothing
                await asyncio.sleep(0.01)

    async def _publish(self, partition: int) -> None:
        first = self.told[partition]
        body = ticks(AT_ONCE, first)
        while True:
            try:
                await self.bus.publish("raw-ticks", [body], partition=partition)
            except Retryable:
                self.failures += 1
                self.tried_again |= {(partition, number) for number in range(first, first + AT_ONCE)}
                await asyncio.sleep(0.05)
            else:
                self.told[partition] += AT_ONCE
                return


async def everything(bus: Bus, seconds: float = 60.0) -> list[Batch]:
    """Return all that is on the topic now, read from the beginning."""
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
    batches = await to_the_end(reader, await bus.end("raw-ticks"), seconds)
    await reader.close()
    return batches


async def to_the_end(reader: Subscription, ends: dict[int, int], seconds: float = 60.0) -> list[Batch]:
    """Read up to these offsets, again and again while the cluster is away."""
    batches: list[Batch] = []
    async with asyncio.timeout(seconds):
        while any(reader.position().get(partition, 0) < end for partition, end in ends.items()):
            try:
                batches += await reader.poll(timeout_seconds=0.2)
            except Retryable:
                await asyncio.sleep(0.05)
    return batches


def refuse_losses(publisher: Publisher, batches: Sequence[Batch]) -> None:
    """Fail unless every record told durable is there, in order, and only what was tried again is there twice."""
    for partition, told in publisher.told.items():
        numbers = sequences([batch for batch in batches if batch.partition == partition])
        first_seen = list(dict.fromkeys(numbers))
        assert first_seen[:told] == list(range(told)), f"partition {partition}: lost, or out of order"
        again = {(partition, number) for number, times in Counter(numbers).items() if times > 1}
        assert again <= publisher.tried_again, f"partition {partition}: {len(again)} are there twice"
        bodies = [batch for batch in batches if batch.partition == partition and isinstance(batch.body, TickBatch)]
        offsets = np.concatenate([np.arange(batch.offset, batch.end) for batch in bodies])
        assert np.array_equal(offsets, np.arange(len(numbers))), f"partition {partition}: offsets jump"
