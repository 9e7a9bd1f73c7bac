"""What a workspace holds and how far its readers are, whether a process runs or not.

Each thing is asked where it is true: files and locks of one machine, or the servers and processes of a cluster.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import cast

import msgspec

from niftyflow.bus.port import Bus
from niftyflow.kit.clock import WallClock, to_ist
from niftyflow.market import day_start, ist_day
from niftyflow.model import FeedGap, Interval, LeaseHeld, Misconfigured
from niftyflow.runtime.buses import journal_of, kafka_of
from niftyflow.runtime.graph import TOPICS_SHOWN
from niftyflow.runtime.letters import LetterBox
from niftyflow.runtime.processes import ask_all, known_addresses
from niftyflow.runtime.settings import AppSettings, BusEngine, load
from niftyflow.runtime.stores import StoreSet, is_shared, opened, stores_of
from niftyflow.runtime.topic_states import topic_states
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.leases import FileLeases
from niftyflow.storage.ports import MarketStore

DAY_MS = 86_400_000
TOPIC = "raw-ticks"


class TopicStatus(msgspec.Struct, frozen=True):
    """One topic of the log."""

    topic: str
    records: int
    dead_letters: int


class GroupStatus(msgspec.Struct, frozen=True):
    """A consumer group of a topic: records after its commit, and how many wait to be read, where processes tell it."""

    group: str
    topic: str
    behind: int
    lag: int | None = None


class HolderStatus(msgspec.Struct, frozen=True):
    """A process that holds leases of the cluster, their names, and since when it has had all of them, in ms UTC."""

    holder: str
    leases: list[str]
    since: int


class ProcessStatus(msgspec.Struct, frozen=True):
    """A process of the cluster, as it answers; `reasons` is what keeps it from being ready."""

    name: str
    address: str
    is_ready: bool
    reasons: list[str]


class BrokerStatus(msgspec.Struct, frozen=True):
    """An account at a broker: who is logged in, and until when (ms UTC; 0: nobody is). `trouble` says what to do."""

    name: str
    broker: str
    unlocked: str
    user: str = ""
    until: int = 0
    trouble: str = ""


class Status(msgspec.Struct, frozen=True):
    """Everything `niftyflow status` tells; times in ms UTC, of the last session in the workspace."""

    workspace: str
    running: str
    observed_until: int
    day: str
    instruments: int
    candles_1m: int
    candles_1d: int
    candles_of_day: int
    incomplete_of_day: int
    gaps_of_day: list[FeedGap]
    repairs_waiting: int
    topics: list[TopicStatus]
    groups: list[GroupStatus]
    holders: list[HolderStatus] = []
    processes: list[ProcessStatus] = []
    brokers: list[BrokerStatus] = []


class _Log(msgspec.Struct, frozen=True):
    """What topics tell: the time of the last watermark, and how far everybody is."""

    observed_until: int = 0
    topics: list[TopicStatus] = []
    groups: list[GroupStatus] = []


async def look_at(workspace: Workspace) -> Status:
    """Return the status of a workspace.

    Raises:
        Misconfigured: there is none, or its servers refuse us; the message says what to do.
        Unavailable: a server does not answer.
    """
    settings = load(workspace.settings_file)
    stores = stores_of(workspace, settings, read_only=True)
    async with opened(stores.engines if is_shared(settings) else [stores.market]):
        holders = await _holders(stores) if is_shared(settings) else []
        log = await _log(workspace, settings, holders)
        return await _status(workspace, settings, stores.market, log, holders)


async def _status(
    workspace: Workspace, settings: AppSettings, market: MarketStore, log: _Log, holders: list[HolderStatus]
) -> Status:
    ever = 1 << 60
    minutes = await market.count_candles(Interval.M1, 0, ever)
    days = await market.count_candles(Interval.D1, 0, ever)
    observed = log.observed_until
    start = day_start(ist_day(observed)) if observed else 0
    of_day = await market.count_candles(Interval.M1, start, start + DAY_MS)
    incomplete = [len(await market.incomplete_minutes(key, start, start + DAY_MS)) for key in of_day]
    taking_in = [each.holder for each in holders if any(_partition(name) is not None for name in each.leases)]
    return Status(
        workspace=str(workspace.path),
        running=", ".join(taking_in) if is_shared(settings) else await holder(workspace),
        observed_until=observed,
        day=str(ist_day(observed)) if observed else "",
        instruments=len(minutes.keys() | days.keys()),
        candles_1m=sum(minutes.values()),
        candles_1d=sum(days.values()),
        candles_of_day=sum(of_day.values()) if observed else 0,
        incomplete_of_day=sum(incomplete) if observed else 0,
        gaps_of_day=await market.gaps(start, start + DAY_MS) if observed else [],
        repairs_waiting=len(await market.repairs()),
        topics=log.topics,
        groups=log.groups,
        holders=holders,
        processes=await _processes(workspace, settings),
        brokers=[await broker_status(settings, name) for name in settings.brokers],
    )


# -- the log -------------------------------------------------------------------------------------------------------


async def _log(workspace: Workspace, settings: AppSettings, holders: list[HolderStatus]) -> _Log:
    is_cluster = settings.bus.engine is BusEngine.KAFKA
    if not (is_cluster or workspace.log.exists()):
        return _Log()
    _, states = await topic_states(workspace, settings)
    there = {state.topic: state.records for state in states if state.partitions}
    async with AsyncExitStack() as stack:
        bus: Bus
        if is_cluster:  # connected and not opened: looking makes no topics
            bus = kafka = kafka_of(settings.bus, workspace.process)
            await kafka.connect()
        else:
            bus = journal_of(workspace)
            await bus.open()
        stack.push_async_callback(bus.close)
        letters = LetterBox(bus)
        return _Log(
            await _observed_until(bus, holders) if TOPIC in there else 0,
            [
                TopicStatus(name, there[name], len(await letters.waiting(name)))
                for name in TOPICS_SHOWN
                if name in there
            ],
            [
                GroupStatus(group.group, state.topic, group.after_commit, group.lag)
                for state in states
                for group in state.groups
            ],
        )


async def _observed_until(bus: Bus, holders: list[HolderStatus]) -> int:
    """Return the time of the newest watermark: of one partition of each share, as ingestion tells all of its own."""
    shares = [[number for name in each.leases if (number := _partition(name)) is not None] for each in holders]
    asked = [min(share) for share in shares if share] or [0]
    marks = await asyncio.gather(*(bus.last_watermark(TOPIC, partition) for partition in asked))
    return max((mark.time for mark in marks if mark is not None), default=0)


def _partition(lease: str) -> int | None:
    """Return the partition that a lease of ingestion is for, None of another lease."""
    topic, _, number = lease.rpartition("/")
    return int(number) if topic == TOPIC and number.isdecimal() else None


# -- who does what -------------------------------------------------------------------------------------------------


async def holder(workspace: Workspace) -> str:
    """Return who ingests into a workspace, or nothing."""
    if not await asyncio.to_thread(workspace.leases.exists):
        return ""
    try:
        lease = await FileLeases(workspace.leases).acquire(f"{TOPIC}/0")
    except LeaseHeld as held:
        return held.holder
    await lease.release()
    return ""


async def _holders(stores: StoreSet) -> list[HolderStatus]:
    """Return who holds leases in the shared database, by name."""
    from niftyflow.storage.lease_holders import held_leases  # noqa: PLC0415 - an extra
    from niftyflow.storage.postgres_book import PostgresBookStore  # noqa: PLC0415 - an extra

    held = await held_leases(cast(PostgresBookStore, stores.book).database)
    return [
        HolderStatus(name, [each.name for each in own], max(each.since for each in own))
        for name in sorted({each.holder for each in held})
        if (own := [each for each in held if each.holder == name])
    ]


async def broker_status(settings: AppSettings, name: str) -> BrokerStatus:
    """Return how an account at a broker stands on this machine; the broker is not asked."""
    from niftyflow.runtime.broker_accounts import account_of  # noqa: PLC0415 - heavy

    told = BrokerStatus(name, settings.brokers[name].broker, settings.brokers[name].unlocked.value)
    clock = WallClock()
    try:
        account = account_of(settings, name)
        login = await account.session(clock)
    except (Misconfigured, OSError) as error:
        return msgspec.structs.replace(told, trouble=str(error))
    if login is None:
        return msgspec.structs.replace(told, trouble=f"not logged in: niftyflow login {name}")
    is_over = not login.outlives(clock.now())
    return msgspec.structs.replace(
        told,
        user=f"{login.user_id} ({login.user_name})" if login.user_name else login.user_id,
        until=login.dies_at,
        trouble=f"the login has ended: niftyflow login {name}" if is_over else "",
    )


async def _processes(workspace: Workspace, settings: AppSettings) -> list[ProcessStatus]:
    told = await ask_all("ready", known_addresses(workspace, settings.internal), settings.internal)
    return [
        ProcessStatus(
            each.name,
            each.address,
            bool(each.answer.get("is_ready")),
            [each.trouble] if each.trouble else each.reasons,
        )
        for each in told
    ]


def spelled(time: int) -> str:
    """Return ms UTC as people read it."""
    return to_ist(time).strftime("%Y-%m-%d %H:%M:%S IST") if time else "never"
