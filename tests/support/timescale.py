"""A TimescaleDB for the tests: PostgreSQL with the extension as WebAssembly in Node, one connection at a time.

A process a worker of the run; every test begins in an empty schema of its own. Without Node or the packages the tests
skip, saying so; with CI=true they fail instead. Background jobs do not run there: tests call them by hand.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import date
from typing import Any, TypeVar
from uuid import uuid4

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from niftyflow.market import day_start, minute_mask
from niftyflow.market.calendar import MINUTE_MS
from niftyflow.model import CandleBatch, Instrument, Interval, Name, NameTable
from niftyflow.storage.candle_rows import COLUMNS, batch_of, values_of
from niftyflow.storage.postgres_statements import compiled, unnested_insert
from niftyflow.storage.schema import MIGRATIONS, POSTGRES_VERSION_TABLE, REVISIONS, candle_tables
from niftyflow.storage.timescale_catalog import version_of
from support.postgres import do_without
from tools.timescale import FOLDER, HERE, is_installed
from tools.web import find_node

START_SECONDS = 100.0

T = TypeVar("T")


class Timescale:
    """The database as a test uses it: each `write` is a transaction on a connection of its own."""

    def __init__(self, engine: AsyncEngine, url: str) -> None:
        self.engine = engine
        self.url = url

    async def write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run work in one transaction."""
        async with self.engine.begin() as connection:
            return await work(connection)

    async def run(self, statement: str, **parameters: Any) -> Sequence[Any]:
        """Run one statement in a transaction of its own; return its rows, if it gives any."""
        async with self.engine.begin() as connection:
            result = await connection.execute(text(statement), parameters)
            return result.all() if result.returns_rows else []

    async def call(self, statement: str) -> None:
        """Run a procedure that commits by itself, such as a job."""
        async with self.engine.connect() as connection:
            outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await outside.exec_driver_sql(statement)

    async def run_jobs(self, procedure: str) -> int:
        """Call every job of a kind by hand, as the scheduler would; return how many there are."""
        jobs = await self.run(
            "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = :name AND "
            "hypertable_schema = current_schema() ORDER BY job_id",
            name=procedure,
        )
        for (job,) in jobs:
            await self.call(f"CALL run_job({job})")
        return len(jobs)


@pytest.fixture(scope="session")
def timescale_port() -> Iterator[int]:
    """Start the server of this worker; give its port."""
    node = find_node()
    if node is None:
        do_without("no Node 20.19 or 22.12 and newer: run make test, which brings one")
    if not is_installed():
        do_without("no TimescaleDB in .cache/timescale: run python -m tools.timescale")
    with subprocess.Popen(
        [node.node, str(HERE / "server.cjs"), "0"],
        env={**os.environ, "NODE_PATH": str(FOLDER / "node_modules")},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        patience = threading.Timer(START_SECONDS, server.kill)
        patience.start()
        try:
            told = server.stdout.readline()
        finally:
            patience.cancel()
        if not told.strip().isdigit():
            server.kill()
            pytest.fail(f"TimescaleDB did not start: {told}{server.stderr.read()[-2000:]}")
        yield int(told)
        server.kill()


@pytest.fixture
async def timescale(timescale_port: int) -> AsyncIterator[Timescale]:
    """Give a database in which nothing is yet but the extension."""
    schema = f"test_{uuid4().hex[:12]}"
    address = f"postgres:postgres@127.0.0.1:{timescale_port}/postgres"
    engine = create_async_engine(
        f"postgresql+asyncpg://{address}",
        poolclass=NullPool,
        connect_args={
            "ssl": False, "statement_cache_size": 0, "timeout": 60,
            # The one session of the server outlives its connections, and so do the names of its statements.
            "prepared_statement_name_func": lambda: f"s{uuid4().hex}",
        },
    )  # fmt: skip
    database = Timescale(engine, f"postgresql://{address}?sslmode=disable")
    await database.run(f"CREATE SCHEMA {schema}")
    await database.run(f"SET search_path TO {schema}, public")
    yield database
    await database.run(f"DROP SCHEMA {schema} CASCADE")
    await engine.dispose()


@pytest.fixture
async def plain_tables(timescale: Timescale) -> Timescale:
    """Give a database with the market's tables as the migrations make them: plain."""

    def migrate(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        config.attributes["version_table"] = POSTGRES_VERSION_TABLE
        command.upgrade(config, REVISIONS[-1])

    await timescale.write(lambda connection: connection.run_sync(migrate))
    assert await timescale.write(version_of) is not None
    return timescale


async def store(database: Timescale, batch: CandleBatch) -> None:
    """Put candles into their table as new rows."""
    table = candle_tables[batch.interval]
    values = tuple(values_of(batch))
    statement = compiled(unnested_insert(table, COLUMNS))
    await database.write(lambda connection: connection.exec_driver_sql(statement, values))


async def stored(database: Timescale, relation: str, key: str, interval: Interval) -> CandleBatch:
    """Return an instrument's candles of a table or an aggregate, oldest first."""
    rows = await database.run(
        f"SELECT {', '.join(COLUMNS)} FROM {relation} WHERE instrument = :key ORDER BY time", key=key
    )
    return batch_of(interval, rows)


def minutes_of(
    instrument: Instrument, day: date, *, seed: int, missing: float = 0.0, is_index: bool = False
) -> CandleBatch:
    """Return the minutes of an instrument's continuous trading on a day, walking at random; some may be missing."""
    chance = np.random.default_rng(seed)
    time = day_start(day) + np.flatnonzero(minute_mask(instrument, day)) * MINUTE_MS
    time = time[chance.random(len(time)) >= missing]
    count = len(time)
    close = np.round(1000 * np.exp(np.cumsum(chance.normal(0, 0.001, count))) * 20) / 20
    open_ = np.round((close + chance.normal(0, 1, count)) * 20) / 20
    high, low = np.maximum(open_, close) + 0.05, np.minimum(open_, close) - 0.05
    names = NameTable()
    return CandleBatch(
        names, Interval.M1,
        name=np.full(count, names.intern(Name(instrument.key))), time=time,
        open=open_, high=high, low=low, close=close,
        volume=np.zeros(count, np.int64) if is_index else chance.integers(0, 20_000, count),
        trades=chance.integers(0, 300, count), vwap=(high + low) / 2,
        open_interest=chance.integers(0, 1000, count), day_volume=np.arange(count) * 1000, traded_at=time + 59_000,
        provenance=chance.integers(0, 3, count), revision=chance.integers(0, 3, count),
        incomplete=chance.random(count) < 0.02, through_partition=np.full(count, 3), through_offset=np.arange(count),
    )  # fmt: skip
