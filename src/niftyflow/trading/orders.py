"""The life of an order: which state may follow which, as a table, and how a venue's word changes an order.

Owns the only place where an order's state changes. It never asks a venue, a clock or a store, and does not know which
trades were booked before: a trade told twice is refused by the book, by its fill id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from niftyflow.model import (
    Broken,
    InvalidValue,
    Order,
    OrderEvent,
    OrderState,
    Verdict,
    from_e4,
    split_key,
    to_e4,
)
from niftyflow.trading.requests import OrderRequest, VenueFill, VenueUpdate

_S = OrderState
_ENDS = {_S.FILLED, _S.CANCELLED, _S.EXPIRED}

TRANSITIONS: Mapping[OrderState, frozenset[OrderState]] = {
    _S.INTENDED: frozenset({_S.SENT, _S.REJECTED, _S.EXPIRED}),
    _S.SENT: frozenset({_S.ACCEPTED, _S.OPEN, _S.PART_FILLED, _S.UNKNOWN, _S.REJECTED, *_ENDS}),
    _S.ACCEPTED: frozenset({_S.OPEN, _S.PART_FILLED, _S.UNKNOWN, _S.REJECTED, *_ENDS}),
    _S.OPEN: frozenset({_S.PART_FILLED, _S.UNKNOWN, _S.REJECTED, *_ENDS}),
    _S.PART_FILLED: frozenset({_S.PART_FILLED, _S.UNKNOWN, *_ENDS}),
    _S.UNKNOWN: frozenset({_S.ACCEPTED, _S.OPEN, _S.PART_FILLED, _S.REJECTED, *_ENDS}),
    _S.FILLED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.EXPIRED: frozenset(),
}
"""What may follow each state; docs/reference/order-states.md says when. A final state is followed by nothing."""

_BY_QUANTITY = frozenset({_S.ACCEPTED, _S.OPEN, _S.PART_FILLED, _S.FILLED})
_TERMS = ("quantity", "price", "trigger")
_WITHOUT_TRADES = frozenset({_S.INTENDED, _S.SENT, _S.REJECTED})


class IllegalChange(Broken):
    """A venue said of an order what cannot be; the order stays as it was. The message names both states."""

    def __init__(self, order: Order, state: OrderState, reason: str) -> None:
        super().__init__(f"order {order.client_order_id} cannot go from {order.state} to {state}: {reason}")
        self.order = order
        self.state = state


@dataclass(frozen=True, slots=True)
class Applied:
    """What an update made of an order: the order after it, the event that tells it, and the trade if there was one."""

    order: Order
    event: OrderEvent
    fill: VenueFill | None


def new_order(
    request: OrderRequest, *, account: str, client_order_id: str, verdict: Verdict, at: int
) -> tuple[Order, OrderEvent]:
    """Return the order that a request becomes at `at` (ms UTC), with its first event.

    It is intended when the risk gate let it pass; otherwise it is rejected, with the gate's reason.
    """
    exchange, symbol = split_key(request.instrument)
    order = Order(
        account=account, client_order_id=client_order_id, strategy=request.strategy, symbol=symbol, exchange=exchange,
        side=request.side, quantity=request.quantity, order_type=request.order_type, product=request.product,
        validity=request.validity, price=request.price, trigger=request.trigger, cause=request.cause,
        signal_id=request.signal_id, trace_id=request.trace_id, decided_at=at, valid_until=request.valid_until,
        risk=verdict, state=_S.INTENDED if verdict.is_passed else _S.REJECTED,
        reason=None if verdict.is_passed else verdict.reason, updated_at=at, sequence=1, tag=request.tag,
    )  # fmt: skip
    return order, event_of(order, at)


def apply(order: Order, update: VenueUpdate) -> Applied | None:
    """Return what a venue's word makes of an order, or None when it says nothing new.

    Whether an order is open, part filled or filled follows from its quantities, never from the venue's word alone: a
    claim of `filled` without the trades leaves it open. `reason` is that of the newest change.

    Raises:
        IllegalChange: the table forbids the change, the trade is larger than what remains, or it cannot be.
    """
    _refuse_contradiction(order, update)
    before, order = order, _with_terms_of(order, update)
    filled = order.filled + (update.fill.quantity if update.fill else 0)
    state = _state_after(order, update, filled)
    broker_order_id = update.broker_order_id or order.broker_order_id
    is_triggered = order.is_triggered or update.is_triggered
    is_news = (state, broker_order_id, is_triggered) != (order.state, order.broker_order_id, order.is_triggered)
    if not is_news and order == before and update.fill is None:
        return None
    if order.state.is_final:
        raise IllegalChange(order, update.state, "it is final")
    if state is not order.state and state not in TRANSITIONS[order.state]:
        raise IllegalChange(order, state, "the table of states does not allow it")
    changed = msgspec.structs.replace(
        order, state=state, broker_order_id=broker_order_id, filled=filled,
        filled_value=_value_after(order, update), is_triggered=is_triggered, reason=update.reason,
        updated_at=update.at, sequence=order.sequence + 1,
    )  # fmt: skip
    return Applied(changed, event_of(changed, update.at), update.fill)


def event_of(order: Order, at: int) -> OrderEvent:
    """Return the event that tells an order's state at `at` (ms UTC)."""
    return OrderEvent(
        account=order.account, client_order_id=order.client_order_id, broker_order_id=order.broker_order_id,
        strategy=order.strategy, symbol=order.symbol, exchange=order.exchange, side=order.side,
        quantity=order.quantity, filled=order.filled, order_type=order.order_type, price=order.price,
        trigger=order.trigger, product=order.product, validity=order.validity, state=order.state,
        reason=order.reason, risk=order.risk, signal_id=order.signal_id, trace_id=order.trace_id, at=at,
        sequence=order.sequence,
    )  # fmt: skip


def _with_terms_of(order: Order, update: VenueUpdate) -> Order:
    """Return the order with the terms that the venue tells."""
    terms = {name: told for name in _TERMS if (told := getattr(update, name)) is not None}
    return msgspec.structs.replace(order, **terms) if terms else order


def _refuse_contradiction(order: Order, update: VenueUpdate) -> None:
    if update.client_order_id != order.client_order_id:
        raise IllegalChange(order, update.state, f"the update is about order {update.client_order_id}")
    if update.broker_order_id and order.broker_order_id not in {"", update.broker_order_id}:
        raise IllegalChange(
            order, update.state, f"its broker order id is {order.broker_order_id}, not {update.broker_order_id}"
        )
    if update.quantity is not None and update.quantity < max(order.filled, 1):
        raise IllegalChange(order, update.state, f"a quantity of {update.quantity} where {order.filled} are traded")
    if update.fill is None:
        return
    if update.state in _WITHOUT_TRADES:
        raise IllegalChange(order, update.state, "no trade belongs to that state")
    if not 0 < update.fill.quantity <= order.remaining:
        raise IllegalChange(
            order, update.state, f"a trade of {update.fill.quantity} where {order.remaining} of it remain"
        )


def _state_after(order: Order, update: VenueUpdate, filled: int) -> OrderState:
    if order.state.is_final:
        return update.state
    if update.fill is not None and filled == order.quantity:
        return _S.FILLED
    if update.state in _BY_QUANTITY:
        if filled == order.quantity:  # its quantity was lowered to what was traded
            return _S.FILLED
        if filled:
            return _S.PART_FILLED
        return _S.ACCEPTED if update.state is _S.ACCEPTED else _S.OPEN
    if update.state is _S.REJECTED and filled:
        raise IllegalChange(order, update.state, f"{filled} of it were traded")
    return update.state


def _value_after(order: Order, update: VenueUpdate) -> Decimal:
    """Return quantity times price of all trades, exact: reckoned in integers of 1/10,000 rupee."""
    if update.fill is None:
        return order.filled_value
    try:
        price = to_e4(update.fill.price)
        if price > 0:
            return from_e4(to_e4(order.filled_value) + update.fill.quantity * price)
    except InvalidValue as error:
        raise IllegalChange(order, update.state, f"a trade at {update.fill.price}: {error.rule}") from error
    raise IllegalChange(order, update.state, f"a trade at {update.fill.price}: a price is above zero")
