"""Indian times that only a server of Kite's dialect needs: the clock of a trade, a candle's start, dates asked for."""

from __future__ import annotations

from datetime import datetime

from niftyflow.kit.clock import IST, to_ist
from niftyflow.model import InvalidValue


def clock_of(ms: int) -> str:
    """Return ms UTC as `09:15:00`."""
    return to_ist(ms).strftime("%H:%M:%S")


def candle_stamp(ms: int) -> str:
    """Return ms UTC as `2026-01-05T09:15:00+0530`."""
    return to_ist(ms).strftime("%Y-%m-%dT%H:%M:%S%z")


def parse_stamp(text: str) -> int:
    """Return ms UTC of `2026-01-05` or `2026-01-05 09:15:00`, Indian time.

    Raises:
        InvalidValue: it is neither.
    """
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"):
        try:
            return int(datetime.strptime(text.strip(), form).replace(tzinfo=IST).timestamp()) * 1000
        except ValueError:
            continue
    raise InvalidValue("date", text, "write yyyy-mm-dd or yyyy-mm-dd hh:mm:ss")
