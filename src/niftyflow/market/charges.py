"""Charges of a fill by its day: brokerage, taxes and fees of cash shares on NSE and BSE, intraday and delivery.

Owns `data/charges.toml`, every rate with its dates, its source and whether it is verified. It never guesses: a day
before the first row of a part is `ChargesUnknown`. Each part of each fill is rounded to 1/10,000 rupee, half to even.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

from niftyflow.market.tables import DATA, FOREVER
from niftyflow.model import Broken, Exchange, InvalidValue, Kind, Misconfigured, Product, Refused, Side

SMALLEST = Decimal("0.0001")
_NOTHING = Decimal("0.0000")
_EXCHANGES = (Exchange.NSE, Exchange.BSE)
_CASH_PRODUCTS = (Product.CNC, Product.MIS)


class ChargesUnknown(Refused):
    """No row says what is charged on that day; the message names the day and the part."""


class ChargePart(StrEnum):
    """What a dated row is about; brokerage and the depository fee come from the broker's plan."""

    STT = "stt"
    EXCHANGE = "exchange"
    IPFT = "ipft"
    SEBI = "sebi"
    STAMP = "stamp"
    GST = "gst"


class ChargeRow(NamedTuple):
    """One rate while it holds, both dates inclusive. `taxed` names what a `gst` row is a percentage of."""

    part: ChargePart
    exchange: Exchange
    kind: Kind
    product: Product
    side: Side
    percent: Decimal
    rupees_per_trade: Decimal
    taxed: tuple[str, ...]
    valid_from: date
    valid_to: date
    source: str
    verified: bool


@dataclass(frozen=True)
class Charges:
    """What a fill costs, in rupees of four decimals, each part rounded half to even once a fill.

    `exchange` is the transaction charge with NSE's investor protection levy; `gst` is service tax before 2017-07-01;
    `dp` includes its tax. Show a total with two decimals only where it is read (`f"{charges.total:.2f}"`).
    `is_verified` is false when a rate behind it is not: `known_charges` and the plan say which.
    """

    brokerage: Decimal
    stt: Decimal
    exchange: Decimal
    sebi: Decimal
    stamp: Decimal
    gst: Decimal
    dp: Decimal
    is_verified: bool = True

    @classmethod
    def zero(cls) -> Charges:
        """Return no charges at all."""
        return cls(**dict.fromkeys(_PARTS, _NOTHING), is_verified=True)

    @property
    def total(self) -> Decimal:
        """Sum of the parts, rupees, four decimals."""
        return sum((getattr(self, part) for part in _PARTS), _NOTHING)

    def __add__(self, other: Charges) -> Charges:
        """Return both, part by part; verified only when both are."""
        parts: dict[str, Decimal] = {part: getattr(self, part) + getattr(other, part) for part in _PARTS}
        return Charges(**parts, is_verified=self.is_verified and other.is_verified)


_PARTS = tuple(field.name for field in fields(Charges) if field.name != "is_verified")


@dataclass(frozen=True)
class PlanTerms:
    """What a broker takes while the terms hold: brokerage of an executed order is the percentage, at most the cap.

    `dp_rupees` is the depository fee before tax, once a scrip and day of delivery sales; a cap of None is no cap.

    Raises:
        InvalidValue: a number is negative or not finite.
    """

    delivery_percent: Decimal
    intraday_percent: Decimal
    delivery_cap_rupees: Decimal | None = None
    intraday_cap_rupees: Decimal | None = None
    dp_rupees: Decimal = Decimal(0)
    valid_from: date = date.min
    valid_to: date = FOREVER
    source: str = "own numbers"
    verified: bool = False
    dp_verified: bool = False

    def __post_init__(self) -> None:
        for name in ("delivery_percent", "delivery_cap_rupees", "intraday_percent", "intraday_cap_rupees", "dp_rupees"):
            amount = getattr(self, name)
            if amount is not None and not (amount.is_finite() and amount >= 0):
                raise InvalidValue(name, amount, "a charge is a finite number, zero or more")

    def brokerage(self, of: Product, value: Decimal) -> Decimal:
        """Return the brokerage of an order of that value executed so far, rupees, four decimals."""
        is_delivery = of is Product.CNC
        percent = self.delivery_percent if is_delivery else self.intraday_percent
        cap = self.delivery_cap_rupees if is_delivery else self.intraday_cap_rupees
        amount = _percent_of(value, percent)
        return _rounded(amount if cap is None else min(amount, cap))


@dataclass(frozen=True)
class BrokerPlan:
    """A broker's name and its terms; without terms of its own, the dated ones of `data/charges.toml` hold."""

    name: str
    own_terms: tuple[PlanTerms, ...] = ()

    def terms(self, day: date) -> PlanTerms:
        """Return the terms in force on a day.

        Raises:
            ChargesUnknown: no terms cover the day.
        """
        for terms in self.own_terms or _contents()[1].get(self.name, ()):
            if terms.valid_from <= day <= terms.valid_to:
                return terms
        raise ChargesUnknown(f"no brokerage of {self.name} is known on {day}: give the plan's own numbers")


ZERODHA = BrokerPlan("zerodha")


def plan(name: str, own: PlanTerms | None = None) -> BrokerPlan:
    """Return a broker's plan: the dated one of the tables, or the numbers given.

    Raises:
        Misconfigured: no verified numbers of that broker are known (Flattrade, mStock) and none were given.
    """
    key = name.strip().lower()
    if own is not None:
        return BrokerPlan(key, (own,))
    known = _contents()[1]
    if key not in known:
        raise Misconfigured(
            f"what {name!r} charges is not verified: give the plan's own numbers (known: {', '.join(sorted(known))})"
        )
    return BrokerPlan(key)


def known_charges() -> tuple[ChargeRow, ...]:
    """Return every dated row, oldest first within its part, exchange, product and side."""
    return tuple(row for rows in _contents()[0].values() for row in rows)


def known_terms(name: str) -> tuple[PlanTerms, ...]:
    """Return the dated terms of a broker in the tables, oldest first; empty when none are known."""
    return _contents()[1].get(name, ())


def charges_of(
    *,
    exchange: Exchange,
    product: Product,
    side: Side,
    quantity: int,
    price: Decimal,
    day: date,
    plan: BrokerPlan,
    order_value_before: Decimal = Decimal(0),
    first_sale_of_day: bool = False,
) -> Charges:
    """Return what one fill of a cash share costs; `price` and values in rupees.

    Brokerage belongs to the order: a fill pays what it adds to that of the value filled before it, so the fills of an
    order pay the same however it was split. The depository fee is charged on the first delivery sale of a scrip on a
    day; the caller says which fill that is (it is ignored on other fills). STT is not rounded to the rupee, as the
    contract note does once a day.

    Raises:
        ChargesUnknown: a part has no row for the day.
        InvalidValue: futures and options, other exchanges, or a quantity, price or value that cannot be.
    """
    _check(exchange, product, quantity, price, order_value_before)
    value = quantity * price
    terms = plan.terms(day)
    rows = {part: _row(part, exchange, product, side, day) for part in ChargePart}
    amounts = {
        "brokerage": terms.brokerage(product, order_value_before + value)
        - terms.brokerage(product, order_value_before),
        "exchange": _rounded(_raw(rows[ChargePart.EXCHANGE], value) + _raw(rows[ChargePart.IPFT], value)),
    }
    for part in (ChargePart.STT, ChargePart.SEBI, ChargePart.STAMP):
        amounts[part.value] = _rounded(_raw(rows[part], value))
    tax = rows[ChargePart.GST]
    amounts["gst"] = _rounded(_percent_of(sum((amounts[name] for name in tax.taxed), _NOTHING), tax.percent))
    has_dp = first_sale_of_day and side is Side.SELL and product is Product.CNC
    amounts["dp"] = _rounded(terms.dp_rupees + _percent_of(terms.dp_rupees, tax.percent)) if has_dp else _NOTHING
    is_verified = terms.verified and all(row.verified for row in rows.values())
    return Charges(**amounts, is_verified=is_verified and (terms.dp_verified or not has_dp))


def _check(exchange: Exchange, of: Product, quantity: int, price: Decimal, value_before: Decimal) -> None:
    if exchange not in _EXCHANGES or of not in _CASH_PRODUCTS:
        raise InvalidValue("product", f"{of} on {exchange}", "charges are known for CNC and MIS on NSE and BSE only")
    if quantity <= 0:
        raise InvalidValue("quantity", quantity, "a fill has a quantity above zero")
    if not (price.is_finite() and price > 0):
        raise InvalidValue("price", price, "a price is a finite number above zero")
    if not (value_before.is_finite() and value_before >= 0):
        raise InvalidValue("order_value_before", value_before, "a value is a finite number, zero or more")


def _percent_of(value: Decimal, percent: Decimal) -> Decimal:
    return (value * percent).scaleb(-2)


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(SMALLEST, rounding=ROUND_HALF_EVEN)


def _raw(row: ChargeRow, value: Decimal) -> Decimal:
    return _percent_of(value, row.percent) + row.rupees_per_trade


@lru_cache(maxsize=8192)
def _row(part: ChargePart, exchange: Exchange, of: Product, side: Side, day: date) -> ChargeRow:
    rows = _contents()[0].get((part, exchange, Kind.EQUITY, of, side), ())
    return _in_force(rows, f"{part} charge of {of} {side} on {exchange}", day)


def _in_force(rows: tuple[ChargeRow, ...], what: str, day: date) -> ChargeRow:
    for row in rows:
        if row.valid_from <= day <= row.valid_to:
            return row
    since = f"it is known from {rows[0].valid_from}" if rows else "it is not known at all"
    raise ChargesUnknown(f"no {what} on {day}: {since} (market/data/charges.toml)")


_Key = tuple[ChargePart, Exchange, Kind, Product, Side]


@cache
def _contents() -> tuple[dict[_Key, tuple[ChargeRow, ...]], dict[str, tuple[PlanTerms, ...]]]:
    with (DATA / "charges.toml").open("rb") as file:
        text = tomllib.load(file)
    return _by_key(text["charge"]), _by_name(text["plan"])


def _by_key(written: list[dict[str, Any]]) -> dict[_Key, tuple[ChargeRow, ...]]:
    found: dict[_Key, list[ChargeRow]] = {}
    for row in (one for text in written for one in _charge_rows(text)):
        found.setdefault((row.part, row.exchange, row.kind, row.product, row.side), []).append(row)
    return {key: _in_order(str(key), rows) for key, rows in found.items()}


def _charge_rows(text: dict[str, Any]) -> list[ChargeRow]:
    kind = Kind(text.get("kind", Kind.EQUITY))
    products = text.get("products", _CASH_PRODUCTS if kind is Kind.EQUITY else (Product.NRML,))
    return [
        ChargeRow(
            ChargePart(text["part"]),
            Exchange(exchange),
            kind,
            Product(product),
            Side(side),
            Decimal(text.get("percent", 0)),
            Decimal(text.get("rupees_per_trade", 0)),
            tuple(text.get("taxed", ())),
            text["valid_from"],
            text.get("valid_to", FOREVER),
            text["source"],
            text["verified"],
        )
        for exchange in text.get("exchanges", _EXCHANGES)
        for product in products
        for side in text.get("sides", Side)
    ]


def _by_name(written: list[dict[str, Any]]) -> dict[str, tuple[PlanTerms, ...]]:
    found: dict[str, list[PlanTerms]] = {}
    for text in written:
        terms: dict[str, Any] = {
            name: Decimal(value) if name.endswith(("_percent", "_rupees")) else value
            for name, value in text.items()
            if name != "name"
        }
        found.setdefault(text["name"], []).append(PlanTerms(**terms))
    return {name: _in_order(name, terms) for name, terms in found.items()}


_Dated = TypeVar("_Dated", ChargeRow, PlanTerms)


def _in_order(what: str, rows: list[_Dated]) -> tuple[_Dated, ...]:
    rows.sort(key=lambda row: row.valid_from)
    for row, following in pairwise(rows):
        if row.valid_to.toordinal() + 1 != following.valid_from.toordinal():
            raise Broken(f"charges.toml, {what}: {row.valid_to} and {following.valid_from} overlap or leave a gap")
    return tuple(rows)
