"""A small exchange to try rules on: one share at 100 rupees, orders in rupees, and rows of a market in one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from niftyflow.brokers.matching import (
    EventKind,
    Exchange,
    ExchangeEvent,
    Listing,
    MatchingSettings,
    NewOrder,
    OrderChange,
    Quotes,
)
from niftyflow.market import day_start
from niftyflow.model import Kind, OrderType, Product, Side

SHARE = "NSE:ALPHA"
DAY = date(2026, 11, 20)
"""A Friday under the hours in force since 2026-09-07."""
E4 = 10_000
TICK = 500


def at(text: str, day: date = DAY) -> int:
    """Return a time of day such as 09:15 or 09:15:00.250 as ms UTC."""
    hours, minutes, *rest = text.split(":")
    seconds = float(rest[0]) if rest else 0.0
    return day_start(day) + int(hours) * 3_600_000 + int(minutes) * 60_000 + round(seconds * 1000)


def share(instrument: str = SHARE, **terms: Any) -> Listing:
    """Return a listed share with derivatives' neighbour: tick 0.05, lot 1, no bands, unless said otherwise."""
    return Listing(**({"instrument": instrument, "kind": Kind.EQUITY, "tick_size": TICK} | terms))


def e4(rupees: float) -> int:
    """Return rupees as the exchange's integer."""
    return round(rupees * E4)


class Trial:
    """An exchange with order ids that count up, keeping every event."""

    def __init__(self, *listings: Listing, seed: int = 0, **settings: Any) -> None:
        plain = {"latency_ms": 0, "depth_beyond_percent": 0}
        self.exchange = Exchange(listings or (share(),), MatchingSettings(**(plain | settings)), seed)
        self.events: list[ExchangeEvent] = []
        self.now = at("09:15")
        self.count = 0
        self.volume = 0

    def go(self, time: str | int) -> list[ExchangeEvent]:
        """Let time pass to a moment."""
        self.now = at(time) if isinstance(time, str) else time
        return self._kept(self.exchange.advance(self.now))

    def order(self, side: str, quantity: int, price: float = 0, **terms: Any) -> NewOrder:
        """Return an order; with a price it is a limit order, without one a market order."""
        self.count += 1
        known: dict[str, Any] = {
            "order_id": f"o{self.count}", "account": "one", "instrument": SHARE, "side": Side(side),
            "quantity": quantity, "order_type": OrderType.LIMIT if price else OrderType.MARKET,
            "product": Product.NRML, "price": e4(price), "market_protection": 0 if price else -1,
        }  # fmt: skip
        terms = {name: e4(value) if name == "trigger" else value for name, value in terms.items()}
        return NewOrder(**(known | terms))

    def place(self, side: str, quantity: int, price: float = 0, **terms: Any) -> str:
        """Place an order and return its id."""
        order = self.order(side, quantity, price, **terms)
        self._kept(self.exchange.place(order, self.now))
        return order.order_id

    def refused(self, side: str, quantity: int, price: float = 0, **terms: Any) -> ExchangeEvent:
        """Place an order that is refused at once and return what was said."""
        (event,) = self._kept(self.exchange.place(self.order(side, quantity, price, **terms), self.now))
        assert event.kind is EventKind.REJECTED
        return event

    def modify(self, order_id: str, **terms: Any) -> list[ExchangeEvent]:
        """Change an order; prices in rupees."""
        named = {name: e4(value) if name in {"price", "trigger"} else value for name, value in terms.items()}
        return self._kept(self.exchange.modify(OrderChange(order_id=order_id, **named), self.now))

    def cancel(self, order_id: str) -> list[ExchangeEvent]:
        """Cancel an order."""
        return self._kept(self.exchange.cancel(order_id, self.now))

    def row(
        self,
        ltp: float,
        bids: Sequence[tuple[float, int]] = (),
        asks: Sequence[tuple[float, int]] = (),
        traded: int = 0,
        instrument: str = SHARE,
    ) -> list[ExchangeEvent]:
        """Bring a row of the market: levels as (price, quantity), and how much was traded since the row before."""
        self.volume += traded
        return self._kept(self.exchange.market(quotes([(ltp, self.volume, bids, asks)], instrument), self.now))

    def fills(self, order_id: str) -> list[tuple[int, float]]:
        """Return an order's trades as (quantity, price in rupees)."""
        trades = [event.trade for event in self.events if event.order_id == order_id and event.trade]
        return [(trade.quantity, trade.price / E4) for trade in trades]

    def status(self, order_id: str) -> str:
        """Return the order's status in the exchange's word."""
        view = self.exchange.order(order_id)
        assert view is not None
        return view.status.value

    def kinds(self, order_id: str) -> list[str]:
        """Return what happened to an order."""
        return [event.kind.value for event in self.events if event.order_id == order_id]

    def _kept(self, events: list[ExchangeEvent]) -> list[ExchangeEvent]:
        self.events += events
        return events


Row = tuple[float, int, Sequence[tuple[float, int]], Sequence[tuple[float, int]]]


def quotes(rows: Iterable[Row], instrument: str = SHARE, times: Sequence[int] | None = None) -> Quotes:
    """Return rows of (last price, day's volume, bids, asks) as columns, five levels each."""
    rows = list(rows)
    sides: list[list[list[float]]] = [[], [], [], []]
    for _, _, bids, asks in rows:
        for place, side in ((0, bids), (2, asks)):
            padded = [*side, *[(0, 0)] * (5 - len(side))]
            sides[place].append([price for price, _ in padded])
            sides[place + 1].append([quantity for _, quantity in padded])
    return Quotes.of_rupees(
        [instrument] * len(rows), [row[0] for row in rows], [row[1] for row in rows], sides[0], sides[2], sides[1],
        sides[3], times,
    )  # fmt: skip
