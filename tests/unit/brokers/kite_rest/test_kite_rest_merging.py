"""Statements that overlap, repeat and overtake one another become one story per order, whatever their order."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.brokers.capabilities import Standing, Variety
from niftyflow.brokers.kite.order_replies import STATES, OrderReply, order_of, state_of
from niftyflow.brokers.order_book import BrokerOrder
from niftyflow.brokers.order_merging import OrderMerging
from niftyflow.model import OrderState, OrderType, Product, Side

S = OrderState


def told(**changes: object) -> BrokerOrder:
    """Return a statement about an order of 100."""
    fields: dict[str, object] = {
        "broker_order_id": "1", "client_order_id": "nf1", "exchange_order_id": "", "parent_id": "", "exchange": "NSE",
        "symbol": "INFY", "token": "408065", "side": Side.BUY, "quantity": 100, "filled": 0, "pending": 100,
        "cancelled": 0, "disclosed_quantity": 0, "order_type": OrderType.LIMIT, "product": Product.CNC,
        "validity": Standing.DAY, "ttl_minutes": 0, "variety": Variety.REGULAR, "price": Decimal(100), "trigger": None,
        "average_price": None, "market_protection": Decimal(0), "state": S.OPEN, "status": "OPEN", "reason": "",
        "is_triggered": False, "placed_by": "XX", "accepted_at": 0, "exchange_at": 0, "updated_at": 1000,
    }  # fmt: skip
    return BrokerOrder(**(fields | changes))  # type: ignore[arg-type]


@st.composite
def lives(draw: st.DrawFn) -> list[BrokerOrder]:
    """A true story: accepted, opened, filled in steps, changed in between, ended or still standing."""
    order = told(state=S.ACCEPTED, status="OPEN PENDING")
    story = [order]
    for step in draw(st.lists(st.sampled_from(["fill", "change", "second"]), max_size=8)):
        at = order.updated_at + (1000 if step == "second" else draw(st.sampled_from([0, 1000])))
        if step == "fill" and order.filled < 90:
            filled = order.filled + draw(st.integers(1, 9))
            order = msgspec.structs.replace(
                order, filled=filled, pending=100 - filled, state=S.PART_FILLED, updated_at=at,
                average_price=Decimal(100) + Decimal(filled) / 100,
            )  # fmt: skip
        elif step == "change":
            price = (order.price or Decimal(0)) + 1
            state = S.PART_FILLED if order.filled else S.OPEN
            order = msgspec.structs.replace(order, price=price, state=state, updated_at=at)
        else:
            order = msgspec.structs.replace(order, state=S.PART_FILLED if order.filled else S.OPEN, updated_at=at)
        story.append(order)
    end = draw(st.sampled_from([None, S.CANCELLED, S.FILLED, S.REJECTED]))
    if end is S.FILLED:
        story.append(msgspec.structs.replace(order, state=end, filled=100, pending=0, average_price=Decimal(101)))
    elif end is not None and not (end is S.REJECTED and order.filled):
        story.append(msgspec.structs.replace(order, state=end, updated_at=order.updated_at + 1000))
    return story


@given(lives(), st.data())
def test_whatever_arrives_in_whatever_order_nothing_goes_back(story: list[BrokerOrder], data: st.DataObject) -> None:
    """Any statements of a story, repeated and shuffled: filled never falls, an end stays, nothing is said twice."""
    heard = data.draw(st.lists(st.tuples(st.sampled_from(story), st.integers(0, 50)), min_size=1, max_size=30))
    merging = OrderMerging()
    out = [each for order, as_of in heard if (each := merging.take(order, as_of)) is not None]
    assert out[0] == heard[0][0]
    for before, after in pairwise(out):
        assert after != before
        assert after.filled >= before.filled
        assert not before.state.is_final or (after.state.is_final and after.filled > before.filled)
    assert out[-1].filled == max(order.filled for order, _ in heard)
    assert out[-1].state.is_final == any(order.state.is_final for order, _ in heard)


@given(lives(), st.data())
def test_sources_that_are_each_in_order_end_at_the_truth(story: list[BrokerOrder], data: st.DataObject) -> None:
    """Pushes come in order, some lost; polls ask at one moment and answer later; the last word is the truth."""
    merging = OrderMerging()
    answers: list[tuple[int, BrokerOrder, int]] = []
    out: list[BrokerOrder] = []

    def take(order: BrokerOrder, as_of: int) -> None:
        told_now = merging.take(order, as_of)
        if told_now is not None:
            out.append(told_now)

    for step, order in enumerate(story):
        now = step * 10
        if data.draw(st.booleans()):
            take(order, now)
        if data.draw(st.booleans()):
            answers.append((step + data.draw(st.integers(0, 3)), order, now))
        for _, answered, asked in [each for each in answers if each[0] <= step]:
            take(answered, asked)
        answers = [each for each in answers if each[0] > step]
    for _, answered, asked in answers:
        take(answered, asked)
    take(story[-1], len(story) * 10)
    assert merging.last("1") == story[-1]
    assert out[-1] == story[-1]
    assert all((before.price or 0) <= (after.price or 0) for before, after in pairwise(out)), "a change was undone"


def test_a_slow_poll_does_not_undo_a_pushed_change_of_the_same_second() -> None:
    """Times have whole seconds: what was asked before the push came is the older one."""
    merging = OrderMerging()
    merging.take(told(price=Decimal(100)), as_of=0)
    changed = told(price=Decimal(101))
    assert merging.take(changed, as_of=50) == changed
    assert merging.take(told(price=Decimal(100)), as_of=40) is None
    assert merging.take(changed, as_of=60) is None
    assert merging.last("1") == changed


def test_an_older_statement_asked_for_later_changes_nothing() -> None:
    """An order book that lags behind the socket is older, however new the question: the broker's own times tell."""
    merging = OrderMerging()
    changed = told(price=Decimal(101), updated_at=5000)
    merging.take(changed, as_of=1)
    assert merging.take(told(price=Decimal(100), updated_at=4000), as_of=99) is None
    assert merging.last("1") == changed


def test_a_trade_told_after_the_end_is_still_counted() -> None:
    """A cancelled order whose last trade is told late: the trade is a fact, and the order stays cancelled."""
    merging = OrderMerging()
    merging.take(told(state=S.CANCELLED, filled=10, updated_at=5000), as_of=1)
    late = merging.take(told(state=S.PART_FILLED, filled=30, average_price=Decimal(7), updated_at=4000), as_of=2)
    assert late is not None
    assert (late.state, late.filled, late.average_price) == (S.CANCELLED, 30, Decimal(7))
    whole = merging.take(told(state=S.FILLED, filled=100, updated_at=4000), as_of=3)
    assert whole is not None
    assert (whole.state, whole.filled) == (S.FILLED, 100)


def test_an_end_that_has_not_counted_all_trades_keeps_them() -> None:
    """A cancellation told by a source that lags behind in trades ends the order, trades and all."""
    merging = OrderMerging()
    merging.take(told(state=S.PART_FILLED, filled=30, average_price=Decimal(7)), as_of=1)
    ended = merging.take(told(state=S.CANCELLED, filled=10, average_price=Decimal(6), updated_at=9000), as_of=2)
    assert ended is not None
    assert (ended.state, ended.filled, ended.average_price) == (S.CANCELLED, 30, Decimal(7))


def test_a_word_we_do_not_know_leaves_the_state_we_do() -> None:
    """A new status of the broker's hides neither the state nor the trades."""
    merging = OrderMerging()
    strange = told(state=S.UNKNOWN, status="LUNAR")
    assert merging.take(strange, as_of=1) == strange
    assert merging.take(told(), as_of=2) == told()
    news = merging.take(told(state=S.UNKNOWN, status="LUNAR", filled=5, updated_at=2000), as_of=3)
    assert news is not None
    assert (news.state, news.filled) == (S.PART_FILLED, 5)


def test_the_same_news_in_another_word_is_told_once() -> None:
    """The socket says UPDATE where the book says OPEN."""
    merging = OrderMerging()
    merging.take(told(status="UPDATE"), as_of=1)
    assert merging.take(told(status="OPEN"), as_of=2) is None


def test_orders_of_earlier_days_are_forgotten_once_they_are_over() -> None:
    """Standing orders stay, however old."""
    merging = OrderMerging()
    merging.take(told(state=S.FILLED, filled=100), as_of=1)
    merging.take(told(broker_order_id="2"), as_of=1)
    merging.forget_before(2)
    assert (len(merging), merging.last("1"), merging.last("2")) == (1, None, told(broker_order_id="2"))


@pytest.mark.parametrize(
    ("status", "filled", "state"),
    [
        ("PUT ORDER REQ RECEIVED", 0, S.ACCEPTED), ("VALIDATION PENDING", 0, S.ACCEPTED),
        ("OPEN PENDING", 0, S.ACCEPTED), ("AMO REQ RECEIVED", 0, S.ACCEPTED), ("TRIGGER PENDING", 0, S.ACCEPTED),
        ("OPEN", 0, S.OPEN), ("OPEN", 5, S.PART_FILLED), ("UPDATE", 0, S.OPEN), ("UPDATE", 5, S.PART_FILLED),
        ("MODIFY PENDING", 0, S.OPEN), ("CANCEL PENDING", 5, S.PART_FILLED), ("COMPLETE", 10, S.FILLED),
        ("CANCELLED", 5, S.CANCELLED), ("CANCELLED AMO", 0, S.CANCELLED), ("REJECTED", 0, S.REJECTED),
        ("complete", 10, S.FILLED), ("LUNAR", 0, S.UNKNOWN), ("LUNAR", 5, S.UNKNOWN),
    ],
)  # fmt: skip
def test_the_brokers_words_are_states_of_ours(status: str, filled: int, state: OrderState) -> None:
    """Partial fills are told by quantity; a new word is unknown, and said."""
    unread: dict[str, str] = {}
    assert state_of(status, filled, unread) is state
    assert unread == ({"status": status} if state is S.UNKNOWN else {})
    assert S.UNKNOWN not in STATES.values()


@pytest.mark.parametrize(
    ("order_type", "status", "is_triggered"),
    [("SL", "TRIGGER PENDING", False), ("SL", "OPEN", True), ("SL-M", "COMPLETE", True), ("LIMIT", "OPEN", False),
     ("SL", "CANCELLED", False), ("SL", "UPDATE", False), ("SL-M", "MODIFY PENDING", False)],
)  # fmt: skip
def test_a_stop_order_is_triggered_once_it_is_in_the_book(order_type: str, status: str, *, is_triggered: bool) -> None:
    """Kite shows a waiting stop as TRIGGER PENDING; that it was changed says nothing of its trigger."""
    reply = OrderReply(order_id="1", status=status, exchange="NSE", tradingsymbol="INFY", transaction_type=Side.BUY,
                       quantity=1, order_type=order_type, product="MIS")  # fmt: skip
    assert order_of(reply).is_triggered is is_triggered
