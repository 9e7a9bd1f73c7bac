"""Squaring off: what is cancelled first, what is ordered then, and that it ends flat without ever overselling."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.model import InstrumentKey, Order, OrderState, OrderType, Product, Side
from niftyflow.trading.square_off import EXIT_VALID_MS, PositionKey, cancels, exits
from support.trading_orders import INFY, NOW, TCS, intended

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


def test_an_open_position_is_closed_at_market():
    """Long by selling, short by buying; an exit says that it is one, what it follows from and how long it holds."""
    (sale,) = exits(LONG, [], "timer:1", NOW)
    assert (sale.side, sale.quantity, sale.order_type, sale.product) == (SELL, 10, OrderType.MARKET, Product.MIS)
    assert (sale.strategy, sale.instrument, sale.is_exit, sale.tag) == ("ema-cross", INFY, True, "square_off")
    assert (sale.cause, sale.valid_until) == ("timer:1:ema-cross:NSE:INFY:MIS", NOW + EXIT_VALID_MS)
    (purchase,) = exits(SHORT, [], "timer:1", NOW)
    assert (purchase.side, purchase.quantity) == (BUY, 10)


def test_positions_are_closed_in_one_order_whatever_the_book_s():
    """By strategy, instrument and product, so that deciding again gives the same orders."""
    held: dict[PositionKey, int] = {
        ("b", INFY, Product.MIS): 1, ("a", TCS, Product.MIS): 2, ("a", INFY, Product.MIS): -3,
    }  # fmt: skip
    found = exits(held, [], "c", NOW)
    assert [(one.strategy, one.instrument) for one in found] == [("a", INFY), ("a", TCS), ("b", INFY)]
    assert exits(dict(reversed(held.items())), [], "c", NOW) == found
    assert len({one.cause for one in found}) == 3


def test_only_what_is_open_within_the_day_is_closed():
    """A flat position needs nothing, and delivered shares stay, unless they are asked for."""
    held: dict[PositionKey, int] = {("s", INFY, Product.CNC): 10, ("s", TCS, Product.MIS): 0}
    assert exits(held, [], "c", NOW) == []
    (sale,) = exits(held, [], "c", NOW, products=(Product.MIS, Product.CNC))
    assert (sale.product, sale.quantity) == (Product.CNC, 10)


def test_what_a_working_exit_covers_is_not_sold_again():
    """Whatever its kind: an order that may still fill could sell it a second time."""
    assert exits(LONG, [an_order("a", SELL, 10, OrderType.MARKET)], "c", NOW) == []
    (rest,) = exits(LONG, [an_order("a", SELL, 4, OrderType.LIMIT)], "c", NOW)
    assert rest.quantity == 6
    part = msgspec.structs.replace(an_order("a", SELL, 6, OrderType.MARKET), filled=2)
    unknown = msgspec.structs.replace(an_order("b", SELL, 3, OrderType.MARKET), state=OrderState.UNKNOWN)
    (rest,) = exits(LONG, [part, unknown], "c", NOW)
    assert rest.quantity == 3


def test_orders_that_cover_nothing_of_it_do_not_count():
    """The other side, another strategy, another product, and orders that are over."""
    over = msgspec.structs.replace(an_order("d", SELL, 10, OrderType.MARKET), state=OrderState.CANCELLED)
    others = [
        an_order("a", BUY, 10, OrderType.MARKET),
        an_order("b", SELL, 10, OrderType.MARKET, strategy="other"),
        an_order("c", SELL, 10, OrderType.MARKET, product=Product.CNC),
        over,
    ]
    (sale,) = exits(LONG, others, "c", NOW)
    assert sale.quantity == 10


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
def test_cancelling_and_then_exiting_ends_flat(positions: dict[PositionKey, int], orders: list[Order]):
    """What stays working and what is ordered together bring every position of the day to zero, and touch no other."""
    cancelled = set(ids(cancels(positions, orders)))
    left = [order for order in orders if order.client_order_id not in cancelled]
    after = dict(positions)
    for order in (order for order in left if order.product is Product.MIS):
        after[order.strategy, order.instrument, order.product] += order.side.sign * order.remaining
    for request in exits(positions, left, "c", NOW):
        after[request.strategy, request.instrument, request.product] += request.side.sign * request.quantity
    assert {key: net for key, net in after.items() if net and key[2] is Product.MIS} == {}
    assert {key: net for key, net in after.items() if key[2] is Product.CNC} == {
        key: net for key, net in positions.items() if key[2] is Product.CNC
    }


@given(POSITIONS, working_orders())
def test_exits_never_oversell_even_while_nothing_is_cancelled_yet(
    positions: dict[PositionKey, int], orders: list[Order]
):
    """An exit and all working orders of its side together never exceed the position."""
    for request in exits(positions, orders, "c", NOW):
        key = (request.strategy, request.instrument, request.product)
        covering = sum(
            order.remaining
            for order in orders
            if (order.strategy, order.instrument, order.product) == key and order.side is request.side
        )
        assert request.quantity + covering == abs(positions[key])
        assert request.side.sign * positions[key] < 0
