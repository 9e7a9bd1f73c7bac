"""REST routes of what an account holds, and of what orders would cost: positions, holdings, margins, charges."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from niftyflow.brokers.matching import NewOrder
from niftyflow.brokers.simulator import contract_notes, margins, portfolio
from niftyflow.brokers.simulator.accounts import rupees, units
from niftyflow.brokers.simulator.kite_errors import input_error
from niftyflow.brokers.simulator.order_parameters import parse_conversion, parse_order
from niftyflow.brokers.simulator.rest import Call, Front, Route
from niftyflow.market import Charges
from niftyflow.model import Instrument, from_e4


class PortfolioRoutes:
    """Routes of one front."""

    def __init__(self, front: Front) -> None:
        self._broker = front.broker

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("GET", "/portfolio/positions", self._positions),
            Route("PUT", "/portfolio/positions", self._convert),
            Route("GET", "/portfolio/holdings", self._holdings),
            Route("GET", "/portfolio/holdings/auctions", lambda _call: []),
            Route("POST", "/margins/orders", self._order_margins),
            Route("POST", "/margins/basket", self._basket),
            Route("POST", "/charges/orders", self._charges),
        ]

    def _positions(self, call: Call) -> dict[str, Any]:
        broker = self._broker
        ledger = broker.states[call.user.user_id].ledger
        return portfolio.positions(ledger, broker.listings, broker.price_of, broker.close_of)

    def _holdings(self, call: Call) -> list[dict[str, Any]]:
        broker = self._broker
        ledger = broker.states[call.user.user_id].ledger
        day = broker.day.isoformat()
        return portfolio.holdings(ledger, broker.listings, broker.price_of, broker.close_of, day)

    def _convert(self, call: Call) -> bool:
        key, side, quantity, old, new = parse_conversion(call.form, self._broker.listings)
        self._broker.states[call.user.user_id].ledger.convert(key, side, quantity, old, new)
        return True

    def _order_margins(self, call: Call) -> list[dict[str, Any]]:
        return [self._margin_row(*each) for each in self._asked(call)]

    def _basket(self, call: Call) -> dict[str, Any]:
        asked = self._asked(call)
        charges = contract_notes.summed(self._charged(order, price) for order, _, price in asked)
        return margins.basket([self._margin_row(*each) for each in asked], contract_notes.told(charges))

    def _margin_row(self, order: NewOrder, instrument: Instrument, price: int) -> dict[str, Any]:
        needed, _ = self._broker.estimate(order)
        charges = contract_notes.told(self._charged(order, price))
        return margins.margin_row(instrument, needed, price, order.quantity, charges)

    def _charges(self, call: Call) -> list[dict[str, Any]]:
        return [
            {
                "transaction_type": order.side.value,
                "tradingsymbol": instrument.symbol,
                "exchange": instrument.exchange.value,
                "variety": order.variety.value,
                "product": order.product.value,
                "order_type": order.order_type.value,
                "quantity": order.quantity,
                "price": rupees(price),
                "charges": contract_notes.told(self._charged(order, price)),
            }
            for order, instrument, price in self._asked(call)
        ]

    def _charged(self, order: NewOrder, price: int) -> Charges:
        exchange = order.instrument.partition(":")[0]
        instrument = self._broker.listings.of_key(order.instrument)
        if instrument is None or not price:
            raise input_error(f"No price is known of {order.instrument} on {exchange}.")
        return contract_notes.charges_at(
            instrument.exchange, order.product, order.side, order.quantity, from_e4(price), self._broker.day
        )  # fmt: skip

    def _asked(self, call: Call) -> list[tuple[NewOrder, Instrument, int]]:
        """Return the orders of a JSON body, each with its instrument and the price it is reckoned at."""
        if not isinstance(call.body, list) or not all(isinstance(each, dict) for each in call.body):
            raise input_error("Invalid JSON: a list of orders is expected.")
        return [self._one(each, call.user.user_id) for each in call.body]

    def _one(self, each: dict[str, Any], user: str) -> tuple[NewOrder, Instrument, int]:
        form = {name: str(value) for name, value in each.items() if value not in (None, 0, "")}
        average = _average(form.pop("average_price", "0"))
        has_price = "price" in form
        form.setdefault("price", "1")
        form.setdefault("trigger_price", form["price"])
        order = parse_order(form, form.get("variety", "regular"), user, self._broker.listings).order
        if not has_price:
            order = msgspec.structs.replace(order, price=0, trigger=0)
        instrument = self._broker.listings.of_key(order.instrument)
        if instrument is None:
            raise input_error("Invalid `tradingsymbol`.")
        return order, instrument, average or self._broker.estimate(order)[1]


def _average(text: str) -> int:
    try:
        average = Decimal(text)
    except InvalidOperation:
        raise input_error("Invalid `average_price`.") from None
    if not average.is_finite() or average < 0:
        raise input_error("Invalid `average_price`.")
    return units(average)
