"""Ninety instruments, session after session: candles out as trades over a real socket, and back as the same candles."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from niftyflow.brokers.simulator.files import open_source
from niftyflow.runtime.workspace import Workspace
from support.commands import simulator, start
from support.data import shared_data
from support.recorded import stored
from support.replays import outcome
from support.speeds import LONG

pytestmark = [pytest.mark.data, pytest.mark.timeout(900)]

SESSIONS = 18 if LONG else 4
FIELDS = ["symbol", "time", "open", "high", "low", "close", "volume"]


def some_sessions(path: Path, into: Path) -> Path:
    """Return the first sessions of a file, as a file of its own."""
    bars = pl.read_parquet(path)
    days = bars["ts"].dt.convert_time_zone("Asia/Kolkata").dt.date()
    chosen = days.unique().sort().head(SESSIONS)
    assert len(chosen) == SESSIONS
    bars.filter(days.is_in(chosen.implode())).write_parquet(into)
    return into


async def test_every_candle_of_whole_sessions_comes_back_equal(tmp_path: Path) -> None:
    """Flat minutes and indices without volume included; the simulator is a process of its own."""
    path = some_sessions(shared_data("bars_1m_equity_2016/bars.parquet"), tmp_path / "bars.parquet")
    workspace = Workspace(tmp_path / "workspace")
    log = tmp_path / "up.log"
    with simulator(str(path), "--speed", "max", log=tmp_path / "sim.log") as url:
        tape = ("--workspace", str(workspace.path), "run", "ingestion", "processing", "--internal-port", "0")
        up = start(*tape, log=log, NIFTYFLOW_FEED__URL=url)
        up.communicate(timeout=800)
        assert up.returncode == 0, log.read_text()[-3000:]
    left = await outcome(workspace, list(open_source(path).instruments))
    sent = pl.read_parquet(path).with_columns(time=pl.col("ts").dt.epoch("ms")).select(FIELDS).sort("symbol", "time")
    got = stored(left)
    assert_frame_equal(got.select(FIELDS), sent, check_dtypes=False)
    assert not got["incomplete"].any()
    assert left.letters == []
    assert left.repairs == []
