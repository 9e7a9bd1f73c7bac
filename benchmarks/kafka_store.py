"""The market store of the Kafka benchmark: a SQLite file, or a PostgreSQL server started for it.

A place is a path or a postgresql:// address, so that it can be handed to another process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from niftyflow.storage.ports import MarketStore
from niftyflow.storage.sqlite_market import SqliteMarketStore

STORES = ("sqlite", "postgres")
DATABASE = "niftyflow"


@contextmanager
def place_of(kind: str, folder: Path) -> Iterator[str]:
    """Return where a new store of a kind is; a server of ours ends with it."""
    if kind == "sqlite":
        yield str(folder / "market.db")
        return
    from tests.support.postgres_server import PostgresServer, programs

    if not programs():
        raise RuntimeError("no PostgreSQL on this machine: apt-get install postgresql")
    server = PostgresServer.create("shared_buffers=256MB")
    try:
        server.start()
        server.execute(f"CREATE DATABASE {DATABASE}")
        yield server.url(DATABASE)
    finally:
        server.remove()


def store_at(place: str) -> MarketStore:
    """Return the store at a place, not opened yet; whoever opens one in PostgreSQL brings its tables up to date."""
    if "://" not in place:
        return SqliteMarketStore(Path(place))
    from pydantic import SecretStr

    from niftyflow.storage.postgres_market import PostgresMarketStore, market_database
    from niftyflow.storage.postgres_pool import PostgresPool
    from niftyflow.storage.settings import PostgresSettings

    pool = PostgresPool(PostgresSettings(url=SecretStr(place), slow_statement_seconds=60))
    return PostgresMarketStore(market_database(pool, upgrade=True))
