"""Logging in, the token's life, and where it is kept."""

from __future__ import annotations

import asyncio
import hashlib
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from pydantic import SecretStr, ValidationError

from niftyflow.brokers.account_book import BrokerSession
from niftyflow.brokers.errors import InputRefused, SessionDead
from niftyflow.brokers.kite.broker import kite_broker, log_in
from niftyflow.brokers.kite.login_rules import checksum_of, token_dies_at
from niftyflow.brokers.kite.session import KiteSession
from niftyflow.brokers.kite.settings import KiteRestSettings
from niftyflow.brokers.sealed import KEY_FILE, SealedSessions
from niftyflow.kit.addresses import listening
from niftyflow.kit.clock import IST, VirtualClock
from niftyflow.model import Misconfigured, NiftyflowError, milliseconds
from support.kite_rest import (
    KEY,
    NOON,
    SECRET,
    TOKEN,
    OpenGate,
    ScriptedKite,
    account_at,
    failure,
    scripted_kite,
    session_of,
    settings_for,
    success,
)

LOGIN = {"user_id": "XX0000", "user_name": "Kite Connect", "api_key": KEY, "access_token": TOKEN,
         "login_time": "2023-11-15 12:10:00", "refresh_token": "", "meta": {"demat_consent": "physical"}}  # fmt: skip


class Person:
    """Somebody at a browser: what they do with the login page is a coroutine of the answer page's address and state."""

    def __init__(self, act: Callable[[str, str], Any]) -> None:
        self._act = act
        self.address = ""
        self.doing: asyncio.Task[Any] | None = None
        self.shown = ""

    def where(self, address: str) -> None:
        self.address = address

    def show(self, url: str) -> None:
        self.shown = url
        (parameters,) = parse_qs(urlsplit(url).query)["redirect_params"]
        self.doing = asyncio.create_task(self._act(self.address, parse_qs(parameters)["state"][0]))


async def visit(address: str, **query: str) -> tuple[int, str]:
    """Open an address as a browser does."""
    async with aiohttp.ClientSession() as browser, browser.get(address, params=query) as answer:
        return answer.status, await answer.text()


async def logged_in(kite: ScriptedKite, folder: Path, person: Person, **changes: Any) -> BrokerSession:
    """Log in at a scripted Kite."""
    kite.answers.setdefault(("POST", "/session/token"), success(LOGIN))
    settings = settings_for(kite.root, **changes)
    sealed = SealedSessions(folder, "kite", "live-1")
    return await log_in(settings, VirtualClock(NOON), OpenGate(), sealed, person.show, person.where)


async def test_a_whole_login_ends_with_a_sealed_session(tmp_path: Path) -> None:
    """The page is shown, its answer taken and exchanged with the checksum; a program started later has the token."""

    async def act(address: str, state: str) -> tuple[int, str]:
        return await visit(f"{address}kite/done", request_token="once", action="login", status="success", state=state)

    person = Person(act)
    async with scripted_kite() as kite:
        session = await logged_in(kite, tmp_path, person)
        assert person.doing is not None
        status, page = await person.doing
        assert (status, "once" in page) == (200, False)
        (exchange,) = kite.arrived
        assert exchange.form == {
            "api_key": KEY, "request_token": "once",
            "checksum": hashlib.sha256(f"{KEY}once{SECRET}".encode()).hexdigest(),
        }  # fmt: skip
        assert "Authorization" not in exchange.headers
        assert person.shown.startswith(f"{kite.root}/connect/login?v=3&api_key={KEY}&redirect_params=state%3D")
        assert session.access_token == SecretStr(TOKEN)
        later = KiteSession(settings_for(kite.root), VirtualClock(NOON), SealedSessions(tmp_path, "kite", "live-1"))
        assert await later.credentials() == SecretStr(TOKEN)
    with pytest.raises(aiohttp.ClientConnectionError):
        await visit(person.address)


async def test_only_this_logins_answer_counts(tmp_path: Path) -> None:
    """A page that sends the browser here with somebody else's token gets nowhere; the right answer still does."""

    async def act(address: str, state: str) -> list[int]:
        tried = [await visit(address, request_token="theirs", status="success", **each)
                 for each in ({}, {"state": "guess"}, {"state": "é"})]  # fmt: skip
        return [code for code, _ in [*tried, await visit(address, request_token="ours", state=state)]]

    person = Person(act)
    async with scripted_kite() as kite:
        await logged_in(kite, tmp_path, person)
        assert person.doing is not None
        assert await person.doing == [400, 400, 400, 200]
        assert [arrived.form["request_token"] for arrived in kite.arrived] == ["ours"]


async def test_a_login_given_up_says_so(tmp_path: Path) -> None:
    """Kite's own word that it failed ends the waiting."""

    async def act(address: str, state: str) -> tuple[int, str]:
        return await visit(address, status="cancelled", state=state)

    person = Person(act)
    async with scripted_kite() as kite:
        with pytest.raises(SessionDead, match="given up"):
            await logged_in(kite, tmp_path, person)
        assert person.doing is not None
        assert (await person.doing)[0] == 400
        assert kite.arrived == []


async def test_nobody_logs_in(tmp_path: Path) -> None:
    """The waiting has an end, and the port is free again."""

    async def act(*_: str) -> None:
        return None

    person = Person(act)
    async with scripted_kite() as kite:
        with pytest.raises(SessionDead, match=r"nobody logged in within 0\.05 s"):
            await logged_in(kite, tmp_path, person, login_wait_seconds=0.05)
    port = urlsplit(person.address).port
    assert port
    listening("127.0.0.1", port).close()


async def test_a_taken_port_is_told_before_any_page_is_shown(tmp_path: Path) -> None:
    """The app's redirect URL names one port; who holds it is not ours to say."""

    async def act(*_: str) -> None:
        return None

    person = Person(act)
    with listening("127.0.0.1", 0) as held:
        async with scripted_kite() as kite:
            with pytest.raises(Misconfigured, match="is taken"):
                await logged_in(kite, tmp_path, person, callback_port=held.getsockname()[1])
    assert person.shown == ""


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (failure("TokenException", "Token is invalid or has expired.", 403), SessionDead, "log in again"),
        (failure("InputException", "Invalid `checksum`.", 400), InputRefused, "correct the api_secret"),
        (failure("TokenException", "Invalid `checksum`.", 403), InputRefused, "correct the api_secret"),
        (failure("TokenException", "Incorrect `api_key` or `access_token`.", 403), SessionDead, "log in again"),
        (failure("InputException", "Invalid `api_key`.", 400), InputRefused, "correct the api_key"),
    ],
)
async def test_a_login_that_kite_refuses_says_what_to_do(answer: Any, kind: type[NiftyflowError], words: str) -> None:
    """A used token, a wrong secret, a wrong key."""
    async with scripted_kite() as kite, account_at(kite, session=KiteSession) as broker:
        kite.on("POST", "/session/token", answer)
        with pytest.raises(kind, match=words):
            await broker.exchange("once")
        assert await broker.session_of_today() is None


async def test_without_a_secret_no_token_is_used_up() -> None:
    """The one-time token is not sent when we could not prove whose we are."""
    async with scripted_kite() as kite, account_at(kite, session=KiteSession, api_secret=SecretStr("")) as broker:
        with pytest.raises(InputRefused, match="api_secret is not set"):
            await broker.exchange("once")
    assert [arrived.path for arrived in kite.arrived if arrived.path != "/orders"] == []


@pytest.mark.parametrize(
    ("now", "dies"),
    [("2023-11-15 12:10", "2023-11-16 06:00"), ("2023-11-15 05:59", "2023-11-15 06:00"),
     ("2023-11-15 06:00", "2023-11-16 06:00"), ("2023-12-31 23:59", "2024-01-01 06:00")],
)  # fmt: skip
def test_a_token_dies_at_the_next_six_in_the_morning(now: str, dies: str) -> None:
    """India's morning, whatever the day of the login."""
    at, death = (milliseconds(datetime.fromisoformat(text).replace(tzinfo=IST)) for text in (now, dies))
    assert token_dies_at(at) == death
    session = session_of(dies_at=death)
    assert (session.outlives(death - 1), session.outlives(death)) == (True, False)


async def test_a_dead_token_is_not_used_and_a_new_login_is_found(tmp_path: Path) -> None:
    """A program that runs over the morning waits for a login made by another."""
    sealed = SealedSessions(tmp_path, "kite", "live-1")
    sealed.write(session_of("of-yesterday", dies_at=NOON))
    session = KiteSession(settings_for("http://127.0.0.1:1"), VirtualClock(NOON), sealed)
    with pytest.raises(SessionDead, match="log in again"):
        await session.credentials()
    sealed.write(session_of("of-today", dies_at=NOON + 1))
    assert await session.credentials() == SecretStr("of-today")


async def test_a_token_that_kite_refuses_is_looked_up_again(tmp_path: Path) -> None:
    """A second login kills the first one's token: the program that used it goes on with the new one."""
    sealed = SealedSessions(tmp_path, "kite", "live-1")
    sealed.write(session_of("first"))

    def session(settings: KiteRestSettings, clock: VirtualClock) -> KiteSession:
        return KiteSession(settings, clock, sealed)

    async with scripted_kite() as kite, account_at(kite, session=session) as broker:
        kite.on("GET", "/portfolio/holdings", failure("TokenException", "dead", 403))
        with pytest.raises(SessionDead):
            await broker.holdings()
        sealed.write(session_of("second"))
        kite.on("GET", "/portfolio/holdings", success([]))
        assert await broker.holdings() == []
    sent = [arrived.headers["Authorization"] for arrived in kite.arrived if arrived.path == "/portfolio/holdings"]
    assert sent == [f"token {KEY}:first", f"token {KEY}:second"]


async def test_a_session_of_another_app_is_not_used(tmp_path: Path) -> None:
    """The token belongs to a key; with another key in the settings it is nobody's."""
    sealed = SealedSessions(tmp_path, "kite", "live-1")
    sealed.write(session_of())
    session = KiteSession(settings_for("http://127.0.0.1:1", api_key="another"), VirtualClock(NOON), sealed)
    assert await session.look() is None


async def test_logging_out_forgets_the_token_even_when_kite_has(tmp_path: Path) -> None:
    """A token that Kite no longer knows is a logout that is done."""
    sealed = SealedSessions(tmp_path, "kite", "live-1")
    sealed.write(session_of())

    def session(settings: KiteRestSettings, clock: VirtualClock) -> KiteSession:
        return KiteSession(settings, clock, sealed)

    async with scripted_kite() as kite, account_at(kite, session=session) as broker:
        kite.on("DELETE", "/session/token", failure("TokenException", "unknown", 403))
        await broker.invalidate()
        await broker.invalidate()
        assert sealed.read() is None
    assert [arrived.query["access_token"] for arrived in kite.arrived if arrived.method == "DELETE"] == [[TOKEN]]


def test_what_is_sealed_is_read_back_and_shows_nothing(tmp_path: Path) -> None:
    """Both files are the owner's alone, and neither holds the token in the clear."""
    folder = tmp_path / "data"
    sealed = SealedSessions(folder, "kite", "live-1")
    assert sealed.read() is None
    sealed.write(session_of())
    assert SealedSessions(folder, "kite", "live-1").read() == session_of()
    assert SealedSessions(folder, "kite", "live-2").read() is None
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["kite-live-1.session", KEY_FILE]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
    assert not [file for file in files if TOKEN.encode() in file.read_bytes()]
    assert TOKEN not in repr(session_of())
    sealed.forget()
    sealed.forget()
    assert sealed.read() is None


def test_programs_that_start_together_end_up_with_one_key(tmp_path: Path) -> None:
    """Sixteen at once make one key, with which every session can be read."""
    accounts = [SealedSessions(tmp_path, "kite", f"live-{number}") for number in range(16)]
    with ThreadPoolExecutor(16) as programs:
        list(programs.map(lambda sealed: sealed.write(session_of()), accounts))
    assert [sealed.read() for sealed in accounts] == [session_of()] * 16
    assert len(list(tmp_path.iterdir())) == 17


def test_a_damaged_or_open_file_is_refused(tmp_path: Path) -> None:
    """A seal that does not fit is a login that is missing; a file that others may read is an error to mend."""
    sealed = SealedSessions(tmp_path, "kite", "live-1")
    sealed.write(session_of())
    file, key = tmp_path / "kite-live-1.session", tmp_path / KEY_FILE
    whole, good = file.read_bytes(), key.read_bytes()
    file.write_bytes(whole[:-3])
    assert sealed.read() is None
    file.write_bytes(whole)
    file.chmod(0o644)
    with pytest.raises(Misconfigured, match="chmod 600"):
        sealed.read()
    file.chmod(0o600)
    key.write_bytes(b"short")
    with pytest.raises(Misconfigured, match="damaged"):
        sealed.read()
    key.write_bytes(good)
    key.chmod(0o640)
    with pytest.raises(Misconfigured, match="chmod 600"):
        sealed.read()


@pytest.mark.parametrize("name", ["", "../other", "a/b", ".", "x" * 65])
def test_an_account_whose_name_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    """No account writes outside its folder."""
    with pytest.raises(Misconfigured, match="is no name"):
        SealedSessions(tmp_path, "kite", name)


@pytest.mark.parametrize("root", ["http://api.kite.trade", "ftp://127.0.0.1", "api.kite.trade", "http://127.0.0.1:x"])
def test_credentials_are_never_sent_in_the_open(root: str) -> None:
    """Plain http goes to this machine only."""
    with pytest.raises(ValidationError, match=r"refused|no valid port"):
        settings_for(root)
    assert settings_for("http://127.0.0.1:8000/").root == "http://127.0.0.1:8000"


def test_the_adapter_is_made_from_options(tmp_path: Path) -> None:
    """An entry point takes plain values; what cannot be is told in one line, without the secret."""
    clock, gate = VirtualClock(NOON), OpenGate()
    broker = kite_broker({"api_key": KEY, "socket_root": ""}, clock, gate, tmp_path, "live-1")
    assert broker.capabilities.name == "kite"
    assert "api_key=key0123456789" in broker.login_url()
    with pytest.raises(Misconfigured, match="unknown setting lunar") as caught:
        kite_broker({"api_key": KEY, "api_secret": SECRET, "lunar": 1}, clock, gate, tmp_path, "live-1")
    assert SECRET not in str(caught.value)


def test_the_checksum_is_the_documented_one() -> None:
    """SHA-256 over the parts as they stand one after another."""
    assert checksum_of("a", "b", "c") == hashlib.sha256(b"abc").hexdigest()
