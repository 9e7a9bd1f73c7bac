"""`niftyflow login`: at a simulator in a process of its own, and at a scripted Kite that says no in every way."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from niftyflow.brokers.simulator.accounts import demo_account
from niftyflow.kit.addresses import listening
from niftyflow.runtime.broker_accounts import account_of, brokers_folder
from niftyflow.runtime.doctor import examine
from niftyflow.runtime.settings import load
from niftyflow.runtime.workspace import Workspace
from support.broker_settings import KEY, SECRET, written
from support.command_line import Niftyflow, niftyflow
from support.kite_rest import TOKEN, ScriptedKite, failure, scripted_kite, success
from support.simulator import sim_process

__all__ = ["niftyflow"]

PATIENCE_SECONDS = 60.0
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "connect-zerodha.md"
LOGIN = {"user_id": "AB1234", "user_name": "Asha Rao", "api_key": KEY, "access_token": TOKEN}
USED = failure("TokenException", "Token is invalid or has expired.", 403)
WRONG_SECRET = failure("TokenException", "Invalid `checksum`.", 403)


def account(root: str, name: str = "zerodha", **options: object) -> str:
    """Return the settings of an account whose REST is at a root of this machine."""
    fields = {"api_key": KEY, "api_secret": SECRET, "root": root, "callback_port": 0, "socket_root": ""} | options
    lines = "\n".join(f"{key} = {value!r}" for key, value in fields.items())
    return f'[brokers.{name}]\nbroker = "kite"\n[brokers.{name}.options]\n{lines}\n'


def doctored(workspace: Path) -> str:
    """Return what the doctor says of the account."""
    found = asyncio.run(examine(Workspace(workspace)))
    return next(each.text for each in found if each.name == "broker zerodha")


class Running:
    """The command in a process of its own, with a person who reads what it prints."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self, piece: str) -> str:
        """Return the next line with a piece."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while line := (await self._process.stdout.readline()).decode():
                if piece in line:
                    return line.strip()
        pytest.fail(f"it ended without {piece!r}")

    async def ended(self) -> tuple[int, str]:
        """Return the exit code and everything else that was said."""
        out, said = await asyncio.wait_for(self._process.communicate(), PATIENCE_SECONDS)
        return self._process.returncode or 0, (out + said).decode()


@asynccontextmanager
async def logging_in(workspace: Path, *arguments: str) -> AsyncIterator[Running]:
    """Run `niftyflow login` in a workspace."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "niftyflow.cli.app", "--workspace", str(workspace), "login", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=os.environ.copy(),
    )  # fmt: skip
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()


async def brought_back(running: Running, **query: str) -> None:
    """Do what a browser does that the page sends back to us, with the state it was given."""
    (state,) = parse_qs(parse_qs(urlsplit(await running.line("api_key=")).query)["redirect_params"][0])["state"]
    found = re.search(r"http://\S+", await running.line("awaited at"))
    assert found is not None
    async with aiohttp.ClientSession() as browser, browser.get(found[0], params={"state": state} | query) as answer:
        await answer.read()


def exchanged(kite: ScriptedKite) -> list[str]:
    """Return the one-time tokens that arrived."""
    return [each.form["request_token"] for each in kite.arrived if each.path == "/session/token"]


async def test_at_a_simulator_it_needs_nobody_and_the_doctor_knows(tmp_path: Path) -> None:
    """Its page asks for no password; the account is the one that `niftyflow sim` prints."""
    async with sim_process("--symbols", "2") as (url, _):
        root, demo = url.replace("ws://", "http://"), demo_account()
        options = {"api_key": demo.api_key, "api_secret": demo.api_secret, "login_page": f"{root}/connect/login"}
        workspace = written(tmp_path / "ws", account(root, socket_root=url, **options))
        async with logging_in(workspace, "kite") as running:
            told = await running.line("logged in")
            assert told.startswith(f"logged in to zerodha as {demo.user_id} ")
            assert re.search(r"lives until \d{4}-\d\d-\d\d 06:00 IST$", told)
            code, said = await running.ended()
            assert (code, str(brokers_folder()) in said) == (0, True)
        shown = await asyncio.to_thread(doctored, workspace)
        assert f"logged in as {demo.user_id}" in shown
        assert demo.api_secret not in shown
    files = list(brokers_folder().iterdir())
    assert {each.stat().st_mode & 0o077 for each in files} == {0}
    assert brokers_folder().stat().st_mode & 0o077 == 0


async def test_an_account_with_a_redirect_at_a_simulator_needs_nobody_either(tmp_path: Path) -> None:
    """The token is in the address that its page leads to, wherever that is."""
    given = f"user=AB1234,key={KEY},secret={SECRET},redirect=http://127.0.0.1:9/callback"
    async with sim_process("--symbols", "2", "--account", given) as (url, _):
        root = url.replace("ws://", "http://")
        workspace = written(tmp_path / "ws", account(root, login_page=f"{root}/connect/login"))
        async with logging_in(workspace, "zerodha") as running:
            assert "as AB1234" in await running.line("logged in")
            assert (await running.ended())[0] == 0


async def test_the_page_s_answer_is_awaited_and_exchanged(tmp_path: Path) -> None:
    """What is printed leads to the page; neither secret nor token is printed."""
    async with scripted_kite() as kite:
        kite.on("POST", "/session/token", success(LOGIN))
        workspace = written(tmp_path / "ws", account(kite.root))
        async with logging_in(workspace, "zerodha", "--no-browser") as running:
            await brought_back(running, request_token="once", status="success")
            code, said = await running.ended()
        assert code == 0, said
        assert "logged in to zerodha as AB1234 (Asha Rao)" in said
        assert exchanged(kite) == ["once"]
        assert not re.search(f"{SECRET}|{TOKEN}", said)


@pytest.mark.parametrize(
    ("answer", "code", "pieces"),
    [
        (WRONG_SECRET, 2, ("Invalid `checksum`.", "correct the api_secret")),
        (USED, 4, ("Token is invalid or has expired.", "log in again: niftyflow login kite")),
    ],
)
async def test_what_kite_refuses_is_told_with_its_words_and_what_to_do(tmp_path, answer, code, pieces) -> None:
    """One line."""
    async with scripted_kite() as kite:
        kite.on("POST", "/session/token", answer)
        workspace = written(tmp_path / "ws", account(kite.root))
        async with logging_in(workspace, "zerodha", "--no-browser") as running:
            await brought_back(running, request_token="once", status="success")
            ended = await running.ended()
    assert ended[0] == code
    (line,) = [each for each in ended[1].splitlines() if each.startswith("niftyflow: ")]
    assert all(piece in line for piece in pieces)
    assert not list(brokers_folder().glob("*.session"))


async def test_nobody_came_or_the_login_was_given_up(tmp_path: Path) -> None:
    """4: the same command may work."""
    async with scripted_kite() as kite:
        workspace = written(tmp_path / "ws", account(kite.root, login_wait_seconds=0.1))
        async with logging_in(workspace, "zerodha", "--no-browser") as running:
            code, said = await running.ended()
        assert (code, "nobody logged in within 0.1 s: start it again" in said) == (4, True)
        written(tmp_path / "ws", account(kite.root))
        async with logging_in(workspace, "zerodha", "--no-browser") as running:
            await brought_back(running, status="cancelled")
            code, said = await running.ended()
        assert (code, "given up" in said) == (4, True)


async def test_a_port_that_is_taken_is_told_with_the_setting(tmp_path: Path) -> None:
    """5, before any page is shown."""
    with listening("127.0.0.1", 0) as holder:
        port = holder.getsockname()[1]
        workspace = written(tmp_path / "ws", account("http://127.0.0.1:9", callback_port=port))
        async with logging_in(workspace, "zerodha", "--no-browser") as running:
            code, said = await running.ended()
    assert code == 5
    assert f"port {port} on 127.0.0.1 is taken" in said
    assert "callback_port" in said
    assert "api_key=" not in said


async def test_a_token_of_another_machine_s_browser_is_exchanged_without_a_page(tmp_path: Path) -> None:
    """The token, or the whole address; a used one is 2, as the same command cannot work."""
    async with scripted_kite() as kite:
        kite.on("POST", "/session/token", success(LOGIN))
        workspace = written(tmp_path / "ws", account(kite.root))
        for given in ("once", "http://127.0.0.1:5010/?status=success&request_token=twice&action=login"):
            async with logging_in(workspace, "zerodha", "--request-token", given) as running:
                code, said = await running.ended()
            assert (code, "logged in to zerodha" in said, "api_key=" in said) == (0, True, False)
        assert exchanged(kite) == ["once", "twice"]
        kite.on("POST", "/session/token", USED)
        async with logging_in(workspace, "zerodha", "--request-token", "once") as running:
            code, said = await running.ended()
        assert code == 2
        assert 'kite said "Token is invalid or has expired.": the request token is used' in said


async def test_a_simulator_that_is_away_is_4(tmp_path: Path) -> None:
    """With the command that starts one."""
    with listening("127.0.0.1", 0) as holder:
        root = f"http://127.0.0.1:{holder.getsockname()[1]}"
    workspace = written(tmp_path / "ws", account(root, login_page=f"{root}/connect/login"))
    async with logging_in(workspace, "zerodha") as running:
        code, said = await running.ended()
    assert (code, "niftyflow sim" in said) == (4, True)


def test_the_account_on_the_page_is_the_one_that_a_simulator_begins_with(tmp_path: Path) -> None:
    """Every block of settings there can be put into one file, and what it says to log in is what we say."""
    blocks = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found = load(written(tmp_path, "\n".join(blocks)) / "niftyflow.toml")
    assert (found.feed.account, found.trading.orders_to) == ("zerodha", "paper")
    demo, rehearsal = demo_account(), account_of(found, "rehearsal")
    options = rehearsal.settings.options
    assert (options["api_key"], options["api_secret"]) == (demo.api_key, demo.api_secret)
    assert rehearsal.is_simulated
    assert not account_of(found, "zerodha").is_simulated


def test_which_account_is_meant_is_said_when_it_is_not_clear(niftyflow: Niftyflow, tmp_path: Path) -> None:
    """None, several at the broker, or one whose options cannot be."""
    ran = niftyflow("--workspace", tmp_path / "none", "login", "kite")
    assert (ran.code, "add [brokers.kite]" in ran.said) == (5, True)
    both = account("http://127.0.0.1:9", "one") + account("http://127.0.0.1:9", "two", api_key="other")
    ran = niftyflow("--workspace", written(tmp_path / "both", both), "login", "kite")
    assert (ran.code, "say which of one, two" in ran.said) == (2, True)
    odd = account("http://127.0.0.1:9", lunar=SECRET)
    ran = niftyflow("--workspace", written(tmp_path / "odd", odd), "login", "zerodha")
    assert (ran.code, "unknown setting lunar" in ran.said, SECRET in ran.said) == (5, True, False)
