"""The indicators there are: parameters, warm-up, formula and source of each, and calls by name.

The stages that know their indicators call the functions by name; `advance` and `history` are for those that do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from niftyflow.kernels.indicators.averages import EMA_WIDTH, SMA_RING, ema_advance, sma_advance
from niftyflow.kernels.indicators.indicator import Indicator, Parameter, Values
from niftyflow.kernels.indicators.momentum import (
    MACD_WIDTH,
    RSI_WIDTH,
    STOCHASTIC_RINGS,
    macd_advance,
    rsi_advance,
    stochastic_advance,
)
from niftyflow.kernels.indicators.trend import ADX_WIDTH, SUPERTREND_WIDTH, adx_advance, supertrend_advance
from niftyflow.kernels.indicators.volatility import ATR_WIDTH, BOLLINGER_RING, atr_advance, bollinger_advance
from niftyflow.kernels.indicators.volume import VWAP_WIDTH, vwap_advance
from niftyflow.model import InvalidValue

LONGEST = 10_000
"""The longest period, in bars: over a month of minutes, and 80 kB of window a symbol."""
WILDER = "J. Welles Wilder, New Concepts in Technical Trading Systems (1978)"


def _period(
    default: int, meaning: str, *, name: str = "period", minimum: int = 1, below: str | None = None
) -> Parameter:
    return Parameter(name, meaning, default, minimum, LONGEST, below=below)


def _multiplier(name: str, meaning: str, default: float) -> Parameter:
    return Parameter(name, meaning, default, 0.0, 100.0, is_whole=False)


def _ema_keep(period: float) -> float:
    return 1.0 - 2.0 / (period + 1.0)


def _wilder_keep(values: Values) -> float:
    return 1.0 - 1.0 / values["period"]


def _stochastic_bars(values: Values) -> float:
    return values["period"] + values["smoothing"] + values["d_period"] - 2


def _stochastic_width(values: Values) -> float:
    return STOCHASTIC_RINGS + 2 * values["period"] + values["smoothing"] + values["d_period"]


SMA = Indicator(
    name="sma",
    title="Simple moving average",
    inputs=("close",),
    outputs=("value",),
    parameters=(_period(20, "bars averaged"),),
    memory="window",
    formula="mean of the last `period` closes",
    flat="the close",
    source="TA-Lib, SMA",
    width_of=lambda values: SMA_RING + values["period"],
    bars_of=lambda values: values["period"],
)
EMA = Indicator(
    name="ema",
    title="Exponential moving average",
    inputs=("close",),
    outputs=("value",),
    parameters=(_period(21, "bars; the newest weighs 2 / (period + 1)"),),
    memory="decay",
    formula="value + (close - value) * 2 / (period + 1); starts as the mean of the first `period` closes",
    flat="the close",
    source="TA-Lib, EMA",
    width_of=lambda _: EMA_WIDTH,
    bars_of=lambda values: values["period"],
    keeps_of=lambda values: (_ema_keep(values["period"]),),
)
RSI = Indicator(
    name="rsi",
    title="Relative strength index",
    inputs=("close",),
    outputs=("value",),
    parameters=(_period(14, "bars; the newest change weighs 1 / period", minimum=2),),
    memory="decay",
    formula="100 * gain / (gain + loss), Wilder averages of rises and falls of the close; both start as means",
    flat="0 while nothing has ever moved; after a move its last value",
    source=f"{WILDER}; TA-Lib, RSI",
    width_of=lambda _: RSI_WIDTH,
    bars_of=lambda values: values["period"] + 1,
    keeps_of=lambda values: (_wilder_keep(values),),
)
MACD = Indicator(
    name="macd",
    title="Moving average convergence divergence",
    inputs=("close",),
    outputs=("value", "signal", "histogram"),
    parameters=(
        _period(12, "bars of the fast average", name="fast", below="slow"),
        _period(26, "bars of the slow average", name="slow", minimum=2),
        _period(9, "bars of the signal's average", name="signal"),
    ),
    memory="decay",
    formula="value = EMA(fast) - EMA(slow), both started at bar `slow`; signal = EMA(signal) of value; "
    "histogram = value - signal",
    flat="0, 0, 0",
    source="Gerald Appel, Technical Analysis: Power Tools for Active Investors (2005); TA-Lib, MACD",
    width_of=lambda _: MACD_WIDTH,
    bars_of=lambda values: values["slow"] + values["signal"] - 1,
    keeps_of=lambda values: (_ema_keep(values["slow"]), _ema_keep(values["signal"])),
)
BOLLINGER = Indicator(
    name="bollinger",
    title="Bollinger bands",
    inputs=("close",),
    outputs=("upper", "middle", "lower"),
    parameters=(
        _period(20, "bars averaged", minimum=2),
        _multiplier("deviations", "population standard deviations from the middle to each band", 2.0),
    ),
    memory="window",
    formula="middle = mean of the last `period` closes; bands = middle +/- deviations * population deviation",
    flat="all three are the close",
    source="John Bollinger, Bollinger on Bollinger Bands (2001); TA-Lib, BBANDS",
    width_of=lambda values: BOLLINGER_RING + values["period"],
    bars_of=lambda values: values["period"],
)
ATR = Indicator(
    name="atr",
    title="Average true range",
    inputs=("high", "low", "close"),
    outputs=("value",),
    parameters=(_period(14, "bars; the newest range weighs 1 / period"),),
    memory="decay",
    formula="Wilder average of max(high, previous close) - min(low, previous close); starts as the mean of `period`",
    flat="0",
    source=f"{WILDER}; TA-Lib, ATR",
    width_of=lambda _: ATR_WIDTH,
    bars_of=lambda values: values["period"] + 1,
    keeps_of=lambda values: (_wilder_keep(values),),
)
SUPERTREND = Indicator(
    name="supertrend",
    title="Supertrend",
    inputs=("high", "low", "close"),
    outputs=("value", "direction"),
    parameters=(
        _period(10, "bars of the average true range"),
        _multiplier("multiplier", "average true ranges from the bar's middle to each band", 3.0),
    ),
    memory="decay",
    formula="bands = (high + low) / 2 +/- multiplier * ATR; the upper one only falls while the close before is not "
    "above it, the lower one only rises while it is not below; a close beyond the band turns `direction` (1 up, "
    "-1 down); value = the lower band when up, the upper when down. It starts down, and forgets that at its first turn",
    flat="the close, -1",
    source="Olivier Seban; TradingView, ta.supertrend (there -1 is up), with TA-Lib's ATR",
    width_of=lambda _: SUPERTREND_WIDTH,
    bars_of=lambda values: values["period"] + 1,
    keeps_of=lambda values: (_wilder_keep(values),),
)
STOCHASTIC = Indicator(
    name="stochastic",
    title="Slow stochastic",
    inputs=("high", "low", "close"),
    outputs=("k", "d"),
    parameters=(
        _period(14, "bars of the range"),
        _period(3, "bars that smooth raw %K", name="smoothing"),
        _period(3, "bars that smooth %K to %D", name="d_period"),
    ),
    memory="window",
    formula="raw = 100 * (close - lowest low) / (highest high - lowest low) of `period` bars; k = SMA(smoothing) of "
    "raw; d = SMA(d_period) of k",
    flat="0, 0: raw is 0 where the range is",
    source="George Lane; TA-Lib, STOCH",
    width_of=_stochastic_width,
    bars_of=_stochastic_bars,
)
ADX = Indicator(
    name="adx",
    title="Average directional index",
    inputs=("high", "low", "close"),
    outputs=("adx", "plus_di", "minus_di"),
    parameters=(_period(14, "bars; the newest weighs 1 / period", minimum=2),),
    memory="decay",
    formula="di = 100 * movement / true range, Wilder sums of the larger of rise of the high and fall of the low; "
    "adx = Wilder average of 100 * |plus_di - minus_di| / (plus_di + minus_di). Both di start at bar period + 1",
    flat="0, 0, 0",
    source=f"{WILDER}; TA-Lib, ADX, PLUS_DI, MINUS_DI",
    width_of=lambda _: ADX_WIDTH,
    bars_of=lambda values: 2 * values["period"],
    keeps_of=lambda values: (_wilder_keep(values), _wilder_keep(values)),
)
VWAP = Indicator(
    name="vwap",
    title="Volume-weighted average price of the session",
    inputs=("price", "volume", "session"),
    outputs=("value",),
    parameters=(),
    memory="session",
    formula="sum of price * volume / sum of volume since the session's first bar; `price` is the bar's own vwap, "
    "`session` a number that changes with the session",
    flat="the price; NaN while the session has no volume",
    source="Berkowitz, Logue and Noser, The Total Cost of Transactions on the NYSE, Journal of Finance 43 (1988)",
    width_of=lambda _: VWAP_WIDTH,
    bars_of=lambda _: 1,
)

REGISTRY: Mapping[str, Indicator] = MappingProxyType(
    {one.name: one for one in (SMA, EMA, RSI, MACD, BOLLINGER, ATR, SUPERTREND, STOCHASTIC, ADX, VWAP)}
)


def advance(name: str, state: NDArray[np.float64], x: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Advance an indicator over x (symbols, time, inputs): changes `state` and fills `out` (symbols, time, outputs).

    Arrays are C-contiguous and writable, `state` as `Indicator.new_state` made it.

    Raises:
        InvalidValue: there is no such indicator.
        ValueError: the shapes do not go together.
    """
    # Named one by one: a compiled function passed as a value misses the disk cache.
    match name:
        case "sma":
            sma_advance(state, x, out)
        case "ema":
            ema_advance(state, x, out)
        case "rsi":
            rsi_advance(state, x, out)
        case "macd":
            macd_advance(state, x, out)
        case "bollinger":
            bollinger_advance(state, x, out)
        case "atr":
            atr_advance(state, x, out)
        case "supertrend":
            supertrend_advance(state, x, out)
        case "stochastic":
            stochastic_advance(state, x, out)
        case "adx":
            adx_advance(state, x, out)
        case "vwap":
            vwap_advance(state, x, out)
        case _:
            raise InvalidValue("indicator", name, f"known are {', '.join(REGISTRY)}")


def history(
    name: str, columns: Mapping[str, ArrayLike] | Sequence[ArrayLike], **parameters: Any
) -> NDArray[np.float64]:
    """Return the outputs (time, outputs) of one symbol's columns, oldest bar first, from a state that has seen nothing.

    Columns come by input name (more may be there), or in the order of the inputs.

    Raises:
        InvalidValue: there is no such indicator, a column is missing or of another length, or a parameter is
            impossible.
    """
    if name not in REGISTRY:
        raise InvalidValue("indicator", name, f"known are {', '.join(REGISTRY)}")
    indicator = REGISTRY[name]
    x = _stacked(indicator, columns)
    out = np.empty((x.shape[1], len(indicator.outputs)), np.float64)
    advance(name, indicator.new_state(1, **parameters), x, out[np.newaxis])
    return out


def _stacked(indicator: Indicator, columns: Mapping[str, ArrayLike] | Sequence[ArrayLike]) -> NDArray[np.float64]:
    if isinstance(columns, Mapping):
        missing = [name for name in indicator.inputs if name not in columns]
        if missing:
            raise InvalidValue("columns", sorted(columns), f"{indicator.name} needs {', '.join(missing)} as well")
        columns = [columns[name] for name in indicator.inputs]
    if len(columns) != len(indicator.inputs):
        raise InvalidValue("columns", len(columns), f"{indicator.name} takes {', '.join(indicator.inputs)}")
    arrays = [np.asarray(column, np.float64) for column in columns]
    if any(array.ndim != 1 or len(array) != len(arrays[0]) for array in arrays):
        raise InvalidValue("columns", [array.shape for array in arrays], "must be one-dimensional, of one length")
    x = np.empty((1, len(arrays[0]), len(arrays)), np.float64)
    for place, array in enumerate(arrays):
        x[0, :, place] = array
    return x
