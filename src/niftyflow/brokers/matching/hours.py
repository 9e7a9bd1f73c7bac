"""What a day's session means for order entry and matching, as steps in time.

Owns the reading of `niftyflow.market`'s spans. The close of the pre-open's collection is drawn from the seed, as the
exchange draws it: in the last minute of order entry (NSE and BSE session timings), or, since 2026-09-07, in the last
two minutes of the limit-only stage. The post-close session at the closing price is not simulated: it counts as closed.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import NamedTuple

from niftyflow.market import Phase, Session, Span

MINUTE_MS = 60_000
REFERENCE_MINUTES = 15
"""The closing auction's reference price is the average of this many last minutes (SEBI, 2026-01-16, para 4.2)."""
_MASK = (1 << 64) - 1


class Mode(StrEnum):
    """What the market does with an order."""

    CLOSED = "closed"
    COLLECTING = "collecting"
    LIMIT_ONLY = "limit_only"
    FROZEN = "frozen"
    CONTINUOUS = "continuous"
    HALTED = "halted"


class What(StrEnum):
    """What a step does besides changing the mode."""

    TURN = "turn"
    AUCTION = "auction"
    OPEN = "open"
    REFERENCE = "reference"
    SQUARE_OFF = "square_off"
    CARRY = "carry"
    EXPIRE = "expire"


class Step(NamedTuple):
    """At a moment, ms UTC: do something, then be in a mode (None: the one there was)."""

    at: int
    what: What
    mode: Mode | None
    is_closing: bool = False


def plan(session: Session, square_off_minutes: int, seed: int) -> list[Step]:
    """Return a day's steps in order; a step of the same moment keeps its place."""
    trading = [span for span in session.spans if span.phase in _TRADING]
    if not session.continuous:
        return []
    steps = [*_call(trading, Phase.PRE_OPEN, _draw(seed, session.day)), *_call(trading, Phase.CLOSING_AUCTION, 0)]
    last = trading[-1].end
    has_closing = any(span.phase is Phase.CLOSING_AUCTION for span in trading)
    for span in session.continuous:
        steps.append(Step(span.start, What.OPEN, Mode.CONTINUOUS))
        if span.end < last:
            is_carried = has_closing and span.end == session.close
            steps.append(Step(span.end, What.CARRY if is_carried else What.TURN, Mode.FROZEN))
    if has_closing:
        steps.append(Step(max(session.close - REFERENCE_MINUTES * MINUTE_MS, session.open), What.REFERENCE, None))
    steps.append(Step(max(session.close - square_off_minutes * MINUTE_MS, session.open), What.SQUARE_OFF, None))
    steps.append(Step(last, What.EXPIRE, Mode.CLOSED))
    return sorted(steps, key=_order)


_TRADING = frozenset({Phase.PRE_OPEN, Phase.CONTINUOUS, Phase.HALTED, Phase.CLOSING_AUCTION})
_COLLECTING = {"order_entry": Mode.COLLECTING, "limit_only": Mode.LIMIT_ONLY}
_RANK = {What.SQUARE_OFF: 0, What.CARRY: 0, What.TURN: 1, What.AUCTION: 2}


def _order(step: Step) -> tuple[int, int]:
    """Positions go before the market closes on them, a carried book before its auction."""
    return step.at, _RANK.get(step.what, 3)


def _call(spans: list[Span], phase: Phase, drawn: int) -> list[Step]:
    """Return the steps of a call auction; matching starts when the collection closes."""
    of_call = [span for span in spans if span.phase is phase]
    collecting = [span for span in of_call if span.step in _COLLECTING]
    if not collecting:
        return [Step(span.start, What.TURN, Mode.FROZEN) for span in of_call]
    is_closing = phase is Phase.CLOSING_AUCTION
    final = collecting[-1]
    leeway = MINUTE_MS * (2 if final.step == "limit_only" else 1)
    closes = final.end - drawn % leeway
    steps = [
        Step(span.start, What.TURN, _COLLECTING.get(span.step, Mode.FROZEN), is_closing)
        for span in of_call
        if span.start < closes
    ]
    return [*steps, Step(closes, What.AUCTION, Mode.FROZEN, is_closing)]


def _draw(seed: int, day: date) -> int:
    return mixed(seed, day.toordinal())


def mixed(seed: int, number: int) -> int:
    """Return a number that looks drawn, from 0 to 2^64, and depends on nothing else (SplitMix64, Vigna 2015)."""
    value = (seed * 0x9E3779B97F4A7C15 + (number + 1) * 0xD1B54A32D192ED03) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
