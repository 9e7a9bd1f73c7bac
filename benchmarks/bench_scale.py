"""Cost of a tick as instruments grow from 50 to 9,000: from the socket to the store it does not grow."""

from __future__ import annotations

from benchmarks.measure import Budget, Measurement, best_of
from benchmarks.paths import folded, generated_market, socket_to_store, token_index
from benchmarks.workload import kite_frames, random_trades

BUDGET = Budget("cost of a tick at 9,000 instruments over that at 50", "times", 1.1, higher_is_better=False)
CORE_TICKS = 1_000_000
SIZES = {50: 3600, 500: 1800, 2_000: 900, 8_999: 240}
"""Instruments (the index comes on top: Kite takes 9,000) and the seconds of session they play."""


def run() -> list[Measurement]:
    """Measure microseconds a tick on the whole path, and nanoseconds in the core alone."""
    whole: dict[int, float] = {}
    core: dict[int, float] = {}
    for size, seconds in SIZES.items():
        with generated_market(size, seconds) as url:
            found = socket_to_store(url)
        whole[size] = found["seconds"] / found["ticks"] * 1e6
        frames = kite_frames(random_trades(CORE_TICKS, instruments=size, minutes=5))
        index = token_index(size)
        folded(frames[:1000], index)
        elapsed, _ = best_of(lambda frames=frames, index=index: folded(frames, index))
        core[size] = elapsed / CORE_TICKS * 1e9
    rows = [Measurement(f"socket to store, {size:,}", value, "us/tick") for size, value in whole.items()]
    rows += [Measurement(f"core alone, {size:,}", value, "ns/tick") for size, value in core.items()]
    return [Measurement("niftyflow: 9,000 over 50", whole[8_999] / whole[50], "times"), *rows]
