"""One exchange of a process with the ledger: the rule it hands over, and what came of it.

Everything is decided inside the rule, on what the ledger holds at that moment; a rule called again begins anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from niftyflow.brokers.governor_leases import HeldLease
from niftyflow.brokers.governor_rules import Asked, Told
from niftyflow.brokers.governor_windows import KindState
from niftyflow.kit.clock import monotonic

if TYPE_CHECKING:
    from niftyflow.brokers.governor_lane import Lane


class Talk:
    """One exchange with the ledger: its rule, and what the last call of it came to."""

    def __init__(self, lane: Lane, asked: Asked | None) -> None:
        self._lane = lane
        self._asked = asked
        self._read_after = monotonic()
        self._over = [held for held in lane.held if held.is_over(self._read_after)]
        self._slowed = list(lane.slowed)
        self._renews = lane.renews_reserve()
        self.told = Told()
        self.asked_at = self._read_after
        self.now = 0
        self.days: tuple[int, ...] = ()
        self.state = KindState("")
        self.is_extended = False
        self._reserve_id = f"{lane.next_id()}r"
        self.reserved = Told()

    def rule(self, held: bytes | None, now: int) -> bytes:
        """Return the state after this exchange."""
        lane, governed = self._lane, self._lane.governed
        self.asked_at, self._read_after = self._read_after, monotonic()
        self.now, self.days = now, lane.days()
        self.state = state = lane.recalled(held, now)
        governed.refresh(state, now, self.days)
        for lease in self._over:
            lease.settle(governed, state)
        for seconds in self._slowed:
            governed.slow(state, seconds, now)
        if self._asked is not None:
            self.told = governed.claim(state, self._asked, now, self.days)
        if self._renews:
            self._reserve(state)
        state.revision += 1
        return msgspec.msgpack.encode(state)

    def _reserve(self, state: KindState) -> None:
        lane, held = self._lane, self._lane.reserve
        self.is_extended = (
            held is not None
            and held.left > 0
            and lane.governed.extend(state, held.id, lane.reserve_life, self.now, held.days, self.days)
        )
        if not self.is_extended:
            wanted = Asked(
                holder=lane.holder, lease=self._reserve_id, needed=lane.reserve_permits, ahead=0,
                life=lane.reserve_life, ahead_life=0, is_urgent=True, has_place=False,
            )  # fmt: skip
            self.reserved = lane.governed.claim(state, wanted, self.now, self.days)

    def take_effect(self) -> None:
        """Let the lane know what came of it: it has been written."""
        lane = self._lane
        lane.met(self.state, self.now, self.asked_at)
        lane.held = [held for held in lane.held if held not in self._over]
        del lane.slowed[: len(self._slowed)]
        if self._asked is not None and self.told.count:
            lane.held.append(self._lease(self._asked.lease, self.told))
        if self.is_extended and lane.reserve is not None:
            lane.reserve.extended(lane.reserve_life, self.now, self.asked_at, self.days)
        elif self._renews:
            lane.replace_reserve(self._lease(self._reserve_id, self.reserved) if self.reserved.count else None)

    def _lease(self, lease: str, told: Told) -> HeldLease:
        return HeldLease(lease, told.count, told.life, self.now, self.asked_at, self.days)
