"""Indicators as a strategy uses them: one instrument, one bar at a time, with a memory that can be saved.

Thin objects over the kernels, which alone hold the formulas: folding bar by bar gives the very bits of a whole block.
A value is None until enough bars were seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from niftyflow.kernels.indicators.registry import REGISTRY, advance
from niftyflow.model import InvalidValue

START_WEIGHS = 1e-6
"""An average is warm when where it began weighs at most this share of it."""

Remembered = list[float | None]
"""The value, null until there is one, then the state."""


class _Fold:
    """One row of a kernel's state, fed one bar at a time."""

    name: str

    def __init__(self, period: int) -> None:
        indicator = REGISTRY[self.name]
        self.period = period
        self.value: float | None = None
        self.warm_up = indicator.bars_for(START_WEIGHS, {"period": period})
        self._state = indicator.new_state(1, period=period)
        self._bar = np.empty((1, 1, len(indicator.inputs)))
        self._out = np.empty((1, 1, 1))

    def save(self) -> Remembered:
        """Return the memory; JSON gives every bit of it back."""
        return [self.value, *self._state[0].tolist()]

    def load(self, saved: Sequence[float | None]) -> None:
        """Take a memory back.

        Raises:
            InvalidValue: it is that of another indicator, or of another period.
        """
        value, *row = saved or [None]
        if len(row) != self._state.shape[1] or None in row or row[0] != self.period:
            raise InvalidValue(self.name, saved, f"that is no memory of {self.name} over {self.period} bars")
        self.value = value
        self._state[0] = row

    def _fold(self, *bar: float) -> float | None:
        self._bar[0, 0] = bar
        advance(self.name, self._state, self._bar, self._out)
        value = float(self._out[0, 0, 0])
        self.value = None if math.isnan(value) else value
        return self.value


class _OfClose(_Fold):
    """An indicator of the close alone."""

    def advance(self, close: float) -> float | None:
        """Take in a bar's close and return the value after it."""
        return self._fold(close)


class Sma(_OfClose):
    """Mean of the last `period` closes, in rupees."""

    name = "sma"


class Ema(_OfClose):
    """Exponential average of the close, in rupees."""

    name = "ema"


class Rsi(_OfClose):
    """Wilder's relative strength of the close, 0 to 100."""

    name = "rsi"


class Atr(_Fold):
    """Wilder's average true range, in rupees."""

    name = "atr"

    def advance(self, high: float, low: float, close: float) -> float | None:
        """Take in a bar and return the value after it."""
        return self._fold(high, low, close)
