"""Ingestion with a tape for a feed, as a program: the same records in the journal however often it is killed.

A broker's feed goes on while we are down, so what it says meanwhile is lost by nature; a tape waits. Begun again it is
played at once to where the journal ends, and from there on at its speed. It does nothing but take in and forward.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import uvloop

from niftyflow.brokers.simulator.pace import Pace
from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.replay import ReplayFeed
from niftyflow.brokers.simulator.synthetic import SyntheticSession
from niftyflow.brokers.simulator.synthetic_candles import session_candles
from niftyflow.brokers.simulator.tape import MINUTE
from niftyflow.cli.context import on_signals
from niftyflow.kit.clock import VirtualClock
from niftyflow.model import CandleBatch
from niftyflow.runtime.demo_market import FIRST_DAY, parts_of
from niftyflow.runtime.resuming import ResumedJournal
from niftyflow.runtime.settings import load
from niftyflow.runtime.standing_by import StandingBy
from niftyflow.runtime.wiring import Does, Process, engines
from niftyflow.runtime.workspace import Workspace

TICKS = "raw-ticks"
NAME = "feed"
DAY_BEFORE = date(2026, 1, 2)
"""Of `FIRST_DAY`; its last hour is there as candles, so that strategies are warm."""
HOUR = 60 * MINUTE
BEGINS = 30 * MINUTE
"""How long after the open the tape begins: signals are told from then on."""


class Tape(NamedTuple):
    """A generated stretch of a session, played at `speed` times real time."""

    symbols: int
    minutes: int
    speed: float
    seed: int = 6

    def session(self) -> SyntheticSession:
        """Return what is played."""
        begins = parts_of(FIRST_DAY)[0][0] + BEGINS
        return SyntheticSession([(begins, begins + self.minutes * MINUTE)], seed=self.seed, symbols=self.symbols)

    def past(self) -> CandleBatch:
        """Return the candles of the last hour of the day before."""
        closes = parts_of(DAY_BEFORE)[-1][1]
        before = SyntheticSession([(closes - HOUR, closes)], seed=self.seed, symbols=self.symbols)
        return session_candles(before)[0]

    @property
    def ticks(self) -> int:
        """How many there are."""
        return sum(len(chunk) for chunk in self.session().chunks())

    @property
    def ends(self) -> int:
        """The time of its last watermark, ms UTC: the end of the minute in which it ends."""
        return -(-self.session().sessions[-1].end // MINUTE) * MINUTE

    def arguments(self) -> list[str]:
        """Return it as arguments of this program."""
        return [f"--{name}={value}" for name, value in self._asdict().items()]


class GoesOn(Pace):
    """A speed that begins at a time (ms UTC) which the playback has reached before: up to there there is no pace."""

    def __init__(self, speed: float, since: int) -> None:
        super().__init__(speed)
        self._since = since

    def anchor(self, wall: float, position: int) -> None:
        """Say that exchange time is `position` (ms UTC) at `wall`, or where it was before."""
        super().anchor(wall, max(position, self._since))


async def take_in(workspace: Workspace, tape: Tape) -> None:
    """Take the tape in until its end, and until all of it is forwarded."""
    clock, session = VirtualClock(), tape.session()
    async with engines(workspace, load(workspace.settings_file)) as on:
        last = await on.journal.last_watermark(TICKS, 0)
        resumed = await ResumedJournal.of(on.journal, TICKS)
        stopping = asyncio.Event()
        on_signals(stopping.set)
        on.leases = StandingBy(on.leases, on.health.worker("ingestion"), stopping)  # the dead one's are not over yet
        process = Process(workspace, load(workspace.settings_file), on, resumed=resumed, stopping=stopping)
        pace = GoesOn(tape.speed, 0 if last is None else last.time)
        feed = ReplayFeed(Playback(session), clock, pace=pace)
        await process.run(feed, list(session.instruments), clock, does=Does.NOTHING)


def main(words: Sequence[str] | None = None) -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True)
    for name, kind in (("symbols", int), ("minutes", int), ("speed", float), ("seed", int)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    given = vars(parser.parse_args(words))
    workspace = Workspace(given.pop("workspace"), NAME)
    uvloop.run(take_in(workspace, Tape(**given)))


if __name__ == "__main__":
    main()
