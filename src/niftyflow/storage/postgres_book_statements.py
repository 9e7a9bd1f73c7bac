"""A commit's statements as PostgreSQL takes them: one for all rows of a table, each column an array (`unnest`).

It runs no statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    ClauseElement,
    Column,
    ColumnElement,
    Integer,
    LargeBinary,
    Table,
    Text,
    bindparam,
    column,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, asyncpg, insert
from sqlalchemy.types import TypeEngine

from niftyflow.storage.book_schema import accounts, order_events_by_month, trades_by_month
from niftyflow.storage.book_statements import BookStatements, Insert, Rows, taking_over
from niftyflow.storage.postgres_statements import Row, arrays_of, each_key_once

HALF_WAY_SECONDS = 5
"""How long a process that stands still in the middle of a transaction may keep a row from the next owner."""

_PLAIN: tuple[type[TypeEngine[Any]], ...] = (Boolean, BigInteger, Integer, LargeBinary)


class Write(NamedTuple):
    """One statement of a commit with its rows: for each run of it, the values of each parameter."""

    name: str
    text: str
    runs: list[list[Row]]
    counts: list[int]


class Statement:
    """A statement that writes rows, taking each row's values by name; rows of one `key` are of different runs."""

    def __init__(self, statement: Insert, key: Sequence[str]) -> None:
        self.text, self._order = _compiled(statement)
        self._take = itemgetter(*self._order)
        self._key = slice(len(key))
        if self._order[self._key] != tuple(key):
            raise AssertionError(f"rows are told apart by {key}, and begin with {self._order}")

    def write(self, name: str, rows: Rows) -> Write:
        """Return the statement with these rows."""
        taken = [self._take(row) for row in rows]
        runs = each_key_once(taken, self._key) if self._key.stop else [taken]
        return Write(name, self.text, [arrays_of(run) for run in runs], [len(run) for run in runs])


class _ManyRows:
    """Rows by arrays, one named like each column, in the order given."""

    def __init__(self, table: Table, columns: Sequence[Column[Any]]) -> None:
        self._table = table
        arrays = (bindparam(each.name, type_=ARRAY(_plain(each))) for each in columns)
        named = (column(each.name, _plain(each)) for each in columns)
        self._rows = func.unnest(*arrays).table_valued(*named, with_ordinality="place").render_derived(name="given")

    def value(self, column: Column[Any]) -> ColumnElement[Any]:
        return self._rows.c[column.name]

    def insert(self, values: Mapping[str, ColumnElement[Any]], *where: ColumnElement[bool]) -> Insert:
        rows = select(*values.values()).where(*where).order_by(self._rows.c.place)
        return insert(self._table).from_select(list(values), rows)


class _Engine:
    events, fills = order_events_by_month, trades_by_month

    def source(self, table: Table, columns: Sequence[Column[Any]]) -> _ManyRows:
        return _ManyRows(table, columns)

    def statement(self, insert: Insert, key: Sequence[str] = ()) -> Statement:
        return Statement(insert, key)


def _plain(column: Column[Any]) -> TypeEngine[Any]:
    """Return a column's type as an array has it: all text is `text`."""
    return next((kind() for kind in _PLAIN if isinstance(column.type, kind)), Text())


def _compiled(statement: ClauseElement) -> tuple[str, tuple[str, ...]]:
    """Return a statement as text, and the names of its parameters in the order in which it takes them."""
    found: Any = statement.compile(dialect=asyncpg.dialect())  # type: ignore[no-untyped-call]
    return str(found), tuple(found.positiontup)


STATEMENTS: BookStatements[Write] = BookStatements(_Engine())

_DURABLY = """set_config('synchronous_commit',
    CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)"""
_NOT_FOR_LONG = f"set_config('idle_in_transaction_session_timeout', '{HALF_WAY_SECONDS}s', true)"

BEGIN = text(f"SELECT {_DURABLY}, {_NOT_FOR_LONG}")
"""Said first in a transaction: its commit waits for the disk, and it ends when its process stands still half-way.

What waits for more than the disk stays as it is.
"""

OWNED = f"""
SELECT fence, sequence, {_DURABLY}, {_NOT_FOR_LONG} FROM accounts WHERE account = $1 FOR UPDATE
"""  # noqa: S608 -- texts of this module
"""As `BEGIN`, and lock an account; give the fence of its owner and the sequence of its last input."""

ADVANCE_ACCOUNT = """
UPDATE accounts SET state = coalesce($2::text, state), time = greatest(time, $3), sequence = sequence + $4
WHERE account = $1
"""
"""Take a step forward."""

TAKE_OVER = taking_over(insert(accounts))
"""Become the owner of an account, new or not; it changes no row when this fence or a greater one was there."""
