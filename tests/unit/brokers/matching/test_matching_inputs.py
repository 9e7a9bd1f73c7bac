"""What the exchange is made of and fed with: listings, rows, and days with hours of their own."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from niftyflow.brokers.matching import NOT_TOLD, Exchange, Listing, Mode, Quote, Quotes, Variety
from niftyflow.model import Exchange as Venue
from niftyflow.model import Instrument, InvalidValue, Kind, OrderType, UnknownInstrument
from support.matching import SHARE, Trial, at, e4, share


def test_a_masters_row_becomes_a_listing_and_keeps_what_the_calendar_needs():
    """Tick, lot and freeze as integers; hours depend on kind, derivatives, underlying and expiry."""
    row = Instrument(
        exchange=Venue.NFO, symbol="NIFTY26NOV24000CE", kind=Kind.OPTION, tick_size=Decimal("0.05"), lot_size=65,
        freeze_quantity=1800, underlying="NIFTY", expiry=date(2026, 11, 24), right="CE",
    )  # fmt: skip
    listing = Listing.of(row, lower_band=500, upper_band=e4(400), previous_close=e4(120))
    assert (listing.tick_size, listing.lot_size, listing.freeze_quantity) == (500, 65, 1800)
    assert listing.is_derivative
    known = listing.to_instrument()
    assert (known.key, known.underlying, known.expiry) == (row.key, "NIFTY", date(2026, 11, 24))


def test_an_instrument_is_listed_once():
    """Two listings of one key are a mistake."""
    with pytest.raises(InvalidValue, match="listed once"):
        Exchange([share(), share()])


def test_what_is_not_listed_is_unknown_to_questions_and_passed_over_in_rows():
    """A tape with more instruments than the exchange is no mistake."""
    trial = Trial()
    trial.go("10:00")
    for ask in (trial.exchange.depth, trial.exchange.last_price, trial.exchange.mode):
        with pytest.raises(UnknownInstrument):
            ask("NSE:NOBODY")
    assert trial.row(100, [], [], instrument="NSE:NOBODY") == []
    assert trial.exchange.order("nobody") is None
    assert trial.exchange.trades("nobody") == trial.exchange.orders("nobody") == []


def test_rows_become_columns_and_rows_again():
    """Nothing is lost on the way, and a row without a time of its own stands at the call's."""
    rows = [
        Quote(SHARE, 5, 100, 7, [99, 0], [10, 0], [101, 102], [NOT_TOLD, 3]),
        Quote(SHARE, 6, 101, 8, *[[1, 2]] * 4),
    ]
    columns = Quotes.of_rows(rows)
    assert list(columns.rows(0)) == rows
    assert len(Quotes.of_rows([])) == 0
    untimed = Quotes.of_rupees([SHARE], [1.05], [2], [1.0], [1.1])
    assert list(untimed.rows(9)) == [Quote(SHARE, 9, 10_500, 2, [10_000], [NOT_TOLD], [11_000], [NOT_TOLD])]


def test_columns_of_different_lengths_are_refused():
    """The message names the column."""
    with pytest.raises(InvalidValue, match="ltp"):
        Quotes.of_rupees([SHARE], [1.05, 2], [2], [1.0], [1.1])


def test_the_first_call_may_be_rows_and_each_counts_at_its_own_time():
    """The book at 10:00:00.005 is what an order sent then meets, though the call said more."""
    trial = Trial(latency_ms=0)
    sides = (np.array([99.95, 99.90]), np.array([100.05, 100.0]))
    times = [at("10:00"), at("10:00") + 5]
    quotes = Quotes.of_rupees([SHARE] * 2, [100, 100], [0, 0], sides[0], sides[1], [5, 5], [7, 9], times)
    assert trial.exchange.next_event_at() is None
    trial.exchange.market(quotes, at("11:00"))
    trial.now = at("10:00") + 5
    order = trial.place("BUY", 20, 100)
    assert trial.fills(order) == [(9, 100)]
    assert trial.exchange.order(order).placed_at == at("10:00") + 5
    assert trial.exchange.last_price(SHARE) == e4(100)


def test_a_day_in_two_parts_keeps_orders_between_them():
    """2024-03-02 traded 09:15 to 10:00 and 11:30 to 12:30; between them nothing is entered."""
    day = date(2024, 3, 2)
    trial = Trial()
    trial.go(at("09:59", day))
    order = trial.place("BUY", 10, 100)
    trial.go(at("10:30", day))
    assert trial.exchange.mode(SHARE) is Mode.FROZEN
    assert trial.status(order) == "OPEN"
    trial.go(at("11:45", day))
    assert trial.exchange.mode(SHARE) is Mode.CONTINUOUS
    trial.go(at("12:30", day))
    assert trial.kinds(order)[-1] == "expired"


def test_a_market_order_of_a_pre_open_without_any_price_ends_at_the_open():
    """No auction price, no last price, no previous close: there is nothing it could be limited to."""
    trial = Trial()
    trial.go("09:01")
    order = trial.place("BUY", 10)
    trial.go("09:15")
    assert trial.status(order) == "CANCELLED"


def test_the_same_inputs_give_the_same_depth_after_a_row_that_waited():
    """A row that met nothing of ours is shown when somebody asks."""
    trial = Trial()
    trial.go("10:00")
    trial.row(100, [(99.95, 10)], [(100.05, 20)], traded=5)
    trial.row(100, [(99.90, 11)], [(100.05, 21)], traded=5)
    depth = trial.exchange.depth(SHARE)
    assert [(level.price, level.quantity) for level in (*depth.bids, *depth.asks)] == [
        (e4(99.90), 11),
        (e4(100.05), 21),
    ]
    assert depth.day_volume == 10


def test_recorded_volumes_that_step_back_trade_nothing():
    """Only growth beyond the day's highest counts."""
    trial = Trial()
    trial.go("10:00")
    trial.row(100, [], [(100.05, 1)], traded=100)
    order = trial.place("BUY", 10, 99)
    trial.row(98, [], [(100.05, 1)], traded=-60)
    trial.row(98, [], [(100.05, 1)], traded=60)
    assert trial.fills(order) == []
    trial.row(98, [], [(100.05, 1)], traded=4)
    assert trial.fills(order) == [(4, 99)]


def test_an_amo_of_a_stop_order_can_be_cancelled_between_pre_open_and_open():
    """It has not reached the exchange, so the frozen phase does not bind it."""
    trial = Trial()
    trial.go("08:00")
    stop = trial.place("SELL", 10, 94, variety=Variety.AMO, order_type=OrderType.SL, trigger=95)
    trial.go("09:12")
    trial.cancel(stop)
    assert trial.status(stop) == "CANCELLED"
    trial.go("09:16")
    assert trial.exchange.depth(SHARE).asks == ()
