"""What a workspace holds and how far its readers are: asked of the files, whether a process runs or not."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import msgspec

from niftyflow.kit.clock import to_ist
from niftyflow.market import day_start, ist_day
from niftyflow.model import FeedGap, Interval, LeaseHeld
from niftyflow.runtime.buses import bus_of, journal_of
from niftyflow.runtime.graph import GRAPH, JOURNAL_FORWARDER
from niftyflow.runtime.letters import LetterBox
from niftyflow.runtime.settings import load
from niftyflow.runtime.stores import market_of
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.leases import FileLeases

DAY_MS = 86_400_000
TOPIC = "raw-ticks"


class TopicStatus(msgspec.Struct, frozen=True):
    """One topic of the log."""

    topic: str
    records: int
    dead_letters: int


class GroupStatus(msgspec.Struct, frozen=True):
    """How far one consumer group has committed."""

    group: str
    topic: str
    behind: int


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


async def look_at(workspace: Workspace) -> Status:
    """Return the status of a workspace.

    Raises:
        Misconfigured: there is none; the message says what makes one.
    """
    async with market_of(workspace, read_only=True) as market:
        ever = 1 << 60
        minutes = await market.count_candles(Interval.M1, 0, ever)
        days = await market.count_candles(Interval.D1, 0, ever)
        observed, topics, groups = await _log(workspace)
        start = day_start(ist_day(observed)) if observed else 0
        of_day = await market.count_candles(Interval.M1, start, start + DAY_MS)
        incomplete = [len(await market.incomplete_minutes(key, start, start + DAY_MS)) for key in of_day]
        return Status(
            workspace=str(workspace.path),
            running=await holder(workspace),
            observed_until=observed,
            day=str(ist_day(observed)) if observed else "",
            instruments=len(minutes.keys() | days.keys()),
            candles_1m=sum(minutes.values()),
            candles_1d=sum(days.values()),
            candles_of_day=sum(of_day.values()) if observed else 0,
            incomplete_of_day=sum(incomplete) if observed else 0,
            gaps_of_day=await market.gaps(start, start + DAY_MS) if observed else [],
            repairs_waiting=len(await market.repairs()),
            topics=topics,
            groups=groups,
        )


async def _log(workspace: Workspace) -> tuple[int, list[TopicStatus], list[GroupStatus]]:
    if not workspace.log.exists():
        return 0, [], []
    journal = journal_of(workspace)
    bus = bus_of(load(workspace.settings_file).bus, journal)
    async with AsyncExitStack() as stack:
        for opened in dict.fromkeys((journal, bus)):
            await opened.open()
            stack.push_async_callback(opened.close)
        names = dict.fromkeys(topic for node in GRAPH for topic in node.writes if not topic.startswith("dlq."))
        topics = [
            TopicStatus(name, sum((await bus.end(name)).values()), len(await LetterBox(bus).waiting(name)))
            for name in names
        ]
        nodes = GRAPH if bus is journal else (JOURNAL_FORWARDER,)  # a cluster's groups are the cluster's to tell
        groups = [
            GroupStatus(reading.group, reading.topic, await journal.behind(reading.topic, reading.group))
            for node in nodes
            for reading in node.reads
            if reading.group is not None
        ]
        last = await journal.last_watermark(TOPIC, 0)
        return (last.time if last is not None else 0), topics, groups


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


def spelled(time: int) -> str:
    """Return ms UTC as people read it."""
    return to_ist(time).strftime("%Y-%m-%d %H:%M:%S IST") if time else "never"
