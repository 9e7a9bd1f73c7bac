"""Small candle files for tests: good by default, spoilt where a test says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

HEADER = "time,symbol,open,high,low,close,volume"
OPENED = datetime(2016, 8, 16, 9, 15)  # noqa: DTZ001  Indian time, written without its zone
DAYS = ("2016-08-16", "2016-08-17", "2016-08-18", "2016-08-19", "2016-08-22")


def minute_row(minute: int, symbol: str = "TCS", volume: int = 100) -> str:
    """Return the CSV row of a minute after the open; its prices grow with the minute."""
    time, price = OPENED + timedelta(minutes=minute), 100 + minute
    return f"{time:%Y-%m-%d %H:%M:%S},{symbol},{price},{price + 2},{price - 1},{price + 1},{volume}"


def minute_rows(count: int, symbol: str = "TCS", volume: int = 100) -> list[str]:
    """Return the first minutes of a session."""
    return [minute_row(minute, symbol, volume) for minute in range(count)]


def day_rows(days: Sequence[str] = DAYS, symbol: str = "TCS") -> list[str]:
    """Return a daily candle for each day."""
    return [f"{day},{symbol},{100 + place},{102 + place},99,{101 + place},1000" for place, day in enumerate(days)]


def write_csv(path: Path, rows: Sequence[str], header: str = HEADER) -> Path:
    """Write a header and rows; return the path."""
    path.write_text("\n".join([header, *rows]) + "\n")
    return path
