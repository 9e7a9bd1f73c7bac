"""Moments counted in minutes of continuous trading, so that they hold in a split or a short session too."""

from __future__ import annotations

from niftyflow.market import Session

MINUTE_MS = 60_000


def after_open(session: Session, minutes: int) -> int | None:
    """Return when that many minutes have been traded (ms UTC), or None when the session has fewer."""
    left = minutes * MINUTE_MS
    for span in session.continuous:
        if left <= span.end - span.start:
            return span.start + left
        left -= span.end - span.start
    return None


def before_close(session: Session, minutes: int) -> int:
    """Return from when on at most that many minutes are left to trade (ms UTC); the open when it has no more."""
    left = minutes * MINUTE_MS
    for span in reversed(session.continuous):
        if left < span.end - span.start:
            return span.end - left
        left -= span.end - span.start
    return session.open
