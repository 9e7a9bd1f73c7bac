"""What goes into the exchange and what comes out of it: listings, orders, changes, events and trades.

Prices are integers of 1/10,000 rupee, quantities are units (not lots), times are ms UTC. Nothing here acts.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

import msgspec

from niftyflow.model import Exchange, Instrument, Kind, OrderType, Product, Side, split_key, to_e4

AUTOMATIC_PROTECTION = -1
"""Market protection that asks the exchange to choose the percentage."""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument as the exchange lists it for a day; a band of 0 is no limit on that side, likewise the freeze."""

    instrument: str
    kind: Kind
    tick_size: int = 500
    lot_size: int = 1
    freeze_quantity: int = 0
    lower_band: int = 0
    upper_band: int = 0
    previous_close: int = 0
    has_derivatives: bool = False
    underlying: str | None = None
    expiry: date | None = None
    right: str = ""

    @classmethod
    def of(
        cls, instrument: Instrument, *, lower_band: int = 0, upper_band: int = 0, previous_close: int = 0
    ) -> Listing:
        """Return the listing of a master's row.

        Raises:
            InvalidValue: the tick size is finer than 1/10,000 rupee.
        """
        return cls(
            instrument=instrument.key,
            kind=instrument.kind,
            tick_size=to_e4(instrument.tick_size),
            lot_size=instrument.lot_size,
            freeze_quantity=instrument.freeze_quantity or 0,
            lower_band=lower_band,
            upper_band=upper_band,
            previous_close=previous_close,
            has_derivatives=instrument.has_derivatives,
            underlying=instrument.underlying,
            expiry=instrument.expiry,
            right=instrument.right or "",
        )

    def to_instrument(self) -> Instrument:
        """Return what the market's calendar needs to know of it."""
        exchange, symbol = split_key(self.instrument)
        return Instrument(
            exchange=Exchange(exchange),
            symbol=symbol,
            kind=self.kind,
            has_derivatives=self.has_derivatives,
            underlying=self.underlying,
            expiry=self.expiry,
        )

    @property
    def is_derivative(self) -> bool:
        """Whether it is a future or an option."""
        return self.kind in _DERIVATIVES


_DERIVATIVES = frozenset({Kind.FUTURE, Kind.OPTION})


class Variety(StrEnum):
    """How an order is handled; GTT legs arrive as regular ones."""

    REGULAR = "regular"
    AMO = "amo"
    ICEBERG = "iceberg"


class TimeInForce(StrEnum):
    """How long an order stands: until the session's end, not at all, or some minutes."""

    DAY = "DAY"
    IOC = "IOC"
    TTL = "TTL"


class OrderStatus(StrEnum):
    """Where an order is, in Kite's words; the last three are final."""

    RECEIVED = "PUT ORDER REQ RECEIVED"
    AMO_RECEIVED = "AMO REQ RECEIVED"
    TRIGGER_PENDING = "TRIGGER PENDING"
    OPEN = "OPEN"
    COMPLETE = "COMPLETE"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return self in _FINAL


_FINAL = frozenset({OrderStatus.COMPLETE, OrderStatus.CANCELLED, OrderStatus.REJECTED})


class EventKind(StrEnum):
    """What happened. A `refused` change leaves its order as it was; `square_off` names a position, not an order."""

    RECEIVED = "received"
    REJECTED = "rejected"
    OPENED = "opened"
    TRIGGERED = "triggered"
    TRADED = "traded"
    REQUESTED = "requested"
    MODIFIED = "modified"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    SQUARE_OFF = "square_off"


class Refusal(StrEnum):
    """Why an order or a change is refused, for programs; the event's `reason` says it in the exchange's words."""

    UNKNOWN_INSTRUMENT = "unknown_instrument"
    UNKNOWN_ORDER = "unknown_order"
    DUPLICATE_ORDER = "duplicate_order"
    NOT_TRADABLE = "not_tradable"
    QUANTITY = "quantity"
    LOT = "lot"
    FREEZE = "freeze"
    TICK = "tick"
    BAND = "band"
    PRICE = "price"
    TRIGGER = "trigger"
    DISCLOSED = "disclosed"
    ICEBERG = "iceberg"
    VALIDITY = "validity"
    PROTECTION = "protection"
    NO_LAST_PRICE = "no_last_price"
    MARKET_CLOSED = "market_closed"
    MARKET_OPEN = "market_open"
    PHASE = "phase"
    HALTED = "halted"
    FINAL = "final"
    NOTHING_TO_CHANGE = "nothing_to_change"

    @property
    def is_input(self) -> bool:
        """Whether Kite answers the request itself with an InputException, so that no order comes to be."""
        return self in _INPUT


_INPUT = frozenset(Refusal) - {Refusal.HALTED, Refusal.PHASE, Refusal.NO_LAST_PRICE}


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it is sent. `price` and `trigger` are 0 where it has none.

    `market_protection` is a percentage in hundredths of a percent (250 is 2.5 %), -1 for automatic, 0 for none;
    `minutes` counts for TTL, `legs` for an iceberg.
    """

    order_id: str
    account: str
    instrument: str
    side: Side
    quantity: int
    order_type: OrderType
    product: Product
    validity: TimeInForce = TimeInForce.DAY
    variety: Variety = Variety.REGULAR
    price: int = 0
    trigger: int = 0
    disclosed_quantity: int = 0
    minutes: int = 0
    legs: int = 0
    market_protection: int = 0


class OrderChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change asked of an order: None leaves a term as it is; `quantity` is the new whole, filled part included."""

    order_id: str
    quantity: int | None = None
    order_type: OrderType | None = None
    validity: TimeInForce | None = None
    price: int | None = None
    trigger: int | None = None
    disclosed_quantity: int | None = None
    minutes: int | None = None
    market_protection: int | None = None


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a trade. Two of our orders that trade with one another share the trade id."""

    trade_id: str
    order_id: str
    account: str
    instrument: str
    side: Side
    product: Product
    quantity: int
    price: int
    at: int
    is_aggressor: bool
    counter_order_id: str = ""
    """The other order where it is one of ours; empty when the replayed market was the other side."""


class ExchangeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an order, with its state after it; `sequence` counts the exchange's events from 1.

    `average_price` is rounded half up to 1/10,000 rupee, `filled_value` is exact (quantity times price). For
    `square_off` the order id is empty and `quantity` is the intraday position: above zero it is to be sold.
    """

    kind: EventKind
    sequence: int
    at: int
    account: str
    order_id: str
    instrument: str
    status: OrderStatus
    quantity: int
    filled: int = 0
    filled_value: int = 0
    average_price: int = 0
    cancelled: int = 0
    price: int = 0
    trigger: int = 0
    trade: Trade | None = None
    refusal: Refusal | None = None
    reason: str = ""


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the exchange holds it; `order` has its terms as they are now, after changes."""

    order: NewOrder
    status: OrderStatus
    placed_at: int
    updated_at: int
    exchange_order_id: str = ""
    """Empty until the order has reached the exchange."""
    exchange_at: int = 0
    filled: int = 0
    filled_value: int = 0
    average_price: int = 0
    pending: int = 0
    cancelled: int = 0
    is_triggered: bool = False
    refusal: Refusal | None = None
    reason: str = ""


class DepthLevel(msgspec.Struct, frozen=True):
    """One price of the book: all quantity that is shown there, and how many orders; the replayed side counts as one."""

    price: int
    quantity: int
    orders: int


class Depth(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument's best five prices a side, the replayed market and our own orders together, best first."""

    instrument: str
    last_price: int
    day_volume: int
    bids: tuple[DepthLevel, ...] = ()
    asks: tuple[DepthLevel, ...] = ()
