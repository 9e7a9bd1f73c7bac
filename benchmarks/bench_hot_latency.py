"""Tick received at the socket to readable in the hot store, at 10,000 ticks a second, by the wall clock."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvloop

from benchmarks.measure import Budget, Measurement, quantile
from niftyflow.model import Tick

if TYPE_CHECKING:
    from niftyflow.runtime.wiring import Does

BUDGET = Budget("tick received to readable in the hot store, p99", "ms", 5.0, higher_is_better=False)
SYMBOLS = 1_750
SECONDS = 20
SESSION_SECONDS = 300
WARM_UP_SECONDS = 5


def run() -> list[Measurement]:
    """Measure on a generated session of 9,000 shares a little hastened: 10,000 ticks a second; then with decisions."""
    from niftyflow.runtime.wiring import Does

    return [_of("niftyflow: p99", Does.PROCESSING), _of("with the path that decides in the process: p99", Does.ALL)]


def _of(label: str, does: Does) -> Measurement:
    command = [sys.executable, "-m", "benchmarks.generated_market", str(SYMBOLS), str(SESSION_SECONDS), "live"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        tempfile.TemporaryDirectory() as folder,
    ):
        assert process.stdout is not None
        try:
            delays, ticks = uvloop.run(_measure(process.stdout.readline().strip(), Path(folder), does))
        finally:
            process.terminate()
    return Measurement(
        label,
        quantile(delays, 0.99),
        "ms",
        details={
            "p50": quantile(delays, 0.5),
            "max": max(delays),
            "ticks/s": round(ticks / SECONDS),
            "samples": len(delays),
        },
    )


async def _measure(url: str, folder: Path, does: Does) -> tuple[list[float], int]:
    from niftyflow.brokers.kite.feed import KiteFeed
    from niftyflow.brokers.kite.settings import KiteFeedSettings
    from niftyflow.kit.clock import WallClock
    from niftyflow.kit.health import Worker
    from niftyflow.kit.log import configure
    from niftyflow.runtime.feeds import instruments_of
    from niftyflow.runtime.settings import load
    from niftyflow.runtime.wiring import Process, engines
    from niftyflow.runtime.workspace import Workspace
    from niftyflow.storage.memory_hot import MemoryHotStore

    configure(json=False, level="error")
    delays: list[float] = []
    written: list[tuple[float, Mapping[str, bytes]]] = []

    class Watched(MemoryHotStore):
        """The hot store, which also notes when each tick became readable."""

        async def set_many(self, values: Mapping[str, bytes], ttl_seconds: float | None = None) -> None:
            await super().set_many(values, ttl_seconds)
            written.append((time.time_ns() / 1e6, values))

    settings = load(folder / "none.toml", {"feed.url": url, "ingestion.grace_ms": 500})
    workspace = Workspace(folder / "workspace")
    async with engines(workspace, settings) as on:
        on.hot = Watched()
        await on.hot.open()
        process = Process(workspace, settings, on)
        clock = WallClock()
        instruments = await instruments_of(settings, clock, Worker("bench"))
        feed = KiteFeed(KiteFeedSettings(root=url, api_key="a", access_token="b"), clock, source="simulator")
        running = asyncio.create_task(process.run(feed, instruments, clock, does=does))
        while not written and not running.done():  # noqa: ASYNC110 - the first tick comes when it comes
            await asyncio.sleep(0.05)
        await asyncio.sleep(WARM_UP_SECONDS)
        before = (await on.bus.end("raw-ticks"))[0]
        written.clear()
        await asyncio.sleep(SECONDS)
        ticks = (await on.bus.end("raw-ticks"))[0] - before
        process.stop()
        await running
        for moment, values in written:
            delays += [moment - msgspec.json.decode(data, type=Tick).received for data in values.values()]
    return delays, ticks
