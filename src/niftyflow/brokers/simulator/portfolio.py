"""An account's positions and holdings in Kite's words."""

from __future__ import annotations

from typing import Any

from niftyflow.brokers.simulator.accounts import rupees
from niftyflow.brokers.simulator.ledger import HeldShares, Ledger, Position, PriceOf
from niftyflow.brokers.simulator.listings import Listings
from niftyflow.model import Instrument, Product


def positions(ledger: Ledger, listings: Listings, price_of: PriceOf, close_of: PriceOf) -> dict[str, Any]:
    """Return what /portfolio/positions says: the day's own trading, and the net of it with what was carried in."""
    net, day = [], []
    for each in ledger.positions.values():
        instrument = listings.of_key(each.key)
        if instrument is None:
            continue
        price, close = price_of(each.key), close_of(each.key)
        net.append(_position(each, instrument, price, close))
        if each.bought or each.sold:
            own = Position(each.key, each.product, 0, 0, each.bought, each.bought_value, each.sold, each.sold_value)
            day.append(_position(own, instrument, price, close))
    return {"net": net, "day": day}


def _position(position: Position, instrument: Instrument, price: int, close: int) -> dict[str, Any]:
    quantity, profit, realised = position.quantity, position.profit(price), position.realised
    return {
        "tradingsymbol": instrument.symbol,
        "exchange": instrument.exchange.value,
        "instrument_token": int(instrument.token),
        "product": position.product.value,
        "quantity": quantity,
        "overnight_quantity": position.carried,
        "multiplier": 1,
        "average_price": rupees(position.average),
        "close_price": rupees(close) if position.carried else 0,
        "last_price": rupees(price),
        "value": rupees(position.sell_value - position.buy_value),
        "pnl": rupees(profit),
        "m2m": rupees(profit),
        "unrealised": rupees(profit - realised),
        "realised": rupees(realised),
        "buy_quantity": position.buy_quantity,
        "buy_price": _mean(position.buy_value, position.buy_quantity),
        "buy_value": rupees(position.buy_value),
        "buy_m2m": rupees(position.buy_value),
        "sell_quantity": position.sell_quantity,
        "sell_price": _mean(position.sell_value, position.sell_quantity),
        "sell_value": rupees(position.sell_value),
        "sell_m2m": rupees(position.sell_value),
        "day_buy_quantity": position.bought,
        "day_buy_price": _mean(position.bought_value, position.bought),
        "day_buy_value": rupees(position.bought_value),
        "day_sell_quantity": position.sold,
        "day_sell_price": _mean(position.sold_value, position.sold),
        "day_sell_value": rupees(position.sold_value),
    }


def _mean(value: int, quantity: int) -> float:
    return rupees(value / quantity) if quantity else 0


def holdings(
    ledger: Ledger, listings: Listings, price_of: PriceOf, close_of: PriceOf, day: str
) -> list[dict[str, Any]]:
    """Return what /portfolio/holdings says; `day` is written as the date of authorisation. No MTF, and no ISIN."""
    return [
        _holding(each, instrument, price_of(each.key), close_of(each.key), day)
        for each in ledger.holdings.values()
        if (instrument := listings.of_key(each.key)) is not None
    ]


def _holding(held: HeldShares, instrument: Instrument, price: int, close: int, day: str) -> dict[str, Any]:
    left, average = held.quantity - held.used, held.value / held.quantity
    change = price - close if close else 0
    return {
        "tradingsymbol": instrument.symbol,
        "exchange": instrument.exchange.value,
        "instrument_token": int(instrument.token),
        "isin": "",
        "product": Product.CNC.value,
        "price": 0,
        "quantity": left - held.unsettled if held.unsettled else left,
        "used_quantity": held.used,
        "t1_quantity": held.unsettled,
        "realised_quantity": held.quantity - held.unsettled,
        "authorised_quantity": 0,
        "authorised_date": f"{day} 00:00:00",
        "authorisation": {},
        "opening_quantity": held.quantity,
        "short_quantity": 0,
        "collateral_quantity": 0,
        "collateral_type": "",
        "discrepancy": False,
        "average_price": rupees(average),
        "last_price": rupees(price),
        "close_price": rupees(close),
        "pnl": rupees(left * (price - average)),
        "day_change": rupees(change),
        "day_change_percentage": change * 100 / close if close else 0,
        "mtf": {"quantity": 0, "used_quantity": 0, "average_price": 0, "value": 0, "initial_margin": 0},
    }
