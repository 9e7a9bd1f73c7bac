"""Builds the graph of one process: engines chosen by settings, stages joined to them, everything run and stopped.

It is the only place that knows every part. No layer asks in which mode it runs.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import Flag, auto
from typing import TYPE_CHECKING, Any, TypeVar

from niftyflow.brokers.port import Feed
from niftyflow.bus.port import Bus
from niftyflow.ingestion.service import Ingestion
from niftyflow.kit.clock import Clock, WallClock
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import Health
from niftyflow.kit.log import get_logger
from niftyflow.model import Instrument, from_e4
from niftyflow.runtime.buses import bus_of, journal_of
from niftyflow.runtime.parts import Part, Parts
from niftyflow.runtime.resuming import ResumedJournal
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.book_ports import BookStore, DecisionStore
from niftyflow.storage.leases import FileLeases
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.ports import HotStore, MarketStore
from niftyflow.storage.sqlite_book import SqliteBookStore
from niftyflow.storage.sqlite_decisions import SqliteDecisionStore
from niftyflow.storage.sqlite_market import SqliteMarketStore

if TYPE_CHECKING:
    from niftyflow.runtime.recorded import Recorded
    from niftyflow.trading.stage import TradingDesk

log = get_logger(__name__)

T = TypeVar("T")

LOOK_SECONDS = 0.02
COLLECTOR = (2_000, 25, 50)
"""A small first generation: looking through a large one takes milliseconds, and an order waits for it."""


@dataclass(slots=True)
class Engines:
    """The engines a process runs on. `journal` is the bus itself unless the bus is a cluster."""

    bus: Bus
    journal: Bus
    market: MarketStore
    decisions: DecisionStore
    book: BookStore
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
        opened: list[Bus | MarketStore | BookStore | HotStore] = list(dict.fromkeys((journal, bus)))
        market, hot = SqliteMarketStore(workspace.market_db), MemoryHotStore()
        book = SqliteBookStore(workspace.book_db)
        for engine in (*opened, market, book, hot):
            await engine.open()
            stack.push_async_callback(engine.close)
        decisions = SqliteDecisionStore(market.database)
        yield Engines(bus, journal, market, decisions, book, hot, DeadLetters(bus, workspace.path), Health())


def calm_collector() -> None:
    """Spare the ticks the collector's long pauses: what stands at the start is never looked through again.

    A full collection over everything imported took 80 to 100 ms, in which no tick was taken in.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR)


class Does(Flag):
    """What a process does with what is in the log, beside taking in a feed when it has one."""

    NOTHING = 0
    PROCESSING = auto()
    DECISIONS = auto()
    ALL = PROCESSING | DECISIONS


class Process:
    """One running graph: `run` until the feed ends and all is worked off, or until `stop`."""

    def __init__(
        self, workspace: Workspace, settings: AppSettings, on: Engines, *, resumed: ResumedJournal | None = None,
        recorded: Recorded | None = None,
    ) -> None:  # fmt: skip
        """Run on the engines of a workspace.

        With `resumed` the feed is a tape that begins anew; with `recorded` decisions are made as they were made then.
        """
        self._resumed = resumed
        self._recorded = recorded
        self._workspace = workspace
        self._settings = settings
        self.engines = on
        self._stopping = asyncio.Event()
        self._desks: list[TradingDesk] = []

    def stop(self) -> None:
        """Ask for an end; what is in hand is finished, the rest is read again next time."""
        self._stopping.set()

    @property
    def is_stopped(self) -> bool:
        """Whether an end was asked for."""
        return self._stopping.is_set()

    def money(self) -> str:
        """Return what the account made today, in a few words; empty before it is open."""
        for desk in self._desks:
            if desk.account is not None:
                portfolio = desk.account.portfolio
                profit = from_e4(portfolio.profit_today())
                return f"{portfolio.state.day.orders:,} orders sent, profit today {profit:,.2f} rupees after charges"
        return ""

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
        self, feed: Feed | None, instruments: Sequence[Instrument], clock: Clock, *, does: Does = Does.ALL
    ) -> None:
        """Ingest `feed` (when there is one), process what is in the log, and decide on it.

        Raises:
            LeaseHeld: another process ingests into this workspace, or trades its account.
            Misconfigured: the feed is older than what the workspace holds.
        """
        calm_collector()
        async with AsyncExitStack() as stack:
            parts = await self._parts(feed is not None, clock, does, stack)
            ingestion = None if feed is None else self._ingestion(feed, clock, instruments)
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(part.shell.run(part.reader), name=part.shell.stage.name) for part in parts]
                if ingestion is not None:
                    running.append(group.create_task(ingestion.run(instruments), name="ingestion"))
                group.create_task(self._end(ingestion, parts, running), name="end")

    async def _parts(self, has_feed: bool, clock: Clock, does: Does, stack: AsyncExitStack) -> list[Part]:  # noqa: FBT001
        """Make the parts of this process, in the order in which records pass them."""
        on = self.engines
        make = Parts(on, self._settings, clock, self._recorded)
        parts = []
        if on.journal is not on.bus and has_feed:
            parts.append(await make.forwarder())
        if Does.PROCESSING in does:
            parts.append(await make.processing())
        if Does.DECISIONS in does:
            parts += [await make.analysis(), await make.aggregation(), await make.signals()]
            parts += await make.trading(await self._desk(stack))
        return parts

    async def _desk(self, stack: AsyncExitStack) -> TradingDesk:
        """Take the account over."""
        from niftyflow.trading.stage import TradingDesk  # noqa: PLC0415 - heavy

        on, settings = self.engines, self._settings.trading
        lease = await FileLeases(self._workspace.leases).acquire(f"account/{settings.account}")
        stack.push_async_callback(lease.release)
        arguments = (on.bus, on.book, on.market, on.hot, on.health.worker("trading"), settings)
        desk = TradingDesk(*arguments)
        if self._recorded is not None:
            from niftyflow.runtime.recorded import RecordedDesk  # noqa: PLC0415 - heavy

            desk = RecordedDesk(*arguments)
            desk.follow(self._recorded.commands)
        self._desks.append(desk)
        await desk.open(lease, WallClock().now())
        return desk

    def _ingestion(self, feed: Feed, clock: Clock, instruments: Sequence[Instrument]) -> Ingestion:
        on = self.engines
        return Ingestion(
            feed, self._resumed or on.journal, on.hot, FileLeases(self._workspace.leases), on.letters,
            on.health.worker("ingestion"), clock, self._settings.ingestion,
            prepare=lambda: on.market.save_instruments(instruments),
        )  # fmt: skip

    async def _end(self, ingestion: Ingestion | None, parts: list[Part], running: list[asyncio.Task[None]]) -> None:
        """Wait for a stop, or for the feed's end and then for everybody to have worked off the log."""
        ends = [asyncio.create_task(self._stopping.wait())]
        if ingestion is not None:
            ends.append(asyncio.create_task(ingestion.ended.wait()))
        await asyncio.wait([*ends, *running], return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        if not self._stopping.is_set() and ingestion is not None and ingestion.ended.is_set():
            await self._worked_off(parts)
        for one in (ingestion, *self._desks, *(part.shell for part in parts)):
            if one is not None:
                one.stop()

    async def _worked_off(self, parts: list[Part]) -> None:
        """Wait until each part in turn has done everything that those before it have written."""
        for part in parts:
            if not part.has_end:
                continue
            ends = await part.end()
            while not self._stopping.is_set() and not part.has_done(ends):  # noqa: ASYNC110 - it works, it signals nothing
                await asyncio.sleep(LOOK_SECONDS)
