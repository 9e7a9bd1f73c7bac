"""The aggregates of TimescaleDB are the candles that the core builds from the same minutes."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from niftyflow.kit.intervals import higher
from niftyflow.market import bucket_of
from niftyflow.market.calendar import IST_OFFSET_MS
from niftyflow.model import CandleBatch, Exchange, Instrument, Interval, Kind, Name, NameTable
from niftyflow.storage.candle_rows import FIELDS
from niftyflow.storage.timescale import AGGREGATES, REFRESH, Aggregate, reconcile
from support.data import shared_data
from support.timescale import Timescale, minutes_of, plain_tables, store, stored, timescale, timescale_port

__all__ = ["plain_tables", "timescale", "timescale_port"]
pytestmark = pytest.mark.timescale

SHARE = Instrument(exchange=Exchange.NSE, symbol="RELIANCE", kind=Kind.EQUITY, has_derivatives=True)
SMALL = Instrument(exchange=Exchange.BSE, symbol="SMALLCAP", kind=Kind.EQUITY)
INDEX = Instrument(exchange=Exchange.NSE, symbol="NIFTY 50", kind=Kind.INDEX, has_derivatives=True)
EXACT = tuple(field for field in FIELDS if field not in ("vwap", "incomplete"))
ROUNDING = 1e-12
"""A sum of products in another order: parts of a paisa, of the size of float64's own rounding."""


async def materialised(database: Timescale) -> None:
    """Refresh every aggregate over everything, as a policy does within its span."""
    for each in AGGREGATES:
        await database.call(f"CALL refresh_continuous_aggregate('{each.name}', NULL, NULL)")


def assert_equal(found: CandleBatch, expected: CandleBatch) -> None:
    """Compare two batches: all exactly, but for vwap's last bits and for what only the calendar knows."""
    assert len(found) == len(expected)
    for field in EXACT:
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field), err_msg=field)
    np.testing.assert_allclose(found.vwap, expected.vwap, rtol=ROUNDING)


def told_incomplete(minutes: CandleBatch, candles: CandleBatch, aggregate: Aggregate) -> list[bool]:
    """Return for each candle whether one of its minutes says that it is incomplete."""
    starts = minutes.time - (minutes.time - aggregate.offset_ms) % aggregate.width_ms
    return [bool(minutes.incomplete[starts == time].any()) for time in candles.time]


@pytest.mark.parametrize(
    ("instrument", "day", "missing"),
    [
        (SHARE, date(2025, 6, 10), 0.0),
        (SMALL, date(2025, 6, 11), 0.6),
        (INDEX, date(2025, 6, 12), 0.1),
        (SHARE, date(2026, 8, 5), 0.0),  # continuous trading ends at 15:15, for the closing auction
        (SHARE, date(2023, 11, 12), 0.0),  # Muhurat at 18:15
        (SMALL, date(2013, 11, 3), 0.2),  # Muhurat of 75 minutes
    ],
)
async def test_the_aggregates_are_the_core_s_candles(
    plain_tables: Timescale, instrument: Instrument, day: date, missing: float
):
    """Whole days, days with holes, an index without volume, short days: built when asked, and stored by a refresh."""
    await plain_tables.write(reconcile)
    minutes = minutes_of(instrument, day, seed=day.toordinal(), missing=missing, is_index=instrument is INDEX)
    await store(plain_tables, minutes)
    expected = {each.name: higher(minutes, instrument, each.interval) for each in AGGREGATES}
    for each in AGGREGATES:
        asked = await stored(plain_tables, each.name, instrument.key, each.interval)
        assert_equal(asked, expected[each.name])
        assert asked.incomplete.tolist() == told_incomplete(minutes, asked, each)
    await materialised(plain_tables)
    for each in AGGREGATES:
        await plain_tables.run(f"ALTER MATERIALIZED VIEW {each.name} SET (timescaledb.materialized_only = true)")
        assert_equal(await stored(plain_tables, each.name, instrument.key, each.interval), expected[each.name])


async def test_a_session_in_two_parts_is_another_in_half_hours(plain_tables: Timescale):
    """2 March 2024, 09:15 to 10:00 and 11:30 to 12:30: the core begins anew at 11:30, the aggregate at 11:15."""
    await plain_tables.write(reconcile)
    minutes = minutes_of(SHARE, date(2024, 3, 2), seed=1)
    await store(plain_tables, minutes)
    for aggregate in AGGREGATES:
        found = await stored(plain_tables, aggregate.name, SHARE.key, aggregate.interval)
        expected = higher(minutes, SHARE, aggregate.interval)
        same = np.array_equal(found.time, expected.time)
        assert same is (aggregate.name in ("candles_5m", "candles_15m")), aggregate.name


async def test_a_correction_of_a_minute_reaches_the_aggregates(plain_tables: Timescale):
    """What was refreshed is refreshed again where a minute changed, and only there."""
    await plain_tables.write(reconcile)
    minutes = minutes_of(SHARE, date(2025, 6, 10), seed=3)
    await store(plain_tables, minutes)
    await materialised(plain_tables)
    await plain_tables.run(
        "UPDATE candles_1m SET high = 5000, revision = 9 WHERE time = :time", time=int(minutes.time[100])
    )
    before = await stored(plain_tables, "candles_1h", SHARE.key, AGGREGATES[-1].interval)
    await materialised(plain_tables)
    after = await stored(plain_tables, "candles_1h", SHARE.key, AGGREGATES[-1].interval)
    assert before.high.max() < 5000
    assert np.flatnonzero(after.high == 5000).tolist() == [1]
    assert after.revision[1] == 9


async def test_the_policies_jobs_store_what_is_recent(plain_tables: Timescale):
    """Called by hand, as the scheduler would: afterwards the aggregates hold it without looking at the minutes."""
    await plain_tables.write(reconcile)
    ((now,),) = await plain_tables.run("SELECT niftyflow_now_ms()")
    minutes = minutes_of(SHARE, date(2025, 6, 10), seed=4)
    shift = (now - int(minutes.time[0]) - 3 * 86_400_000) // 86_400_000 * 86_400_000
    recent = CandleBatch(minutes.names, minutes.interval, **{**minutes.columns(), "time": minutes.time + shift})
    await store(plain_tables, recent)
    assert await plain_tables.run_jobs(REFRESH) == len(AGGREGATES)
    for aggregate in AGGREGATES:
        await plain_tables.run(f"ALTER MATERIALIZED VIEW {aggregate.name} SET (timescaledb.materialized_only = true)")
        found = await stored(plain_tables, aggregate.name, SHARE.key, aggregate.interval)
        expected = higher(minutes, SHARE, aggregate.interval)
        np.testing.assert_array_equal(found.time, expected.time + shift)
        np.testing.assert_array_equal(found.high, expected.high)


def real_minutes(file: str, instrument: Instrument, chosen: pl.Expr) -> CandleBatch:
    """Return recorded minutes of one instrument, in Indian time in their file."""
    bars = pl.read_parquet(shared_data(file)).filter(chosen).sort("ts")
    time = (bars["ts"].dt.replace_time_zone(None).dt.epoch("ms") - IST_OFFSET_MS).to_numpy()
    names = NameTable()
    volume = bars["volume"].fill_null(0).cast(pl.Int64).to_numpy() if "volume" in bars.columns else np.zeros(len(time))
    prices = {name: bars[name].to_numpy() for name in ("open", "high", "low", "close")}
    nothing = np.zeros(len(time), np.int64)
    return CandleBatch(
        names, Interval.M1, name=np.full(len(time), names.intern(Name(instrument.key))), time=time, **prices,
        volume=volume, trades=nothing, vwap=(prices["high"] + prices["low"]) / 2, open_interest=nothing,
        day_volume=nothing, traded_at=time, provenance=nothing, revision=nothing, incomplete=nothing != 0,
        through_partition=nothing - 1, through_offset=nothing - 1,
    )  # fmt: skip


@pytest.mark.data
@pytest.mark.parametrize("symbol", ["INFY", "SBIN"])
async def test_real_minutes_of_a_share_make_the_core_s_candles(plain_tables: Timescale, symbol: str):
    """Eighteen sessions of August and September 2016."""
    share = Instrument(exchange=Exchange.NSE, symbol=symbol, kind=Kind.EQUITY)
    minutes = real_minutes("bars_1m_equity_2016/bars.parquet", share, pl.col("symbol") == symbol)
    assert len(minutes) == 18 * 375
    await plain_tables.write(reconcile)
    await store(plain_tables, minutes)
    for aggregate in AGGREGATES:
        found = await stored(plain_tables, aggregate.name, share.key, aggregate.interval)
        assert_equal(found, higher(minutes, share, aggregate.interval))


@pytest.mark.data
async def test_real_minutes_of_2009_hold_for_five_minutes_only(plain_tables: Timescale):
    """The index from 09:55 on: of the longer candles the first ones of each day begin elsewhere."""
    week = pl.col("ts").dt.date().is_between(date(2009, 6, 1), date(2009, 6, 5))
    minutes = real_minutes("bars_1m_nifty_index/nifty50_2009.parquet", INDEX, week)
    traded = [bucket_of(INDEX, Interval.M1, time) is not None for time in minutes.time.tolist()]
    minutes = minutes.take(np.array(traded))
    await plain_tables.write(reconcile)
    await store(plain_tables, minutes)
    for aggregate in AGGREGATES:
        found = await stored(plain_tables, aggregate.name, INDEX.key, aggregate.interval)
        expected = higher(minutes, INDEX, aggregate.interval)
        if aggregate.name == "candles_5m":
            assert_equal(found, expected)
        else:
            assert not np.array_equal(found.time, expected.time), aggregate.name
