"""Surroundings of every test: a home of its own, no settings from outside, no network but this machine's.

A test that lacks a real server skips and says why. Where CI is set to `true` such a skip is a failure: CI has servers.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

SERVERS = ("browser", "kafka", "pgbouncer", "postgres", "redis", "timescale")
"""Marks of tests that need a real server."""
KEPT_SETTINGS = ("NIFTYFLOW_TEST_DATA", "NIFTYFLOW_LONG")
"""The only settings a test may see from outside."""

settings.register_profile("dev", deadline=None)
settings.register_profile(
    "ci", deadline=None, derandomize=False, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")


class NetworkBlocked(AssertionError):
    """A test tried to leave this machine."""


def _is_this_machine(host: object) -> bool:
    if host is None or host in ("", "localhost", b"localhost", socket.gethostname()):
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _guard(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if not _is_this_machine(host):
        raise NetworkBlocked(f"{event} to {host!r}: tests talk to this machine only")


# An audit hook sees every socket of the interpreter, whoever opens it, and patches nothing.
sys.addaudithook(_guard)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give each test an empty home, no settings, and return that home."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for variable, folder in (
        ("XDG_CONFIG_HOME", ".config"),
        ("XDG_DATA_HOME", ".local/share"),
        ("XDG_STATE_HOME", ".local/state"),
        ("XDG_CACHE_HOME", ".cache"),
        ("XDG_RUNTIME_DIR", ".run"),
    ):
        monkeypatch.setenv(variable, str(home / folder))
    for variable in [name for name in os.environ if name.startswith("NIFTYFLOW_") and name not in KEPT_SETTINGS]:
        monkeypatch.delenv(variable)
    return home


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Undo what a command that ran in this process did to the log: others listen to theirs."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the long form unless it was asked for."""
    for item in items:
        if item.get_closest_marker("long") and os.environ.get("NIFTYFLOW_LONG") != "1":
            item.add_marker(pytest.mark.skip(reason="long form: make soak runs it (NIFTYFLOW_LONG=1)"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Turn a skip for want of a server into a failure where CI is `true`."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and _lacks_a_server(item, str(report.longrepr)):
        report.outcome = "failed"
        report.longrepr = f"CI has real servers, so this may not skip: {report.longrepr}"
    return report


def _lacks_a_server(item: pytest.Item, reason: str) -> bool:
    if hasattr(item, "wasxfail") or "market data" in reason or "long form" in reason:
        return False
    return any(item.get_closest_marker(server) for server in SERVERS)
