"""One closed minute of fifty symbols, indicators and scores, beside TA-Lib over 300 bars and talipp."""

from __future__ import annotations

import importlib
import time
from dataclasses import replace

import numpy as np

from benchmarks.measure import Budget, Measurement, quantile
from niftyflow.analysis.engine import ColumnEngine
from niftyflow.model import CandleBatch, Interval, Name, NameTable

BUDGET = Budget("analysis: one closed minute of 50 symbols, with scores", "ms", 0.5, higher_is_better=False)
MANY_BUDGET = Budget("analysis: one closed minute of 9,000 symbols", "ms", 50.0, higher_is_better=False)
FEW, MANY = 50, 9000
WINDOW = 300
OPENING_MS = 1_706_154_300_000
MINUTE_MS = 60_000


def run() -> list[Measurement]:
    """Measure the engine minute by minute, warm; then what others need for the same indicators."""
    few, many = minutes(FEW, WINDOW + 200), minutes(MANY, 60)
    return [
        engine("niftyflow: 50 symbols", few, WINDOW),
        replace(engine("niftyflow: 9,000 symbols", many, 30), budget=MANY_BUDGET),
        talib(few),
        talipp(few),
    ]


def minutes(symbols: int, count: int, seed: int = 7) -> list[CandleBatch]:
    """Return one batch a minute of random walks."""
    random = np.random.default_rng(seed)
    close = 1000 + np.cumsum(random.integers(-4, 5, (count, symbols)), axis=0) / 20
    spread = random.integers(0, 5, (2, count, symbols)) / 20
    volume = random.integers(1, 1000, (count, symbols))
    names = NameTable(Name(f"NSE:S{number:05}") for number in range(symbols))
    zeros = np.zeros(symbols, np.int64)
    return [
        CandleBatch(
            names, Interval.M1, name=np.arange(symbols), time=np.full(symbols, OPENING_MS + at * MINUTE_MS),
            open=close[at], high=close[at] + spread[0, at], low=close[at] - spread[1, at], close=close[at],
            vwap=close[at], volume=volume[at], trades=zeros, open_interest=zeros, day_volume=zeros, traded_at=zeros,
            provenance=zeros, revision=zeros, incomplete=zeros > 0, through_partition=zeros - 1, through_offset=zeros,
        )
        for at in range(count)
    ]  # fmt: skip


def engine(label: str, batches: list[CandleBatch], warm: int) -> Measurement:
    """Measure each minute after the first `warm`; the value is the median."""
    subject = ColumnEngine()
    for name in batches[0].names.names:
        subject.add(name.key)
    taken = []
    for batch in batches:
        began = time.perf_counter()
        cards = subject.advance(batch)
        taken.append((time.perf_counter() - began) * 1000)
        assert cards is not None
        assert len(cards) == len(batch)
    taken = taken[warm:]
    worst = {"p99_ms": round(quantile(taken, 0.99), 3), "minutes": len(taken)}
    return Measurement(label, quantile(taken, 0.5), "ms", details=worst)


def talib(batches: list[CandleBatch]) -> Measurement:
    """Measure TA-Lib over the last 300 bars of each symbol: what a minute costs that keeps no state."""
    label = f"TA-Lib over {WINDOW} bars, indicators alone"
    try:
        library = importlib.import_module("talib")
    except ImportError:
        return Measurement(label, None, "ms", is_peer=True, note="TA-Lib is not installed")
    last = batches[-WINDOW:]
    close, high, low, volume = (
        np.ascontiguousarray(np.array([getattr(batch, field) for batch in last], np.float64).T)
        for field in ("close", "high", "low", "volume")
    )

    def minute() -> None:
        for row in range(len(close)):
            for period in (9, 21, 50, 100, 200):
                library.EMA(close[row], period)
            library.SMA(close[row], 20)
            library.RSI(close[row], 14)
            library.MACD(close[row], 12, 26, 9)
            library.BBANDS(close[row], 20, 2.0, 2.0)
            library.ATR(high[row], low[row], close[row], 14)
            library.ATR(high[row], low[row], close[row], 10)  # Supertrend's, without its bands
            library.STOCH(high[row], low[row], close[row], 14, 3, 0, 3, 0)
            library.ADX(high[row], low[row], close[row], 14)
            library.PLUS_DI(high[row], low[row], close[row], 14)
            library.MINUS_DI(high[row], low[row], close[row], 14)
            library.SMA(volume[row], 20)

    return Measurement(label, 1000 * shortest(minute, 10), "ms", is_peer=True)


def talipp(batches: list[CandleBatch]) -> Measurement:
    """Measure talipp, which keeps state and steps in Python."""
    label = "talipp, indicators alone"
    try:
        library = importlib.import_module("talipp.indicators")
        ohlcv = importlib.import_module("talipp.ohlcv").OHLCV
    except ImportError:
        return Measurement(label, None, "ms", is_peer=True, note="talipp is not installed")
    of_close = [
        [
            *(library.EMA(period) for period in (9, 21, 50, 100, 200)), library.SMA(20), library.RSI(14),
            library.MACD(12, 26, 9), library.BB(20, 2.0),
        ]
        for _ in range(FEW)
    ]  # fmt: skip
    of_bar = [
        [library.ATR(14), library.SuperTrend(10, 3), library.Stoch(14, 3), library.ADX(14, 14)] for _ in range(FEW)
    ]
    taken = []
    for batch in batches[: WINDOW + 20]:
        columns = [getattr(batch, field).tolist() for field in ("open", "high", "low", "close", "volume")]
        began = time.perf_counter()
        for row, values in enumerate(zip(*columns, strict=True)):
            for indicator in of_close[row]:
                indicator.add(values[3])
            bar = ohlcv(*values)
            for indicator in of_bar[row]:
                indicator.add(bar)
        taken.append((time.perf_counter() - began) * 1000)
    return Measurement(label, quantile(taken[WINDOW:], 0.5), "ms", is_peer=True)


def shortest(work, repeats: int) -> float:
    """Return the shortest time of some runs, in seconds."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)
