"""Good-till-triggered orders: rules that yield orders to place when the last price reaches a trigger.

Owns the triggers of all accounts. It places nothing, and its orders get their ids from whoever places them.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from niftyflow.brokers.matching.messages import NewOrder

SMALLEST_DISTANCE_BPS = 25
"""A trigger is at least 0.25 % from the last price (Zerodha, "What is the GTT feature?")."""
BPS = 10_000
LEGS = 2


class GttStatus(StrEnum):
    """Where a GTT is, in Kite's words."""

    ACTIVE = "active"
    TRIGGERED = "triggered"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class GttOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One or two triggers (lower first) and an order for each; the order's id is empty. Times are ms UTC.

    `last_price` is the one that was stated when it was made: it says from which side a single trigger is reached.
    """

    gtt_id: str
    account: str
    instrument: str
    triggers: tuple[int, ...]
    orders: tuple[NewOrder, ...]
    last_price: int
    created_at: int
    expires_at: int
    status: GttStatus = GttStatus.ACTIVE
    updated_at: int = 0
    fired_leg: int = -1

    @property
    def is_two_leg(self) -> bool:
        """Whether one leg's trigger cancels the other (OCO)."""
        return len(self.triggers) == LEGS


class GttFired(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger that was reached: the GTT as it is now, and the order to place."""

    gtt: GttOrder
    order: NewOrder
    at: int


class GttBook:
    """All GTTs by id; those of an instrument are looked at in the order in which they came."""

    def __init__(self) -> None:
        self._known: dict[str, GttOrder] = {}
        self._active: dict[str, dict[str, None]] = {}

    def place(self, gtt: GttOrder) -> str:
        """Take a GTT; return why it is refused, or an empty string."""
        reason = "There is a GTT of that id already." if gtt.gtt_id in self._known else reason_against(gtt)
        if not reason:
            self._known[gtt.gtt_id] = msgspec.structs.replace(gtt, updated_at=gtt.created_at)
            self._active.setdefault(gtt.instrument, {})[gtt.gtt_id] = None
        return reason

    def modify(self, gtt: GttOrder, at: int) -> str:
        """Replace the triggers and orders of an active GTT; return why that is refused, or an empty string."""
        known = self._known.get(gtt.gtt_id)
        if known is None or known.account != gtt.account:
            return "The GTT does not exist."
        if known.status is not GttStatus.ACTIVE:
            return f"The GTT is {known.status} and cannot be changed."
        if known.instrument != gtt.instrument:
            return "The instrument of a GTT cannot be changed."
        reason = reason_against(gtt)
        if not reason:
            self._known[gtt.gtt_id] = msgspec.structs.replace(gtt, created_at=known.created_at, updated_at=at)
        return reason

    def cancel(self, gtt_id: str, at: int) -> str:
        """Cancel an active GTT; return why that is refused, or an empty string."""
        known = self._known.get(gtt_id)
        if known is None:
            return "The GTT does not exist."
        if known.status is not GttStatus.ACTIVE:
            return f"The GTT is {known.status} and cannot be cancelled."
        self._end(known, GttStatus.CANCELLED, at)
        return ""

    def market(self, instrument: str, last_price: int, at: int) -> list[GttFired]:
        """Return what a last price triggers; each GTT fires once, and of two legs the other one is dropped."""
        fired = []
        for gtt_id in list(self._active.get(instrument, ())):
            gtt = self._known[gtt_id]
            if at >= gtt.expires_at:
                self._end(gtt, GttStatus.EXPIRED, at)
                continue
            leg = _reached(gtt, last_price)
            if leg is not None:
                ended = self._end(gtt, GttStatus.TRIGGERED, at, leg)
                fired.append(GttFired(gtt=ended, order=gtt.orders[leg], at=at))
        return fired

    def advance(self, at: int) -> list[GttOrder]:
        """Expire what has run out, and return it."""
        over = [gtt for gtt in self._known.values() if gtt.status is GttStatus.ACTIVE and at >= gtt.expires_at]
        return [self._end(gtt, GttStatus.EXPIRED, at) for gtt in over]

    def get(self, gtt_id: str) -> GttOrder | None:
        """Return a GTT, or None."""
        return self._known.get(gtt_id)

    def all(self, account: str) -> list[GttOrder]:
        """Return an account's GTTs as they came."""
        return [gtt for gtt in self._known.values() if gtt.account == account]

    def _end(self, gtt: GttOrder, status: GttStatus, at: int, leg: int = -1) -> GttOrder:
        ended = msgspec.structs.replace(gtt, status=status, updated_at=at, fired_leg=leg)
        self._known[gtt.gtt_id] = ended
        del self._active[gtt.instrument][gtt.gtt_id]
        return ended


def reason_against(gtt: GttOrder) -> str:
    """Return why a GTT cannot be, or an empty string."""
    if len(gtt.triggers) not in {1, LEGS} or len(gtt.orders) != len(gtt.triggers):
        return "A GTT has one trigger with one order, or two with two."
    if gtt.last_price <= 0 or min(gtt.triggers) <= 0:
        return "Trigger prices and the last price have to be above zero."
    if any(abs(each - gtt.last_price) * BPS < gtt.last_price * SMALLEST_DISTANCE_BPS for each in gtt.triggers):
        return "Trigger price has to be at least 0.25% away from the last price."
    if gtt.is_two_leg and not gtt.triggers[0] < gtt.last_price < gtt.triggers[1]:
        return "Of two triggers the first has to be below and the second above the last price."
    if any(order.instrument != gtt.instrument or order.account != gtt.account for order in gtt.orders):
        return "The orders of a GTT are its account's, in its instrument."
    return ""


def _reached(gtt: GttOrder, last_price: int) -> int | None:
    if last_price <= 0:
        return None
    for leg, trigger in enumerate(gtt.triggers):
        if last_price >= trigger if trigger > gtt.last_price else last_price <= trigger:
            return leg
    return None
