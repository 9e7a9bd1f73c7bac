"""Every engine of the storage ports, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from niftyflow.storage import HotStore, Leases, MarketStore
from niftyflow.storage.book_ports import BookStore, DecisionStore
from support.books import BOOK_ENGINES, DECISION_ENGINES, KEY_ENGINES, PAPER
from support.postgres import pgbouncer, postgres_database, postgres_server
from support.redis import redis_server
from support.stores import ADDRESS, HOT_ENGINES, LEASE_ENGINES, MARKET_ENGINES, HotEngine

__all__ = ["pgbouncer", "postgres_database", "postgres_server", "redis_server"]


def marked(engines: Iterable[str]) -> list[Any]:
    """Return the names of engines, those that are servers' with the mark of the server they need."""
    servers = {name: getattr(pytest.mark, name) for name in ("pgbouncer", "postgres", "redis")}
    return [pytest.param(name, marks=servers[name]) if name in servers else name for name in sorted(engines)]


def give_engine(request: pytest.FixtureRequest, folder: Path) -> str:
    """Return the engine asked for; where it is a server's, the folder names a database there of this test alone."""
    if request.param in ("postgres", "pgbouncer"):
        server = request.getfixturevalue("postgres_server" if request.param == "postgres" else "pgbouncer")
        (folder / ADDRESS).write_text(server.url(request.getfixturevalue("postgres_database")))
    return request.param


@pytest.fixture(params=marked(MARKET_ENGINES))
def market_engine(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name an engine of the market store."""
    return give_engine(request, tmp_path)


@pytest.fixture
async def market_handles(market_engine: str, tmp_path: Path) -> AsyncIterator[Callable[[], MarketStore]]:
    """Make handles of one engine's data; they are closed at the end."""
    made: list[MarketStore] = []

    def make() -> MarketStore:
        made.append(MARKET_ENGINES[market_engine](tmp_path))
        return made[-1]

    yield make
    for store in made:
        await store.close()


@pytest.fixture
async def market(market_handles: Callable[[], MarketStore]) -> MarketStore:
    """Open an empty market store."""
    store = market_handles()
    await store.open()
    return store


@pytest.fixture(params=marked(HOT_ENGINES))
async def hot_engine(request: pytest.FixtureRequest) -> AsyncIterator[HotEngine]:
    """Open an empty hot store, with its way of letting time pass."""
    engine = HOT_ENGINES[request.param](request)
    await engine.store.open()
    yield engine
    await engine.store.close()


@pytest.fixture
def hot(hot_engine: HotEngine) -> HotStore:
    """Give the hot store alone."""
    return hot_engine.store


@pytest.fixture(params=marked(LEASE_ENGINES))
async def lease_handles(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[[], Leases]]:
    """Make handles that contend for the same leases."""
    async with LEASE_ENGINES[give_engine(request, tmp_path)](tmp_path) as make:
        yield make


@pytest.fixture(params=marked(BOOK_ENGINES))
def book_engine(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name an engine of the book."""
    return give_engine(request, tmp_path)


@pytest.fixture(params=marked(KEY_ENGINES))
def key_engine(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name an engine of the key store."""
    return give_engine(request, tmp_path)


@pytest.fixture
async def book_handles(book_engine: str, tmp_path: Path) -> AsyncIterator[Callable[[], BookStore]]:
    """Make handles of one engine's book; they are closed at the end."""
    made: list[BookStore] = []

    def make() -> BookStore:
        made.append(BOOK_ENGINES[book_engine](tmp_path))
        return made[-1]

    yield make
    for store in made:
        await store.close()


@pytest.fixture
async def book(book_handles: Callable[[], BookStore]) -> BookStore:
    """Open a book in which the owner with fence 1 has a new account."""
    store = book_handles()
    await store.open()
    await store.take_over(PAPER, 1, {"kill_switch": False}, 0)
    return store


@pytest.fixture(params=marked(DECISION_ENGINES))
def decision_engine(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name an engine of the decision store."""
    return give_engine(request, tmp_path)


@pytest.fixture
async def decisions(decision_engine: str, tmp_path: Path) -> AsyncIterator[DecisionStore]:
    """Open an empty decision store."""
    async with DECISION_ENGINES[decision_engine](tmp_path) as store:
        yield store
