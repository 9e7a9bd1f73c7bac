"""Margins, an estimate that is simple enough to check by hand; Kite's come from the exchanges' risk files.

Shares for delivery cost their value; intraday shares a fifth of it (the least that SEBI's peak margin rule of 2021
allows); futures 15 % of their value; a bought option its premium; a sold one 15 % of its strike and the premium. An
order that makes a position smaller needs nothing. Charges are not blocked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from niftyflow.brokers.simulator.accounts import rupees, units
from niftyflow.brokers.simulator.ledger import Ledger, PriceOf
from niftyflow.brokers.simulator.listings import Listings
from niftyflow.model import Instrument, Kind, Product, Side

INTRADAY_PERCENT: Final = 20
DERIVATIVES_PERCENT: Final = 15


def margin_of(instrument: Instrument, product: Product, side: Side, quantity: int, price: int) -> int:
    """Return the margin of a quantity at a price in units, by itself; units."""
    value = quantity * price
    if instrument.kind is Kind.FUTURE:
        return value * DERIVATIVES_PERCENT // 100
    if instrument.kind is Kind.OPTION:
        if side is Side.BUY:
            return value
        return quantity * units(instrument.strike or 0) * DERIVATIVES_PERCENT // 100 + value
    if product is Product.CNC:
        return value if side is Side.BUY else 0
    return value * INTRADAY_PERCENT // 100


def order_margin(
    ledger: Ledger, instrument: Instrument, product: Product, side: Side, quantity: int, price: int
) -> int:
    """Return what an order needs beyond what its position already has; units."""
    position = ledger.positions.get((str(instrument.key), product))
    held = 0 if position is None else position.quantity * side.sign
    return margin_of(instrument, product, side, quantity - min(quantity, max(0, -held)), price)


def positions_margin(ledger: Ledger, listings: Listings) -> int:
    """Return the margin of what is open, at its average price; deliveries are counted by the money they cost. Units."""
    total = 0
    for each in ledger.open_positions():
        instrument = listings.of_key(each.key)
        if instrument is not None and each.product is not Product.CNC:
            side = Side.BUY if each.quantity > 0 else Side.SELL
            total += margin_of(instrument, each.product, side, abs(each.quantity), round(each.average))
    return total


def available(ledger: Ledger, listings: Listings, price_of: PriceOf, blocked: int) -> int:
    """Return the money for new orders, units: a loss that is not realised counts, a profit that is not does not."""
    realised, unrealised = ledger.profit(price_of)
    spent = ledger.cash_moved() + positions_margin(ledger, listings) + blocked
    return ledger.opening_cash + realised + min(0, unrealised) - spent


def funds(ledger: Ledger, listings: Listings, price_of: PriceOf, blocked: int) -> dict[str, Any]:
    """Return what /user/margins says of shares and their derivatives; `blocked` is held for open orders, units."""
    realised, unrealised = ledger.profit(price_of)
    net = available(ledger, listings, price_of, blocked)
    return _segment(
        net,
        ledger.opening_cash,
        realised,
        unrealised,
        positions_margin(ledger, listings) + blocked,
        ledger.cash_moved(),
    )


def no_funds() -> dict[str, Any]:
    """Return what /user/margins says of commodities: there is an account, and nothing in it."""
    return _segment(0, 0, 0, 0, 0, 0)


def _segment(net: int, opening: int, realised: int, unrealised: int, margin: int, delivery: int) -> dict[str, Any]:
    return {
        "enabled": True,
        "net": rupees(net),
        "available": {
            "adhoc_margin": 0,
            "cash": rupees(opening),
            "opening_balance": rupees(opening),
            "live_balance": rupees(net),
            "collateral": 0,
            "intraday_payin": 0,
        },
        "utilised": {
            "debits": rupees(opening - net),
            "exposure": 0,
            "m2m_realised": rupees(realised),
            "m2m_unrealised": rupees(unrealised),
            "option_premium": 0,
            "payout": 0,
            "span": rupees(margin),
            "holding_sales": 0,
            "turnover": 0,
            "liquid_collateral": 0,
            "stock_collateral": 0,
            "delivery": rupees(delivery),
        },
    }


def margin_row(
    instrument: Instrument, margin: int, price: int, quantity: int, charges: dict[str, Any]
) -> dict[str, Any]:
    """Return one order of /margins/orders."""
    is_cash = instrument.kind is Kind.EQUITY
    return {
        "type": "equity",
        "tradingsymbol": instrument.symbol,
        "exchange": instrument.exchange.value,
        "span": 0 if is_cash else rupees(margin),
        "exposure": 0,
        "option_premium": 0,
        "additional": 0,
        "bo": 0,
        "cash": 0,
        "var": rupees(margin) if is_cash else 0,
        "pnl": {"realised": 0, "unrealised": 0},
        "leverage": quantity * price / margin if margin else 1,
        "charges": charges,
        "total": rupees(margin),
    }


def basket(rows: Sequence[dict[str, Any]], charges: dict[str, Any]) -> dict[str, Any]:
    """Return what /margins/basket says: there are no benefits between orders, so the end is the sum of the parts."""
    summed = ("span", "exposure", "option_premium", "additional", "bo", "cash", "var", "total")
    whole = {
        "type": "", "tradingsymbol": "", "exchange": "", **{name: sum(each[name] for each in rows) for name in summed},
        "pnl": {"realised": 0, "unrealised": 0}, "leverage": 0, "charges": charges,
    }  # fmt: skip
    return {"initial": whole, "final": dict(whole), "orders": list(rows), "charges": charges}
