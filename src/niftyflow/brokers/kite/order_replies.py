"""Kite's orders, trades and triggers as its JSON has them, and as records of ours.

Numbers are read exactly as written. An order of a product or variety that we do not trade is read like any other.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from niftyflow.brokers.capabilities import Standing, Variety
from niftyflow.brokers.kite.reading import price_of, time_of, time_or_unread, word_of
from niftyflow.brokers.order_book import BrokerOrder, BrokerTrade, Gtt, GttLeg
from niftyflow.model import DecodeError, OrderState, OrderType, Product, Side, instrument_key

ZERO: Final = Decimal(0)
TRIGGER_PENDING: Final = "TRIGGER PENDING"

STATES: Final[dict[str, OrderState]] = {
    "PUT ORDER REQ RECEIVED": OrderState.ACCEPTED,
    "PUT ORDER REQUEST RECEIVED": OrderState.ACCEPTED,
    "VALIDATION PENDING": OrderState.ACCEPTED,
    "OPEN PENDING": OrderState.ACCEPTED,
    "AMO REQ RECEIVED": OrderState.ACCEPTED,
    "MODIFY AMO REQ RECEIVED": OrderState.ACCEPTED,
    TRIGGER_PENDING: OrderState.ACCEPTED,
    "OPEN": OrderState.OPEN,
    "UPDATE": OrderState.OPEN,
    "MODIFIED": OrderState.OPEN,
    "NOT MODIFIED": OrderState.OPEN,
    "NOT CANCELLED": OrderState.OPEN,
    "MODIFY VALIDATION PENDING": OrderState.OPEN,
    "MODIFY PENDING": OrderState.OPEN,
    "CANCEL PENDING": OrderState.OPEN,
    "COMPLETE": OrderState.FILLED,
    "CANCELLED": OrderState.CANCELLED,
    "CANCELLED AMO": OrderState.CANCELLED,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "LAPSED": OrderState.EXPIRED,
}
"""Kite's words for where an order is; partial fills are told by quantity. A word that is missing here is `unknown`.

`UPDATE` is what pushed messages say of a change or a partial fill; after `NOT MODIFIED` and `NOT CANCELLED` it stands.
"""
TRIGGER_KINDS: Final = {1: "single", 2: "two-leg"}
"""Kite's words for a GTT with so many triggers."""
_STOPS: Final = frozenset({OrderType.SL, OrderType.SL_M})
_IN_BOOK: Final = frozenset({"OPEN", "COMPLETE"})
"""Words that Kite never has for a stop order that waits; `UPDATE` and those about changes it has for both."""


class OrderReply(msgspec.Struct):
    """An order of the book, of its history, of a pushed message or of a postback."""

    order_id: str
    status: str
    exchange: str
    tradingsymbol: str
    transaction_type: Side
    quantity: int
    order_type: str
    product: str
    variety: str = "regular"
    validity: str = "DAY"
    validity_ttl: int | None = None
    instrument_token: int = 0
    exchange_order_id: str | None = None
    parent_order_id: str | None = None
    status_message: str | None = None
    status_message_raw: str | None = None
    order_timestamp: str | None = None
    exchange_timestamp: str | None = None
    exchange_update_timestamp: str | None = None
    disclosed_quantity: int = 0
    price: Decimal = ZERO
    trigger_price: Decimal = ZERO
    average_price: Decimal = ZERO
    filled_quantity: int = 0
    pending_quantity: int = 0
    cancelled_quantity: int = 0
    market_protection: Decimal = ZERO
    placed_by: str | None = None
    tag: str | None = None
    tags: list[str] | None = None


class TradeReply(msgspec.Struct):
    """A trade of the trade book."""

    trade_id: str
    order_id: str
    exchange: str
    tradingsymbol: str
    instrument_token: int
    product: str
    average_price: Decimal
    quantity: int
    transaction_type: Side
    exchange_order_id: str | None = None
    fill_timestamp: str | None = None
    exchange_timestamp: str | None = None


class GttConditionReply(msgspec.Struct):
    """What a trigger waits for."""

    exchange: str
    tradingsymbol: str
    trigger_values: list[Decimal]
    last_price: Decimal = ZERO
    instrument_token: int = 0


class GttLegReply(msgspec.Struct):
    """The order a trigger sends; `result` is null until it was sent."""

    product: str
    transaction_type: Side
    quantity: int
    price: Decimal
    result: dict[str, Any] | None = None


class GttReply(msgspec.Struct):
    """Triggers as Kite keeps them."""

    id: int
    status: str
    condition: GttConditionReply
    orders: list[GttLegReply]
    created_at: str | None = None
    updated_at: str | None = None
    expires_at: str | None = None


def order_of(reply: OrderReply) -> BrokerOrder:
    """Return the order as a record of ours."""
    unread: dict[str, str] = {}
    accepted_at = time_or_unread("order_timestamp", reply.order_timestamp, unread)
    exchange_at = time_or_unread("exchange_timestamp", reply.exchange_timestamp, unread)
    changed_at = time_or_unread("exchange_update_timestamp", reply.exchange_update_timestamp, unread)
    order_type = word_of(OrderType, "order_type", reply.order_type, unread)
    state = state_of(reply.status, reply.filled_quantity, unread)
    return BrokerOrder(
        broker_order_id=reply.order_id,
        client_order_id=reply.tag or "",
        exchange_order_id=reply.exchange_order_id or "",
        parent_id=reply.parent_order_id or "",
        exchange=reply.exchange,
        symbol=reply.tradingsymbol,
        token=str(reply.instrument_token) if reply.instrument_token else "",
        side=reply.transaction_type,
        quantity=reply.quantity,
        filled=reply.filled_quantity,
        pending=reply.pending_quantity,
        cancelled=reply.cancelled_quantity,
        disclosed_quantity=reply.disclosed_quantity,
        order_type=order_type,
        product=word_of(Product, "product", reply.product, unread),
        validity=word_of(Standing, "validity", reply.validity, unread),
        ttl_minutes=reply.validity_ttl or 0,
        variety=word_of(Variety, "variety", reply.variety, unread),
        price=price_of(reply.price),
        trigger=price_of(reply.trigger_price),
        average_price=price_of(reply.average_price),
        market_protection=reply.market_protection,
        state=state,
        status=reply.status,
        reason=reply.status_message or reply.status_message_raw or "",
        is_triggered=order_type in _STOPS and (reply.filled_quantity > 0 or reply.status.upper() in _IN_BOOK),
        placed_by=reply.placed_by or "",
        accepted_at=accepted_at,
        exchange_at=exchange_at,
        updated_at=changed_at or exchange_at or accepted_at,
        tags=tuple(reply.tags or ()),
        unread=unread,
    )


def state_of(status: str, filled: int, unread: dict[str, str]) -> OrderState:
    """Return the state that Kite's word means for an order of which so much is filled; a new word is `unknown`."""
    state = STATES.get(status.upper())
    if state is None:
        unread["status"] = status
        return OrderState.UNKNOWN
    if filled > 0 and state in {OrderState.ACCEPTED, OrderState.OPEN}:
        return OrderState.PART_FILLED
    return state


def pushed_order(data: bytes) -> BrokerOrder:
    """Read the order of a pushed message or a postback.

    Raises:
        DecodeError: it is no order of Kite's.
    """
    try:
        return order_of(msgspec.json.decode(data, type=OrderReply))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"an order cannot be read: {error}", data[:1024]) from error


def trade_of(reply: TradeReply) -> BrokerTrade:
    """Return the trade as a record of ours."""
    unread: dict[str, str] = {}
    filled_at = time_or_unread("fill_timestamp", reply.fill_timestamp, unread)
    return BrokerTrade(
        trade_id=reply.trade_id,
        broker_order_id=reply.order_id,
        exchange_order_id=reply.exchange_order_id or "",
        exchange=reply.exchange,
        symbol=reply.tradingsymbol,
        token=str(reply.instrument_token),
        side=reply.transaction_type,
        product=word_of(Product, "product", reply.product, unread),
        quantity=reply.quantity,
        price=reply.average_price,
        at=filled_at or time_or_unread("exchange_timestamp", reply.exchange_timestamp, unread),
        unread=unread,
    )


def gtt_of(reply: GttReply) -> Gtt:
    """Return triggers as a record of ours.

    Raises:
        DecodeError: a time cannot be read, or there are fewer triggers than orders.
    """
    condition = reply.condition
    values = condition.trigger_values
    if len(values) < len(reply.orders):
        raise DecodeError(f"GTT {reply.id} has {len(reply.orders)} orders and {len(values)} triggers", b"")
    return Gtt(
        gtt_id=str(reply.id),
        instrument=instrument_key(condition.exchange, condition.tradingsymbol),
        token=str(condition.instrument_token) if condition.instrument_token else "",
        status=reply.status,
        last_price=condition.last_price,
        legs=tuple(_leg_of(leg, trigger) for leg, trigger in zip(reply.orders, values, strict=False)),
        created_at=time_of(reply.created_at),
        updated_at=time_of(reply.updated_at),
        expires_at=time_of(reply.expires_at),
    )


def _leg_of(leg: GttLegReply, trigger: Decimal) -> GttLeg:
    sent = (leg.result or {}).get("order_result") or {}
    return GttLeg(
        side=leg.transaction_type,
        quantity=leg.quantity,
        product=word_of(Product, "product", leg.product, {}),
        price=leg.price,
        trigger=trigger,
        outcome=str(sent.get("status") or ""),
        reason=str(sent.get("rejection_reason") or ""),
        broker_order_id=str(sent.get("order_id") or ""),
    )
