"""What trading is asked for inside: an order before the risk gate has seen it, and what a venue says of one after.

Plain values; nothing here decides.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from niftyflow.model import InstrumentKey, OrderState, OrderType, Product, Side, Validity


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
    """What a venue says of an order: its state now, and a trade when there was one. `at` is ms UTC."""

    client_order_id: str
    state: OrderState
    at: int
    broker_order_id: str = ""
    reason: str | None = None
    is_triggered: bool = False
    fill: VenueFill | None = None
