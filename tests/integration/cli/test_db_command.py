"""`niftyflow db`: databases brought up to date and looked at, on files, on PostgreSQL and through PgBouncer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from niftyflow.storage.schema import MIGRATIONS
from niftyflow.storage.sqlite_database import SqliteDatabase
from support.command_line import Niftyflow, Ran, niftyflow
from support.postgres import (
    LOCKED_USER,
    Bouncer,
    PostgresServer,
    empty_postgres_url,
    pgbouncer,
    postgres_server,
)

__all__ = ["empty_postgres_url", "niftyflow", "pgbouncer", "postgres_server"]
pytestmark = pytest.mark.postgres

LOOKS = [
    "server", "safety", "statement limit", "connections", "market tables", "market indexes", "book tables",
    "book indexes", "months", "timescaledb",
]  # fmt: skip


class Database:
    """A new PostgreSQL database as a person meets it: by commands, and by SQL of their own."""

    def __init__(self, run: Niftyflow, server: PostgresServer, url: str) -> None:
        self.name = url.rpartition("/")[2]
        self._run = run
        self._server = server

    def command(self, *arguments: str) -> Ran:
        """Run `niftyflow db …`."""
        return self._run("db", *arguments)

    def sql(self, *statements: str) -> str:
        """Run statements as superuser."""
        return self._server.execute(*statements, database=self.name)

    def looks(self) -> dict[str, tuple[str, str]]:
        """Return verdict and text of everything that `check` looks at."""
        return {
            each["name"]: (each["verdict"], each["text"]) for each in json.loads(self.command("check", "--json").out)
        }


@pytest.fixture
def database(
    niftyflow: Niftyflow, postgres_server: PostgresServer, empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> Database:
    """Name a database without a table in the settings."""
    monkeypatch.setenv("NIFTYFLOW_DATABASE__URL", empty_postgres_url)
    return Database(niftyflow, postgres_server, empty_postgres_url)


@pytest.fixture
def upgraded(database: Database) -> Database:
    """Give a database that is as it should be."""
    assert database.command("upgrade").code == 0
    return database


def test_files_are_made_and_looked_at(niftyflow: Niftyflow, tmp_path: Path):
    """Without a database in the settings it is about the workspace's files."""
    before = niftyflow("--workspace", tmp_path / "work", "db", "check")
    assert (before.code, before.out.count("not there yet")) == (0, 2)
    assert niftyflow("--workspace", tmp_path / "work", "db", "upgrade").code == 0
    after = niftyflow("--workspace", tmp_path / "work", "db", "check")
    assert (after.code, after.out.count("is up to date")) == (0, 2)


def test_a_file_that_is_behind_fails_the_check_until_it_is_upgraded(niftyflow: Niftyflow, tmp_path: Path):
    """The check changes nothing: it fails until somebody upgrades."""

    async def make_old() -> None:
        old = SqliteDatabase(tmp_path / "market.db", ("0001",), migrations=MIGRATIONS, durability="NORMAL")
        await old.open()
        await old.close()

    asyncio.run(make_old())
    for _ in range(2):
        told = niftyflow("--workspace", tmp_path, "db", "check")
        assert told.code == 5
        assert "has schema 0001" in told.out
    assert niftyflow("--workspace", tmp_path, "db", "upgrade").code == 0
    assert niftyflow("--workspace", tmp_path, "db", "check").code == 0


def test_a_new_database_fails_the_check_and_is_upgraded_once(database: Database):
    """What is to be done is said; a second upgrade finds nothing to do."""
    before = database.command("check")
    assert before.code == 5
    assert "market tables" in before.out
    assert "none yet: run `niftyflow db upgrade`" in before.out
    first = database.command("upgrade")
    assert (first.code, first.out.count("from none to")) == (0, 2)
    second = database.command("upgrade")
    assert (second.code, second.out.count("at ")) == (0, 2)
    assert database.command("check").code == 0


def test_everything_is_looked_at_and_well(upgraded: Database):
    """Ten lines; the test's server alone is warned about, as it runs without fsync, and has no TimescaleDB."""
    looks = upgraded.looks()
    assert list(looks) == LOOKS
    assert {name for name, (verdict, _) in looks.items() if verdict != "ok"} == {"safety"}
    assert "candles are in plain tables" in looks["timescaledb"][1]
    assert "5 opened, 20 at most" in looks["connections"][1]
    assert "all valid" in looks["book indexes"][1]


@pytest.mark.parametrize(
    ("harm", "look", "verdict", "text"),
    [
        ("DROP INDEX ix_signals_time", "market indexes", "fail", "missing: ix_signals_time"),
        ("ALTER TABLE candles_1m DROP CONSTRAINT pk_candles_1m", "market indexes", "fail", "missing: pk_candles_1m"),
        ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_orders_account_state'::regclass",
         "book indexes", "fail", "not valid: ix_orders_account_state: run REINDEX"),
        ("UPDATE alembic_version_market SET version_num = '0001'", "market tables", "fail", "`niftyflow db upgrade`"),
        ("UPDATE alembic_version_book SET version_num = 'b0999'", "book tables", "fail", "upgrade niftyflow"),
    ],
)  # fmt: skip
def test_each_harm_is_named_with_what_to_do(upgraded: Database, harm: str, look: str, verdict: str, text: str):
    """One thing is broken by hand: its line fails, and the exit code is 5."""
    upgraded.sql(harm)
    found = upgraded.looks()[look]
    assert found[0] == verdict
    assert text in found[1]
    assert upgraded.command("check").code == 5


def test_a_database_ahead_of_this_program_is_not_upgraded(upgraded: Database):
    """It is the program that is old."""
    upgraded.sql("UPDATE alembic_version_market SET version_num = '0999'")
    told = upgraded.command("upgrade")
    assert told.code == 5
    assert "0999" in told.said
    assert "upgrade niftyflow" in told.said


def test_missing_months_are_named_and_made(upgraded: Database):
    """All partitions are gone: this month's orders could not be kept."""
    parts = upgraded.sql("SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'trades'::regclass").split()
    assert len(parts) == 4
    upgraded.sql(f"DROP TABLE {', '.join(parts)}")
    verdict, text = upgraded.looks()["months"]
    assert verdict == "fail"
    assert text.startswith("no partition for 20")
    assert upgraded.command("upgrade").code == 0
    assert upgraded.looks()["months"][0] == "ok"


def test_a_far_month_that_is_missing_is_a_warning(upgraded: Database):
    """There is time yet: the next start makes it."""
    parts = upgraded.sql("SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'trades'::regclass").split()
    upgraded.sql(f"DROP TABLE {max(parts)}")
    assert upgraded.looks()["months"][0] == "warn"
    assert upgraded.command("check").code == 0


def test_a_pool_larger_than_the_server_is_a_warning(upgraded: Database, monkeypatch: pytest.MonkeyPatch):
    """Before the process finds it out at its busiest."""
    monkeypatch.setenv("NIFTYFLOW_DATABASE__CONNECTIONS_MOST", "1000")
    verdict, text = upgraded.looks()["connections"]
    assert verdict == "warn"
    assert "put PgBouncer in front" in text


def test_a_server_that_is_away_is_told_in_one_line(niftyflow: Niftyflow, monkeypatch: pytest.MonkeyPatch):
    """Exit code 4: the same command may work later."""
    monkeypatch.setenv("NIFTYFLOW_DATABASE__URL", "postgresql://niftyflow@127.0.0.1:1/niftyflow")
    for command in ("check", "upgrade"):
        told = niftyflow("db", command)
        assert told.code == 4
        assert told.said.count("\n") == 1


def test_a_wrong_password_is_told_in_one_line_without_it(
    niftyflow: Niftyflow, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    """Exit code 5, and the password is nowhere."""
    address = f"postgresql://{LOCKED_USER}:not-the-right-one@127.0.0.1:{postgres_server.port}/postgres"
    monkeypatch.setenv("NIFTYFLOW_DATABASE__URL", address)
    told = niftyflow("db", "check")
    assert told.code == 5
    assert told.said.count("\n") == 1
    assert "not-the-right-one" not in told.said + told.out


@pytest.mark.pgbouncer
def test_through_pgbouncer_it_is_upgraded_and_looked_at(
    database: Database, pgbouncer: Bouncer, monkeypatch: pytest.MonkeyPatch
):
    """In transaction mode; a role without a limit of its own is warned about, since a connection cannot set one."""
    monkeypatch.setenv("NIFTYFLOW_DATABASE__URL", pgbouncer.url(database.name))
    monkeypatch.setenv("NIFTYFLOW_DATABASE__THROUGH_PGBOUNCER", "true")
    assert database.command("upgrade").code == 0
    looks = database.looks()
    assert list(looks) == LOOKS
    assert {name for name, (verdict, _) in looks.items() if verdict != "ok"} == {"safety", "statement limit"}
    assert looks["connections"][1].endswith("through PgBouncer")
