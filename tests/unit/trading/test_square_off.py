"""Squaring off: what is cancelled first, and that what stays never oversells."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.model import InstrumentKey, Order, OrderState, OrderType, Product, Side
from niftyflow.trading.positions import PositionKey
from niftyflow.trading.square_off import cancels
from support.trading_orders import INFY, TCS, intended

BUY, SELL = Side.BUY, Side.SELL
LONG: dict[PositionKey, int] = {("ema-cross", INFY, Product.MIS): 10}
SHORT: dict[PositionKey, int] = {("ema-cross", INFY, Product.MIS): -10}


def an_order(client_order_id: str, side: Side, quantity: int, order_type: OrderType, **changes: Any) -> Order:
    """Return an order that is open."""
    order = intended(client_order_id, side=side, quantity=quantity, order_type=order_type, **changes)
    return msgspec.structs.replace(order, state=OrderState.OPEN)


def ids(orders: list[Order]) -> list[str]:
    """Return the orders' ids."""
    return [order.client_order_id for order in orders]


def test_all_but_market_exits_are_cancelled_first():
    """Entries, limits and stops go, in the order given; a market order that closes fills by itself."""
    orders = [
        an_order("entry", BUY, 5, OrderType.MARKET),
        an_order("target", SELL, 10, OrderType.LIMIT),
        an_order("stop", SELL, 10, OrderType.SL_M),
        an_order("exit", SELL, 10, OrderType.MARKET),
        an_order("elsewhere", SELL, 1, OrderType.MARKET, instrument=TCS),
        an_order("delivery", BUY, 1, OrderType.LIMIT, product=Product.CNC),
        msgspec.structs.replace(an_order("over", BUY, 1, OrderType.LIMIT), state=OrderState.FILLED),
    ]
    assert ids(cancels(LONG, orders)) == ["entry", "target", "stop", "elsewhere"]
    assert ids(cancels(LONG, orders, products=(Product.CNC,))) == ["delivery"]


def test_market_exits_beyond_the_position_are_cancelled():
    """Two exits of the whole would flip it: the first stays, the second goes."""
    orders = [an_order("a", SELL, 10, OrderType.MARKET), an_order("b", SELL, 10, OrderType.MARKET)]
    assert ids(cancels(LONG, orders)) == ["b"]
    assert ids(cancels(SHORT, orders)) == ["a", "b"]


KEYS = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([INFY, TCS]), st.sampled_from([Product.MIS, Product.CNC]))
POSITIONS = st.dictionaries(KEYS, st.integers(-20, 20))


@st.composite
def working_orders(draw: st.DrawFn) -> list[Order]:
    """Draw up to eight open orders."""
    found = []
    for number in range(draw(st.integers(0, 8))):
        strategy, instrument, product = draw(KEYS)
        found.append(
            an_order(
                f"o{number}", draw(st.sampled_from(Side)), draw(st.integers(1, 25)), draw(st.sampled_from(OrderType)),
                strategy=strategy, instrument=InstrumentKey(instrument), product=product,
            )
        )  # fmt: skip
    return found


@given(POSITIONS, working_orders())
def test_what_stays_never_takes_back_more_than_is_open(positions: dict[PositionKey, int], orders: list[Order]):
    """Only market orders of the closing side stay; together they make a position smaller or flat, never turn it."""
    cancelled = set(ids(cancels(positions, orders)))
    after = dict(positions)
    for order in orders:
        if order.client_order_id in cancelled or order.product is not Product.MIS:
            continue
        key = (order.strategy, order.instrument, order.product)
        assert order.order_type is OrderType.MARKET
        assert order.side.sign * positions[key] < 0
        after[key] += order.side.sign * order.remaining
    assert all(net * positions[key] >= 0 for key, net in after.items())
    assert not cancelled & {order.client_order_id for order in orders if order.product is not Product.MIS}
