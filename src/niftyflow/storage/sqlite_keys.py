"""The key store in the book's SQLite file. What it does is the same on every engine: see `database_keys`.

SQLite has one writer at a time, so two keys are never added at once.
"""

from __future__ import annotations

from niftyflow.storage.database_keys import DatabaseKeyStore
from niftyflow.storage.sqlite_database import SqliteDatabase


class SqliteKeyStore(DatabaseKeyStore):
    """`KeyStore` in the file of a `SqliteBookStore`, through that store's connections."""

    def __init__(self, database: SqliteDatabase) -> None:
        super().__init__(database)
