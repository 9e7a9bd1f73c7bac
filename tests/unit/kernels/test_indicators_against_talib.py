"""Indicators against TA-Lib on real bars: equal to 1e-9 of the price from the first defined bar on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import talib

from niftyflow.kernels.indicators import REGISTRY, history
from support.indicator_series import REAL, Array, real_bars

Bars = dict[str, Array]
TALIB: list[tuple[str, dict[str, float], Callable[[Bars], tuple[Array, ...]]]] = [
    ("sma", {"period": 20}, lambda b: (talib.SMA(b["close"], 20),)),
    ("sma", {"period": 2}, lambda b: (talib.SMA(b["close"], 2),)),
    *(
        ("ema", {"period": n}, lambda b, n=n: (talib.EMA(b["close"], n),))
        for n in (9, 21, 50, 100, 200)
    ),
    ("rsi", {}, lambda b: (talib.RSI(b["close"], 14),)),
    ("rsi", {"period": 2}, lambda b: (talib.RSI(b["close"], 2),)),
    ("macd", {}, lambda b: talib.MACD(b["close"], 12, 26, 9)),
    ("macd", {"fast": 5, "slow": 34, "signal": 5}, lambda b: talib.MACD(b["close"], 5, 34, 5)),
    ("bollinger", {}, lambda b: talib.BBANDS(b["close"], 20, 2.0, 2.0)),
    ("bollinger", {"period": 50, "deviations": 1.5}, lambda b: talib.BBANDS(b["close"], 50, 1.5, 1.5)),
    ("atr", {}, lambda b: (talib.ATR(b["high"], b["low"], b["close"], 14),)),
    ("atr", {"period": 1}, lambda b: (talib.ATR(b["high"], b["low"], b["close"], 1),)),
    ("stochastic", {}, lambda b: talib.STOCH(b["high"], b["low"], b["close"], 14, 3, 0, 3, 0)),
    (
        "stochastic",
        {"period": 5, "smoothing": 1, "d_period": 4},
        lambda b: talib.STOCH(b["high"], b["low"], b["close"], 5, 1, 0, 4, 0),
    ),
    *(
        (
            "adx",
            {"period": n},
            lambda b, n=n: tuple(
                one(b["high"], b["low"], b["close"], n) for one in (talib.ADX, talib.PLUS_DI, talib.MINUS_DI)
            ),
        )
        for n in (14, 5)
    ),
]  # fmt: skip
NAMES = [
    f"{name}-{'-'.join(str(value) for value in parameters.values()) or 'default'}" for name, parameters, _ in TALIB
]


@pytest.mark.data
@pytest.mark.parametrize("file", REAL, ids=lambda file: file[0].split("/")[0])
def test_every_indicator_equals_talib_on_every_real_series(file):
    """Outputs differ by at most 1e-9 of the price, and are NaN at the same bars."""
    symbols = 0
    for symbol, bars in real_bars(*file):
        symbols += 1
        for (name, parameters, reference), label in zip(TALIB, NAMES, strict=True):
            expected = np.stack(reference(bars), axis=1)
            actual = history(name, bars, **parameters)
            assert np.array_equal(np.isnan(actual), np.isnan(expected)), (label, symbol)
            # Oscillators run to 100 whatever the price is
            scale = 100.0 if name in {"rsi", "stochastic", "adx"} else bars["close"].min()
            worst = np.nanmax(np.abs(actual - expected), initial=0.0)
            assert worst <= 1e-9 * max(scale, 1.0), (label, symbol, worst)
    assert symbols >= 23


@pytest.mark.parametrize(("name", "parameters", "reference"), TALIB, ids=NAMES)
def test_a_flat_series_gives_what_talib_gives(name, parameters, reference):
    """A price that never moves is defined, and defined as TA-Lib does."""
    price = np.full(300, 1234.55)
    bars = {"high": price, "low": price, "close": price}
    np.testing.assert_allclose(history(name, bars, **parameters), np.stack(reference(bars), axis=1), atol=1e-9)


@pytest.mark.parametrize(("name", "parameters", "reference"), TALIB, ids=NAMES)
def test_a_series_that_goes_flat_after_moving_equals_talib(name, parameters, reference):
    """A halted symbol keeps the values TA-Lib keeps, and a window that is flat loses no digits."""
    close = np.concatenate([1000.0 + np.arange(60) % 7 * 1.5, np.full(200, 1100.0), 1100.0 + np.arange(40) % 3])
    bars = {"high": close + 0.5, "low": close - 0.5, "close": close}
    actual, expected = history(name, bars, **parameters), np.stack(reference(bars), axis=1)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-7 if name == "bollinger" else 1e-9)


@pytest.mark.parametrize(("name", "parameters", "reference"), TALIB, ids=NAMES)
def test_missing_bars_are_as_if_they_were_not_there(name, parameters, reference):
    """With NaN bars between, the others give what TA-Lib gives without them."""
    random = np.random.default_rng(5)
    close = 800.0 + np.cumsum(random.normal(0, 1, 400))
    bars = {"high": close + random.random(400), "low": close - random.random(400), "close": close}
    places = np.sort(random.choice(500, 400, replace=False))
    gappy = {column: np.full(500, np.nan) for column in bars}
    for column, values in bars.items():
        gappy[column][places] = values
    actual = history(name, gappy, **parameters)
    np.testing.assert_allclose(actual[places], np.stack(reference(bars), axis=1), rtol=0, atol=1e-9)
    assert np.isnan(np.delete(actual, places, axis=0)).all()


def test_talib_has_all_but_two_of_the_indicators():
    """Supertrend and VWAP are held against plain Python; every other name is held against TA-Lib above."""
    assert {name for name, _, _ in TALIB} == set(REGISTRY) - {"supertrend", "vwap"}
