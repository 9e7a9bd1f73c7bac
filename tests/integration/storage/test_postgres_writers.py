"""Candles in PostgreSQL when several write at once, and when many come at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import permutations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from niftyflow.model import CandleBatch, Interval
from niftyflow.storage.postgres_market import COPIED_FROM_ROWS, PostgresMarketStore, market_database
from niftyflow.storage.postgres_pool import PostgresPool
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.postgres import settings_of
from support.records import a_candle
from support.stores import OPENED, flat_candles

pytestmark = pytest.mark.postgres

ALWAYS = (0, 2**60)
KEY = "NSE:S00000"


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[PostgresMarketStore]:
    """Open an empty store."""
    store = PostgresMarketStore(market_database(PostgresPool(settings_of(postgres_url))))
    await store.open()
    yield store
    await store.close()


async def test_two_writers_of_one_candle_end_with_the_higher_revision(store: PostgresMarketStore):
    """The one with the correction may come while the first revision is stored, unseen: both stay to be read."""
    database = store.database
    async with database.acquire() as slow:
        for minute, (first, then) in enumerate(permutations((0, 1, 2), 2)):
            begun = slow.transaction()
            await begun.start()
            await slow.execute(
                "INSERT INTO candles_1m SELECT $1, $2, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, $3, false, -1, -1",
                KEY, OPENED + minute * 60_000, first,
            )  # fmt: skip
            late = asyncio.ensure_future(
                store.upsert_candles(flat_candles(1, 1, first_minute=minute, revision=then, price=7.0))
            )
            await asyncio.sleep(0.05)
            assert not late.done()  # it waits for the row
            await begun.commit()
            assert await late == int(then > first)
            stored = (await store.candles(KEY, Interval.M1, *ALWAYS)).to_records()[minute]
            assert stored.revision == max(first, then)
            kept = await store.first_revision(KEY, Interval.M1, OPENED + minute * 60_000)
            assert (kept is not None) == (first == 0 and then > 0)


async def test_many_writers_of_the_same_candles_do_not_wait_in_a_circle(store: PostgresMarketStore):
    """Each comes with the rows in another order; the highest revision is left everywhere, revision 0 beside it."""
    batches = [flat_candles(40, 5, revision=revision, price=100.0 + revision) for revision in range(8)]
    random = np.random.default_rng(3)
    shuffled = [batch.take(random.permutation(len(batch))) for batch in batches for _ in range(3)]
    await asyncio.gather(*(store.upsert_candles(batch) for batch in shuffled))
    for number in range(40):
        candles = await store.candles(f"NSE:S{number:05}", Interval.M1, *ALWAYS)
        assert candles.revision.tolist() == [7] * 5
        assert candles.close.tolist() == [107.0] * 5


def columns_of(batch: CandleBatch) -> dict[str, list[object]]:
    """Return what distinguishes two batches, floats by their bits."""
    return {
        "instrument": batch.keys(),
        **{name: values.view(np.int64).tolist() if values.dtype == np.float64 else values.tolist()
           for name, values in batch.columns().items() if name != "name"},
    }  # fmt: skip


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arrivals=st.lists(
        st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=5),
        min_size=1, max_size=5,
    ),
    is_copied=st.booleans(),
)  # fmt: skip
async def test_batches_are_stored_as_sqlite_stores_them(store, tmp_path_factory, arrivals, is_copied):
    """The same candle several times in a batch, first revisions and corrections: same winners, same rows, same bits."""
    files = SqliteMarketStore(tmp_path_factory.mktemp("same") / "market.db")
    await files.open()
    await store.database.write(lambda connection: connection.exec_driver_sql("TRUNCATE candles_1m, candle_revisions"))
    batches = [batch_of(rows) for rows in arrivals]
    engines = (files, PostgresMarketStore(store.database, copied_from_rows=0 if is_copied else 10**9))
    try:
        shown = [
            (
                await engine.upsert_all(batches[:1]),
                [await engine.upsert_candles(batch) for batch in batches[1:]],
                await engine.upsert_all(batches),
                [columns_of(await engine.candles(f"NSE:S{who}", Interval.M1, *ALWAYS)) for who in (0, 1)],
                columns_of(await engine.first_told(*ALWAYS)),
            )
            for engine in engines
        ]
    finally:
        await files.close()
    assert shown[0] == shown[1]


def batch_of(rows: list[tuple[int, int, int]]) -> CandleBatch:
    """Return a batch of (instrument, minute, revision), each row told apart by its close and volume."""
    batch = CandleBatch.from_records(
        [
            a_candle(symbol=f"S{who}", revision=revision, close=2845.0 + number / 3, volume=2**53 - number)
            for number, (who, _, revision) in enumerate(rows)
        ]
    )
    batch.time[:] = [OPENED + minute * 60_000 for _, minute, _ in rows]
    return batch


async def test_a_copied_batch_comes_back_to_the_last_bit(store: PostgresMarketStore):
    """Every column at its largest and smallest, names of every length, in any order."""
    batch = flat_candles(70, 30)
    random = np.random.default_rng(11)
    for field in ("open", "high", "low", "close", "vwap"):
        getattr(batch, field)[:] = random.uniform(1e-300, 1e300, len(batch))
    batch.open[:3] = [5e-324, 1.7976931348623157e308, -0.0]
    for field in ("volume", "trades", "open_interest", "traded_at", "day_volume"):
        getattr(batch, field)[:] = random.integers(0, 2**63 - 1, len(batch))
    batch.provenance[:] = random.integers(0, 255, len(batch))
    batch.revision[:] = random.integers(0, 2**31 - 1, len(batch))
    batch.incomplete[:] = random.integers(0, 2, len(batch))
    batch.through_partition[:] = random.integers(-1, 50, len(batch))
    batch.through_offset[:] = random.integers(-1, 2**53, len(batch))
    assert len(batch) > COPIED_FROM_ROWS
    assert await store.upsert_all([batch.take(random.permutation(len(batch)))]) == len(batch)
    for number in range(70):
        rows = np.flatnonzero(batch.name == number)
        stored = await store.candles(f"NSE:S{number:05}", Interval.M1, *ALWAYS)
        assert columns_of(stored) == columns_of(batch.take(rows))


async def test_a_backfill_of_several_parts_corrects_and_counts(store: PostgresMarketStore):
    """Copied parts of both intervals, one of them stored before, one corrected, in one transaction."""
    parts = [flat_candles(300, 5), flat_candles(300, 5, interval=Interval.D1), flat_candles(300, 5)]
    assert await store.upsert_all(parts) == 3000
    assert await store.upsert_all([flat_candles(300, 6, revision=1, price=5.0)]) == 1800
    kept = await store.first_revision(KEY, Interval.M1, OPENED)
    assert kept is not None
    assert kept.close == 100.0
    assert await store.first_revision(KEY, Interval.M1, OPENED + 5 * 60_000) is None
    assert sum((await store.count_candles(Interval.D1, *ALWAYS)).values()) == 1500


async def test_a_backfill_meets_a_writer_that_was_there_first(store: PostgresMarketStore):
    """What was free when it looked is taken when it copies: it goes the other way round, and both are right."""
    database = store.database
    async with database.acquire() as slow:
        begun = slow.transaction()
        await begun.start()
        await slow.execute(
            "INSERT INTO candles_1m SELECT $1, $2, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, false, -1, -1", KEY, OPENED
        )
        late = asyncio.ensure_future(store.upsert_all([flat_candles(COPIED_FROM_ROWS, 1, price=7.0)]))
        await asyncio.sleep(0.1)
        assert not late.done()
        await begun.commit()
        assert await late == COPIED_FROM_ROWS - 1
    assert (await store.candles(KEY, Interval.M1, *ALWAYS)).close.tolist() == [1.0]
    assert (await store.candles("NSE:S00001", Interval.M1, *ALWAYS)).close.tolist() == [7.0]
