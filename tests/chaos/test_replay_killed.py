"""`niftyflow replay` killed five times at random and gone on with decides what an undisturbed one does."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import polars as pl
import pytest

from support.commands import kill, start
from support.data import shared_data
from support.decided import decided
from support.generated_bars import write_bars

KILLS = 5
TIMES_OUT_SECONDS = 300


def replayed(tape: Path, into: Path, *more: str) -> str:
    """Replay to the end and return what was said."""
    process = start("--workspace", str(into.parent / "home"), "replay", str(tape), "--into", str(into), *more,
                    log=into.parent / f"{into.name}.log")  # fmt: skip
    said, _ = process.communicate(timeout=TIMES_OUT_SECONDS)
    assert process.returncode == 0, (into.parent / f"{into.name}.log").read_text()[-3000:]
    return said


def killed(tape: Path, into: Path, seconds: float, chance: random.Random, *more: str) -> int:
    """Replay, killed several times while the log grows; return how often it really was in the middle."""
    times = 0
    for _ in range(KILLS):
        process = start("--workspace", str(into.parent / "home"), "replay", str(tape), "--into", str(into), *more,
                        log=into.parent / f"{into.name}.log")  # fmt: skip
        while process.poll() is None and not (into / "book.db").exists():
            time.sleep(0.01)
        try:
            process.communicate(timeout=chance.uniform(0.2, seconds))
        except subprocess.TimeoutExpired:
            times += 1
            kill(process)
    return times


def compare(tape: Path, folder: Path, seed: int, *more: str) -> dict[str, list[tuple[object, ...]]]:
    """Replay undisturbed, twice, and killed, and return what all three decided alike."""
    began = time.monotonic()
    said = replayed(tape, folder / "one", *more)
    took = time.monotonic() - began
    replayed(tape, folder / "two", *more)
    times = killed(tape, folder / "three", took / 5, random.Random(seed), *more)
    assert times == KILLS, "it came to its end before it was killed often enough"
    again = replayed(tape, folder / "three", *more)
    one, two, three = (decided(folder / each) for each in ("one", "two", "three"))
    for table in one:
        assert one[table] == two[table], f"{table}: the second run differs"
        assert one[table] == three[table], f"{table}: the killed run differs"
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
    """Ten shares of the first day."""
    bars = pl.read_parquet(shared_data("bars_1m_equity_2016/bars.parquet"))
    chosen = bars["symbol"].unique().sort().to_list()[:10]
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
