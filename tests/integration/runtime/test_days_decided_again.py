"""A recorded day decided again: with its answers, its commands and the candles before it."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

import pytest

from niftyflow.brokers.simulator.files import open_source
from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.replay import ReplayFeed
from niftyflow.kit.clock import VirtualClock
from niftyflow.market import day_start
from niftyflow.model import Command, CommandKind, Misconfigured
from niftyflow.runtime.day_report import report
from niftyflow.runtime.recorded import Recorded, copy_past, recorded_day
from niftyflow.runtime.recordings import export_day
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.wiring import Process, engines
from niftyflow.runtime.workspace import Workspace
from support.decided import decided
from support.generated_bars import write_bars
from support.waiting import until

DAY = date(2026, 1, 6)
SETTINGS = AppSettings()


async def play(tape: Path, into: Path, recorded: Recorded | None = None, command: Command | None = None) -> None:
    """Replay a file; `command` is given once the account has traded."""
    workspace, clock, source = Workspace(into), VirtualClock(), open_source(tape)
    async with engines(workspace, SETTINGS) as on:
        process = Process(workspace, SETTINGS, on, recorded=recorded)
        feed = ReplayFeed(Playback(source), clock)
        running = asyncio.create_task(process.run(feed, list(source.instruments), clock))
        if command is not None:
            await until(lambda: _has_orders(on) or running.done())
            await on.bus.publish("commands", [(command,)])
        await running


async def _has_orders(on) -> bool:
    return len(await on.book.orders()) > 5


async def test_a_day_with_a_command_is_decided_as_it_was(tmp_path):
    """The kill switch was pulled at some moment of the day; again it is pulled after the same step."""
    command = Command(
        id="pulled", account="paper-1", kind=CommandKind.SET_KILL_SWITCH, by="test", issued_at=0,
        expires_at=1 << 60, body={"on": True, "square_off": True},
    )  # fmt: skip
    await play(write_bars(tmp_path / "bars.csv"), tmp_path / "then", command=command)
    then = Workspace(tmp_path / "then")
    again = await export_day(then, DAY)
    recorded = await recorded_day(then, DAY, "paper-1")
    assert [each.command.id for each in recorded.commands] == ["pulled"]
    await play(again, tmp_path / "again", recorded)
    one, two = decided(tmp_path / "then"), decided(tmp_path / "again")
    assert one["orders"]
    for table in sorted(one.keys() - {"candles_1m"}):  # they name offsets of another log
        assert one[table] == two[table], table
    async with engines(then, SETTINGS) as on:
        told = await report(on.book, on.decisions, "paper-1")
    assert told.total.open_positions == 0
    assert told.total.orders == len(one["orders"]) == sum(each.orders for each in told.strategies)
    assert sum(told.charges.values()) == told.total.charges


async def test_a_day_on_which_nothing_was_decided_is_refused(tmp_path):
    """It is not decided by guess."""
    workspace = Workspace(tmp_path)
    async with engines(workspace, SETTINGS):
        pass
    with pytest.raises(Misconfigured, match="recorded no decision on 2026-01-06"):
        await recorded_day(workspace, DAY, "paper-1")


async def test_the_candles_before_a_day_are_copied_and_none_of_the_day(tmp_path):
    """So that indicators begin where they began."""
    await play(write_bars(tmp_path / "bars.csv", minutes=30), tmp_path / "then")
    then = Workspace(tmp_path / "then")
    async with engines(Workspace(tmp_path / "again"), SETTINGS) as on:
        assert await copy_past(then, DAY, on.market) == 0
        assert await copy_past(then, date(2026, 1, 7), on.market) >= 30 * 4
        copied = await on.market.first_told(0, 1 << 60)
        assert await copy_past(Workspace(tmp_path / "nothing"), DAY, on.market) == 0
    assert min(copied.time) == day_start(DAY) + (9 * 60 + 15) * 60_000
