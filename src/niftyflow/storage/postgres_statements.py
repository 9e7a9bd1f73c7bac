"""Statements as PostgreSQL's driver takes them: rows given as one array for each column, in one statement.

Rows are written in the order of their keys, so that two writers wait for each other and never in a circle.
It runs no statement and opens nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ClauseElement, Column, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.types import String

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

Row = tuple[Any, ...]

_dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
_numbering = postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call]


def unnested_insert(table: Table, columns: Sequence[str] | None = None) -> Insert:
    """Return the insert of many rows whose parameters are arrays: $1 holds the values of the first column.

    `columns` are all of the table's unless they are named. Add `on_conflict…` to it; see `each_key_once`.
    """
    names = tuple(table.c.keys()) if columns is None else tuple(columns)
    arrays = ", ".join(f"${number}::{array_type(table.c[name])}" for number, name in enumerate(names, 1))
    given = text(f"SELECT * FROM unnest({arrays}) {ordered(table, names)}")  # noqa: S608 -- names of the schema
    return insert(table).from_select(list(names), given.columns())


def ordered(table: Table, names: Sequence[str], given: str = "given") -> str:
    """Return the alias of rows with these columns, and their order by the table's key."""
    quoted = ", ".join(f'"{name}"' for name in names)
    keys = [_by_bytes(key) for key in table.primary_key.columns if key.name in names]
    order = f" ORDER BY {', '.join(keys)}" if keys else ""
    return f"AS {given} ({quoted}){order}"


def array_type(column: Column[Any]) -> str:
    """Return the type of an array of a column's values, such as BIGINT[]."""
    # A collation belongs to the column; an array is only on its way there.
    return column.type.compile(_dialect).partition(" COLLATE")[0] + "[]"


def compiled(statement: ClauseElement) -> str:
    """Return a statement without parameters of its own as text."""
    found = statement.compile(dialect=_dialect)
    if found.params:
        raise AssertionError(f"the statement has parameters of its own: {sorted(found.params)}")
    return str(found)


def asking(question: ClauseElement) -> tuple[str, tuple[str, ...]]:
    """Return a question as text, and the names of its parameters in the order of $1, $2 and so on."""
    found = cast("SQLCompiler", question.compile(dialect=_numbering))
    return str(found), tuple(found.positiontup or ())


def arrays_of(rows: Sequence[Row]) -> list[Row]:
    """Return rows as columns, as an unnested insert takes them."""
    return list(zip(*rows, strict=True))


def each_key_once(rows: Iterable[Row], key: slice) -> list[list[Row]]:
    """Return rows in as few groups as have every key once, `key` of each row: a statement cannot change a row twice.

    Stored one group after the other, they leave what they would leave one row after the other.
    """
    groups: list[list[Row]] = []
    seen: dict[Hashable, int] = {}
    for row in rows:
        number = seen[row[key]] = seen.get(row[key], -1) + 1
        if number == len(groups):
            groups.append([])
        groups[number].append(row)
    return groups


def written(tag: str) -> int:
    """Return how many rows a statement wrote, from what the server says at its end: `INSERT 0 5`, `UPDATE 5`."""
    count = tag.rpartition(" ")[2]
    return int(count) if count.isdecimal() else 0


def _by_bytes(column: Column[Any]) -> str:
    return f'"{column.name}" COLLATE "C"' if isinstance(column.type, String) else f'"{column.name}"'
