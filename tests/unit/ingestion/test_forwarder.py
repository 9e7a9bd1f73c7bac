"""The forwarder: the journal's records into a cluster's topic, each watermark to every partition, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.ingestion.forward import Forwarder
from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import Worker
from niftyflow.kit.stage import Shell
from niftyflow.model import TickBatch, Watermark
from support.candle_stages import Eager, mark
from support.intakes import Ticks
from support.stages import MemoryBus
from support.waiting import until


class Cluster(MemoryBus):
    """A bus of three partitions."""

    def partitions(self, _topic: str) -> int:
        """Return 3."""
        return 3


@pytest.fixture
async def journal(tmp_path) -> AsyncIterator[EmbeddedBus]:
    """A journal of two batches and two watermarks."""
    bus = EmbeddedBus(tmp_path / "log")
    await bus.open()
    make = Ticks()
    await bus.publish("raw-ticks", [make.of({"at": 1}), mark(1000), make.of({"at": 1001}, {"at": 1002}), mark(2000)])
    yield bus
    await bus.close()


async def forward(journal: EmbeddedBus, cluster: Cluster, tmp_path) -> None:
    """Run a forwarder until it has done everything in the journal."""
    shell = Shell(Forwarder(cluster), cluster, DeadLetters(cluster, tmp_path), Worker("forwarder"), VirtualClock())
    reader = await journal.subscribe("raw-ticks", group=Forwarder.group, assignment=shell)
    running = asyncio.create_task(shell.run(Eager(reader)))
    ends = await journal.end("raw-ticks")
    await until(lambda: shell.has_done(ends))
    shell.stop()
    await running


def told(cluster: Cluster) -> list[object]:
    """Return what reached the cluster: how many ticks, or (time, partition) of a watermark."""
    return [
        (body.time - mark(0).time, body.partition) if isinstance(body, Watermark) else len(body)
        for body in cluster.bodies["raw-ticks"]
    ]


EVERYTHING = [1, (1000, 0), (1000, 1), (1000, 2), 2, (2000, 0), (2000, 1), (2000, 2)]


async def test_ticks_go_as_they_are_and_watermarks_to_every_partition(journal, tmp_path):
    """In the journal's order, so that no watermark overtakes its ticks."""
    cluster = Cluster()
    await forward(journal, cluster, tmp_path)
    assert told(cluster) == EVERYTHING
    ticks = [body for body in cluster.bodies["raw-ticks"] if isinstance(body, TickBatch)]
    assert [tick.traded_at - mark(0).time for batch in ticks for tick in batch.to_records()] == [1, 1001, 1002]
    assert await journal.behind("raw-ticks", "forwarder") == 0


async def test_an_outage_of_the_cluster_delays_and_loses_nothing(journal, tmp_path):
    """The journal is the buffer; nothing is committed before it has arrived."""
    cluster = Cluster()
    cluster.away["publish"] = 2
    await forward(journal, cluster, tmp_path)
    assert told(cluster) == EVERYTHING


async def test_a_restart_goes_on_where_the_last_one_committed(journal, tmp_path):
    """What has arrived is not sent again."""
    await forward(journal, Cluster(), tmp_path)
    await journal.publish("raw-ticks", [mark(3000)])
    cluster = Cluster()
    await forward(journal, cluster, tmp_path)
    assert told(cluster) == [(3000, 0), (3000, 1), (3000, 2)]


async def test_a_share_tells_the_time_of_its_own_partitions_alone(journal, tmp_path):
    """Whoever has the others tells theirs: a partition has one who does."""
    cluster = Cluster()
    shell = Shell(Forwarder(cluster, [1]), cluster, DeadLetters(cluster, tmp_path), Worker("forwarder"), VirtualClock())
    reader = await journal.subscribe("raw-ticks", group=Forwarder.group, assignment=shell)
    running = asyncio.create_task(shell.run(Eager(reader)))
    ends = await journal.end("raw-ticks")
    await until(lambda: shell.has_done(ends))
    shell.stop()
    await running
    assert told(cluster) == [1, (1000, 1), 2, (2000, 1)]
