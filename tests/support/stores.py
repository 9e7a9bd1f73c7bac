"""Engines of the storage ports for the contract suites, and the program that writes candles until it is killed.

A new engine joins the suites by one entry in `MARKET_ENGINES`, `HOT_ENGINES` or `LEASE_ENGINES`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.log import configure
from niftyflow.model import CandleBatch, Interval, Name, NameTable
from niftyflow.storage.leases import FileLeases
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.ports import HotStore, Leases, MarketStore
from niftyflow.storage.postgres_book import book_database
from niftyflow.storage.postgres_database import PostgresDatabase
from niftyflow.storage.postgres_leases import PostgresLeases
from niftyflow.storage.postgres_market import PostgresMarketStore, market_database
from niftyflow.storage.postgres_pool import PostgresPool
from niftyflow.storage.redis_hot import RedisHotStore
from niftyflow.storage.settings import PostgresSettings
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.postgres import settings_of
from support.redis import RedisServer

MINUTE = 60_000
OPENED = 1_453_866_300_000
"""2016-01-27 09:15 IST, ms UTC."""
BATCH_INSTRUMENTS, BATCH_MINUTES = 200, 50
MOST_BATCHES = 200

ADDRESS = "postgres.url"
"""The file of a folder that names its database on a server."""


def postgres_market(folder: Path, **settings: Any) -> PostgresMarketStore:
    """Return a handle of the PostgreSQL database that a folder names."""
    url = SecretStr((folder / ADDRESS).read_text())
    return PostgresMarketStore(market_database(PostgresPool(PostgresSettings(url=url, **settings))))


MARKET_ENGINES: dict[str, Callable[[Path], MarketStore]] = {
    "sqlite": lambda folder: SqliteMarketStore(folder / "market.db"),
    "postgres": postgres_market,
    "pgbouncer": lambda folder: postgres_market(folder, through_pgbouncer=True),
}
"""Each makes a handle; two handles of one folder see the same data."""


@asynccontextmanager
async def _file_leases(folder: Path) -> AsyncIterator[Callable[[], Leases]]:
    yield lambda: FileLeases(folder / "leases")


def postgres_book_tables(folder: Path, **settings: Any) -> PostgresDatabase:
    """Return the book's tables in the PostgreSQL database that a folder names, on connections of their own."""
    return book_database(PostgresPool(settings_of((folder / ADDRESS).read_text(), **settings)))


@asynccontextmanager
async def _postgres_leases(folder: Path, **settings: Any) -> AsyncIterator[Callable[[], Leases]]:
    tables = postgres_book_tables(folder, **settings)
    await tables.open()
    made: list[PostgresLeases] = []

    def make() -> Leases:
        made.append(PostgresLeases(tables))
        return made[-1]

    yield make
    for leases in made:
        await leases.close()
    await tables.close()


LEASE_ENGINES = {
    "file": _file_leases,
    "pgbouncer": lambda folder: _postgres_leases(folder, through_pgbouncer=True),
    "postgres": _postgres_leases,
}
"""Each gives a way to make handles; all handles of one folder contend for the same leases."""


@dataclass
class HotEngine:
    """A hot store, and the way to let time pass for it."""

    store: HotStore
    wait: Callable[[float], Awaitable[None]]


def memory_engine() -> HotEngine:
    """Return the in-memory store on a clock of its own."""
    clock = SecondsClock()
    store = MemoryHotStore(seconds=clock, clock=VirtualClock(1_705_560_000_000))

    async def wait(seconds: float) -> None:
        clock.now += seconds
        await asyncio.sleep(0)

    return HotEngine(store, wait)


def redis_engine(server: RedisServer) -> HotEngine:
    """Return a store on a real server, under a prefix of its own."""
    return HotEngine(RedisHotStore(server.settings()), asyncio.sleep)


HOT_ENGINES: dict[str, Callable[[pytest.FixtureRequest], HotEngine]] = {
    "memory": lambda _request: memory_engine(),
    "redis": lambda request: redis_engine(request.getfixturevalue("redis_server")),
}


@dataclass
class SecondsClock:
    """Seconds that pass only when told to."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def flat_candles(
    instruments: int,
    minutes: int,
    *,
    first_minute: int = 0,
    revision: int = 0,
    price: float = 100.0,
    interval: Interval = Interval.M1,
) -> CandleBatch:
    """Return a candle for each instrument (`NSE:S00000` …) and minute from the open on, all at one price."""
    rows = instruments * minutes
    index = np.arange(rows)
    step = MINUTE if interval is Interval.M1 else 24 * 60 * MINUTE
    return CandleBatch(
        NameTable(Name(f"NSE:S{number:05}") for number in range(instruments)),
        interval,
        name=index % instruments,
        time=OPENED + step * (first_minute + index // instruments),
        **{field: np.full(rows, price) for field in ("open", "high", "low", "close", "vwap")},
        **{field: np.zeros(rows, np.int64) for field in ("volume", "trades", "open_interest", "traded_at")},
        day_volume=index,
        provenance=np.zeros(rows, np.uint8),
        revision=np.full(rows, revision),
        incomplete=np.zeros(rows, np.bool_),
        through_partition=np.full(rows, 3),
        through_offset=index,
    )


async def write_until_killed(engine: str, folder: Path, first_minute: int) -> None:
    """Store one batch after another; say on standard output from which minute each began, once it is stored.

    It ends by itself after `MOST_BATCHES`, in case nobody kills it.
    """
    store = MARKET_ENGINES[engine](folder)
    await store.open()
    for number in range(MOST_BATCHES):
        minute = first_minute + number * BATCH_MINUTES
        await store.upsert_candles(flat_candles(BATCH_INSTRUMENTS, BATCH_MINUTES, first_minute=minute))
        sys.stdout.write(f"{minute}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    configure(json=True, level="warning")
    asyncio.run(write_until_killed(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
