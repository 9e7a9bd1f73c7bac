"""Squaring off: which working orders must go before what is open is brought to zero. Pure: it cancels nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from niftyflow.model import Order, OrderType, Product
from niftyflow.trading.positions import PositionKey

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


def _key(order: Order) -> PositionKey:
    return order.strategy, order.instrument, order.product
