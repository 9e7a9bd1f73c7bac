"""Looks whether this machine and a workspace are fit to run: one finding a thing, with what to do about it.

It changes nothing but a file of its own beside the data, written and removed again to see how fast the disk is.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from datetime import date
from enum import StrEnum
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from niftyflow.kit.addresses import here_of, listening
from niftyflow.kit.clock import WallClock, monotonic, to_ist
from niftyflow.market import CalendarUnknown
from niftyflow.market.tables import tables
from niftyflow.model import Exchange, Misconfigured, NiftyflowError
from niftyflow.runtime.buses import kafka_of
from niftyflow.runtime.settings import AppSettings, BusEngine, HotEngine, load
from niftyflow.runtime.status import broker_status, spelled
from niftyflow.runtime.stores import Engine, hot_store_of, is_shared, opened
from niftyflow.runtime.workspace import Workspace

OLDEST_PYTHON: Final = (3, 11)
GIB: Final = 1 << 30
LEAST_FREE_BYTES, GOOD_FREE_BYTES = GIB, 10 * GIB
SLOW_MB_PER_SECOND: Final = 20.0
SLOW_SYNC_SECONDS: Final = 0.05
"""A tick is in the log when it is synced: a disk slower than this holds every order up."""
TRIAL_BYTES: Final = 16 << 20
CLOCK_LOOKS: Final = 5
MOST_DRIFT_SECONDS: Final = 0.05
DAYS_AHEAD_ENOUGH: Final = 30
SECRET_FILES: Final = ("niftyflow.toml", "api-key")
BUSY_SECONDS: Final = 5.0
ASK_SECONDS: Final = 2.0


class Verdict(StrEnum):
    """How a thing was found."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at; `text` says what was found and, unless it is well, what to do."""

    name: str
    verdict: Verdict
    text: str


class Look(NamedTuple):
    """One thing to look at."""

    name: str
    look: Callable[[], tuple[Verdict, str]]


async def examine(workspace: Workspace) -> list[Finding]:
    """Return what was found, in the order in which it is shown. It takes a few seconds at most."""
    try:
        settings = load(workspace.settings_file)
    except Misconfigured:  # which the look at the settings tells
        settings = AppSettings()
    found = await asyncio.to_thread(lambda: [_found(each) for each in _looks(workspace, settings)])
    found += [finding async for finding in _servers(settings)]
    return found + [await _broker(settings, name) for name in settings.brokers]


def _looks(workspace: Workspace, settings: AppSettings) -> Iterator[Look]:
    yield Look("python", _python)
    yield Look("packages", _packages)
    yield Look("settings", lambda: _settings(workspace))
    yield Look("port", lambda: _port(workspace))
    yield Look("disk space", lambda: _space(workspace.path))
    yield Look("disk speed", lambda: _speed(workspace.path))
    yield Look("clock", _clock)
    yield Look("time zones", _zones)
    yield Look("calendar", _calendar)
    if not is_shared(settings):
        yield Look("market database", lambda: _database(workspace.market_db, "candles, signals"))
        yield Look("book", lambda: _database(workspace.book_db, "orders, positions"))
    yield Look("log", lambda: _log(workspace.log))
    yield Look("pages", _pages)
    yield Look("secrets", lambda: _secrets(workspace.path))


def _found(look: Look) -> Finding:
    try:
        verdict, text = look.look()
    except OSError as error:
        verdict, text = Verdict.FAIL, f"cannot be looked at: {error}"
    return Finding(look.name, verdict, text)


async def _servers(settings: AppSettings) -> AsyncIterator[Finding]:
    """Look at the servers that the settings name instead of files and memory; none of them is changed."""
    if is_shared(settings):
        from niftyflow.storage import postgres_care  # noqa: PLC0415 - an extra

        try:
            for look in await postgres_care.check(settings.database, WallClock().now()):
                yield Finding(look.name, Verdict(look.verdict), look.text)
        except NiftyflowError as error:
            yield Finding("database", Verdict.FAIL, str(error))
    if settings.hot.engine is HotEngine.REDIS:
        yield await _server("hot store", hot_store_of(settings), "Redis answers")
    if settings.bus.engine is BusEngine.KAFKA:
        yield await _kafka(settings)


async def _broker(settings: AppSettings, name: str) -> Finding:
    """Look at the login of an account at a broker, as it lies on this machine."""
    from niftyflow.runtime.broker_accounts import account_of  # noqa: PLC0415 - heavy

    try:
        account_of(settings, name)
    except Misconfigured as error:
        return Finding(f"broker {name}", Verdict.FAIL, str(error))
    told = await broker_status(settings, name)
    who = f"logged in as {told.user} until {spelled(told.until)}"
    if not told.trouble:
        return Finding(f"broker {name}", Verdict.OK, who)
    is_login = told.trouble.endswith(f"niftyflow login {name}")
    return Finding(f"broker {name}", Verdict.WARN if is_login else Verdict.FAIL, told.trouble)


async def _server(name: str, engine: Engine, well: str) -> Finding:
    try:
        async with opened([engine]):
            return Finding(name, Verdict.OK, well)
    except NiftyflowError as error:
        return Finding(name, Verdict.FAIL, str(error))


async def _kafka(settings: AppSettings) -> Finding:
    bus = kafka_of(settings.bus)
    try:
        await bus.connect()
        troubles = [f"{state.topic} {each.text}" for state in await bus.survey({}) for each in state.troubles]
    except NiftyflowError as error:
        return Finding("kafka", Verdict.FAIL, str(error))
    finally:
        await bus.close()
    if troubles:
        return Finding("kafka", Verdict.WARN, f"{troubles[0]}; `niftyflow topics` shows all {len(troubles)}")
    return Finding("kafka", Verdict.OK, f"{settings.bus.servers} answers, topics are as they should be")


# -- the program ---------------------------------------------------------------------------------------------------


def _python() -> tuple[Verdict, str]:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return Verdict.FAIL, f"{found}: install Python {'.'.join(map(str, OLDEST_PYTHON))} or newer"
    return Verdict.OK, f"{found} on {sys.platform}"


def _packages() -> tuple[Verdict, str]:
    missing = []
    for name in ("numba", "numpy", "polars", "sqlalchemy", "aiohttp", "fastapi", "uvicorn", "httptools", "websockets"):
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Verdict.FAIL, f"{', '.join(missing)} not installed: install niftyflow anew"
    return Verdict.OK, f"niftyflow {version('niftyflow')}"


def _pages() -> tuple[Verdict, str]:
    from niftyflow.runtime.serving import pages_folder  # noqa: PLC0415 - heavy

    folder = pages_folder()
    if folder is None:
        return (
            Verdict.WARN,
            "the dashboard is not built, the API is served without it: run `make demo`, or take a wheel",
        )
    return Verdict.OK, f"built, {sum(1 for each in folder.rglob('*') if each.is_file())} files"


# -- the machine ---------------------------------------------------------------------------------------------------


def _port(workspace: Workspace) -> tuple[Verdict, str]:
    try:
        wanted = load(workspace.settings_file).gateway
    except Misconfigured:
        wanted = AppSettings().gateway
    try:
        listening(wanted.host, wanted.port).close()
    except Misconfigured as refused:
        if _is_our_gateway(workspace, wanted.host, wanted.port):
            return Verdict.OK, f"{wanted.port} on {wanted.host} is our own gateway's, which runs"
        is_taken = "taken" in str(refused)
        return Verdict.WARN if is_taken else Verdict.FAIL, f"{refused} ([gateway] port, or --port)"
    return Verdict.OK, f"{wanted.port} on {wanted.host} is free"


def _is_our_gateway(workspace: Workspace, host: str, port: int) -> bool:
    """Whether what listens there lets the owner's key of this workspace in."""
    if not workspace.key_file.exists():
        return False
    headers = {"X-API-KEY": workspace.key_file.read_text().strip()}
    asked = HTTPConnection(here_of(host), port, timeout=ASK_SECONDS)
    try:
        asked.request("GET", "/api/v1/session", headers=headers)
        return asked.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        asked.close()


def _space(folder: Path) -> tuple[Verdict, str]:
    there = _nearest(folder)
    free = shutil.disk_usage(there).free
    text = f"{free / GIB:,.1f} GiB free at {there}"
    if free < LEAST_FREE_BYTES:
        return Verdict.FAIL, f"{text}: free some, a day of ticks takes a few GiB"
    if free < GOOD_FREE_BYTES:
        return Verdict.WARN, f"{text}: a day of ticks takes a few GiB"
    return Verdict.OK, text


def _speed(folder: Path) -> tuple[Verdict, str]:
    there = _nearest(folder)
    if not os.access(there, os.W_OK | os.X_OK):
        return Verdict.FAIL, f"{there} is not writable: choose another workspace with --workspace"
    trial, block = there / f".niftyflow-doctor-{os.getpid()}", bytes(1 << 20)
    try:
        with trial.open("wb", buffering=0) as file:
            began = monotonic()
            for _ in range(TRIAL_BYTES >> 20):
                file.write(block)
            os.fsync(file.fileno())
            speed = TRIAL_BYTES / 1e6 / max(monotonic() - began, 1e-6)
            syncs = []
            for _ in range(5):
                began = monotonic()
                file.write(b"x" * 512)
                os.fsync(file.fileno())
                syncs.append(monotonic() - began)
    finally:
        trial.unlink(missing_ok=True)
    sync = sorted(syncs)[len(syncs) // 2]
    text = f"{speed:,.0f} MB/s written, {sync * 1000:.1f} ms a sync"
    if speed < SLOW_MB_PER_SECOND or sync > SLOW_SYNC_SECONDS:
        return Verdict.WARN, f"{text}: slow, put the workspace on a local disk"
    return Verdict.OK, text


def _clock() -> tuple[Verdict, str]:
    """Compare the wall's clock with the steady one for a moment, and with what can be."""
    wall = WallClock()
    began, began_wall = monotonic(), wall.now()
    for _ in range(CLOCK_LOOKS):
        time.sleep(0.05)
        wall.now()
    drift = abs((wall.now() - began_wall) / 1000 - (monotonic() - began))
    now = to_ist(wall.now())
    built = date.fromisoformat(f"{tables().last_day.year - 1}-01-01")
    if now.date() < built:
        return Verdict.FAIL, f"{now:%Y-%m-%d %H:%M} IST cannot be: set this machine's clock (NTP)"
    if wall.steps or drift > MOST_DRIFT_SECONDS:
        return Verdict.WARN, f"it jumps ({drift * 1000:.0f} ms in {CLOCK_LOOKS * 0.05:.2f} s): let NTP keep it"
    return Verdict.OK, f"{now:%Y-%m-%d %H:%M:%S} IST, steady"


def _zones() -> tuple[Verdict, str]:
    try:
        ZoneInfo("Asia/Kolkata")
    except ZoneInfoNotFoundError:
        return Verdict.FAIL, "no data for Asia/Kolkata: install the package tzdata"
    return Verdict.OK, "Asia/Kolkata is known"


def _calendar() -> tuple[Verdict, str]:
    known, last, today = tables(), tables().last_day, to_ist(WallClock().now()).date()
    ahead = (last - today).days
    try:
        known.require_known(Exchange.NSE, today)
    except CalendarUnknown as error:
        return Verdict.FAIL, f"{error}: update niftyflow"
    if ahead < DAYS_AHEAD_ENOUGH:
        return Verdict.WARN, f"known to {last}, {ahead} days ahead: update niftyflow before it ends"
    return Verdict.OK, f"known to {last}, {ahead} days ahead"


# -- the workspace -------------------------------------------------------------------------------------------------


def _settings(workspace: Workspace) -> tuple[Verdict, str]:
    file = workspace.settings_file
    try:
        load(file)
    except Misconfigured as error:
        return Verdict.FAIL, str(error)
    return (
        Verdict.OK,
        f"{file} is valid" if file.exists() else "none, so the defaults: `niftyflow config init` writes one",
    )


def _database(file: Path, holds: str) -> tuple[Verdict, str]:
    if not file.exists():
        return Verdict.OK, f"none yet ({holds}): made at the first start"
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as database:
            problem = str(database.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        return Verdict.FAIL, f"{file} cannot be read ({error}): restore it from a backup, or move it away"
    if problem != "ok":
        return Verdict.FAIL, f"{file} is damaged ({problem}): restore it from a backup, or move it away"
    return Verdict.OK, f"sound, {file.stat().st_size / 1e6:,.1f} MB"


def _log(folder: Path) -> tuple[Verdict, str]:
    files = sorted(folder.glob("*.db")) if folder.is_dir() else []
    if not files:
        return Verdict.OK, "none yet: made at the first start"
    for file in files:
        verdict, text = _database(file, "records")
        if verdict is not Verdict.OK:
            return verdict, text
    return Verdict.OK, f"{len(files)} topics, sound, {sum(file.stat().st_size for file in files) / 1e6:,.1f} MB"


def _secrets(folder: Path) -> tuple[Verdict, str]:
    if not folder.exists():
        return Verdict.OK, f"{folder} is not there yet"
    open_to_others = [
        each for each in (folder / name for name in SECRET_FILES) if each.exists() and _is_open_to_others(each)
    ]
    if open_to_others:
        names = " ".join(map(str, open_to_others))
        return Verdict.FAIL, f"others may read {names}: chmod 600 {names}"
    if _is_open_to_others(folder):
        return Verdict.WARN, f"others may look into {folder}: chmod 700 {folder}"
    return Verdict.OK, "for their owner alone"


def _is_open_to_others(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO))


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next(each for each in (folder, *folder.parents) if each.exists())
