"""What an order's cause says: trading writes it as a path, here it is read back into parts.

It knows the spellings of the account, the runner and the commands; it looks nothing up.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from niftyflow.model import InvalidValue, milliseconds

_EXIT = re.compile(r"(?P<cause>.+)/exit/\d+")
_FAILED = re.compile(r"(?P<cause>.+)/failed")


class CauseKind(StrEnum):
    """What an order may follow from."""

    CANDLE = "candle"
    SIGNAL = "signal"
    FILL = "fill"
    TIMER = "timer"
    START = "start"
    STOP = "stop"
    SQUARE_OFF = "square-off"
    KILL_SWITCH = "kill-switch"
    COMMAND = "command"
    OTHER = "other"


_OF_STRATEGIES = frozenset(
    {CauseKind.CANDLE, CauseKind.SIGNAL, CauseKind.FILL, CauseKind.TIMER, CauseKind.START, CauseKind.STOP}
)
_OF_ACCOUNT = frozenset({CauseKind.SQUARE_OFF, CauseKind.KILL_SWITCH})


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A cause in parts: `reference` is the id of a signal, fill or command, or a timer's name; `time` is ms UTC.

    `time` is a candle's start, or when a timer, a square-off or the kill switch was due; 0 where the cause names none.
    `is_exit` says that the order brought a position back, `has_failed` that it did so because its strategy threw.
    """

    text: str
    kind: CauseKind
    instrument: str = ""
    reference: str = ""
    time: int = 0
    is_exit: bool = False
    has_failed: bool = False


def parse_cause(text: str) -> Cause:
    """Return a cause in parts; one that is not understood is of kind `other`."""
    exit_ = _EXIT.fullmatch(text)
    inner = exit_["cause"] if exit_ else text
    failed = _FAILED.fullmatch(inner)
    inner = failed["cause"] if failed else inner
    try:
        parts = _parts(inner)
    except (ValueError, InvalidValue):
        parts = {"kind": CauseKind.OTHER}
    return Cause(text=text, is_exit=exit_ is not None, has_failed=failed is not None, **parts)


def _parts(text: str) -> dict[str, Any]:
    head, _, tail = text.partition("/")
    word, _, rest = tail.partition("/")
    if word in _OF_STRATEGIES and rest:  # first: a strategy may be called as the account's own causes are
        return _of_strategy(CauseKind(word), rest)
    if head in _OF_ACCOUNT:
        _, _, instrument = rest.partition("/")
        return {"kind": CauseKind(head), "time": int(word), "instrument": instrument}
    if head == CauseKind.COMMAND and word:
        _, _, instrument = rest.partition("/")
        return {"kind": CauseKind.COMMAND, "reference": word, "instrument": instrument}
    return {"kind": CauseKind.OTHER}


def _of_strategy(kind: CauseKind, rest: str) -> dict[str, Any]:
    before, _, last = rest.rpartition("/")
    if kind is CauseKind.CANDLE:
        return {"kind": kind, "instrument": before, "time": milliseconds(datetime.fromisoformat(last))}
    if kind is CauseKind.TIMER:
        return {"kind": kind, "reference": before, "time": int(last)}
    if kind in {CauseKind.START, CauseKind.STOP}:
        return {"kind": kind, "time": int(last)}
    return {"kind": kind, "reference": rest}
