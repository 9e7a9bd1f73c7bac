"""Kite's rate limits, counted per account over sliding windows of real time, and what each route counts as.

Pure: it is told the time. A request that was refused does not count; whether Kite counts it, no source says.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Final

from niftyflow.brokers.simulator.kite_errors import too_many


class Group(StrEnum):
    """What a request counts as."""

    ORDERS = "orders"
    QUOTES = "quotes"
    HISTORY = "history"
    OTHER = "other"
    FREE = "free"


SECOND_MS: Final = 1000
MINUTE_MS: Final = 60 * SECOND_MS
DAY_MS: Final = 24 * 60 * MINUTE_MS
LIMITS: Final[dict[Group, tuple[tuple[int, int, str], ...]]] = {
    Group.ORDERS: (
        (10, SECOND_MS, "Too many requests"),
        (400, MINUTE_MS, "Too many requests"),
        (5000, DAY_MS, "Maximum allowed order requests exceeded."),
    ),
    Group.QUOTES: ((1, SECOND_MS, "Too many requests"),),
    Group.HISTORY: ((3, SECOND_MS, "Too many requests"),),
    Group.OTHER: ((10, SECOND_MS, "Too many requests"),),
    Group.FREE: (),
}
"""(requests, ms, message) of each group; `brokers.md` of the design, from Kite's documentation."""


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
