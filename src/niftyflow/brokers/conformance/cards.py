"""What came of the cases on one ground: a card, kept as a small file, and the one decision that is taken from it.

It holds results and reads and writes them. It runs nothing and asks no broker.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from niftyflow.kit.files import write_whole
from niftyflow.model import Misconfigured


class GroundName(StrEnum):
    """Where cases are run: on recorded answers, on a simulated exchange, or reading a real account."""

    RECORDED = "recorded"
    SIMULATOR = "simulator"
    LIVE = "live"


class Outcome(StrEnum):
    """What a case came to."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_OFFERED = "not offered"
    NOT_RUN = "not run"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One case's result. `reason` says why it did not pass, or what was not there to be looked at when it did."""

    case: str
    shows: str
    outcome: Outcome
    reason: str = ""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """All cases of one adapter on one ground. `version` is niftyflow's, `at` ms UTC, `adapter` the entry point's value.

    `account` names the account of a live card.
    """

    broker: str
    ground: GroundName
    adapter: str
    version: str
    at: int
    results: tuple[Result, ...]
    account: str = ""

    def count(self, outcome: Outcome) -> int:
        """Return how many cases came to this."""
        return sum(result.outcome is outcome for result in self.results)

    @property
    def has_run(self) -> bool:
        """Whether any case was run at all."""
        return self.count(Outcome.PASSED) + self.count(Outcome.FAILED) > 0


LIVE_MUSTS: Final = ("session", "profile", "funds", "positions", "order-book", "trades")
"""What must have passed on a live account before orders of ours may stop being called experimental there."""


def is_experimental(card: Card | None, *, adapter: str) -> bool:
    """Whether live trading through an adapter is experimental: no live card of it has passed.

    A card has passed when nothing failed and `LIVE_MUSTS` passed. One of another adapter says nothing.
    """
    if card is None or card.ground is not GroundName.LIVE or card.adapter != adapter:
        return True
    passed = {result.case for result in card.results if result.outcome is Outcome.PASSED}
    return card.count(Outcome.FAILED) > 0 or not passed.issuperset(LIVE_MUSTS)


def card_file(folder: Path, broker: str, ground: GroundName) -> Path:
    """Return where the card of a broker and a ground lies."""
    return folder / f"{broker}-{ground}.json"


def write_card(folder: Path, card: Card) -> Path | None:
    """Write a card, for its owner alone; one on which nothing was run is not written, and what was there stays.

    Raises:
        OSError: it cannot be written.
    """
    if not card.has_run:
        return None
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = card_file(folder, card.broker, card.ground)
    write_whole(file, msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")
    return file


def read_card(folder: Path, broker: str, ground: GroundName) -> Card | None:
    """Return a card that was written; null when there is none.

    Raises:
        Misconfigured: the file is damaged; the message says what to do.
    """
    file = card_file(folder, broker, ground)
    try:
        return msgspec.json.decode(file.read_bytes(), type=Card)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        advice = f"run niftyflow broker verify {broker}"
        raise Misconfigured(f"the card {file} cannot be read ({error}): {advice}") from error


def totals(card: Card) -> Mapping[Outcome, int]:
    """Return how many cases came to what, in the order of `Outcome`."""
    return {outcome: card.count(outcome) for outcome in Outcome}
