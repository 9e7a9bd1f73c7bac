"""What TimescaleDB is to do with the candles, as data: hypertables, compression, retention, aggregates, policies.

`differences` says in words what a database has otherwise, `reconcile` brings it there and may be run again and again.
It touches candles only through TimescaleDB's own features; without the extension the tables are plain, and stay so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.kit.log import get_logger
from niftyflow.model import Interval
from niftyflow.storage.timescale_catalog import Found, Job, found_in

log = get_logger(__name__)

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
SESSION_OPEN_MS: Final = 3 * 3_600_000 + 45 * MINUTE_MS
"""09:15 IST, in ms of the UTC day: where the session's first candle begins."""
OLDEST_VERSION: Final = (2, 23)
"""The version of TimescaleDB that the tests run on; catalogs of older ones differ."""
NOW_FUNCTION: Final = "niftyflow_now_ms"
NOW_BODY: Final = "SELECT (extract(epoch FROM now()) * 1000)::BIGINT"

COMPRESSION: Final = "policy_compression"
RETENTION: Final = "policy_retention"
REFRESH: Final = "policy_refresh_continuous_aggregate"


@dataclass(frozen=True, slots=True)
class Hypertable:
    """A table of candles cut into chunks by time; all times in ms. `keep_ms` None: nothing is ever dropped."""

    name: str
    chunk_ms: int
    compress_after_ms: int
    keep_ms: int | None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Candles of an interval that TimescaleDB keeps built from the minutes, anchored at the session's open.

    It is refreshed once every interval, for everything that changed since `refresh_from_ms` ago: a correction of an
    older minute is not seen, and minutes that retention has dropped never empty it.
    """

    name: str
    interval: Interval
    refresh_from_ms: int

    @property
    def width_ms(self) -> int:
        """Length of a candle."""
        return self.interval.minutes * MINUTE_MS

    @property
    def offset_ms(self) -> int:
        """How far after a multiple of the length since 1970 its candles begin."""
        return SESSION_OPEN_MS % self.width_ms

    @property
    def at_once(self) -> int:
        """How many candles of an instrument a refresh makes in one transaction: those of a chunk of minutes.

        TimescaleDB's own number is so small that the first refresh of two years takes hundreds of thousands of turns.
        """
        return MINUTES.chunk_ms // self.width_ms

    @property
    def definition(self) -> str:
        """The statement that makes it, empty: its policy fills it. The columns are those of the candles it is of."""
        average = (
            "CASE WHEN sum(volume) > 0 THEN sum(vwap * volume) / sum(volume)::float8 "
            "WHEN sum(trades) > 0 THEN sum(vwap * trades) / sum(trades)::float8 ELSE last(close, time) END"
        )
        return (
            f"CREATE MATERIALIZED VIEW {self.name} "  # noqa: S608 -- names and numbers of this module
            "WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS "
            "SELECT instrument, "
            f"time_bucket(BIGINT '{self.width_ms}', time, BIGINT '{self.offset_ms}') AS time, "
            "first(open, time) AS open, max(high) AS high, min(low) AS low, last(close, time) AS close, "
            "sum(volume)::bigint AS volume, sum(trades)::bigint AS trades, "
            f"least(greatest({average}, min(low)), max(high)) AS vwap, "
            "last(open_interest, time) AS open_interest, last(day_volume, time) AS day_volume, "
            "last(traded_at, time) AS traded_at, max(provenance) AS provenance, max(revision) AS revision, "
            "bool_or(incomplete) AS incomplete, last(through_partition, time) AS through_partition, "
            "last(through_offset, time) AS through_offset, count(*) AS minutes "
            f"FROM {MINUTES.name} GROUP BY 1, 2 WITH NO DATA"
        )

    @property
    def mark(self) -> str:
        """What the comment on the view says, so that another definition is seen."""
        return f"niftyflow {sha256(self.definition.encode()).hexdigest()[:16]}"


# A week of minutes a chunk: a reader of the newest 300 candles plans about a hundred chunks, and opens one or two.
MINUTES: Final = Hypertable("candles_1m", 7 * DAY_MS, 7 * DAY_MS, 730 * DAY_MS)
DAYS: Final = Hypertable("candles_1d", 365 * DAY_MS, 7 * DAY_MS, None)
HYPERTABLES: Final = (MINUTES, DAYS)
# A chunk is dropped whole, so up to a chunk later; a month's distance keeps every refresh clear of it.
AGGREGATES: Final = tuple(
    Aggregate(f"candles_{interval.value}", interval, 700 * DAY_MS)
    for interval in (Interval.M5, Interval.M15, Interval.M30, Interval.H1)
)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as it should be, in words, and the statements that mend it; none: a person must."""

    words: str
    remedy: tuple[str, ...] = ()


async def differences(connection: AsyncConnection) -> list[Difference]:
    """Return what a database has otherwise, in the order in which it can be mended; nothing without the extension."""
    found = await found_in(connection, NOW_FUNCTION)
    return [] if found is None else list(compared(found))


async def reconcile(connection: AsyncConnection) -> list[Difference]:
    """Mend every difference that can be, in the caller's transaction; return those that only a person can.

    The aggregates are made empty: their policies fill them within the hour, and until then a query builds what is
    missing from the minutes. Converting a table that has candles copies them, and readers of it wait meanwhile.
    """
    left = []
    for difference in await differences(connection):
        for statement in difference.remedy:
            await connection.exec_driver_sql(statement)
        if difference.remedy:
            log.info("timescale_mended", difference=difference.words)
        else:
            left.append(difference)
    return left


def compared(found: Found) -> Iterator[Difference]:
    """Yield what differs from the desired state."""
    if found.version < OLDEST_VERSION:
        has, wants = (".".join(map(str, version)) for version in (found.version, OLDEST_VERSION))
        yield Difference(f"TimescaleDB is {has} and {wants} is the oldest known to work: update the extension")
        return
    if found.now_body is None or found.now_body.strip() != NOW_BODY:
        yield Difference(
            f"the function {NOW_FUNCTION} is {'missing' if found.now_body is None else 'another'}",
            (f"CREATE OR REPLACE FUNCTION {NOW_FUNCTION}() RETURNS BIGINT LANGUAGE SQL STABLE AS $$ {NOW_BODY} $$",),
        )
    for table in HYPERTABLES:
        yield from _of_hypertable(table, found)
    for aggregate in AGGREGATES:
        yield from _of_aggregate(aggregate, found)
    yield from _too_much(found)


def _of_hypertable(table: Hypertable, found: Found) -> Iterator[Difference]:
    name, there = table.name, found.hypertables.get(table.name)
    if there is None:
        yield Difference(
            f"{name} is a plain table, not a hypertable",
            (_make_hypertable(table),),
        )
    elif there.chunk_ms != table.chunk_ms:
        yield Difference(
            f"{name} has chunks of {_days(there.chunk_ms)} instead of {_days(table.chunk_ms)}",
            (f"SELECT set_chunk_time_interval('{name}', BIGINT '{table.chunk_ms}')",),
        )
    if there is None or there.now_function != NOW_FUNCTION:
        yield Difference(
            f"{name} is not told the time by {NOW_FUNCTION}",
            (f"SELECT set_integer_now_func('{name}', '{NOW_FUNCTION}', replace_if_exists => true)",),
        )
    if there is None or (there.segment_by, there.order_by) != (("instrument",), ("time",)):
        yield Difference(
            f"{name} is not set up to be compressed by instrument in order of time",
            (_set_up_compression(name),),
        )
    yield from _of_policy(found, name, COMPRESSION, {"compress_after": table.compress_after_ms}, _compress(table))
    if table.keep_ms is not None:
        yield from _of_policy(found, name, RETENTION, {"drop_after": table.keep_ms}, _retain(name, table.keep_ms))


def _of_aggregate(aggregate: Aggregate, found: Found) -> Iterator[Difference]:
    name, there = aggregate.name, found.aggregates.get(aggregate.name)
    if there is None and name in found.relations:
        yield Difference(f"{name} is there and is no aggregate: rename it, then run `niftyflow db upgrade`")
        return
    if there is None:
        yield Difference(
            f"the aggregate {name} is missing",
            (aggregate.definition, f"COMMENT ON VIEW {name} IS '{aggregate.mark}'"),
        )
    elif there.comment != aggregate.mark:
        yield Difference(
            f"the aggregate {name} has another definition: rename it, or drop it (its candles older than the minutes "
            "are then lost), and run `niftyflow db upgrade`"
        )
        return
    elif there.is_materialized_only:
        yield Difference(
            f"the aggregate {name} leaves out what is newer than its last refresh",
            (f"ALTER MATERIALIZED VIEW {name} SET (timescaledb.materialized_only = false)",),
        )
    wanted = {
        "start_offset": aggregate.refresh_from_ms,
        "end_offset": aggregate.width_ms,
        "buckets_per_batch": aggregate.at_once,
    }
    yield from _of_policy(found, name, REFRESH, wanted, _refresh(aggregate))


def _of_policy(
    found: Found, name: str, procedure: str, wanted: Mapping[str, int], statement: str
) -> Iterator[Difference]:
    """Yield what is wrong with the one job of a kind that a table or an aggregate must have."""
    what = f"the {_KINDS[procedure]} policy of {name}"
    jobs = [job for job in found.jobs if (job.relation, job.procedure) == (name, procedure)]
    if not jobs:
        yield Difference(f"{what} is missing", (statement,))
        return
    job = jobs[0]
    has = {key: job.config.get(key) for key in wanted}
    if has != wanted:
        words = ", ".join(
            f"{key} {_said(key, has[key])} instead of {_said(key, value)}"
            for key, value in wanted.items()
            if has[key] != value
        )
        yield Difference(f"{what} is another: {words}", (_delete(job), statement))
    elif not job.is_scheduled:
        yield Difference(f"{what} is paused", (f"SELECT alter_job({job.number}, scheduled => true)",))


def _too_much(found: Found) -> Iterator[Difference]:
    """Yield jobs on our tables and aggregates that nobody asked for: one of retention would drop candles."""
    wanted = {(table.name, COMPRESSION) for table in HYPERTABLES}
    wanted |= {(table.name, RETENTION) for table in HYPERTABLES if table.keep_ms is not None}
    wanted |= {(aggregate.name, REFRESH) for aggregate in AGGREGATES}
    ours = {name for name, _ in wanted}
    for job in found.jobs:
        if job.relation not in ours:
            continue
        if (job.relation, job.procedure) in wanted:
            wanted.discard((job.relation, job.procedure))
        else:
            words = (
                f"{job.relation} has a {_KINDS.get(job.procedure, job.procedure)} policy too much (job {job.number})"
            )
            yield Difference(words, (_delete(job),))


_KINDS: Final = {COMPRESSION: "compression", RETENTION: "retention", REFRESH: "refresh"}


def _make_hypertable(table: Hypertable) -> str:
    return (
        f"SELECT create_hypertable('{table.name}', by_range('time', BIGINT '{table.chunk_ms}'), "
        "create_default_indexes => false, migrate_data => true)"
    )


def _set_up_compression(name: str) -> str:
    return (
        f"ALTER TABLE {name} SET (timescaledb.compress, timescaledb.compress_segmentby = 'instrument', "
        "timescaledb.compress_orderby = 'time')"
    )


def _compress(table: Hypertable) -> str:
    return f"SELECT add_compression_policy('{table.name}', compress_after => BIGINT '{table.compress_after_ms}')"


def _retain(name: str, keep_ms: int) -> str:
    return f"SELECT add_retention_policy('{name}', drop_after => BIGINT '{keep_ms}')"


def _refresh(aggregate: Aggregate) -> str:
    return (
        f"SELECT add_continuous_aggregate_policy('{aggregate.name}', "
        f"start_offset => BIGINT '{aggregate.refresh_from_ms}', end_offset => BIGINT '{aggregate.width_ms}', "
        f"schedule_interval => INTERVAL '{aggregate.interval.minutes} minutes', "
        f"buckets_per_batch => {aggregate.at_once})"
    )


def _delete(job: Job) -> str:
    return f"SELECT delete_job({job.number})"


def _said(key: str, value: Any) -> str:
    """Return a number of a policy as people say it."""
    if not isinstance(value, int):
        return "none"
    return str(value) if key == "buckets_per_batch" else _days(value)


def _days(ms: int) -> str:
    """Return a span of ms as people say it."""
    return f"{ms // DAY_MS} days" if ms % DAY_MS == 0 else f"{ms // MINUTE_MS} minutes"
