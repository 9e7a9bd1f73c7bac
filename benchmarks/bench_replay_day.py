"""A real day played through the whole path, decisions included: how many times faster than it went.

Seconds count from the first read of the file until everything is worked off and in the stores, each time in a process
of its own: what is loaded on the way counts, the interpreter's start does not. The command's wall time has both.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.bench_analysis import minutes
from benchmarks.measure import Budget, Measurement

BUDGET = Budget("a day of 50 symbols replayed, decisions included", "times real time", 1000)
DATA = Path(__file__).parents[2] / "shared" / "data"
EQUITIES = DATA / "bars_1m_equity_2016" / "bars.parquet"
TICKS = DATA / "ticks_nse_2021" / "ticks_2021-04-13.parquet"
DAY = date(2016, 8, 16)
SYMBOLS = 50
REPEATS = 3
SESSION_MINUTES = 375


def run() -> list[Measurement]:
    """Measure 50 symbols of a real day of candles, all of its symbols, and a real day of ticks; medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not EQUITIES.exists():
            file = _generated(folder)
            return [_measured("generated day, 50 symbols", file), _split(file), _command(file)]
        few, many = _day(folder, SYMBOLS), _day(folder, None)
        rows = [
            _measured(f"{DAY}, {SYMBOLS} shares", few),
            _split(few),
            _command(few),
            _measured(f"{DAY}, every symbol of the file", many),
        ]
        if TICKS.exists():
            rows.append(_measured("ticks of 2021-04-13", TICKS))
        return rows


def _measured(label: str, file: Path) -> Measurement:
    """Play the file a few times and return the median."""
    found = sorted((_played(file) for _ in range(REPEATS)), key=lambda one: one["seconds"])
    one = found[REPEATS // 2]
    assert one["candles"] > one["symbols"] * 300, one
    assert one["orders"] > 0, one
    times = one["session_minutes"] * 60 / one["seconds"]
    counts = f"{one['symbols']} symbols, {one['ticks']:,} ticks, {one['candles']:,} candles, {one['signals']:,} signals"
    told = f"{one['seconds']:.2f} s; {counts}, {one['orders']:,} orders, {one['fills']:,} fills"
    details = one | {
        "fastest_seconds": found[0]["seconds"], "slowest_seconds": found[-1]["seconds"]
    }  # fmt: skip
    return Measurement(f"niftyflow: {label}", times, "times real time", note=told, details=details)


def _split(file: Path) -> Measurement:
    """Play the file once more and return which stage took the processor's time."""
    split = _played(file, "split")["split"]
    parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in split.items() if seconds >= 0.05)
    return Measurement("processor seconds by stage", sum(split.values()), "s", note=parts, details=split)


def _played(file: Path, *options: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.replayed", str(file), str(Path(folder) / "workspace"), *options]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=300)
    return json.loads(done.stdout.splitlines()[-1])


def _command(file: Path) -> Measurement:
    """Measure `niftyflow replay` as it is typed: the interpreter's start, the table and the report with it."""
    seconds = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            command = [
                sys.executable, "-m", "niftyflow.cli.app", "--workspace", str(place / "home"), "replay", str(file),
                "--into", str(place / "played"),
            ]  # fmt: skip
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
            seconds.append(time.perf_counter() - began)
    taken = statistics.median(seconds)
    return Measurement(
        "the whole command, from its start to its end", SESSION_MINUTES * 60 / taken, "times real time",
        note=f"{taken:.2f} s",
    )  # fmt: skip


def _day(folder: Path, symbols: int | None) -> Path:
    """Write the real day alone: so many of its shares in order of name, or everything."""
    bars = pl.read_parquet(EQUITIES).filter(pl.col("ts").dt.date() == DAY)
    if symbols is not None:
        traded = bars.group_by("symbol").agg(pl.col("volume").sum()).filter(pl.col("volume") > 0)
        bars = bars.filter(pl.col("symbol").is_in(traded["symbol"].sort().head(symbols).to_list()))
    file = folder / f"{DAY}-{symbols or 'all'}.parquet"
    bars.write_parquet(file)
    return file


def _generated(folder: Path) -> Path:
    """Write a day of random walks where the real one is not there."""
    opening = datetime(2024, 1, 25, 3, 45, tzinfo=UTC)
    frames = []
    for minute, batch in enumerate(minutes(SYMBOLS, SESSION_MINUTES)):
        columns = {field: getattr(batch, field) for field in ("open", "high", "low", "close", "volume")}
        columns["low"] = columns["low"].clip(max=columns["open"])
        columns["high"] = columns["high"].clip(min=columns["open"])
        frames.append(
            pl.DataFrame({"symbol": [f"S{row:05}" for row in range(SYMBOLS)], **columns}).with_columns(
                ts=pl.lit(opening + timedelta(minutes=minute))
            )
        )
    file = folder / "generated.parquet"
    pl.concat(frames).write_parquet(file)
    return file
