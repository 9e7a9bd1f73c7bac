"""Orders to Kite and its books: our intents as Kite's fields, sent once, and what it answers as records of ours.

It checks only what would make a request meaningless; the rules of market and account are the risk gate's and Kite's.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final
from urllib.parse import quote

import msgspec

from niftyflow.brokers.capabilities import CallKind, Standing, Variety
from niftyflow.brokers.errors import InputRefused
from niftyflow.brokers.kite.capabilities import KITE, NAME
from niftyflow.brokers.kite.order_replies import OrderReply, TradeReply, order_of, trade_of
from niftyflow.brokers.kite.rest import Call, KiteRest
from niftyflow.brokers.order_book import BrokerOrder, BrokerTrade, OrderChange, Placed, Terms
from niftyflow.model import Order, OrderType

_PRICED: Final = frozenset({OrderType.LIMIT, OrderType.SL})
_TRIGGERED: Final = frozenset({OrderType.SL, OrderType.SL_M})
_PROTECTED: Final = frozenset({OrderType.MARKET, OrderType.SL_M})
_WHOLE: Final = Decimal(100)
_BROKERS_CHOICE: Final = Decimal(-1)


class _OrderId(msgspec.Struct):
    order_id: str


class KiteOrders:
    """The order routes of one account. Errors are those of `brokers/broker_port.py`."""

    def __init__(self, rest: KiteRest) -> None:
        self._rest = rest

    async def place(self, order: Order, terms: Terms) -> Placed:
        """Send an intent once; it is never sliced by Kite, since every slice must have an id of ours."""
        form = place_form(order, terms)
        return await self._change("POST", f"/orders/{terms.variety}", form=form, is_urgent=terms.is_urgent)

    async def modify(self, change: OrderChange) -> Placed:
        """Ask for a change of a standing order."""
        path = f"/orders/{change.variety}/{_named(change.broker_order_id)}"
        return await self._change("PUT", path, form=change_form(change))

    async def cancel(self, order: BrokerOrder) -> Placed:
        """Ask for a standing order's end."""
        variety = order.variety or order.unread.get("variety", Variety.REGULAR)
        query = {"parent_order_id": order.parent_id} if order.parent_id else {}
        path = f"/orders/{_named(variety)}/{_named(order.broker_order_id)}"
        return await self._change("DELETE", path, query=query, is_urgent=True)

    async def orders(self) -> list[BrokerOrder]:
        """Return the day's order book."""
        return [order_of(reply) for reply in await self._rest.ask(_question("/orders"), list[OrderReply])]

    async def order_history(self, broker_order_id: str) -> list[BrokerOrder]:
        """Return an order's states, oldest first."""
        path = f"/orders/{_named(broker_order_id)}"
        return [order_of(reply) for reply in await self._rest.ask(_question(path), list[OrderReply])]

    async def trades(self, broker_order_id: str) -> list[BrokerTrade]:
        """Return the day's trades, or one order's."""
        path = f"/orders/{_named(broker_order_id)}/trades" if broker_order_id else "/trades"
        return [trade_of(reply) for reply in await self._rest.ask(_question(path), list[TradeReply])]

    async def _change(
        self, method: str, path: str, *, form: dict[str, str] | None = None, query: dict[str, str] | None = None,
        is_urgent: bool = False,
    ) -> Placed:  # fmt: skip
        call = Call(CallKind.ORDERS, method, path, query=query, form=form, is_change=True, is_urgent=is_urgent)
        return Placed((await self._rest.ask(call, _OrderId)).order_id)


def _question(path: str) -> Call:
    return Call(CallKind.OTHER, "GET", path)


def place_form(order: Order, terms: Terms) -> dict[str, str]:
    """Return an intent as Kite's fields, with its client order id in the tag.

    Raises:
        InputRefused: the id does not fit the tag, or a price, trigger or protection is missing or impossible.
    """
    if not 0 < len(order.client_order_id) <= KITE.tag_characters or not order.client_order_id.isalnum():
        raise _refused("client_order_id", order.client_order_id, "Kite's tag takes 1 to 20 letters and digits")
    if order.quantity <= 0:
        raise _refused("quantity", order.quantity, "order at least 1")
    form = {
        "exchange": order.exchange,
        "tradingsymbol": order.symbol,
        "transaction_type": order.side.value,
        "quantity": str(order.quantity),
        "product": order.product.value,
        "order_type": order.order_type.value,
        "validity": Standing.TTL.value if terms.ttl_minutes else order.validity.value,
        "tag": order.client_order_id,
    }
    if order.order_type in _PRICED:
        form["price"] = _price("price", order.price)
    if order.order_type in _TRIGGERED:
        form["trigger_price"] = _price("trigger", order.trigger)
    if order.order_type in _PROTECTED:
        form["market_protection"] = _protection(terms.market_protection)
    if terms.ttl_minutes:
        form["validity_ttl"] = str(terms.ttl_minutes)
    if terms.disclosed_quantity:
        form["disclosed_quantity"] = str(terms.disclosed_quantity)
    return form | _of_variety(order, terms)


def change_form(change: OrderChange) -> dict[str, str]:
    """Return what shall change as Kite's fields.

    Raises:
        InputRefused: nothing is asked for, or a number cannot be.
    """
    form: dict[str, str] = {}
    if change.quantity is not None:
        form["quantity"] = str(change.quantity)
    if change.price is not None:
        form["price"] = _price("price", change.price)
    if change.trigger is not None:
        form["trigger_price"] = _price("trigger", change.trigger)
    if change.order_type is not None:
        form["order_type"] = change.order_type.value
    if change.validity is not None:
        form["validity"] = change.validity.value
    if change.ttl_minutes:
        form["validity_ttl"] = str(change.ttl_minutes)
    if change.disclosed_quantity is not None:
        form["disclosed_quantity"] = str(change.disclosed_quantity)
    if change.market_protection is not None or change.order_type in _PROTECTED:
        protection = _BROKERS_CHOICE if change.market_protection is None else change.market_protection
        form["market_protection"] = _protection(protection)
    if not form:
        raise _refused("change", change.broker_order_id, "say what shall change")
    return form | ({"parent_order_id": change.parent_id} if change.parent_id else {})


def number(value: Decimal) -> str:
    """Return a number as Kite reads it: plain digits, no exponent."""
    return format(value.normalize(), "f")


def _of_variety(order: Order, terms: Terms) -> dict[str, str]:
    """Return the fields that belong to a variety; an iceberg's last leg takes what its legs do not share evenly."""
    if terms.variety is Variety.ICEBERG:
        if not 1 < terms.iceberg_legs <= order.quantity:
            raise _refused("iceberg_legs", terms.iceberg_legs, "an iceberg has at least 2 legs of at least 1")
        return {
            "iceberg_legs": str(terms.iceberg_legs),
            "iceberg_quantity": str(-(-order.quantity // terms.iceberg_legs)),
        }
    if terms.variety is Variety.AUCTION:
        if not terms.auction_number:
            raise _refused("auction_number", "", "name the auction")
        return {"auction_number": terms.auction_number}
    return {}


def _price(field: str, price: Decimal | None) -> str:
    if price is None or not price.is_finite() or price <= 0:
        raise _refused(field, price, "this order type needs one above zero")
    return number(price)


def _protection(percent: Decimal) -> str:
    """Return the protection of a market order; Kite takes -1, its own choice, or a percentage above zero."""
    if percent != _BROKERS_CHOICE and not 0 < percent <= _WHOLE:
        raise _refused("market_protection", percent, "use -1 for the broker's choice, or a percentage up to 100")
    return number(percent)


def _named(part: str) -> str:
    """Return an id as one part of a path."""
    if not part:
        raise _refused("broker_order_id", "", "name the order")
    return quote(part, safe="")


def _refused(field: str, value: object, advice: str) -> InputRefused:
    return InputRefused(NAME, "", f"{field} is {value!s}", advice)
