"""The registry: parameters refused by name, state of the right size, and a warm-up that keeps its word."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest

from niftyflow.kernels.indicators import REGISTRY, advance, history
from niftyflow.model import InvalidValue
from support.indicator_series import SMALL, random_inputs, run

EVERY = pytest.mark.parametrize("name", REGISTRY)


@EVERY
def test_the_first_defined_bar_is_the_one_announced(name):
    """All outputs are finite from `defined_after` on; one bar before, one of them is not."""
    indicator = REGISTRY[name]
    for parameters in (SMALL[name], {}):
        first = indicator.defined_after(parameters)
        x = random_inputs(indicator, 8, 1, 120)
        x[..., -1] += (x[..., -1] == 0.0) * (name == "vwap")
        x[:, 0, indicator.inputs.index("volume") if name == "vwap" else 0] += 1.0
        values = run(name, indicator.new_state(1, **parameters), x)[0]
        assert np.isfinite(values[first - 1]).all()
        assert first == 1 or np.isnan(values[first - 2]).any()


@EVERY
def test_what_the_registry_says_can_be_shown(name):
    """Every entry has text for the reference page, and parameters whose defaults it accepts itself."""
    indicator = REGISTRY[name]
    assert indicator.name == name
    assert all((indicator.title, indicator.formula, indicator.flat, indicator.source, indicator.outputs))
    assert all(one.meaning and one.minimum <= one.default <= one.maximum for one in indicator.parameters)
    assert indicator.resolve({}) == {one.name: one.default for one in indicator.parameters}


@EVERY
def test_new_state_holds_the_parameters_and_nothing_else(name):
    """A row is as wide as stated, begins with the parameters, and has seen nothing."""
    indicator = REGISTRY[name]
    state = indicator.new_state(3, **SMALL[name])
    assert state.shape == (3, indicator.width(SMALL[name]))
    assert state.dtype == np.float64
    assert state.flags.c_contiguous
    assert state[2, : len(SMALL[name])].tolist() == list(SMALL[name].values())
    assert not state[:, len(SMALL[name]) :].any()


@EVERY
def test_a_state_is_wide_enough_for_its_rings(name):
    """Rows around a symbol's own keep every bit when it is advanced past every turn of its rings."""
    indicator = REGISTRY[name]
    around = indicator.new_state(3, **SMALL[name])
    around[[0, 2]] = np.nan
    advance(name, around[1:2], random_inputs(indicator, 2, 1, 200), np.empty((1, 200, len(indicator.outputs))))
    assert np.isnan(around[[0, 2]]).all()
    assert around[1, len(SMALL[name]) :].any()


@pytest.mark.parametrize(
    ("name", "parameters", "field"),
    [
        ("sma", {"period": 0}, "period"),
        ("sma", {"period": 10_001}, "period"),
        ("sma", {"period": 2.5}, "period"),
        ("sma", {"period": True}, "period"),
        ("sma", {"period": "20"}, "period"),
        ("ema", {"period": math.nan}, "period"),
        ("ema", {"length": 20}, "length"),
        ("rsi", {"period": 1}, "period"),
        ("macd", {"fast": 26}, "fast"),
        ("macd", {"slow": 12}, "fast"),
        ("macd", {"signal": -1}, "signal"),
        ("bollinger", {"deviations": math.inf}, "deviations"),
        ("bollinger", {"deviations": -0.1}, "deviations"),
        ("supertrend", {"multiplier": None}, "multiplier"),
        ("vwap", {"period": 3}, "period"),
    ],
)
def test_an_impossible_parameter_is_refused_by_its_name(name, parameters, field):
    """The error says which parameter, whichever way it comes in."""
    indicator = REGISTRY[name]
    for ask in (
        lambda: indicator.new_state(1, **parameters),
        lambda: indicator.width(parameters),
        lambda: indicator.defined_after(parameters),
        lambda: indicator.bars_for(1e-6, parameters),
    ):
        with pytest.raises(InvalidValue) as refused:
            ask()
        assert refused.value.field == field


def test_numpy_numbers_and_whole_floats_are_numbers():
    """A period out of an array or a JSON file is as good as an int."""
    assert REGISTRY["sma"].resolve({"period": np.int64(7)}) == {"period": 7}
    assert REGISTRY["sma"].resolve({"period": 7.0}) == {"period": 7}
    assert REGISTRY["bollinger"].resolve({"deviations": np.float64(1.5)}) == {"period": 20, "deviations": 1.5}


def test_unknown_names_and_columns_that_do_not_fit_are_refused():
    """No indicator of that name, a missing column, too many, or of another length."""
    close = np.arange(5.0)
    with pytest.raises(InvalidValue, match="indicator is 'hull'"):
        history("hull", (close,))
    with pytest.raises(InvalidValue, match="indicator is 'hull'"):
        advance("hull", np.zeros((1, 1)), np.zeros((1, 1, 1)), np.zeros((1, 1, 1)))
    with pytest.raises(InvalidValue, match="needs high, low as well"):
        history("atr", {"close": close})
    with pytest.raises(InvalidValue, match="takes close"):
        history("sma", (close, close))
    with pytest.raises(InvalidValue, match="of one length"):
        history("atr", (close, close, close[1:]))
    with pytest.raises(InvalidValue, match="symbols is 0"):
        REGISTRY["sma"].new_state(0)
    with pytest.raises(InvalidValue, match="error is 1"):
        REGISTRY["ema"].bars_for(1, {})


def test_columns_come_by_name_or_in_order():
    """More columns by name do no harm; lists and integers are columns too."""
    high, low, close = random_inputs(REGISTRY["atr"], 1, 1, 60)[0].T
    by_name = history("atr", {"volume": close, "close": close, "low": low, "high": high})
    in_order = history("atr", (high.tolist(), low, close))
    assert np.array_equal(by_name, in_order, equal_nan=True)
    assert history("sma", ([1, 2, 3],), period=2)[:, 0].tolist()[1:] == [1.5, 2.5]


def test_nothing_in_gives_nothing_out():
    """An empty series is no error."""
    assert history("macd", (np.array([]),)).shape == (0, 3)


@pytest.mark.parametrize("name", ["sma", "ema", "macd", "bollinger", "atr"])
@pytest.mark.parametrize("error", [1e-3, 1e-6])
def test_after_the_bars_stated_the_start_weighs_no_more_than_the_error(name, error):
    """Two series that differ only in their first defined value differ by at most `error` of it after `bars_for`."""
    indicator = REGISTRY[name]
    first, bars = indicator.defined_after({}), indicator.bars_for(error, {})
    x = random_inputs(indicator, 3, 1, bars + 5)
    other = x.copy()
    other[:, :1] += 40.0
    one, two = (run(name, indicator.new_state(1), series)[0] for series in (x, other))
    difference = np.abs(one - two).max(axis=1)
    assert difference[bars] <= error * 40.0
    assert bars == first if indicator.memory == "window" else bars > first


@pytest.mark.parametrize(("name", "keep"), [("ema", 20 / 22), ("atr", 13 / 14), ("rsi", 13 / 14)])
def test_a_single_average_states_the_bars_of_its_decay(name, keep):
    """The share kept a bar, to the power of the bars after the seed, is at most the error, and one bar less is not."""
    indicator = REGISTRY[name]
    after = indicator.bars_for(1e-4, {}) - indicator.defined_after({})
    assert keep**after <= 1e-4 < keep ** (after - 1)


def test_a_chain_of_averages_forgets_later_than_each_of_them():
    """MACD and ADX average an average; their bars are more than those of the slower one alone."""
    assert REGISTRY["adx"].bars_for(1e-6, {}) - 28 > REGISTRY["atr"].bars_for(1e-6, {}) - 15
    slow = REGISTRY["ema"].bars_for(1e-6, {"period": 26}) - 26
    assert REGISTRY["macd"].bars_for(1e-6, {}) - 34 > slow
    assert REGISTRY["atr"].bars_for(1e-6, {"period": 1}) == 3


def test_a_second_process_compiles_nothing(tmp_path):
    """All functions come from the disk cache: the second process writes no file there."""
    script = (
        "import numpy as np\n"
        "from niftyflow.kernels.indicators import REGISTRY, advance\n"
        "for name in ('ema', 'vwap'):\n"
        "    one = REGISTRY[name]\n"
        "    for symbols, bars in ((3, 1), (1, 9)):\n"
        "        x = np.ones((symbols, bars, len(one.inputs)))\n"
        "        advance(name, one.new_state(symbols), x, np.empty((symbols, bars, len(one.outputs))))\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    written = []
    for _ in range(2):
        subprocess.run([sys.executable, "-c", script], check=True, env=environment, timeout=100)
        written.append({file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.nb?")})
    assert len(written[0]) == 4
    assert written[0] == written[1]
