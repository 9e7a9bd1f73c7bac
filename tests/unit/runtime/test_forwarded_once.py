"""What is published again after a crash or a failure reaches the cluster once, and nothing is left out for it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from niftyflow.bus.port import Body
from niftyflow.model import TickBatch, Unavailable, Watermark
from niftyflow.runtime.forwarding import OnceOnly, told_before
from support.trading_days import a_tick

SYMBOLS = ("INFY", "TCS")


class Cluster:
    """Two partitions, one a symbol; publishing fails after the ticks of `accepts` partitions were taken."""

    def __init__(self) -> None:
        self.held: dict[int, list[int]] = {0: [], 1: []}
        self.marks = 0
        self.asked = 0
        self.accepts: Sequence[int] | None = None

    def partition_of(self, topic: str, key: str) -> int:  # noqa: ARG002 - the port's
        return SYMBOLS.index(key.partition(":")[2])

    async def publish(self, topic: str, bodies: Sequence[Body], partition: int | None = None) -> None:  # noqa: ARG002 - the port's
        for body in bodies:
            if isinstance(body, Watermark):
                self.marks += 1
                continue
            for tick in body.to_records():
                place = self.partition_of(topic, f"NSE:{tick.symbol}")
                if self.accepts is None or place in self.accepts:
                    self.held[place].append(tick.sequence)
        if self.accepts is not None:
            raise Unavailable("cluster", "half of it was taken")

    async def end(self, topic: str) -> dict[int, int]:  # noqa: ARG002 - the port's
        return {place: len(held) for place, held in self.held.items()}

    async def last_watermark(self, topic: str, partition: int) -> Watermark | None:  # noqa: ARG002 - the port's
        return Watermark(time=1000 + partition, partition=partition, source="test", healthy=True)

    async def ticks_from(self, topic: str, partition: int, sequence: int) -> list[int]:  # noqa: ARG002 - the port's
        self.asked += 1
        return [each for each in self.held[partition] if each >= sequence]


def ticks(*sequences: int) -> TickBatch:
    """Return ticks of the two shares in turn."""
    return TickBatch.from_records([a_tick(SYMBOLS[each % 2], 0, 100.0, sequence=each) for each in sequences])


def mark() -> Watermark:
    """Return a watermark."""
    return Watermark(time=1, partition=0, source="test", healthy=True)


async def test_what_a_dead_process_published_is_not_published_again() -> None:
    """A new one begins at an older commit: what is there is left out, what follows is not."""
    cluster = Cluster()
    await OnceOnly(cluster, cluster).publish("raw-ticks", [ticks(0, 1, 2, 3)])
    again = OnceOnly(cluster, cluster)
    await again.publish("raw-ticks", [ticks(2, 3), mark(), ticks(4, 5)])
    await again.publish("raw-ticks", [ticks(6, 7)])
    assert cluster.held == {0: [0, 2, 4, 6], 1: [1, 3, 5, 7]}
    assert cluster.marks == 1


@pytest.mark.parametrize("accepts", [(), (0,), (1,), (0, 1)])
async def test_after_a_failure_only_what_is_missing_is_published(accepts: Sequence[int]) -> None:
    """Whatever partitions took before it failed, each tick is there once in the end."""
    cluster = Cluster()
    once = OnceOnly(cluster, cluster)
    await once.publish("raw-ticks", [ticks(0, 1)])
    cluster.accepts = accepts
    with pytest.raises(Unavailable):
        await once.publish("raw-ticks", [ticks(2, 3, 4), ticks(5)])
    cluster.accepts = None
    await once.publish("raw-ticks", [ticks(2, 3, 4), ticks(5)])
    assert cluster.held == {0: [0, 2, 4], 1: [1, 3, 5]}


async def test_what_lies_behind_a_hole_is_no_reason_to_leave_the_hole() -> None:
    """A partition that took a later tick and not an earlier one gets the earlier one."""
    cluster = Cluster()
    cluster.held[0] = [0, 4]
    await OnceOnly(cluster, cluster).publish("raw-ticks", [ticks(0, 2), ticks(4, 6)])
    assert sorted(cluster.held[0]) == [0, 2, 4, 6]


async def test_a_cluster_is_asked_once_and_not_for_each_batch() -> None:
    """Two partitions are two questions, however much is published."""
    cluster = Cluster()
    once = OnceOnly(cluster, cluster)
    for first in range(0, 20, 2):
        await once.publish("raw-ticks", [ticks(first, first + 1)])
    assert cluster.asked == 2


async def test_a_share_begun_after_another_number_of_shares_is_published_whole() -> None:
    """One journal numbered the ticks of both partitions; a new one of half of them goes on behind those numbers."""
    cluster = Cluster()
    await OnceOnly(cluster, cluster).publish("raw-ticks", [ticks(0, 1, 2, 3, 4, 5)])
    told = await told_before(cluster, [0])
    first = told.records + told.records % 2
    await OnceOnly(cluster, cluster).publish("raw-ticks", [ticks(first, first + 2)])
    assert cluster.held[0] == [0, 2, 4, first, first + 2]
    assert told.until == 1000


async def test_numbers_that_ran_ahead_of_the_records_are_not_given_again() -> None:
    """What a journal leaves out has had its numbers."""
    cluster = Cluster()
    await OnceOnly(cluster, cluster).publish("raw-ticks", [ticks(0, 1, 90, 91)])
    assert (await told_before(cluster, [0])).records == 91
    assert (await told_before(cluster, [1])).records == 92
