"""What every market store does with instruments, gaps and repairs."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from niftyflow.model import Exchange, FeedGap, Instrument, InvalidValue, Kind
from niftyflow.storage import MarketStore, RepairRequest

OPTION = Instrument(
    exchange=Exchange.NFO,
    symbol="NIFTY25NOV26000CE",
    kind=Kind.OPTION,
    token="11111",
    name="NIFTY",
    tick_size=Decimal("0.05"),
    lot_size=75,
    freeze_quantity=1800,
    underlying="NSE:NIFTY 50",
    expiry=date(2025, 11, 25),
    strike=Decimal("26000.2500"),
    right="CE",
    valid_from=date(2025, 9, 1),
    valid_to=date(2025, 11, 25),
)
SHARE = Instrument(exchange=Exchange.NSE, symbol="RELIANCE", kind=Kind.EQUITY, has_derivatives=True)


async def test_every_fact_of_an_instrument_comes_back(market: MarketStore):
    """Decimals exact, dates as dates, absent facts absent."""
    assert await market.save_instruments([OPTION, SHARE]) == 2
    assert await market.instruments(date(2025, 10, 1)) == [OPTION, SHARE]


async def test_saving_a_master_again_counts_only_what_is_new_or_different(market: MarketStore):
    """A daily snapshot of an unchanged master changes nothing."""
    await market.save_instruments([OPTION, SHARE])
    assert await market.save_instruments([OPTION, SHARE]) == 0
    renamed = msgspec.structs.replace(SHARE, name="Reliance Industries")
    assert await market.save_instruments([OPTION, renamed]) == 1
    assert (await market.instruments(date(2025, 10, 1)))[1] == renamed
    assert await market.save_instruments([]) == 0


async def test_an_instrument_stands_as_it_stood_on_the_day(market: MarketStore):
    """The newest state on or before the day holds; the older one ends where it begins."""
    before = msgspec.structs.replace(SHARE, lot_size=505, valid_from=date(2020, 1, 1))
    after = msgspec.structs.replace(SHARE, lot_size=500, valid_from=date(2025, 4, 1))
    await market.save_instruments([after, before])
    assert await market.instruments(date(2019, 12, 31)) == []
    assert await market.instruments(date(2025, 3, 31)) == [before]
    assert await market.instruments(date(2025, 4, 1)) == [after]


async def test_an_expired_instrument_is_gone_the_day_after(market: MarketStore):
    """`valid_to` is its last day, and an older open-ended state does not come back."""
    listed = msgspec.structs.replace(OPTION, valid_from=date(2025, 8, 1), valid_to=None)
    await market.save_instruments([listed, OPTION])
    assert await market.instruments(date(2025, 11, 25)) == [OPTION]
    assert await market.instruments(date(2025, 11, 26)) == []


async def test_a_tick_finer_than_the_database_keeps_is_refused(market: MarketStore):
    """Money is kept to 1/10,000 rupee and never rounded; the instruments beside it are not saved either."""
    with pytest.raises(InvalidValue, match="tick_size"):
        await market.save_instruments([OPTION, msgspec.structs.replace(SHARE, tick_size=Decimal("0.00001"))])
    assert await market.instruments(date(2025, 10, 1)) == []


async def test_gaps_are_found_by_the_span_they_touch(market: MarketStore):
    """Ends are exclusive: a gap that ends where the span begins does not touch it."""
    early = FeedGap(source="kite-1", since=1000, until=2000, reason="silent")
    long = FeedGap(source="kite-2", since=1500, until=9000, reason="socket cut")
    late = FeedGap(source="kite-1", since=5000, until=6000, reason="restart")
    await market.add_gaps([late, early, long])
    assert await market.gaps(0, 10_000) == [early, long, late]
    assert await market.gaps(2000, 5000) == [long]
    assert await market.gaps(1999, 5001) == [early, long, late]
    assert await market.gaps(9000, 10_000) == []


async def test_a_gap_recorded_again_is_one_gap(market: MarketStore):
    """Replays record the same spans."""
    gap = FeedGap(source="kite-1", since=1000, until=2000, reason="silent")
    await market.add_gaps([gap])
    await market.add_gaps([gap, gap])
    await market.add_gaps([])
    assert await market.gaps(0, 10_000) == [gap]


async def test_repairs_are_queued_once_and_listed_oldest_first(market: MarketStore):
    """A minute queued again, even for another reason, stays as it was queued."""
    first = RepairRequest(instrument="NSE:RELIANCE", time=60_000, reason="late")
    second = RepairRequest(instrument="NSE:INFY", time=120_000, reason="incomplete")
    await market.request_repairs([second, first])
    await market.request_repairs([msgspec.structs.replace(first, reason="incomplete")])
    await market.request_repairs([])
    assert await market.repairs() == [first, second]
