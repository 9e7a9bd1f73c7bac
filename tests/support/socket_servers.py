"""A gateway with its sockets on a real server, over real engines in a folder, and clients for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.gateway.app import create_app
from niftyflow.gateway.hub import Hub
from niftyflow.gateway.keys import hash_of, new_key
from niftyflow.gateway.settings import GatewaySettings
from niftyflow.gateway.sources import Sources
from niftyflow.gateway.wire import SERVER_OPTIONS
from niftyflow.kit.caller import LocalCaller
from niftyflow.kit.clock import WallClock
from niftyflow.kit.health import Health, State
from niftyflow.model import Command, CommandResult
from niftyflow.storage.key_ports import BrowserSession
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.sqlite_book import SqliteBookStore
from niftyflow.storage.sqlite_decisions import SqliteDecisionStore
from niftyflow.storage.sqlite_keys import SqliteKeyStore
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.waiting import until

ACCOUNT = "paper-1"
COOKIE = "a-browser-of-these-tests"


class NoCommands:
    """Gives no commands: nothing here trades."""

    async def give(self, command: Command, wait_seconds: float) -> CommandResult | None:  # noqa: ARG002 - the port's
        return None

    async def result(self, command_id: str) -> CommandResult | None:  # noqa: ARG002 - the port's
        return None


@dataclass
class Served:
    """A running gateway; `key` may read, `powerless` may nothing."""

    address: str
    sources: Sources
    hub: Hub
    caller: LocalCaller
    keys: SqliteKeyStore
    key: str
    key_id: str
    powerless: str
    app: FastAPI
    server: uvicorn.Server

    def buffered(self) -> int:
        """Return the bytes that wait to be sent, to all clients."""
        return sum(each.transport.get_write_buffer_size() for each in self.server.server_state.connections)

    def connect(self, path: str = "/ws/market", *, key: str | None = None, **options: Any) -> connect:
        """Return a connection to a socket, with the key unless headers say otherwise."""
        headers = options.pop("headers", {"X-API-KEY": self.key if key is None else key})
        options = {"compression": None, "proxy": None, "open_timeout": 60, "ping_interval": None} | options
        return connect(f"ws://{self.address}{path}", additional_headers=headers, **options)


@asynccontextmanager
async def serving(
    folder: Path, *, port: int = 0, server: Mapping[str, Any] = SERVER_OPTIONS,
    **settings: Any,
) -> AsyncIterator[Served]:  # fmt: skip
    """Serve over the engines of a folder, as the runtime does."""
    async with AsyncExitStack() as stack:
        bus, market, book = (
            EmbeddedBus(folder / "log"),
            SqliteMarketStore(folder / "m.db"),
            SqliteBookStore(folder / "b.db"),
        )
        hot = MemoryHotStore()
        for engine in (bus, market, book, hot):
            await engine.open()
            stack.push_async_callback(engine.close)
        caller = LocalCaller()
        sources = Sources(
            bus=bus, market=market, decisions=SqliteDecisionStore(market.database), book=book, hot=hot, health=Health(),
            clock=WallClock(), caller=caller, commands=NoCommands(), account=ACCOUNT,
        )  # fmt: skip
        keys = SqliteKeyStore(book.database)
        key_id, key = await _a_key(keys, ["read"], "reader")
        _, powerless = await _a_key(keys, [], "powerless")
        app = create_app(sources, GatewaySettings(**{"sockets_per_address": 50} | settings), keys)
        hub = app.state.hub = Hub(sources)
        uvicorn_server = uvicorn.Server(
            uvicorn.Config(app, port=port, log_level="error", lifespan="off", timeout_graceful_shutdown=5, **server)
        )
        tasks = [asyncio.create_task(hub.run()), asyncio.create_task(uvicorn_server.serve())]
        try:
            await until(lambda: uvicorn_server.started or tasks[1].done())
            await until(lambda: sources.health.worker("gateway-hub").state is State.RUNNING)
            await until(lambda: len(bus._subscriptions) >= len(hub.board.topics))
            host, port = uvicorn_server.servers[0].sockets[0].getsockname()[:2]
            yield Served(f"{host}:{port}", sources, hub, caller, keys, key, key_id, powerless, app, uvicorn_server)
        finally:
            hub.stop()
            uvicorn_server.should_exit = True
            async with asyncio.timeout(60):
                await asyncio.gather(*tasks)


async def sign_in(served: Served) -> dict[str, str]:
    """Return the headers of a browser that signed in."""
    now = served.sources.clock.now()
    session = BrowserSession(hash=hash_of(COOKIE), key_id=served.key_id, created_at=now, expires_at=now + 3_600_000)
    await served.keys.add_session(session)
    return {"Cookie": f"niftyflow_session={COOKIE}"}


async def send(client: ClientConnection, **request: Any) -> None:
    """Send a frame."""
    await client.send(msgspec.json.encode(request).decode())


async def told(client: ClientConnection, seconds: float = 60.0) -> dict[str, Any]:
    """Return the next frame."""
    async with asyncio.timeout(seconds):
        frame: dict[str, Any] = msgspec.json.decode(await client.recv())
    return frame


async def _a_key(keys: SqliteKeyStore, scopes: list[str], name: str) -> tuple[str, str]:
    key, text = new_key(name, scopes, "standard", WallClock().now(), 90)
    await keys.add_key(msgspec.structs.replace(key, name=f"{name}-{key.id}"))
    return key.id, text
