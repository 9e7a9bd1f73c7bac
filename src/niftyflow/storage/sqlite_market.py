"""The market store on one SQLite file, `market.db`: candles, instruments, gaps and repairs.

Candles go in by one prepared upsert per batch, in which a row wins only with a higher revision.
It decides nothing about candles: what is right, late or missing is said by those who call it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import String, Table, bindparam, literal_column, or_, select, text
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.model import Candle, CandleBatch, FeedGap, Instrument, Interval, NameTable, Refused
from niftyflow.storage.candle_rows import (
    COLUMNS,
    FIELDS,
    Row,
    batch_of,
    columns_of,
    count_of_each,
    first_of_last,
    first_time_of,
    first_told,
    in_time_order,
    instruments_of,
    last_of_each,
    rows_of,
    span,
)
from niftyflow.storage.instrument_rows import instrument_of, row_of, valid_on
from niftyflow.storage.ports import RepairRequest
from niftyflow.storage.schema import (
    MIGRATIONS,
    REVISIONS,
    candle_bases,
    candle_revisions,
    candle_tables,
    candles_1m,
    feed_gaps,
    instruments,
    repair_requests,
)
from niftyflow.storage.sqlite_database import SqliteDatabase
from niftyflow.storage.sqlite_statements import compiled

# A statement names its instruments one by one, and rows come in pieces: neither grows with the universe or the span.
INSTRUMENTS_AT_ONCE = 500
ROWS_AT_ONCE = 20_000

_PARAMETERS: dict[str, Any] = {column: bindparam(column) for column in COLUMNS}


class SqliteMarketStore:
    """`MarketStore` on a SQLite file; `read_only` is for looking on while another process writes."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._database = SqliteDatabase(
            path, REVISIONS, migrations=MIGRATIONS, durability="NORMAL", read_only=read_only
        )
        self._upsert = {interval: _upsert(table) for interval, table in candle_tables.items()}
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
        _table(batch.interval)
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
                _table(batch.interval)
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

    async def candles(
        self, instrument: str, interval: Interval, since: int, until: int, limit: int | None = None
    ) -> CandleBatch:
        """Return stored candles with `since` <= time < `until` (ms UTC), oldest first; `limit` keeps the newest.

        Raises:
            Refused: the interval is neither 1m nor 1d.
        """
        query = span(_table(interval), limit)
        return batch_of(interval, await self._rows(query, instrument=instrument, since=since, until=until))

    async def save_bases(self, bases: CandleBatch) -> None:
        """Remember what a minute without a candle taught; saving one again (instrument and time) changes nothing.

        Raises:
            Refused: the bases are not of 1m candles.
        """
        if bases.interval is not Interval.M1:
            raise Refused(f"bases are kept for 1m candles, not for {bases.interval.value}")
        rows = rows_of(bases)
        if rows:
            await self._database.write(lambda connection: connection.exec_driver_sql(_SAVE_BASE, rows))

    async def last_candles(self, since: int, until: int) -> CandleBatch:
        """Return each instrument's last 1m candle or base with `since` <= time < `until`, as first told.

        A corrected candle comes with its revision 0. Where a base and a candle are of one minute, the base was told
        first: a late trade made the candle.
        """

        async def fetch(connection: AsyncConnection) -> list[Any]:
            span_ = {"since": since, "until": until}
            return [(await connection.execute(query, span_)).all() for query in _LAST]

        candles, corrected, bases = await self._database.read(fetch)
        last = {row.instrument: row for row in (*candles, *corrected)}
        for base in bases:
            if base.instrument not in last or base.time >= last[base.instrument].time:
                last[base.instrument] = base
        return batch_of(Interval.M1, [last[instrument] for instrument in sorted(last)])

    async def first_told(self, since: int, until: int, instruments: Sequence[str] | None = None) -> CandleBatch:
        """Return 1m candles with `since` <= time < `until` (ms UTC) as first told, by time and then by instrument."""

        async def fetch(connection: AsyncConnection) -> list[CandleBatch]:
            if instruments is None:
                wanted = [key for (key,) in await connection.execute(instruments_of(candles_1m))]
            else:
                wanted = sorted(set(instruments))
            names, parts = NameTable(), []
            for start in range(0, len(wanted), INSTRUMENTS_AT_ONCE):
                some = {"instruments": wanted[start : start + INSTRUMENTS_AT_ONCE], "since": since, "until": until}
                async with connection.stream(_FIRST_TOLD, some) as rows:
                    parts += [batch_of(Interval.M1, part, names) async for part in rows.partitions(ROWS_AT_ONCE)]
            return parts

        return in_time_order(await self._database.read(fetch))

    async def first_time(self, instruments: Sequence[str]) -> Mapping[str, int]:
        """Return the start (ms UTC) of each instrument's first stored 1m candle; those without one are left out."""

        async def fetch(connection: AsyncConnection) -> dict[str, int | None]:
            return {
                instrument: (await connection.execute(_FIRST_TIME, {"instrument": instrument})).scalar()
                for instrument in dict.fromkeys(instruments)
            }

        found = await self._database.read(fetch)
        return {instrument: time for instrument, time in found.items() if time is not None}

    async def first_revision(self, instrument: str, interval: Interval, time: int) -> Candle | None:
        """Return revision 0 of a candle that was corrected later, or None."""
        _table(interval)
        query = select(*columns_of(candle_revisions)).where(
            candle_revisions.c.interval == interval.value,
            candle_revisions.c.instrument == instrument,
            candle_revisions.c.time == time,
        )
        rows = await self._rows(query)
        return batch_of(interval, rows).to_records()[0] if rows else None

    async def count_candles(self, interval: Interval, since: int, until: int) -> Mapping[str, int]:
        """Return the number of stored candles of each instrument that has any in the span."""
        return dict(await self._rows(count_of_each(_table(interval)), since=since, until=until))

    async def incomplete_minutes(self, instrument: str, since: int, until: int) -> list[int]:
        """Return start times (ms UTC) of the stored 1m candles that are marked incomplete, oldest first."""
        table = _table(Interval.M1)
        query = (
            select(table.c.time)
            .where(table.c.instrument == instrument, table.c.time >= since, table.c.time < until, table.c.incomplete)
            .order_by(table.c.time)
        )
        return [time for (time,) in await self._rows(query)]

    async def save_instruments(self, instruments: Sequence[Instrument]) -> int:
        """Upsert by (key, valid_from); return how many were new or different.

        Raises:
            InvalidValue: a tick size or strike has more than four decimals; nothing was changed.
        """
        rows = [row_of(instrument) for instrument in instruments]
        return await self._insert(_SAVE_INSTRUMENT, rows)

    async def instruments(self, on: date) -> list[Instrument]:
        """Return the instruments valid on a day (`valid_to` is an instrument's last day), by key."""
        return [instrument_of(row._mapping) for row in await self._rows(valid_on(on))]  # noqa: SLF001 -- its public name

    async def add_gaps(self, gaps: Sequence[FeedGap]) -> None:
        """Record spans in which a feed was not observed; recording one again changes nothing."""
        rows = [{"source": g.source, "since": g.since, "until": g.until, "reason": g.reason} for g in gaps]
        await self._insert(insert(feed_gaps).on_conflict_do_nothing(), rows)

    async def gaps(self, since: int, until: int) -> list[FeedGap]:
        """Return the gaps that touch the span (ms UTC, ends exclusive), oldest first."""
        query = (
            select(feed_gaps)
            .where(feed_gaps.c.since < until, feed_gaps.c.until > since)
            .order_by(feed_gaps.c.since, feed_gaps.c.until, feed_gaps.c.source)
        )
        return [
            FeedGap(source=source, since=start, until=end, reason=reason)
            for source, start, end, reason in await self._rows(query)
        ]

    async def request_repairs(self, repairs: Sequence[RepairRequest]) -> None:
        """Queue minutes for repair; queueing one again changes nothing."""
        rows = [{"instrument": r.instrument, "time": r.time, "reason": r.reason} for r in repairs]
        await self._insert(insert(repair_requests).on_conflict_do_nothing(), rows)

    async def repairs(self) -> list[RepairRequest]:
        """Return the queued minutes, oldest first."""
        query = select(repair_requests).order_by(repair_requests.c.time, repair_requests.c.instrument)
        return [
            RepairRequest(instrument=instrument, time=time, reason=reason)
            for instrument, time, reason in await self._rows(query)
        ]

    async def _rows(self, query: Any, **parameters: Any) -> Sequence[Any]:
        async def fetch(connection: AsyncConnection) -> Sequence[Any]:
            return (await connection.execute(query, parameters)).all()

        return await self._database.read(fetch)

    async def _insert(self, statement: Any, rows: list[dict[str, Any]]) -> int:
        async def store(connection: AsyncConnection) -> int:
            return (await connection.execute(statement, rows)).rowcount

        return await self._database.write(store) if rows else 0


def _table(interval: Interval) -> Table:
    table = candle_tables.get(interval)
    if table is None:
        raise Refused(f"{interval.value} candles are not stored: only {' and '.join(candle_tables)} are")
    return table


def _upsert(table: Table) -> str:
    """Return the upsert as text: compiled once, it takes rows as plain tuples at the driver's speed."""
    statement = insert(table).values(_PARAMETERS)
    return compiled(
        statement.on_conflict_do_update(
            index_elements=["instrument", "time"],
            set_={field: statement.excluded[field] for field in FIELDS if field != "time"},
            where=statement.excluded.revision > table.c.revision,
        ),
        COLUMNS,
    )


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


def _save_instrument() -> Any:
    statement = insert(instruments)
    facts = [column.name for column in instruments.c if not column.primary_key]
    return statement.on_conflict_do_update(
        index_elements=["instrument", "valid_from"],
        set_={fact: statement.excluded[fact] for fact in facts},
        where=or_(*(instruments.c[fact].is_distinct_from(statement.excluded[fact]) for fact in facts)),
    ).execution_options(preserve_rowcount=True)


_SAVE_INSTRUMENT = _save_instrument()
_SAVE_BASE = compiled(insert(candle_bases).values(_PARAMETERS).on_conflict_do_nothing(), COLUMNS)
_LAST = (last_of_each(candles_1m), first_of_last(candles_1m), last_of_each(candle_bases))
_FIRST_TOLD = first_told(candles_1m)
_FIRST_TIME = first_time_of(candles_1m)
