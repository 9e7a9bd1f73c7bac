"""The first tier of a cache: values of this process, a bounded number, each for a bounded time.

The one used longest ago makes room for a new one. It asks no store, starts no task, and takes its clock as a function.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class FirstTier(Generic[T]):
    """Values by key; `seconds` tells the time that lives are measured with."""

    def __init__(self, most: int, seconds: Callable[[], float]) -> None:
        self._most = most
        self._seconds = seconds
        self._values: OrderedDict[str, tuple[T, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str) -> T | None:
        """Return a value that still lives, which counts as a use, or None."""
        found = self._values.get(key)
        if found is None:
            return None
        if found[1] <= self._seconds():
            del self._values[key]
            return None
        self._values.move_to_end(key)
        return found[0]

    def put(self, key: str, value: T, life_seconds: float) -> None:
        """Keep a value for its life, in place of what the key had; the one used longest ago may go for it."""
        self._values[key] = value, self._seconds() + life_seconds
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def drop(self, key: str) -> None:
        """Forget a value."""
        self._values.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._values.clear()
