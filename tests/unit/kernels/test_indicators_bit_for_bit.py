"""The live path and the history path are one function: any cut of a series into calls gives the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from niftyflow.kernels.indicators import REGISTRY
from support.indicator_series import SMALL, random_inputs, run, same_bits

EVERY = pytest.mark.parametrize("name", REGISTRY)
BARS = 130


@EVERY
@given(seed=st.integers(0, 2**32 - 1), gaps=st.sampled_from([0.0, 0.1, 0.6]), restart=st.integers(0, BARS))
@settings(max_examples=25)
def test_minute_by_minute_with_a_restart_equals_one_call(name, seed, gaps, restart):
    """Bars one at a time, the state saved and taken up again in the middle, give the bits of one call."""
    indicator = REGISTRY[name]
    x = random_inputs(indicator, seed, symbols=3, bars=BARS, gaps=gaps)
    whole_state = indicator.new_state(3, **SMALL[name])
    whole = run(name, whole_state, x)
    state = indicator.new_state(3, **SMALL[name])
    live = []
    for bar in range(BARS):
        if bar == restart:
            state = np.frombuffer(state.tobytes()).reshape(state.shape).copy()
        live.append(run(name, state, x[:, bar : bar + 1]))
    assert same_bits(np.concatenate(live, axis=1), whole)
    assert same_bits(state, whole_state)


@EVERY
@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(1, 40), min_size=1, max_size=30))
@settings(max_examples=15)
def test_calls_of_any_size_equal_one_call(name, seed, cuts):
    """Chunks of any length, empty ones included, give the bits of one call."""
    indicator = REGISTRY[name]
    x = random_inputs(indicator, seed, symbols=2, bars=BARS, gaps=0.1)
    whole = run(name, indicator.new_state(2, **SMALL[name]), x)
    state, at, parts = indicator.new_state(2, **SMALL[name]), 0, []
    for cut in [*cuts, 0, BARS]:
        parts.append(run(name, state, x[:, at : at + cut]))
        at = min(BARS, at + cut)
    assert same_bits(np.concatenate(parts, axis=1), whole)


@EVERY
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_symbols_do_not_touch_one_another(name, seed):
    """Many symbols in one call, their gaps at different bars, give the bits of each alone."""
    indicator = REGISTRY[name]
    x = random_inputs(indicator, seed, symbols=5, bars=BARS, gaps=0.3)
    together = run(name, indicator.new_state(5, **SMALL[name]), x)
    alone = [run(name, indicator.new_state(1, **SMALL[name]), x[s : s + 1]) for s in range(5)]
    assert same_bits(together, np.concatenate(alone))
    assert np.isfinite(together).any()


@EVERY
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
@settings(max_examples=10)
def test_a_bar_that_is_not_finite_changes_no_state(name, seed, data):
    """NaN or infinity in any input leaves every bit of the state, and all outputs of that bar are NaN."""
    indicator = REGISTRY[name]
    x = random_inputs(indicator, seed, symbols=2, bars=40)
    state = indicator.new_state(2, **SMALL[name])
    run(name, state, x)
    before = state.copy()
    bad = x[:, -1:].copy()
    bad[:, 0, data.draw(st.integers(0, len(indicator.inputs) - 1))] = data.draw(
        st.sampled_from([np.nan, np.inf, -np.inf])
    )
    assert np.isnan(run(name, state, bad)).all()
    assert same_bits(state, before)
