"""Orders of an account: decided, sent, changed, cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from niftyflow.model import (
    InvalidValue,
    OrderState,
    OrderType,
    Refused,
    Side,
)
from niftyflow.trading.requests import VenueUpdate
from support.trading_accounts import NOON, PRICES, SECOND, Play, a_holder, a_play
from support.trading_days import CLOSES, MINUTE

STATES = OrderState


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep refused orders out of the output."""
    with capture_logs():
        yield


def test_an_order_fills_at_the_next_tick() -> None:
    """Decided in one step, sent after its commit, it meets the tick of a later one."""
    play = a_play()
    order = play.order("INFY", Side.BUY, 10)
    assert (order.state, order.broker_order_id, play.held("INFY")) == (STATES.OPEN, f"P-{order.client_order_id}", 0)
    play.step(NOON + SECOND, PRICES)
    assert [event.state for event in play.events] == ["intended", "sent", "open", "filled"]
    assert play.held("INFY") == 10


def test_an_intent_is_committed_before_it_is_sent() -> None:
    """What leaves was noted first: nothing to send comes without its order among the changes."""
    play = a_play()
    order = play.order("INFY", Side.BUY, 10, settles=False)
    assert play.account.portfolio.has_changes()
    assert [(action.kind, action.client_order_id) for action in play.account.take_actions()] == [
        ("send", order.client_order_id)
    ]


def test_an_intent_cancelled_before_it_left_is_never_sent() -> None:
    """Cancels leave first; an intent that was not sent has expired."""
    play = a_play()
    order = play.order("INFY", Side.BUY, 10, settles=False)
    play.account.cancel(order)
    play.settle()
    assert play.orders[order.client_order_id].state is STATES.EXPIRED
    assert play.orders[order.client_order_id].broker_order_id == ""


def test_the_same_decision_twice_is_one_order() -> None:
    """An order whose id works already is refused, and the first stands."""
    play = a_play()
    first = play.order("INFY", Side.BUY, 10, cause="same")
    play.account.portfolio.state.numbers = {}
    second = play.account.place(structs.replace(request_of(first), cause="same"))
    assert second.client_order_id == first.client_order_id
    assert "this very order" in second.risk.reason
    assert play.account.portfolio.orders[first.client_order_id] == first


def request_of(order: Any) -> Any:
    """Return what was asked for."""
    from niftyflow.trading.requests import OrderRequest  # noqa: PLC0415 - beside its only use

    return OrderRequest(
        strategy=order.strategy, instrument=order.instrument, side=order.side, quantity=order.quantity,
        cause=order.cause,
    )  # fmt: skip


def test_a_cause_in_a_moment_that_stands_still_counts_on() -> None:
    """Two steps of one moment (ticks ran ahead of the watermark) give one cause two orders, not one id twice."""
    play = a_play()
    play.step(NOON + SECOND, PRICES, received=NOON + 5 * SECOND)
    one = play.order("INFY", Side.BUY, 10, cause="moment")
    play.account.cancel(one)
    play.settle()
    play.step(NOON + 2 * SECOND)
    assert play.account.now == NOON + 5 * SECOND
    two = play.order("SBIN", Side.BUY, 10, cause="moment")
    assert one.client_order_id != two.client_order_id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", Decimal("NaN")), ("price", Decimal("1500.00001")), ("price", Decimal("1e30")),
        ("trigger", Decimal("Infinity")), ("quantity", 10**30),
    ],
)  # fmt: skip
def test_what_no_book_can_keep_is_refused_before_it_is_noted(field: str, value: Any) -> None:
    """A price that is no amount, or a number beyond all bounds, leaves no trace that a commit would fail on."""
    play = a_play()
    with pytest.raises(InvalidValue, match=field):
        play.order("INFY", Side.BUY, **({"quantity": 10} | {field: value}))
    assert not play.account.portfolio.has_changes()


def test_a_word_about_an_order_that_is_gone_is_nothing() -> None:
    """An update of an order that is final, or says nothing new, changes nothing."""
    play = a_play()
    order = play.order("INFY", Side.BUY, 10)
    play.account.receive([VenueUpdate(client_order_id="other", state=STATES.FILLED, at=NOON)])
    play.account.receive([VenueUpdate(client_order_id=order.client_order_id, state=STATES.OPEN, at=NOON)])
    assert not play.account.portfolio.has_changes()


def test_a_restart_asks_again_for_what_may_not_have_left() -> None:
    """After a kill between commit and venue, sends and cancels are to be done again, cancels first."""
    play = a_play()
    working = play.order("SBIN", Side.BUY, 5, order_type=OrderType.LIMIT, price=Decimal("610.00"))
    play.account.cancel(working)
    order = play.order("INFY", Side.BUY, 10, settles=False)
    play.commit()
    play.restart()
    play.account.resume()
    assert [(action.kind, action.client_order_id) for action in play.account.actions] == [
        ("cancel", working.client_order_id),
        ("send", order.client_order_id),
    ]


# -- changing an order ---------------------------------------------------------------------------------------------


def resting(play: Play, **more: Any) -> Any:
    """Return a working order to buy below the market."""
    return play.order("INFY", Side.BUY, 10, order_type=OrderType.LIMIT, price=Decimal("1490.00"), **more)


def test_a_changed_order_keeps_when_and_why_it_was_decided() -> None:
    """Quantity and price change, with the new verdict; the intent itself and its place among the others stay."""
    play = a_play()
    order, other = resting(play), resting(play, strategy="other")
    play.step(NOON + SECOND)
    changed = play.account.modify(order, 20, Decimal("1491.00"), None)
    play.settle()
    assert (changed.quantity, changed.price, changed.sequence) == (20, Decimal("1491.00"), order.sequence + 1)
    assert (changed.decided_at, changed.cause, changed.updated_at) == (NOON, order.cause, NOON + SECOND)
    assert list(play.account.portfolio.orders) == [order.client_order_id, other.client_order_id]
    assert play.events[-1].quantity == 20


def test_a_change_right_after_the_order_is_no_repetition() -> None:
    """The order itself does not make its change a duplicate, nor does it count twice against the limits."""
    play = a_play({"limits": {"max_position_value_rupees": 20_000}})
    order = resting(play)
    assert play.account.modify(order, None, Decimal("1495.00"), None).price == Decimal("1495.00")


def test_a_change_that_does_not_pass_leaves_the_order_as_it_is() -> None:
    """The gate judges the changed order like a new one."""
    play = a_play()
    order = resting(play)
    with pytest.raises(Refused, match="off the tick size"):
        play.account.modify(order, None, Decimal("1490.01"), None)
    with pytest.raises(InvalidValue, match="price"):
        play.account.modify(order, None, Decimal("NaN"), None)
    assert play.account.portfolio.working() == [order]
    assert not play.account.portfolio.has_changes()


def test_an_order_that_is_being_cancelled_or_not_yet_open_cannot_be_changed() -> None:
    """Both would race with the venue."""
    play = a_play()
    order = play.order("INFY", Side.BUY, 10, settles=False)
    with pytest.raises(Refused, match="is intended"):
        play.account.modify(order, 20, None, None)
    play.settle()
    order = resting(play, strategy="other")
    play.account.cancel(order)
    with pytest.raises(Refused, match="cannot be changed now"):
        play.account.modify(order, 20, None, None)


def test_a_protecting_stop_can_be_moved_in_the_last_minutes() -> None:
    """It takes a position back, so the end of entries does not hold it."""
    play = a_holder()
    sell = {"order_type": OrderType.SL_M, "is_exit": True}
    stop = play.order("INFY", Side.SELL, 10, trigger=Decimal("1480.00"), **sell)
    play.step(CLOSES - 12 * MINUTE - SECOND, PRICES)
    assert play.account.modify(stop, None, None, Decimal("1485.00")).trigger == Decimal("1485.00")
