"""The market store over SQL, but for how rows are stored: every question, and the form of what is kept.

Engines add how they keep candles and rows. It decides nothing about candles, and knows no dialect.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import Any, Protocol, TypeVar

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.model import Candle, CandleBatch, FeedGap, Instrument, Interval, NameTable, Refused
from niftyflow.storage.candle_rows import (
    batch_of,
    columns_of,
    count_of_each,
    first_of_last,
    first_time_of,
    first_told,
    in_time_order,
    instruments_of,
    last_of_each,
    span,
)
from niftyflow.storage.instrument_rows import instrument_of, row_of, valid_on
from niftyflow.storage.ports import RepairRequest
from niftyflow.storage.schema import (
    candle_bases,
    candle_revisions,
    candle_tables,
    candles_1m,
    feed_gaps,
    repair_requests,
)
from niftyflow.storage.schema import instruments as instrument_table

# A statement names its instruments one by one, and rows come in pieces: neither grows with the universe or the span.
INSTRUMENTS_AT_ONCE = 500
ROWS_AT_ONCE = 20_000

T = TypeVar("T")


class Database(Protocol):
    """What both engines' databases give: one state to read."""

    async def read(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `work` in a transaction that changes nothing."""
        ...


class SqlMarketReading(ABC):
    """The part of `MarketStore` that is the same on every engine of SQL."""

    def __init__(self, database: Database) -> None:
        self._reading = database

    @abstractmethod
    async def _save(self, table: Table, rows: list[dict[str, Any]]) -> int:
        """Store rows by the rule of their table, all or none; return how many were new or changed."""

    async def candles(
        self, instrument: str, interval: Interval, since: int, until: int, limit: int | None = None
    ) -> CandleBatch:
        """Return stored candles with `since` <= time < `until` (ms UTC), oldest first; `limit` keeps the newest.

        Raises:
            Refused: the interval is neither 1m nor 1d.
        """
        query = span(candle_table(interval), limit)
        return batch_of(interval, await self._rows(query, instrument=instrument, since=since, until=until))

    async def last_candles(self, since: int, until: int) -> CandleBatch:
        """Return each instrument's last 1m candle or base with `since` <= time < `until`, as first told.

        A corrected candle comes with its revision 0. Where a base and a candle are of one minute, the base was told
        first: a late trade made the candle.
        """

        async def fetch(connection: AsyncConnection) -> list[Any]:
            span_ = {"since": since, "until": until}
            return [(await connection.execute(query, span_)).all() for query in _LAST]

        candles, corrected, bases = await self._reading.read(fetch)
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

        return in_time_order(await self._reading.read(fetch))

    async def first_time(self, instruments: Sequence[str]) -> Mapping[str, int]:
        """Return the start (ms UTC) of each instrument's first stored 1m candle; those without one are left out."""

        async def fetch(connection: AsyncConnection) -> dict[str, int | None]:
            return {
                instrument: (await connection.execute(_FIRST_TIME, {"instrument": instrument})).scalar()
                for instrument in dict.fromkeys(instruments)
            }

        found = await self._reading.read(fetch)
        return {instrument: time for instrument, time in found.items() if time is not None}

    async def first_revision(self, instrument: str, interval: Interval, time: int) -> Candle | None:
        """Return revision 0 of a candle that was corrected later, or None."""
        candle_table(interval)
        query = select(*columns_of(candle_revisions)).where(
            candle_revisions.c.interval == interval.value,
            candle_revisions.c.instrument == instrument,
            candle_revisions.c.time == time,
        )
        rows = await self._rows(query)
        return batch_of(interval, rows).to_records()[0] if rows else None

    async def count_candles(self, interval: Interval, since: int, until: int) -> Mapping[str, int]:
        """Return the number of stored candles of each instrument that has any in the span."""
        return dict(await self._rows(count_of_each(candle_table(interval)), since=since, until=until))

    async def incomplete_minutes(self, instrument: str, since: int, until: int) -> list[int]:
        """Return start times (ms UTC) of the stored 1m candles that are marked incomplete, oldest first."""
        table = candles_1m
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
        return await self._save(instrument_table, [row_of(instrument) for instrument in instruments])

    async def instruments(self, on: date) -> list[Instrument]:
        """Return the instruments valid on a day (`valid_to` is an instrument's last day), by key."""
        return [instrument_of(row._mapping) for row in await self._rows(valid_on(on))]  # noqa: SLF001 -- its public name

    async def add_gaps(self, gaps: Sequence[FeedGap]) -> None:
        """Record spans in which a feed was not observed; recording one again changes nothing."""
        rows = [{"source": g.source, "since": g.since, "until": g.until, "reason": g.reason} for g in gaps]
        await self._save(feed_gaps, rows)

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
        await self._save(repair_requests, rows)

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

        return await self._reading.read(fetch)


def candle_table(interval: Interval) -> Table:
    """Return the table of an interval's candles.

    Raises:
        Refused: they are built, not stored.
    """
    table = candle_tables.get(interval)
    if table is None:
        raise Refused(f"{interval.value} candles are not stored: only {' and '.join(candle_tables)} are")
    return table


def bases_checked(bases: CandleBatch) -> CandleBatch:
    """Return bases that may be stored.

    Raises:
        Refused: they are not of 1m candles.
    """
    if bases.interval is not Interval.M1:
        raise Refused(f"bases are kept for 1m candles, not for {bases.interval.value}")
    return bases


_LAST = (last_of_each(candles_1m), first_of_last(candles_1m), last_of_each(candle_bases))
_FIRST_TOLD = first_told(candles_1m)
_FIRST_TIME = first_time_of(candles_1m)
