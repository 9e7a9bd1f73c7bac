"""One process: it ends with its feed, or when stopped, or with the error of a part."""

from __future__ import annotations

import asyncio

import pytest

from niftyflow.brokers.port import FeedClock, FeedEnd, FeedEvent, FeedUp
from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.health import State
from niftyflow.model import Interval, LeaseHeld, Misconfigured, Unavailable
from niftyflow.runtime.graph import GRAPH
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.wiring import Does, Process, engines
from niftyflow.runtime.workspace import Workspace
from support.intakes import DAY, ScriptedFeed, Ticks
from support.market import INFY
from support.open_feeds import OpenFeed
from support.waiting import until

MINUTE = 60_000


def a_minute() -> list[FeedEvent]:
    """Return a feed's first minute and a bit."""
    make = Ticks()
    return [
        FeedUp(DAY, "x"),
        *(
            event
            for second in range(1, 70)
            for event in (make.of({"at": second * 1000 - 500, "symbol": "INFY"}), FeedClock(DAY + second * 1000))
        ),
    ]


async def count(on) -> int:
    """Return how many one-minute candles are stored."""
    return sum((await on.market.count_candles(Interval.M1, 0, 1 << 60)).values())


async def test_it_ends_when_the_feed_has_ended_and_everything_is_worked_off(tmp_path):
    """The last minute is stored; all workers have stopped."""
    workspace = Workspace(tmp_path / "ws")
    async with engines(workspace, AppSettings()) as on:
        async with asyncio.timeout(20):
            await Process(workspace, AppSettings(), on).run(
                ScriptedFeed(a_minute(), [FeedEnd(DAY + 70_000)]), [INFY], VirtualClock()
            )
        assert await count(on) == 2
        report = on.health.report()
        stages = [node for node in GRAPH if node.name != "gateway"]
        assert {each.worker for each in report} == {worker for node in stages for worker in node.workers}
        assert {each.state for each in report} == {State.STOPPED}


async def test_a_stop_ends_it_and_the_rest_is_read_next_time(tmp_path):
    """Whether it was stopped or ended, the same candles are there in the end."""
    workspace = Workspace(tmp_path / "ws")
    async with engines(workspace, AppSettings()) as on:
        process = Process(workspace, AppSettings(), on)
        running = asyncio.create_task(process.run(ScriptedFeed(a_minute()), [INFY], VirtualClock()))
        await until(lambda: _has_ticks(on))
        process.stop()
        await asyncio.wait_for(running, 20)
    async with engines(workspace, AppSettings()) as on, asyncio.timeout(20):
        later = [FeedUp(DAY + 100_000, "x"), FeedEnd(DAY + 100_000)]
        await Process(workspace, AppSettings(), on).run(ScriptedFeed(later), [INFY], VirtualClock())
        assert await count(on) == 2


class SlowCluster(EmbeddedBus):
    """A cluster that appends when it may."""

    publications = 0

    def __init__(self, folder):
        super().__init__(folder)
        self.may_append = asyncio.Event()

    async def publish(self, topic, bodies, partition=None):
        """Wait, then append."""
        self.publications += 1
        await self.may_append.wait()
        await super().publish(topic, bodies, partition)


async def test_a_stop_lets_the_last_ticks_reach_the_cluster(tmp_path):
    """Who goes on with the share may be another machine, which does not have this one's journal."""
    workspace = Workspace(tmp_path / "ws")
    async with engines(workspace, AppSettings()) as on:
        on.bus = SlowCluster(tmp_path / "cluster")
        await on.bus.open()
        process = Process(workspace, AppSettings(), on)
        events = a_minute()
        feed = OpenFeed()
        running = asyncio.create_task(process.run(feed, [INFY], VirtualClock(), does=Does.NOTHING))
        feed.says(*events[:20])
        await until(lambda: on.bus.publications == 1)
        feed.says(*events[20:])
        await until(lambda: _has_ticks(on, 60))
        process.stop()
        on.bus.may_append.set()
        await asyncio.wait_for(running, 20)
        assert await on.bus.end("raw-ticks") == await on.journal.end("raw-ticks")
        await on.bus.close()


async def test_ingestion_alone_leaves_the_log_and_processing_alone_works_it_off(tmp_path):
    """Each part of the graph may have a process of its own."""
    workspace = Workspace(tmp_path / "ws")
    async with engines(workspace, AppSettings()) as on, asyncio.timeout(20):
        feed = ScriptedFeed(a_minute(), [FeedEnd(DAY + 70_000)])
        await Process(workspace, AppSettings(), on).run(feed, [INFY], VirtualClock(), does=Does.NOTHING)
        assert await count(on) == 0
    async with engines(workspace, AppSettings()) as on, asyncio.timeout(20):
        process = Process(workspace, AppSettings(), on)
        running = asyncio.create_task(process.run(None, [], VirtualClock()))
        await until(lambda: _has_two_candles(on))
        process.stop()
        await running


async def test_an_error_of_a_part_ends_the_whole(tmp_path):
    """Nothing goes on half."""
    workspace = Workspace(tmp_path / "ws")
    async with engines(workspace, AppSettings()) as on:
        older = ScriptedFeed([FeedUp(DAY, "x"), FeedClock(DAY + 1000), FeedUp(DAY - 3_600_000, "an older session")])
        with pytest.raises(ExceptionGroup) as failed:
            async with asyncio.timeout(20):
                await Process(workspace, AppSettings(), on).run(older, [INFY], VirtualClock())
        assert failed.group_contains(Misconfigured, match="play a later session, or keep this one apart")


async def test_two_processes_do_not_share_a_workspace(tmp_path):
    """The second is told who is there before it has read anything."""
    workspace = Workspace(tmp_path / "ws")
    async with engines(workspace, AppSettings()) as on, engines(workspace, AppSettings()) as other:
        first = Process(workspace, AppSettings(), on)
        running = asyncio.create_task(first.run(ScriptedFeed(a_minute()), [INFY], VirtualClock()))
        async with asyncio.timeout(20):
            await until(lambda: _has_ticks(on))
            for does in (Does.ALL, Does.NOTHING):
                feed = ScriptedFeed(a_minute())
                with pytest.raises((LeaseHeld, ExceptionGroup)) as refused:
                    await Process(workspace, AppSettings(), other).run(feed, [INFY], VirtualClock(), does=does)
                assert isinstance(refused.value, LeaseHeld) or refused.group_contains(LeaseHeld)
                assert feed.readings == 0
            first.stop()
            await running


async def test_a_preparation_ends_when_the_process_is_stopped(tmp_path):
    """Waiting for a broker must not keep anybody from stopping."""
    workspace = Workspace(tmp_path / "ws")
    async with engines(workspace, AppSettings()) as on:
        process = Process(workspace, AppSettings(), on)
        assert await process.until_stopped(_give(7)) == 7
        with pytest.raises(Unavailable):
            await process.until_stopped(_fail())
        waiting = asyncio.create_task(process.until_stopped(asyncio.sleep(3600)))
        await asyncio.sleep(0.01)
        process.stop()
        assert await asyncio.wait_for(waiting, 60) is None


async def _has_ticks(on, more_than=0) -> bool:
    return sum((await on.journal.end("raw-ticks")).values()) > more_than


async def _has_two_candles(on) -> bool:
    return await count(on) == 2


async def _give(answer: int) -> int:
    return answer


async def _fail() -> None:
    raise Unavailable("broker", "gone")


async def test_engines_that_cannot_be_had_are_one_line(tmp_path):
    """A file where the log should be; what was opened before is closed again."""
    workspace = Workspace(tmp_path / "ws")
    workspace.path.mkdir()
    workspace.market_db.mkdir()
    with pytest.raises(Misconfigured) as refused:
        async with engines(workspace, AppSettings()):
            pass
    assert "\n" not in str(refused.value)
