"""Candles in PostgreSQL: a minute's batch, a backfill, and the usual questions; beside the driver alone, and PgBouncer.

The server is started for it, with its own defaults for durability: every commit waits for the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import uvloop

from benchmarks.measure import Budget, Measurement, quantile
from niftyflow.model import CandleBatch, Interval, Name, NameTable

if TYPE_CHECKING:
    from niftyflow.storage.postgres_market import PostgresMarketStore

BUDGET = Budget("PostgreSQL: 50-row candle batch, p95", "ms", 5.0, higher_is_better=False)
BACKFILL_BUDGET = Budget("PostgreSQL: backfill", "rows/s", 200_000)
SELECT_BUDGET = Budget("PostgreSQL: simple select, p95", "ms", 2.0, higher_is_better=False)
JOIN_BUDGET = Budget("PostgreSQL: join, p95", "ms", 20.0, higher_is_better=False)
AGGREGATION_BUDGET = Budget("PostgreSQL: aggregation, p95", "ms", 100.0, higher_is_better=False)
OPENED = 1_453_866_300_000
MINUTE = 60_000
INSTRUMENTS, SESSION, SESSIONS = 500, 375, 3
TIMES = 400
SETTINGS = ("shared_buffers=512MB", "max_wal_size=4GB", "autovacuum=on")
EVER = (0, 2**60)


def run() -> list[Measurement]:
    """Measure on a server of our own, warm."""
    return uvloop.run(measured())


def candles(instruments: int, minutes: int, first_minute: int) -> CandleBatch:
    """Return random candles of so many instruments and minutes, minute by minute as they are made."""
    rows = instruments * minutes
    random = np.random.default_rng(first_minute)
    index = np.arange(rows)
    price = np.round(1000 + random.normal(0, 20, rows), 2)
    return CandleBatch(
        NameTable(Name(f"NSE:SYMBOL{number:04}") for number in range(instruments)),
        Interval.M1,
        name=index % instruments,
        time=OPENED + MINUTE * (first_minute + index // instruments),
        **dict.fromkeys(("open", "high", "low", "close", "vwap"), price),
        **{field: random.integers(0, 100_000, rows) for field in ("volume", "trades", "open_interest", "day_volume")},
        traded_at=OPENED + MINUTE * (first_minute + index // instruments),
        provenance=np.zeros(rows, np.uint8),
        revision=np.zeros(rows, np.int32),
        incomplete=np.zeros(rows, np.bool_),
        through_partition=index % 50,
        through_offset=index,
    )


async def measured() -> list[Measurement]:
    """Start the servers, measure, and take them away again."""
    from tests.support.postgres_server import Bouncer, PostgresServer, programs

    if not programs():
        return [Measurement("niftyflow: 50 rows, p95", None, "ms", note="no PostgreSQL is installed")]
    server = await asyncio.to_thread(PostgresServer.create, *SETTINGS)
    bouncer = Bouncer(server)
    try:
        await asyncio.to_thread(server.start)
        server.execute("CREATE DATABASE niftyflow")
        async with store_at(server.url("niftyflow")) as store:
            backfill = await backfilled(store)
            copied = await bare_copy(store)
            batches = await fifty_rows(store, "niftyflow: 50 rows, p95")
            singles = await single_inserts(store)
            questions = await asked(store)
        await asyncio.to_thread(bouncer.start)
        async with store_at(bouncer.url("niftyflow"), through_pgbouncer=True) as store:
            through = await fifty_rows(store, "through PgBouncer: 50 rows, p95")
            select = replace((await asked(store))[0], label="through PgBouncer: 300 candles, p95", budget=None)
    finally:
        bouncer.stop()
        server.remove()
    return [batches, singles, through, backfill, copied, *questions, select]


@contextlib.asynccontextmanager
async def store_at(url: str, **settings: Any) -> AsyncIterator[PostgresMarketStore]:
    """Open a market store, its tables made."""
    from pydantic import SecretStr

    from niftyflow.storage.postgres_market import PostgresMarketStore, market_database
    from niftyflow.storage.postgres_pool import PostgresPool
    from niftyflow.storage.settings import PostgresSettings

    pool = PostgresPool(PostgresSettings(url=SecretStr(url), slow_statement_seconds=60, **settings))
    store = PostgresMarketStore(market_database(pool, upgrade=True))
    await store.open()
    yield store
    await store.close()


async def backfilled(store: PostgresMarketStore) -> Measurement:
    """Measure sessions of all instruments, each stored as one transaction; the fastest of them."""
    best = 0.0
    for session in range(SESSIONS):
        batch = candles(INSTRUMENTS, SESSION, session * SESSION)
        begun = time.perf_counter()
        assert await store.upsert_all([batch]) == len(batch)
        best = max(best, len(batch) / (time.perf_counter() - begun))
    stored = await store.count_candles(Interval.M1, *EVER)
    assert set(stored.values()) == {SESSION * SESSIONS}, stored
    details = {"candles": INSTRUMENTS * SESSION}
    return Measurement("niftyflow: backfill", best, "rows/s", details=details, budget=BACKFILL_BUDGET)


async def bare_copy(store: PostgresMarketStore) -> Measurement:
    """Measure the server's COPY of the same rows, made beforehand, into an empty table of the same shape and key."""
    from niftyflow.storage.candle_copy import copied, ordered

    best = 0.0
    async with store.database.acquire() as connection:
        await connection.execute("CREATE TABLE bare (LIKE candles_1m INCLUDING INDEXES)")
        for session in range(SESSIONS):
            batch = candles(INSTRUMENTS, SESSION, session * SESSION)
            rows = copied(ordered(batch))
            begun = time.perf_counter()
            await connection.copy_to_table("bare", source=rows, format="binary")
            best = max(best, len(batch) / (time.perf_counter() - begun))
        assert await connection.fetchval("SELECT count(*) FROM bare") == INSTRUMENTS * SESSION * SESSIONS
        await connection.execute("DROP TABLE bare")
    return Measurement("bare COPY, rows made beforehand", best, "rows/s", is_peer=True)


async def fifty_rows(store: PostgresMarketStore, label: str) -> Measurement:
    """Measure a closed minute of 50 symbols, one after another."""
    first = 10_000 if "niftyflow" in label else 20_000
    batches = iter([candles(50, 1, first + number) for number in range(TIMES + 20)])

    async def one() -> None:
        assert await store.upsert_candles(next(batches)) == 50

    return await p95(label, one)


async def single_inserts(store: PostgresMarketStore) -> Measurement:
    """Measure the same rows by one prepared INSERT each, as one writes it first."""
    from niftyflow.storage.candle_rows import COLUMNS, rows_of

    places = ", ".join(f"${number}" for number in range(1, len(COLUMNS) + 1))
    batches = iter([rows_of(candles(50, 1, 30_000 + number)) for number in range(TIMES // 10 + 20)])
    async with store.database.acquire() as connection:
        insert = await connection.prepare(f"INSERT INTO candles_1m VALUES ({places})")

        async def one() -> None:
            for row in next(batches):
                await insert.fetch(*row)

        return replace(await p95("50 single INSERTs, p95", one, TIMES // 10), is_peer=True)


async def asked(store: PostgresMarketStore) -> list[Measurement]:
    """Measure the newest 300 candles, the last candle of each instrument, and the count of a day's."""

    async def select() -> None:
        assert len(await store.candles("NSE:SYMBOL0007", Interval.M1, *EVER, limit=300)) == 300

    async def join() -> None:
        assert len(await store.last_candles(OPENED, OPENED + SESSION * MINUTE)) == INSTRUMENTS

    async def aggregation() -> None:
        counted = await store.count_candles(Interval.M1, OPENED, OPENED + SESSION * MINUTE)
        assert sum(counted.values()) == INSTRUMENTS * SESSION

    async with store.database.acquire() as connection:
        await connection.execute("ANALYZE")
    return [
        replace(await p95("niftyflow: newest 300 candles, p95", select), budget=SELECT_BUDGET),
        replace(await p95(f"niftyflow: last candle of {INSTRUMENTS}, p95", join, 60), budget=JOIN_BUDGET),
        replace(
            await p95(f"niftyflow: count of {INSTRUMENTS * SESSION:,}, p95", aggregation, 60), budget=AGGREGATION_BUDGET
        ),
    ]


async def p95(label: str, work: Callable[[], Awaitable[None]], times: int = TIMES) -> Measurement:
    """Measure one call after another, warm, in milliseconds."""
    for _ in range(20):
        await work()
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - begun) * 1e3)
    details = {"p50": round(quantile(taken, 0.5), 3), "times": times}
    return Measurement(label, quantile(taken, 0.95), "ms", details=details)
