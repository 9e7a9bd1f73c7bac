"""Builds the graph of one process: engines chosen by settings, stages joined to them, everything run and stopped.

It is the only place that knows every part. No layer asks in which mode it runs.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from niftyflow.brokers.port import Feed
from niftyflow.bus.port import Bus, Subscription
from niftyflow.ingestion.forward import Forwarder
from niftyflow.ingestion.service import Ingestion
from niftyflow.kit.clock import Clock
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import Health
from niftyflow.kit.log import get_logger
from niftyflow.kit.stage import Shell
from niftyflow.model import Instrument
from niftyflow.processing.stage import CandleStage
from niftyflow.runtime.buses import bus_of, journal_of
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.leases import FileLeases
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.ports import HotStore, MarketStore
from niftyflow.storage.sqlite_market import SqliteMarketStore

log = get_logger(__name__)

T = TypeVar("T")

TOPIC = "raw-ticks"
LOOK_SECONDS = 0.02
COLLECTOR = (20_000, 20, 50)


@dataclass(slots=True)
class Engines:
    """The engines a process runs on. `journal` is the bus itself unless the bus is a cluster."""

    bus: Bus
    journal: Bus
    market: MarketStore
    hot: HotStore
    letters: DeadLetters
    health: Health


@asynccontextmanager
async def engines(workspace: Workspace, settings: AppSettings) -> AsyncIterator[Engines]:
    """Open the engines that the settings name, and close them in the end.

    Raises:
        Misconfigured: one cannot be had; the message says what to do.
    """
    workspace.create()
    async with AsyncExitStack() as stack:
        journal = journal_of(workspace)
        bus = bus_of(settings.bus, journal)
        opened: list[Bus | MarketStore | HotStore] = list(dict.fromkeys((journal, bus)))
        market, hot = SqliteMarketStore(workspace.market_db), MemoryHotStore()
        for engine in (*opened, market, hot):
            await engine.open()
            stack.push_async_callback(engine.close)
        yield Engines(bus, journal, market, hot, DeadLetters(bus, workspace.path), Health())


def calm_collector() -> None:
    """Spare the ticks the collector's long pauses: what stands at the start is never looked through again.

    A full collection over everything imported took 80 to 100 ms, in which no tick was taken in.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR)


class Process:
    """One running graph: `run` until the feed ends and all is worked off, or until `stop`."""

    def __init__(self, workspace: Workspace, settings: AppSettings, on: Engines) -> None:
        self._workspace = workspace
        self._settings = settings
        self.engines = on
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask for an end; what is in hand is finished, the rest is read again next time."""
        self._stopping.set()

    async def until_stopped(self, preparation: Coroutine[Any, Any, T]) -> T | None:
        """Return what a preparation gives, or None when the process is stopped before."""
        preparing, stopping = asyncio.create_task(preparation), asyncio.create_task(self._stopping.wait())
        await asyncio.wait([preparing, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if preparing.done():
            return preparing.result()
        preparing.cancel()
        await asyncio.gather(preparing, return_exceptions=True)
        return None

    async def run(
        self, feed: Feed | None, instruments: Sequence[Instrument], clock: Clock, *, processes: bool = True
    ) -> None:
        """Ingest `feed` (when there is one) and process what is in the log.

        Raises:
            LeaseHeld: another process ingests into this workspace.
            Misconfigured: the feed is older than what the workspace holds.
        """
        on = self.engines
        calm_collector()
        shells = [await self._shell(CandleStage(on.bus, on.market, on.hot, clock), on.bus, clock)] if processes else []
        if on.journal is not on.bus and feed is not None:
            shells.append(await self._shell(Forwarder(on.bus), on.journal, clock))
        ingestion = None if feed is None else self._ingestion(feed, clock, instruments)
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(shell.run(reader), name=shell.stage.name) for shell, reader in shells]
            if ingestion is not None:
                running.append(group.create_task(ingestion.run(instruments), name="ingestion"))
            group.create_task(self._end(ingestion, [shell for shell, _ in shells], running), name="end")

    async def _shell(self, stage: CandleStage | Forwarder, reads: Bus, clock: Clock) -> tuple[Shell, Subscription]:
        on = self.engines
        shell = Shell(stage, on.bus, on.letters, on.health.worker(stage.name), clock)
        return shell, await reads.subscribe(stage.topic, group=stage.group, assignment=shell)

    def _ingestion(self, feed: Feed, clock: Clock, instruments: Sequence[Instrument]) -> Ingestion:
        on = self.engines
        return Ingestion(
            feed, on.journal, on.hot, FileLeases(self._workspace.leases), on.letters, on.health.worker("ingestion"),
            clock, self._settings.ingestion, prepare=lambda: on.market.save_instruments(instruments),
        )  # fmt: skip

    async def _end(self, ingestion: Ingestion | None, shells: list[Shell], running: list[asyncio.Task[None]]) -> None:
        """Wait for a stop, or for the feed's end and then for everybody to have worked off the log."""
        ends = [asyncio.create_task(self._stopping.wait())]
        if ingestion is not None:
            ends.append(asyncio.create_task(ingestion.ended.wait()))
        await asyncio.wait([*ends, *running], return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        if not self._stopping.is_set() and ingestion is not None and ingestion.ended.is_set():
            await self._worked_off(shells)
        for part in (ingestion, *shells):
            if part is not None:
                part.stop()

    async def _worked_off(self, shells: list[Shell]) -> None:
        """Wait until the forwarder, then processing, has done everything that is in the log."""
        on = self.engines
        for shell in shells[::-1]:
            bus = on.bus if shell.stage.name == CandleStage.name else on.journal
            ends = await bus.end(TOPIC)
            while not self._stopping.is_set() and not shell.has_done(ends):  # noqa: ASYNC110 - it works, it signals nothing
                await asyncio.sleep(LOOK_SECONDS)
