"""Our orders beside the broker's book: statements resolve, absence does not, and what disagrees is named."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.brokers.account_book import BrokerPosition
from niftyflow.brokers.capabilities import Standing, Variety
from niftyflow.brokers.order_book import BrokerOrder, BrokerTrade
from niftyflow.model import OrderState, OrderType, Product, Side, instrument_key, split_key
from niftyflow.trading import orders as machine
from niftyflow.trading.reconciliation import Disagreement, Reconciled, positions_differ, reconcile, stated
from support.trading_orders import carried, intended, said

S = OrderState
AT = 1_700_000_100_000
ENDS = (S.CANCELLED, S.EXPIRED)


def sent(key="nf1", **changes):
    """Return an order of ours that left and was not answered."""
    return carried([intended(key, **changes)], [said(intended(key, **changes), S.SENT)])[0]


def named(order, state, *, filled=0, broker_order_id="B1", tag=None, **changes):
    """Return what the broker's book says of an order."""
    fields = {
        "broker_order_id": broker_order_id, "client_order_id": order.client_order_id if tag is None else tag,
        "exchange_order_id": "X1", "parent_id": "", "exchange": order.exchange, "symbol": order.symbol, "token": "1",
        "side": order.side, "quantity": order.quantity, "filled": filled, "pending": 0, "cancelled": 0,
        "disclosed_quantity": 0, "order_type": OrderType.MARKET, "product": Product.MIS, "validity": Standing.DAY,
        "ttl_minutes": 0, "variety": Variety.REGULAR, "price": None, "trigger": None, "average_price": None,
        "market_protection": Decimal(-1), "state": state, "status": state.value, "reason": "", "is_triggered": False,
        "placed_by": "AB1234", "accepted_at": AT, "exchange_at": AT, "updated_at": AT,
    }  # fmt: skip
    return BrokerOrder(**fields | changes)


def held(instrument, product, net):
    """Return a position of the broker's."""
    exchange, symbol = split_key(instrument)
    money = ("average_price", "close_price", "last_price", "value", "pnl", "m2m", "realised", "unrealised")
    sides = ("buy_price", "buy_value", "sell_price", "sell_value")
    return BrokerPosition(
        exchange=exchange, symbol=symbol, token="1", product=product, net_quantity=net, overnight_quantity=0,
        multiplier=Decimal(1), buy_quantity=0, sell_quantity=0, **dict.fromkeys((*money, *sides), Decimal(0)),
    )  # fmt: skip


def traded(order, quantity, number, broker_order_id="B1"):
    """Return a trade of the broker's."""
    return BrokerTrade(
        trade_id=f"T{number}", broker_order_id=broker_order_id, exchange_order_id="X1", exchange=order.exchange,
        symbol=order.symbol, token="1", side=order.side, product=Product.MIS, quantity=quantity,
        price=Decimal("100.05") + number, at=AT + number,
    )  # fmt: skip


def applied(order, found, fills=()):
    """Return the order after what was found, and the ids of its trades."""
    fills = set(fills)
    for update in found.updates:
        outcome = machine.apply(order, update)
        if outcome is not None:
            order = outcome.order
            fills |= {outcome.fill.fill_id} if outcome.fill else set()
    return order, fills


def kinds(found):
    """Return what disagrees."""
    return [each.kind for each in found.differences]


def test_an_unanswered_order_that_the_book_names_is_resolved_with_its_trades():
    """The answer was lost, the order was not: it is what the broker says, at the prices of its trades."""
    order = sent(quantity=10)
    trades = [traded(order, 6, 2), traded(order, 4, 1)]
    found = reconcile([order], [named(order, S.FILLED, filled=10)], trades, set(), AT)
    order, fills = applied(order, found)
    assert (order.state, order.filled, order.broker_order_id, fills) == (S.FILLED, 10, "B1", {"T1", "T2"})
    assert order.filled_value == 4 * Decimal("101.05") + 6 * Decimal("102.05")
    assert not found.differences


def test_absence_makes_unknown_and_never_an_end():
    """An order that was sent and is not in the book may still be there; asking again changes nothing."""
    order = sent()
    order, _ = applied(order, reconcile([order], [], [], set(), AT))
    assert order.state is S.UNKNOWN
    again = reconcile([order], [], [], set(), AT + 1)
    assert (again.updates, kinds(again)) == ((), [Disagreement.ABSENT])


def test_an_unknown_order_that_appears_later_is_what_the_book_says():
    """The book was late."""
    order, _ = applied(sent(), reconcile([sent()], [], [], set(), AT))
    order, _ = applied(order, reconcile([order], [named(order, S.OPEN)], [], set(), AT))
    assert order.state is S.OPEN


def test_an_intent_that_never_left_is_left_alone():
    """It is no business of the broker's."""
    found = reconcile([intended()], [], [], set(), AT)
    assert (found.updates, found.differences) == ((), ())


def test_an_end_waits_for_the_trades_before_it():
    """A cancelled order of which more was traded than its trades say stays as it is, and that is told."""
    order = sent(quantity=10)
    found = reconcile([order], [named(order, S.CANCELLED, filled=7)], [traded(order, 3, 1)], set(), AT)
    order, fills = applied(order, found)
    assert (order.state, order.filled, kinds(found)) == (S.PART_FILLED, 3, [Disagreement.TRADES_MISSING])
    found = reconcile(
        [order], [named(order, S.CANCELLED, filled=7)], [traded(order, 3, 1), traded(order, 4, 2)], fills, AT
    )
    order, _ = applied(order, found)
    assert (order.state, order.filled, kinds(found)) == (S.CANCELLED, 7, [])


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"tag": "somebody", "broker_order_id": "B9"}, Disagreement.FOREIGN),
        ({"tag": "", "broker_order_id": "B9"}, Disagreement.FOREIGN),
        ({"side": Side.SELL}, Disagreement.DIFFERENT),
        ({"quantity": 11}, Disagreement.DIFFERENT),
    ],
)
def test_an_order_that_is_not_ours_is_told_and_changes_nothing(changes, kind):
    """By another program, by hand, or with our id on something else."""
    order = sent(quantity=10)
    found = reconcile([order], [named(order, S.OPEN, **changes)], [], set(), AT)
    assert kinds(found)[0] is kind
    assert all(update.state is S.UNKNOWN for update in found.updates)


def test_a_second_order_of_one_id_is_told_and_not_taken_for_the_first():
    """The first that the broker accepted is ours."""
    order = sent()
    book = [named(order, S.OPEN, broker_order_id="B2", accepted_at=AT + 1), named(order, S.OPEN)]
    found = reconcile([order], book, [], set(), AT)
    order, _ = applied(order, found)
    assert (order.broker_order_id, kinds(found)) == ("B1", [Disagreement.DOUBLED])
    assert found.differences[0].broker_order_id == "B2"


def test_an_ended_order_that_the_broker_works_is_told():
    """An end here is final; a person has to look."""
    order = carried([sent()], [said(sent(), S.CANCELLED)])[0]
    found = reconcile([order], [named(order, S.OPEN)], [], set(), AT)
    assert (found.updates, kinds(found)) == ((), [Disagreement.REOPENED])


def test_positions_that_are_not_the_sum_of_ours_are_told():
    """Ours, theirs, and what neither has; a product without a name here is somebody else's."""
    a, b = instrument_key("NSE", "A"), instrument_key("NSE", "B")
    ours = {(a, Product.MIS): 5, (b, Product.MIS): -2}
    assert positions_differ(ours, [held(a, Product.MIS, 5), held(b, Product.MIS, -2), held(b, Product.CNC, 0)]) == []
    found = positions_differ(ours, [held(a, Product.MIS, 4), held(b, None, -2)])
    assert [(each.instrument, each.ours, each.theirs) for each in found] == [
        (a, "5 MIS", "4 MIS"),
        (b, "0 of a product unknown here", "-2 of a product unknown here"),
        (b, "-2 MIS", "0 MIS"),
    ]


@given(st.lists(st.integers(1, 4), max_size=5), st.sampled_from(ENDS), st.lists(st.integers(0, 5), max_size=6))
def test_looks_at_any_moment_lead_to_the_same_end(parts, end, looks):
    """However often the book is looked at while trades come in, and whatever was seen twice, nothing differs."""
    first = order = sent(quantity=sum(parts) + 1)
    every = [traded(order, part, number) for number, part in enumerate(parts)]
    fills: set[str] = set()
    for seen in sorted(min(look, len(every)) for look in looks):
        told = sum(parts[:seen])
        state = S.PART_FILLED if told else S.OPEN
        found = reconcile([order], [named(order, state, filled=told)], every[:seen], fills, AT)
        assert not found.differences
        order, fills = applied(order, found, fills)
        again = reconcile([order], [named(order, state, filled=told)], every[:seen], fills, AT)
        assert applied(order, again, fills) == (order, fills)
    last = [named(first, end, filled=sum(parts))]
    order, fills = applied(order, reconcile([order], last, every, fills, AT), fills)
    straight, _ = applied(first, reconcile([first], last, every, set(), AT))
    assert (order.state, order.filled, order.filled_value) == (end, sum(parts), straight.filled_value)
    assert fills == {trade.trade_id for trade in every}


def test_terms_that_the_broker_has_changed_are_taken_before_the_trades_they_make_room_for():
    """A raised quantity lets its trades in; a quantity lowered to what was traded fills the order."""
    order = applied(sent(), reconcile([sent()], [named(sent(), OrderState.OPEN)], [], [], 5))[0]
    raised = named(order, OrderState.PART_FILLED, filled=order.quantity + 2, quantity=order.quantity + 5)
    trades = [traded(order, order.quantity + 2, 1)]
    updates, differences = stated(order, raised, trades, [])
    assert differences == []
    assert [each.quantity for each in updates] == [order.quantity + 5, None, None]
    order = applied(order, Reconciled(updates=tuple(updates)))[0]
    assert (order.state, order.quantity, order.remaining) == (OrderState.PART_FILLED, 15, 3)
    lowered = named(order, OrderState.FILLED, filled=12, quantity=12)
    [update], _ = stated(order, lowered, trades, ["T1"])
    assert machine.apply(order, update).order.state is OrderState.FILLED
