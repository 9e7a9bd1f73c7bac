"""Rows stored in PostgreSQL by the rule of their table: one statement for all of them, which tells how many won.

It decides nothing: the rules are in `upserts`. Where a key occurs twice among the rows there is one statement for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import asyncpg
from sqlalchemy import Table

from niftyflow.storage.postgres_database import PostgresDatabase
from niftyflow.storage.postgres_statements import Row, arrays_of, compiled, each_key_once, unnested_insert, written
from niftyflow.storage.upserts import by_rule


@cache
def saving(table: Table) -> str:
    """Return the statement that stores rows given as arrays, in the order of the table's columns."""
    return compiled(by_rule(unnested_insert(table), table))


async def save_rows(database: PostgresDatabase, table: Table, rows: Sequence[Row]) -> int:
    """Store rows, in the order of the table's columns, all or none; return how many were new or changed.

    Raises:
        Unavailable: the database is away or full; nothing was stored.
    """
    groups = each_key_once(rows, slice(len(table.primary_key.columns)))  # every table has its key first
    if len(groups) == 1:
        return await database.execute(saving(table), *arrays_of(groups[0]))
    if not groups:
        return 0

    async def store(connection: asyncpg.Connection) -> int:
        return sum([written(await connection.execute(saving(table), *arrays_of(group))) for group in groups])

    return await database.write_at_once(store)
