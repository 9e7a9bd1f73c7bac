"""Playing a tape through the whole path of one process, and reading what it stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.replay import ReplayFeed
from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.kit.clock import VirtualClock
from niftyflow.model import CandleBatch, DeadLetter, FeedGap, Instrument, Interval
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.stores import market_of
from niftyflow.runtime.wiring import Does, Process, engines
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.ports import RepairRequest

if TYPE_CHECKING:
    from niftyflow.brokers.simulator.tape import Source

EVER = 1 << 60


class Outcome(NamedTuple):
    """What a replay left in its workspace."""

    candles: dict[str, CandleBatch]
    letters: list[DeadLetter]
    repairs: list[RepairRequest]
    gaps: list[FeedGap]


async def replay(tape: Source, folder: Path, does: Does = Does.PROCESSING, source: str = "replay") -> Outcome:
    """Play a tape at unlimited speed, through the wire, the log, the fold and the store; and decide, when asked."""
    settings = AppSettings()
    workspace = Workspace(folder)
    clock = VirtualClock()
    async with engines(workspace, settings) as on:
        process = Process(workspace, settings, on)
        feed = ReplayFeed(Playback(tape), clock, source=source)
        await process.run(feed, list(tape.instruments), clock, does=does)
        return await outcome(workspace, list(tape.instruments))


async def outcome(workspace: Workspace, instruments: list[Instrument]) -> Outcome:
    """Read what a workspace holds, while a process runs or after."""
    bus = EmbeddedBus(workspace.log)
    await bus.open()
    try:
        letters = [letter for _, letter in await bus.read_dead_letters("raw-ticks")]
    finally:
        await bus.close()
    async with market_of(workspace, read_only=True) as market:
        candles = {
            str(instrument.key): await market.candles(instrument.key, Interval.M1, 0, EVER)
            for instrument in instruments
        }
        return Outcome(candles, letters, await market.repairs(), await market.gaps(0, EVER))
