"""Tick received at the broker's socket to frame received by a socket client, at 10,000 ticks a second.

Each client watches one symbol, so that most ticks come when its rate allows a frame: those are told at once, and are
what is measured. A tick within a tenth of a second of the client's last frame waits for its rate and is counted apart.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import uvloop

from benchmarks.bench_hot_latency import SECONDS, SESSION_SECONDS, SYMBOLS, WARM_UP_SECONDS
from benchmarks.measure import Budget, Measurement, quantile
from benchmarks.served_sockets import ask, clients, gateway

BUDGET = Budget("tick received to frame at a socket client, p99", "ms", 5.0, higher_is_better=False)
CLIENTS = 100
RATE_US = 100_000
SLACK_US = 3_000
"""A client sees its frame later than the server wrote it."""


def run() -> list[Measurement]:
    """Measure on the generated session of the hot store's benchmark."""
    command = [sys.executable, "-m", "benchmarks.generated_market", str(SYMBOLS), str(SESSION_SECONDS), "live"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        tempfile.TemporaryDirectory() as folder,
    ):
        assert process.stdout is not None
        try:
            at_once, put_off, ticks = uvloop.run(_measure(process.stdout.readline().strip(), Path(folder)))
        finally:
            process.terminate()
    details: dict[str, float | int | str] = {
        "p50": round(quantile(at_once, 0.5), 2),
        "max": round(max(at_once), 1),
        "ticks/s": round(ticks / SECONDS),
        "samples": len(at_once),
        "put off by the rate": f"{len(put_off) / (len(put_off) + len(at_once)):.0%}",
    }
    return [Measurement("niftyflow: p99", quantile(at_once, 0.99), "ms", details=details)]


async def _measure(url: str, folder: Path) -> tuple[list[float], list[float], int]:
    from niftyflow.brokers.kite.feed import KiteFeed
    from niftyflow.brokers.kite.settings import KiteFeedSettings
    from niftyflow.kit.clock import WallClock
    from niftyflow.kit.health import Worker
    from niftyflow.kit.log import configure
    from niftyflow.runtime.feeds import instruments_of
    from niftyflow.runtime.settings import load
    from niftyflow.runtime.wiring import Does, Process, engines
    from niftyflow.runtime.workspace import Workspace

    configure(json=False, level="error")
    settings = load(folder / "none.toml", {"feed.url": url, "ingestion.grace_ms": 500})
    workspace = Workspace(folder / "workspace")
    kept = folder / "frames"
    async with engines(workspace, settings) as on, gateway(on, 2 * CLIENTS) as (address, key, hub):
        process = Process(workspace, settings, on)
        clock = WallClock()
        instruments = await instruments_of(settings, clock, Worker("bench"))
        watched = [str(each.key) for each in instruments[:: len(instruments) // CLIENTS]][:CLIENTS]
        feed = KiteFeed(KiteFeedSettings(root=url, api_key="a", access_token="b"), clock, source="simulator")
        running = asyncio.create_task(process.run(feed, instruments, clock, does=Does.PROCESSING))
        listening = await clients(address, "/ws/market", key, watched, str(kept))
        while hub.board.day is None and not running.done():  # noqa: ASYNC110 - the first tick comes when it comes
            await asyncio.sleep(0.05)
        await asyncio.sleep(WARM_UP_SECONDS)
        await ask(listening, "begin")
        before = (await on.bus.end("raw-ticks"))[0]
        await asyncio.sleep(SECONDS)
        ticks = (await on.bus.end("raw-ticks"))[0] - before
        await ask(listening, "stop")
        await listening.wait()
        process.stop()
        await running
        received = await _received(on.bus, set(watched), before, ticks)
    return *_delays(kept, received), ticks


async def _received(bus: object, watched: set[str], first: int, count: int) -> dict[tuple[str, int, int, float], int]:
    """Return when the watched symbols' ticks were received, ms UTC, as the log says: (symbol, time, volume, price)."""
    from niftyflow.bus.port import Start
    from niftyflow.model import TickBatch

    found: dict[tuple[str, int, int, float], int] = {}
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)  # type: ignore[attr-defined]
    while reader.position()[0] < first + count:
        for batch in await reader.poll():
            body = batch.body
            if isinstance(body, TickBatch):
                columns = (body.keys(), body.timestamp, body.day_volume, body.ltp, body.received)
                for symbol, time, volume, ltp, at in zip(*(list(column) for column in columns), strict=True):
                    if symbol in watched:
                        found.setdefault((symbol, int(time), int(volume), float(ltp)), int(at))
    await reader.close()
    return found


def _delays(kept: Path, received: dict[tuple[str, int, int, float], int]) -> tuple[list[float], list[float]]:
    """Return the delays in ms of the ticks that were told at once, and of those that waited for the rate."""
    at_once: list[float] = []
    put_off: list[float] = []
    last: dict[str, int] = {}
    for line in kept.read_text().splitlines():
        client, now_text, text = line.split(" ", 2)
        now = int(now_text)
        ((symbol, price),) = msgspec.json.decode(text)["data"].items()
        at = received.get((symbol, price["time"], price["volume"], price["ltp"]))
        if at is not None and client in last:
            is_put_off = at * 1000 - last[client] < RATE_US + SLACK_US
            (put_off if is_put_off else at_once).append(now / 1000 - at)
        last[client] = now
    return at_once, put_off
