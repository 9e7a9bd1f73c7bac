"""What a broker counts: calls that arrived in any window of a limit."""

from __future__ import annotations

from collections.abc import Iterable


def most_in_window(arrivals: Iterable[float], seconds: float) -> int:
    """Return the most arrivals that lie in one window, wherever it begins; its end is not part of it."""
    ordered = sorted(arrivals)
    most = first = 0
    for last, arrival in enumerate(ordered):
        while arrival - ordered[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most
