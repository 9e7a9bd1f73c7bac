"""The permits a process holds: which may still be used, and what is told to the ledger when a lease is over.

It counts by this process's own waiting clock (seconds); a permit's end there is never later than at the ledger.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

from niftyflow.brokers.governor_rules import GovernedKind
from niftyflow.brokers.governor_windows import KindState


class HeldLease:
    """Permits of one lease, given at `given_at` (ms, the ledger's) and surely not before `asked_at` (s, ours)."""

    def __init__(self, lease: str, count: int, life: int, given_at: int, asked_at: float, days: Sequence[int]) -> None:
        self.id = lease
        self.left = count
        self.until = asked_at + (life - 1) / 1000
        self.days = tuple(days)
        self._given_at = given_at
        self._asked_at = asked_at
        self._dealt = 0
        self._used = 0
        self._is_timed = True
        self._last_use = asked_at

    def deal(self, now: float) -> bool:
        """Set a permit aside for a caller, if there is one that may be used."""
        if not self.left or now >= self.until:
            return False
        self.left -= 1
        self._dealt += 1
        return True

    def use(self, now: float) -> bool:
        """Use a permit that was dealt; return whether it still may be."""
        self._dealt -= 1
        if now >= self.until:
            return False
        self._used += 1
        self._last_use = now
        return True

    def undeal(self) -> None:
        """Take a permit back from a caller who went away."""
        self._dealt -= 1
        self.left += 1

    def is_over(self, now: float) -> bool:
        """Whether none of it will be used any more."""
        return not self._dealt and (not self.left or now >= self.until)

    def give_back(self) -> None:
        """Use nothing more of it."""
        self.left = 0

    def settle(self, governed: GovernedKind, state: KindState) -> None:
        """Tell a state what was used of it, and until when."""
        if not self._is_timed:
            governed.settle(state, self.id, self._used, sys.maxsize, self.days)
            return
        at = self._given_at + math.ceil((self._last_use - self._asked_at) * 1000) + 1
        governed.settle(state, self.id, self._used, at, self.days)

    def lose_time(self) -> None:
        """Hear that the ledger's clock jumped: when it was used is not known by that clock."""
        self._is_timed = False

    def extended(self, life: int, given_at: int, asked_at: float, days: Sequence[int]) -> None:
        """Hear that the ledger lets it be used until `life` ms after `given_at`."""
        self.until = asked_at + (life - 1) / 1000
        self._given_at, self._asked_at = given_at, asked_at  # clocks that drift for hours drift from here on
        self._is_timed = True
        self.days = tuple(dict.fromkeys((*self.days, *days)))
