"""How PostgreSQL goes about the questions that are asked often: by the key, whatever the number of candles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.model import Interval
from niftyflow.storage.candle_rows import count_of_each, first_of_last, first_time_of, last_of_each, span
from niftyflow.storage.postgres_market import PostgresMarketStore, market_database
from niftyflow.storage.postgres_pool import PostgresPool
from niftyflow.storage.schema import candles_1m
from support.postgres import settings_of
from support.stores import MINUTE, OPENED, flat_candles

pytestmark = pytest.mark.postgres

INSTRUMENTS, MINUTES = 40, 750
SPAN = {"since": OPENED, "until": OPENED + MINUTES * MINUTE}


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[PostgresMarketStore]:
    """Open a store with two sessions of forty instruments, all of them corrected once."""
    store = PostgresMarketStore(market_database(PostgresPool(settings_of(postgres_url))))
    await store.open()
    await store.upsert_all([flat_candles(INSTRUMENTS, MINUTES, revision=revision) for revision in (0, 1)])
    await store.database.write(lambda connection: connection.exec_driver_sql("ANALYZE candles_1m, candle_revisions"))
    yield store
    await store.close()


async def plan_of(store: PostgresMarketStore, query: Any, **parameters: Any) -> str:
    """Return how the server carries a query out, with what each step found."""

    async def explained(connection: AsyncConnection) -> str:
        compiled = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
        values = tuple(parameters.get(name, compiled.params[name]) for name in compiled.positiontup or ())
        rows = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {compiled}", values)
        return "\n".join(line for (line,) in rows)

    return await store.database.read(explained)


async def test_the_newest_candles_of_an_instrument_come_from_the_key(store: PostgresMarketStore):
    """300 candles: the index is walked backwards, 300 rows are touched, nothing is scanned."""
    plan = await plan_of(store, span(candles_1m, 300), instrument="NSE:S00007", **SPAN)
    assert "Index Scan Backward using pk_candles_1m" in plan
    assert "Seq Scan" not in plan
    assert "actual rows=300 loops=1" in plan
    assert "Rows Removed" not in plan
    found = await store.candles("NSE:S00007", Interval.M1, SPAN["since"], SPAN["until"], limit=300)
    assert found.time.tolist() == [OPENED + minute * MINUTE for minute in range(MINUTES - 300, MINUTES)]


@pytest.mark.parametrize(
    "query", [span(candles_1m, None), last_of_each(candles_1m), first_of_last(candles_1m), first_time_of(candles_1m),
              count_of_each(candles_1m)]
)  # fmt: skip
async def test_no_question_reads_the_whole_table(store: PostgresMarketStore, query: Select[Any]):
    """Each steps into a key; none reads rows only to drop them."""
    plan = await plan_of(store, query, instrument="NSE:S00007", **SPAN)
    assert "pk_candles_1m" in plan
    assert "Seq Scan" not in plan
    assert "Rows Removed by Join Filter" not in plan
