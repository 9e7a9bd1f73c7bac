"""Saved state is everything that matters: loaded before every single hook, a strategy gives the same orders."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from niftyflow.model import Side
from support.market import ist
from support.strategy_bench import Bench
from support.strategy_days import DAY, OTHER, SHARE, a_bar, a_signal, bars

MINUTES = [*range(60), *range(340, 375)]
"""An opening and a close; the dull middle is left out."""
PARAMETERS = {
    "ema-cross": {"fast": 2, "slow": 3, "stop_atr": 1.5},
    "opening-range-breakout": {"minutes": 5, "trades_per_day": 3, "target_ranges": 0.7},
    "signal-follower": {"max_positions": 1},
}
STEPS = st.lists(st.integers(-6, 6), min_size=len(MINUTES), max_size=len(MINUTES))


def walk(steps, instrument, wide):
    """Return candles of the day's minutes, moving by steps of a price of 1,000 rupees; some are incomplete."""
    found, price = [], 1000.0
    for minute, step in zip(MINUTES, steps, strict=True):
        close = price + step * 0.5
        bar = (price, max(price, close) + wide, min(price, close) - wide, close)
        found.append(a_bar(instrument, ist(DAY, "09:15") + minute * 60_000, bar))
        price = close
    return found


def signals_of(kinds):
    """Return a signal for every few minutes, in turn for both instruments."""
    told = {}
    for place, kind in enumerate(kinds):
        at = ist(DAY, "09:15") + MINUTES[place * 4] * 60_000
        side, instrument = (Side.BUY, Side.SELL)[kind % 2], (SHARE, OTHER)[kind // 2 % 2]
        levels = {"stop": 1000.0 - side.sign * 7, "target": 1000.0 + side.sign * 5}
        told[at] = [a_signal(at, side, instrument, strength=0.3 + 0.1 * kind, **levels)]
    return told


def everything(bench):
    """Return all that a run did."""
    return list(bench.orders.values()), bench.fills, bench.logs, bench.strategy.save()


@pytest.mark.parametrize("kind", PARAMETERS)
@pytest.mark.parametrize("is_slow", [False, True])
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    one=STEPS, other=STEPS, wide=st.sampled_from([0.0, 0.5, 3.0]), most_filled=st.sampled_from([3, 20, 1_000_000]),
    kinds=st.lists(st.integers(0, 3), max_size=20),
)  # fmt: skip
def test_restarting_before_every_hook_changes_nothing(kind, is_slow, one, other, wide, most_filled, kinds) -> None:
    """Orders, fills, what was said and the memory itself are the same."""
    candles, signals = [*walk(one, SHARE, wide), *walk(other, OTHER, wide)], signals_of(kinds)
    runs = [
        Bench(
            kind, PARAMETERS[kind], [SHARE, OTHER], is_slow=is_slow, most_filled=most_filled, restarts=restarts
        ).run(candles, signals)
        for restarts in (False, True)
    ]  # fmt: skip
    assert everything(runs[0]) == everything(runs[1])


@pytest.mark.parametrize("kind", PARAMETERS)
def test_the_runs_that_are_compared_do_trade(kind: str) -> None:
    """A comparison of nothing with nothing would be worth nothing."""
    steps = [1 if place // 8 % 2 else -1 for place in range(len(MINUTES))]
    bench = Bench(kind, PARAMETERS[kind], [SHARE, OTHER], restarts=True)
    bench.run([*walk(steps, SHARE, 0.5), *walk(steps[::-1], OTHER, 0.5)], signals_of([0, 3, 1, 2]))
    assert len(bench.fills) >= 4
    assert bench.of("stop")


@pytest.mark.parametrize("kind", PARAMETERS)
def test_a_memory_is_a_copy(kind: str) -> None:
    """What was saved does not change when the strategy goes on."""
    bench = Bench(kind, PARAMETERS[kind], [SHARE]).run(bars([(100, 102, 99, 101)] * 8))
    memory = bench.strategy.save()
    kept = repr(memory)
    bench.run(bars([105, 90, 105], "09:23"))
    assert repr(memory) == kept
