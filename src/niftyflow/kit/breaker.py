"""A circuit breaker: after so many failures in a row nobody is called for a while, then one trial decides.

Ours, because none of the libraries (purgatory 3, aiobreaker 1.2, circuitbreaker 2.1, hyx 0.0.2) fits: all read the
system's clock themselves, three of them the wall clock that steps, and half open they let every caller try, not one.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from niftyflow.kit import metrics
from niftyflow.kit.clock import monotonic
from niftyflow.kit.log import get_logger

log = get_logger(__name__)


class Circuit(StrEnum):
    """What the breaker lets through: all, nothing, or one trial."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Decides who may call `service`. A caller that was let in says how it went, once.

    What a caller says counts only while the breaker is as it was when the caller was let in: a call that began before
    the circuit opened neither closes it nor keeps it open.
    """

    def __init__(
        self, service: str, *, failures: int, open_seconds: float, seconds: Callable[[], float] = monotonic
    ) -> None:
        self._service = service
        self._limit = failures
        self._open_seconds = open_seconds
        self._seconds = seconds
        self._failures = 0
        self._opened_at = 0.0
        self._is_trying = False
        self._term = 0
        self.state = Circuit.CLOSED
        self._show()

    def admit(self) -> int | None:
        """Return the term in which one may call now, or None when one may not."""
        if self.state is Circuit.OPEN and self._seconds() - self._opened_at >= self._open_seconds:
            self._become(Circuit.HALF_OPEN)
        if self.state is Circuit.OPEN or self._is_trying:
            return None
        self._is_trying = self.state is Circuit.HALF_OPEN
        return self._term

    def succeeded(self, term: int) -> None:
        """Say that the call let in during `term` was answered."""
        if term != self._term:
            return
        self._failures = 0
        if self.state is Circuit.HALF_OPEN:
            self._become(Circuit.CLOSED)

    def failed(self, term: int) -> None:
        """Say that the call let in during `term` failed."""
        if term != self._term:
            return
        self._failures += 1
        if self.state is Circuit.HALF_OPEN or self._failures >= self._limit:
            self._opened_at = self._seconds()
            self._become(Circuit.OPEN)

    def abandoned(self, term: int) -> None:
        """Say that the call let in during `term` was given up by us: that tells nothing, and the next one may try."""
        if term == self._term:
            self._is_trying = False

    def _become(self, state: Circuit) -> None:
        self.state = state
        self._term += 1
        self._is_trying = False
        if state is not Circuit.HALF_OPEN:
            self._failures = 0
        log.warning("circuit_changed", service=self._service, state=str(state))
        self._show()

    def _show(self) -> None:
        for state in Circuit:
            metrics.CIRCUIT_BREAKER.labels(self._service, str(state)).set(state is self.state)
