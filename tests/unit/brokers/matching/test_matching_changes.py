"""Changing and cancelling orders that stand, wait, or are under way."""

from __future__ import annotations

from niftyflow.brokers.matching import EventKind, Refusal, TimeInForce
from niftyflow.model import OrderType
from support.matching import SHARE, Trial, at


def three() -> tuple[Trial, str, str, str]:
    """Return an exchange with two sellers at 100, the first of whom will be changed, and a buyer's id to be."""
    trial = Trial()
    trial.go("09:15")
    first = trial.place("SELL", 20, 100, account="two")
    second = trial.place("SELL", 10, 100, account="three")
    return trial, first, second, "o3"


def test_less_quantity_keeps_the_place_in_the_queue():
    """The first seller still trades first, with what is left."""
    trial, first, second, buyer = three()
    trial.modify(first, quantity=5)
    trial.place("BUY", 10, 100)
    assert (trial.fills(first), trial.fills(second)) == ([(5, 100)], [(5, 100)])
    assert trial.fills(buyer) == [(5, 100), (5, 100)]


def test_more_quantity_joins_at_the_back():
    """The second seller trades first."""
    trial, first, second, _ = three()
    trial.modify(first, quantity=30)
    trial.place("BUY", 15, 100)
    assert (trial.fills(first), trial.fills(second)) == ([(5, 100)], [(10, 100)])


def test_another_price_joins_at_the_back_and_may_trade_at_once():
    """A price moved away and back has lost its turn; moved onto a buyer it trades."""
    trial, first, second, buyer = three()
    trial.modify(first, price=100.05)
    trial.modify(first, price=100)
    trial.place("BUY", 15, 100)
    assert (trial.fills(second), trial.fills(first)) == ([(10, 100)], [(5, 100)])
    stands = trial.place("BUY", 10, 99)
    trial.modify(first, price=98.95)
    assert trial.fills(stands) == [(10, 99)]
    assert trial.status(buyer) == "COMPLETE"


def test_a_change_arrives_after_the_latency_and_an_order_filled_by_then_refuses_it():
    """It was asked for in time and came too late: the order stays as it is."""
    trial = Trial(latency_ms=50)
    trial.go("09:15")
    order = trial.place("BUY", 10, 100)
    trial.go(trial.now + 50)
    assert [event.kind for event in trial.modify(order, price=99)] == [EventKind.REQUESTED]
    assert [event.kind for event in trial.cancel(order)] == [EventKind.REQUESTED]
    trial.go(trial.now + 49)
    trial.row(100, [], [(99.95, 10)])
    late = trial.go(trial.now + 1)
    assert [(event.kind, event.refusal) for event in late] == [(EventKind.REFUSED, Refusal.FINAL)] * 2
    assert trial.status(order) == "COMPLETE"


def test_the_new_quantity_counts_what_is_filled_and_has_to_exceed_it():
    """Of 10 with 4 filled: 4 is refused, 6 leaves 2."""
    trial = Trial()
    trial.go("09:15")
    order = trial.place("BUY", 10, 100)
    trial.place("SELL", 4, 100, account="two")
    assert [event.refusal for event in trial.modify(order, quantity=4)] == [Refusal.QUANTITY]
    trial.modify(order, quantity=6)
    trial.place("SELL", 10, 100, account="two")
    view = trial.exchange.order(order)
    assert (view.status.value, view.filled, view.order.quantity) == ("COMPLETE", 6, 6)


def test_a_change_is_checked_like_an_order():
    """Off the tick, and a change of nothing, are refused and the order keeps its terms."""
    trial = Trial()
    trial.go("09:15")
    order = trial.place("BUY", 10, 100)
    assert [event.refusal for event in trial.modify(order, price=99.99)] == [Refusal.TICK]
    assert [event.refusal for event in trial.modify(order, price=100)] == [Refusal.NOTHING_TO_CHANGE]
    assert trial.exchange.order(order).order.price == 1_000_000


def test_a_stop_orders_trigger_is_moved_and_the_old_one_is_forgotten():
    """Reaching the old trigger does nothing, the new one does."""
    trial = Trial()
    trial.go("09:15")
    trial.row(100, [], [])
    order = trial.place("SELL", 10, 98, order_type=OrderType.SL, trigger=99)
    trial.modify(order, trigger=98.5)
    trial.row(99, [(98.9, 50)], [(101, 50)])
    assert trial.status(order) == "TRIGGER PENDING"
    trial.row(98.5, [(98.4, 50)], [(101, 50)])
    assert trial.fills(order) == [(10, 98.4)]


def test_a_triggered_stop_order_is_changed_as_the_limit_order_it_has_become():
    """Its trigger is no longer judged against the last price."""
    trial = Trial()
    trial.go("09:15")
    trial.row(100, [], [])
    order = trial.place("SELL", 10, 98.9, order_type=OrderType.SL, trigger=99)
    trial.row(98, [(97, 50)], [(101, 50)])
    trial.modify(order, price=97)
    assert trial.fills(order) == [(10, 97)]


def test_a_limit_order_becomes_a_market_order():
    """Its price is dropped and it takes what there is."""
    trial = Trial()
    trial.go("09:15")
    trial.row(100, [(99.95, 50)], [(100.05, 50)])
    order = trial.place("BUY", 10, 99)
    trial.modify(order, order_type=OrderType.MARKET, market_protection=-1)
    assert trial.fills(order) == [(10, 100.05)]
    assert trial.exchange.order(order).order.price == 0


def test_validity_can_be_shortened_to_minutes_and_lengthened():
    """The minutes count from the change."""
    trial = Trial()
    trial.go("09:15")
    order = trial.place("BUY", 10, 99)
    trial.go("09:20")
    trial.modify(order, validity=TimeInForce.TTL, minutes=2)
    trial.go("09:21")
    trial.modify(order, minutes=5)
    trial.go("09:25:59")
    assert trial.status(order) == "OPEN"
    trial.go("09:26")
    assert (trial.status(order), trial.kinds(order)[-1]) == ("CANCELLED", "expired")


def test_a_cancelled_order_leaves_the_book_and_counts_what_was_not_filled():
    """Filled and cancelled are the quantity."""
    trial = Trial()
    trial.go("09:15")
    order = trial.place("BUY", 10, 100)
    trial.place("SELL", 3, 100, account="two")
    trial.cancel(order)
    view = trial.exchange.order(order)
    assert (view.filled, view.cancelled, view.pending) == (3, 7, 0)
    assert trial.exchange.depth(SHARE).bids == ()


def test_an_order_can_be_changed_and_cancelled_before_it_has_arrived():
    """With jitter a change may overtake its order; the order then arrives changed, or not at all."""
    trial = Trial(latency_ms=10, latency_jitter_ms=200)
    trial.go("09:15")
    orders = [trial.place("BUY", 10, 100) for _ in range(40)]
    for order in orders[:20]:
        trial.modify(order, price=99)
    for order in orders[20:]:
        trial.cancel(order)
    trial.go(at("09:16"))
    assert {trial.status(order) for order in orders[:20]} == {"OPEN"}
    assert {trial.exchange.order(order).order.price for order in orders[:20]} == {990_000}
    assert {trial.status(order) for order in orders[20:]} == {"CANCELLED"}
    assert any(trial.exchange.order(order).exchange_order_id == "" for order in orders[20:])
    assert trial.exchange.depth(SHARE).bids[0].quantity == 200


def test_finished_orders_are_forgotten_on_request():
    """What still stands stays."""
    trial = Trial()
    trial.go("09:15")
    gone, stays = trial.place("BUY", 1, 99), trial.place("BUY", 1, 98)
    trial.cancel(gone)
    trial.exchange.forget_finished()
    assert trial.exchange.order(gone) is None
    assert [view.order.order_id for view in trial.exchange.orders("one")] == [stays]
