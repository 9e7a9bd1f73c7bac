"""The indicators of a scorecard as a table: which kernel, on what, with which parameters, and where each number goes.

The version of a stored state is derived from this table, so that a changed set never goes on from another's numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from niftyflow.kernels import scores
from niftyflow.kernels.indicators.averages import ema_advance, sma_advance
from niftyflow.kernels.indicators.momentum import macd_advance, rsi_advance, stochastic_advance
from niftyflow.kernels.indicators.registry import REGISTRY
from niftyflow.kernels.indicators.trend import adx_advance, supertrend_advance
from niftyflow.kernels.indicators.volatility import atr_advance, bollinger_advance
from niftyflow.kernels.indicators.volume import vwap_advance
from niftyflow.model import identity
from niftyflow.model.scorecards import EMA_PERIODS, PARTS

Floats = NDArray[np.float64]

FORM: Final = 1
"""Raised when a formula changes and no parameter does."""


class Use(NamedTuple):
    """One use of an indicator: `name` is ours, `gives` the scorecard's columns in the order of the kernel's output."""

    name: str
    kernel: Callable[[Floats, Floats, Floats], None]
    indicator: str
    takes: str
    parameters: dict[str, float]
    gives: tuple[str, ...]


def _uses() -> tuple[Use, ...]:
    emas = [
        Use(f"ema_{period}", ema_advance, "ema", "close", {"period": period}, (f"ema_{period}",))
        for period in EMA_PERIODS
    ]
    return (
        *emas,
        Use("sma", sma_advance, "sma", "close", {"period": 20}, ("sma_20",)),
        Use("rsi", rsi_advance, "rsi", "close", {"period": 14}, ("rsi",)),
        Use("macd", macd_advance, "macd", "close", {"fast": 12, "slow": 26, "signal": 9},
            ("macd", "macd_signal", "macd_histogram")),
        Use("bollinger", bollinger_advance, "bollinger", "close", {"period": 20, "deviations": 2},
            ("bollinger_upper", "bollinger_middle", "bollinger_lower")),
        Use("atr", atr_advance, "atr", "bars", {"period": 14}, ("atr",)),
        Use("supertrend", supertrend_advance, "supertrend", "bars", {"period": 10, "multiplier": 3},
            ("supertrend", "supertrend_direction")),
        Use("stochastic", stochastic_advance, "stochastic", "bars", {"period": 14, "smoothing": 3, "d_period": 3},
            ("stochastic_k", "stochastic_d")),
        Use("adx", adx_advance, "adx", "bars", {"period": 14}, ("adx", "plus_di", "minus_di")),
        Use("vwap", vwap_advance, "vwap", "turnover", {}, ("vwap",)),
        Use("usual_volume", sma_advance, "sma", "volume", {"period": 20}, ()),
        Use("usual_bandwidth", ema_advance, "ema", "bandwidth", {"period": 100}, ()),
    )  # fmt: skip


USES: Final = _uses()
"""In the order in which they are advanced: the last one takes what Bollinger gave."""

OUTPUTS: Final = {use.name: len(REGISTRY[use.indicator].outputs) for use in USES}
"""Numbers each use gives."""
TAKES: Final = {"close": 1, "bars": 3, "turnover": 3, "volume": 1, "session": 6}
"""Inputs and their columns; `bars` is (high, low, close), `turnover` (vwap, volume, session number)."""

SESSION, SCORES = "session", "scores"


def fresh() -> dict[str, Floats]:
    """Return the state of one symbol before its first candle: a row for each use, in the order of a stored state."""
    rows: dict[str, Floats] = {use.name: REGISTRY[use.indicator].new_state(1, **use.parameters) for use in USES}
    rows[SESSION] = np.zeros((1, scores.SESSION_WIDTH))
    rows[SCORES] = np.zeros((1, scores.SCORES_WIDTH))
    return rows


def _version() -> str:
    parts: list[Any] = [
        (use.name, sorted(use.parameters.items()), use.takes, REGISTRY[use.indicator].formula) for use in USES
    ]
    widths = [(name, row.shape[1]) for name, row in fresh().items()]
    return f"{FORM}-{identity(parts, widths, PARTS)}"


VERSION: Final = _version()
"""Name of the form of a stored state."""
