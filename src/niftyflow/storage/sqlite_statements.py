"""Statements as SQLite's driver takes them: compiled to text once, then run with plain tuples at the driver's speed.

It runs no statement and opens nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ClauseElement, Table, bindparam
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import Insert, insert


def compiled(statement: ClauseElement, order: tuple[str, ...]) -> str:
    """Return a statement as text whose parameters are taken in `order`."""
    text, found = compiled_with_order(statement)
    if found != order:
        raise AssertionError(f"SQLAlchemy ordered the parameters {found}, the rows have {order}")
    return text


def compiled_with_order(statement: ClauseElement) -> tuple[str, tuple[str, ...]]:
    """Return a statement as text, and the names of its parameters in the order in which it takes them."""
    found: Any = statement.compile(dialect=sqlite.dialect(paramstyle="qmark"))
    return str(found), tuple(found.positiontup or ())


def insert_row(table: Table, **values: Any) -> Insert:
    """Return the insert of a row by parameters named like the columns; `values` stand in for some of them.

    A key that the database numbers is left out.
    """
    return insert(table).values(
        {column.name: values.get(column.name, bindparam(column.name)) for column in numbered_by_us(table)}
    )


def upsert_row(table: Table, unchanged: Collection[str] = (), **values: Any) -> Insert:
    """Return the insert of a row that replaces the one of its key, except for the `unchanged` columns."""
    statement = insert_row(table, **values)
    keys = set(table.primary_key.columns.keys())
    return statement.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key.columns],
        set_={
            column.name: statement.excluded[column.name]
            for column in table.columns
            if column.name not in keys and column.name not in unchanged
        },
    )


def numbered_by_us(table: Table) -> list[Any]:
    """Return a table's columns, without the number that the database gives its rows."""
    return [column for column in table.columns if column is not table.autoincrement_column]
