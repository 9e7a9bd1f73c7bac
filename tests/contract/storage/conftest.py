"""Every engine of the storage ports, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from niftyflow.storage import HotStore, Leases, MarketStore
from niftyflow.storage.book_ports import BookStore, DecisionStore
from support.books import BOOK_ENGINES, DECISION_ENGINES, PAPER
from support.stores import HOT_ENGINES, LEASE_ENGINES, MARKET_ENGINES, HotEngine


@pytest.fixture(params=sorted(MARKET_ENGINES))
def market_engine(request: pytest.FixtureRequest) -> str:
    """Name an engine of the market store."""
    return request.param


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


@pytest.fixture(params=sorted(HOT_ENGINES))
async def hot_engine(request: pytest.FixtureRequest) -> AsyncIterator[HotEngine]:
    """Open an empty hot store, with its way of letting time pass."""
    engine = HOT_ENGINES[request.param]()
    await engine.store.open()
    yield engine
    await engine.store.close()


@pytest.fixture
def hot(hot_engine: HotEngine) -> HotStore:
    """Give the hot store alone."""
    return hot_engine.store


@pytest.fixture(params=sorted(LEASE_ENGINES))
def lease_handles(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Leases]]:
    """Make handles that contend for the same leases."""
    return lambda: LEASE_ENGINES[request.param](tmp_path)


@pytest.fixture(params=sorted(BOOK_ENGINES))
def book_engine(request: pytest.FixtureRequest) -> str:
    """Name an engine of the book."""
    return request.param


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


@pytest.fixture(params=sorted(DECISION_ENGINES))
async def decisions(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DecisionStore]:
    """Open an empty decision store."""
    async with DECISION_ENGINES[request.param](tmp_path) as store:
        yield store
