"""A second start compiles nothing: Numba writes no new cache file."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.demos import Demo
from benchmarks.measure import Budget, Measurement

BUDGET = Budget("cache files that a second start writes", "files", 0, higher_is_better=False)
SECONDS = 20


def run() -> list[Measurement]:
    """Run the demo twice, some market hours each time, with a compile cache of its own."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        seconds, written = [], []
        seen: dict[Path, int] = {}
        for _ in range(2):
            begun = time.perf_counter()
            with Demo(Path(folder) / "work", "--speed", "300", NUMBA_CACHE_DIR=str(cache)) as demo:
                demo.seconds_to_link()
                time.sleep(SECONDS)
                demo.seconds_to_end()
            seconds.append(time.perf_counter() - begun)
            now = {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}
            written.append(len([path for path, at in now.items() if seen.get(path) != at]))
            seen = now
    assert written[0] > 0, written
    return [
        Measurement(
            "niftyflow: files written", written[1], "files",
            details={"first start": written[0], "first seconds": round(seconds[0], 1), "second": round(seconds[1], 1)},
        )
    ]  # fmt: skip
