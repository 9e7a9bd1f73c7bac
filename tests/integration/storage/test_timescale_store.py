"""The market store on TimescaleDB: its own statements on hypertables and compressed chunks, and the policies' jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.model import CandleBatch, Exchange, Instrument, Interval, Kind
from niftyflow.storage.candle_rows import span
from niftyflow.storage.postgres_market import PostgresMarketStore, market_database
from niftyflow.storage.postgres_pool import PostgresPool
from niftyflow.storage.schema import candles_1m
from niftyflow.storage.timescale import COMPRESSION, DAY_MS, MINUTES, RETENTION, reconcile
from support.postgres import settings_of
from support.timescale import Timescale, minutes_of, plain_tables, store, timescale, timescale_port

__all__ = ["plain_tables", "timescale", "timescale_port"]
pytestmark = pytest.mark.timescale

SHARE = Instrument(exchange=Exchange.NSE, symbol="RELIANCE", kind=Kind.EQUITY)
OTHER = Instrument(exchange=Exchange.NSE, symbol="INFY", kind=Kind.EQUITY)
DAY = date(2025, 6, 10)
FAR = 10**15
NEVER = 10**9
"""The server behind the socket breaks off some COPY FROM STDIN, so imports go as arrays here."""


@pytest.fixture
async def market(plain_tables: Timescale) -> AsyncIterator[PostgresMarketStore]:
    """Open the market store over hypertables, on the one connection there is."""
    await plain_tables.write(reconcile)
    settings = settings_of(plain_tables.url, connections_kept=1, connections_most=1, through_pgbouncer=True)
    store = PostgresMarketStore(market_database(PostgresPool(settings)), copied_from_rows=NEVER)
    await store.open()
    yield store
    await store.close()


class Compressed:
    """What is asked of the server beside the store, which keeps the only connection while it is open."""

    def __init__(self, market: PostgresMarketStore) -> None:
        self._database = market.database

    async def rows(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement and return its rows."""
        async with self._database.acquire() as connection:
            return [tuple(row) for row in await connection.fetch(statement)]

    async def compress(self) -> int:
        """Compress every chunk of minutes; return how many there are."""
        return len(await self.rows("SELECT compress_chunk(chunk) FROM show_chunks('candles_1m') AS chunk"))

    async def chunks(self) -> list[tuple[object, ...]]:
        """Return each chunk's beginning, and whether it is compressed."""
        return await self.rows(
            "SELECT range_start_integer, is_compressed FROM timescaledb_information.chunks "
            "WHERE hypertable_schema = current_schema() AND hypertable_name = 'candles_1m' ORDER BY 1"
        )


@pytest.fixture
def beside(market: PostgresMarketStore) -> Compressed:
    """Give what is asked beside the store."""
    return Compressed(market)


def day_of(instrument: Instrument, seed: int = 1) -> CandleBatch:
    """Return a day's minutes, all of revision 0."""
    minutes = minutes_of(instrument, DAY, seed=seed)
    return changed(minutes, revision=np.zeros(len(minutes), np.int32))


def changed(batch: CandleBatch, **columns: np.ndarray) -> CandleBatch:
    """Return a batch with other columns."""
    return CandleBatch(batch.names, batch.interval, **{**batch.columns(), **columns})


@pytest.mark.parametrize("is_compressed", [False, True], ids=["plain", "compressed"])
async def test_a_row_wins_only_with_a_higher_revision(
    market: PostgresMarketStore, beside: Compressed, *, is_compressed: bool
):
    """The same again changes nothing, a correction does, and what it corrects is kept: in compressed chunks as well."""
    minutes = day_of(SHARE)
    assert await market.upsert_candles(minutes) == 375
    if is_compressed:
        assert await beside.compress() == 1
        assert [chunk[1] for chunk in await beside.chunks()] == [True]
    some = minutes.take(np.arange(10, 20))
    assert await market.upsert_candles(changed(some, close=some.close + 1)) == 0
    corrected = changed(some, high=some.high + 7, revision=some.revision + 2)
    assert await market.upsert_candles(corrected) == 10
    assert await market.upsert_candles(changed(corrected, revision=some.revision + 1)) == 0
    found = await market.candles(SHARE.key, Interval.M1, 0, FAR)
    expected = minutes.high.copy()
    expected[10:20] += 7
    np.testing.assert_array_equal(found.time, minutes.time)
    np.testing.assert_array_equal(found.high, expected)
    np.testing.assert_array_equal(found.close, minutes.close)
    first = await market.first_revision(SHARE.key, Interval.M1, int(some.time[0]))
    assert first is not None
    assert (first.high, first.revision) == (some.high[0], 0)


async def test_late_minutes_go_into_a_compressed_chunk(market: PostgresMarketStore, beside: Compressed):
    """Minutes that were missing, and an instrument that was: found again, and compressed by the next run of the job."""
    minutes = day_of(SHARE)
    late = np.arange(len(minutes)) % 7 == 3
    await market.upsert_candles(minutes.take(~late))
    await beside.compress()
    assert await market.upsert_candles(minutes.take(late)) == late.sum()
    assert await market.upsert_candles(day_of(OTHER)) == 375
    for _ in range(2):
        found = await market.candles(SHARE.key, Interval.M1, 0, FAR)
        assert found.to_records() == minutes.to_records()
        assert await market.count_candles(Interval.M1, 0, FAR) == {SHARE.key: 375, OTHER.key: 375}
        await beside.compress()
    (packed,) = await beside.rows("SELECT number_compressed_chunks FROM hypertable_compression_stats('candles_1m')")
    assert packed == (1,)


async def test_an_import_goes_into_hypertables_and_compressed_chunks(market: PostgresMarketStore, beside: Compressed):
    """Several batches in one transaction: new candles, the same again, corrections of compressed ones."""
    minutes = day_of(SHARE)
    assert await market.upsert_all([minutes, day_of(OTHER)]) == 750
    await beside.compress()
    assert await market.upsert_all([minutes, day_of(OTHER)]) == 0
    corrected = changed(minutes, low=minutes.low - 1, revision=minutes.revision + 1)
    assert await market.upsert_all([corrected]) == 375
    found = await market.candles(SHARE.key, Interval.M1, 0, FAR)
    np.testing.assert_array_equal(found.low, minutes.low - 1)


async def test_every_question_of_the_store_has_the_same_answer_after_compression(
    market: PostgresMarketStore, beside: Compressed
):
    """Newest few, first, last, count: what a restart and the pages ask."""
    await market.upsert_candles(day_of(SHARE))
    await market.upsert_candles(day_of(OTHER, seed=2))

    async def answers() -> list[object]:
        return [
            (await market.candles(SHARE.key, Interval.M1, 0, FAR, 30)).to_records(),
            (await market.last_candles(0, FAR)).to_records(),
            (await market.first_told(0, FAR)).to_records(),
            await market.first_time([SHARE.key, OTHER.key]),
            await market.count_candles(Interval.M1, 0, FAR),
            await market.incomplete_minutes(OTHER.key, 0, FAR),
        ]

    before = await answers()
    assert len(before[0]) == 30  # type: ignore[arg-type]
    await beside.compress()
    assert await answers() == before


@pytest.mark.parametrize("is_compressed", [False, True], ids=["plain", "compressed"])
async def test_the_newest_300_candles_come_by_an_index(
    market: PostgresMarketStore, beside: Compressed, *, is_compressed: bool
):
    """Of weeks in chunks the newest is read, by the key's index or by that of the compressed instrument."""
    minutes = day_of(SHARE)
    for week in range(6):
        await market.upsert_candles(changed(minutes, time=minutes.time + week * MINUTES.chunk_ms))
        await market.upsert_candles(changed(day_of(OTHER), time=minutes.time + week * MINUTES.chunk_ms))
    if is_compressed:
        await beside.compress()
    await beside.rows("ANALYZE candles_1m")
    query = span(candles_1m, 300)

    async def explained(connection: AsyncConnection) -> list[str]:
        compiled = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
        given = {"instrument": SHARE.key, "since": 0, "until": FAR}
        values = tuple(given.get(name, compiled.params[name]) for name in compiled.positiontup or ())
        lines = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {compiled}", values)
        return [line for (line,) in lines]

    told = "\n".join(await market.database.read(explained))
    assert "Seq Scan on _hyper" not in told.replace("(never executed)", ""), told
    assert "Index" in told, told
    assert told.count("never executed") >= 4, told


async def test_the_compression_job_takes_old_chunks_and_leaves_new_ones(plain_tables: Timescale):
    """Called by hand, as the scheduler would: what ended more than seven days ago is compressed."""
    await plain_tables.write(reconcile)
    ((now,),) = await plain_tables.run("SELECT niftyflow_now_ms()")
    minutes = day_of(SHARE)
    for days in (1, 30, 60):
        await store(plain_tables, changed(minutes, time=minutes.time - int(minutes.time[0]) + now - days * DAY_MS))
    assert await plain_tables.run_jobs(COMPRESSION) == 2
    found = await plain_tables.run(
        "SELECT is_compressed FROM timescaledb_information.chunks WHERE hypertable_schema = current_schema() "
        "AND hypertable_name = 'candles_1m' ORDER BY range_start_integer"
    )
    assert [is_compressed for (is_compressed,) in found][-1] is False
    assert [is_compressed for (is_compressed,) in found][:2] == [True, True]


async def test_the_retention_job_drops_minutes_after_two_years_and_nothing_else(plain_tables: Timescale):
    """Called by hand: minutes of three years ago go, those of one year ago and all days stay."""
    await plain_tables.write(reconcile)
    ((now,),) = await plain_tables.run("SELECT niftyflow_now_ms()")
    minutes = day_of(SHARE)
    for years in (1, 3):
        await store(
            plain_tables, changed(minutes, time=minutes.time - int(minutes.time[0]) + now - years * 365 * DAY_MS)
        )
    days = minutes.take(np.arange(5))
    await store(
        plain_tables, CandleBatch(days.names, Interval.D1, **{**days.columns(), "time": days.time - 6 * 365 * DAY_MS})
    )
    assert await plain_tables.run_jobs(RETENTION) == 1
    ((oldest, count),) = await plain_tables.run("SELECT min(time), count(*) FROM candles_1m")
    assert (oldest > now - 2 * 365 * DAY_MS, count) == (True, 375)
    assert await plain_tables.run("SELECT count(*) FROM candles_1d") == [(5,)]
