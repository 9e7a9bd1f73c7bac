"""The orders of the simulated broker as its clients see them: what became of each, step by step, in Kite's words.

It is told events and keeps them; it decides nothing. A cancelled order's `pending_quantity` is what it did not fill,
as in Kite's own samples, and so is a rejected one's, for which there is no sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from niftyflow.brokers.kite.reading import time_text
from niftyflow.brokers.matching import EventKind, ExchangeEvent, NewOrder, OrderStatus, Trade
from niftyflow.brokers.simulator.accounts import rupees
from niftyflow.brokers.simulator.times import clock_of
from niftyflow.model import Instrument

PARTLY = "UPDATE"
"""What an order update says of an open order that filled in part or was changed."""


class OrderStep(NamedTuple):
    """One line of an order's history; prices in units, `at` in ms UTC."""

    status: str
    at: int
    quantity: int
    price: int
    trigger: int
    filled: int
    average: int
    cancelled: int
    reason: str


@dataclass(slots=True)
class OrderRecord:
    """One order: its terms as they are now, and everything that happened to it."""

    order: NewOrder
    instrument: Instrument
    placed_by: str
    tag: str
    guid: str
    meta: dict[str, Any]
    parent: str | None = None
    exchange_order_id: str = ""
    exchange_at: int = 0
    is_modified: bool = False
    is_cancelling: bool = False
    blocked: int = 0
    status: OrderStatus = OrderStatus.RECEIVED
    steps: list[OrderStep] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)

    @property
    def last(self) -> OrderStep:
        """What the order book shows."""
        return self.steps[-1]

    @property
    def is_open(self) -> bool:
        """Whether anything can still happen to it."""
        return not self.status.is_final

    def take(self, event: ExchangeEvent) -> None:
        """Add what an event says to the history, with the states that Kite shows on the way."""
        for status in _ways(event, is_cancelling=self.is_cancelling):
            self.steps.append(
                OrderStep(status, event.at, event.quantity, event.price, event.trigger, event.filled,
                          event.average_price, event.cancelled, event.reason)
            )  # fmt: skip
        self.status = event.status
        if event.kind is EventKind.MODIFIED:
            self.is_modified = True
        if event.trade is not None:
            self.trades.append(event.trade)


def _ways(event: ExchangeEvent, *, is_cancelling: bool) -> list[str]:
    """Return the statuses an event goes through, in order; the last is where it stands."""
    now = event.status.value
    match event.kind:
        case EventKind.RECEIVED:
            return [now] if event.status is OrderStatus.AMO_RECEIVED else [now, "VALIDATION PENDING"]
        case EventKind.OPENED:
            return ["OPEN PENDING", now] if event.status is OrderStatus.OPEN else [now]
        case EventKind.REQUESTED:
            return ["CANCEL PENDING"] if is_cancelling else ["MODIFY VALIDATION PENDING", "MODIFY PENDING"]
        case EventKind.MODIFIED:
            return ["MODIFIED", now]
        case _:
            return [now]


def update_status(event: ExchangeEvent) -> str | None:
    """Return the status an order update carries for this event; None where Kite sends none."""
    match event.kind:
        case EventKind.RECEIVED | EventKind.REQUESTED | EventKind.REFUSED | EventKind.SQUARE_OFF:
            return None
        case EventKind.TRADED | EventKind.MODIFIED | EventKind.TRIGGERED if not event.status.is_final:
            return PARTLY
        case _:
            return event.status.value


def order_row(record: OrderRecord, step: OrderStep, shift: int = 0) -> dict[str, Any]:
    """Return an order as /orders writes it, at one step of its history; `shift` ms are added to its times."""
    order, instrument = record.order, record.instrument
    reached = time_text(record.exchange_at + shift) if record.exchange_at and step.at >= record.exchange_at else None
    return {
        "placed_by": record.placed_by,
        "order_id": order.order_id,
        "exchange_order_id": record.exchange_order_id if reached else None,
        "parent_order_id": record.parent,
        "status": step.status,
        "status_message": step.reason or None,
        "status_message_raw": step.reason or None,
        "order_timestamp": time_text(step.at + shift),
        "exchange_update_timestamp": time_text(step.at + shift) if reached else None,
        "exchange_timestamp": reached,
        "variety": order.variety.value,
        "modified": record.is_modified,
        "exchange": instrument.exchange.value,
        "tradingsymbol": instrument.symbol,
        "instrument_token": int(instrument.token),
        "order_type": order.order_type.value,
        "transaction_type": order.side.value,
        "validity": order.validity.value,
        "validity_ttl": order.minutes,
        "product": order.product.value,
        "quantity": step.quantity,
        "disclosed_quantity": order.disclosed_quantity,
        "price": rupees(step.price),
        "trigger_price": rupees(step.trigger),
        "average_price": rupees(step.average),
        "filled_quantity": step.filled,
        "pending_quantity": step.quantity - step.filled,
        "cancelled_quantity": step.cancelled,
        "market_protection": order.market_protection / 100 if order.market_protection > 0 else order.market_protection,
        "meta": record.meta,
        "tag": record.tag or None,
        "tags": [record.tag] if record.tag else [],
        "guid": record.guid,
    }


def update_row(record: OrderRecord, step: OrderStep, status: str, checksum: str = "", shift: int = 0) -> dict[str, Any]:
    """Return an order update as the WebSocket and postbacks carry it."""
    row = order_row(record, step._replace(status=status), shift)
    return {
        "user_id": record.order.account,
        "unfilled_quantity": step.quantity - step.filled - step.cancelled,
        "app_id": 1,
        "checksum": checksum,
        **row,
    }


def trade_row(record: OrderRecord, trade: Trade, shift: int = 0) -> dict[str, Any]:
    """Return a trade as /trades writes it."""
    instrument = record.instrument
    return {
        "trade_id": trade.trade_id,
        "order_id": trade.order_id,
        "exchange": instrument.exchange.value,
        "tradingsymbol": instrument.symbol,
        "instrument_token": int(instrument.token),
        "product": trade.product.value,
        "average_price": rupees(trade.price),
        "quantity": trade.quantity,
        "exchange_order_id": record.exchange_order_id,
        "transaction_type": trade.side.value,
        "fill_timestamp": time_text(trade.at + shift),
        "order_timestamp": clock_of(record.steps[0].at + shift),
        "exchange_timestamp": time_text(trade.at + shift),
    }


class OrderBook:
    """Every account's orders of the day."""

    def __init__(self) -> None:
        self._by_id: dict[str, OrderRecord] = {}
        self._by_account: dict[str, list[OrderRecord]] = {}

    def add(self, record: OrderRecord) -> None:
        """Take an order in."""
        self._by_id[record.order.order_id] = record
        self._by_account.setdefault(record.order.account, []).append(record)

    def drop(self, record: OrderRecord) -> None:
        """Forget an order that did not come to be."""
        del self._by_id[record.order.order_id]
        self._by_account[record.order.account].remove(record)

    def of(self, order_id: str) -> OrderRecord | None:
        """Return an order."""
        return self._by_id.get(order_id)

    def of_account(self, account: str) -> list[OrderRecord]:
        """Return an account's orders, as they came."""
        return self._by_account.get(account, [])

    def __iter__(self) -> Iterator[OrderRecord]:
        return iter(self._by_id.values())

    def new_day(self) -> None:
        """Forget what is over: the order book is of one day."""
        left = [each for each in self._by_id.values() if each.is_open]
        self._by_id.clear()
        self._by_account.clear()
        for each in left:
            self.add(each)
