"""Our orders beside the broker's book: what its statements mean for ours, and where the two do not agree. Pure.

Only a statement changes an order. An order that the broker does not name stays what it was, or becomes unknown: absence
is no statement. A trade is booked by its own id and price, never reckoned from an average. It asks nobody and mends
nothing by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from niftyflow.brokers.account_book import BrokerPosition
from niftyflow.brokers.order_book import BrokerOrder, BrokerTrade
from niftyflow.model import InstrumentKey, Order, OrderState, Product
from niftyflow.trading.requests import VenueFill, VenueUpdate

ABSENT = "the broker's order book does not name it: it may still stand there, and counts as exposure"
_STANDING = frozenset({OrderState.ACCEPTED, OrderState.OPEN, OrderState.PART_FILLED})
_UNANSWERED = frozenset({OrderState.SENT})
_ENDS_WITHOUT_TRADES = frozenset({OrderState.REJECTED})


class Disagreement(StrEnum):
    """A way in which the broker's book and ours differ; each is for a person to look at."""

    FOREIGN = "foreign"
    """An order of the account that we did not give."""
    DOUBLED = "doubled"
    """A second order of one id: it must not be, whoever did it."""
    DIFFERENT = "different"
    """The order with our id is not the one we gave."""
    ABSENT = "absent"
    """An order that the broker had named before is not in its book."""
    REOPENED = "reopened"
    """The broker works an order that has ended here."""
    TRADES_MISSING = "trades_missing"
    """The broker says that more was traded than its trades add up to; they may come later."""
    POSITION = "position"
    """The broker's position is not the sum of ours."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One disagreement, with the ids it is about and both sides in words."""

    kind: Disagreement
    instrument: InstrumentKey
    client_order_id: str = ""
    broker_order_id: str = ""
    ours: str = ""
    theirs: str = ""


class Reconciled(msgspec.Struct, frozen=True, kw_only=True):
    """What a look into the broker's book brought: what to take in, in this order, and what does not agree."""

    updates: tuple[VenueUpdate, ...] = ()
    differences: tuple[Difference, ...] = ()


def reconcile(
    orders: Iterable[Order], book: Sequence[BrokerOrder], trades: Iterable[BrokerTrade], known_fills: Collection[str],
    at: int,
) -> Reconciled:  # fmt: skip
    """Return what a whole order book and the day's trades say of our orders, at `at` (ms UTC).

    `orders` are today's, ended ones too; `known_fills` are the ids of the trades that are booked.
    """
    mine = {order.client_order_id: order for order in orders}
    by_broker_id = {order.broker_order_id: order for order in mine.values() if order.broker_order_id}
    traded: dict[str, list[BrokerTrade]] = defaultdict(list)
    for trade in trades:
        traded[trade.broker_order_id].append(trade)
    named: dict[str, BrokerOrder] = {}
    updates: list[VenueUpdate] = []
    differences: list[Difference] = []
    for theirs in sorted(book, key=lambda each: (each.accepted_at, each.broker_order_id)):
        order = mine.get(theirs.client_order_id) or by_broker_id.get(theirs.broker_order_id)
        if order is None:
            differences.append(_difference(Disagreement.FOREIGN, theirs=theirs))
        elif not is_same(order, theirs):
            differences.append(_difference(Disagreement.DIFFERENT, order, theirs))
        elif _is_another(order, theirs, named):
            differences.append(_difference(Disagreement.DOUBLED, order, theirs))
        else:
            named[order.client_order_id] = theirs
            said, missing = stated(order, theirs, traded[theirs.broker_order_id], known_fills)
            updates += said
            differences += missing
    for order in mine.values():
        if order.client_order_id in named or order.state.is_final or order.state is OrderState.INTENDED:
            continue
        if order.state in _UNANSWERED:
            updates.append(_update(order, OrderState.UNKNOWN, at, reason=ABSENT))
        else:
            differences.append(_difference(Disagreement.ABSENT, order))
    return Reconciled(updates=tuple(updates), differences=tuple(differences))


def stated(
    order: Order, theirs: BrokerOrder, trades: Sequence[BrokerTrade], known_fills: Collection[str]
) -> tuple[list[VenueUpdate], list[Difference]]:
    """Return what a statement and the order's trades mean for an order of ours: trades first, then its state."""
    new = [each for each in trades if each.trade_id not in known_fills]
    if order.state.is_final:
        if not theirs.state.is_final:
            return [], [_difference(Disagreement.REOPENED, order, theirs)]
        if not new:
            return [], []
    updates = _changed_terms(order, theirs)  # first: a raised quantity makes room for its trades
    updates += [
        _update(
            order, OrderState.PART_FILLED, trade.at, broker_order_id=theirs.broker_order_id,
            fill=VenueFill(fill_id=trade.trade_id, quantity=trade.quantity, price=trade.price),
        )
        for trade in sorted(new, key=lambda each: (each.at, each.trade_id))
    ]  # fmt: skip
    booked = order.filled + sum(trade.quantity for trade in new)
    if booked != theirs.filled:  # an end before all of its trades would leave them nowhere to go
        return updates, [_difference(Disagreement.TRADES_MISSING, order, theirs, filled=booked)]
    if theirs.state is not OrderState.FILLED and not (theirs.state in _ENDS_WITHOUT_TRADES and booked):
        updates.append(
            _update(
                order, theirs.state, theirs.updated_at or theirs.accepted_at, broker_order_id=theirs.broker_order_id,
                reason=theirs.reason or None, is_triggered=theirs.is_triggered,
            )
        )  # fmt: skip
    return updates, []


def _changed_terms(order: Order, theirs: BrokerOrder) -> list[VenueUpdate]:
    """Return the terms that the broker has for a standing order of ours, where they are not the ones we have."""
    if order.state.is_final or theirs.order_type is not order.order_type:  # a triggered SL may be told as a LIMIT
        return []
    asked: list[tuple[str, object, object]] = [("quantity", order.quantity, theirs.quantity)]
    if order.price is not None:
        asked.append(("price", order.price, theirs.price))
    if order.trigger is not None:
        asked.append(("trigger", order.trigger, theirs.trigger))
    terms = {name: told for name, ours, told in asked if told and told != ours}
    if not terms:
        return []
    state = order.state if order.state in _STANDING else OrderState.OPEN
    return [_update(order, state, theirs.updated_at, broker_order_id=theirs.broker_order_id, **terms)]


def positions_differ(
    ours: Mapping[tuple[InstrumentKey, Product], int], theirs: Sequence[BrokerPosition]
) -> list[Difference]:
    """Return where the account's net quantity at the broker is not the sum of what we hold, by instrument and product.

    A product that we have no name for counts under its instrument as somebody else's.
    """
    told: dict[tuple[InstrumentKey, Product | None], int] = defaultdict(int)
    for each in theirs:
        told[each.instrument, each.product] += each.net_quantity
    held: dict[tuple[InstrumentKey, Product | None], int] = {
        (key, product): net for (key, product), net in ours.items()
    }
    return [
        Difference(
            kind=Disagreement.POSITION, instrument=key, ours=_quantity(held.get((key, product), 0), product),
            theirs=_quantity(told.get((key, product), 0), product),
        )
        for key, product in sorted({*held, *told}, key=lambda pair: (pair[0], pair[1] or ""))
        if held.get((key, product), 0) != told.get((key, product), 0)
    ]  # fmt: skip


def is_same(order: Order, theirs: BrokerOrder) -> bool:
    """Whether an order of the broker's can be the one we gave: its instrument and side say so, and its quantity.

    Once its broker's id is known the quantity may be another: a change may be under way.
    """
    if (theirs.instrument, theirs.side) != (order.instrument, order.side):
        return False
    return theirs.quantity == order.quantity or theirs.broker_order_id == order.broker_order_id


def _is_another(order: Order, theirs: BrokerOrder, named: Mapping[str, BrokerOrder]) -> bool:
    if order.broker_order_id:
        return theirs.broker_order_id != order.broker_order_id
    return order.client_order_id in named


def _update(order: Order, state: OrderState, at: int, **more: object) -> VenueUpdate:
    return VenueUpdate(client_order_id=order.client_order_id, state=state, at=at, **more)  # type: ignore[arg-type]


def _difference(
    kind: Disagreement, order: Order | None = None, theirs: BrokerOrder | None = None, *, filled: int | None = None
) -> Difference:
    named = order or theirs
    if named is None:
        raise AssertionError("a difference is about an order")
    return Difference(
        kind=kind,
        instrument=named.instrument,
        client_order_id=order.client_order_id if order else "",
        broker_order_id=theirs.broker_order_id if theirs else (order.broker_order_id if order else ""),
        ours=_in_words(order, order.filled if filled is None else filled) if order else "",
        theirs=_in_words(theirs, theirs.filled) if theirs else "",
    )


def _quantity(quantity: int, product: Product | None) -> str:
    return f"{quantity} {product.value}" if product is not None else f"{quantity} of a product unknown here"


def _in_words(order: Order | BrokerOrder, filled: int) -> str:
    return f"{order.side.value} {order.quantity}, {filled} filled, {order.state.value}"
