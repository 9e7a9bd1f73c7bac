"""The whole demo in one process: its memory while it trades and is listened to, and how soon Ctrl-C ends it."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from benchmarks.demos import Demo
from benchmarks.measure import Budget, Measurement

BUDGET = Budget("memory of the whole demo, ten sockets open", "MB", 400, higher_is_better=False)
STOP = Budget("Ctrl-C to the end of the demo, ten sockets open", "s", 5.0, higher_is_better=False)
SECONDS = 60
SOCKETS = 10
CHANNELS = ("prices", "scorecards", "signals", "clock", "system")


def run() -> list[Measurement]:
    """Run it for a minute at its usual speed and one at 300 times real time; the greater peak and end count."""
    with tempfile.TemporaryDirectory() as folder:
        calm = asyncio.run(_run(Path(folder), "10"))
        fast = asyncio.run(_run(Path(folder), "300"))
    peak = max(calm["peak"], fast["peak"])
    return [
        Measurement(
            "niftyflow: peak resident", peak, "MB",
            details={"at 10 times": calm["peak"], "at 300 times": fast["peak"],
                     "frames a second": fast["frames"] / SECONDS, "s to the first fill at 10 times": calm["fill"]},
        ),
        Measurement(
            "niftyflow: Ctrl-C", max(calm["end"], fast["end"]), "s",
            details={"at 10 times": calm["end"], "at 300 times": fast["end"]}, budget=STOP,
        ),
    ]  # fmt: skip


async def _run(folder: Path, speed: str) -> dict[str, float]:
    with Demo(folder, "--speed", speed) as demo:
        await asyncio.to_thread(demo.seconds_to_link)
        frames: list[int] = []
        sockets = [asyncio.create_task(_listen(demo, frames)) for _ in range(SOCKETS)]
        began, fill = time.perf_counter(), -1.0
        while time.perf_counter() - began < SECONDS:
            await asyncio.sleep(1)
            if fill < 0 and await asyncio.to_thread(demo.ask, "/api/v1/trades?limit=1"):
                fill = round(time.perf_counter() - began, 1)
        memory = await asyncio.to_thread(demo.memory)
        end = await asyncio.to_thread(demo.seconds_to_end)
        await asyncio.gather(*sockets)
    return {"peak": memory["peak"], "end": round(end, 2), "frames": len(frames), "fill": fill}


async def _listen(demo: Demo, frames: list[int]) -> None:
    key = (demo.folder / "demo" / "api-key").read_text().strip()
    url = f"{demo.address.replace('http', 'ws', 1)}/ws/market"
    async with connect(url, additional_headers={"X-API-KEY": key}) as socket:
        for channel in CHANNELS:
            await socket.send(json.dumps({"op": "subscribe", "channel": channel, "symbols": ["*"]}))
        with suppress(ConnectionClosed):
            while True:
                frames.append(len(await socket.recv()))
