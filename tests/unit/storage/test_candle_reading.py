"""Stored candles in any interval, the newest few of them, and the minutes that are missing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from niftyflow.model import CandleBatch, Exchange, Instrument, Interval, Kind, milliseconds
from niftyflow.storage import MarketStore
from niftyflow.storage.candle_reading import instrument_of, missing_minutes, read_candles
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.stores import flat_candles

KEY = "NSE:S00000"
MINUTE, DAY = 60_000, 86_400_000
OPENED = milliseconds(datetime(2016, 8, 16, 3, 45, tzinfo=UTC))
MIDNIGHT = OPENED - (9 * 60 + 15) * MINUTE
EVER = (0, 2**60)


def session(day: int, minutes: int = 375) -> CandleBatch:
    """Return the first minutes of a day after 2016-08-16, with prices that count them."""
    batch = flat_candles(1, minutes)
    price = 100.0 + np.arange(minutes) + 1000 * day
    prices = {"open": price, "high": price + 2, "low": price - 1, "close": price + 1, "vwap": price + 0.5}
    return batch.replace(**prices, time=OPENED + day * DAY + MINUTE * np.arange(minutes), volume=batch.volume + 10)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MarketStore]:
    """Open a store with two whole days."""
    opened = SqliteMarketStore(tmp_path / "market.db")
    await opened.open()
    await opened.upsert_all([session(0), session(1)])
    yield opened
    await opened.close()


async def test_minutes_are_given_as_stored(store: MarketStore):
    """Span and limit are the store's own."""
    found = await read_candles(store, KEY, Interval.M1, OPENED + MINUTE, OPENED + 5 * MINUTE, 3)
    assert found.open.tolist() == [102, 103, 104]


async def test_higher_intervals_are_built_from_the_open(store: MarketStore):
    """An hour from 09:15; the last of the day has 15 minutes and is complete."""
    found = await read_candles(store, KEY, Interval.H1, *EVER)
    assert len(found) == 14
    assert found.open[:7].tolist() == [100, 160, 220, 280, 340, 400, 460]
    assert found.volume[:7].tolist() == [600] * 6 + [150]
    assert not found.incomplete.any()


@pytest.mark.parametrize("interval", [Interval.M3, Interval.M5, Interval.M10, Interval.M15, Interval.M30, Interval.H1])
@pytest.mark.parametrize("last", [1, 2, 5, 13])
async def test_the_newest_few_are_those_of_the_whole(store: MarketStore, interval: Interval, last: int):
    """A limit reads less, and gives the same candles."""
    whole = await read_candles(store, KEY, interval, *EVER)
    few = await read_candles(store, KEY, interval, *EVER, last)
    assert few == whole.take(slice(-last, None))


async def test_a_candle_at_the_edge_of_the_span_is_whole(store: MarketStore):
    """From 09:20 to 09:40: the quarter hour that begins inside is built of all its minutes."""
    found = await read_candles(store, KEY, Interval.M15, OPENED + 5 * MINUTE, OPENED + 25 * MINUTE)
    assert found.time.tolist() == [OPENED + 15 * MINUTE]
    assert found.close.tolist() == [130]
    assert not found.incomplete.any()
    newest = await read_candles(store, KEY, Interval.M15, 0, OPENED + 25 * MINUTE, 1)
    assert newest == found


async def test_days_are_stored_ones_and_built_ones_where_none_is_stored(store: MarketStore):
    """The official day of the 16th wins over its minutes."""
    official = session(0, 1).replace(time=np.array([MIDNIGHT]), close=np.array([777.0]), high=np.array([777.0]))
    daily = CandleBatch(official.names, Interval.D1, **official.columns())
    await store.upsert_candles(daily)
    found = await read_candles(store, KEY, Interval.D1, *EVER)
    assert found.time.tolist() == [MIDNIGHT, MIDNIGHT + DAY]
    assert found.close.tolist() == [777, 1475]
    assert (await read_candles(store, KEY, Interval.D1, *EVER, 1)).close.tolist() == [1475]


async def test_nothing_stored_gives_nothing(store: MarketStore):
    """In every interval."""
    for interval in Interval:
        assert not len(await read_candles(store, "NSE:OTHER", interval, *EVER, 5))


async def test_missing_and_incomplete_minutes_are_listed_by_day(store: MarketStore):
    """A day with a hole and an unseen start, a day without a candle, and no weekend."""
    batch = session(2).take(np.r_[0:10, 12:375])
    incomplete = np.zeros(len(batch), np.bool_)
    incomplete[0] = True
    await store.upsert_candles(batch.replace(incomplete=incomplete))
    days = await missing_minutes(store, KEY, MIDNIGHT + DAY, MIDNIGHT + 7 * DAY, OPENED + 30 * DAY)
    assert [(day.day.day, day.expected, day.stored, len(day.missing)) for day in days] == [
        (17, 375, 375, 0), (18, 375, 373, 2), (19, 375, 0, 375), (22, 375, 0, 375)
    ]  # fmt: skip
    assert days[1].missing.tolist() == [OPENED + 2 * DAY + 10 * MINUTE, OPENED + 2 * DAY + 11 * MINUTE]
    assert days[1].incomplete.tolist() == [OPENED + 2 * DAY]


async def test_minutes_that_have_not_ended_are_not_missing(store: MarketStore):
    """Ten minutes and a half into the third day."""
    await store.upsert_candles(session(2, 8))
    now = OPENED + 2 * DAY + 10 * MINUTE + 30_000
    days = await missing_minutes(store, KEY, MIDNIGHT + 2 * DAY, MIDNIGHT + 4 * DAY, now)
    assert [(day.day, day.expected, day.stored) for day in days] == [(date(2016, 8, 18), 10, 8)]


async def test_an_instrument_is_looked_up_by_day_then_as_it_is_now(store: MarketStore):
    """Without either it is a share."""
    assert (await instrument_of(store, KEY, OPENED)).kind is Kind.EQUITY
    index = Instrument(exchange=Exchange.NSE, symbol="S00000", kind=Kind.INDEX, valid_from=date(2020, 1, 1))
    await store.save_instruments([index])
    assert await instrument_of(store, KEY, OPENED) == index
    assert await instrument_of(store, KEY, 2**60) == index
