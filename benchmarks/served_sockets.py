"""A gateway in this process for the socket benchmarks: real engines in a folder, a key, and uvicorn on any port."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from niftyflow.gateway.app import create_app
from niftyflow.gateway.hub import Hub
from niftyflow.gateway.keys import new_key
from niftyflow.gateway.settings import GatewaySettings
from niftyflow.gateway.sources import Sources
from niftyflow.gateway.wire import SERVER_OPTIONS
from niftyflow.kit.caller import LocalCaller
from niftyflow.kit.clock import WallClock
from niftyflow.model import Command, CommandResult
from niftyflow.runtime.wiring import Engines, calm_collector
from niftyflow.storage.sqlite_keys import SqliteKeyStore


class NoCommands:
    """Gives no commands: nothing here trades."""

    async def give(self, command: Command, wait_seconds: float) -> CommandResult | None:
        """Give nothing."""
        return None

    async def result(self, command_id: str) -> CommandResult | None:
        """Know nothing."""
        return None


@asynccontextmanager
async def gateway(on: Engines, most: int) -> AsyncIterator[tuple[str, str, Hub]]:
    """Serve the sockets of these engines to `most` clients of one address; give address, key and hub."""
    sources = Sources(
        bus=on.bus, market=on.market, decisions=on.decisions, book=on.book, hot=on.hot, health=on.health,
        clock=WallClock(), caller=LocalCaller(), commands=NoCommands(), account="paper-1",
    )  # fmt: skip
    keys = SqliteKeyStore(on.book.database)
    key, text = new_key("bench", ["read"], "owner", sources.clock.now(), 1)
    await keys.add_key(key)
    app = create_app(sources, GatewaySettings(sockets_per_address=most), keys)
    hub = app.state.hub = Hub(sources)
    running = asyncio.create_task(hub.run())
    calm_collector()  # as a process does before it runs
    async with served(app, **SERVER_OPTIONS) as address:
        yield address, text, hub
        hub.stop()
        await running


@asynccontextmanager
async def served(app: Any, **options: Any) -> AsyncIterator[str]:
    """Run uvicorn with an application; give its address."""
    config = uvicorn.Config(app, port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=2, **options)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody
        await asyncio.sleep(0.01)
    try:
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield f"{host}:{port}"
    finally:
        server.should_exit = True
        await serving


async def clients(address: str, path: str, key: str, lists: list[str], file: str = "") -> asyncio.subprocess.Process:
    """Start clients in a process of their own and return when all of them are served."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.socket_clients", address, path, key, str(len(lists)), *filter(None, [file]),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write("".join(f"{line}\n" for line in lists).encode())
    await process.stdin.drain()
    await answer_of(process)
    return process


async def ask(process: asyncio.subprocess.Process, word: str) -> bytes:
    """Say a word to the clients and return their answer."""
    assert process.stdin is not None
    process.stdin.write(f"{word}\n".encode())
    await process.stdin.drain()
    return await answer_of(process)


async def answer_of(process: asyncio.subprocess.Process) -> bytes:
    """Return the clients' next line."""
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 120)
    if not line:
        raise RuntimeError("the clients ended early")
    return line
