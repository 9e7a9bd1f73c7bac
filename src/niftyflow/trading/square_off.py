"""Squaring off: which working orders must go first, and which market orders then bring open positions to zero.

Pure: it says what to cancel and what to order, and does neither. Asking again with what came of it gives what is left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from niftyflow.model import Order, OrderType, Product, Side
from niftyflow.trading.positions import PositionKey
from niftyflow.trading.requests import OrderRequest

EXIT_VALID_MS = 60_000

INTRADAY: Collection[Product] = (Product.MIS,)


def cancels(
    positions: Mapping[PositionKey, int], working: Iterable[Order], *, products: Collection[Product] = INTRADAY
) -> list[Order]:
    """Return the working orders that must be cancelled before exits are sent, in the order given.

    These are all of the products, but for market orders that close what is open: those fill by themselves. Such an
    order that would do more than close it goes as well.
    """
    left = dict(positions)
    found = []
    for order in working:
        if order.product not in products or order.state.is_final:
            continue
        net = left.get(_key(order), 0)
        if order.order_type is OrderType.MARKET and order.remaining <= -order.side.sign * net:
            left[_key(order)] = net + order.side.sign * order.remaining
        else:
            found.append(order)
    return found


def exits(
    positions: Mapping[PositionKey, int], working: Iterable[Order], cause: str, time: int, *,
    products: Collection[Product] = INTRADAY,
) -> list[OrderRequest]:  # fmt: skip
    """Return market orders for what is open and not yet covered, by strategy, instrument and product.

    Quantities are signed, a short one below zero. Any working order of the closing side covers, one that is unknown or
    asked to be cancelled too, since it may still fill: exits never oversell. Each names `cause` and its own position as
    its cause, so that asking again for the same cause gives the same orders; after `EXIT_VALID_MS` from `time` (ms UTC)
    an exit that was not sent is asked for anew.
    """
    covered: dict[tuple[PositionKey, Side], int] = {}
    for order in working:
        if not order.state.is_final:
            place = _key(order), order.side
            covered[place] = covered.get(place, 0) + order.remaining
    found = []
    for key in sorted(positions):
        strategy, instrument, product = key
        net = positions[key]
        side = Side.SELL if net > 0 else Side.BUY
        quantity = abs(net) - covered.get((key, side), 0)
        if product in products and quantity > 0:
            found.append(
                OrderRequest(
                    strategy=strategy, instrument=instrument, side=side, quantity=quantity,
                    cause=f"{cause}:{strategy}:{instrument}:{product}", product=product,
                    valid_until=time + EXIT_VALID_MS, tag="square_off", is_exit=True,
                )
            )  # fmt: skip
    return found


def _key(order: Order) -> PositionKey:
    return order.strategy, order.instrument, order.product
