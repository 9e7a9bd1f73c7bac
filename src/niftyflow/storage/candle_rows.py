"""Candle batches as rows of a table and back, and the portable statements that read them.

The order of the columns is the schema's: `instrument` first, then as in `CandleBatch.COLUMNS`. It runs no statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import (
    CTE,
    Column,
    ColumnElement,
    CompoundSelect,
    ScalarSelect,
    Select,
    Table,
    and_,
    bindparam,
    func,
    null,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.types import NullType

from niftyflow.model import CandleBatch, Interval, InvalidValue, Name, NameTable
from niftyflow.storage.schema import candle_revisions

FIELDS = tuple(field for field in CandleBatch.COLUMNS if field != "name")
COLUMNS = ("instrument", *FIELDS)

Row = tuple[Any, ...]


def rows_of(batch: CandleBatch) -> list[Row]:
    """Return a batch as rows in the order of `COLUMNS`.

    Raises:
        InvalidValue: a price is not a finite number; databases have no such value.
    """
    return list(zip(*values_of(batch), strict=True))


def values_of(batch: CandleBatch) -> list[list[Any]]:
    """Return a batch as plain values, one list for each of `COLUMNS`.

    Raises:
        InvalidValue: as `rows_of`.
    """
    finite(batch)
    return [batch.keys(), *(getattr(batch, field).tolist() for field in FIELDS)]


def finite(batch: CandleBatch) -> CandleBatch:
    """Return a batch whose prices are numbers.

    Raises:
        InvalidValue: as `rows_of`.
    """
    for field in ("open", "high", "low", "close", "vwap"):
        prices = getattr(batch, field)
        are_numbers = np.isfinite(prices)
        if not are_numbers.all():
            raise InvalidValue(field, float(prices[~are_numbers][0]), "a price is a finite number above zero")
    return batch


def batch_of(interval: Interval, rows: Sequence[Sequence[Any]], names: NameTable | None = None) -> CandleBatch:
    """Return rows in the order of `COLUMNS` as a batch; their instruments are added to `names`."""
    names = NameTable() if names is None else names
    if not rows:
        return CandleBatch(names, interval, name=[], **{field: [] for field in FIELDS})
    instruments, *values = zip(*rows, strict=True)
    index = {key: names.intern(Name(key)) for key in dict.fromkeys(instruments)}
    return CandleBatch(
        names, interval, name=[index[key] for key in instruments], **dict(zip(FIELDS, values, strict=True))
    )


def in_time_order(parts: Sequence[CandleBatch]) -> CandleBatch:
    """Return batches of 1m candles with one name table as one batch, by time and then by instrument."""
    if not parts:
        return batch_of(Interval.M1, [])
    batch = CandleBatch.concat(parts)
    rank = np.argsort(np.argsort(np.array([name.key for name in batch.names.names])))
    return batch.take(np.lexsort((rank[batch.name], batch.time)))


def columns_of(table: Table) -> list[Column[Any]]:
    """Return a table's columns in the order of `COLUMNS`."""
    return [table.c[column] for column in COLUMNS]


def span(table: Table, limit: int | ColumnElement[int] | None) -> Select[Any]:
    """Return the query of one instrument's candles from `:since` to before `:until`, oldest first."""
    chosen = select(*columns_of(table)).where(
        table.c.instrument == bindparam("instrument"),
        table.c.time >= bindparam("since"),
        table.c.time < bindparam("until"),
    )
    if limit is None:
        return chosen.order_by(table.c.time)
    newest = chosen.order_by(table.c.time.desc()).limit(limit).subquery()
    return select(newest).order_by(newest.c.time)


def last_of_each(table: Table) -> Select[Any]:
    """Return the query of each instrument's last row from `:since` to before `:until`.

    Two steps into the primary key for each instrument there is: the cost does not grow with the span or the history.
    """
    names = _instruments_of(table)
    on_last = and_(table.c.instrument == names.c.instrument, table.c.time == _last_time(table, names))
    return select(*columns_of(table)).select_from(names.join(table, on_last))


def first_of_last(table: Table) -> Select[Any]:
    """Return the query of revision 0 of those rows of `last_of_each` that were corrected."""
    names = _instruments_of(table)
    kept = candle_revisions
    on_last = and_(
        kept.c.interval == Interval.M1.value,
        kept.c.instrument == names.c.instrument,
        kept.c.time == _last_time(table, names),
    )
    return select(*columns_of(kept)).select_from(names.join(kept, on_last))


def first_told(table: Table) -> CompoundSelect[Any]:
    """Return the query of revision 0 of the candles of `:instruments` from `:since` to before `:until`.

    Where the stored candle is a correction its revision 0 was put aside; one that began as a correction has none.
    """

    # Untyped, rows come as the driver has them: making each flag a bool would cost a fifth of a long span's time.
    def wanted(source: Table) -> Select[Any]:
        columns: list[ColumnElement[Any]] = [type_coerce(column, NullType()) for column in columns_of(source)]
        return select(*columns).where(
            source.c.instrument.in_(bindparam("instruments", expanding=True)),
            source.c.time >= bindparam("since"),
            source.c.time < bindparam("until"),
        )

    kept = wanted(candle_revisions).where(candle_revisions.c.interval == Interval.M1.value)
    return union_all(wanted(table).where(table.c.revision == 0), kept)


def instruments_of(table: Table) -> Select[Any]:
    """Return the query of the instruments that have a candle, by key."""
    names = _instruments_of(table)
    return select(names.c.instrument).where(names.c.instrument.is_not(null())).order_by(names.c.instrument)


def first_time_of(table: Table) -> Select[Any]:
    """Return the query of the start of `:instrument`'s first candle: one step into the key."""
    return select(func.min(table.c.time)).where(table.c.instrument == bindparam("instrument"))


def count_of_each(table: Table) -> Select[Any]:
    """Return the query of (instrument, number of candles) from `:since` to before `:until`, zeros left out."""
    names = _instruments_of(table)
    counted = (
        select(func.count())
        .select_from(table)
        .where(
            table.c.instrument == names.c.instrument,
            table.c.time >= bindparam("since"),
            table.c.time < bindparam("until"),
        )
        .scalar_subquery()
    )
    found = select(names.c.instrument, counted.label("candles")).where(names.c.instrument.is_not(null())).subquery()
    return select(found).where(found.c.candles > 0)


def _last_time(table: Table, names: CTE) -> ScalarSelect[Any]:
    """Return the time of the last row told when its minute closed; a late trade alone may have brought later ones."""
    inner = table.alias("within_span")
    # Not EXISTS: for that PostgreSQL may read all corrections there are, once, where this looks one up by its key.
    kept = (
        select(candle_revisions.c.revision)
        .where(
            candle_revisions.c.interval == Interval.M1.value,
            candle_revisions.c.instrument == inner.c.instrument,
            candle_revisions.c.time == inner.c.time,
        )
        .scalar_subquery()
    )
    return (
        select(inner.c.time)
        .where(
            inner.c.instrument == names.c.instrument,
            inner.c.time >= bindparam("since"),
            inner.c.time < bindparam("until"),
            or_(inner.c.revision <= 0, kept.is_not(null())),
        )
        .order_by(inner.c.time.desc())
        .limit(1)
        .scalar_subquery()
    )


def _instruments_of(table: Table) -> CTE:
    """Return the instruments of a table by one step into its key each; no engine skips through an index by itself."""
    names = select(func.min(table.c.instrument).label("instrument")).cte("names", recursive=True)
    following = table.alias("following")
    after = (
        select(func.min(following.c.instrument)).where(following.c.instrument > names.c.instrument).scalar_subquery()
    )
    return names.union_all(select(after).where(names.c.instrument.is_not(null())))
