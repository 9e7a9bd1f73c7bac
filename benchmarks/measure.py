"""What a benchmark script states and returns: its budget, and its measurements with those of its peers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Budget:
    """A promise about speed or size, in a unit, with the direction in which it is kept."""

    name: str
    unit: str
    budget: float
    higher_is_better: bool = True

    def is_kept(self, value: float) -> bool:
        """Return whether a measured value keeps the budget."""
        return value >= self.budget if self.higher_is_better else value <= self.budget


@dataclass(frozen=True)
class Measurement:
    """One row of the table. The first one a script returns is held against its budget; peers are compared with it.

    `value` is None where nothing could be measured; `note` then says why. A later row may have a `budget` of its own.
    """

    label: str
    value: float | None
    unit: str = ""
    is_peer: bool = False
    note: str = ""
    details: dict[str, float | int | str] = field(default_factory=dict)
    budget: Budget | None = None


def best_of(work: Callable[[], Result], repeats: int = 3) -> tuple[float, Result]:
    """Run `work` a few times; return the shortest time in seconds and the last result.

    The shortest run is the one the machine disturbed least; a mean would measure the neighbours.
    """
    shortest = float("inf")
    for _ in range(repeats):
        begun = time.perf_counter()
        result = work()
        shortest = min(shortest, time.perf_counter() - begun)
    return shortest, result


def quantile(values: list[float], share: float) -> float:
    """Return the value below which `share` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
