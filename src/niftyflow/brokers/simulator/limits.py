"""Kite's rate limits, counted per account over sliding windows of real time, and what each route counts as.

The numbers are those that Kite's adapter declares. It is told the time. A request that was refused does not count;
whether Kite counts it, no source says.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Final

from niftyflow.brokers.capabilities import CallKind
from niftyflow.brokers.kite.capabilities import KITE, SECONDS_OF_DAY
from niftyflow.brokers.simulator.kite_errors import too_many


class Group(StrEnum):
    """What a request counts as: one of the adapter's kinds of calls, or nothing."""

    ORDERS = CallKind.ORDERS.value
    QUOTES = CallKind.QUOTES.value
    HISTORY = CallKind.HISTORY.value
    OTHER = CallKind.OTHER.value
    FREE = "free"


def _limits_of(group: Group) -> tuple[tuple[int, int, str], ...]:
    """Return (requests, ms, message) of each limit of a group, the shortest window first."""
    declared = sorted((each for each in KITE.rate_limits if each.kind == group), key=lambda each: each.seconds)
    return tuple(
        (each.count, round(each.seconds * 1000), _DAY_SPENT if each.seconds == SECONDS_OF_DAY else _TOO_MANY)
        for each in declared
    )


_TOO_MANY: Final = "Too many requests"
_DAY_SPENT: Final = "Maximum allowed order requests exceeded."
LIMITS: Final = {group: _limits_of(group) for group in Group}


def group_of(method: str, path: str) -> Group:
    """Return what a request counts as: placing, changing and cancelling orders are orders, reading them is not.

    The desk, the login page and the instruments file count as nothing.
    """
    if path.startswith("/instruments/historical/"):
        return Group.HISTORY
    if path.startswith(("/sim/", "/connect/", "/instruments")):
        return Group.FREE
    if path == "/quote" or path.startswith("/quote/"):
        return Group.QUOTES
    if path.startswith("/orders/") and method in {"POST", "PUT", "DELETE"}:
        return Group.ORDERS
    return Group.OTHER


class RateLimits:
    """Counts the requests of every account."""

    def __init__(self, *, is_on: bool = True) -> None:
        self.is_on = is_on
        self._seen: dict[tuple[str, Group], deque[int]] = {}

    def take(self, who: str, group: Group, now: int) -> None:
        """Count a request of `who` at real time `now`, ms.

        Raises:
            KiteError: a limit is passed (429).
        """
        limits = LIMITS[group]
        if not self.is_on or not limits:
            return
        seen = self._seen.setdefault((who, group), deque())
        while seen and seen[0] <= now - limits[-1][1]:
            seen.popleft()
        refusals = [message for most, span, message in limits if len(seen) >= most and seen[-most] > now - span]
        if refusals:
            raise too_many(refusals[-1])
        seen.append(now)
