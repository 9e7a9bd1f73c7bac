"""Statements about an account's orders, from sources that overlap and overtake one another, as one story per order.

Rules: the filled quantity never goes back; a final state never reopens; what was said before is not said again. An
older statement changes nothing that a newer one has said. It asks nobody and waits for nothing.
"""

from __future__ import annotations

from typing import Final

import msgspec

from niftyflow.brokers.order_book import BrokerOrder
from niftyflow.model import OrderState

DAY_MS: Final = 86_400_000

_PROGRESS: Final = {
    OrderState.UNKNOWN: 0,
    OrderState.INTENDED: 0,
    OrderState.SENT: 1,
    OrderState.ACCEPTED: 2,
    OrderState.OPEN: 3,
    OrderState.PART_FILLED: 4,
}
"""How far a standing order has come; an open order that is changed stays open."""


class _Story(msgspec.Struct):
    """The last statement that was taken of an order, and when it was true at the earliest (ms UTC of our clock)."""

    last: BrokerOrder
    as_of: int


class OrderMerging:
    """The last word on every order of an account.

    It holds one statement an order: as many as the account has in a day, for `forget_before` drops older ones.
    """

    def __init__(self) -> None:
        self._stories: dict[str, _Story] = {}

    def __len__(self) -> int:
        return len(self._stories)

    def last(self, broker_order_id: str) -> BrokerOrder | None:
        """Return what was last told of an order."""
        story = self._stories.get(broker_order_id)
        return None if story is None else story.last

    def take(self, order: BrokerOrder, as_of: int) -> BrokerOrder | None:
        """Return what a statement changes, as the whole order to be told; None when it changes nothing.

        `as_of` (ms UTC of our clock) is when the statement was true at the earliest: for a pushed message when it came,
        for an order book when it was asked for.
        """
        story = self._stories.get(order.broker_order_id)
        if story is None:
            self._stories[order.broker_order_id] = _Story(order, as_of)
            return order
        told = _merged(story, order, as_of)
        if told is None:
            return None
        story.as_of = max(story.as_of, as_of)
        is_news = msgspec.structs.replace(told, status=story.last.status) != story.last
        story.last = told
        return told if is_news else None

    def forget_before(self, moment: int) -> None:
        """Forget the orders that changed last before a moment (ms UTC) and are final."""
        self._stories = {
            order_id: story
            for order_id, story in self._stories.items()
            if story.as_of >= moment or not story.last.state.is_final
        }


def _merged(story: _Story, new: BrokerOrder, as_of: int) -> BrokerOrder | None:
    """Return the statement that now holds, or None when the new one is only older."""
    last = story.last
    if new.filled < last.filled:
        return _ended(last, new)
    if last.state.is_final:
        return _grown(last, new)
    if new.state.is_final or new.filled > last.filled:
        return _known(last, new)
    if new.updated_at != last.updated_at:
        is_older = new.updated_at < last.updated_at
    else:
        is_older = as_of < story.as_of or _PROGRESS[new.state] < _PROGRESS[last.state]
    return None if is_older else _known(last, new)


def _ended(last: BrokerOrder, new: BrokerOrder) -> BrokerOrder | None:
    """Return a standing order's end as told by a source that has not counted its last trades; the trades stay."""
    if last.state.is_final or not new.state.is_final or new.state is OrderState.FILLED:
        return None
    return msgspec.structs.replace(new, filled=last.filled, average_price=last.average_price)


def _grown(last: BrokerOrder, new: BrokerOrder) -> BrokerOrder | None:
    """Return a final order to which trades were added after its end was told: the trades are facts, the end stays."""
    if new.filled <= last.filled:
        return None
    if new.state.is_final:
        return new
    return msgspec.structs.replace(
        last, filled=new.filled, average_price=new.average_price, pending=new.pending, updated_at=new.updated_at
    )


def _known(last: BrokerOrder, new: BrokerOrder) -> BrokerOrder:
    """Return the new statement; a word of the broker's that we do not know leaves the state that we do."""
    if new.state is OrderState.UNKNOWN and last.state is not OrderState.UNKNOWN:
        state = OrderState.PART_FILLED if new.filled > 0 else last.state
        return msgspec.structs.replace(new, state=state)
    return new
