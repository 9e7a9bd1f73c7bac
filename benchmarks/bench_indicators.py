"""Indicators: one closed minute of many symbols, and a million bars of history, beside TA-Lib and talipp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Budget, Measurement, best_of
from niftyflow.kernels.indicators import REGISTRY
from niftyflow.kernels.indicators.averages import ema_advance, sma_advance
from niftyflow.kernels.indicators.momentum import macd_advance, rsi_advance, stochastic_advance
from niftyflow.kernels.indicators.trend import adx_advance, supertrend_advance
from niftyflow.kernels.indicators.volatility import atr_advance, bollinger_advance
from niftyflow.kernels.indicators.volume import vwap_advance

BUDGET = Budget("indicators: one closed minute of 50 symbols", "ms", 0.5, higher_is_better=False)
HISTORY_BUDGET = Budget("indicators: history", "times TA-Lib's speed", 1.0)
MANY_BUDGET = Budget("indicators: one closed minute of 9,000 symbols", "ms", 50.0, higher_is_better=False)
HISTORY = 1_000_000
WINDOW = 300
"""Bars that a peer without state computes anew each minute, so that an EMA 200 means something."""
MINUTES = 200
TURNS = 20
SESSION = 375
Array = NDArray[np.float64]
Step = Callable[[Array, Array, Array], None]

USES: list[tuple[str, Step, dict[str, float]]] = [
    *(("ema", ema_advance, {"period": period}) for period in (9, 21, 50, 100, 200)),
    ("sma", sma_advance, {"period": 20}),
    ("rsi", rsi_advance, {"period": 14}),
    ("macd", macd_advance, {}),
    ("bollinger", bollinger_advance, {"period": 20, "deviations": 2.0}),
    ("atr", atr_advance, {"period": 14}),
    ("vwap", vwap_advance, {}),
    ("supertrend", supertrend_advance, {"period": 10, "multiplier": 3.0}),
    ("stochastic", stochastic_advance, {}),
    ("adx", adx_advance, {"period": 14}),
]
"""The indicators of a scorecard, called by name as the column engine calls them."""


def run() -> list[Measurement]:
    """Measure one closed minute of 50 and of 9,000 symbols, and a million bars of each indicator."""
    return [
        one_minute(50),
        replace(one_minute(9000), budget=MANY_BUDGET),
        talib_minute(50),
        talipp_minute(50),
        *(history_of(name, step, parameters) for name, step, parameters in USES),
    ]


def bars(symbols: int, length: int) -> dict[str, Array]:
    """Return walks on a 0.05 grid as columns (symbols, length)."""
    random = np.random.default_rng(7)
    close = 1000.0 + 0.05 * np.cumsum(random.integers(-10, 11, (symbols, length)), axis=1)
    high = close + 0.05 * random.integers(0, 20, close.shape)
    low = close - 0.05 * random.integers(0, 20, close.shape)
    volume = random.integers(0, 5000, close.shape).astype(float)
    session = np.broadcast_to((np.arange(length) // SESSION).astype(float), close.shape)
    return {"close": close, "high": high, "low": low, "price": close, "volume": volume, "session": session}


def stacked(columns: dict[str, Array], name: str) -> Array:
    """Return the columns an indicator takes, as one array (symbols, bars, inputs)."""
    return np.ascontiguousarray(np.stack([columns[one] for one in REGISTRY[name].inputs], axis=-1))


def one_minute(symbols: int) -> Measurement:
    """Measure all indicators of all symbols for one minute, warm, in milliseconds (mean of many minutes)."""
    columns = bars(symbols, WINDOW + MINUTES)
    calls = []
    minutes = MINUTES if symbols < 1000 else 20
    for name, step, parameters in USES:
        indicator = REGISTRY[name]
        x = stacked(columns, name)
        state = indicator.new_state(symbols, **parameters)
        step(state, np.ascontiguousarray(x[:, :WINDOW]), np.empty((symbols, WINDOW, len(indicator.outputs))))
        each = [np.ascontiguousarray(x[:, WINDOW + minute : WINDOW + minute + 1]) for minute in range(minutes)]
        calls.append((step, state, each, np.empty((symbols, 1, len(indicator.outputs)))))

    def all_minutes() -> None:
        for minute in range(minutes):
            for step, state, each, out in calls:
                step(state, each[minute], out)

    seconds, _ = best_of(all_minutes, repeats=5)
    assert all(np.isfinite(out).all() for *_, out in calls)
    return Measurement(f"niftyflow: one minute, {symbols:,} symbols", seconds / minutes * 1e3, "ms")


def talib_minute(symbols: int) -> Measurement:
    """Measure TA-Lib over the last 300 bars of each symbol, without VWAP and Supertrend, which it has not."""
    label = f"TA-Lib: one minute, {symbols} symbols over {WINDOW} bars"
    try:
        import talib
    except ImportError as error:
        return Measurement(label, None, "ms", is_peer=True, note=f"not installed: {error}")
    columns = bars(symbols, WINDOW)
    rows = [[np.ascontiguousarray(columns[name][s]) for name in ("high", "low", "close")] for s in range(symbols)]

    def minute() -> None:
        for high, low, close in rows:
            for name, _, parameters in USES:
                call = talib_call(talib, name, parameters, high, low, close)
                if call is not None:
                    call()

    seconds, _ = best_of(minute, repeats=5)
    return Measurement(label, seconds * 1e3, "ms", is_peer=True, note="no VWAP, no Supertrend")


def talib_call(
    talib: Any, name: str, parameters: dict[str, float], high: Array, low: Array, close: Array
) -> Callable[[], Any] | None:
    """Return the call that gives TA-Lib's numbers for an indicator, or nothing where it has none."""
    period = parameters.get("period")
    calls: dict[str, Callable[[], Any]] = {
        "sma": lambda: talib.SMA(close, period),
        "ema": lambda: talib.EMA(close, period),
        "rsi": lambda: talib.RSI(close, period),
        "macd": lambda: talib.MACD(close, 12, 26, 9),
        "bollinger": lambda: talib.BBANDS(close, period, 2.0, 2.0),
        "atr": lambda: talib.ATR(high, low, close, period),
        "stochastic": lambda: talib.STOCH(high, low, close, 14, 3, 0, 3, 0),
        "adx": lambda: [one(high, low, close, period) for one in (talib.ADX, talib.PLUS_DI, talib.MINUS_DI)],
    }
    return calls.get(name)


def talipp_minute(symbols: int) -> Measurement:
    """Measure talipp's incremental update of the same indicators, a Python object for each symbol and indicator."""
    label = f"talipp: one minute, {symbols} symbols"
    try:
        from talipp.indicators import ADX, ATR, BB, EMA, MACD, RSI, SMA, VWAP, Stoch, SuperTrend
        from talipp.ohlcv import OHLCV
    except ImportError as error:
        return Measurement(label, None, "ms", is_peer=True, note=f"not installed: {error}")
    columns = bars(symbols, WINDOW)
    of_close, of_bars = [], []
    for s in range(symbols):
        closes = columns["close"][s].tolist()
        each = ("close", "high", "low", "close", "volume")
        candles = [OHLCV(*values) for values in zip(*(columns[name][s].tolist() for name in each), strict=True)]
        emas = [EMA(period, closes) for period in (9, 21, 50, 100, 200)]
        of_close.append([*emas, SMA(20, closes), RSI(14, closes), MACD(12, 26, 9, closes), BB(20, 2, closes)])
        of_bars.append(
            [
                ATR(14, candles), VWAP(candles), SuperTrend(10, 3, candles), Stoch(14, 3, candles),
                ADX(14, 14, candles),
            ]
        )  # fmt: skip
    candle = OHLCV(1000.0, 1001.0, 999.0, 1000.5, 1000.0)

    def minute() -> None:
        for closing, whole in zip(of_close, of_bars, strict=True):
            for one in closing:
                one.add(1000.5)
            for one in whole:
                one.add(candle)

    seconds, _ = best_of(minute, repeats=5)
    return Measurement(label, seconds * 1e3, "ms", is_peer=True)


def history_of(name: str, step: Step, parameters: dict[str, float]) -> Measurement:
    """Measure a million bars of one symbol from a new state against TA-Lib on the same bars; both make their output.

    In turns, so that what else the machine does meets both.
    """
    indicator = REGISTRY[name]
    columns = bars(1, HISTORY)
    x = stacked(columns, name)
    parameters = indicator.resolve(parameters)
    new_state = indicator.new_state(1, **parameters)

    def ours() -> Array:
        out = np.empty((1, HISTORY, len(indicator.outputs)))
        step(new_state.copy(), x, out)
        return out[0]

    seconds, values = best_of(ours)
    label = " ".join(["1,000,000 bars:", name, *(f"{value:g}" for value in parameters.values())])
    told = f"{seconds * 1e3:.2f} ms"
    try:
        import talib
    except ImportError as error:
        return Measurement(label, None, "times TA-Lib's speed", note=f"{told}; TA-Lib not installed: {error}")
    high, low, close = (np.ascontiguousarray(columns[one][0]) for one in ("high", "low", "close"))
    theirs = talib_call(talib, name, parameters, high, low, close)
    if theirs is None:
        return Measurement(label, None, "times TA-Lib's speed", note=f"{told}; TA-Lib has none")
    peer_seconds, peer = best_of(theirs)
    for _ in range(TURNS):
        seconds = min(seconds, best_of(ours, repeats=1)[0])
        peer_seconds = min(peer_seconds, best_of(theirs, repeats=1)[0])
    peer_values = np.stack(peer, axis=1) if isinstance(peer, (tuple, list)) else peer[:, np.newaxis]
    assert np.nanmax(np.abs(values - peer_values)) < 1e-6, f"{name}: TA-Lib computed something else"
    note = f"{told}, TA-Lib {peer_seconds * 1e3:.2f} ms"
    return Measurement(label, peer_seconds / seconds, HISTORY_BUDGET.unit, note=note, budget=HISTORY_BUDGET)
