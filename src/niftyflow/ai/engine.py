"""The port of a model: a question in columns, an answer in columns.

Says what an engine must give and may rely on; `service.py` alone calls one. It never knows which engines there are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from niftyflow.model import Answers, Features


class Engine(Protocol):
    """A model. It may wait and may be cancelled while it waits; it must not block the event loop."""

    version: str

    async def predict(self, features: Features) -> Answers:
        """Answer every row: prediction and confidence 0 to 1, both NaN where the row allows no answer.

        Any error is a failure of the engine: whoever calls lets the heuristic answer instead.
        """
        ...


class InstantEngine(ABC):
    """An engine that answers from what it has, without waiting, so that no clock decides what is answered."""

    version: str

    @abstractmethod
    def answer(self, features: Features) -> Answers:
        """Answer every row at once."""

    async def predict(self, features: Features) -> Answers:
        """Answer every row, as `answer` does."""
        return self.answer(features)
