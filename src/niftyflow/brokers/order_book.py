"""Orders, trades and triggers as a broker tells them, and what an order can be given beside its intent.

Money is `Decimal`, exactly as the broker wrote it: never rounded here. Times are ms UTC, 0 when not told. A broker's
word that our vocabulary lacks leaves its field null and stands in `unread`, so that a stranger's order hides no others.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

import msgspec

from niftyflow.brokers.capabilities import Standing, Variety
from niftyflow.model import InstrumentKey, OrderState, OrderType, Product, Side, instrument_key


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How an order is handed in, beside what its intent says.

    `ttl_minutes` above 0 makes its validity TTL. `market_protection` counts for MARKET and SL-M orders: -1 lets the
    broker choose, else percent. `iceberg_legs` and `auction_number` belong to their varieties. `is_urgent` orders
    take risk away, and go through the rate gate first.
    """

    variety: Variety = Variety.REGULAR
    ttl_minutes: int = 0
    disclosed_quantity: int = 0
    market_protection: Decimal = Decimal(-1)
    iceberg_legs: int = 0
    auction_number: str = ""
    is_urgent: bool = False


class Placed(msgspec.Struct, frozen=True):
    """The broker has taken a request in; what becomes of the order is told by its updates."""

    broker_order_id: str


class OrderChange(msgspec.Struct, frozen=True, kw_only=True):
    """What shall change of a standing order; null means as it is. `variety` and `parent_id` are the order's own."""

    broker_order_id: str
    variety: Variety = Variety.REGULAR
    parent_id: str = ""
    quantity: int | None = None
    price: Decimal | None = None
    trigger: Decimal | None = None
    order_type: OrderType | None = None
    validity: Standing | None = None
    ttl_minutes: int = 0
    disclosed_quantity: int | None = None
    market_protection: Decimal | None = None


class BrokerOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it stands in the broker's book.

    `client_order_id` is the tag it carries: ours, somebody else's, or empty. `placed_by` is the broker's user.
    `accepted_at` is when the broker took it, `updated_at` when it last changed; `state` is in our words, `status` in
    the broker's. `reason` is why it was refused, in the broker's words.
    """

    broker_order_id: str
    client_order_id: str
    exchange_order_id: str
    parent_id: str
    exchange: str
    symbol: str
    token: str
    side: Side
    quantity: int
    filled: int
    pending: int
    cancelled: int
    disclosed_quantity: int
    order_type: OrderType | None
    product: Product | None
    validity: Standing | None
    ttl_minutes: int
    variety: Variety | None
    price: Decimal | None
    trigger: Decimal | None
    average_price: Decimal | None
    market_protection: Decimal
    state: OrderState
    status: str
    reason: str
    is_triggered: bool
    placed_by: str
    accepted_at: int
    exchange_at: int
    updated_at: int
    tags: tuple[str, ...] = ()
    unread: dict[str, str] = {}

    @property
    def instrument(self) -> InstrumentKey:
        """The instrument's key."""
        return instrument_key(self.exchange, self.symbol)


class BrokerTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A trade of the account; `trade_id` is unique within its exchange and day."""

    trade_id: str
    broker_order_id: str
    exchange_order_id: str
    exchange: str
    symbol: str
    token: str
    side: Side
    product: Product | None
    quantity: int
    price: Decimal
    at: int
    unread: dict[str, str] = {}

    @property
    def instrument(self) -> InstrumentKey:
        """The instrument's key."""
        return instrument_key(self.exchange, self.symbol)


class GttLeg(msgspec.Struct, frozen=True, kw_only=True):
    """The limit order that a trigger sends. `outcome` and `broker_order_id` tell what came of it once it was sent."""

    side: Side
    quantity: int
    product: Product | None
    price: Decimal
    trigger: Decimal
    outcome: str = ""
    reason: str = ""
    broker_order_id: str = ""


class GttRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Triggers to be kept by the broker: one leg, or two of which the first to be reached cancels the other.

    `last_price` is the instrument's price now: the broker reads from it on which side each trigger lies.
    """

    instrument: InstrumentKey
    last_price: Decimal
    legs: tuple[GttLeg, ...]


class Gtt(msgspec.Struct, frozen=True, kw_only=True):
    """Triggers as the broker keeps them; `status` is in the broker's words (active, triggered, cancelled and so on)."""

    gtt_id: str
    instrument: InstrumentKey
    token: str
    status: str
    last_price: Decimal
    legs: tuple[GttLeg, ...]
    created_at: int
    updated_at: int
    expires_at: int


class OrderUpdates(Protocol):
    """What happens to the account's orders, from every source the broker has, as one ordered stream per order."""

    async def read(self) -> list[BrokerOrder]:
        """Wait until something has changed and return it: of each order its latest statement, never an older one.

        A reader that was away finds the last statement of each order: statements are cumulative, so nothing is lost.
        An empty list means that the updates were stopped. `filled` never goes back and a final state never reopens.

        Raises:
            Misconfigured: the updates cannot be had as they are set up; the message says what to do.
        """
        ...

    def look_now(self) -> None:
        """Ask the order book soon, not at the next interval: an outcome is unknown."""
        ...
