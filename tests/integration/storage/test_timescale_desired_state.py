"""TimescaleDB's features as a desired state: plain tables are brought there, every drift is told and mended."""

from __future__ import annotations

from datetime import date

import pytest

from niftyflow.kit.clock import WallClock
from niftyflow.model import Exchange, Instrument, Interval, Kind
from niftyflow.storage import postgres_care
from niftyflow.storage.look import Look
from niftyflow.storage.timescale import AGGREGATES, HYPERTABLES, differences, reconcile
from support.postgres import settings_of
from support.timescale import Timescale, minutes_of, plain_tables, store, stored, timescale, timescale_port

__all__ = ["plain_tables", "timescale", "timescale_port"]
pytestmark = pytest.mark.timescale

SHARE = Instrument(exchange=Exchange.NSE, symbol="RELIANCE", kind=Kind.EQUITY)
DAY = date(2025, 6, 10)
PAUSE_RETENTION = (
    "SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs "
    "WHERE proc_name = 'policy_retention' AND hypertable_schema = current_schema()"
)


async def words(database: Timescale) -> list[str]:
    """Return what differs, in words."""
    return [each.words for each in await database.write(differences)]


async def jobs(database: Timescale) -> list[object]:
    """Return every job of the schema with its number."""
    return list(
        await database.run(
            "SELECT job_id, hypertable_name, proc_name, config FROM timescaledb_information.jobs "
            "WHERE hypertable_schema = current_schema() ORDER BY job_id"
        )
    )


async def test_plain_tables_are_brought_to_the_desired_state_and_stay_there(plain_tables: Timescale):
    """Once is enough: the second run changes nothing, not even a job's number."""
    assert "candles_1m is a plain table, not a hypertable" in await words(plain_tables)
    assert await plain_tables.write(reconcile) == []
    assert await words(plain_tables) == []
    before = await jobs(plain_tables)
    assert len(before) == 3 + len(AGGREGATES)
    assert await plain_tables.write(reconcile) == []
    assert await jobs(plain_tables) == before
    found = await plain_tables.run("SELECT hypertable_name FROM timescaledb_information.hypertables ORDER BY 1")
    assert {name for (name,) in found} >= {table.name for table in HYPERTABLES}


async def test_candles_that_were_there_before_are_kept(plain_tables: Timescale):
    """A database that held candles for weeks becomes hypertables with the same rows."""
    minutes = minutes_of(SHARE, DAY, seed=1)
    await store(plain_tables, minutes)
    await plain_tables.write(reconcile)
    assert (await stored(plain_tables, "candles_1m", SHARE.key, Interval.M1)).to_records() == minutes.to_records()
    chunks = await plain_tables.run("SELECT count(*) FROM show_chunks('candles_1m')")
    assert chunks == [(1,)]


@pytest.mark.parametrize(
    ("drift", "told"),
    [
        ("CREATE OR REPLACE FUNCTION niftyflow_now_ms() RETURNS BIGINT LANGUAGE SQL STABLE AS 'SELECT 0::BIGINT'",
         "niftyflow_now_ms is another"),
        ("SELECT set_chunk_time_interval('candles_1m', BIGINT '86400000')", "candles_1m has chunks of 1 days"),
        ("SELECT remove_compression_policy('candles_1m')", "compression policy of candles_1m is missing"),
        ("SELECT remove_retention_policy('candles_1m')", "retention policy of candles_1m is missing"),
        ("SELECT add_retention_policy('candles_1d', BIGINT '86400000')", "candles_1d has a retention policy too much"),
        ("SELECT remove_continuous_aggregate_policy('candles_15m')", "refresh policy of candles_15m is missing"),
        (PAUSE_RETENTION, "candles_1m is paused"),
        ("ALTER TABLE candles_1d SET (timescaledb.compress_segmentby = '')", "candles_1d is not set up to be comp"),
        ("ALTER TABLE candles_1m SET (timescaledb.compress_orderby = 'time DESC')", "candles_1m is not set up to be"),
        ("DROP MATERIALIZED VIEW candles_1h", "the aggregate candles_1h is missing"),
        ("ALTER MATERIALIZED VIEW candles_5m SET (timescaledb.materialized_only = true)", "newer than its last"),
    ],
)  # fmt: skip
async def test_every_drift_is_told_and_mended(plain_tables: Timescale, drift: str, told: str):
    """Somebody changes one thing by hand: it is named, and the next run puts it right."""
    await plain_tables.write(reconcile)
    await plain_tables.run(drift)
    assert any(told in each for each in await words(plain_tables)), await words(plain_tables)
    assert await plain_tables.write(reconcile) == []
    assert await words(plain_tables) == []


async def test_another_policy_s_times_are_told_and_replaced(plain_tables: Timescale):
    """Two weeks instead of two years would drop the minutes."""
    await plain_tables.write(reconcile)
    await plain_tables.run("SELECT remove_retention_policy('candles_1m')")
    await plain_tables.run("SELECT add_retention_policy('candles_1m', BIGINT '1209600000')")
    assert await words(plain_tables) == [
        "the retention policy of candles_1m is another: drop_after 14 days instead of 730 days"
    ]
    assert await plain_tables.write(reconcile) == []
    assert await words(plain_tables) == []


async def test_an_aggregate_of_somebody_s_own_is_told_and_not_touched(plain_tables: Timescale):
    """Its candles may be all that is left of minutes long gone."""
    await plain_tables.write(reconcile)
    await plain_tables.run("DROP MATERIALIZED VIEW candles_30m")
    await plain_tables.run(
        "CREATE MATERIALIZED VIEW candles_30m WITH (timescaledb.continuous) AS SELECT instrument, "
        "time_bucket(BIGINT '1800000', time) AS time, max(high) AS high FROM candles_1m GROUP BY 1, 2 WITH NO DATA"
    )
    (left,) = await plain_tables.write(reconcile)
    assert "candles_30m has another definition" in left.words
    columns = await plain_tables.run(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'candles_30m' "
        "AND table_schema = current_schema()"
    )
    assert {name for (name,) in columns} == {"instrument", "time", "high"}


async def test_db_check_tells_each_difference_and_then_none(plain_tables: Timescale):
    """What the command shows: a line for each that fails with what to do, and one line when all is well."""
    settings = settings_of(plain_tables.url, connections_kept=1, connections_most=1, through_pgbouncer=True)

    async def told() -> list[Look]:
        looks = await postgres_care.check(settings, WallClock().now())
        return [each for each in looks if each.name == "timescaledb"]

    before = await told()
    assert len(before) > 10
    assert {each.verdict for each in before} == {"fail"}
    assert before[1].text == "candles_1m is a plain table, not a hypertable: run `niftyflow db upgrade`"
    await plain_tables.write(reconcile)
    (after,) = await told()
    assert (after.verdict, after.text.partition(", ")[2]) == ("ok", "as it should be")
