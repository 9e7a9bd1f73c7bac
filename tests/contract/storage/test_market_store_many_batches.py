"""Several batches in one transaction: all of them or none, on every market store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from niftyflow.model import CandleBatch, Interval, Refused
from niftyflow.storage import MarketStore
from support.stores import OPENED, flat_candles

EVER = (0, 2**60)


async def test_batches_are_stored_together(market: MarketStore):
    """Minutes and days, first revisions and corrections; the count is of rows that won."""
    batches = [flat_candles(2, 3), flat_candles(2, 3, first_minute=3), flat_candles(1, 2, interval=Interval.D1)]
    assert await market.upsert_all(batches) == 14
    assert await market.count_candles(Interval.M1, *EVER) == {"NSE:S00000": 6, "NSE:S00001": 6}
    assert await market.count_candles(Interval.D1, *EVER) == {"NSE:S00000": 2}
    assert await market.upsert_all([flat_candles(2, 3), flat_candles(1, 1, revision=1, price=105.0)]) == 1
    kept = await market.first_revision("NSE:S00000", Interval.M1, OPENED)
    assert kept is not None
    assert kept.close == 100.0
    assert await market.upsert_all([]) == 0


async def test_a_refused_batch_takes_those_before_it_along(market: MarketStore):
    """Nothing of a transaction that fails is stored, and the store goes on working."""
    with pytest.raises(Refused):
        await market.upsert_all([flat_candles(2, 3), flat_candles(1, 1, interval=Interval.M5)])
    assert await market.count_candles(Interval.M1, *EVER) == {}
    assert await market.upsert_candles(flat_candles(1, 1)) == 1


async def test_a_source_of_batches_that_fails_leaves_nothing(market: MarketStore):
    """Batches may be made while they are stored."""

    def breaking_off() -> Iterator[CandleBatch]:
        yield flat_candles(2, 3)
        raise RuntimeError("the file ended early")

    with pytest.raises(RuntimeError, match="the file ended early"):
        await market.upsert_all(breaking_off())
    assert await market.count_candles(Interval.M1, *EVER) == {}
