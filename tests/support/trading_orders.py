"""Requests, orders, facts and ticks for tests of trading: one plain example of each, with changes."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from niftyflow.market import Phase
from niftyflow.model import (
    Exchange,
    Instrument,
    InstrumentKey,
    Kind,
    Order,
    OrderState,
    Side,
    Tick,
    TickBatch,
    Verdict,
)
from niftyflow.trading.orders import apply, new_order
from niftyflow.trading.requests import OrderRequest, VenueUpdate
from niftyflow.trading.risk import Facts
from support.records import a_tick

INFY = InstrumentKey("NSE:INFY")
TCS = InstrumentKey("NSE:TCS")
NOW = 1_700_000_000_000
CLOSE = NOW + 4 * 3_600_000
PASS = Verdict(verdict="pass")
INSTRUMENT = Instrument(exchange=Exchange.NSE, symbol="INFY", kind=Kind.EQUITY, tick_size=Decimal("0.05"))


def a_request(**changes: Any) -> OrderRequest:
    """Return a market order to buy ten shares within the day."""
    fields: dict[str, Any] = {
        "strategy": "ema-cross",
        "instrument": INFY,
        "side": Side.BUY,
        "quantity": 10,
        "cause": "candle",
    }
    return OrderRequest(**(fields | changes))


def intended(client_order_id: str = "nf1", *, at: int = NOW, **changes: Any) -> Order:
    """Return an order that passed the risk gate and was not sent."""
    order, _ = new_order(a_request(**changes), account="paper-1", client_order_id=client_order_id, verdict=PASS, at=at)
    return order


def carried(orders: Iterable[Order], updates: Iterable[VenueUpdate]) -> list[Order]:
    """Return the orders after the updates, in the order given."""
    found = {order.client_order_id: order for order in orders}
    for update in updates:
        applied = apply(found[update.client_order_id], update)
        if applied is not None:
            found[update.client_order_id] = applied.order
    return list(found.values())


def said(order: Order, state: OrderState, **more: Any) -> VenueUpdate:
    """Return what a venue may say of an order."""
    return VenueUpdate(client_order_id=order.client_order_id, state=state, **({"at": NOW + 1} | more))


def facts(**changes: Any) -> Facts:
    """Return a quiet account at midday, with which the plain request passes."""
    fields: dict[str, Any] = {
        "time": NOW,
        "kill_switch": False,
        "instrument": INSTRUMENT,
        "phase": Phase.CONTINUOUS,
        "closes_at": CLOSE,
        "last_price": Decimal("1500.00"),
        "price_age_ms": 400,
        "net_quantity": 0,
        "open_buy_quantity": 0,
        "open_sell_quantity": 0,
        "held_quantity": 0,
        "exiting_quantity": 0,
        "gross_exposure": Decimal(0),
        "day_pnl": Decimal(0),
        "orders_in_second": 0,
        "orders_in_minute": 0,
        "orders_in_day": 0,
        "same_intent_at": None,
        "has_same_id": False,
    }
    return Facts(**(fields | changes))


def a_quote(ltp: float, bid: float, ask: float, after_ms: int, symbol: str = "INFY", **changes: Any) -> Tick:
    """Return a tick received `after_ms` after `NOW`."""
    return a_tick(symbol=symbol, ltp=ltp, bid=bid, ask=ask, received=NOW + after_ms, **changes)


def batch(*ticks: Tick) -> TickBatch:
    """Return ticks as one batch, in log order."""
    return TickBatch.from_records(ticks)
