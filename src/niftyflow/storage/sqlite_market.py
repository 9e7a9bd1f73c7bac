"""The market store on one SQLite file, `market.db`: candles, instruments, gaps and repairs.

Candles go in by one prepared upsert per batch, in which a row wins only with a higher revision.
It decides nothing about candles: what is right, late or missing is said by those who call it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import String, Table, bindparam, literal_column, select, text
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.model import CandleBatch, Interval
from niftyflow.storage.candle_rows import COLUMNS, Row, columns_of, rows_of
from niftyflow.storage.market_reading import SqlMarketReading, bases_checked, candle_table
from niftyflow.storage.schema import MIGRATIONS, REVISIONS, candle_bases, candle_revisions, candle_tables
from niftyflow.storage.sqlite_database import SqliteDatabase
from niftyflow.storage.sqlite_statements import compiled, insert_row
from niftyflow.storage.upserts import by_rule


class SqliteMarketStore(SqlMarketReading):
    """`MarketStore` on a SQLite file; `read_only` is for looking on while another process writes."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._database = SqliteDatabase(
            path, REVISIONS, migrations=MIGRATIONS, durability="NORMAL", read_only=read_only
        )
        super().__init__(self._database)
        self._upsert = {
            interval: compiled(by_rule(insert_row(table), table), COLUMNS) for interval, table in candle_tables.items()
        }
        self._keep = {interval: _keep_first(table) for interval, table in candle_tables.items()}

    @property
    def database(self) -> SqliteDatabase:
        """The file, for the stores that share it."""
        return self._database

    async def open(self) -> None:
        """Connect, and unless read-only create the file and bring its schema up to date.

        Raises:
            Misconfigured: the folder is read-only, the disk full, the file missing (read-only), foreign, damaged or
                newer than this program; the message says what to do.
            Unavailable: another process keeps the file locked.
        """
        await self._database.open()

    async def close(self) -> None:
        """Wait for the write under way, then disconnect."""
        await self._database.close()

    async def ping(self) -> None:
        """Return when the store answers.

        Raises:
            Unavailable: it does not.
        """
        await self._database.read(lambda connection: connection.execute(text("SELECT 1 FROM alembic_version")))

    async def upsert_candles(self, batch: CandleBatch) -> int:
        """Store 1m or 1d candles whole or not at all; a row wins only with a higher revision. Return rows that won.

        Raises:
            Unavailable: the database is away, locked or full; nothing was stored.
            Refused: the interval is neither 1m nor 1d, or a price is not finite.
        """
        candle_table(batch.interval)
        corrects = batch.revision > 0
        first, corrected = rows_of(batch.take(~corrects)), rows_of(batch.take(corrects))
        if not (first or corrected):
            return 0
        return await self._database.write(lambda connection: self._store(connection, batch.interval, first, corrected))

    async def upsert_all(self, batches: Iterable[CandleBatch]) -> int:
        """Store several batches in one transaction, taking one at a time; return rows that won.

        Raises:
            Unavailable: the database is away, locked or full; nothing was stored.
            Refused: an interval is neither 1m nor 1d, or a price is not finite; nothing was stored.
        """

        async def store(connection: AsyncConnection) -> int:
            won = 0
            for batch in batches:
                candle_table(batch.interval)
                corrects = batch.revision > 0
                first, corrected = rows_of(batch.take(~corrects)), rows_of(batch.take(corrects))
                won += await self._store(connection, batch.interval, first, corrected)
            return won

        return await self._database.write(store)

    async def _store(
        self, connection: AsyncConnection, interval: Interval, first: list[Row], corrected: list[Row]
    ) -> int:
        """Upsert revisions 0, then put aside those that are corrected, then upsert the corrections."""
        won = 0
        if first:
            won += (await connection.exec_driver_sql(self._upsert[interval], first)).rowcount
        if corrected:
            keys = list(dict.fromkeys((interval.value, *row[:2]) for row in corrected))
            await connection.exec_driver_sql(self._keep[interval], keys)
            won += (await connection.exec_driver_sql(self._upsert[interval], corrected)).rowcount
        return won

    async def save_bases(self, bases: CandleBatch) -> None:
        """Remember what a minute without a candle taught; saving one again (instrument and time) changes nothing.

        Raises:
            Refused: the bases are not of 1m candles.
        """
        rows = rows_of(bases_checked(bases))
        if rows:
            await self._database.write(lambda connection: connection.exec_driver_sql(_SAVE_BASE, rows))

    async def _save(self, table: Table, rows: list[dict[str, Any]]) -> int:
        statement = by_rule(insert(table), table).execution_options(preserve_rowcount=True)

        async def store(connection: AsyncConnection) -> int:
            return (await connection.execute(statement, rows)).rowcount

        return await self._database.write(store) if rows else 0


def _keep_first(table: Table) -> str:
    """Return the statement that puts a stored revision 0 aside; it takes (interval, instrument, time)."""
    stored = select(bindparam("interval", type_=String), *columns_of(table)).where(
        table.c.instrument == bindparam("instrument"),
        table.c.time == bindparam("time"),
        table.c.revision == literal_column("0"),
    )
    return compiled(
        insert(candle_revisions).from_select(["interval", *COLUMNS], stored).on_conflict_do_nothing(),
        ("interval", "instrument", "time"),
    )


_SAVE_BASE = compiled(by_rule(insert_row(candle_bases), candle_bases), COLUMNS)
