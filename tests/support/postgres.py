"""A real PostgreSQL for the tests, and a real PgBouncer in front of it: one server for the run, a database a test.

Workers of a parallel run share it through a folder they all see; the last one to leave stops it. A test's database is
a copy of one that was migrated once. Without the server the tests skip, saying so; with CI=true they fail instead.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from niftyflow.storage.postgres_book import book_database
from niftyflow.storage.postgres_database import PostgresDatabase
from niftyflow.storage.postgres_market import market_database
from niftyflow.storage.postgres_pool import PostgresPool
from niftyflow.storage.settings import PostgresSettings
from support.postgres_server import (
    LOCKED_PASSWORD,
    LOCKED_USER,
    PROGRAM_FOLDERS,
    QUICK,
    USER,
    Bouncer,
    PostgresServer,
    crash,
    give_to_postgres,
    has_user,
    program,
    programs,
)

__all__ = [
    "LOCKED_PASSWORD",
    "LOCKED_USER",
    "QUICK",
    "USER",
    "Bouncer",
    "PostgresServer",
    "crash",
    "give_to_postgres",
    "program",
]

MIGRATED: list[Callable[[PostgresPool], PostgresDatabase]] = [
    lambda pool: market_database(pool, upgrade=True),
    lambda pool: book_database(pool, upgrade=True),
]
"""What a test's database holds already: each brings one set of tables up to date."""


def settings_of(url: str, **changes: Any) -> PostgresSettings:
    """Return the settings of a test's database."""
    return PostgresSettings(url=SecretStr(url), **changes)


def need_postgres() -> None:
    """Skip, or fail under CI, where there is no PostgreSQL."""
    if not programs():
        do_without("no PostgreSQL under /usr/lib/postgresql: install the package postgresql")
    if os.geteuid() == 0 and not has_user():
        do_without("PostgreSQL refuses to run as root, and there is no user postgres")


def need_pgbouncer() -> None:
    """Skip, or fail under CI, where there is no PgBouncer."""
    if shutil.which("pgbouncer", path=PROGRAM_FOLDERS) is None:
        do_without("no PgBouncer: install the package pgbouncer")


def do_without(reason: str) -> None:
    """Skip for a reason, or fail under CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The run's server, with a template of migrated tables."""
    need_postgres()
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if is_worker else base) / "postgres"
    shared.mkdir(exist_ok=True)
    with _users(shared) as users:
        if not users:
            server = PostgresServer.create(*QUICK)
            server.start()
            (shared / "server").write_text(f"{server.port} {server.folder}")
            make_template(server)
        users.append(str(os.getpid()))
        port, folder = (shared / "server").read_text().split()
        server = PostgresServer(Path(folder), int(port), *QUICK)
    yield server
    server.console.close()
    with _users(shared) as users:
        users.remove(str(os.getpid()))
        if not users:
            server.remove()


@pytest.fixture(scope="session")
def pgbouncer(postgres_server: PostgresServer) -> Iterator[Bouncer]:
    """A PgBouncer in front of the run's server."""
    need_pgbouncer()
    bouncer = Bouncer(postgres_server)
    bouncer.start()
    yield bouncer
    bouncer.stop()


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a database of this test alone, with its tables."""
    yield from _fresh(postgres_server, "niftyflow_template")


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_database: str) -> str:
    """The address of a database of this test alone, with its tables."""
    return postgres_server.url(postgres_database)


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of a database of this test alone, without a table."""
    for name in _fresh(postgres_server, "template0"):
        yield postgres_server.url(name)


def make_template(server: PostgresServer) -> None:
    """Make the database that tests copy, and the user who needs a password."""
    server.execute(
        "CREATE DATABASE niftyflow_template TEMPLATE template0",
        f"CREATE ROLE {LOCKED_USER} LOGIN PASSWORD '{LOCKED_PASSWORD}'",
    )
    with concurrent.futures.ThreadPoolExecutor(1) as apart:  # a loop may be running here
        apart.submit(asyncio.run, _migrate(server.url("niftyflow_template"))).result()


async def _migrate(url: str) -> None:
    pool = PostgresPool(settings_of(url))
    for tables in MIGRATED:
        database = tables(pool)
        await database.open()
        await database.close()


def _fresh(server: PostgresServer, template: str) -> Iterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    server.console.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield name
    server.console.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def _users(folder: Path) -> Iterator[list[str]]:
    """The workers that use the server now; changed under a lock that all of them see."""
    with (folder / "users").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        users = [user for user in file.read().split() if Path(f"/proc/{user}").exists()]
        yield users
        file.seek(0)
        file.truncate()
        file.write(" ".join(users))
