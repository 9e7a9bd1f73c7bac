"""A price changes, and a thousand clients of fifty symbols each are told; one of them does not read.

Changes of all thousand symbols come four times a second, so that each is told at once: what is measured is the fan-out.
The one that does not read asked for all of them, so that the kernel's buffers are full while it is measured.
Beside it the same clients, and frames of the same bytes, from a bare uvicorn that sends to each of them.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import uvloop

from benchmarks.measure import Budget, Measurement
from benchmarks.served_sockets import ask, clients, gateway, served

BUDGET = Budget("1,000 clients of 50 symbols: price changed to frame received, p99", "ms", 50.0, higher_is_better=False)
CLIENTS = 1_000
SYMBOLS = 50
UNIVERSE = 1_000
SECONDS = 25
EVERY_SECONDS = 0.25
NAMES = [f"NSE:SYM{number:04}" for number in range(UNIVERSE)]


def run() -> list[Measurement]:
    """Measure with lists of everyone's own, with one list for all, and bare uvicorn as it sends one text to all."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    draw = random.Random(5)
    own = [" ".join(draw.sample(NAMES, SYMBOLS)) for _ in range(CLIENTS)]
    same = [" ".join(NAMES[:SYMBOLS])] * CLIENTS
    return [
        uvloop.run(_ours(own, "niftyflow: p99, every client its own symbols, one stalled")),
        replace(uvloop.run(_ours(same, "niftyflow: p99, one list of symbols, one stalled")), budget=BUDGET),
        uvloop.run(_bare("websockets-sansio")),
        uvloop.run(_bare("websockets")),
    ]


async def _ours(lists: list[str], label: str) -> Measurement:
    from niftyflow.kit.log import configure
    from niftyflow.model import Name, NameTable, TickBatch
    from niftyflow.runtime.settings import load
    from niftyflow.runtime.wiring import engines
    from niftyflow.runtime.workspace import Workspace

    configure(json=False, level="error")
    lists = [*lists[:-1], "stall *"]
    names = NameTable([Name(name) for name in NAMES])
    columns: dict[str, Any] = dict.fromkeys(TickBatch.COLUMNS, [0] * UNIVERSE) | {"name": list(range(UNIVERSE))}

    with tempfile.TemporaryDirectory() as folder:
        settings = load(Path(folder) / "none.toml", {})
        async with (
            engines(Workspace(Path(folder) / "w"), settings) as on,
            gateway(on, 2 * CLIENTS) as (address, key, hub),
        ):
            turn = 0

            async def change() -> None:
                nonlocal turn
                turn += 1
                price = round(100 + turn * 0.05, 2)
                now = time.time_ns()
                changed = columns | {
                    "ltp": [price] * UNIVERSE, "bid": [price] * UNIVERSE, "ask": [price] * UNIVERSE,
                    "day_volume": [now // 1000] * UNIVERSE, "timestamp": [now // 1_000_000] * UNIVERSE,
                }  # fmt: skip
                await on.bus.publish("raw-ticks", [TickBatch(names, **changed)])

            return await _measured(label, address, "/ws/market", key, lists, change, lambda: len(hub.listeners))


async def _bare(implementation: str) -> Measurement:
    """Send one text of the same bytes to each client, one after another, as an example of a broadcast does."""
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute
    from starlette.websockets import WebSocket, WebSocketDisconnect

    from niftyflow.gateway.channel_values import Price, price_encoder
    from niftyflow.gateway.channels import frame
    from niftyflow.gateway.latest_values import LatestChannel

    sockets: set[WebSocket] = set()
    prices = LatestChannel("prices", price_encoder(dict))
    turn = 0

    async def endpoint(socket: WebSocket) -> None:
        await socket.accept()
        sockets.add(socket)
        try:
            while True:
                await socket.receive_text()
        except WebSocketDisconnect:
            sockets.discard(socket)

    async def change() -> None:
        nonlocal turn
        turn += 1
        price = round(100 + turn * 0.05, 2)
        now = time.time_ns()
        prices.put({name: Price(name, price, price, price, now // 1000, now // 1_000_000) for name in NAMES[:SYMBOLS]})
        text = frame("delta", "prices", prices.snapshot(None), seq=1, epoch="0123456789abcdef").decode()
        for socket in list(sockets):
            await socket.send_text(text)

    app = Starlette(routes=[WebSocketRoute("/bare", endpoint)])
    async with served(app, ws=implementation, ws_per_message_deflate=False) as address:
        label = f"bare uvicorn, {implementation}: p99, one text for all, none stalled"
        return await _measured(label, address, "/bare", "", ["-"] * CLIENTS, change, lambda: len(sockets), is_peer=True)


async def _measured(
    label: str, address: str, path: str, key: str, lists: list[str], change: Callable[[], Awaitable[None]],
    connected: Callable[[], int], *, is_peer: bool = False,
) -> Measurement:  # fmt: skip
    process = await clients(address, path, key, lists)
    me = psutil.Process()
    try:
        for _ in range(4):  # warm
            await change()
            await asyncio.sleep(EVERY_SECONDS)
        await ask(process, "begin")
        used, begun, rounds = sum(me.cpu_times()[:2]), time.perf_counter(), 0
        while time.perf_counter() - begun < SECONDS:
            await change()
            rounds += 1
            await asyncio.sleep(max(0.0, begun + rounds * EVERY_SECONDS - time.perf_counter()))
        busy = (sum(me.cpu_times()[:2]) - used) / SECONDS
        ended = len(lists) - connected()
        told = json.loads(await ask(process, "stop"))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
    details = {
        "p50": round(told["p50"], 1), "max": round(told["max"], 1), "frames/s": round(told["samples"] / SECONDS),
        "bytes/frame": round(told["bytes"] / told["frames"]), "server CPU": f"{busy:.0%}", "ended": ended,
    }  # fmt: skip
    return Measurement(label, told["p99"], "ms", is_peer=is_peer, details=details)
