"""A real session at many times its speed; the platform killed with -9 and started again; every candle right."""

from __future__ import annotations

import asyncio
import random
import subprocess
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from niftyflow.brokers.simulator.files import open_source
from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Start
from niftyflow.model import CandleBatch, FeedGap
from niftyflow.runtime.workspace import Workspace
from support.commands import kill, simulator, start
from support.data import shared_data
from support.polars_oracle import MINUTE, candles
from support.recorded import FIELDS, in_ms, open_of, stored
from support.replays import outcome
from support.speeds import LONG

pytestmark = [pytest.mark.data, pytest.mark.timeout(900)]

DAY = "ticks_nse_2021/ticks_2021-04-13.parquet"
SPEED = 60 if LONG else 400
LIFE_SECONDS = (40, 90) if LONG else (5, 9)


def touched(gaps: list[FeedGap]) -> pl.Expr:
    """Return whether a candle's minute touches a gap."""
    hit = pl.lit(value=False)
    for gap in gaps:
        hit |= (pl.col("time") + MINUTE > gap.since) & (pl.col("time") < gap.until)
    return hit


async def published(workspace: Workspace) -> list[tuple[str, int, int]]:
    """Return the identity of every candle on the topic, in order; a half-written record would raise."""
    bus = EmbeddedBus(workspace.log)
    await bus.open()
    try:
        reader = await bus.subscribe("market_candles", group=None, start=Start.EARLIEST)
        identities = []
        while batches := await reader.poll(timeout_seconds=0):
            for batch in batches:
                if isinstance(batch.body, CandleBatch):
                    identities += zip(
                        batch.body.keys(), batch.body.time.tolist(), batch.body.revision.tolist(), strict=True
                    )
        await reader.close()
        return identities
    finally:
        await bus.close()


def observed(log: Path) -> int:
    """Return how often a log says that ticks are seen."""
    return log.read_text().count("feed_observed") if log.exists() else 0


async def taking_in(*arguments: str, log: Path, url: str) -> subprocess.Popen[str]:
    """Start a process, and return it when it has seen ticks: how long that takes is the machine's affair."""
    before = observed(log)
    process = start(*arguments, log=log, NIFTYFLOW_FEED__URL=url)
    while observed(log) == before:
        assert process.poll() is None
        await asyncio.sleep(0.1)
    return process


async def test_killed_three_times_it_holds_what_it_lived_through(tmp_path: Path) -> None:
    """Minutes it saw equal the oracle; minutes it missed are listed as gaps; nothing is doubled or half-written."""
    path = shared_data(DAY)
    workspace = Workspace(tmp_path / "workspace")
    tape = ("--workspace", str(workspace.path), "run", "ingestion", "processing", "--internal-port", "0")
    log, dice = tmp_path / "up.log", random.Random(20210413)
    with simulator(str(path), "--speed", str(SPEED), log=tmp_path / "sim.log") as url:
        for _ in range(3):
            up = await taking_in(*tape, log=log, url=url)
            await asyncio.sleep(dice.uniform(*LIFE_SECONDS))
            assert up.poll() is None, log.read_text()
            kill(up)
        up = start(*tape, log=log, NIFTYFLOW_FEED__URL=url)
        up.communicate(timeout=600)
        assert up.returncode == 0, log.read_text()[-3000:]

    left = await outcome(workspace, list(open_source(path).instruments))
    ticks = in_ms(path)
    expected = candles(ticks, open_of(ticks["timestamp"][0]), 375, ticks["timestamp"].max() + MINUTE)
    got = stored(left)
    began = min(gap.until for gap in left.gaps) if left.gaps else 0
    first = int(got["time"].min())
    lived = pl.col("time") > first
    assert len(left.gaps) == 3
    assert began > 0
    whole = (lived & ~touched(left.gaps)).alias("whole")
    assert_frame_equal(
        got.filter(whole), expected.select(FIELDS).filter(whole).with_columns(incomplete=pl.lit(value=False)),
        check_dtypes=False,
    )  # fmt: skip
    assert got.filter(~whole)["incomplete"].all()
    assert len(got.filter(whole)) > 8 * 100
    identities = await published(workspace)
    assert len(identities) == len(set(identities))
    assert {identity[:2] for identity in identities} == {
        (f"NSE:{symbol}", at) for symbol, at in got.select("symbol", "time").iter_rows()
    }
