"""What an account has, may spend and would pay, as a broker tells it.

Money is `Decimal`, exactly as the broker wrote it. Quantities are units, not lots. Nothing here is computed by us.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
from pydantic import SecretStr

from niftyflow.brokers.capabilities import Variety
from niftyflow.model import InstrumentKey, OrderType, Product, Side, instrument_key


class BrokerSession(msgspec.Struct, frozen=True, kw_only=True):
    """A login of the day. `dies_at` (ms UTC) is the earliest moment at which the broker may forget the token."""

    broker: str
    user_id: str
    user_name: str
    api_key: str
    access_token: SecretStr
    logged_in_at: int
    dies_at: int

    def outlives(self, moment: int) -> bool:
        """Whether the token is still good at a moment (ms UTC), such as a strategy's square-off."""
        return moment < self.dies_at


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Who the account belongs to and where it may trade; lists are the broker's words."""

    user_id: str
    user_name: str
    short_name: str
    email: str
    user_type: str
    broker: str
    exchanges: tuple[str, ...]
    products: tuple[str, ...]
    order_types: tuple[str, ...]
    demat_consent: str = ""


class BrokerPosition(msgspec.Struct, frozen=True, kw_only=True):
    """A position of the day: `net_quantity` now, of which `overnight_quantity` was brought in. Negative is short.

    `realised` and `unrealised` are the broker's; `multiplier` turns a quantity times a price into rupees.
    """

    exchange: str
    symbol: str
    token: str
    product: Product | None
    net_quantity: int
    overnight_quantity: int
    multiplier: Decimal
    average_price: Decimal
    close_price: Decimal
    last_price: Decimal
    value: Decimal
    pnl: Decimal
    m2m: Decimal
    realised: Decimal
    unrealised: Decimal
    buy_quantity: int
    buy_price: Decimal
    buy_value: Decimal
    sell_quantity: int
    sell_price: Decimal
    sell_value: Decimal
    unread: dict[str, str] = {}

    @property
    def instrument(self) -> InstrumentKey:
        """The instrument's key."""
        return instrument_key(self.exchange, self.symbol)


class Positions(msgspec.Struct, frozen=True):
    """`net` is what is held now, `day` what today's trades alone did."""

    net: list[BrokerPosition]
    day: list[BrokerPosition]


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """Delivered shares. `quantity` is free to sell with today's sales off, `unsettled` (T1) not delivered yet.

    `authorised` may be sold without a further consent of the depository; `pledged` stands as collateral.
    """

    exchange: str
    symbol: str
    token: str
    isin: str
    product: Product | None
    quantity: int
    used: int
    unsettled: int
    realised: int
    authorised: int
    opening: int
    short: int
    pledged: int
    collateral_type: str
    is_discrepant: bool
    average_price: Decimal
    last_price: Decimal
    close_price: Decimal
    pnl: Decimal
    day_change: Decimal
    day_change_percent: Decimal
    funded_quantity: int = 0
    funded_value: Decimal = Decimal(0)
    unread: dict[str, str] = {}

    @property
    def instrument(self) -> InstrumentKey:
        """The instrument's key."""
        return instrument_key(self.exchange, self.symbol)


class Funds(msgspec.Struct, frozen=True, kw_only=True):
    """Money of one segment: `net` may be spent now; `available` and `utilised` are its parts by the broker's names."""

    segment: str
    is_enabled: bool
    net: Decimal
    available: dict[str, Decimal]
    utilised: dict[str, Decimal]


class Charges(msgspec.Struct, frozen=True, kw_only=True):
    """What an order costs beside its price. `transaction_tax` is STT or CTT, as `tax_kind` says."""

    total: Decimal
    transaction_tax: Decimal
    tax_kind: str
    exchange_turnover: Decimal
    sebi_turnover: Decimal
    brokerage: Decimal
    stamp_duty: Decimal
    gst: Decimal


class Margin(msgspec.Struct, frozen=True, kw_only=True):
    """What must be there for an order; `total` is the sum the broker blocks, the others are its parts."""

    instrument: InstrumentKey
    segment: str
    total: Decimal
    span: Decimal
    exposure: Decimal
    option_premium: Decimal
    additional: Decimal
    cash: Decimal
    value_at_risk: Decimal
    leverage: Decimal
    charges: Charges


class BasketMargin(msgspec.Struct, frozen=True):
    """What must be there for orders together: `initial` while they are sent, `final` once hedges count."""

    initial: Margin
    final: Margin
    orders: list[Margin]


class PricedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order with the price it was, or would be, executed at: the question of a contract note."""

    order_id: str
    instrument: InstrumentKey
    side: Side
    variety: Variety
    product: Product
    order_type: OrderType
    quantity: int
    average_price: Decimal


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """A position, or part of it, to be held as another product. `is_overnight`: it was brought into the day."""

    instrument: InstrumentKey
    side: Side
    quantity: int
    is_overnight: bool
    held_as: Product
    hold_as: Product
