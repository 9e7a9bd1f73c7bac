"""Questions that change nothing, asked across layers: a function call in one process, HTTP between processes.

Whoever can answer gives its function under a public name; whoever asks knows only the name. A question nobody answers
here is an `Unavailable`, never a guess.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from niftyflow.model import Unavailable

Answer = Callable[..., Awaitable[Any]]

CALL_SECONDS = 5.0
"""How long a question may take."""


class Caller(Protocol):
    """Asks questions by name."""

    async def call(self, name: str, /, **question: Any) -> Any:
        """Return the answer.

        Raises:
            Refused: the question cannot be; the message says what was wrong.
            Unavailable: nobody answers it now, or not in time.
        """
        ...


class LocalCaller:
    """Answers from functions of this process."""

    def __init__(self, answers: Mapping[str, Answer] | None = None) -> None:
        self._answers = dict(answers or {})

    @property
    def names(self) -> frozenset[str]:
        """The questions answered here."""
        return frozenset(self._answers)

    def answers(self, name: str, answer: Answer) -> None:
        """Have a question answered by a function; a later one replaces it."""
        self._answers[name] = answer

    def without(self, *names: str) -> LocalCaller:
        """Return one that answers all but these questions."""
        return LocalCaller({name: answer for name, answer in self._answers.items() if name not in names})

    async def call(self, name: str, /, **question: Any) -> Any:
        """Return the answer of the function of that name."""
        answer = self._answers.get(name)
        if answer is None:
            raise Unavailable(name, "nobody in this process answers it now")
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await answer(**question)
        except TimeoutError as error:
            raise Unavailable(name, f"no answer within {CALL_SECONDS:g} s") from error


class JoinedCaller:
    """Answers here what this process answers, and asks others for the rest."""

    def __init__(self, local: LocalCaller, remote: Caller) -> None:
        self._local = local
        self._remote = remote

    async def call(self, name: str, /, **question: Any) -> Any:
        """Return the answer of this process, or of another where this one has none."""
        caller: Caller = self._local if name in self._local.names else self._remote
        return await caller.call(name, **question)
