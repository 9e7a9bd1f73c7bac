"""Builds the graph of one process: engines chosen by settings, stages joined to them, everything run and stopped.

It is the only place that knows every part. No layer asks in which mode it runs.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Flag, auto
from typing import TYPE_CHECKING, Any, TypeVar

from niftyflow.brokers.port import Feed
from niftyflow.bus.port import Bus
from niftyflow.ingestion.intake import TOPIC
from niftyflow.ingestion.service import Ingestion, Told
from niftyflow.ingestion.tenure import FILE, Tenure
from niftyflow.kit.clock import Clock, WallClock
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import Health, Worker
from niftyflow.kit.log import get_logger
from niftyflow.model import Instrument, from_e4
from niftyflow.runtime.broker_accounts import used_accounts
from niftyflow.runtime.buses import bus_of, journal_of
from niftyflow.runtime.forwarding import told_before
from niftyflow.runtime.parts import Part, Parts
from niftyflow.runtime.resuming import ResumedJournal
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.standing_by import StandingBy
from niftyflow.runtime.stores import hot_store_of, opened, stores_of
from niftyflow.runtime.supervisor import PATIENCE, Patience, Unit, keep, keep_unit, until_stopped
from niftyflow.runtime.token_watch import watched
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.book_ports import BookStore, DecisionStore
from niftyflow.storage.key_ports import KeyStore
from niftyflow.storage.ports import HotStore, Lease, Leases, MarketStore

if TYPE_CHECKING:
    from niftyflow.runtime.recorded import Recorded
    from niftyflow.trading.desk import TradingDesk

log = get_logger(__name__)

T = TypeVar("T")

LOOK_SECONDS = 0.02
STOP_SECONDS = 3.0
CARRY_SECONDS = 2.0
FORWARDER = "forwarder"
"""What is still in hand so long after a stop is dropped when supervised: it is read again, as after a crash."""
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
    keys: KeyStore
    hot: HotStore
    leases: Leases
    letters: DeadLetters
    health: Health


@asynccontextmanager
async def engines(workspace: Workspace, settings: AppSettings, health: Health | None = None) -> AsyncIterator[Engines]:
    """Open the engines that the settings name, and close them in the end; `health` is where workers say how they are.

    Raises:
        Misconfigured: one cannot be had; the message says what to do.
    """
    workspace.create()
    async with AsyncExitStack() as stack:
        journal = journal_of(workspace, settings.bus)
        bus, hot = bus_of(settings.bus, journal, workspace.process), hot_store_of(settings)
        stores = stores_of(workspace, settings)
        await stack.enter_async_context(opened([*dict.fromkeys((journal, bus)), *stores.engines, hot]))
        yield Engines(
            bus, journal, stores.market, stores.decisions, stores.book, stores.keys, hot, stores.leases,
            DeadLetters(bus, workspace.own), health or Health(),
        )  # fmt: skip


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
    ANALYSIS = auto()
    AGGREGATION = auto()
    SIGNALS = auto()
    TRADING = auto()
    DECISIONS = ANALYSIS | AGGREGATION | SIGNALS | TRADING
    ALL = PROCESSING | DECISIONS


class Process:
    """One running graph: `run` until the feed ends and all is worked off, or until `stop`."""

    def __init__(
        self, workspace: Workspace, settings: AppSettings, on: Engines, *, resumed: ResumedJournal | None = None,
        recorded: Recorded | None = None, stopping: asyncio.Event | None = None, stands_by: bool = False,
        patience: Patience = PATIENCE,
    ) -> None:  # fmt: skip
        """Run on the engines of a workspace, until `stopping` is set, or `stop` is called.

        With `resumed` the feed is a tape that begins anew; with `recorded` decisions are made as they were made then.
        What another process does already is refused, or, when this one `stands_by`, waited for.
        """
        self._stands_by = stands_by
        self._patience = patience
        self._resumed = resumed
        self._recorded = recorded
        self._workspace = workspace
        self._settings = settings
        self.engines = on
        self._stopping = stopping or asyncio.Event()
        self._units: list[Unit] = []
        self._has_prepared = False
        self.desk: TradingDesk | None = None
        """Who trades the account, opened or being opened; another one after a crash."""

    def stop(self) -> None:
        """Ask for an end; what is in hand is finished, the rest is read again next time."""
        self._stopping.set()

    @property
    def is_stopped(self) -> bool:
        """Whether an end was asked for."""
        return self._stopping.is_set()

    def parts(self) -> list[Part]:
        """Return what runs now; other parts of the same names after a crash."""
        return [part for unit in self._units for part in unit.parts]

    def money(self) -> str:
        """Return what the account made today, in a few words; empty before it is open."""
        if self.desk is None or self.desk.account is None:
            return ""
        portfolio = self.desk.account.portfolio
        profit = from_e4(portfolio.profit_today())
        return f"{portfolio.state.day.orders:,} orders sent, profit today {profit:,.2f} rupees after charges"

    async def until_stopped(self, preparation: Coroutine[Any, Any, T]) -> T | None:
        """Return what a preparation gives, or None when the process is stopped before."""
        return await until_stopped(preparation, self._stopping)

    async def run(
        self, feed: Feed | None, instruments: Sequence[Instrument], clock: Clock, *, does: Does = Does.ALL,
        supervised: bool = False, new_feed: Callable[[], Feed] | None = None,
    ) -> None:  # fmt: skip
        """Ingest `feed` (when there is one), process what is in the log, and decide on it.

        Supervised, a worker that crashes is begun again and the others go on, ingestion with a `new_feed`; otherwise
        its error ends everything.

        Raises:
            LeaseHeld: another process ingests into this workspace, or trades its account.
            Misconfigured: the feed is older than what the workspace holds.
        """
        calm_collector()
        tenure = None if feed is None else self._tenure()
        units = self._units = self._make_units(tenure, clock, does)
        intake = None
        if feed is not None and tenure is not None:
            intake = _Intake(lambda fed: self._ingestion(fed, tenure, clock, instruments), feed, new_feed)
        accounts = used_accounts(self._settings) if feed is not None or Does.TRADING in does else []
        async with AsyncExitStack() as stack, watched(accounts, self.engines.health):
            if tenure is not None:
                stack.push_async_callback(tenure.give_back)
                if not self._stands_by:
                    await tenure.begin()
            if not self._stands_by:
                await self._open(units)
            await self._run(intake, units, instruments, supervised=supervised)

    async def _run(
        self, intake: _Intake | None, units: list[Unit], instruments: Sequence[Instrument], *, supervised: bool
    ) -> None:
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(self._keep(unit) if supervised else unit.run(), name=unit.name) for unit in units
            ]
            if intake is not None:
                taking_in = self._keep_ingestion(intake, instruments) if supervised else intake.run(instruments)
                running.append(group.create_task(taking_in, name="ingestion"))
            group.create_task(self._end(intake, units, running, is_hasty=supervised), name="end")

    async def _open(self, units: Sequence[Unit]) -> None:
        async with AsyncExitStack() as unless_run:
            for unit in units:
                unless_run.push_async_callback(unit.close)
                await unit.open()
            unless_run.pop_all()

    async def _keep(self, unit: Unit) -> None:
        await keep_unit(unit, self._stopping, stands_by=self._stands_by, patience=self._patience)

    async def _keep_ingestion(self, intake: _Intake, instruments: Sequence[Instrument]) -> None:
        worker = self.engines.health.worker("ingestion")
        await keep(
            "ingestion",
            [worker],
            lambda: intake.run(instruments),
            lambda: intake.run_again(instruments),
            self._stopping,
            stands_by=self._stands_by,
            patience=self._patience,
        )

    def _make_units(self, tenure: Tenure | None, clock: Clock, does: Does) -> list[Unit]:
        """Return what makes the parts of this process, in the order in which records pass them."""
        on = self.engines
        make = Parts(on, self._settings, clock, self._recorded)
        units = []
        if on.journal is not on.bus and tenure is not None:
            units.append(self._forwarder(make, tenure))
        if Does.PROCESSING in does:
            units.append(self._unit("processing", make.processing))
        if Does.ANALYSIS in does:
            units.append(self._unit("analysis", make.analysis))
        if Does.AGGREGATION in does:
            units.append(self._unit("aggregation", make.aggregation, runs_once=True))
        if Does.SIGNALS in does:
            units.append(self._unit("signals", make.signals, runs_once=True))
        if Does.TRADING in does:

            async def trading(unit: Unit, stack: AsyncExitStack) -> list[Part]:
                return await make.trading(await self._open_desk(unit, stack))

            units.append(Unit("trading", [on.health.worker(name) for name in ("trading", "commands")], trading))
        return units

    def _unit(self, name: str, make: Callable[[], Coroutine[Any, Any, Part]], *, runs_once: bool = False) -> Unit:
        async def parts(unit: Unit, stack: AsyncExitStack) -> list[Part]:
            if runs_once:  # it joins all partitions: a second one would get some of them, and wait for the others
                await self._lease(unit, stack, name)
            return [await make()]

        return Unit(name, [self.engines.health.worker(name)], parts)

    def _forwarder(self, make: Parts, tenure: Tenure) -> Unit:
        """Return what publishes during a tenure, and is made anew for the next one."""

        async def parts(unit: Unit, _stack: AsyncExitStack) -> list[Part]:
            await tenure.begun()  # before, nobody knows what of the journal is to be left out
            unit.leases.append(tenure)
            return [await make.forwarder(tenure)]

        return Unit(FORWARDER, [self.engines.health.worker(FORWARDER)], parts)

    async def _lease(self, unit: Unit, stack: AsyncExitStack, name: str) -> Lease:
        """Own a unit's work for as long as it runs.

        Raises:
            LeaseHeld: another process does it, and this one does not stand by.
        """
        lease = await self._leases(*unit.workers).acquire(name)
        stack.push_async_callback(lease.release)
        unit.leases.append(lease)
        return lease

    def _leases(self, worker: Worker, *others: Worker) -> Leases:
        leases = self.engines.leases
        return StandingBy(leases, worker, self._stopping, *others) if self._stands_by else leases

    async def _open_desk(self, unit: Unit, stack: AsyncExitStack) -> TradingDesk:
        """Take the account over, under a lease of its own: whoever had it before can write no more."""
        from niftyflow.trading.desk import TradingDesk  # noqa: PLC0415 - heavy

        on, settings = self.engines, self._settings.trading
        lease = await self._lease(unit, stack, f"account/{settings.account}")
        arguments = (on.bus, on.book, on.market, on.hot, on.health.worker("trading"), settings)
        desk = TradingDesk(*arguments)
        if self._recorded is not None:
            from niftyflow.runtime.recorded import RecordedDesk  # noqa: PLC0415 - heavy

            desk = RecordedDesk(*arguments)
            desk.follow(self._recorded.commands)
        self.desk = desk
        await desk.open(lease, WallClock().now())
        return desk

    def _tenure(self) -> Tenure:
        """Return what holds the leases of our share, for as long as something of it is to be forwarded."""
        on, is_cluster = self.engines, self.engines.bus is not self.engines.journal
        workers = [on.health.worker(name) for name in (("ingestion", "forwarder") if is_cluster else ("ingestion",))]
        partitions = self._settings.ingestion.partitions(on.bus.partitions(TOPIC))
        file = self._workspace.own / FILE if is_cluster else None
        return Tenure(self._leases(*workers), partitions, on.journal, file)

    def _ingestion(
        self, feed: Feed, tenure: Tenure, clock: Clock, instruments: Sequence[Instrument]
    ) -> Ingestion:  # fmt: skip
        on, settings = self.engines, self._settings.ingestion

        async def prepare() -> None:
            if not self._has_prepared:  # begun again it does without the store, which may be away
                await on.market.save_instruments(instruments)
                self._has_prepared = True

        return Ingestion(
            feed, self._resumed or on.journal, on.hot, tenure, on.letters, on.health.worker("ingestion"), clock,
            settings, prepare=prepare, told=self._told,
        )  # fmt: skip

    async def _told(self) -> Told:
        """Return what reached the cluster of our partitions, from a journal that may be another machine's."""
        on = self.engines
        if on.bus is on.journal or self._resumed is not None:  # a tape that begins anew is not behind what it told
            return Told(0, 0)
        partitions = self._settings.ingestion.partitions(on.bus.partitions(TOPIC))
        return await told_before(on.bus, partitions)

    async def _end(
        self, intake: _Intake | None, units: list[Unit], running: list[asyncio.Task[None]], *, is_hasty: bool
    ) -> None:
        """Wait for a stop, or for the feed's end and then for everybody to have worked off the log."""
        ends = [asyncio.create_task(self._stopping.wait())]
        if intake is not None:
            ends.append(asyncio.create_task(intake.ended.wait()))
        await asyncio.wait([*ends, *running], return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        if not self._stopping.is_set() and intake is not None and intake.ended.is_set():
            await self._worked_off(units)
        if intake is not None:
            intake.stop()
            await self._carried_over(running[-1], [unit for unit in units if unit.name == FORWARDER])
        for one in (intake, self.desk, *units):
            if one is not None:
                one.stop()
        if is_hasty:
            self._stopping.set()
            _, late = await asyncio.wait(running, timeout=STOP_SECONDS) if running else (set(), set())
            for task in late:
                log.warning("dropped_at_the_end", unit=task.get_name(), after_seconds=STOP_SECONDS)
                task.cancel()

    async def _carried_over(self, taking_in: asyncio.Task[None], forwarders: Sequence[Unit]) -> None:
        """Wait a little for the last ticks to reach the cluster: who goes on with the share may be another machine."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CARRY_SECONDS):
                for forwarder in forwarders:
                    await asyncio.wait([taking_in])
                    ends = await forwarder.ends()
                    while forwarder.parts and not forwarder.has_done(ends):  # noqa: ASYNC110 - nobody signals it
                        await asyncio.sleep(LOOK_SECONDS)

    async def _worked_off(self, units: list[Unit]) -> None:
        """Wait until each unit in turn has done everything that those before it have written."""
        for unit in units:
            ends = await unit.ends()
            while not self._stopping.is_set() and not unit.has_done(ends):
                await asyncio.sleep(LOOK_SECONDS)
                ends = ends or await unit.ends()  # it was being made anew


class _Intake:
    """Ingestion, with a feed that is made anew when it is begun again after a crash."""

    def __init__(self, make: Callable[[Feed], Ingestion], feed: Feed, new_feed: Callable[[], Feed] | None) -> None:
        self._make = make
        self._new_feed = new_feed or (lambda: feed)
        self._current = make(feed)
        self.ended = asyncio.Event()

    async def run(self, instruments: Sequence[Instrument]) -> None:
        """Take in until stopped, or until the feed ends."""
        await self._current.run(instruments)
        if self._current.ended.is_set():
            self.ended.set()

    async def run_again(self, instruments: Sequence[Instrument]) -> None:
        """Take in from a new feed."""
        self._current = self._make(self._new_feed())
        await self.run(instruments)

    def stop(self) -> None:
        """Ask for an end after what is in hand."""
        self._current.stop()
