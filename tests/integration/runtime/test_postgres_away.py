"""A real PostgreSQL away for longer than leases last: what the feed says meanwhile reaches a real Kafka, once.

Leases last two seconds here. When only ours is cut off another process takes over, and its ticks are those that stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from niftyflow.brokers.port import FeedClock, FeedEnd, FeedEvent, FeedUp
from niftyflow.bus.kafka import KafkaBus
from niftyflow.bus.port import Start
from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.health import State
from niftyflow.model import Candle, Exchange, Instrument, Interval, Kind, TickBatch
from niftyflow.runtime.settings import AppSettings, load
from niftyflow.runtime.supervisor import Patience
from niftyflow.runtime.wiring import Does, Engines, Process, engines
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.postgres_leases import PostgresLeases
from support.intakes import DAY, ScriptedFeed, Ticks
from support.kafka import kafka_prefix, kafka_servers
from support.market import INFY
from support.open_feeds import OpenFeed
from support.postgres import make_template, need_postgres
from support.postgres_server import PostgresServer
from support.waiting import until
from support.wires import Cable

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]
__all__ = ["kafka_prefix", "kafka_servers"]

LASTING = ("fsync=off", "full_page_writes=off")
"""The machine outlives the server: what was committed is in its memory when the server is stopped as by a crash."""
DATABASE = "niftyflow_template"
RELIANCE = Instrument(exchange=Exchange.NSE, symbol="RELIANCE", kind=Kind.EQUITY)
TTL_SECONDS = 2.0
SOON = Patience(away_seconds=0.2)
EVER = 1 << 60
STEP = 5_000
"""Between two sayings of the feed, ms."""


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of this test alone, which it may stop."""
    need_postgres()
    server = PostgresServer.create(*LASTING)
    server.start()
    make_template(server)
    yield server
    server.remove()


class Broker:
    """What a broker says in the course of a session, whoever listens; it does not wait."""

    def __init__(self) -> None:
        self.said: list[list[FeedEvent]] = []
        self.feeds: list[OpenFeed] = []
        self._make, self._at = Ticks(), 0

    def feed(self) -> OpenFeed:
        """Return what listens from now on."""
        feed = OpenFeed()
        if self._at:
            feed.says(FeedUp(DAY + self._at, "connected"))
        self.feeds = [feed]
        return feed

    def says(self, seconds: int) -> list[int]:
        """Say ticks and the time for so long; return their times, ms after the open."""
        times = []
        while seconds > 0:
            events: list[FeedEvent] = [FeedUp(DAY, "connected")] if not self._at else []
            for second in range(self._at // 1000, (self._at + STEP) // 1000):
                at = second * 1000 + 500
                price = 100.0 + second % 17
                events.append(
                    self._make.of({"at": at, "symbol": "INFY", "ltp": price}, {"at": at + 1, "ltp": 2 * price})
                )
                events.append(FeedClock(DAY + (second + 1) * 1000))
                times += [at, at + 1]
            self._give(events)
            self._at += STEP
            seconds -= STEP // 1000
        return times

    def ends(self) -> None:
        """End the session."""
        self._give([FeedEnd(DAY + self._at)])

    def _give(self, events: list[FeedEvent]) -> None:
        self.said.append(events)
        for feed in self.feeds:
            feed.says(*events)


@dataclass
class Running:
    """A process of the cluster."""

    on: Engines
    process: Process
    task: asyncio.Task[None]

    def worker(self, name: str) -> tuple[State, str]:
        """Return how a worker is."""
        worker = self.on.health.worker(name)
        return worker.state, worker.reason

    async def journaled(self) -> int:
        """Return how many records its journal has."""
        return (await self.on.journal.end("raw-ticks"))[0]

    async def has_journaled(self, more_than: int) -> bool:
        """Whether its journal has more records."""
        return await self.journaled() > more_than


def settings_of(folder: Path, kafka: str, prefix: str, url: str) -> AppSettings:
    """Return the settings of a process of the cluster."""
    cluster = {"bus.engine": "kafka", "bus.servers": kafka, "bus.prefix": prefix, "bus.partitions": "2"}
    return load(folder / "none.toml", cluster | {"database.url": url})


@asynccontextmanager
async def running(folder: Path, name: str, settings: AppSettings, broker: Broker, does: Does) -> AsyncIterator[Running]:
    """Run a process that takes the broker's ticks in, or stands by, for the time of a `with`."""
    workspace = Workspace(folder / "cluster", name)
    async with engines(workspace, settings) as on:
        leases = on.leases = PostgresLeases(on.book.database, name, TTL_SECONDS)
        process = Process(workspace, settings, on, stands_by=True, patience=SOON)
        run = process.run(
            broker.feed(), [INFY, RELIANCE], VirtualClock(), does=does, supervised=True, new_feed=broker.feed
        )
        task = asyncio.create_task(run)
        try:
            yield Running(on, process, task)
        finally:
            process.stop()
            await asyncio.wait_for(task, 60)
            await leases.close()


async def on_cluster(kafka: str, prefix: str) -> list[int]:
    """Return the times of the ticks on the cluster, ms after the open, each as often as it is there."""
    bus = KafkaBus(kafka, prefix=prefix, partitions=2, source="test")
    await bus.open()
    try:
        reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
        ends, times = await bus.end("raw-ticks"), []
        while any(reader.position().get(partition, 0) < end for partition, end in ends.items()):
            for batch in await reader.poll():
                if isinstance(batch.body, TickBatch):
                    times += [int(time) - DAY for time in batch.body.traded_at]
        await reader.close()
        return sorted(times)
    finally:
        await bus.close()


async def candles(on: Engines) -> list[tuple[Any, ...]]:
    """Return what is stored, without what tells how it came there."""

    def row(candle: Candle) -> tuple[Any, ...]:
        return (
            candle.instrument, candle.time, candle.open, candle.high, candle.low, candle.close, candle.volume,
            candle.trades, candle.vwap, candle.incomplete, candle.revision,
        )  # fmt: skip

    stored = [await on.market.candles(each.key, Interval.M1, 0, EVER) for each in (INFY, RELIANCE)]
    return [row(candle) for batch in stored for candle in batch.to_records()]


async def undisturbed(folder: Path, broker: Broker) -> list[tuple[Any, ...]]:
    """Return the candles of one process without servers that heard the same."""
    workspace = Workspace(folder / "alone")
    async with engines(workspace, AppSettings()) as on, asyncio.timeout(60):
        process = Process(workspace, AppSettings(), on)
        await process.run(ScriptedFeed(*broker.said), [INFY, RELIANCE], VirtualClock(), does=Does.PROCESSING)
        return await candles(on)


async def test_a_postgres_away_for_long_costs_no_tick_and_no_restart(tmp_path, server, kafka_servers, kafka_prefix):
    """Every layer waits and says so; the feed goes on into the journal; afterwards all is there once."""
    broker, settings = Broker(), settings_of(tmp_path, kafka_servers, kafka_prefix, server.url(DATABASE))
    async with running(tmp_path, "ingestion-1", settings, broker, Does.ALL) as ours:
        said = broker.says(90)
        await until(lambda: _are_stored(ours, 2))
        await until(lambda: _has_commands(ours.process))
        await asyncio.to_thread(server.stop)
        said += broker.says(60)  # forwarded still: processing has candles to store, and waits
        await until(lambda: "journal alone" in ours.worker("ingestion")[1])
        journaled = await ours.journaled()
        said += broker.says(120)
        await until(lambda: ours.has_journaled(journaled + 240))
        await until(lambda: ours.worker("forwarder")[0] is State.WAITING)
        assert "not renewed in time" in ours.worker("forwarder")[1]
        there = await on_cluster(kafka_servers, kafka_prefix)
        has_candles_to_store = there[-1] > 130_000  # a slow machine may not have forwarded them in time
        for name in ("aggregation", "signals", "trading", "commands", *["processing"] * has_candles_to_store):
            await until(lambda each=name: ours.worker(each)[0] is State.WAITING)
        assert ours.worker("ingestion")[0] is State.RUNNING
        await asyncio.sleep(TTL_SECONDS)
        assert await on_cluster(kafka_servers, kafka_prefix) == there, "published without a lease"
        await asyncio.to_thread(server.start)
        said += broker.says(60)
        broker.ends()
        await asyncio.wait_for(asyncio.shield(ours.task), 120)
        assert await on_cluster(kafka_servers, kafka_prefix) == sorted(said)
        assert await candles(ours.on) == await undisturbed(tmp_path, broker)
        assert {each.worker: each.restarts for each in ours.on.health.report() if each.restarts} == {}


async def test_ticks_of_who_was_cut_off_are_not_forwarded_once_another_took_over(
    tmp_path, server, kafka_servers, kafka_prefix
):
    """The newer holder's ticks are the market's; the former one stands by, and may take over again."""
    async with Cable(server.url(DATABASE)) as cable:
        broker, theirs = Broker(), Broker()
        cut = settings_of(tmp_path, kafka_servers, kafka_prefix, cable.url)
        whole = settings_of(tmp_path, kafka_servers, kafka_prefix, server.url(DATABASE))
        async with running(tmp_path, "ingestion-1", cut, broker, Does.NOTHING) as ours:
            said = broker.says(30)
            await until(lambda: _is_there(kafka_servers, kafka_prefix, said))
            async with running(tmp_path, "ingestion-2", whole, theirs, Does.NOTHING) as other:
                await until(lambda: "held by ingestion-1" in other.worker("ingestion")[1])
                assert "held by ingestion-1" in other.worker("forwarder")[1]
                await cable.pull()
                await until(lambda: "journal alone" in ours.worker("ingestion")[1])
                journaled = await ours.journaled()
                lost = broker.says(60)
                await until(lambda: ours.has_journaled(journaled + 120))
                theirs._at = broker._at + 1000
                theirs.feeds[0].says(FeedUp(DAY + theirs._at, "connected"))
                said += theirs.says(30)
                await until(lambda: _is_there(kafka_servers, kafka_prefix, said))
                await cable.plug()
                await until(lambda: "held by ingestion-2" in ours.worker("ingestion")[1])
            broker._at = theirs._at + 1000
            broker.feeds[0].says(FeedUp(DAY + broker._at, "connected"))
            said += broker.says(30)
            await until(lambda: _is_there(kafka_servers, kafka_prefix, said))
            assert not set(lost) & set(await on_cluster(kafka_servers, kafka_prefix))
            assert ours.on.health.worker("ingestion").restarts == 1


def _has_commands(process: Process) -> bool:
    """Whether trading has got the partitions of its commands: a reader cancelled while it gets them is a crash."""
    return any(part.shell.stage.name == "commands" and len(part.shell._done) == 2 for part in process.parts())


async def _are_stored(ours: Running, count: int) -> bool:
    return len(await candles(ours.on)) >= count


async def _is_there(kafka: str, prefix: str, said: list[int]) -> bool:
    return await on_cluster(kafka, prefix) == sorted(said)
