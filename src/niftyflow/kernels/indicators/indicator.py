"""What an indicator says of itself: inputs, outputs, parameters, state, warm-up, formula and source.

It validates parameters and makes state. It computes no indicator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from niftyflow.model import InvalidValue

Values = Mapping[str, float]
NUMBERS = (int, float, np.integer, np.floating)
Memory = Literal["window", "decay", "session"]
"""How the past leaves: after a window, by decay, or at the session's end (its first bar must then be there)."""


@dataclass(frozen=True)
class Parameter:
    """One setting of an indicator, with its bounds; a whole number unless `is_whole` is false."""

    name: str
    meaning: str
    default: float
    minimum: float
    maximum: float
    is_whole: bool = True
    below: str | None = None
    """The parameter that this one must stay below."""

    def checked(self, value: object) -> float:
        """Return a value as a number within the bounds, an `int` where it is whole.

        Raises:
            InvalidValue: it is no number, is not whole where it must be, or is out of bounds.
        """
        if isinstance(value, bool) or not isinstance(value, NUMBERS):
            raise InvalidValue(self.name, value, "must be a number")
        number = float(value)
        if self.is_whole and not number.is_integer():
            raise InvalidValue(self.name, value, "must be a whole number")
        if not self.minimum <= number <= self.maximum:
            raise InvalidValue(self.name, value, f"must be from {self.minimum} to {self.maximum}")
        return int(number) if self.is_whole else number


@dataclass(frozen=True)
class Indicator:
    """An indicator: what goes in and out, what it remembers, and where its definition stands.

    `flat` says what a series without movement gives. A bar with an input that is not finite changes no state and gives
    NaN; so does a bar before the first for which the output is defined.
    """

    name: str
    title: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    memory: Memory
    formula: str
    flat: str
    source: str
    width_of: Callable[[Values], float] = field(repr=False, compare=False)
    bars_of: Callable[[Values], float] = field(repr=False, compare=False)
    keeps_of: Callable[[Values], tuple[float, ...]] = field(repr=False, compare=False, default=lambda _: ())
    """What each exponential average in a chain keeps of its value a bar, first to last."""

    def resolve(self, parameters: Mapping[str, object]) -> dict[str, float]:
        """Return all parameters in their order, defaults filled in.

        Raises:
            InvalidValue: a parameter is unknown, or its value is impossible; names the parameter.
        """
        known = {parameter.name for parameter in self.parameters}
        for name, value in parameters.items():
            if name not in known:
                raise InvalidValue(name, value, f"{self.name} takes {', '.join(sorted(known)) or 'no parameters'}")
        values = {one.name: one.checked(parameters.get(one.name, one.default)) for one in self.parameters}
        for one in self.parameters:
            if one.below is not None and values[one.name] >= values[one.below]:
                raise InvalidValue(one.name, values[one.name], f"must be below {one.below} ({values[one.below]})")
        return values

    def width(self, parameters: Mapping[str, object]) -> int:
        """Return how many floats of state a symbol needs."""
        return int(self.width_of(self.resolve(parameters)))

    def new_state(self, symbols: int, **parameters: object) -> NDArray[np.float64]:
        """Return the state of symbols that have seen nothing: (symbols, width), parameters in the first cells.

        Raises:
            InvalidValue: `symbols` is below 1, or a parameter is unknown or impossible.
        """
        if symbols < 1:
            raise InvalidValue("symbols", symbols, "must be at least 1")
        values = self.resolve(parameters)
        state = np.zeros((symbols, int(self.width_of(values))), np.float64)
        state[:, : len(values)] = list(values.values())
        return state

    def defined_after(self, parameters: Mapping[str, object]) -> int:
        """Return how many bars pass until every output is defined; the last of them is the first defined one."""
        return int(self.bars_of(self.resolve(parameters)))

    def bars_for(self, error: float, parameters: Mapping[str, object]) -> int:
        """Return after how many bars the start weighs at most `error` in the averages, relative to all they hold.

        A window forgets wholly, so there it is `defined_after`. An exponential average keeps a share of its seed; the
        bars are those after which the share is at most `error`, through the whole chain where one average feeds
        another. A session's value needs its session from the first bar, whatever this says.

        Raises:
            InvalidValue: `error` is not between 0 and 1, or a parameter is impossible.
        """
        if not 0.0 < error < 1.0:
            raise InvalidValue("error", error, "must be between 0 and 1")
        values = self.resolve(parameters)
        return int(self.bars_of(values)) + _bars_until(error, self.keeps_of(values))


def _bars_until(error: float, keeps: tuple[float, ...]) -> int:
    """Count the bars until the start weighs at most `error` at the end of a chain of exponential averages."""
    if len(keeps) == 1 and keeps[0] > 0.0:
        return math.ceil(math.log(error) / math.log(keeps[0]))
    weights = [1.0] * len(keeps)
    bars = 0
    while max(weights, default=0.0) > error:
        coming = 0.0
        for link, keep in enumerate(keeps):
            weights[link] = keep * weights[link] + (1.0 - keep) * coming
            coming = weights[link]
        bars += 1
    return bars
