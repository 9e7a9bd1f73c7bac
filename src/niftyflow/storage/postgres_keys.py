"""The key store in the book's PostgreSQL database. What it does is the same on every engine: see `database_keys`.

Two processes may add a key at once; a name is free or not only when one of them waits for the other.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.storage.book_schema import api_keys
from niftyflow.storage.database_keys import DatabaseKeyStore
from niftyflow.storage.postgres_database import PostgresDatabase


class PostgresKeyStore(DatabaseKeyStore):
    """`KeyStore` in the tables of a `PostgresBookStore`, through that store's connections."""

    def __init__(self, database: PostgresDatabase) -> None:
        super().__init__(database)

    async def _add_alone(self, connection: AsyncConnection) -> None:
        """Wait for whoever adds or revokes a key now; readers go on."""
        await connection.execute(text(f"LOCK TABLE {api_keys.name} IN SHARE ROW EXCLUSIVE MODE"))
