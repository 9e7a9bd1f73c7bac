"""What a change in price is measured against, of several days, from the store."""

from __future__ import annotations

from datetime import date

from niftyflow.gateway.previous_closes import KEPT_SECONDS, MOST_DAYS, PreviousCloses
from niftyflow.storage.cache_channel import CacheChannel
from support.gateways import TODAY, YESTERDAY, YESTERDAYS_CLOSE, Gateway, minutes
from support.market import ist
from support.stores import SecondsClock

DAY = date.fromisoformat(TODAY)


async def test_each_day_is_measured_against_the_session_before(served: Gateway):
    """Days may be asked for in turn; of the first there is nothing before."""
    closes = served.sources.closes
    for _ in range(2):
        assert dict(await closes.of(DAY)) == {f"NSE:{name}": close for name, close in YESTERDAYS_CLOSE.items()}
        assert dict(await closes.of(date.fromisoformat(YESTERDAY))) == {}
        assert (await closes.of(date(2026, 1, 7)))["NSE:INFY"] == 1520.0


async def test_a_candle_that_was_stored_late_counts_a_minute_later(served: Gateway):
    """A session's last minute may come after the first tick of the next."""
    clock = SecondsClock()
    closes = PreviousCloses(served.sources.market, CacheChannel(served.sources.hot, clock))
    assert (await closes.of(DAY))["NSE:TCS"] == 3900.0
    await served.sources.market.upsert_candles(minutes("TCS", ist(YESTERDAY, "15:30"), 1, 3901.0))
    assert (await closes.of(DAY))["NSE:TCS"] == 3900.0
    clock.now += KEPT_SECONDS
    assert (await closes.of(DAY))["NSE:TCS"] == 3901.0


async def test_a_few_days_are_kept(served: Gateway):
    """Memory is bounded."""
    closes = served.sources.closes
    for day in range(7, 12):
        await closes.of(date(2026, 1, day))
    assert list(closes._known._first._values) == [f"2026-01-{day:02}" for day in range(9, 9 + MOST_DAYS)]
