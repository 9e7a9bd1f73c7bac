"""Our own orders of one side of a book: best price first, then by time.

Owns the order of the queue. Trades nothing.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator

from niftyflow.brokers.matching.working import Working


class Level:
    """Our orders at one price, in time order.

    `passed` counts the market's quantity that has left the level in front of ours; an order's turn comes when it
    reaches the order's `ahead_at`. `printed` is what passed by trades of the row that is being taken in.
    """

    __slots__ = ("orders", "passed", "printed")

    def __init__(self) -> None:
        self.orders: OrderedDict[int, Working] = OrderedDict()
        self.passed = 0
        self.printed = 0

    @property
    def first(self) -> Working:
        """The order whose turn is next."""
        return next(iter(self.orders.values()))

    def ahead_of(self, one: Working) -> int:
        """Return the market's quantity in front of an order."""
        return max(0, one.ahead_at - self.passed)

    def pass_by(self, quantity: int) -> None:
        """Let some of the market's quantity leave from the front."""
        self.passed += quantity


class Queue:
    """Levels of one side by key; see `Working.key`."""

    __slots__ = ("keys", "levels")

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.levels: dict[int, Level] = {}

    def __iter__(self) -> Iterator[Working]:
        for key in self.keys:
            yield from self.levels[key].orders.values()

    def add(self, one: Working, ahead: int) -> None:
        """Put an order at the back of its price, behind some quantity of the market."""
        level = self.levels.get(one.key)
        if level is None:
            level = self.levels[one.key] = Level()
            insort(self.keys, one.key)
        level.orders[one.number] = one
        one.ahead_at = level.passed + ahead
        one.is_resting = True

    def remove(self, one: Working) -> None:
        """Take an order out."""
        level = self.levels[one.key]
        del level.orders[one.number]
        one.is_resting = False
        if not level.orders:
            del self.levels[one.key]
            del self.keys[bisect_left(self.keys, one.key)]

    def to_back(self, one: Working, ahead: int) -> None:
        """Move an order that shows its next part behind all others of its price."""
        level = self.levels[one.key]
        level.orders.move_to_end(one.number)
        one.ahead_at = level.passed + ahead
