"""What every market store does with candles."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from niftyflow.model import CandleBatch, Interval, InvalidValue, Refused, Unavailable, milliseconds
from niftyflow.storage import MarketStore
from support.records import a_candle, candles
from support.stores import MINUTE, OPENED, flat_candles

ALWAYS = (0, 2**60)
RELIANCE = "NSE:RELIANCE"
fresh_symbols = itertools.count()

on_one_store = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def batch(*changes: dict) -> CandleBatch:
    """Return the candle of the contracts' page once for each set of changes."""
    return CandleBatch.from_records([a_candle(**change) for change in changes])


async def test_every_column_of_a_candle_comes_back_as_it_went_in(market: MarketStore):
    """One candle with a telling value in each field, for both intervals."""
    for interval in (Interval.M1, Interval.D1):
        candle = a_candle(
            interval=interval,
            open_interest=7,
            provenance="repaired",
            revision=2,
            incomplete=True,
            traded_at=1_706_178_659_123,
        )
        assert await market.upsert_candles(CandleBatch.from_records([candle])) == 1
        stored = await market.candles(RELIANCE, interval, *ALWAYS)
        assert stored.to_records() == [candle]
        assert stored.columns()["incomplete"].dtype == np.bool_


@on_one_store
@given(candle=candles())
async def test_any_candle_that_can_be_is_stored_without_loss(market: MarketStore, candle):
    """Floats to the last bit, integers to 2**53, symbols with & and spaces."""
    key = f"NSE:RT{next(fresh_symbols)}{candle.symbol}"
    wanted = CandleBatch.from_records([candle])
    renamed = CandleBatch.from_records([a_candle(symbol=key[4:])])
    wanted.names = renamed.names
    await market.upsert_candles(wanted)
    assert await market.candles(key, Interval.M1, *ALWAYS) == wanted


async def test_the_same_candles_again_change_nothing(market: MarketStore):
    """At-least-once delivery stores once."""
    minutes = flat_candles(5, 4)
    assert await market.upsert_candles(minutes) == 20
    assert await market.upsert_candles(minutes) == 0
    assert await market.count_candles(Interval.M1, *ALWAYS) == {f"NSE:S{n:05}": 4 for n in range(5)}


async def test_only_a_higher_revision_replaces_a_candle(market: MarketStore):
    """An equal or lower revision loses, whatever it says."""
    time = milliseconds(a_candle().time)
    assert await market.upsert_candles(batch({"revision": 1, "close": 2846.0})) == 1
    assert await market.upsert_candles(batch({"revision": 1, "close": 2847.0})) == 0
    assert await market.upsert_candles(batch({"revision": 0, "close": 2848.0})) == 0
    assert (await market.candles(RELIANCE, Interval.M1, *ALWAYS)).close.tolist() == [2846.0]
    assert await market.upsert_candles(batch({"revision": 3, "close": 2849.0})) == 1
    assert (await market.candles(RELIANCE, Interval.M1, *ALWAYS)).close.tolist() == [2849.0]
    assert await market.first_revision(RELIANCE, Interval.M1, time) is None


async def test_the_revision_that_decided_is_kept_when_it_is_corrected(market: MarketStore):
    """Revision 0 stays to be read beside the correction, and later corrections do not touch it."""
    first = a_candle(close=2846.0, incomplete=True)
    time = milliseconds(first.time)
    await market.upsert_candles(CandleBatch.from_records([first]))
    assert await market.first_revision(RELIANCE, Interval.M1, time) is None
    await market.upsert_candles(batch({"revision": 1, "close": 2847.0}))
    await market.upsert_candles(batch({"revision": 2, "close": 2848.0}))
    assert await market.first_revision(RELIANCE, Interval.M1, time) == first
    assert await market.first_revision(RELIANCE, Interval.D1, time) is None


async def test_a_candle_and_its_correction_in_one_batch_are_both_kept(market: MarketStore):
    """A late trade may come before the first revision is stored."""
    won = await market.upsert_candles(batch({"close": 2846.0}, {"revision": 1, "close": 2847.0}))
    assert won == 2
    stored = await market.candles(RELIANCE, Interval.M1, *ALWAYS)
    assert (stored.revision.tolist(), stored.close.tolist()) == ([1], [2847.0])
    first = await market.first_revision(RELIANCE, Interval.M1, int(stored.time[0]))
    assert first is not None
    assert first.close == 2846.0


@on_one_store
@given(
    arrivals=st.lists(
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(1, 9)),
            min_size=1,
            max_size=3,
            unique_by=lambda row: row[0],
        ),
        max_size=8,
    )
)
async def test_any_order_of_arrival_ends_with_the_highest_revision(market: MarketStore, arrivals):
    """Against a dictionary that follows the rule by hand; the number of winners is told rightly each time."""
    symbol = f"ARRIVES{next(fresh_symbols)}"
    start = a_candle().time
    best: dict[int, tuple[int, float]] = {}
    kept: dict[int, float] = {}
    for rows in arrivals:
        won = 0
        for minute, revision, price in rows:
            held = best.get(minute)
            if held is None or revision > held[0]:
                won += 1
                if held is not None and held[0] == 0:
                    kept[minute] = held[1]
                best[minute] = (revision, 2845.0 + price / 2)
        assert won == await market.upsert_candles(
            batch(
                *(
                    {
                        "symbol": symbol,
                        "time": start + timedelta(minutes=minute),
                        "revision": revision,
                        "close": 2845.0 + price / 2,
                    }
                    for minute, revision, price in rows
                )
            )
        )
    stored = (await market.candles(f"NSE:{symbol}", Interval.M1, *ALWAYS)).to_records()
    assert [(c.revision, c.close) for c in stored] == [best[minute] for minute in sorted(best)]
    for minute in range(3):
        time = milliseconds(start + timedelta(minutes=minute))
        first = await market.first_revision(f"NSE:{symbol}", Interval.M1, time)
        assert (first.close if first else None) == kept.get(minute)


async def test_a_span_includes_its_start_and_not_its_end(market: MarketStore):
    """Oldest first; a limit keeps the newest, still oldest first."""
    await market.upsert_candles(flat_candles(2, 10))
    span = (OPENED + 2 * MINUTE, OPENED + 6 * MINUTE)
    whole = await market.candles("NSE:S00001", Interval.M1, *span)
    assert whole.time.tolist() == [OPENED + minute * MINUTE for minute in (2, 3, 4, 5)]
    assert set(whole.keys()) == {"NSE:S00001"}
    newest = await market.candles("NSE:S00001", Interval.M1, *span, limit=2)
    assert newest.time.tolist() == [OPENED + minute * MINUTE for minute in (4, 5)]
    assert len(await market.candles("NSE:NOBODY", Interval.M1, *span)) == 0


async def test_days_and_minutes_are_kept_apart(market: MarketStore):
    """The same instrument and time in both tables are two candles."""
    await market.upsert_candles(flat_candles(1, 3))
    await market.upsert_candles(flat_candles(1, 2, interval=Interval.D1, price=7.0))
    assert await market.count_candles(Interval.M1, *ALWAYS) == {"NSE:S00000": 3}
    assert await market.count_candles(Interval.D1, *ALWAYS) == {"NSE:S00000": 2}
    days = await market.candles("NSE:S00000", Interval.D1, *ALWAYS)
    assert (days.interval, days.close.tolist()) == (Interval.D1, [7.0, 7.0])


async def test_counts_are_of_the_span_and_leave_out_what_has_none(market: MarketStore):
    """An instrument without a candle in the span is not there, rather than zero."""
    await market.upsert_candles(flat_candles(2, 3))
    await market.upsert_candles(flat_candles(3, 1, first_minute=8))
    counted = await market.count_candles(Interval.M1, OPENED + MINUTE, OPENED + 3 * MINUTE)
    assert counted == {"NSE:S00000": 2, "NSE:S00001": 2}
    assert await market.count_candles(Interval.M1, 0, OPENED) == {}


async def test_incomplete_minutes_are_listed_for_repair(market: MarketStore):
    """Only those marked, of that instrument, in the span, oldest first."""
    minutes = flat_candles(2, 6)
    minutes.incomplete[:] = (minutes.time // MINUTE) % 2 == (OPENED // MINUTE) % 2
    await market.upsert_candles(minutes)
    found = await market.incomplete_minutes("NSE:S00001", OPENED + MINUTE, OPENED + 5 * MINUTE)
    assert found == [OPENED + 2 * MINUTE, OPENED + 4 * MINUTE]


async def test_a_restart_reads_the_last_candle_of_each_instrument(market: MarketStore):
    """Each instrument's own last one before the end of the span, and none from before its start."""
    await market.upsert_candles(flat_candles(3, 5))
    await market.upsert_candles(flat_candles(1, 4, first_minute=5, price=101.0))
    last = await market.last_candles(OPENED, OPENED + 7 * MINUTE)
    assert dict(zip(last.keys(), last.time.tolist(), strict=True)) == {
        "NSE:S00000": OPENED + 6 * MINUTE,
        "NSE:S00001": OPENED + 4 * MINUTE,
        "NSE:S00002": OPENED + 4 * MINUTE,
    }
    assert last.close.tolist() == [101.0, 100.0, 100.0]
    late = await market.last_candles(OPENED + 5 * MINUTE, OPENED + 99 * MINUTE)
    assert late.keys() == ["NSE:S00000"]
    assert len(await market.last_candles(0, OPENED)) == 0


async def test_a_restart_reads_a_corrected_candle_as_it_was_first_told(market: MarketStore):
    """The correction is told again by the restart itself, from the log."""
    await market.upsert_candles(flat_candles(2, 1))
    await market.upsert_candles(flat_candles(1, 1, revision=1, price=105.0))
    last = await market.last_candles(*ALWAYS)
    assert (last.keys(), last.revision.tolist(), last.close.tolist()) == (
        ["NSE:S00000", "NSE:S00001"],
        [0, 0],
        [100.0, 100.0],
    )


async def test_a_base_is_what_a_restart_goes_on_from_when_no_candle_is_newer(market: MarketStore):
    """Bases show in `last_candles` only, the newer of base and candle wins, and on a tie the base was first."""
    bases = flat_candles(3, 1, first_minute=2, revision=-1, price=0.0)
    await market.upsert_candles(flat_candles(1, 5))
    await market.upsert_candles(flat_candles(2, 3))
    await market.save_bases(bases)
    changed = flat_candles(3, 1, first_minute=2, revision=-1, price=9.0)
    await market.save_bases(changed)
    last = await market.last_candles(*ALWAYS)
    assert last.keys() == ["NSE:S00000", "NSE:S00001", "NSE:S00002"]
    assert last.revision.tolist() == [0, -1, -1]
    assert last.close.tolist() == [100.0, 0.0, 0.0]
    assert last.take(slice(1, 3)).to_records() == bases.take(slice(1, 3)).to_records()
    assert await market.count_candles(Interval.M1, *ALWAYS) == {"NSE:S00000": 5, "NSE:S00001": 3}


@pytest.mark.parametrize("interval", [i for i in Interval if i not in (Interval.M1, Interval.D1)])
async def test_an_interval_that_is_built_is_not_stored(market: MarketStore, interval: Interval):
    """5m and the like come from 1m candles; storing or asking is refused."""
    minutes = flat_candles(1, 1)
    minutes.interval = interval
    with pytest.raises(Refused, match=interval.value):
        await market.upsert_candles(minutes)
    with pytest.raises(Refused, match=interval.value):
        await market.candles("NSE:S00000", interval, *ALWAYS)
    with pytest.raises(Refused, match="bases"):
        await market.save_bases(minutes)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
async def test_a_price_that_is_no_number_stores_nothing_of_its_batch(market: MarketStore, value: float):
    """The field is named; the rows beside it are not stored either."""
    minutes = flat_candles(3, 3)
    minutes.vwap[4] = value
    with pytest.raises(InvalidValue, match="vwap"):
        await market.upsert_candles(minutes)
    assert await market.count_candles(Interval.M1, *ALWAYS) == {}


async def test_an_empty_batch_stores_nothing(market: MarketStore):
    """No rows, no transaction, no error."""
    assert await market.upsert_candles(flat_candles(1, 0)) == 0


async def test_what_is_stored_outlives_the_store(market_handles: Callable[[], MarketStore]):
    """Closed and opened again, also twice; a closed store says that it is not there."""
    store = market_handles()
    await store.open()
    await store.open()
    await store.upsert_candles(flat_candles(2, 2))
    await store.close()
    await store.close()
    with pytest.raises(Unavailable):
        await store.ping()
    with pytest.raises(Unavailable):
        await store.upsert_candles(flat_candles(2, 2))
    await store.open()
    await store.ping()
    assert await store.upsert_candles(flat_candles(2, 2)) == 0
