"""Series for indicator tests: real bars by symbol, random walks with gaps, and plain Python references."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from niftyflow.kernels.indicators import REGISTRY, Indicator, advance
from support.data import shared_data

Array = NDArray[np.float64]
SMALL: dict[str, dict[str, float]] = {
    "sma": {"period": 5},
    "ema": {"period": 4},
    "rsi": {"period": 5},
    "macd": {"fast": 3, "slow": 6, "signal": 4},
    "bollinger": {"period": 6, "deviations": 2.0},
    "atr": {"period": 5},
    "supertrend": {"period": 4, "multiplier": 1.5},
    "stochastic": {"period": 5, "smoothing": 3, "d_period": 2},
    "adx": {"period": 4},
    "vwap": {},
}
"""Short parameters, so that short series pass every turn of the rings."""
REAL = (
    ("bars_1m_equity_2016/bars.parquet", "symbol", "ts"),
    ("bars_1d_nse_unadjusted/daily.parquet", "file_symbol", "date"),
    ("bars_60m_kite_2024_2026/hourly.parquet", "symbol", "datetime"),
)
"""File, column of the symbol, column of the time."""


def real_bars(file: str, symbol: str, time: str) -> Iterator[tuple[str, dict[str, Array]]]:
    """Yield each symbol of a real file with its high, low, close and volume, oldest first."""
    bars = pl.read_parquet(shared_data(file)).sort(symbol, time, maintain_order=True)
    for (name,), rows in bars.group_by(symbol, maintain_order=True):
        columns = {column: rows[column].cast(pl.Float64).to_numpy() for column in ("high", "low", "close", "volume")}
        finite = np.all([np.isfinite(column) for column in columns.values()], axis=0)
        yield str(name), {column: np.ascontiguousarray(values[finite]) for column, values in columns.items()}


def random_inputs(indicator: Indicator, seed: int, symbols: int, bars: int, gaps: float = 0.0) -> Array:
    """Return x (symbols, bars, inputs) of walks on a price grid; a share `gaps` of bars misses an input."""
    random = np.random.default_rng(seed)
    steps = random.integers(-20, 21, (symbols, bars)) * (random.random((symbols, bars)) < 0.8)
    close = 500.0 + 0.05 * np.cumsum(steps, axis=1)
    columns = {
        "close": close,
        "high": close + 0.05 * random.integers(0, 15, close.shape),
        "low": close - 0.05 * random.integers(0, 15, close.shape),
        "price": close + 0.01 * random.integers(-5, 6, close.shape),
        "volume": (random.integers(0, 500, close.shape) * (random.random(close.shape) < 0.7)).astype(float),
        "session": np.broadcast_to(np.arange(bars) // 9, close.shape).astype(float),
    }
    x = np.stack([columns[name] for name in indicator.inputs], axis=2)
    missing = random.random(close.shape) < gaps
    place = random.integers(0, len(indicator.inputs), close.shape)
    what = random.choice([np.nan, np.inf, -np.inf], close.shape)
    rows, times = np.nonzero(missing)
    x[rows, times, place[rows, times]] = what[rows, times]
    return np.ascontiguousarray(x)


def run(name: str, state: Array, x: Array) -> Array:
    """Advance a state over x and return the outputs."""
    out = np.full((*x.shape[:2], len(REGISTRY[name].outputs)), -1.0)
    advance(name, state, np.ascontiguousarray(x), out)
    return out


def same_bits(first: Array, second: Array) -> bool:
    """Return whether two arrays hold the same bits, NaN included."""
    return first.shape == second.shape and np.array_equal(first.view(np.int64), second.view(np.int64))


def plain_supertrend(high: Array, low: Array, close: Array, period: int, multiplier: float) -> Array:
    """Compute Supertrend bar by bar from its published rules, in lists and floats."""
    out: list[tuple[float, float]] = []
    ranges: list[float] = []
    atr = upper = lower = direction = 0.0
    for i in range(len(close)):
        if i > 0:
            ranges.append(max(high[i] - low[i], abs(high[i] - close[i - 1]), abs(low[i] - close[i - 1])))
        if len(ranges) < period:
            out.append((np.nan, np.nan))
            continue
        is_first = len(ranges) == period
        atr = sum(ranges) / period if is_first else (atr * (period - 1) + ranges[-1]) / period
        basic_upper = (high[i] + low[i]) / 2 + multiplier * atr
        basic_lower = (high[i] + low[i]) / 2 - multiplier * atr
        if is_first:
            upper, lower = basic_upper, basic_lower
            direction = 1 if close[i] > upper else -1
        else:
            upper = basic_upper if basic_upper < upper or close[i - 1] > upper else upper
            lower = basic_lower if basic_lower > lower or close[i - 1] < lower else lower
            turns = close[i] < lower if direction == 1 else close[i] > upper
            direction = -direction if turns else direction
        out.append((lower if direction == 1 else upper, direction))
    return np.array(out)


def plain_vwap(price: Array, volume: Array, session: Array) -> Array:
    """Compute the session's vwap anew from all its bars at each bar."""
    out = []
    for i in range(len(price)):
        start = i
        while start > 0 and session[start - 1] == session[i]:
            start -= 1
        traded = sum(volume[start : i + 1])
        turnover = sum(p * v for p, v in zip(price[start : i + 1], volume[start : i + 1], strict=True))
        out.append(turnover / traded if traded else np.nan)
    return np.array(out)
