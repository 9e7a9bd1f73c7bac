"""Candles as first told: what indicators are folded from, live, after a restart and years later."""

from __future__ import annotations

from niftyflow.model import CandleBatch
from niftyflow.storage.ports import MarketStore
from support.stores import MINUTE, OPENED, flat_candles

ALWAYS = (0, 1 << 60)


def minutes_of(batch: CandleBatch) -> list[tuple[int, str]]:
    """Return (minute, instrument) of each row."""
    return [((time - OPENED) // MINUTE, key) for time, key in zip(batch.time.tolist(), batch.keys(), strict=True)]


async def test_a_corrected_candle_comes_as_it_was_first_told(market: MarketStore):
    """However often it was corrected since; one that began as a correction is left out."""
    await market.upsert_candles(flat_candles(2, 4))
    for revision in (1, 2):
        await market.upsert_candles(flat_candles(1, 1, first_minute=2, revision=revision, price=100.0 + revision))
    await market.upsert_candles(flat_candles(1, 1, first_minute=4, revision=1, price=105.0))
    told = await market.first_told(*ALWAYS)
    assert told == flat_candles(2, 4)
    assert told.revision.tolist() == [0] * 8


async def test_candles_come_by_time_and_then_by_instrument(market: MarketStore):
    """Whatever the order in which they were stored and asked for, and also where an instrument has only corrections."""
    for minute in (2, 0, 1):
        await market.upsert_candles(flat_candles(3, 1, first_minute=minute))
    everyone = [(minute, f"NSE:S{number:05}") for minute in range(3) for number in range(3)]
    assert minutes_of(await market.first_told(*ALWAYS)) == everyone
    await market.upsert_candles(flat_candles(1, 3, revision=1, price=101.0))
    assert minutes_of(await market.first_told(*ALWAYS)) == everyone
    some = await market.first_told(*ALWAYS, ["NSE:S00002", "NSE:S00000", "NSE:S00002", "NSE:ABSENT"])
    assert minutes_of(some) == [pair for pair in everyone if pair[1] != "NSE:S00001"]


async def test_the_span_ends_before_its_end(market: MarketStore):
    """For stored candles and for those put aside."""
    await market.upsert_candles(flat_candles(1, 5))
    await market.upsert_candles(flat_candles(1, 5, revision=1, price=101.0))
    told = await market.first_told(OPENED + MINUTE, OPENED + 3 * MINUTE)
    assert minutes_of(told) == [(1, "NSE:S00000"), (2, "NSE:S00000")]
    assert set(told.close.tolist()) == {100.0}


async def test_nothing_told_is_an_empty_batch(market: MarketStore):
    """An empty store, no instruments, and instruments nobody knows."""
    assert len(await market.first_told(*ALWAYS)) == 0
    await market.upsert_candles(flat_candles(1, 1))
    assert len(await market.first_told(*ALWAYS, [])) == 0
    assert len(await market.first_told(*ALWAYS, ["NSE:ABSENT"])) == 0


async def test_more_instruments_than_one_statement_names_all_come(market: MarketStore):
    """Each once."""
    count = 1001
    await market.upsert_candles(flat_candles(count, 2))
    assert await market.first_told(*ALWAYS) == flat_candles(count, 2)


async def test_the_first_candle_of_each_instrument_is_known_by_its_time(market: MarketStore):
    """Those without a candle are left out."""
    await market.upsert_candles(flat_candles(1, 3, first_minute=7))
    await market.upsert_candles(flat_candles(2, 1, first_minute=9))
    first = await market.first_time(["NSE:S00001", "NSE:S00000", "NSE:ABSENT"])
    assert first == {"NSE:S00000": OPENED + 7 * MINUTE, "NSE:S00001": OPENED + 9 * MINUTE}
    assert await market.first_time([]) == {}
