"""What a change in price is measured against, of several days, from the store."""

from __future__ import annotations

from datetime import date

import pytest

from niftyflow.gateway import previous_closes
from niftyflow.gateway.previous_closes import MOST_DAYS, PreviousCloses
from support.gateways import TODAY, YESTERDAY, YESTERDAYS_CLOSE, Gateway, minutes
from support.market import ist

DAY = date.fromisoformat(TODAY)


async def test_each_day_is_measured_against_the_session_before(served: Gateway):
    """Days may be asked for in turn; of the first there is nothing before."""
    closes = PreviousCloses(served.sources.market)
    for _ in range(2):
        assert dict(await closes.of(DAY)) == {f"NSE:{name}": close for name, close in YESTERDAYS_CLOSE.items()}
        assert dict(await closes.of(date.fromisoformat(YESTERDAY))) == {}
        assert (await closes.of(date(2026, 1, 7)))["NSE:INFY"] == 1520.0


async def test_a_candle_that_was_stored_late_counts_a_minute_later(served: Gateway, monkeypatch: pytest.MonkeyPatch):
    """A session's last minute may come after the first tick of the next."""
    closes = PreviousCloses(served.sources.market)
    assert (await closes.of(DAY))["NSE:TCS"] == 3900.0
    await served.sources.market.upsert_candles(minutes("TCS", ist(YESTERDAY, "15:30"), 1, 3901.0))
    assert (await closes.of(DAY))["NSE:TCS"] == 3900.0
    later = previous_closes.monotonic() + previous_closes.KEPT_SECONDS
    monkeypatch.setattr(previous_closes, "monotonic", lambda: later)
    assert (await closes.of(DAY))["NSE:TCS"] == 3901.0


async def test_a_few_days_are_kept(served: Gateway):
    """Memory is bounded."""
    closes = PreviousCloses(served.sources.market)
    for day in range(7, 12):
        await closes.of(date(2026, 1, day))
    assert list(closes._known) == [date(2026, 1, day) for day in range(9, 9 + MOST_DAYS)]
