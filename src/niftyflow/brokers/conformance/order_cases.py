"""Cases of an order's life: placed and found, changed, cancelled, filled, and heard of in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from niftyflow.brokers.conformance.case import Case, Failed, Needs, case, expect
from niftyflow.brokers.conformance.reading_cases import expect_sound
from niftyflow.brokers.conformance.stage import Stage
from niftyflow.brokers.errors import InputRefused, OrderRejected
from niftyflow.brokers.order_book import BrokerOrder, BrokerTrade, OrderChange, Placed
from niftyflow.model import InstrumentKey, Order, OrderState, OrderType, Product, Side

FAR: Final = "0.95"
"""A price to buy at, so much of the last one: within the day's band, and far from any seller."""
STANDING: Final = frozenset({OrderState.OPEN, OrderState.PART_FILLED})
PAISA: Final = Decimal("0.01")


@case("limit-order", Needs.ORDERS)
async def limit_order(stage: Stage) -> None:
    """A limit order far from the market stands in the book under our id, is changed, and is cancelled."""
    share = stage.shares[0]
    order = stage.intent(share, quantity=10, price=await stage.price(share, FAR))
    placed = await stage.broker.place(order)
    expect_same(stage, order, await standing(stage, placed))
    expect_same(stage, order, await in_book(stage, placed.broker_order_id))
    price = await stage.price(share, "0.96")
    change = OrderChange(broker_order_id=placed.broker_order_id, quantity=7, price=price)
    await stage.broker.modify(change)
    changed = await told(stage, placed, lambda each: (each.price, each.quantity) == (price, 7), "the change")
    expect(changed.state in STANDING, f"the changed order is {changed.state}")
    await cancelled(stage, changed)
    found = await in_book(stage, placed.broker_order_id)
    expect((found.state, found.filled) == (OrderState.CANCELLED, 0), f"the book says {found.status}")
    try:
        await stage.broker.cancel(found)
    except (OrderRejected, InputRefused) as refused:
        expect(refused.advice, "the refusal of a late cancellation does not say what to do")
    else:
        raise Failed("an order that has ended was cancelled once more")


@case("market-order", Needs.ORDERS)
async def market_order(stage: Stage) -> None:
    """A market order fills; its trades add up to what it filled and to its average price, and the position follows."""
    share = stage.shares[0]
    for side, held in ((Side.BUY, 10), (Side.SELL, 0)):
        order = stage.intent(share, side=side, quantity=10, order_type=OrderType.MARKET)
        placed = await stage.broker.place(order)
        filled = await told(stage, placed, lambda each: each.state is OrderState.FILLED, "the fill")
        expect(filled.filled == order.quantity, f"it has filled {filled.filled} of {order.quantity}")
        expect_traded(filled, await stage.broker.trades(placed.broker_order_id))
        every = [trade for trade in await stage.broker.trades() if trade.broker_order_id == placed.broker_order_id]
        expect_traded(filled, every)
        net = (await stage.broker.positions()).net
        found = sum(each.net_quantity for each in net if each.instrument == share and each.product is Product.MIS)
        expect(found == held, f"after the {side} the position is {found}, {held} are due")


@case("order-updates", Needs.ORDERS)
async def order_updates(stage: Stage) -> None:
    """Updates of several orders at once come; what is filled never goes back, and what has ended never reopens."""
    share, other = stage.shares[0], stage.shares[-1]
    far = await stage.price(share, FAR)
    ended: dict[str, OrderState] = {}
    for number in range(4):
        is_far = number % 2 == 0
        kind = OrderType.LIMIT if is_far else OrderType.MARKET
        key = share if is_far else (share, other)[number // 2]
        placed = await stage.broker.place(
            stage.intent(key, quantity=5, order_type=kind, price=far if is_far else None)
        )  # fmt: skip
        ended[placed.broker_order_id] = OrderState.CANCELLED if is_far else OrderState.FILLED
    for order_id, state in ended.items():
        placed = Placed(order_id)
        if state is OrderState.CANCELLED:
            await cancelled(stage, await standing(stage, placed))
        else:
            await told(stage, placed, lambda each: each.state is OrderState.FILLED, "the fill")
    expect_one_way(stage.heard.told)
    book = {order.broker_order_id: order for order in await stage.broker.orders()}
    for order_id, state in ended.items():
        expect(book[order_id].state is state, f"order {order_id} ended {state}, the book says {book[order_id].state}")


def expect_same(stage: Stage, order: Order, told_of: BrokerOrder) -> None:
    """Go on when an order of the broker's is the one we sent, and carries our id where the broker carries ids.

    Raises:
        Failed: it is not.
    """
    expect_sound(told_of)
    if stage.capabilities.tag_characters:
        ours, theirs = order.client_order_id, told_of.client_order_id
        expect(theirs == ours, f"the order carries the id {theirs!r}, ours is {ours!r}")
    sent = (order.instrument, order.side, order.quantity, order.price, order.product)
    found = (told_of.instrument, told_of.side, told_of.quantity, told_of.price, told_of.product)
    expect(found == sent, f"the order is told as {found}, it was sent as {sent}")


def expect_traded(order: BrokerOrder, trades: Sequence[BrokerTrade]) -> None:
    """Go on when trades add up to an order's filled quantity and average price, to the paisa.

    Raises:
        Failed: they do not.
    """
    quantity = sum(trade.quantity for trade in trades)
    expect(quantity == order.filled, f"the trades add up to {quantity}, the order has filled {order.filled}")
    expect({(trade.instrument, trade.side) for trade in trades} == {(order.instrument, order.side)}, "other trades")
    average = sum((trade.price * trade.quantity for trade in trades), Decimal(0)) / max(quantity, 1)
    theirs = order.average_price or Decimal(0)
    expect(abs(average - theirs) <= PAISA, f"the trades average {average:f}, the order says {theirs}")


def expect_one_way(statements: Sequence[BrokerOrder]) -> None:
    """Go on when no order's filled quantity went back, and none that had ended came up again as something else.

    Raises:
        Failed: one did.
    """
    last: dict[str, BrokerOrder] = {}
    for order in statements:
        before = last.get(order.broker_order_id)
        last[order.broker_order_id] = order
        if before is None:
            continue
        name = f"order {order.broker_order_id}"
        expect(order.filled >= before.filled, f"{name} had filled {before.filled}, then {order.filled}")
        is_reopened = before.state.is_final and order.state is not before.state
        expect(not is_reopened, f"{name} was {before.state}, and then {order.state}")


async def told(stage: Stage, placed: Placed, is_it: Callable[[BrokerOrder], bool], what: str) -> BrokerOrder:
    """Return the first update of an order that is like this.

    Raises:
        Unavailable: none came in time.
        Failed: the order ended otherwise.
    """

    def is_done(order: BrokerOrder) -> bool:
        return order.broker_order_id == placed.broker_order_id and (is_it(order) or order.state.is_final)

    found = await stage.heard.until(is_done, what)
    reason = f", in its words: {found.reason}" if found.reason else ""
    expect(is_it(found), f"{what} was due, and the broker says {found.status}{reason}")
    return found


async def standing(stage: Stage, placed: Placed) -> BrokerOrder:
    """Return an order as it is told once it stands at the exchange."""
    return await told(stage, placed, lambda each: each.state in STANDING, "the order at the exchange")


async def cancelled(stage: Stage, order: BrokerOrder) -> BrokerOrder:
    """Cancel an order, and return it as it is told then."""
    placed = await stage.broker.cancel(order)
    expect(placed.broker_order_id == order.broker_order_id, "the cancellation was answered with another order's id")
    return await told(stage, placed, lambda each: each.state is OrderState.CANCELLED, "the cancellation")


async def in_book(stage: Stage, broker_order_id: str) -> BrokerOrder:
    """Return an order from the book.

    Raises:
        Failed: it is not there.
    """
    for order in await stage.broker.orders():
        if order.broker_order_id == broker_order_id:
            return order
    raise Failed(f"order {broker_order_id} is not in the book")


async def far_order(stage: Stage, key: InstrumentKey, **changes: object) -> Order:
    """Return an order to buy that nobody will fill."""
    lot = (await stage.row_of(key)).lot_size
    return stage.intent(key, **{"quantity": lot, "price": await stage.price(key, FAR)} | changes)


ORDER_CASES: Final[tuple[Case, ...]] = (limit_order, market_order, order_updates)
