"""The market store on PostgreSQL: candles, instruments, gaps and repairs.

Candles go in by one statement per batch, in which a row wins only with a higher revision; the tables themselves put
revision 0 aside when it is corrected. It decides nothing about candles: those who call it do.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import asyncpg
from sqlalchemy import Integer, Table, bindparam

from niftyflow.model import CandleBatch, Interval
from niftyflow.storage.candle_copy import INCOMING, Ordered, any_there, copied, incoming_table, ordered, taking_on
from niftyflow.storage.candle_rows import COLUMNS, batch_of, finite, rows_of, span, values_of
from niftyflow.storage.market_reading import SqlMarketReading, bases_checked, candle_table
from niftyflow.storage.postgres_database import PostgresDatabase
from niftyflow.storage.postgres_pool import PostgresPool
from niftyflow.storage.postgres_saving import save_rows, saving
from niftyflow.storage.postgres_statements import arrays_of, asking, each_key_once, written
from niftyflow.storage.schema import MIGRATIONS, POSTGRES_VERSION_TABLE, REVISIONS, candle_bases

COPIED_FROM_ROWS = 1000
"""Batches of fewer rows are stored sooner as arrays: COPY needs a table of its own on the way."""
_REVISION = COLUMNS.index("revision")


def market_database(pool: PostgresPool, *, upgrade: bool = False) -> PostgresDatabase:
    """Return the market's tables in a pool's database; `upgrade` brings them up to date at opening."""
    return PostgresDatabase(
        pool, REVISIONS, migrations=MIGRATIONS, version_table=POSTGRES_VERSION_TABLE, upgrade=upgrade
    )


class PostgresMarketStore(SqlMarketReading):
    """`MarketStore` in a PostgreSQL database, which it opens and closes."""

    def __init__(self, database: PostgresDatabase, *, copied_from_rows: int = COPIED_FROM_ROWS) -> None:
        super().__init__(database)
        self._database = database
        self._copied_from_rows = copied_from_rows

    @property
    def database(self) -> PostgresDatabase:
        """The database, for the stores that share it."""
        return self._database

    async def open(self) -> None:
        """Connect, and check the tables' revision.

        Raises:
            Misconfigured: the server refuses us, or the tables are behind or ahead; the message says what to do.
            Unavailable: the server is away.
        """
        await self._database.open()

    async def close(self) -> None:
        """Wait for what is under way, then disconnect."""
        await self._database.close()

    async def ping(self) -> None:
        """Return when the store answers.

        Raises:
            Unavailable: it does not.
        """
        await self._database.ping()

    async def candles(
        self, instrument: str, interval: Interval, since: int, until: int, limit: int | None = None
    ) -> CandleBatch:
        """Return stored candles as `SqlMarketReading` does, in one round trip: it is what screens ask most.

        Raises:
            Refused: the interval is neither 1m nor 1d.
            Unavailable: the database is away.
        """
        question, names = _span(candle_table(interval), limit is not None)
        given = {"instrument": instrument, "since": since, "until": until, "limit": limit}
        return batch_of(interval, await self._database.ask(question, *(given[name] for name in names)))

    async def upsert_candles(self, batch: CandleBatch) -> int:
        """Store 1m or 1d candles whole or not at all; a row wins only with a higher revision. Return rows that won.

        Raises:
            Unavailable: the database is away or full; nothing was stored.
            Refused: the interval is neither 1m nor 1d, or a price is not finite.
        """
        statement, groups = saving(candle_table(batch.interval)), _each_candle_once(batch)
        if len(groups) == 1:
            return await self._database.execute(statement, *groups[0])
        if not groups:
            return 0
        return await self._database.write_at_once(lambda connection: _stored(connection, statement, groups))

    async def upsert_all(self, batches: Iterable[CandleBatch]) -> int:
        """Store several batches in one transaction, taking one at a time; return rows that won.

        Raises:
            Unavailable: the database is away or full; nothing was stored.
            Refused: an interval is neither 1m nor 1d, or a price is not finite; nothing was stored.
        """

        async def store(connection: asyncpg.Connection) -> int:
            won, incoming = 0, False
            for batch in batches:
                table = candle_table(batch.interval)
                candles = ordered(finite(batch))
                if len(batch) < self._copied_from_rows or not len(batch) or candles.has_repeats():
                    won += await _stored(connection, saving(table), _each_candle_once(batch))
                elif await _copied_as_new(connection, table, candles):
                    won += len(batch)
                else:
                    await connection.execute(f"TRUNCATE {INCOMING}" if incoming else incoming_table(table))
                    incoming = True
                    await connection.copy_to_table(INCOMING, source=copied(candles), format="binary")
                    won += written(await connection.execute(taking_on(table)))
            return won

        return await self._database.write_at_once(store)

    async def save_bases(self, bases: CandleBatch) -> None:
        """Remember what a minute without a candle taught; saving one again (instrument and time) changes nothing.

        Raises:
            Refused: the bases are not of 1m candles.
        """
        if len(bases_checked(bases)):
            await self._database.execute(saving(candle_bases), *values_of(bases))

    async def _save(self, table: Table, rows: list[dict[str, Any]]) -> int:
        names = table.c.keys()
        return await save_rows(self._database, table, [tuple(row[name] for name in names) for row in rows])


@cache
def _span(table: Table, is_limited: bool) -> tuple[str, tuple[str, ...]]:  # noqa: FBT001 -- of the cache's key
    return asking(span(table, bindparam("limit", type_=Integer) if is_limited else None))


async def _stored(connection: asyncpg.Connection, statement: str, groups: list[list[Any]]) -> int:
    """Store groups one after the other; return how many rows won."""
    return sum([written(await connection.execute(statement, *group)) for group in groups])


async def _copied_as_new(connection: asyncpg.Connection, table: Table, candles: Ordered) -> bool:
    """Copy candles straight into their table and return True, or change nothing where one of them may be there."""
    if await connection.fetchval(any_there(table), candles.instruments, *candles.span):
        return False
    try:
        async with connection.transaction():  # a part of the whole one, to be undone by itself
            await connection.copy_to_table(table.name, source=copied(candles), columns=COLUMNS, format="binary")
    except asyncpg.UniqueViolationError:  # another writer was there meanwhile
        return False
    return True


def _each_candle_once(batch: CandleBatch) -> list[list[Any]]:
    """Return a batch as columns, in as few parts as have every candle once: first revisions before corrections."""
    values = values_of(batch)
    if len(set(zip(values[0], values[1], strict=True))) == len(batch):
        return [values] if len(batch) else []
    rows = sorted(rows_of(batch), key=lambda row: bool(row[_REVISION] > 0))
    return [arrays_of(group) for group in each_key_once(rows, slice(2))]
