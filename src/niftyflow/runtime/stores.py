"""Which stores the settings of a process mean: files of the workspace, or PostgreSQL and Redis shared by a cluster.

It makes them and opens none. A layer never learns which engine it has.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Protocol

from niftyflow.model import Misconfigured
from niftyflow.runtime.settings import AppSettings, HotEngine, load
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.book_ports import BookStore, DecisionStore
from niftyflow.storage.key_ports import KeyStore
from niftyflow.storage.leases import FileLeases
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.ports import HotStore, Leases, MarketStore


class Engine(Protocol):
    """What is opened before it is used, and closed after."""

    async def open(self) -> None:
        """Connect."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...


@dataclass(frozen=True, slots=True)
class StoreSet:
    """What lasts, and who owns what; `engines` have to be open, in this order, for any of it to work."""

    market: MarketStore
    decisions: DecisionStore
    book: BookStore
    keys: KeyStore
    leases: Leases
    engines: Sequence[Engine] = field(repr=False)


def is_shared(settings: AppSettings) -> bool:
    """Whether the stores are a database that other machines use too, and not files of the workspace."""
    url = settings.database.url
    return url is not None and bool(url.get_secret_value())


def stores_of(workspace: Workspace, settings: AppSettings, *, read_only: bool = False) -> StoreSet:
    """Return the stores that the settings mean, not opened yet; `read_only` is for looking on while others write.

    Raises:
        Misconfigured: the database's address cannot be.
    """
    return _in_postgres(settings) if is_shared(settings) else _in_files(workspace, read_only=read_only)


def hot_store_of(settings: AppSettings) -> HotStore:
    """Return the hot store that the settings mean, not opened yet."""
    if settings.hot.engine is HotEngine.MEMORY:
        return MemoryHotStore()
    from niftyflow.storage.redis_hot import RedisHotStore  # noqa: PLC0415 - an extra

    return RedisHotStore(settings.hot)


def stores_to_read(workspace: Workspace) -> StoreSet:
    """Return the stores of a workspace's settings for looking on, not opened yet.

    Raises:
        Misconfigured: the settings are wrong.
    """
    return stores_of(workspace, load(workspace.settings_file), read_only=True)


def has_market(workspace: Workspace) -> bool:
    """Whether a market store is there to be looked at: a file that was made, or a shared database."""
    return workspace.market_db.exists() or is_shared(load(workspace.settings_file))


def has_book(workspace: Workspace) -> bool:
    """Whether a book is there to be looked at: a file that was made, or a shared database."""
    return workspace.book_db.exists() or is_shared(load(workspace.settings_file))


@asynccontextmanager
async def market_of(workspace: Workspace, *, read_only: bool = False) -> AsyncIterator[MarketStore]:
    """Open the market store of a workspace's settings for the time of a `with`."""
    market = stores_of(workspace, load(workspace.settings_file), read_only=read_only).market
    async with opened([market]):
        yield market


@asynccontextmanager
async def opened(engines: Sequence[Engine]) -> AsyncIterator[None]:
    """Have engines open for the time of a `with`."""
    async with AsyncExitStack() as stack:
        for engine in engines:
            await engine.open()
            stack.push_async_callback(engine.close)
        yield


def _in_files(workspace: Workspace, *, read_only: bool) -> StoreSet:
    from niftyflow.storage.sqlite_book import SqliteBookStore  # noqa: PLC0415 - heavy
    from niftyflow.storage.sqlite_decisions import SqliteDecisionStore  # noqa: PLC0415 - heavy
    from niftyflow.storage.sqlite_keys import SqliteKeyStore  # noqa: PLC0415 - heavy
    from niftyflow.storage.sqlite_market import SqliteMarketStore  # noqa: PLC0415 - heavy

    market = SqliteMarketStore(workspace.market_db, read_only=read_only)
    book = SqliteBookStore(workspace.book_db, read_only=read_only)
    decisions, keys = SqliteDecisionStore(market.database), SqliteKeyStore(book.database)
    return StoreSet(market, decisions, book, keys, FileLeases(workspace.leases), (market, book))


def _in_postgres(settings: AppSettings) -> StoreSet:
    if find_spec("asyncpg") is None:
        raise Misconfigured("PostgreSQL needs asyncpg: pip install 'niftyflow[cluster]'")
    from niftyflow.storage.postgres_book import PostgresBookStore, book_database  # noqa: PLC0415 - an extra
    from niftyflow.storage.postgres_decisions import PostgresDecisionStore  # noqa: PLC0415 - an extra
    from niftyflow.storage.postgres_keys import PostgresKeyStore  # noqa: PLC0415 - an extra
    from niftyflow.storage.postgres_leases import PostgresLeases  # noqa: PLC0415 - an extra
    from niftyflow.storage.postgres_market import PostgresMarketStore, market_database  # noqa: PLC0415 - an extra
    from niftyflow.storage.postgres_pool import PostgresPool  # noqa: PLC0415 - an extra

    pool = PostgresPool(settings.database)
    market, book = PostgresMarketStore(market_database(pool)), PostgresBookStore(book_database(pool))
    leases = PostgresLeases(book.database)
    decisions, keys = PostgresDecisionStore(market.database), PostgresKeyStore(book.database)
    return StoreSet(market, decisions, book, keys, leases, (market, book, leases))
