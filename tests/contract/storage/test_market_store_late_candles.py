"""A restart goes on from what was told in time: a candle that only a late trade brought is not among it."""

from __future__ import annotations

from niftyflow.storage.ports import MarketStore
from support.stores import flat_candles

ALWAYS = (0, 1 << 60)


async def test_a_candle_first_told_late_is_no_base(market: MarketStore):
    """The last candle with a revision 0 counts, also where that was corrected since."""
    await market.upsert_candles(flat_candles(1, 3))
    await market.upsert_candles(flat_candles(1, 1, first_minute=2, revision=1, price=101.0))
    await market.upsert_candles(flat_candles(1, 1, first_minute=3, revision=1, price=102.0))
    last = await market.last_candles(*ALWAYS)
    assert last.revision.tolist() == [0]
    assert last.close.tolist() == [100.0]
    assert last.time.tolist() == flat_candles(1, 1, first_minute=2).time.tolist()
