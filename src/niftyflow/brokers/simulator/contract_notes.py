"""The charges of orders in Kite's words, by `niftyflow.market`'s dated tables and Zerodha's plan.

Where the tables know no charges (derivatives, days before their first row) every part is zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from niftyflow.market import ZERODHA, Charges, charges_of
from niftyflow.model import Exchange, Product, Refused, Side


def charges_at(exchange: Exchange, product: Product, side: Side, quantity: int, price: Decimal, day: date) -> Charges:
    """Return what an order filled in one piece costs; zero where the tables do not know."""
    try:
        return charges_of(
            exchange=exchange, product=product, side=side, quantity=quantity, price=price, day=day, plan=ZERODHA
        )
    except Refused:
        return Charges.zero()


def told(charges: Charges) -> dict[str, Any]:
    """Return charges as /charges/orders and the margin routes write them, rupees."""
    return {
        "transaction_tax": float(charges.stt),
        "transaction_tax_type": "stt",
        "exchange_turnover_charge": float(charges.exchange),
        "sebi_turnover_charge": float(charges.sebi),
        "brokerage": float(charges.brokerage),
        "stamp_duty": float(charges.stamp),
        "gst": {"igst": float(charges.gst), "cgst": 0, "sgst": 0, "total": float(charges.gst)},
        "total": float(charges.total),
    }


def summed(all_charges: Iterable[Charges]) -> Charges:
    """Return the charges of several orders together."""
    return sum(all_charges, Charges.zero())
