"""With Kafka: carries the local journal to the cluster's topic, so that an outage there delays and never loses.

A journal has one partition; its watermark holds for each partition of the topic that is this process's.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from niftyflow.bus.port import Body, Bus
from niftyflow.kit.stage import Batch, Work
from niftyflow.model import Watermark


class Forwarder:
    """`raw-ticks` of the journal into `raw-ticks` of the bus."""

    name = "forwarder"
    topic = "raw-ticks"
    group = "forwarder"

    def __init__(self, bus: Bus, partitions: Sequence[int] | None = None) -> None:
        """Carry to the bus; `partitions` are those whose instruments the journal holds (None: all)."""
        self._partitions = range(bus.partitions(self.topic)) if partitions is None else partitions
        self._bodies: list[Body] = []
        self._end = 0

    async def assigned(self, partition: int, offset: int) -> None:
        """Nothing to prepare."""

    def revoked(self, partition: int) -> None:
        """Nothing to forget."""

    async def before(self, batch: Batch) -> None:
        """Nothing to fetch."""

    def take(self, batch: Batch) -> None:
        """Take ticks as they are, and a watermark for every partition."""
        if isinstance(batch.body, Watermark):
            self._bodies += [msgspec.structs.replace(batch.body, partition=partition) for partition in self._partitions]
        else:
            self._bodies.append(batch.body)
        self._end = batch.end

    def work(self, partition: int) -> Work:  # noqa: ARG002 - the journal has one
        """Publish what was taken."""
        bodies, self._bodies = self._bodies, []
        return Work(publications=[(self.topic, bodies, None)] if bodies else [], commit=self._end)
