"""The arrival log: every REST call as it reached the simulator, when, from whom, and what became of it.

Bounded in memory, the oldest going first; every line goes to a file too when one is given. It decides nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from niftyflow.model import Misconfigured

KEPT = 100_000


class Arrival(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One call. `at` is this machine's time and `session_at` the session's, ms UTC; `took_ms` is until the answer."""

    number: int
    at: int
    session_at: int
    account: str
    method: str
    route: str
    group: str
    status: int = 0
    outcome: str = ""
    order_id: str = ""
    tag: str = ""
    fault: str = ""
    took_ms: float = 0.0


class ArrivalLog:
    """The newest `kept` calls, in order of arrival."""

    def __init__(self, kept: int = KEPT, file: Path | None = None) -> None:
        """Keep that many, and write each one to `file` as a line of JSON.

        Raises:
            Misconfigured: the file cannot be written.
        """
        self._kept: deque[Arrival] = deque(maxlen=kept)
        self._numbers = 0
        self._file: IO[bytes] | None = None
        if file is not None:
            try:
                self._file = file.open("ab", buffering=0)
            except OSError as error:
                raise Misconfigured(f"the arrival log {file} cannot be written: {error.strerror}") from error

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Arrival]:
        return iter(tuple(self._kept))

    @property
    def arrived(self) -> int:
        """How many calls there have been, those that are no longer kept included."""
        return self._numbers

    def arrive(self, *, at: int, session_at: int, method: str, route: str, group: str) -> Arrival:
        """Take a call in, before anything is done with it; the rest of its line is filled in as it becomes known."""
        self._numbers += 1
        arrival = Arrival(
            number=self._numbers, at=at, session_at=session_at, account="", method=method, route=route, group=group
        )
        self._kept.append(arrival)
        return arrival

    def answered(self, arrival: Arrival) -> None:
        """Write a finished line to the file."""
        if self._file is not None:
            self._file.write(msgspec.json.encode(arrival) + b"\n")

    def since(self, number: int, limit: int, account: str | None = None) -> list[Arrival]:
        """Return at most `limit` calls after this number, oldest first, of one account or of all."""
        chosen = (each for each in self._kept if each.number > number and account in (None, each.account))
        return [each for _, each in zip(range(limit), chosen, strict=False)]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
