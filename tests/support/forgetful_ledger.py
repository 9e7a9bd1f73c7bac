"""A ledger of permits in memory that goes away, forgets, falls back and jumps in time when a test says so."""

from __future__ import annotations

from collections.abc import Callable

from niftyflow.kit.clock import monotonic
from niftyflow.model import Unavailable


class ForgetfulLedger:
    """`PermitLedger` that behaves as one on a server does in trouble."""

    is_volatile = True

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.is_away = False
        self.is_answer_lost = False
        self.jumped_ms = 0
        self.calls = 0

    async def change(self, name: str, rule: Callable[[bytes | None, int], bytes]) -> None:
        """Replace what is held, unless it is away."""
        self.calls += 1
        if self.is_away:
            raise Unavailable("ledger", "it is away")
        self.held[name] = rule(self.held.get(name), int(monotonic() * 1000) + self.jumped_ms)
        if self.is_answer_lost:
            raise Unavailable("ledger", "its answer was lost")
