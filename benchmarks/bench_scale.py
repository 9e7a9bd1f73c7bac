"""Cost of a tick in the core as instruments grow from 50 to 9,000: it stays flat."""

from __future__ import annotations

from benchmarks.measure import Budget, Measurement, best_of
from benchmarks.paths import folded, token_index
from benchmarks.workload import kite_frames, random_trades

BUDGET = Budget("core: cost of a tick at 9,000 instruments over that at 50", "times", 2.0, higher_is_better=False)
TICKS = 1_000_000
SIZES = (50, 500, 2_000, 9_000)


def run() -> list[Measurement]:
    """Measure nanoseconds a tick for each number of instruments."""
    cost: dict[int, float] = {}
    for instruments in SIZES:
        frames = kite_frames(random_trades(TICKS, instruments=instruments, minutes=5))
        index = token_index(instruments)
        folded(frames[:1000], index)
        seconds, _ = best_of(lambda frames=frames, index=index: folded(frames, index))
        cost[instruments] = seconds / TICKS * 1e9
    details = {f"ns at {instruments}": round(value, 1) for instruments, value in cost.items()}
    ratio = cost[SIZES[-1]] / cost[SIZES[0]]
    rows = [Measurement(f"niftyflow: {size:,} instruments", value, "ns/tick") for size, value in cost.items()]
    return [Measurement("niftyflow: 9,000 over 50", ratio, "times", details=details), *rows]
