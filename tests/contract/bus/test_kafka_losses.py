"""Brokers killed under publishing: what was told durable is there, every record, in order.

Three brokers that keep three copies, two of them in sync; and one broker alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from niftyflow.bus.port import Bus, Start
from niftyflow.bus.topics import RAW_TICKS
from niftyflow.model import Retryable
from support.kafka import Broker, Cluster, free_port, need_kafka, stop
from support.kafka_operator import set_topic
from support.kafka_publishing import Publisher, everything, refuse_losses, to_the_end

kafka = pytest.importorskip("niftyflow.bus.kafka", reason="the kafka extra is not installed")

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

PARTITIONS = 3
QUICK = {"heartbeat.interval.ms": 300, "session.timeout.ms": 2_000}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three brokers for all tests of this file; each test leaves all of them running."""
    need_kafka()
    cluster = Cluster(tmp_path_factory.mktemp("three"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@asynccontextmanager
async def publishing(servers: str, prefix: str, copies: int) -> AsyncIterator[tuple[kafka.KafkaBus, Publisher]]:
    """A publisher at work on topics with so many copies; in the end it has ended."""
    bus = kafka.KafkaBus(
        servers, [RAW_TICKS], prefix=prefix, partitions=PARTITIONS, replication=copies, delivery_timeout_seconds=3,
        client=QUICK,
    )  # fmt: skip
    await bus.open()
    publisher = Publisher(bus, PARTITIONS)
    working = asyncio.create_task(publisher.run())
    try:
        await publisher.until_told(500)
        yield bus, publisher
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await bus.close()


async def ends_of(bus: Bus) -> dict[int, int]:
    """Return where the topic ends, asked again while a partition has no leader."""
    async with asyncio.timeout(60):
        while True:
            try:
                return dict(await bus.end("raw-ticks"))
            except Retryable:
                await asyncio.sleep(0.1)


async def test_one_of_three_brokers_killed_and_back_loses_nothing(three: Cluster, kafka_prefix: str):
    """Publishing goes on without it, and a reader that was there all the time sees what one that comes later sees."""
    async with publishing(three.servers, kafka_prefix, 3) as (bus, publisher):
        reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
        seen = await to_the_end(reader, await ends_of(bus))
        await asyncio.to_thread(three.kill, 0)
        await publisher.until_told(1_500)
        seen += await to_the_end(reader, await ends_of(bus))
        await asyncio.to_thread(three.bring_back, 0)
        await publisher.until_told(500)
        await publisher.end()
        seen += await to_the_end(reader, await ends_of(bus))
        assert seen
        refuse_losses(publisher, seen)
        refuse_losses(publisher, await everything(bus))


async def test_too_few_brokers_in_sync_refuse_until_they_are_back(three: Cluster, kafka_prefix: str):
    """With one away where all three must have a record, no publish tells success; it goes on when it is back."""
    async with publishing(three.servers, kafka_prefix, 3) as (bus, publisher):
        await asyncio.to_thread(set_topic, three.servers, f"{kafka_prefix}raw-ticks", {"min.insync.replicas": "3"})
        await publisher.until_told(500)
        await asyncio.to_thread(three.kill, 1)
        await publisher.until_refused()
        await publisher.until_refused()
        told = publisher.told.copy()
        await publisher.until_refused()
        assert publisher.told == told
        await asyncio.to_thread(three.bring_back, 1)
        await publisher.until_told(500)
        await publisher.end()
        refuse_losses(publisher, await everything(bus))


async def test_the_only_broker_killed_and_back_loses_nothing(tmp_path: Path, kafka_prefix: str):
    """While it is away every publish fails in bounded time; then both sides go on where they were."""
    need_kafka()
    broker = Broker(tmp_path / "broker", free_port(), free_port(), memory="256m")
    process = await asyncio.to_thread(broker.start)
    try:
        async with publishing(broker.servers, kafka_prefix, 1) as (bus, publisher):
            reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
            seen = await to_the_end(reader, await ends_of(bus))
            await asyncio.to_thread(stop, process)
            await publisher.until_refused()
            process = await asyncio.to_thread(broker.start)
            await publisher.until_told(500)
            await publisher.end()
            seen += await to_the_end(reader, await ends_of(bus))
            assert seen
            refuse_losses(publisher, seen)
    finally:
        stop(process)
