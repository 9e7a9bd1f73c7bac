"""Socket to stored candles in one process; the simulator in a process of its own on the other core."""

from __future__ import annotations

from benchmarks.measure import Budget, Measurement
from benchmarks.paths import simulator, socket_to_store

BUDGET = Budget("one process: socket to stored candles", "ticks/s", 200_000)
HOUR = "2025-10-21"
"""An hour's session."""


def run() -> list[Measurement]:
    """Measure a generated hour of 500 instruments at unlimited speed, and of 50."""
    rows = []
    for symbols in (500, 50):
        with simulator("--synthetic", "--date", HOUR, "--symbols", str(symbols), "--speed", "max") as url:
            found = socket_to_store(url)
        assert found["candles"] >= symbols * 60, found
        rows.append(
            Measurement(
                f"niftyflow: {symbols} instruments",
                found["ticks"] / found["seconds"],
                "ticks/s",
                details={"ticks": found["ticks"], "seconds": round(found["seconds"], 2)},
            )
        )
    return rows
