"""What is told of a database that was looked at: a line a thing. It looks at nothing itself."""

from __future__ import annotations

from typing import Literal, NamedTuple

Verdict = Literal["ok", "warn", "fail"]


class Look(NamedTuple):
    """One thing looked at; `text` says what was found and, unless it is well, what to do."""

    name: str
    verdict: Verdict
    text: str
