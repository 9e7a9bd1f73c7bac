"""What a model is asked, and what it answers, as columns: one row an instrument, all of one moment.

A feature that is not known is NaN. An answer that could not be given is NaN too, and its outcome says why.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from niftyflow.model.enums import Interval


class Features(NamedTuple):
    """The question about `instruments` (keys) at `time` (ms UTC, the candle's end); arrays are float64 (rows,)."""

    interval: Interval
    time: int
    instruments: list[str]
    rsi: NDArray[np.float64]
    macd: NDArray[np.float64]
    ema_50: NDArray[np.float64]
    ema_200: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]

    def take(self, rows: NDArray[np.int64]) -> Features:
        """Return the question about some of the rows."""
        columns = (getattr(self, field)[rows] for field in self._fields[3:])
        return Features(self.interval, self.time, [self.instruments[row] for row in rows.tolist()], *columns)


class Answers(NamedTuple):
    """The answer: `prediction` 0 bearish to 1 bullish, `confidence` 0 to 1, float64 (rows,).

    `outcome` is "answered", or why the heuristic stood in for the model.
    """

    prediction: NDArray[np.float64]
    confidence: NDArray[np.float64]
    model_version: str
    outcome: str = "answered"
