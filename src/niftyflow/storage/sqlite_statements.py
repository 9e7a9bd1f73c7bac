"""Statements as SQLite's driver takes them: compiled to text once, then run with plain tuples at the driver's speed.

It runs no statement and opens nothing.
"""

from __future__ import annotations

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


def insert_row(table: Table) -> Insert:
    """Return the insert of a row by parameters named like the columns."""
    return insert(table).values({column.name: bindparam(column.name) for column in table.columns})
