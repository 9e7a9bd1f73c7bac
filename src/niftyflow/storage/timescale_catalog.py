"""What TimescaleDB's catalogs say of this database: its version, hypertables, aggregates and jobs.

It reads and names; what ought to be there, and how to bring it there, is `timescale.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class FoundHypertable:
    """A hypertable over a BIGINT time in ms; without compression both column lists are empty."""

    chunk_ms: int
    now_function: str | None
    segment_by: tuple[str, ...]
    order_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundAggregate:
    """A continuous aggregate and the comment on its view."""

    is_materialized_only: bool
    comment: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """A policy's job on a hypertable or an aggregate, by the name under which people know that."""

    number: int
    relation: str
    procedure: str
    config: Mapping[str, Any]
    is_scheduled: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Everything of the schema in use; `relations` are its plain tables and views too."""

    version: tuple[int, ...]
    now_body: str | None
    relations: frozenset[str]
    hypertables: Mapping[str, FoundHypertable]
    aggregates: Mapping[str, FoundAggregate]
    jobs: tuple[Job, ...]


async def version_of(connection: AsyncConnection) -> str | None:
    """Return the version of TimescaleDB in this database, None where it is not."""
    found = await connection.execute(text("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"))
    return found.scalar()


async def is_available(connection: AsyncConnection) -> bool:
    """Say whether the server has TimescaleDB installed, be it used in this database or not."""
    found = await connection.execute(text("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'"))
    return found.scalar() is not None


async def found_in(connection: AsyncConnection, now_function: str) -> Found | None:
    """Return what the database has, None where TimescaleDB is not in it; `now_function` is looked up by its name."""
    version = await version_of(connection)
    if version is None:
        return None
    body = await connection.execute(
        text(
            "SELECT prosrc FROM pg_proc WHERE proname = :name AND pronargs = 0 "
            "AND pronamespace = current_schema()::regnamespace"
        ),
        {"name": now_function},
    )
    relations = await connection.execute(
        text(
            "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace "
            "AND relkind IN ('r', 'v', 'm', 'p')"
        )
    )
    return Found(
        version=tuple(int(part) for part in version.partition("-")[0].split(".")),
        now_body=body.scalar(),
        relations=frozenset(relations.scalars()),
        hypertables=await _hypertables(connection),
        aggregates=await _aggregates(connection),
        jobs=await _jobs(connection),
    )


async def _hypertables(connection: AsyncConnection) -> dict[str, FoundHypertable]:
    compressed: dict[str, tuple[list[str], list[str]]] = {}
    settings = await connection.execute(
        text(
            "SELECT hypertable_name, attname, segmentby_column_index, orderby_column_index, orderby_asc "
            "FROM timescaledb_information.compression_settings WHERE hypertable_schema = current_schema() "
            "ORDER BY hypertable_name, segmentby_column_index, orderby_column_index"
        )
    )
    for table, column, segment, _order, is_ascending in settings:
        of_table = compressed.setdefault(table, ([], []))
        if segment is not None:
            of_table[0].append(column)
        else:
            of_table[1].append(column if is_ascending else f"{column} DESC")
    dimensions = await connection.execute(
        text(
            "SELECT hypertable_name, integer_interval, integer_now_func FROM timescaledb_information.dimensions "
            "WHERE hypertable_schema = current_schema() AND dimension_number = 1 AND integer_interval IS NOT NULL"
        )
    )
    return {
        table: FoundHypertable(interval, function, *map(tuple, compressed.get(table, ([], []))))
        for table, interval, function in dimensions
    }


async def _aggregates(connection: AsyncConnection) -> dict[str, FoundAggregate]:
    views = await connection.execute(
        text(
            "SELECT view_name, materialized_only, "
            "obj_description(format('%I.%I', view_schema, view_name)::regclass, 'pg_class') "
            "FROM timescaledb_information.continuous_aggregates WHERE view_schema = current_schema()"
        )
    )
    return {name: FoundAggregate(is_materialized_only, comment) for name, is_materialized_only, comment in views}


async def _jobs(connection: AsyncConnection) -> tuple[Job, ...]:
    jobs = await connection.execute(
        text(
            "SELECT job_id, hypertable_name, proc_name, config::text, scheduled FROM timescaledb_information.jobs "
            "WHERE hypertable_schema = current_schema() ORDER BY job_id"
        )
    )
    return tuple(
        Job(number, relation, procedure, json.loads(config or "{}"), is_scheduled)
        for number, relation, procedure, config, is_scheduled in jobs
    )
