"""Kite frames to closed candles, no I/O: decode and fold, beside plain Python and NautilusTrader."""

from __future__ import annotations

from benchmarks.measure import Budget, Measurement, best_of
from benchmarks.paths import folded, token_index
from benchmarks.peers import nautilus_bars, plain_python_fold, plain_python_frames
from benchmarks.workload import kite_frames, random_trades

BUDGET = Budget("core: Kite frames to closed candles", "ticks/s", 5_000_000)
TICKS = 1_000_000
MINUTES = 10


def run() -> list[Measurement]:
    """Measure the core on a million ticks of fifty instruments, fifty packets a frame."""
    trades = random_trades(TICKS, minutes=MINUTES)
    frames = kite_frames(trades)
    index = token_index(trades.instruments)
    folded(frames[:1000], index)
    seconds, candles = best_of(lambda: folded(frames, index), repeats=5)
    assert candles == trades.instruments * MINUTES, candles
    return [
        Measurement("niftyflow: decode and fold", TICKS / seconds, "ticks/s", details={"candles": candles}),
        plain_python_frames(trades, frames),
        plain_python_fold(trades),
        nautilus_bars(trades),
    ]
