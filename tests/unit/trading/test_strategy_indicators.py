"""Indicators of strategies: the kernels' very bits, one bar at a time, through a save and a load at any bar."""

from __future__ import annotations

import json

import numpy as np
import pytest

from niftyflow.kernels.indicators.registry import history
from niftyflow.model import InvalidValue
from niftyflow.trading.indicators import Atr, Ema, Rsi, Sma

CLOSES = (1000 + np.cumsum(np.sin(np.arange(200) * 1.7) * 3)).round(2)
COLUMNS = {"high": CLOSES + 1.35, "low": CLOSES - 0.95, "close": CLOSES}
OF_CLOSE = [Sma(20), Ema(21), Rsi(14)]


def spelled(values: list[float | None]) -> list[float]:
    """Return values with NaN for none."""
    return [np.nan if value is None else value for value in values]


@pytest.mark.parametrize("indicator", OF_CLOSE, ids=lambda one: one.name)
def test_bar_by_bar_gives_the_bits_of_the_block(indicator: Sma | Ema | Rsi) -> None:
    """And no value before the kernel has one."""
    fresh = type(indicator)(indicator.period)
    values = spelled([fresh.advance(float(close)) for close in CLOSES])
    np.testing.assert_array_equal(values, history(indicator.name, COLUMNS, period=indicator.period)[:, 0])
    assert np.isnan(values[0])
    assert np.isfinite(values[-1])


def test_the_range_is_folded_from_high_low_and_close() -> None:
    """The average true range, to the bit."""
    atr = Atr(14)
    rows = zip(*(column.tolist() for column in COLUMNS.values()), strict=True)
    np.testing.assert_array_equal(
        spelled([atr.advance(*row) for row in rows]), history("atr", COLUMNS, period=14)[:, 0]
    )


@pytest.mark.parametrize("indicator", OF_CLOSE, ids=lambda one: one.name)
def test_a_memory_through_json_goes_on_to_the_bit(indicator: Sma | Ema | Rsi) -> None:
    """Saved and loaded after every bar."""
    plain, saved = type(indicator)(indicator.period), type(indicator)(indicator.period)
    for close in CLOSES.tolist():
        memory = json.dumps(saved.save(), allow_nan=False)
        saved = type(indicator)(indicator.period)
        saved.load(json.loads(memory))
        assert saved.advance(close) == plain.advance(close)
    assert saved.save() == plain.save()


@pytest.mark.parametrize("memory", [[], [None], Sma(9).save(), Ema(8).save(), [None, 9.0, None, 0.0]])
def test_a_memory_that_is_not_its_own_is_refused(memory: list[float | None]) -> None:
    """Another period or another form is no memory of it."""
    with pytest.raises(InvalidValue, match="no memory of ema over 9 bars"):
        Ema(9).load(memory)


def test_warm_is_where_the_beginning_no_longer_matters() -> None:
    """Two averages that began far apart agree to a millionth of that."""
    low, high = Ema(9), Ema(9)
    for _ in range(9):
        low.advance(100.0)
        high.advance(200.0)
    for _ in range(low.warm_up - 9):
        apart = high.advance(150.0) - low.advance(150.0)
    assert 0 < apart <= 100e-6
