"""What every hot store refuses before it does anything, in the same words whichever engine was asked.

It checks values; it keeps none and asks no store.
"""

from __future__ import annotations

from collections.abc import Mapping

from niftyflow.model import InvalidValue

LEAST_LIFE_SECONDS = 0.001
"""Redis counts lives in ms and refuses 0."""

StreamId = tuple[int, int]


def check_life(ttl_seconds: float) -> None:
    """Refuse a life that is over at once, or never.

    Raises:
        InvalidValue: it is so, or not a number.
    """
    if not LEAST_LIFE_SECONDS <= ttl_seconds < float("inf"):
        raise InvalidValue("ttl_seconds", ttl_seconds, "a life lasts at least a millisecond, and ends")


def check_scores(scores: Mapping[str, float]) -> None:
    """Refuse scores that are not numbers: they have no place in an order.

    Raises:
        InvalidValue: there is one.
    """
    for member, score in scores.items():
        if score != score:  # noqa: PLR0124 -- the fastest test for NaN
            raise InvalidValue(f"score of {member}", score, "a score is a number")


def check_entry(fields: Mapping[str, bytes]) -> None:
    """Refuse a stream entry without fields.

    Raises:
        InvalidValue: it has none.
    """
    if not fields:
        raise InvalidValue("fields", fields, "an entry of a stream has at least one")


def parsed_id(text: str) -> StreamId:
    """Return the parts of a stream entry's id, `ms-sequence` or `ms`.

    Raises:
        InvalidValue: it is none.
    """
    milliseconds, _, sequence = text.partition("-")
    if not (milliseconds.isdecimal() and (sequence or "0").isdecimal()):
        raise InvalidValue("after", text, "an id of a stream entry is ms-sequence, such as 1705560000000-0")
    return int(milliseconds), int(sequence or "0")
