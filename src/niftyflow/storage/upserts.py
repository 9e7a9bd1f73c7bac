"""What happens when a row of the same key is there already, for each table of the market, on every engine.

The engines' own inserts are given in, as they spell the same clause alike. It runs no statement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Table, or_

from niftyflow.storage.candle_rows import FIELDS
from niftyflow.storage.schema import analysis_states, candle_tables, instruments

Insert = Any
"""An insert of SQLite's or PostgreSQL's dialect: they have `on_conflict_…` and no common type that has."""


def by_rule(statement: Insert, table: Table) -> Insert:
    """Return an insert into a table with the table's rule; without one of its own, the first word stands."""
    rule = _RULES.get(table.name)
    return statement.on_conflict_do_nothing() if rule is None else rule(statement, table)


def _higher_revision_wins(statement: Insert, table: Table) -> Insert:
    return statement.on_conflict_do_update(
        index_elements=["instrument", "time"],
        set_={field: statement.excluded[field] for field in FIELDS if field != "time"},
        where=statement.excluded.revision > table.c.revision,
    )


def _what_differs_wins(statement: Insert, table: Table) -> Insert:
    facts = [column.name for column in table.c if not column.primary_key]
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns.keys()),
        set_={fact: statement.excluded[fact] for fact in facts},
        where=or_(*(table.c[fact].is_distinct_from(statement.excluded[fact]) for fact in facts)),
    )


def _older_of_one_fold_loses(statement: Insert, table: Table) -> Insert:
    told = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["interval", "instrument"],
        set_={name: told[name] for name in ("anchor", "time", "version", "state")},
        where=or_(
            told.time >= table.c.time,
            told.anchor != table.c.anchor,
            told.version != table.c.version,
        ),
    )


_RULES: dict[str, Callable[[Insert, Table], Insert]] = {
    instruments.name: _what_differs_wins,
    analysis_states.name: _older_of_one_fold_loses,
    **dict.fromkeys((table.name for table in candle_tables.values()), _higher_revision_wins),
}
