"""The exchange's record: events in order, trades by account, and the day's intraday positions.

Owns the numbers of events, trades and exchange orders. Decides nothing.
"""

from __future__ import annotations

from niftyflow.brokers.matching.messages import (
    EventKind,
    ExchangeEvent,
    NewOrder,
    OrderStatus,
    Refusal,
    Trade,
)
from niftyflow.brokers.matching.working import Working
from niftyflow.model import Product

FIRST_TRADE = 10_000_000
FIRST_EXCHANGE_ORDER = 1_100_000_000_000_000


class Journal:
    """Collects events until they are taken; `now` is the time of what is being done, ms UTC."""

    def __init__(self) -> None:
        self.now = 0
        self.live = 0
        """How many orders are not final."""
        self.trades: dict[str, list[Trade]] = {}
        self.intraday: dict[tuple[str, str], int] = {}
        """Net MIS quantity of the day by (account, instrument)."""
        self._events: list[ExchangeEvent] = []
        self._sequence = 0
        self._trade_count = 0
        self._exchange_orders = 0

    def taken(self) -> list[ExchangeEvent]:
        """Return the events since the last call."""
        events, self._events = self._events, []
        return events

    def told(
        self,
        kind: EventKind,
        one: Working,
        reason: str = "",
        refusal: Refusal | None = None,
        trade: Trade | None = None,
    ) -> None:
        """Record what happened to an order, with its state after it."""
        order = one.order
        one.updated_at = self.now
        self._sequence += 1
        self._events.append(
            ExchangeEvent(
                kind=kind,
                sequence=self._sequence,
                at=self.now,
                account=order.account,
                order_id=order.order_id,
                instrument=order.instrument,
                status=one.status,
                quantity=order.quantity,
                filled=one.filled,
                filled_value=one.filled_value,
                average_price=one.average_price,
                cancelled=one.cancelled,
                price=order.price,
                trigger=order.trigger,
                trade=trade,
                refusal=refusal,
                reason=reason,
            )
        )

    def refused(self, order_id: str, order: NewOrder | None, kind: EventKind, refusal: Refusal, reason: str) -> None:
        """Record a refusal of something that the exchange keeps no order for."""
        self._sequence += 1
        self._events.append(
            ExchangeEvent(
                kind=kind,
                sequence=self._sequence,
                at=self.now,
                account=order.account if order else "",
                order_id=order_id,
                instrument=order.instrument if order else "",
                status=OrderStatus.REJECTED,
                quantity=order.quantity if order else 0,
                price=order.price if order else 0,
                trigger=order.trigger if order else 0,
                refusal=refusal,
                reason=reason,
            )
        )

    def square_off(self, account: str, instrument: str, quantity: int) -> None:
        """Record that an intraday position is to be closed by its broker."""
        self._sequence += 1
        self._events.append(
            ExchangeEvent(
                kind=EventKind.SQUARE_OFF,
                sequence=self._sequence,
                at=self.now,
                account=account,
                order_id="",
                instrument=instrument,
                status=OrderStatus.OPEN,
                quantity=quantity,
                reason="Intraday positions are squared off before the close",
            )
        )

    def finish(self, one: Working, kind: EventKind, reason: str, refusal: Refusal | None = None) -> None:
        """Record an order's end; what was not filled counts as cancelled, of a rejected order nothing does."""
        is_rejected = kind is EventKind.REJECTED
        one.status = OrderStatus.REJECTED if is_rejected else OrderStatus.CANCELLED
        if not is_rejected:
            one.cancelled += one.remaining
        one.version += 1
        one.reason = reason
        one.refusal = refusal
        self.live -= 1
        self.told(kind, one, reason, refusal)

    def number_exchange_order(self, one: Working) -> None:
        """Give an order the exchange's own number when it reaches the exchange."""
        if not one.exchange_order_id:
            self._exchange_orders += 1
            one.exchange_order_id = str(FIRST_EXCHANGE_ORDER + self._exchange_orders)
            one.exchange_at = self.now

    def traded(self, taker: Working | None, maker: Working | None, quantity: int, price: int) -> None:
        """Record a trade; the taker, where there is one of ours, is told first."""
        self._trade_count += 1
        trade_id = str(FIRST_TRADE + self._trade_count)
        if taker is not None:
            self._side(taker, maker, trade_id, quantity, price, is_aggressor=True)
        if maker is not None:
            self._side(maker, taker, trade_id, quantity, price, is_aggressor=False)

    def _side(
        self, one: Working, other: Working | None, trade_id: str, quantity: int, price: int, *, is_aggressor: bool
    ) -> None:
        order = one.order
        trade = Trade(
            trade_id=trade_id,
            order_id=order.order_id,
            account=order.account,
            instrument=order.instrument,
            side=order.side,
            product=order.product,
            quantity=quantity,
            price=price,
            at=self.now,
            is_aggressor=is_aggressor,
            counter_order_id="" if other is None else other.order.order_id,
        )
        one.filled += quantity
        one.filled_value += quantity * price
        if not one.remaining:
            one.status = OrderStatus.COMPLETE
            one.version += 1
            self.live -= 1
        self.trades.setdefault(order.account, []).append(trade)
        if order.product is Product.MIS:
            key = (order.account, order.instrument)
            self.intraday[key] = self.intraday.get(key, 0) + order.side.sign * quantity
        self.told(EventKind.TRADED, one, trade=trade)
