"""Supertrend and VWAP against plain Python, and what every indicator promises at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from niftyflow.kernels.indicators import REGISTRY, advance, history
from support.indicator_series import REAL, plain_supertrend, plain_vwap, random_inputs, real_bars, run


@pytest.mark.data
def test_supertrend_of_real_minutes_equals_the_plain_rules():
    """Values agree to 1e-9 of the price and the direction turns at the same bars."""
    turns = 0
    for place, (symbol, bars) in enumerate(real_bars(*REAL[0])):
        if place % 10:
            continue
        short = {column: values[:2000] for column, values in bars.items()}
        expected = plain_supertrend(short["high"], short["low"], short["close"], 10, 3.0)
        actual = history("supertrend", short)
        np.testing.assert_allclose(actual, expected, rtol=1e-9, err_msg=symbol)
        turns += np.count_nonzero(np.diff(actual[11:, 1]))
    assert turns > 100


@pytest.mark.parametrize("seed", range(5))
def test_supertrend_of_random_walks_equals_the_plain_rules(seed):
    """Other periods and multipliers follow the same rules."""
    x = random_inputs(REGISTRY["supertrend"], seed, 1, 600)[0]
    expected = plain_supertrend(x[:, 0], x[:, 1], x[:, 2], 3 + seed, 1.0 + seed / 2)
    actual = history("supertrend", x.T, period=3 + seed, multiplier=1.0 + seed / 2)
    np.testing.assert_allclose(actual, expected, rtol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_vwap_equals_the_session_added_up_anew(seed):
    """Each bar's value is turnover by volume of its session so far; bars without volume add nothing."""
    price, volume, session = random_inputs(REGISTRY["vwap"], seed, 1, 300)[0].T
    volume[session == 3] = 0.0
    actual = history("vwap", (price, volume, session))[:, 0]
    np.testing.assert_allclose(actual, plain_vwap(price, volume, session), rtol=1e-12)
    assert np.isnan(actual[session == 3]).all()
    assert np.isfinite(actual).sum() > 250


def test_vwap_begins_anew_with_a_session_of_any_number():
    """A change of the session resets the sums, back to an earlier number and to zero as well."""
    values = history("vwap", ([10.0, 20.0, 30.0, 40.0], [1.0, 1.0, 1.0, 3.0], [0.0, 0.0, -5.0, 0.0]))[:, 0]
    np.testing.assert_array_equal(values, [10.0, 15.0, 30.0, 40.0])


def test_volume_below_zero_adds_nothing_to_vwap():
    """A negative volume, which no exchange reports, is no trade."""
    values = history("vwap", ([10.0, 99.0, 30.0], [1.0, -5.0, 1.0], [1.0, 1.0, 1.0]))[:, 0]
    np.testing.assert_array_equal(values, [10.0, 10.0, 20.0])


@pytest.mark.parametrize("price", [0.05, 100.05, 98765.35])
def test_a_flat_price_gives_averages_and_bands_of_that_price_exactly(price):
    """A rule that compares a halted price with its average sees neither above nor below."""
    close = np.full(500, price)
    for name in ("sma", "ema", "bollinger"):
        values = history(name, (close,))
        assert (values[np.isfinite(values)] == price).all(), name
        assert np.isfinite(values[-1]).all()


def test_a_jump_that_has_left_the_window_leaves_nothing_in_the_bands():
    """Right after a wild price has left, the deviation is that of the bars still there, and 0 where they are flat."""
    random = np.random.default_rng(6)
    close = np.concatenate([100.05 + 0.05 * random.integers(-9, 10, 95), np.full(40, 100.05)])
    close[45] = 1e7 + 0.37
    upper, middle, lower = history("bollinger", (close,), period=20).T
    for bar in range(65, 135):
        window = close[bar - 19 : bar + 1] - 100.0
        assert upper[bar] - middle[bar] == pytest.approx(2 * window.std(), abs=1e-9)
    assert (upper[114:] == lower[114:]).all()


def test_bands_of_a_tiny_movement_on_a_high_price_keep_their_digits():
    """A deviation a hundred-millionth of the price is that of the definition."""
    random = np.random.default_rng(3)
    close = 50_000.0 + 1e-4 * random.integers(0, 9, 400)
    upper, middle, _ = history("bollinger", (close,), period=20).T
    for bar in range(19, 400):
        window = close[bar - 19 : bar + 1] - 50_000.0
        assert upper[bar] - middle[bar] == pytest.approx(2 * window.std(), abs=2e-11)


def test_a_long_average_does_not_drift():
    """After a million bars the window's mean is that of its bars to the last digits."""
    random = np.random.default_rng(4)
    close = 1000.0 + np.cumsum(random.normal(0, 0.3, 1_000_000))
    value = history("sma", (close,), period=200)[:, 0]
    for bar in (999_999, 999_900, 500_123):
        assert value[bar] == pytest.approx(close[bar - 199 : bar + 1].mean(), rel=1e-14)


def test_oscillators_stay_between_zero_and_a_hundred():
    """Rounding takes no oscillator outside its range."""
    for seed in range(20):
        for name in ("rsi", "stochastic", "adx"):
            values = run(name, REGISTRY[name].new_state(4), random_inputs(REGISTRY[name], seed, 4, 400))
            values = values[np.isfinite(values)]
            assert len(values)
            assert values.min() >= 0.0, name
            assert values.max() <= 100.0 + 1e-12, name


@pytest.mark.parametrize("name", REGISTRY)
def test_arrays_that_do_not_go_together_are_refused(name):
    """A wrong number of symbols, bars, inputs or outputs is an error, never memory that is not ours."""
    indicator = REGISTRY[name]
    inputs, outputs = len(indicator.inputs), len(indicator.outputs)
    for shapes in (
        ((3, 5, inputs), (2, 5, outputs)),
        ((2, 5, inputs), (3, 5, outputs)),
        ((2, 5, inputs), (2, 6, outputs)),
        ((2, 5, inputs + 1), (2, 5, outputs)),
        ((2, 5, inputs), (2, 5, outputs + 1)),
    ):
        with pytest.raises(ValueError, match=f"^{name} needs x"):
            advance(name, indicator.new_state(2), np.ones(shapes[0]), np.ones(shapes[1]))
