"""Kite's positions, holdings, funds, margins and charges as its JSON has them, and as records of ours.

Numbers are read exactly as written. Nothing is computed.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from niftyflow.brokers.account_book import BrokerPosition, Charges, Funds, Holding, Margin, Profile
from niftyflow.brokers.kite.reading import word_of
from niftyflow.model import Product, instrument_key

ZERO: Final = Decimal(0)


class ProfileReply(msgspec.Struct):
    """Who is logged in; a login's answer has the same fields and the token."""

    user_id: str
    user_name: str
    user_shortname: str
    email: str
    user_type: str
    broker: str
    exchanges: list[str]
    products: list[str]
    order_types: list[str]
    meta: dict[str, str | None] | None = None


class PositionReply(msgspec.Struct):
    """A position."""

    tradingsymbol: str
    exchange: str
    instrument_token: int
    product: str
    quantity: int
    overnight_quantity: int = 0
    multiplier: Decimal = Decimal(1)
    average_price: Decimal = ZERO
    close_price: Decimal = ZERO
    last_price: Decimal = ZERO
    value: Decimal = ZERO
    pnl: Decimal = ZERO
    m2m: Decimal = ZERO
    realised: Decimal = ZERO
    unrealised: Decimal = ZERO
    buy_quantity: int = 0
    buy_price: Decimal = ZERO
    buy_value: Decimal = ZERO
    sell_quantity: int = 0
    sell_price: Decimal = ZERO
    sell_value: Decimal = ZERO


class PositionsReply(msgspec.Struct):
    """Both lists of positions."""

    net: list[PositionReply]
    day: list[PositionReply]


class FundingReply(msgspec.Struct):
    """Shares bought with borrowed money (MTF)."""

    quantity: int = 0
    value: Decimal = ZERO


class HoldingReply(msgspec.Struct):
    """Delivered shares."""

    tradingsymbol: str
    exchange: str
    instrument_token: int
    isin: str
    product: str
    quantity: int
    used_quantity: int = 0
    t1_quantity: int = 0
    realised_quantity: int = 0
    authorised_quantity: int = 0
    opening_quantity: int = 0
    short_quantity: int = 0
    collateral_quantity: int = 0
    collateral_type: str | None = None
    discrepancy: bool = False
    average_price: Decimal = ZERO
    last_price: Decimal = ZERO
    close_price: Decimal = ZERO
    pnl: Decimal = ZERO
    day_change: Decimal = ZERO
    day_change_percentage: Decimal = ZERO
    mtf: FundingReply | None = None


class FundsReply(msgspec.Struct):
    """Money of a segment."""

    enabled: bool
    net: Decimal
    available: dict[str, Decimal]
    utilised: dict[str, Decimal]


class GstReply(msgspec.Struct):
    """The parts of GST; only their sum is of use."""

    total: Decimal = ZERO


class ChargesReply(msgspec.Struct):
    """Charges; the tax was named `transaction_charge` in older answers."""

    total: Decimal = ZERO
    transaction_tax: Decimal | None = None
    transaction_tax_type: str | None = None
    transaction_charge: Decimal = ZERO
    transaction_charge_type: str = ""
    exchange_turnover_charge: Decimal = ZERO
    sebi_turnover_charge: Decimal = ZERO
    brokerage: Decimal = ZERO
    stamp_duty: Decimal = ZERO
    gst: GstReply = msgspec.field(default_factory=GstReply)


class MarginReply(msgspec.Struct):
    """What an order, or a basket, needs."""

    type: str = ""
    tradingsymbol: str = ""
    exchange: str = ""
    total: Decimal = ZERO
    span: Decimal = ZERO
    exposure: Decimal = ZERO
    option_premium: Decimal = ZERO
    additional: Decimal = ZERO
    cash: Decimal = ZERO
    var: Decimal = ZERO
    leverage: Decimal = ZERO
    charges: ChargesReply = msgspec.field(default_factory=ChargesReply)


class BasketReply(msgspec.Struct):
    """What orders need together."""

    initial: MarginReply
    final: MarginReply
    orders: list[MarginReply] = []


class NoteReply(msgspec.Struct):
    """An order of a contract note."""

    charges: ChargesReply


def profile_of(reply: ProfileReply) -> Profile:
    """Return the profile as a record of ours."""
    return Profile(
        user_id=reply.user_id,
        user_name=reply.user_name,
        short_name=reply.user_shortname,
        email=reply.email,
        user_type=reply.user_type,
        broker=reply.broker,
        exchanges=tuple(reply.exchanges),
        products=tuple(reply.products),
        order_types=tuple(reply.order_types),
        demat_consent=(reply.meta or {}).get("demat_consent") or "",
    )


def position_of(reply: PositionReply) -> BrokerPosition:
    """Return the position as a record of ours."""
    unread: dict[str, str] = {}
    return BrokerPosition(
        exchange=reply.exchange,
        symbol=reply.tradingsymbol,
        token=str(reply.instrument_token),
        product=word_of(Product, "product", reply.product, unread),
        net_quantity=reply.quantity,
        overnight_quantity=reply.overnight_quantity,
        multiplier=reply.multiplier,
        average_price=reply.average_price,
        close_price=reply.close_price,
        last_price=reply.last_price,
        value=reply.value,
        pnl=reply.pnl,
        m2m=reply.m2m,
        realised=reply.realised,
        unrealised=reply.unrealised,
        buy_quantity=reply.buy_quantity,
        buy_price=reply.buy_price,
        buy_value=reply.buy_value,
        sell_quantity=reply.sell_quantity,
        sell_price=reply.sell_price,
        sell_value=reply.sell_value,
        unread=unread,
    )


def holding_of(reply: HoldingReply) -> Holding:
    """Return the holding as a record of ours."""
    unread: dict[str, str] = {}
    return Holding(
        exchange=reply.exchange,
        symbol=reply.tradingsymbol,
        token=str(reply.instrument_token),
        isin=reply.isin,
        product=word_of(Product, "product", reply.product, unread),
        quantity=reply.quantity,
        used=reply.used_quantity,
        unsettled=reply.t1_quantity,
        realised=reply.realised_quantity,
        authorised=reply.authorised_quantity,
        opening=reply.opening_quantity,
        short=reply.short_quantity,
        pledged=reply.collateral_quantity,
        collateral_type=reply.collateral_type or "",
        is_discrepant=reply.discrepancy,
        average_price=reply.average_price,
        last_price=reply.last_price,
        close_price=reply.close_price,
        pnl=reply.pnl,
        day_change=reply.day_change,
        day_change_percent=reply.day_change_percentage,
        funded_quantity=reply.mtf.quantity if reply.mtf else 0,
        funded_value=reply.mtf.value if reply.mtf else ZERO,
        unread=unread,
    )


def funds_of(segment: str, reply: FundsReply) -> Funds:
    """Return a segment's money as a record of ours."""
    return Funds(
        segment=segment, is_enabled=reply.enabled, net=reply.net, available=reply.available, utilised=reply.utilised
    )


def charges_of(reply: ChargesReply) -> Charges:
    """Return charges as a record of ours."""
    is_older = reply.transaction_tax is None
    return Charges(
        total=reply.total,
        transaction_tax=reply.transaction_charge if reply.transaction_tax is None else reply.transaction_tax,
        tax_kind=(reply.transaction_charge_type if is_older else reply.transaction_tax_type) or "",
        exchange_turnover=reply.exchange_turnover_charge,
        sebi_turnover=reply.sebi_turnover_charge,
        brokerage=reply.brokerage,
        stamp_duty=reply.stamp_duty,
        gst=reply.gst.total,
    )


def margin_of(reply: MarginReply) -> Margin:
    """Return a margin as a record of ours; a basket's has an instrument key without names."""
    return Margin(
        instrument=instrument_key(reply.exchange, reply.tradingsymbol),
        segment=reply.type,
        total=reply.total,
        span=reply.span,
        exposure=reply.exposure,
        option_premium=reply.option_premium,
        additional=reply.additional,
        cash=reply.cash,
        value_at_risk=reply.var,
        leverage=reply.leverage,
        charges=charges_of(reply.charges),
    )
