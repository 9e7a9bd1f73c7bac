"""A commit's statements as SQLite takes them: texts that are run with one tuple after the other.

It runs no statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Table, bindparam, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from niftyflow.storage.book_schema import accounts, order_events, trades
from niftyflow.storage.book_statements import BookStatements, Insert, Rows, taking_over
from niftyflow.storage.sqlite_statements import compiled, compiled_with_order


class Write(NamedTuple):
    """One statement of a commit with its rows."""

    name: str
    text: str
    rows: list[tuple[Any, ...]]


class Statement:
    """A statement that writes rows, taking each row's values by name."""

    def __init__(self, statement: Insert) -> None:
        self.text, order = compiled_with_order(statement)
        self._take = itemgetter(*order)

    def write(self, name: str, rows: Rows) -> Write:
        """Return the statement with these rows."""
        return Write(name, self.text, [self._take(row) for row in rows])


class _OneRow:
    """A row by parameters named like the columns."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def value(self, column: Column[Any]) -> ColumnElement[Any]:
        return bindparam(column.name, type_=column.type)

    def insert(self, values: Mapping[str, ColumnElement[Any]], *where: ColumnElement[bool]) -> Insert:
        if not where:
            return insert(self._table).values(dict(values))
        return insert(self._table).from_select(list(values), select(*values.values()).where(*where))


class _Engine:
    events, fills = order_events, trades

    def source(self, table: Table, columns: Sequence[Column[Any]]) -> _OneRow:  # noqa: ARG002 - of other engines
        return _OneRow(table)

    def statement(self, insert: Insert, key: Sequence[str] = ()) -> Statement:  # noqa: ARG002 - rows go one by one
        return Statement(insert)


STATEMENTS: BookStatements[Write] = BookStatements(_Engine())

ADVANCE_ACCOUNT = compiled(
    update(accounts)
    .values(
        state=func.coalesce(bindparam("new_state"), accounts.c.state),
        time=func.max(accounts.c.time, bindparam("new_time")),
        sequence=accounts.c.sequence + bindparam("count"),
    )
    .where(
        accounts.c.account == bindparam("owned"),
        accounts.c.fence == bindparam("owner"),
        or_(bindparam("any_sequence"), accounts.c.sequence == bindparam("before")),
    ),
    ("new_state", "new_time", "count", "owned", "owner", "any_sequence", "before"),
)
"""Take a step forward as the owner, from the input before the first new one; it changes no row when that is not so."""

OWNER = compiled(
    select(accounts.c.fence, accounts.c.sequence).where(accounts.c.account == bindparam("owned")), ("owned",)
)
"""The fence of an account's owner, and the sequence of its last input."""

TAKE_OVER = taking_over(insert(accounts))
"""Become the owner of an account, new or not; it changes no row when this fence or a greater one was there."""
