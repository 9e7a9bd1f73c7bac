"""One case of the conformance card: what it shows, what it needs, and the ways in which it can end.

A case is a function of a `Stage`. It knows no broker by name: what it asks is in the port, what it may expect in the
capabilities.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from niftyflow.brokers.conformance.cards import Outcome
from niftyflow.brokers.conformance.stage import Stage
from niftyflow.model import NiftyflowError


class CaseEnded(NiftyflowError):
    """A case ended otherwise than by passing; the message is the reason on the card."""

    outcome: ClassVar[Outcome]


class Failed(CaseEnded):
    """The adapter does not do what the port says."""

    outcome = Outcome.FAILED


class NotOffered(CaseEnded):
    """The broker does not offer it, and the capabilities say so."""

    outcome = Outcome.NOT_OFFERED


class NotRun(CaseEnded):
    """This ground cannot show it."""

    outcome = Outcome.NOT_RUN


class Needs(StrEnum):
    """What a case does at the broker: it only reads, or it changes something, which is never done on a live account."""

    READS = "reads"
    ORDERS = "orders"


Check = Callable[[Stage], Awaitable[str | None]]
"""What a case does. Returns what was not there to be looked at, or null; raises `CaseEnded`, or any error of ours."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that every adapter must show; `shows` says it in a sentence.

    `is_after_hours`: it needs a market that has closed, all others one that is open, but for those that only read.
    """

    name: str
    shows: str
    needs: Needs
    check: Check
    is_after_hours: bool = False

    def __str__(self) -> str:
        return self.name


def case(name: str, needs: Needs) -> Callable[[Check], Case]:
    """Make a case of a function; the first line of its docstring is what it shows."""

    def made(check: Check) -> Case:
        return Case(name, (inspect.getdoc(check) or "").partition("\n")[0], needs, check)

    return made


def expect(holds: object, otherwise: str) -> None:
    """Go on when something holds.

    Raises:
        Failed: it does not; `otherwise` says what was found instead.
    """
    if not holds:
        raise Failed(otherwise)
