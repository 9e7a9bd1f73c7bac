"""A gateway over a whole process that trades: a played session goes on by ticks that a test publishes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import Match

from niftyflow.gateway.app import create_app
from niftyflow.gateway.keys import first_key
from niftyflow.gateway.settings import GatewaySettings
from niftyflow.gateway.sources import Sources
from niftyflow.kit.clock import VirtualClock, WallClock
from niftyflow.model import TickBatch, Watermark
from niftyflow.runtime.answers import answering
from niftyflow.runtime.settings import load
from niftyflow.runtime.wiring import Engines, Process, engines
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.sqlite_book import SqliteBookStore
from niftyflow.storage.sqlite_keys import SqliteKeyStore
from support.decided_days import decided_workspace
from support.records import a_tick
from support.waiting import until

SECOND = 1_000
MINUTE = 60_000


@dataclass
class TradingGateway:
    """The application, the process behind it, and a client that has the owner's key."""

    app: FastAPI
    client: httpx.AsyncClient
    sources: Sources
    process: Process
    on: Engines
    clock: VirtualClock
    now: int
    """The last watermark of the market, ms UTC."""
    volume: int = 10_000_000

    async def ask(self, method: str, path: str, expected: int = 200, **request: Any) -> Any:
        """Return what a request below /api/v1 is answered: the data, or the error when it is to fail."""
        response = await self.client.request(method, f"/api/v1/{path}", **request)
        body = response.json()
        assert response.status_code == expected, body
        described(self.app, method, path, response.status_code).model_validate(body)
        return body["data"] if response.is_success else body["error"]

    async def get(self, path: str, expected: int = 200, **parameters: Any) -> Any:
        """Return what a GET is answered."""
        return await self.ask("GET", path, expected, params=parameters)

    async def post(self, path: str, body: Any, expected: int = 200, **headers: str) -> Any:
        """Return what a POST is answered."""
        return await self.ask("POST", path, expected, json=body, headers=headers)

    async def put(self, path: str, body: Any, expected: int = 200) -> Any:
        """Return what a PUT is answered."""
        return await self.ask("PUT", path, expected, json=body)

    async def order(self, order_id: str) -> Any:
        """Return an order with its states and fills."""
        return await self.get(f"orders/{order_id}")

    async def tick(self, prices: Mapping[str, float], seconds: int = 1) -> None:
        """Let a trade of each share come, and wait until the account has taken it in."""
        self.now += seconds * SECOND
        self.volume += 1_000
        ticks = [
            a_tick(
                symbol=symbol, ltp=price, bid=round(price - 0.05, 2), ask=round(price + 0.05, 2), volume=500,
                day_volume=self.volume, timestamp=self.now - 1, traded_at=self.now - 1, received=self.now - 1,
                token=symbol, sequence=self.volume,
            )
            for symbol, price in prices.items()
        ]  # fmt: skip
        self.clock.advance_to(self.now)
        mark = Watermark(time=self.now, partition=0, source="test", healthy=True)
        await self.on.bus.publish("raw-ticks", [TickBatch.from_records(ticks), mark])
        await until(lambda: self._through() >= self.now)

    async def minute(self, prices: Mapping[str, float]) -> None:
        """Let the minute end with a trade of each share, and the first one of the next come."""
        await self.tick(prices, (MINUTE - self.now % MINUTE) // SECOND)
        await self.tick(prices)

    def _through(self) -> int:
        desk = self.process.desk
        return 0 if desk is None or desk.account is None else desk.account.portfolio.state.through


@asynccontextmanager
async def trading_gateway(folder: Path, **settings: Any) -> AsyncIterator[TradingGateway]:
    """Run a process without a feed in a workspace that was played, and the gateway over it."""
    workspace = Workspace(folder)
    loaded = load(workspace.settings_file)
    chosen = GatewaySettings(**{"owner_per_second": 1e6, "owner_burst": 1_000_000, **settings})
    async with engines(workspace, loaded) as on:
        last = await on.bus.last_watermark("raw-ticks", 0)
        assert last is not None
        clock, process = VirtualClock(last.time), Process(workspace, loaded, on)
        running = asyncio.create_task(process.run(None, [], clock))
        await until(lambda: running.done() or (process.desk is not None and process.desk.account is not None))
        answers = answering(on, loaded, clock, workspace, desk=lambda: process.desk, parts=process.parts)
        async with answers as (caller, commands):
            sources = Sources(
                bus=on.bus, market=on.market, decisions=on.decisions, book=on.book, hot=on.hot, health=on.health,
                clock=clock, caller=caller, commands=commands, account=loaded.trading.account,
            )  # fmt: skip
            assert isinstance(on.book, SqliteBookStore)
            keys = SqliteKeyStore(on.book.database)
            secret = await first_key(keys, chosen, folder / "api-key", WallClock().now())
            app = create_app(sources, chosen, keys)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://gateway", headers={"X-API-KEY": secret or ""}
            ) as client:
                yield TradingGateway(app, client, sources, process, on, clock, last.time)
        process.stop()
        await running


def described(app: FastAPI, method: str, path: str, status: int) -> type[BaseModel]:
    """Return the model with which the schema describes an answer; an answer that nobody described fails."""
    scope = {"type": "http", "method": method, "path": f"/api/v1/{path.partition('?')[0]}", "root_path": ""}
    for route in app.routes:
        if isinstance(route, APIRoute) and route.matches(scope)[0] is Match.FULL:
            model: type[BaseModel] = route.responses[status]["model"]
            return model
    raise AssertionError(f"no route for {method} {path}")


PRICES = {"INFY": 980.15, "SBIN": 252.55, "TCS": 2374.35}
"""Where the played session ends."""


@pytest.fixture(scope="session")
def played_session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with signals, orders and open positions, in which nothing runs; not to be changed."""
    return decided_workspace(tmp_path_factory.mktemp("decided"))


@pytest.fixture
async def trading(played_session: Path, tmp_path: Path) -> AsyncIterator[TradingGateway]:
    """A gateway over a process that trades, in a copy of the workspace that a test may change."""
    async with trading_gateway(Path(shutil.copytree(played_session, tmp_path / "ws"))) as running:
        yield running
