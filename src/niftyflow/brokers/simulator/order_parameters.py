"""What a client asks for in an order call, read strictly: forms into the exchange's own orders and changes.

It checks what Kite's front checks (names, products of a segment, tags); prices, lots and phases are the exchange's.
Cover and auction orders are not simulated and are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

from niftyflow.brokers.kite.capabilities import KITE
from niftyflow.brokers.matching import AUTOMATIC_PROTECTION, NewOrder, OrderChange, TimeInForce, Variety
from niftyflow.brokers.simulator.accounts import units
from niftyflow.brokers.simulator.kite_errors import input_error
from niftyflow.brokers.simulator.listings import Listings
from niftyflow.model import Exchange, OrderType, Product, Side

TAG_LENGTH = KITE.tag_characters
_MOST_QUANTITY = 10**9
_MOST_PROTECTION = 100
_CASH = {Exchange.NSE, Exchange.BSE}
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order to be placed, without an id yet; `order.order_id` is empty."""

    order: NewOrder
    tag: str
    is_autosliced: bool


def parse_order(form: Mapping[str, str], variety: str, account: str, listings: Listings) -> OrderRequest:
    """Return the order that a form describes.

    Raises:
        KiteError: a parameter is missing, or is none Kite takes.
    """
    exchange, symbol = _choice(form, "exchange", Exchange), _text(form, "tradingsymbol")
    key = f"{exchange}:{symbol}"
    if not listings.is_tradable(key):
        raise input_error("The instrument you are placing an order for has either expired or does not exist.")
    product = _choice(form, "product", Product)
    if product is (Product.NRML if exchange in _CASH else Product.CNC):
        raise input_error("Invalid `product`.")
    order_type = _choice(form, "order_type", OrderType)
    tag = form.get("tag", "")
    if len(tag) > TAG_LENGTH or not tag.isascii():
        raise input_error(f"Invalid `tag`. It should be {TAG_LENGTH} characters at most.")
    order = NewOrder(
        order_id="",
        account=account,
        instrument=key,
        side=_choice(form, "transaction_type", Side),
        quantity=_whole(form, "quantity", least=1),
        order_type=order_type,
        product=product,
        validity=_choice(form, "validity", TimeInForce) if form.get("validity") else TimeInForce.DAY,
        variety=_variety(variety),
        price=_price(form, "price") if order_type in {OrderType.LIMIT, OrderType.SL} else 0,
        trigger=_price(form, "trigger_price") if order_type in {OrderType.SL, OrderType.SL_M} else 0,
        disclosed_quantity=_whole(form, "disclosed_quantity", default=0),
        minutes=_whole(form, "validity_ttl", default=0),
        legs=_whole(form, "iceberg_legs", default=0),
        market_protection=_protection(form),
    )
    return OrderRequest(order, tag, is_autosliced=form.get("autoslice", "") in {"true", "True", "1"})


def in_parts(quantity: int, freeze: int | None) -> list[int]:
    """Return a quantity in parts that the freeze limit allows: whole ones, then what is left; all in one without it."""
    whole, rest = divmod(quantity, freeze or quantity)
    return [freeze or quantity] * whole + ([rest] if rest else [])


def parse_change(form: Mapping[str, str], order_id: str) -> OrderChange:
    """Return the change that a form describes: what it does not name stays.

    Raises:
        KiteError: a parameter is none Kite takes.
    """
    return OrderChange(
        order_id=order_id,
        quantity=_whole(form, "quantity", least=1) if form.get("quantity") else None,
        order_type=_choice(form, "order_type", OrderType) if form.get("order_type") else None,
        validity=_choice(form, "validity", TimeInForce) if form.get("validity") else None,
        price=_price(form, "price") if form.get("price") else None,
        trigger=_price(form, "trigger_price") if form.get("trigger_price") else None,
        disclosed_quantity=_whole(form, "disclosed_quantity") if form.get("disclosed_quantity") else None,
        minutes=_whole(form, "validity_ttl") if form.get("validity_ttl") else None,
        market_protection=_protection(form) if form.get("market_protection") else None,
    )


def parse_conversion(form: Mapping[str, str], listings: Listings) -> tuple[str, Side, int, Product, Product]:
    """Return what a call to convert a position asks: key, side, quantity, old and new product.

    Raises:
        KiteError: a parameter is missing, or is none Kite takes.
    """
    key = f"{_choice(form, 'exchange', Exchange)}:{_text(form, 'tradingsymbol')}"
    if listings.of_key(key) is None:
        raise input_error("Invalid `tradingsymbol`.")
    if form.get("position_type", "day") not in {"day", "overnight"}:
        raise input_error("Invalid `position_type`.")
    old, new = _choice(form, "old_product", Product), _choice(form, "new_product", Product)
    return key, _choice(form, "transaction_type", Side), _whole(form, "quantity", least=1), old, new


def _variety(text: str) -> Variety:
    if text not in list(Variety):
        raise input_error("Invalid `variety`." if text not in {"co", "auction"} else f"`{text}` is not simulated.")
    return Variety(text)


def _text(form: Mapping[str, str], name: str) -> str:
    value = form.get(name, "").strip()
    if not value:
        raise input_error(f"Missing or empty field `{name}`")
    return value


def _choice(form: Mapping[str, str], name: str, kind: type[E]) -> E:
    value = _text(form, name)
    if value not in list(kind):
        raise input_error(f"Invalid `{name}`.")
    return kind(value)


def _whole(form: Mapping[str, str], name: str, *, least: int = 0, default: int | None = None) -> int:
    if not form.get(name) and default is not None:
        return default
    value = _text(form, name)
    if not value.isdecimal() or not least <= int(value) <= _MOST_QUANTITY:
        raise input_error(f"Invalid `{name}`.")
    return int(value)


def _price(form: Mapping[str, str], name: str) -> int:
    value = _decimal(form, name)
    if not 0 < value < _MOST_QUANTITY:
        raise input_error(f"Invalid `{name}`.")
    return units(value)


def _protection(form: Mapping[str, str]) -> int:
    if not form.get("market_protection"):
        return 0
    percent = _decimal(form, "market_protection")
    if percent == AUTOMATIC_PROTECTION:
        return AUTOMATIC_PROTECTION
    if not 0 <= percent <= _MOST_PROTECTION:
        raise input_error("Invalid `market_protection`.")
    return int(percent * 100)


def _decimal(form: Mapping[str, str], name: str) -> Decimal:
    try:
        value = Decimal(_text(form, name))
    except InvalidOperation:
        raise input_error(f"Invalid `{name}`.") from None
    if not value.is_finite():
        raise input_error(f"Invalid `{name}`.")
    return value
