"""One consumer group stopped dead while ten thousand ticks a second go on: nobody else notices, and it catches up."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from polars.testing import assert_frame_equal

from niftyflow.brokers.simulator.synthetic import SyntheticSession
from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.cli.sim import trading_parts
from niftyflow.runtime.workspace import Workspace
from support.commands import end, simulator
from support.layers_apart import start_layer
from support.recorded import stored
from support.replays import outcome, replay
from support.speeds import LONG

pytestmark = pytest.mark.timeout(600)

STOPPED_SECONDS = 60 if LONG else 12
RATE = 8_000
SYMBOLS, SPEED = (470, 20) if LONG else (170, 60)
MUHURAT = datetime(2025, 10, 21)  # noqa: DTZ001 - a day; its session lasts an hour
MEMORY_GROWTH = 120 << 20


async def end_of(bus: EmbeddedBus) -> int:
    """Return how many records the journal has."""
    return (await bus.end("raw-ticks"))[0]


async def test_a_stopped_group_harms_nobody_and_catches_up(tmp_path: Path) -> None:
    """Processing is stopped by SIGSTOP: the feed goes on, memory is bounded, the candles are the undisturbed ones."""
    workspace = Workspace(tmp_path / "workspace").create()
    log = tmp_path / "up.log"
    arguments = ("--synthetic", "--date", f"{MUHURAT:%Y-%m-%d}", "--symbols", str(SYMBOLS), "--speed", str(SPEED))
    with simulator(*arguments, "--wait", log=tmp_path / "sim.log") as url:
        ingestion = start_layer(workspace, "ingestion", log, NIFTYFLOW_FEED__URL=url)
        processing = start_layer(workspace, "processing", log)
        bus = EmbeddedBus(workspace.log)
        await bus.open()
        try:
            while await end_of(bus) < RATE:
                assert ingestion.poll() is None, log.read_text()[-2000:]
                await asyncio.sleep(0.2)
            memory = psutil.Process(ingestion.pid).memory_info().rss
            os.kill(processing.pid, signal.SIGSTOP)
            began, before = time.monotonic(), await end_of(bus)
            await asyncio.sleep(STOPPED_SECONDS)
            rate = (await end_of(bus) - before) / (time.monotonic() - began)
            growth = psutil.Process(ingestion.pid).memory_info().rss - memory
            os.kill(processing.pid, signal.SIGCONT)
            assert rate > 0.8 * RATE
            assert growth < MEMORY_GROWTH
            assert ingestion.wait(timeout=300) == 0, log.read_text()[-2000:]
            last = await bus.last_watermark("raw-ticks", 0)
            assert last is not None
            while (told := await bus.last_watermark("market_candles", 0)) is None or told.time < last.time:
                assert processing.poll() is None, log.read_text()[-2000:]
                await asyncio.sleep(0.2)
        finally:
            await bus.close()
            end(ingestion)
            assert end(processing) == 0
    undisturbed = SyntheticSession(trading_parts(MUHURAT), seed=1, symbols=SYMBOLS)
    left = await outcome(workspace, list(undisturbed.instruments))
    expected = await replay(undisturbed, tmp_path / "undisturbed")
    assert_frame_equal(stored(left), stored(expected))
