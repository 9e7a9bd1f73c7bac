"""What ingestion does while nobody can say whose its leases are, and what of it is forwarded afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from niftyflow.brokers.port import FeedClock, FeedUp
from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.ingestion.forward import Forwarder
from niftyflow.ingestion.service import Ingestion, IngestionSettings
from niftyflow.ingestion.tenure import FILE, Tenure
from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import State, Worker
from niftyflow.kit.stage import Shell
from niftyflow.model import Misconfigured, TickBatch, Unavailable
from niftyflow.runtime.forwarding import WhileHeld
from niftyflow.storage.book_ports import LeaseLost
from niftyflow.storage.memory_hot import MemoryHotStore
from support.candle_stages import Eager
from support.held_leases import HeldLeases
from support.intakes import DAY, Ticks
from support.market import INFY
from support.open_feeds import OpenFeed
from support.stages import MemoryBus
from support.waiting import until

SHARE = (0, 2)
LATER = "raw-ticks/2"


class Desk:
    """A process that takes in two partitions, in a folder that outlives it."""

    def __init__(self, folder: Path, journal: EmbeddedBus, leases: HeldLeases) -> None:
        self.folder = folder
        self.journal = journal
        self.leases = leases
        self.tenure = Tenure(leases, SHARE, journal, folder / FILE)
        self.worker, self.feed, self._make = Worker("ingestion"), OpenFeed(), Ticks()
        hot = MemoryHotStore()
        self.ingestion = Ingestion(
            self.feed, journal, hot, self.tenure, DeadLetters(journal, folder), self.worker, VirtualClock(),
            IngestionSettings(),
        )  # fmt: skip
        self.running = asyncio.create_task(self.ingestion.run([INFY]))

    async def takes(self, at: int) -> None:
        """Take in a tick of ms after the open, and the time."""
        before = await self.end()
        self.feed.says(FeedUp(DAY + at, "x"), self._make.of({"at": at}), FeedClock(DAY + at + 1))
        await until(lambda: self._has_more(before))

    async def end(self) -> int:
        """Return where the journal ends."""
        return (await self.journal.end("raw-ticks"))[0]

    async def _has_more(self, before: int) -> bool:
        return await self.end() >= before + 2

    async def forwarded(self) -> list[int]:
        """Forward the whole journal; return the times of the ticks that reached the cluster, in ms after the open."""
        cluster = MemoryBus()
        stage = Forwarder(cluster, SHARE, self.tenure.kept)
        shell = Shell(stage, cluster, DeadLetters(cluster, self.folder), Worker("forwarder"), VirtualClock())
        reader = await self.journal.subscribe("raw-ticks", group="test", assignment=shell)
        running = asyncio.create_task(shell.run(Eager(reader)))
        ends = await self.journal.end("raw-ticks")
        await until(lambda: shell.has_done(ends))
        shell.stop()
        await running
        bodies = [body for body in cluster.bodies["raw-ticks"] if isinstance(body, TickBatch)]
        return [int(time) - DAY for body in bodies for time in body.traded_at]

    async def ends(self) -> None:
        """End in order."""
        self.ingestion.stop()
        await asyncio.wait_for(self.running, 60)
        await self.tenure.give_back()

    async def dies(self) -> None:
        """End as by kill -9: nothing more is noted, nothing given back."""
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)

    def notes(self) -> str:
        """Return what is noted."""
        return (self.folder / FILE).read_text()


@pytest.fixture
async def journal(tmp_path) -> AsyncIterator[EmbeddedBus]:
    """A journal."""
    bus = EmbeddedBus(tmp_path / "log")
    await bus.open()
    yield bus
    await bus.close()


@pytest.fixture
def leases() -> HeldLeases:
    """Leases that lapse when a test says so."""
    return HeldLeases()


async def test_the_feed_goes_on_into_the_journal_and_all_of_it_is_forwarded_when_nobody_took_over(
    tmp_path, journal, leases
):
    """However long nobody could be asked; health says what it does without."""
    desk = Desk(tmp_path, journal, leases)
    await desk.takes(1)
    leases.lapse()
    await until(lambda: "journal alone" in desk.worker.reason)
    assert desk.worker.state is State.RUNNING
    for at in (1000, 2000, 3000):
        await desk.takes(at)
    leases.lapse(is_sure=True)
    await until(lambda: not desk.worker.reason)
    await desk.takes(4000)
    assert await desk.forwarded() == [1, 1000, 2000, 3000, 4000]
    await desk.ends()


async def test_what_was_taken_in_since_the_loss_is_not_forwarded_when_another_took_over(tmp_path, journal, leases):
    """It ends and says how many; what it took in before is forwarded, and what it takes in under its next lease."""
    desk = Desk(tmp_path, journal, leases)
    await desk.takes(1)
    sure = await desk.end()
    await until(lambda: desk.tenure._sure == sure)
    leases.lapse()
    await until(lambda: "journal alone" in desk.worker.reason)
    await desk.takes(1000)
    await desk.takes(2000)
    unsure = await desk.end() - sure
    leases.take(LATER)
    with pytest.raises(LeaseLost, match=f"raw-ticks/2 was lost.*{unsure} records are not forwarded"):
        await asyncio.wait_for(desk.running, 60)
    await asyncio.wait_for(desk.tenure.lost(), 60)
    assert desk.tenure.is_taken
    assert not leases.held[0].is_held, "the lease that nobody took is given back"
    again = Desk(tmp_path, journal, leases)
    await again.takes(5000)
    assert await again.forwarded() == [1, 5000]
    await again.ends()


@pytest.mark.parametrize(("taken", "forwarded"), [(False, [1, 1000, 5000]), (True, [1, 5000])])
async def test_a_process_killed_meanwhile_leaves_word_of_it(tmp_path, journal, leases, taken, forwarded):
    """Begun again it sees by the fences whether another had the partitions between."""
    desk = Desk(tmp_path, journal, leases)
    await desk.takes(1)
    sure = await desk.end()
    await until(lambda: desk.tenure._sure == sure)
    leases.lapse()
    await until(lambda: "journal alone" in desk.worker.reason)
    await desk.takes(1000)
    await desk.dies()
    if taken:
        leases.take(LATER)
    again = Desk(tmp_path, journal, leases)
    await again.takes(5000)
    assert await again.forwarded() == forwarded
    await again.ends()


async def test_begun_again_in_the_same_tenure_it_asks_nobody_for_leases(tmp_path, journal, leases):
    """They may be away at that moment, and the feed does not wait."""
    desk = Desk(tmp_path, journal, leases)
    await desk.takes(1)
    before = leases.fences.copy()
    await desk.dies()
    leases.lapse()
    await desk.tenure.begin()
    assert leases.fences == before
    await desk.tenure.look(await desk.end())
    await desk.tenure.give_back()


@pytest.mark.parametrize(
    ("left_out", "span", "kept"),
    [
        ([], (0, 9), [(0, 9)]),
        ([(3, 5)], (0, 9), [(0, 3), (5, 9)]),
        ([(3, 5)], (3, 5), []),
        ([(3, 5)], (4, 6), [(5, 6)]),
        ([(3, 5)], (5, 9), [(5, 9)]),
        ([(3, 5)], (0, 3), [(0, 3)]),
        ([(7, 8), (0, 2)], (1, 9), [(2, 7), (8, 9)]),
        ([(0, 4), (2, 6)], (1, 9), [(6, 9)]),
    ],
)
async def test_what_is_left_out_is_cut_out_to_the_record(tmp_path, journal, leases, left_out, span, kept):
    """Whole batches, parts of them, and several at once."""
    tenure = Tenure(leases, SHARE, journal, tmp_path / FILE)
    tenure._notes = type(tenure._notes)(left_out=left_out)
    assert tenure.kept(*span) == kept


async def test_damaged_notes_are_refused_before_a_lease_is_taken(tmp_path, journal, leases):
    """Nobody knows then what is not to be forwarded."""
    (tmp_path / FILE).write_text("{")
    with pytest.raises(Misconfigured, match=r"tenure\.json cannot be read"):
        await Tenure(leases, SHARE, journal, tmp_path / FILE).begin()
    assert leases.held == []


async def test_nothing_is_published_while_the_leases_are_not_surely_ours(tmp_path, journal, leases):
    """The first time is refused so that the worker says so; then it waits, and goes on by itself."""
    tenure, cluster = Tenure(leases, SHARE, journal, tmp_path / FILE), MemoryBus()
    writer, batch = WhileHeld(cluster, tenure), Ticks().of({"at": 1})
    await tenure.begin()
    leases.lapse()
    with pytest.raises(Unavailable, match="not renewed in time"):
        await writer.publish("raw-ticks", [batch])
    waiting = asyncio.create_task(writer.publish("raw-ticks", [batch]))
    await asyncio.wait({waiting}, timeout=0.2)
    assert cluster.bodies["raw-ticks"] == []
    leases.lapse(is_sure=True)
    await asyncio.wait_for(waiting, 60)
    assert cluster.bodies["raw-ticks"] == [batch]
    leases.lapse()
    with pytest.raises(Unavailable):
        await writer.publish("raw-ticks", [batch])
    await tenure.give_back()
