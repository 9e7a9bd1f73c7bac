"""`niftyflow kill` and `strategy start|stop`: taken by the process that trades, or by the book while nobody does."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Start
from niftyflow.model import Command, CommandKind, CommandResult, Order, StrategyStatus
from niftyflow.runtime.commanding import give, new_command
from niftyflow.runtime.decisions import find_strategies, kill_switch, reading_book
from niftyflow.runtime.settings import AppSettings, load
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.leases import FileLeases
from support.command_line import Niftyflow, niftyflow
from support.commands import end, start
from support.decided_days import decided_workspace, swing_tape

__all__ = ["niftyflow"]

PATIENCE_SECONDS = 60
LEASE = "account/paper-1"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with working orders and open positions, in which nothing runs; not to be changed."""
    return decided_workspace(tmp_path_factory.mktemp("decided"))


@pytest.fixture
def workspace(played: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(played, tmp_path / "ws"))


def switch(workspace: Path) -> tuple[bool, bool, str, int]:
    """Return whether the kill switch is on, is about to be, why, and how many orders work."""

    async def look() -> tuple[bool, bool, str, int]:
        async with reading_book(Workspace(workspace)) as book:
            found = await kill_switch(book, "paper-1")
            return found.is_on, found.is_closing, found.reason, found.working_orders

    return asyncio.run(look())


def working(workspace: Path) -> list[Order]:
    """Return the orders that work."""

    async def look() -> list[Order]:
        async with reading_book(Workspace(workspace)) as book:
            return (await book.account("paper-1")).orders

    return asyncio.run(look())


def statuses(workspace: Path) -> dict[str, tuple[str, str]]:
    """Return each strategy's status and reason by name."""

    async def look() -> dict[str, tuple[str, str]]:
        async with reading_book(Workspace(workspace)) as book:
            return {state.name: (state.status.value, state.reason) for state in await find_strategies(book)}

    return asyncio.run(look())


# -- while nothing runs --------------------------------------------------------------------------------------------


def test_the_switch_is_pulled_while_nothing_runs(niftyflow: Niftyflow, workspace: Path):
    """Working orders are cancelled in the book; it stays on until it is released; who and why can be read."""
    assert len(working(workspace)) > 0
    ran = niftyflow("--workspace", workspace, "kill", "on", "--reason", "too many orders")
    assert (ran.code, ran.out) == (0, "account paper-1: the kill switch is on\n")
    assert f"nobody trades here now: done in the book of {workspace}" in ran.said
    assert switch(workspace) == (True, False, "too many orders", 0)
    assert "on (too many orders)" in niftyflow("--workspace", workspace, "kill", "status").out
    assert niftyflow("--workspace", workspace, "kill", "off").out == "account paper-1: the kill switch is off\n"
    assert switch(workspace) == (False, False, "", 0)
    ran = niftyflow("--workspace", workspace, "kill", "on")
    assert switch(workspace)[2].startswith("cli:")


def test_positions_are_closed_first_when_asked(niftyflow: Niftyflow, workspace: Path):
    """The exits wait for a market; the switch comes on when they are done."""
    ran = niftyflow("--workspace", workspace, "kill", "on", "--square-off")
    assert "closing positions; the kill switch is on once all are flat" in ran.out
    is_on, is_closing, _, _ = switch(workspace)
    assert (is_on, is_closing) == (False, True)
    assert "closing positions" in niftyflow("--workspace", workspace, "kill", "status").out


def test_a_strategy_is_stopped_while_nothing_runs(niftyflow: Niftyflow, workspace: Path):
    """Its orders are cancelled but for the stops that protect; the others' are not. A second time it is refused."""
    before = working(workspace)
    gone = [order for order in before if order.strategy == "signal-follower" and order.tag != "stop"]
    assert gone
    ran = niftyflow("--workspace", workspace, "strategy", "stop", "signal-follower")
    assert (ran.code, ran.out) == (0, "signal-follower is stopped\n")
    assert statuses(workspace)["signal-follower"][0] == StrategyStatus.STOPPED
    assert statuses(workspace)["ema-cross"][0] == StrategyStatus.RUNNING
    assert working(workspace) == [order for order in before if order not in gone]
    ran = niftyflow("--workspace", workspace, "strategy", "stop", "signal-follower")
    assert (ran.code, ran.out) == (2, "")
    assert "no strategy signal-follower runs; these do: ema-cross, opening-range-breakout" in ran.said


def test_a_strategy_is_not_started_while_nothing_runs(niftyflow: Niftyflow, workspace: Path):
    """It needs the market's data; nothing is changed, and nothing waits on the topic to surprise a later start."""
    before = statuses(workspace)
    ran = niftyflow("--workspace", workspace, "strategy", "start", "ema-cross", "--name", "second")
    assert (ran.code, ran.out) == (2, "")
    assert "to start strategy needs the market's data: start `niftyflow up` first" in ran.said
    assert statuses(workspace) == before
    assert asyncio.run(published(workspace)) == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("start", "martingale"), 2, "kind is 'martingale': use one of ema-cross"),
        (("start", "ema-cross", "--set", "fast=30"), 2, "set it above fast"),
        (("start", "ema-cross", "--set", "pace=9"), 2, "pace"),
        (("start", "ema-cross", "--set", "fast"), 2, "NAME=VALUE"),
        (("start", "ema-cross", "--on-error", "panic"), 2, "use hold or square_off"),
        (("start", "ema-cross", "--instruments", "NYSE:IBM"), 2, "NYSE"),
    ],
)
def test_what_cannot_be_started_is_said_before_anybody_is_asked(
    niftyflow: Niftyflow, tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
):
    """Without a workspace even."""
    ran = niftyflow("--workspace", tmp_path / "none", "strategy", *arguments)
    assert ran.code == code
    assert says in ran.said
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("command", [("kill", "on"), ("strategy", "stop", "ema-cross")])
def test_where_nothing_was_ever_traded_there_is_nothing_to_stop(niftyflow: Niftyflow, tmp_path: Path, command):
    """5; no book is made by it."""
    ran = niftyflow("--workspace", tmp_path / "none", *command)
    assert ran.code == 5
    assert "holds no book" in ran.said
    assert not (tmp_path / "none").exists()


def test_another_account_than_the_settings_name_is_not_guessed(niftyflow: Niftyflow, workspace: Path, monkeypatch):
    """5, with those there are."""
    monkeypatch.setenv("NIFTYFLOW_TRADING__ACCOUNT", "paper-9")
    ran = niftyflow("--workspace", workspace, "kill", "on")
    assert ran.code == 5
    assert "has no account paper-9; there are: paper-1" in ran.said


# -- while somebody holds the account ------------------------------------------------------------------------------


async def published(workspace: Path) -> list[Command]:
    """Return the commands on the topic."""
    bus = EmbeddedBus(workspace / "log")
    await bus.open()
    try:
        reader = await bus.subscribe("commands", group=None, start=Start.EARLIEST)
        return [command for batch in await reader.poll(timeout_seconds=0) for command in batch.body]
    finally:
        await bus.close()


async def test_when_nobody_takes_it_that_is_said(niftyflow: Niftyflow, workspace: Path):
    """4: who holds the account, and until when the command may still be taken; the book is as it was."""
    lease = await FileLeases(workspace / "leases").acquire(LEASE)
    ran = await asyncio.to_thread(niftyflow, "--workspace", workspace, "kill", "on", "--wait", "0.3")
    assert (ran.code, ran.out) == (4, "")
    assert "no answer in 0.3 s: account paper-1 is held by process" in ran.said
    (command,) = await published(workspace)
    assert f"command {command.id} expires at" in ran.said
    assert command.expires_at - command.issued_at == 60_000
    await lease.release()
    assert (await asyncio.to_thread(switch, workspace))[0] is False


async def test_when_the_holder_ends_meanwhile_the_book_takes_it(workspace: Path):
    """Once: the very command that was published."""
    lease = await FileLeases(workspace / "leases").acquire(LEASE)
    settings = load(workspace / "niftyflow.toml")
    command = new_command("paper-1", CommandKind.SET_KILL_SWITCH, {"on": True}, "cli:test")
    bus = EmbeddedBus(workspace / "log")
    await bus.open()
    reader = await bus.subscribe("commands", group=None, start=Start.LATEST)
    giving = asyncio.create_task(give(Workspace(workspace), settings, command, 3.0))
    while not await reader.poll():
        assert not giving.done()
    await lease.release()
    answer = await giving
    await bus.close()
    assert answer.result is not None
    assert (answer.result.is_done, answer.holder) == (True, "")
    assert [each.id for each in await published(workspace)] == [command.id]
    async with reading_book(Workspace(workspace)) as book:
        assert await book.result(command.id) == answer.result
        assert (await kill_switch(book, "paper-1")).is_on
    again = await give(Workspace(workspace), settings, command, 1.0)
    assert again.result == answer.result


async def test_an_answer_is_taken_from_the_topic(workspace: Path):
    """That of the command, not of another; the store need not be asked."""
    lease = await FileLeases(workspace / "leases").acquire(LEASE)
    bus = EmbeddedBus(workspace / "log")
    await bus.open()
    command = new_command("paper-1", CommandKind.START_STRATEGY, {"name": "x", "kind": "ema-cross"}, "cli:test")
    reader = await bus.subscribe("commands", group=None, start=Start.LATEST)
    giving = asyncio.create_task(give(Workspace(workspace), AppSettings(), command, PATIENCE_SECONDS))
    while not (batches := await reader.poll()):
        assert not giving.done()
    assert batches[0].body == (command,)
    answers = tuple(
        CommandResult(id=key, account="paper-1", kind=command.kind, is_done=False, at=1, reason=f"for {key}")
        for key in ("another", command.id)
    )
    await bus.publish("command_results", [answers])
    assert (await giving).result == answers[1]
    await bus.close()
    await lease.release()


# -- while niftyflow up runs ---------------------------------------------------------------------------------------


@pytest.fixture
def trading(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """`niftyflow up` on a session that takes a minute, in processes of their own."""
    sim = start("sim", str(swing_tape(tmp_path)), "--speed", "60", "--port", "0", "--wait", log=tmp_path / "sim.txt")
    url = sim.stdout.readline().strip()
    up = start("--workspace", str(tmp_path / "ws"), "up", "--url", url, log=tmp_path / "up.txt")
    yield tmp_path / "ws", up
    end(up)
    end(sim)


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < limit
        time.sleep(0.1)


def test_the_process_that_trades_takes_commands(niftyflow: Niftyflow, trading):
    """Stop, start anew with parameters, pull and release: each answered while the session goes on."""
    workspace, up = trading

    def ask(*arguments: str) -> tuple[int, str]:
        ran = niftyflow("--workspace", workspace, *arguments, "--wait", str(PATIENCE_SECONDS))
        assert "nobody trades here" not in ran.said
        return ran.code, ran.out or ran.said

    until(lambda: niftyflow("--workspace", workspace, "strategy", "list", "--json").code == 0)
    assert ask("strategy", "stop", "ema-cross") == (0, "ema-cross is stopped\n")
    fast = ("strategy", "start", "ema-cross", "--name", "fast", "--instruments", "infy,NSE:TCS", "--set", "fast=3")
    assert ask(*fast, "--set", "slow=5", "--on-error", "hold") == (0, "fast runs on 2 instruments\n")
    assert ask(*fast)[0] == 2
    assert ask("kill", "on", "--reason", "drill") == (0, "account paper-1: the kill switch is on\n")
    assert json.loads(niftyflow("--workspace", workspace, "kill", "status", "--json").out)["reason"] == "drill"
    assert ask("kill", "off") == (0, "account paper-1: the kill switch is off\n")
    assert up.poll() is None
    found = {each["name"]: each for each in
             json.loads(niftyflow("--workspace", workspace, "strategy", "list", "--json").out)}  # fmt: skip
    assert found["ema-cross"]["status"] == "stopped"
    assert (found["fast"]["status"], found["fast"]["parameters"]) == ("running", {"fast": 3, "slow": 5})
    assert found["fast"]["instruments"] == ["NSE:INFY", "NSE:TCS"]
    assert found["fast"]["saved"]["on_error"] == "hold"
    assert "Traceback" not in (workspace.parent / "up.txt").read_text()
