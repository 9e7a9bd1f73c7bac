"""With Kafka: carries the local journal to the cluster's topic, so that an outage there delays and never loses.

A journal has one partition; its watermark holds for each partition of the topic that is this process's. It leaves out
what was taken in while another process had the partitions: the cluster has that one's ticks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from niftyflow.bus.port import Body, Bus, count_of
from niftyflow.kit.log import get_logger
from niftyflow.kit.stage import Batch, Work
from niftyflow.model import Watermark, rows_of

log = get_logger(__name__)

Kept = Callable[[int, int], Sequence[tuple[int, int]]]
"""Says which parts of the journal's records from one offset to another (exclusive) are carried over, in order."""


class Forwarder:
    """`raw-ticks` of the journal into `raw-ticks` of the bus."""

    name = "forwarder"
    topic = "raw-ticks"
    group = "forwarder"

    def __init__(self, bus: Bus, partitions: Sequence[int] | None = None, kept: Kept | None = None) -> None:
        """Carry to the bus; `partitions` are those whose instruments the journal holds (None: all)."""
        self._partitions = range(bus.partitions(self.topic)) if partitions is None else partitions
        self._kept: Kept = kept or (lambda first, stop: [(first, stop)])
        self._bodies: list[Body] = []
        self._left_out = 0
        self._end = 0

    async def assigned(self, partition: int, offset: int) -> None:
        """Nothing to prepare."""

    def revoked(self, partition: int) -> None:
        """Nothing to forget."""

    async def before(self, batch: Batch) -> None:
        """Nothing to fetch."""

    def take(self, batch: Batch) -> None:
        """Take ticks as they are, and a watermark for every partition; not what another process took in as well."""
        kept = self._kept(batch.offset, batch.end)
        for first, stop in kept:
            if isinstance(batch.body, Watermark):
                self._bodies += [
                    msgspec.structs.replace(batch.body, partition=partition) for partition in self._partitions
                ]
            elif stop - first == count_of(batch.body):
                self._bodies.append(batch.body)
            else:
                self._bodies.append(rows_of(batch.body, slice(first - batch.offset, stop - batch.offset)))
        if not isinstance(batch.body, Watermark):
            self._left_out += count_of(batch.body) - sum(stop - first for first, stop in kept)
        self._end = batch.end

    def work(self, partition: int) -> Work:  # noqa: ARG002 - the journal has one
        """Publish what was taken."""
        if self._left_out:
            log.warning("not_forwarded", ticks=self._left_out, until=self._end, reason="another process took these in")
            self._left_out = 0
        bodies, self._bodies = self._bodies, []
        return Work(publications=[(self.topic, bodies, None)] if bodies else [], commit=self._end)
