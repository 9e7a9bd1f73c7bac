"""Ingestion running, with the real log, leases and hot store: its tenure, journal first, an outage, latest ticks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from prometheus_client import REGISTRY

from niftyflow.brokers.port import FeedClock, FeedEnd, FeedEvent, FeedUp
from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Start
from niftyflow.ingestion.intake import Record
from niftyflow.ingestion.service import Ingestion, IngestionSettings, Told
from niftyflow.ingestion.tenure import Tenure
from niftyflow.kit.clock import Clock, VirtualClock, WallClock
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import State, Worker
from niftyflow.model import LeaseHeld, Misconfigured, Tick, TickBatch, Unavailable, Watermark
from niftyflow.storage.leases import FileLeases
from niftyflow.storage.memory_hot import MemoryHotStore
from support.intakes import DAY, ScriptedFeed, Ticks, marks, numbers
from support.market import INFY
from support.waiting import until


class Journal:
    """The real log, whose disk is away as often as a test says."""

    def __init__(self, bus: EmbeddedBus) -> None:
        self.bus = bus
        self.away = 0
        self.calls = 0

    async def publish(self, topic, bodies, partition=None):
        """Append, unless away."""
        self.calls += 1
        if self.away:
            self.away -= 1
            raise Unavailable("journal", "the disk is full")
        await self.bus.publish(topic, bodies, partition)

    async def end(self, topic):
        """Ask the log."""
        return await self.bus.end(topic)

    async def last_watermark(self, topic, partition):
        """Ask the log."""
        return await self.bus.last_watermark(topic, partition)


@dataclass
class Place:
    """Everything ingestion needs, in a folder."""

    folder: Path
    journal: Journal
    hot: MemoryHotStore
    worker: Worker
    clock: Clock
    tenure: Tenure

    def ingestion(self, feed: ScriptedFeed) -> Ingestion:
        """Return an ingestion of this place."""
        letters = DeadLetters(self.journal.bus, self.folder)
        return Ingestion(
            feed, self.journal, self.hot, self.tenure, letters, self.worker, self.clock,
            IngestionSettings(),
        )  # fmt: skip

    async def take_in(self, *script: list[FeedEvent]) -> None:
        """Take in a feed until it ends."""
        async with asyncio.timeout(60):
            await self.ingestion(ScriptedFeed(*script)).run([INFY])

    async def bodies(self) -> list[Record]:
        """Return everything in the log."""
        reader = await self.journal.bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
        found = []
        while batches := await reader.poll(timeout_seconds=0):
            found += [batch.body for batch in batches]
        await reader.close()
        return found


@pytest.fixture
async def place(tmp_path) -> AsyncIterator[Place]:
    """A place whose clock the feed tells."""
    bus = EmbeddedBus(tmp_path / "log")
    await bus.open()
    hot = MemoryHotStore()
    await hot.open()
    journal, leases = Journal(bus), FileLeases(tmp_path / "leases")
    place = Place(tmp_path, journal, hot, Worker("ingestion"), VirtualClock(), Tenure(leases, [0], journal))
    yield place
    await place.tenure.give_back()
    await bus.close()


def session() -> list[list[FeedEvent]]:
    """Return a short session in three readings, with one impossible tick."""
    make = Ticks()
    return [
        [FeedUp(DAY, "x"), make.of({"at": 10, "ltp": 100.0}, {"at": 20, "symbol": "INFY"})],
        [make.of({"at": 500, "ltp": 101.0}, {"at": 600, "ltp": -1.0}), FeedClock(DAY + 1000)],
        [make.of({"at": 1500, "ltp": 102.0}), FeedClock(DAY + 2000), FeedEnd(DAY + 2000)],
    ]


async def test_what_a_feed_says_is_in_the_log_numbered_by_its_offsets(place):
    """Ticks, watermarks and the end of the minute, in the order in which they came."""
    await place.take_in(*session())
    bodies = await place.bodies()
    assert marks(bodies) == [(0, False), (1000, True), (2000, True), (60_000, True)]
    assert [sequence for _, sequence in numbers(bodies)] == [offset for offset, _ in numbers(bodies)] == [1, 2, 3, 5]
    assert place.worker.state is State.STOPPED


async def test_the_latest_tick_of_each_instrument_is_in_the_hot_store(place):
    """Under the contract's key, as the contract's JSON, for five minutes."""
    await place.take_in(*session())
    found = await place.hot.get("tick:latest:NSE:RELIANCE")
    assert msgspec.json.decode(found, type=Tick).ltp == 102.0
    assert await place.hot.get("tick:latest:NSE:INFY") is not None
    assert 290 < await place.hot.ttl("tick:latest:NSE:RELIANCE") <= 300


async def test_refused_ticks_are_dead_letters_and_counted(place):
    """The rest of their batch is in the log."""
    names = [{"vendor": "test", "outcome": outcome} for outcome in ("journaled", "refused")]
    before = [REGISTRY.get_sample_value("ticks_total", labels) or 0 for labels in names]
    await place.take_in(*session())
    ((_, letter),) = await place.journal.bus.read_dead_letters("raw-ticks")
    assert letter.error.startswith("ltp is -1.0")
    after = [REGISTRY.get_sample_value("ticks_total", labels) for labels in names]
    assert [now - then for now, then in zip(after, before, strict=True)] == [4, 1]


async def test_a_restart_numbers_on_and_says_that_it_was_away(place):
    """Offsets and sequence stay the same thing; the time between is unobserved."""
    first, *_ = session()
    running = asyncio.create_task((stopped := place.ingestion(ScriptedFeed(first))).run([INFY]))
    await until(lambda: place.journal.calls == 1)
    stopped.stop()
    await running
    make = Ticks()
    await place.take_in([FeedUp(DAY + 5000, "x"), make.of({"at": 5001})], [FeedEnd(DAY + 5100)])
    bodies = await place.bodies()
    assert marks(bodies) == [(0, False), (5000, False), (60_000, True)]
    assert all(offset == sequence for offset, sequence in numbers(bodies))


async def test_an_outage_of_the_journal_is_waited_out_and_nothing_is_lost(place):
    """What comes meanwhile waits with the feed; order and numbers stay."""
    place.journal.away = 2
    await place.take_in(*session())
    bodies = await place.bodies()
    assert marks(bodies) == [(0, False), (1000, True), (2000, True), (60_000, True)]
    assert [sequence for _, sequence in numbers(bodies)] == [1, 2, 3, 5]


async def test_during_an_outage_health_names_the_journal(place):
    """An operator sees what is waited for."""
    place.journal.away = 1_000_000
    running = asyncio.create_task((waiting := place.ingestion(ScriptedFeed(*session()))).run([INFY]))
    await until(lambda: "disk" in place.worker.reason)
    waiting.stop()
    with pytest.raises(Unavailable, match="the disk is full"):  # ticks were in hand: their loss is said
        await asyncio.wait_for(running, 60)
    assert not await place.bodies()


async def test_a_watermark_after_an_outage_does_not_overtake_the_ticks_that_wait(place, monkeypatch):
    """The time told is that of what was read, not that at which the disk came back."""
    now = DAY
    monkeypatch.setattr(time, "time_ns", lambda: now * 1_000_000)
    monkeypatch.setattr(time, "monotonic_ns", lambda: now * 1_000_000)
    place.clock = WallClock()
    make = Ticks()

    class Slow(Journal):
        async def publish(self, topic, bodies, partition=None):
            nonlocal now
            if self.calls == 1:
                now += 120_000  # two minutes pass in this publish
            await super().publish(topic, bodies, partition)

    place.journal = Slow(place.journal.bus)
    feed = ScriptedFeed([FeedUp(DAY, "x")], [make.of({"at": 5})], [make.of({"at": 60_000})])
    running = asyncio.create_task((ingestion := place.ingestion(feed)).run([INFY]))
    await until(lambda: place.journal.calls >= 4)
    ingestion.stop()
    await running
    bodies = await place.bodies()
    times = [body.time if isinstance(body, Watermark) else int(body.received[0]) for body in bodies]
    assert times == sorted(times)
    assert times[-1] > DAY + 100_000


class FastWallClock(WallClock):
    """Wall time at three times its pace, which no load of the machine makes look like a step."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic_ns()

    def now(self) -> int:
        """Return the time, ms UTC."""
        return DAY + (time.monotonic_ns() - self._began) * 3 // 1_000_000


async def test_wall_time_is_told_each_second_while_the_feed_is_up(place):
    """With the grace behind our clock, whether ticks come or not."""
    place.clock = FastWallClock()
    feed = ScriptedFeed([FeedUp(place.clock.now(), "x")])
    running = asyncio.create_task((ingestion := place.ingestion(feed)).run([INFY]))
    await until(lambda: place.journal.calls >= 3)
    ingestion.stop()
    await running
    first, *others = [body for body in await place.bodies() if isinstance(body, Watermark)]
    assert not first.healthy
    assert all(mark.healthy and mark.time % 1000 == 0 for mark in others)
    assert others[0].time < others[1].time
    assert others[-1].time <= place.clock.now() - 1500


async def test_only_one_process_takes_in_a_workspace(place, tmp_path):
    """The second is told who holds it, and its feed is never started."""
    lease = await FileLeases(tmp_path / "leases").acquire("raw-ticks/0")
    feed = ScriptedFeed()
    with pytest.raises(LeaseHeld, match="held by process"):
        await place.ingestion(feed).run([INFY])
    assert feed.started == []
    await lease.release()
    await place.take_in(*session())


async def test_the_lease_is_held_until_whoever_made_the_tenure_gives_it_back(place, tmp_path):
    """Through ends and errors of ingestion: what it took in is to be forwarded under it, and it may be begun again."""
    leases = FileLeases(tmp_path / "leases")
    await place.take_in(*session())
    with pytest.raises(LeaseHeld):
        await leases.acquire("raw-ticks/0")
    with pytest.raises(Misconfigured):
        await place.take_in([FeedUp(DAY - 3_600_000, "an older session")])
    assert place.tenure.is_held
    await place.tenure.give_back()
    assert not place.tenure.is_held
    await (await leases.acquire("raw-ticks/0")).release()


async def test_a_workspace_that_is_ahead_of_our_clock_is_refused_before_connecting(place):
    """A live feed would write ticks that look old."""
    await place.journal.bus.publish("raw-ticks", [Watermark(time=1 << 42, partition=0, source="x", healthy=True)])
    place.clock = WallClock()
    feed = ScriptedFeed([FeedUp(DAY, "x")])
    with pytest.raises(Misconfigured, match="--workspace"):
        await place.ingestion(feed).run([INFY])
    assert feed.started == []


async def test_the_hot_store_may_be_away(place):
    """It holds only what may vanish; the log gets everything."""

    class Gone(MemoryHotStore):
        async def set_many(self, _values, _ttl_seconds=None):
            raise Unavailable("redis", "refused")

    place.hot = Gone()
    await place.take_in(*session())
    assert [sequence for _, sequence in numbers(await place.bodies())] == [1, 2, 3, 5]


async def test_an_error_of_the_feed_ends_ingestion_and_says_why(place):
    """A connection that cannot be mended is no silence."""

    class Failing(ScriptedFeed):
        async def read(self):
            raise Misconfigured("the token is dead")

    with pytest.raises(Misconfigured, match="the token is dead"):
        await place.ingestion(Failing()).run([INFY])
    assert place.worker.state is State.STOPPED


def test_batches_of_a_script_share_one_name_table():
    """As those of a feed do; otherwise they could not be judged together."""
    make = Ticks()
    batches: Sequence[TickBatch] = [make.of({"at": 1}), make.of({"at": 2, "ltp": -1.0}), make.of({"at": 3})]
    assert len(TickBatch.concat(batches)) == 3


@pytest.mark.parametrize(
    ("share", "partitions"), [("1/1", [0, 1, 2, 3, 4, 5, 6, 7]), ("1/3", [0, 3, 6]), ("3/3", [2, 5]), ("9/9", [])]
)
def test_shares_are_whole_partitions_that_no_two_have(share, partitions):
    """Every third, beginning with one's own."""
    assert IngestionSettings(share=share).partitions(8) == partitions


def test_all_shares_together_are_all_partitions():
    """None is left without somebody."""
    shares = [IngestionSettings(share=f"{number}/7").partitions(50) for number in range(1, 8)]
    assert sorted(partition for share in shares for partition in share) == list(range(50))


def test_a_share_that_cannot_be_is_refused():
    """The third of two."""
    with pytest.raises(ValueError, match="the first number is at most the second"):
        IngestionSettings(share="3/2")


async def test_numbers_and_time_go_on_from_what_another_machine_told(place):
    """Its journal is elsewhere: ours begins after what reached the cluster of it."""

    async def before() -> Told:
        return Told(DAY + 1000, 500)

    ingestion = place.ingestion(ScriptedFeed(*session()))
    ingestion._told = before
    async with asyncio.timeout(60):
        await ingestion.run([INFY])
    bodies = await place.bodies()
    ticks = [tick for body in bodies if not isinstance(body, Watermark) for tick in body.to_records()]
    marks = [body for body in bodies if isinstance(body, Watermark)]
    assert min(tick.sequence for tick in ticks) >= 500
    assert (marks[0].time, marks[0].healthy) == (DAY + 1000, False)
    assert [mark.time for mark in marks] == sorted(mark.time for mark in marks)
