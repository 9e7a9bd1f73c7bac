"""Rules an order must keep before a book sees it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from niftyflow.brokers.matching import EventKind, Refusal, TimeInForce, Variety
from niftyflow.model import Kind, OrderType
from support.matching import SHARE, Trial, at, e4, share

BAND = {"lower_band": e4(90), "upper_band": e4(110)}


@pytest.mark.parametrize(
    ("side", "quantity", "price", "terms", "refusal"),
    [
        ("BUY", 10, 100.03, {}, Refusal.TICK),
        ("BUY", 10, 110.05, {}, Refusal.BAND),
        ("SELL", 10, 89.95, {}, Refusal.BAND),
        ("BUY", 0, 100, {}, Refusal.QUANTITY),
        ("BUY", 15, 100, {}, Refusal.LOT),
        ("BUY", 1010, 100, {}, Refusal.FREEZE),
        ("BUY", 10, 0, {"market_protection": 0}, Refusal.PROTECTION),
        ("BUY", 10, 0, {"market_protection": 10_001}, Refusal.PROTECTION),
        ("BUY", 10, 0, {"order_type": OrderType.LIMIT}, Refusal.PRICE),
        ("BUY", 10, 101, {"order_type": OrderType.SL}, Refusal.TRIGGER),
        ("BUY", 10, 101, {"order_type": OrderType.SL, "trigger": 101.05}, Refusal.TRIGGER),
        ("SELL", 10, 99, {"order_type": OrderType.SL, "trigger": 98}, Refusal.TRIGGER),
        ("BUY", 10, 101, {"order_type": OrderType.SL, "trigger": 99.5}, Refusal.TRIGGER),
        ("SELL", 10, 0, {"order_type": OrderType.SL_M, "trigger": 100}, Refusal.TRIGGER),
        ("BUY", 100, 100, {"disclosed_quantity": 9}, Refusal.DISCLOSED),
        ("BUY", 100, 100, {"disclosed_quantity": 110}, Refusal.DISCLOSED),
        ("BUY", 100, 100, {"disclosed_quantity": 50, "validity": TimeInForce.IOC}, Refusal.DISCLOSED),
        ("BUY", 100, 100, {"variety": Variety.ICEBERG, "legs": 1}, Refusal.ICEBERG),
        ("BUY", 100, 0, {"variety": Variety.ICEBERG, "legs": 5}, Refusal.ICEBERG),
        ("BUY", 3000, 100, {"variety": Variety.ICEBERG, "legs": 2}, Refusal.FREEZE),
        ("BUY", 10, 100, {"validity": TimeInForce.TTL}, Refusal.VALIDITY),
        ("BUY", 10, 100, {"variety": Variety.AMO}, Refusal.MARKET_OPEN),
        ("BUY", 10, 100, {"instrument": "NSE:NOBODY"}, Refusal.UNKNOWN_INSTRUMENT),
    ],
)
def test_an_order_that_breaks_a_rule_is_refused_by_that_rule(
    side: str, quantity: int, price: float, terms: dict[str, Any], refusal: Refusal
):
    """Every rule is named in the refusal, says why in words, and no order is kept."""
    trial = Trial(share(lot_size=10, freeze_quantity=1000, **BAND))
    trial.go("09:15")
    trial.row(100, [(99.95, 100)], [(100.05, 100)])
    event = trial.refused(side, quantity, price, **terms)
    assert event.refusal is refusal
    assert event.reason
    assert refusal.is_input
    assert trial.exchange.order(event.order_id) is None


def test_the_words_of_known_refusals_are_kites():
    """A bot that reads messages finds the ones it knows."""
    trial = Trial(share(**BAND))
    trial.go("09:15")
    assert "Tick size for this script is 0.05" in trial.refused("BUY", 1, 100.01).reason
    assert "Price exceeds circuit limits for the instrument" in trial.refused("BUY", 1, 111).reason
    reason = trial.refused("BUY", 1, market_protection=0).reason
    assert reason.startswith("Market orders without market protection are not allowed via API.")


def test_what_keeps_every_rule_is_taken():
    """The edges of band, lot, freeze and disclosure are inside."""
    trial = Trial(share(lot_size=10, freeze_quantity=1000, **BAND))
    trial.go("09:15")
    for price in (90, 110):
        assert trial.status(trial.place("BUY", 10, price, account=f"at-{price}")) == "OPEN"
    assert trial.status(trial.place("BUY", 1000, 95, disclosed_quantity=100)) == "OPEN"
    assert trial.status(trial.place("BUY", 2000, 95, variety=Variety.ICEBERG, legs=2)) == "OPEN"


def test_an_index_is_not_traded_and_a_derivative_has_no_disclosed_quantity():
    """What an instrument is decides too."""
    trial = Trial(
        share("NSE:NIFTY 50", kind=Kind.INDEX),
        share("NFO:NIFTYFUT", kind=Kind.FUTURE, underlying="NIFTY", expiry=date(2026, 11, 24)),
    )
    trial.go("09:15")
    assert trial.refused("BUY", 1, 100, instrument="NSE:NIFTY 50").refusal is Refusal.NOT_TRADABLE
    event = trial.refused("BUY", 10, 100, instrument="NFO:NIFTYFUT", disclosed_quantity=5)
    assert event.refusal is Refusal.DISCLOSED


def test_an_order_id_is_used_once():
    """A second order of an id is refused and the first one stays."""
    trial = Trial()
    trial.go("09:15")
    first = trial.place("BUY", 1, 99)
    event = trial.refused("BUY", 5, 98, order_id=first)
    assert event.refusal is Refusal.DUPLICATE_ORDER
    assert trial.exchange.order(first).order.quantity == 1


def test_changes_of_unknown_and_finished_orders_are_refused():
    """A refused change says so and changes nothing."""
    trial = Trial()
    trial.go("09:15")
    assert [event.refusal for event in trial.cancel("nobody")] == [Refusal.UNKNOWN_ORDER]
    assert [event.refusal for event in trial.modify("nobody", price=99)] == [Refusal.UNKNOWN_ORDER]
    order = trial.place("BUY", 1, 99)
    trial.cancel(order)
    assert [event.refusal for event in trial.cancel(order)] == [Refusal.FINAL]
    assert [event.refusal for event in trial.modify(order, price=98)] == [Refusal.FINAL]
    assert trial.status(order) == "CANCELLED"


def test_a_market_order_without_any_last_price_is_rejected_by_the_exchange():
    """There is nothing to be protected by; the order exists, rejected."""
    trial = Trial()
    trial.go("09:15")
    order = trial.place("BUY", 1)
    assert trial.status(order) == "REJECTED"
    assert trial.exchange.order(order).refusal is Refusal.NO_LAST_PRICE


def test_while_the_exchange_is_halted_orders_are_rejected_and_standing_ones_stay():
    """A halt matches nothing; after it the market fills what it has reached."""
    trial = Trial()
    trial.go("09:15")
    order = trial.place("BUY", 10, 100)
    trial.exchange.halt(trial.now)
    late = trial.place("BUY", 10, 100)
    trial.row(99, [(98.95, 50)], [(99, 50)], traded=50)
    assert (trial.status(order), trial.status(late)) == ("OPEN", "REJECTED")
    events = trial.exchange.resume(trial.now)
    assert [event.kind for event in events] == [EventKind.TRADED]
    assert trial.status(order) == "COMPLETE"


def test_regular_orders_are_refused_while_the_market_is_closed():
    """Outside the session only an AMO is taken."""
    trial = Trial()
    trial.go("08:00")
    assert trial.refused("BUY", 1, 100).refusal is Refusal.MARKET_CLOSED
    assert trial.status(trial.place("BUY", 1, 100, variety=Variety.AMO)) == "AMO REQ RECEIVED"


def test_on_a_day_no_calendar_knows_nothing_is_taken():
    """No calendar, no order; the refusal names the day."""
    trial = Trial()
    trial.go(at("10:00", date(2031, 1, 6)))
    event = trial.refused("BUY", 1, 100)
    assert event.refusal is Refusal.MARKET_CLOSED
    assert "2031-01-06" in event.reason
    assert trial.exchange.mode(SHARE).value == "closed"
