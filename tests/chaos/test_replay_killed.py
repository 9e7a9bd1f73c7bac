"""`niftyflow replay` killed at random and gone on with decides what an undisturbed one does.

A kill comes where the log of candles has grown to, never after so many seconds: no speed of the machine spoils it.
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import time
from pathlib import Path

import polars as pl
import pytest

from support.commands import kill, start
from support.data import shared_data
from support.decided import decided
from support.generated_bars import write_bars

KILLS = 5 if os.environ.get("NIFTYFLOW_LONG") == "1" else 2
LAST_KILL = 0.8
"""Of the candles: so much is left after the last kill that the end does not come before it."""


def replayed(tape: Path, into: Path, *more: str) -> str:
    """Replay to the end and return what was said."""
    process = start("--workspace", str(into.parent / "home"), "replay", str(tape), "--into", str(into), *more,
                    log=into.parent / f"{into.name}.log")  # fmt: skip
    said, _ = process.communicate()
    assert process.returncode == 0, (into.parent / f"{into.name}.log").read_text()[-3000:]
    return said


def killed(tape: Path, into: Path, candles: int, chance: random.Random, *more: str) -> None:
    """Replay, killed several times, each at a random place of the stretch that is its own."""
    for number in range(KILLS):
        goal = int(candles * LAST_KILL * (number + chance.random()) / KILLS)
        process = start("--workspace", str(into.parent / "home"), "replay", str(tape), "--into", str(into), *more,
                        log=into.parent / f"{into.name}.log")  # fmt: skip
        while candles_told(into) <= goal:
            assert process.poll() is None, f"it came to its end before the kill at {goal} of {candles} candles"
            time.sleep(0.01)
        kill(process)


def candles_told(folder: Path) -> int:
    """Return how many candles a workspace's log has been given."""
    file = folder / "log" / "market_candles.db"
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=30)) as log:
            return int(log.execute("SELECT coalesce(max(first + rows), 0) FROM entries").fetchone()[0])
    except sqlite3.OperationalError:  # it is not there yet
        return 0


def compare(tape: Path, folder: Path, seed: int, *more: str) -> dict[str, list[tuple[object, ...]]]:
    """Replay undisturbed, and killed, and return what both decided alike."""
    said = replayed(tape, folder / "one", *more)
    killed(tape, folder / "two", candles_told(folder / "one"), random.Random(seed), *more)
    again = replayed(tape, folder / "two", *more)
    one, two = decided(folder / "one"), decided(folder / "two")
    for table in one:
        assert one[table] == two[table], f"{table}: the killed run differs"
    assert _money(again) == _money(said)
    return one


def _money(said: str) -> list[str]:
    return [line for line in said.splitlines() if "charges:" in line or "signals:" in line]


def test_a_generated_session(tmp_path):
    """Four shares, a whole day, three strategies."""
    one = compare(write_bars(tmp_path / "bars.csv"), tmp_path, seed=1)
    assert len(one["trades"]) > 10
    assert one["signals"]


@pytest.mark.data
def test_a_real_session_of_2016(tmp_path):
    """Five shares of the first day."""
    bars = pl.read_parquet(shared_data("bars_1m_equity_2016/bars.parquet"))
    chosen = bars["symbol"].unique().sort().to_list()[:5]
    tape = tmp_path / "bars.parquet"
    bars.filter(pl.col("symbol").is_in(chosen)).write_parquet(tape)
    one = compare(tape, tmp_path, 2, "--date", "2016-08-16")
    assert len(one["trades"]) > 10


@pytest.mark.data
def test_a_real_day_of_ticks_of_2021(tmp_path):
    """With its defects: rows of 1970, rows after the close, doubles."""
    tape = shared_data("ticks_nse_2021/ticks_2021-06-11.parquet")
    one = compare(tape, tmp_path, 3)
    assert len(one["trades"]) > 10
