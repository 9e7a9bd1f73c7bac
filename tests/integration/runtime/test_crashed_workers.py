"""A worker that crashes is begun again, the others go on, and what is decided in the end is what would have been."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from niftyflow.brokers.simulator.files import open_source
from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.replay import ReplayFeed
from niftyflow.kit.clock import VirtualClock, WallClock
from niftyflow.kit.health import State
from niftyflow.model import Command, CommandKind
from niftyflow.runtime.decisions import kill_switch
from niftyflow.runtime.settings import load
from niftyflow.runtime.supervisor import Patience
from niftyflow.runtime.wiring import Engines, Process, engines
from niftyflow.runtime.workspace import Workspace
from support.decided import decided
from support.decided_days import RULE, SETTINGS, swing_tape
from support.faults import Fault, Faulty
from support.waiting import until

SOON = Patience(first_wait_seconds=0.02)
"""Nobody waits a second in a test."""
Break = Callable[[Engines], Faulty]


def on_book(*at: int, is_after: bool = False) -> Break:
    """Let commits to the book throw."""

    def breaks(on: Engines) -> Faulty:
        on.book = Faulty(on.book, "commit", *at, is_after=is_after)
        return on.book

    return breaks


def on_market(*at: int) -> Break:
    """Let the storing of candles throw."""

    def breaks(on: Engines) -> Faulty:
        on.market = Faulty(on.market, "upsert_candles", *at)
        return on.market

    return breaks


def on_topic(topic: str, *at: int, is_after: bool = False) -> Break:
    """Let what is published to a topic throw."""

    def breaks(on: Engines) -> Faulty:
        on.bus = on.journal = Faulty(on.bus, "publish", *at, is_after=is_after, about=lambda told: told == topic)
        return on.bus

    return breaks


def a_workspace(folder: Path, name: str) -> Workspace:
    """Return a workspace with the settings of the swinging day."""
    rule, workspace = folder / "rsi-turn.yaml", Workspace(folder / name).create()
    rule.write_text(RULE)
    workspace.settings_file.write_text(SETTINGS.format(rule=rule))
    return workspace


async def play(workspace: Workspace, tape: Path, breaks: Break | None = None, *, supervised: bool = True) -> Engines:
    """Play the day to its end, with an engine broken."""
    settings, clock, source = load(workspace.settings_file), VirtualClock(), open_source(tape)
    playback = Playback(source)
    async with engines(workspace, settings) as on:
        broken = breaks(on) if breaks is not None else None
        process = Process(workspace, settings, on, patience=SOON)
        async with asyncio.timeout(90):
            await process.run(
                ReplayFeed(playback, clock), list(source.instruments), clock, supervised=supervised,
                new_feed=lambda: ReplayFeed(playback, clock),
            )  # fmt: skip
        assert broken is None or broken.calls
        return on


@pytest.mark.parametrize(
    ("worker", "breaks", "crashes"),
    [
        ("trading", on_book(3, 9, 10), 3),
        ("trading", on_book(5, is_after=True), 1),
        ("trading", on_topic("order_events", 2), 1),
        ("processing", on_market(1, 20), 2),
        ("processing", on_topic("market_candles", 2, is_after=True), 1),
        ("analysis", on_topic("analysis_updates", 1, 2, 3), 3),
        ("aggregation", on_topic("market_view", 2, is_after=True), 1),
        ("signals", on_topic("signals", 2), 1),
    ],
    ids=["commits", "after-a-commit", "order-events", "candles", "told-candles", "scorecards", "view", "signals"],
)
async def test_what_a_crashed_worker_decides_afterwards_is_what_it_would_have_decided(
    tmp_path, worker, breaks, crashes
):
    """Every order, event, fill, position and candle of the day is the same."""
    tape = swing_tape(tmp_path)
    whole, broken = a_workspace(tmp_path, "whole"), a_workspace(tmp_path, "broken")
    await play(whole, tape)
    on = await play(broken, tape, breaks)
    assert 1 <= on.health.worker(worker).restarts <= crashes  # a day may be told in few pieces
    assert sum(each.restarts for each in on.health.report() if each.worker not in {worker, "commands"}) == 0
    one, two = decided(whole.path), decided(broken.path)
    assert one["orders"]
    assert one["signals"]
    for table in one:
        assert one[table] == two[table], table


async def test_without_a_supervisor_the_error_ends_the_process(tmp_path):
    """A replay must not be made of halves."""
    with pytest.raises(ExceptionGroup) as failed:
        await play(a_workspace(tmp_path, "w"), swing_tape(tmp_path), on_market(1), supervised=False)
    assert failed.group_contains(Fault)


async def test_ingestion_comes_back_with_a_new_feed_and_goes_on(tmp_path):
    """What it had in hand is lost and said to be; the rest of the day is there."""
    workspace = a_workspace(tmp_path, "w")
    on = await play(workspace, swing_tape(tmp_path), on_topic("raw-ticks", 3))
    assert on.health.worker("ingestion").restarts == 1
    candles = decided(workspace.path)["candles_1m"]
    assert len(candles) > 200


async def test_while_a_worker_is_down_health_says_so_and_the_kill_switch_holds_afterwards(tmp_path):
    """Pulled before the crash, it is on after it; a command given while it was down is done once it is back."""
    workspace, tape = a_workspace(tmp_path, "w"), open_source(swing_tape(tmp_path))
    settings, clock = load(workspace.settings_file), VirtualClock()
    async with engines(workspace, settings) as on, asyncio.timeout(90):
        book = on.book
        process = Process(workspace, settings, on)
        feed = ReplayFeed(Playback(tape), clock, speed=200)
        running = asyncio.create_task(process.run(feed, list(tape.instruments), clock, supervised=True))
        await until(lambda: _has_result(on, "pulled") if process.desk and process.desk.account else _pull(on, "pulled"))
        assert process.desk is not None
        process.desk._book = Faulty(book, "commit", 1)  # the next commit is its last
        worker = on.health.worker("trading")
        await until(lambda: worker.state is State.FAILED)
        assert not on.health.is_healthy
        assert "Fault: commit number 1" in worker.reason
        assert on.health.worker("processing").state is State.RUNNING
        await _pull(on, "again")
        await until(lambda: _has_result(on, "again"))
        assert worker.state is State.RUNNING
        found = await kill_switch(book, "paper-1")
        assert found is not None
        assert found.is_on
        assert worker.restarts == 1
        process.stop()
        await running


async def _pull(on: Engines, name: str) -> bool:
    command = Command(
        id=name, account="paper-1", kind=CommandKind.SET_KILL_SWITCH, by="test", issued_at=WallClock().now(),
        expires_at=1 << 60, body={"on": True, "square_off": False},
    )  # fmt: skip
    await on.bus.publish("commands", [(command,)])
    return False


async def _has_result(on: Engines, name: str) -> bool:
    return await on.book.result(name) is not None
