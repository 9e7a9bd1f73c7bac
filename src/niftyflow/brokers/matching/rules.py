"""What an order must be before a book may see it, with the words in which it is refused.

Pure rules on terms. Kite checks these itself before it sends an order on (support.zerodha.com, "order rejections");
its words are kept where they are known, ours stand elsewhere. Money, holdings and products are the broker's to check.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

import msgspec

from niftyflow.brokers.matching.hours import Mode
from niftyflow.brokers.matching.messages import (
    AUTOMATIC_PROTECTION,
    Listing,
    NewOrder,
    OrderChange,
    Refusal,
    TimeInForce,
    Variety,
)
from niftyflow.brokers.matching.settings import MatchingSettings
from niftyflow.brokers.matching.working import leg_of
from niftyflow.model import Kind, OrderType, Side, from_e4

STOPS = frozenset({OrderType.SL, OrderType.SL_M})
PRICED = frozenset({OrderType.LIMIT, OrderType.SL})
SMALLEST_DISCLOSED_PERCENT = 10
ICEBERG_LEGS = (2, 50)
BPS = 10_000
E4 = 10_000


class Found(NamedTuple):
    """Why terms cannot be."""

    refusal: Refusal
    reason: str


class Asked(NamedTuple):
    """Terms to be judged, and what they are judged by."""

    order: NewOrder
    listing: Listing
    settings: MatchingSettings
    last_price: int
    is_triggered: bool

    @property
    def is_stop(self) -> bool:
        """Whether it waits for a trigger."""
        return self.order.order_type in STOPS and not self.is_triggered


def check(asked: Asked) -> Found | None:
    """Return the first rule that an order breaks, or None."""
    for rule in _RULES:
        found = rule(asked)
        if found is not None:
            return found
    return None


def check_mode(order: NewOrder, mode: Mode, *, is_triggered: bool = False) -> Found | None:
    """Return why an order cannot reach the book in what the market does now, or None."""
    if mode is Mode.CONTINUOUS:
        return None
    if mode is Mode.HALTED:
        return Found(Refusal.HALTED, "The exchange is halted. Orders cannot be entered, changed or cancelled now.")
    if mode not in {Mode.COLLECTING, Mode.LIMIT_ONLY}:
        return Found(Refusal.PHASE, "Order entry is not allowed in the current market phase.")
    reason = None
    if order.order_type in STOPS and not is_triggered:
        reason = "Stop loss orders are not allowed in the call auction."
    elif order.validity is TimeInForce.IOC:
        reason = "IOC orders are not allowed in the call auction."
    elif order.disclosed_quantity or order.variety is Variety.ICEBERG:
        reason = "Disclosed quantity is not allowed in the call auction."
    elif mode is Mode.LIMIT_ONLY and order.order_type is OrderType.MARKET:
        reason = "Only limit orders are allowed at this stage of the call auction."
    return None if reason is None else Found(Refusal.PHASE, reason)


def check_closing_band(price: int, reference: int, percent: int) -> Found | None:
    """Return that a price lies outside the closing auction's band, or None; without a reference there is no band."""
    if not reference or abs(price - reference) * 100 <= reference * percent:
        return None
    return Found(Refusal.BAND, f"Price is outside the closing auction's band of {percent}% around {rupees(reference)}.")


def changed(order: NewOrder, change: OrderChange) -> NewOrder:
    """Return an order's terms after a change; a type without a price or a trigger drops it."""
    named = {
        name: value
        for name in change.__struct_fields__
        if name != "order_id"
        if (value := getattr(change, name)) is not None
    }
    terms = msgspec.structs.replace(order, **named)
    if terms.order_type not in PRICED:
        terms = msgspec.structs.replace(terms, price=0)
    if terms.order_type not in STOPS:
        terms = msgspec.structs.replace(terms, trigger=0)
    return terms


def protected_limit(order: NewOrder, listing: Listing, settings: MatchingSettings, last_price: int) -> int:
    """Return the limit of a market order: the last price, give its protection, rounded inward to the tick and the band.

    A protection of -1 takes the percentage of the settings' slabs: ours, after what Zerodha is said to take; only
    that of options at ₹10 to 100 was confirmed. For SL-M the last price is the one that triggered it; whether Kite
    reckons from the trigger instead is settled by no source.
    """
    percent = order.market_protection
    if percent == AUTOMATIC_PROTECTION:
        is_option = listing.kind is Kind.OPTION
        slabs = settings.protection_of_options if is_option else settings.protection_of_shares
        percent = next(each for below, each in slabs if not below or last_price < below * E4)
    distance, tick = last_price * percent // BPS, listing.tick_size
    if order.side is Side.BUY:
        limit = (last_price + distance) // tick * tick
        return min(limit, listing.upper_band) if listing.upper_band else max(limit, tick)
    limit = max(-(-(last_price - distance) // tick) * tick, tick)
    return max(limit, listing.lower_band)


def _tradable(asked: Asked) -> Found | None:
    if asked.listing.kind is Kind.INDEX:
        return Found(Refusal.NOT_TRADABLE, f"{asked.order.instrument} is an index, which is not traded.")
    return None


def _quantity(asked: Asked) -> Found | None:
    order, lot = asked.order, asked.listing.lot_size
    if order.quantity <= 0:
        return Found(Refusal.QUANTITY, "Invalid `quantity`: it has to be above zero.")
    if order.quantity % lot:
        return Found(Refusal.LOT, f"Quantity has to be a multiple of the lot size {lot}.")
    return None


def _iceberg(asked: Asked) -> Found | None:
    order = asked.order
    if order.variety is not Variety.ICEBERG:
        return None
    few, many = ICEBERG_LEGS
    if not few <= order.legs <= many:
        return Found(Refusal.ICEBERG, f"Iceberg legs have to be between {few} and {many}.")
    if order.order_type not in PRICED or order.validity is TimeInForce.IOC or order.disclosed_quantity:
        return Found(Refusal.ICEBERG, "An iceberg is a limit or SL order for the day, without a disclosed quantity.")
    return None


def _freeze(asked: Asked) -> Found | None:
    order, freeze = asked.order, asked.listing.freeze_quantity
    size = leg_of(order, asked.listing.lot_size) if order.variety is Variety.ICEBERG else order.quantity
    if freeze and size > freeze:
        return Found(Refusal.FREEZE, f"Quantity {size} exceeds the freeze quantity {freeze}. Split the order.")
    return None


def _disclosed(asked: Asked) -> Found | None:
    order = asked.order
    if not order.disclosed_quantity:
        return None
    if asked.listing.is_derivative:
        return Found(Refusal.DISCLOSED, "Disclosed quantity is not allowed for futures and options.")
    if order.validity is TimeInForce.IOC:
        return Found(Refusal.DISCLOSED, "Disclosed quantity is not allowed for IOC orders.")
    if not 0 < order.disclosed_quantity <= order.quantity:
        return Found(Refusal.DISCLOSED, "Disclosed quantity cannot be more than the order quantity.")
    if order.disclosed_quantity * 100 < order.quantity * SMALLEST_DISCLOSED_PERCENT:
        return Found(Refusal.DISCLOSED, "Disclosed quantity has to be at least 10% of the order quantity.")
    return None


def _validity(asked: Asked) -> Found | None:
    order = asked.order
    if order.validity is TimeInForce.TTL and order.minutes <= 0:
        return Found(Refusal.VALIDITY, "Invalid `validity_ttl`: a TTL order needs its minutes.")
    if order.validity is not TimeInForce.DAY and order.variety is Variety.AMO:
        return Found(Refusal.VALIDITY, f"{order.validity} is not allowed for after market orders.")
    return None


def _prices(asked: Asked) -> Found | None:
    order = asked.order
    wanted = []
    if order.order_type in PRICED:
        wanted.append(("price", order.price, Refusal.PRICE))
    if asked.is_stop:
        wanted.append(("trigger_price", order.trigger, Refusal.TRIGGER))
    for name, value, refusal in wanted:
        if value <= 0:
            return Found(refusal, f"Invalid `{name}`: a {order.order_type} order needs one above zero.")
        found = _tick(value, asked.listing) or _band(value, asked.listing)
        if found is not None:
            return found
    return None


def _tick(price: int, listing: Listing) -> Found | None:
    if price % listing.tick_size == 0:
        return None
    told = rupees(listing.tick_size)
    reason = f"Tick size for this script is {told}. Kindly enter price in the multiple of tick size for this script."
    return Found(Refusal.TICK, reason)


def _band(price: int, listing: Listing) -> Found | None:
    low, high = listing.lower_band, listing.upper_band
    if (not low or price >= low) and (not high or price <= high):
        return None
    told = f"{rupees(low)} to {rupees(high)}" if high else f"from {rupees(low)}"
    reason = f"Price exceeds circuit limits for the instrument. Place an order within the daily range ({told})."
    return Found(Refusal.BAND, reason)


def _trigger(asked: Asked) -> Found | None:
    order = asked.order
    if not asked.is_stop:
        return None
    is_buy = order.side is Side.BUY
    if order.order_type is OrderType.SL and (order.trigger > order.price if is_buy else order.trigger < order.price):
        word = "higher" if is_buy else "lower"
        return Found(Refusal.TRIGGER, f"Trigger price of a stoploss order cannot be {word} than its limit price.")
    last = asked.last_price
    if last and (order.trigger <= last if is_buy else order.trigger >= last):
        side, word = ("buy", "higher") if is_buy else ("sell", "lower")
        reason = (
            f"Trigger price for stoploss {side} orders should be {word} than the last traded price ({rupees(last)})."
        )
        return Found(Refusal.TRIGGER, reason)
    return None


def _protection(asked: Asked) -> Found | None:
    order = asked.order
    if order.order_type in PRICED:
        return None
    if order.market_protection != AUTOMATIC_PROTECTION and not 0 <= order.market_protection <= BPS:
        return Found(Refusal.PROTECTION, "Invalid `market_protection`: use -1 or a percentage from 0 to 100.")
    if not order.market_protection and asked.settings.is_protection_required:
        reason = (
            "Market orders without market protection are not allowed via API. Please set market protection or use a "
            "Limit order."
        )
        return Found(Refusal.PROTECTION, reason)
    return None


def rupees(amount: int) -> Decimal:
    """Return an amount for a sentence: rupees with two decimals, four where they are needed."""
    exact = from_e4(amount)
    short = exact.quantize(Decimal("0.01"))
    return short if short == exact else exact


_RULES: tuple[Callable[[Asked], Found | None], ...] = (
    _tradable, _quantity, _iceberg, _freeze, _disclosed, _validity, _protection, _prices, _trigger,
)  # fmt: skip
