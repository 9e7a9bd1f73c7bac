"""Which ticks cannot be: found column by column, refused one by one with the field named."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from niftyflow.kit.clock import to_ist
from niftyflow.model import TickBatch

DAY_MS = 86_400_000
IST_OFFSET_MS = 19_800_000
Reason = Callable[[int], str]

FUTURE_MS = 60_000
"""How far a trade may lie ahead of our clock; exchange and host clocks differ by less."""


def refusals(ticks: TickBatch, now: NDArray[np.int64]) -> dict[int, str]:
    """Return row → reason for every tick that cannot be, judged at its `now` (ms UTC); the first broken rule is named.

    A price is finite and above zero; quantities are not negative; the quote is of the clock's own day (vendors replay
    earlier sessions on holidays, and stamp rows 1970); no trade lies in the future.
    """
    found: dict[int, str] = {}
    for rows, reason in _rules(ticks, now):
        for row in np.flatnonzero(rows).tolist():
            if row not in found:
                found[row] = reason(row)
    return found


def _rules(ticks: TickBatch, now: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.bool_], Reason]]:
    yield ~(np.isfinite(ticks.ltp) & (ticks.ltp > 0)), _says("ltp", ticks.ltp, "a price is finite and above zero")
    for side in ("bid", "ask"):
        price = getattr(ticks, side)
        yield ~(np.isfinite(price) & (price >= 0)), _says(side, price, "a quote is finite and not negative")
    for field in ("volume", "day_volume", "open_interest"):
        column = getattr(ticks, field)
        yield column < 0, _says(field, column, "it cannot be negative")
    day = (now + IST_OFFSET_MS) // DAY_MS
    yield (
        (ticks.timestamp + IST_OFFSET_MS) // DAY_MS != day,
        _dated("timestamp", ticks.timestamp, "not of the day", now),
    )
    yield ticks.traded_at > now + FUTURE_MS, _dated("traded_at", ticks.traded_at, "after", now)


def _says(field: str, column: NDArray[np.generic], rule: str) -> Reason:
    return lambda row: f"{field} is {column[row].item()!r}: {rule}"


def _dated(field: str, column: NDArray[np.int64], rule: str, now: NDArray[np.int64]) -> Reason:
    return lambda row: f"{field} is {_spelled(int(column[row]))}: {rule} {_spelled(int(now[row]))}"


def _spelled(time: int) -> str:
    try:
        return to_ist(time).isoformat()
    except (OverflowError, ValueError, OSError):  # beyond any calendar
        return f"{time} ms"
