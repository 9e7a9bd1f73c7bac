"""How single values of Kite's JSON are read: times in India, words of closed lists, numbers that may be missing.

Nothing is guessed: what cannot be read is a `DecodeError`, or is told beside the record, like a word we do not know.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from niftyflow.kit.clock import IST_OFFSET, to_ist
from niftyflow.model import DecodeError, milliseconds

E = TypeVar("E", bound=StrEnum)

_FIRST_YEAR: Final = 1990
"""A year before it is a zero time of some program, not a time of the market."""


def time_of(text: str | None) -> int:
    """Return a time of Kite's (India's, unless it says its zone) as ms UTC; 0 when there is none.

    Raises:
        DecodeError: it is no time.
    """
    if not text:
        return 0
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise DecodeError(f"{text!r} is no time", text.encode(errors="replace")) from error
    if time.tzinfo is None:
        time = time.replace(tzinfo=IST_OFFSET)
    return milliseconds(time) if time.year >= _FIRST_YEAR else 0


def time_or_unread(field: str, text: str | None, unread: dict[str, str]) -> int:
    """Return a time of Kite's as ms UTC, 0 when there is none; one that is no time goes into `unread`."""
    try:
        return time_of(text)
    except DecodeError:
        unread[field] = text or ""
        return 0


def time_text(ms: int) -> str:
    """Return ms UTC as Kite writes and reads times, in India: `2026-01-05 09:15:00`."""
    return f"{to_ist(ms):%Y-%m-%d %H:%M:%S}"


def word_of(vocabulary: type[E], field: str, word: str, unread: dict[str, str]) -> E | None:
    """Return a word as a member of ours; one that we do not have goes into `unread` under its field's name."""
    try:
        return vocabulary(word)
    except ValueError:
        unread[field] = word
        return None


def price_of(price: Decimal) -> Decimal | None:
    """Return a price; Kite writes 0 where there is none."""
    return price or None
