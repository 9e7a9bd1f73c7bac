"""Engines with a fault of ours in them: a call that throws what no stage expects, at a chosen moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Fault(Exception):
    """A mistake in the program, which nobody handles."""


class Faulty:
    """An engine whose `method` throws at its calls numbered in `at` (from 1), before or after it was done.

    `about` chooses which calls count, by their first argument.
    """

    def __init__(
        self, engine: Any, method: str, *at: int, is_after: bool = False,
        about: Callable[[Any], bool] = lambda _argument: True,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._method = method
        self._at = at
        self._is_after = is_after
        self._about = about
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        return self._throwing(found) if name == self._method else found

    def _throwing(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*arguments: Any, **named: Any) -> Any:
            self.calls += self._about(arguments[0])
            is_due = self._about(arguments[0]) and self.calls in self._at
            if is_due and not self._is_after:
                raise Fault(f"{self._method} number {self.calls}")
            result = await method(*arguments, **named)
            if is_due:
                raise Fault(f"{self._method} number {self.calls}")
            return result

        return call
