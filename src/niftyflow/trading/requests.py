"""What trading is asked for inside: an order before the risk gate has seen it, and what a venue says of one after.

Plain values; nothing here decides.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from niftyflow.model import InstrumentKey, InvalidValue, OrderState, OrderType, Product, Side, Validity, to_e4

LARGEST = 2**53
"""No quantity and no amount in 1/10,000 rupee comes near it; the book cannot keep what is beyond 2**63."""


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An order somebody wants: a strategy, a command, or the account itself when it squares off.

    `cause` names what it follows from, the same again when decided again; `valid_until` (ms UTC) is when it has lost
    its sense if it was not sent by then. `is_exit` says that it only takes a position back.
    """

    strategy: str
    instrument: InstrumentKey
    side: Side
    quantity: int
    cause: str
    order_type: OrderType = OrderType.MARKET
    product: Product = Product.MIS
    validity: Validity = Validity.DAY
    price: Decimal | None = None
    trigger: Decimal | None = None
    valid_until: int = 0
    signal_id: str = ""
    trace_id: str = ""
    tag: str = ""
    is_exit: bool = False


class VenueFill(msgspec.Struct, frozen=True, kw_only=True):
    """A trade a venue reports for an order of ours."""

    fill_id: str
    quantity: int
    price: Decimal


class VenueUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue says of an order: its state now, a trade when there was one, its terms when they were changed.

    `at` is ms UTC; terms that are null are as they were.
    """

    client_order_id: str
    state: OrderState
    at: int
    broker_order_id: str = ""
    reason: str | None = None
    is_triggered: bool = False
    fill: VenueFill | None = None
    quantity: int | None = None
    price: Decimal | None = None
    trigger: Decimal | None = None


class NewTerms(msgspec.Struct, frozen=True):
    """What a working order shall be changed to; null means as it is."""

    quantity: int | None = None
    price: Decimal | None = None
    trigger: Decimal | None = None


def refuse_unkeepable(request: OrderRequest) -> None:
    """Refuse numbers that no book can keep.

    Raises:
        InvalidValue: the quantity, the price or the trigger is one.
    """
    if abs(request.quantity) > LARGEST:
        raise InvalidValue("quantity", request.quantity, "no order is that large")
    for name, amount in (("price", request.price), ("trigger", request.trigger)):
        try:
            is_kept = amount is None or abs(to_e4(amount)) <= LARGEST
        except InvalidValue as error:
            raise InvalidValue(name, amount, error.rule) from error
        if not is_kept:
            raise InvalidValue(name, amount, "no price is that high")
