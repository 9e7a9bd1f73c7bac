"""A gateway over real stores and a small market: two sessions of a few instruments, at 10:00:20 on the second.

RELIANCE and TCS have ticks; INFY has candles alone; WIPRO is listed and never traded; every other symbol is unknown.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
from fastapi import FastAPI

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.gateway.app import create_app
from niftyflow.gateway.keys import first_key
from niftyflow.gateway.settings import GatewaySettings
from niftyflow.gateway.sources import Sources
from niftyflow.kit.caller import LocalCaller
from niftyflow.kit.clock import VirtualClock, WallClock
from niftyflow.kit.health import Health
from niftyflow.model import CandleBatch, Command, CommandResult, Exchange, Instrument, Interval, Kind, Name, NameTable
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.sqlite_book import SqliteBookStore
from niftyflow.storage.sqlite_decisions import SqliteDecisionStore
from niftyflow.storage.sqlite_keys import SqliteKeyStore
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.market import ist
from support.records import a_tick

YESTERDAY, TODAY = "2026-01-05", "2026-01-06"
NOW = ist(TODAY, "10:00:20")
MINUTE = 60_000
OPEN_TODAY = ist(TODAY, "09:15")
CLOSED_MINUTES = 45
"""09:15 to 09:59; 10:00 is under way."""
YESTERDAYS_CLOSE = {"RELIANCE": 2800.0, "TCS": 3900.0, "INFY": 1500.0}
LTP = {"RELIANCE": 2850.5, "TCS": 3880.0}


@dataclass
class RecordedCommands:
    """Takes commands and answers each as told, by its kind; remembers them."""

    answers: dict[str, CommandResult | None] = field(default_factory=dict)
    given: list[Command] = field(default_factory=list)

    async def give(self, command: Command, wait_seconds: float) -> CommandResult | None:  # noqa: ARG002 - at once
        """Remember a command, and answer that it was done unless told otherwise."""
        self.given.append(command)
        if command.kind in self.answers:
            return self.answers[command.kind]
        return _done(command)

    async def result(self, command_id: str) -> CommandResult | None:
        """Return what became of a command."""
        return next((_done(each) for each in self.given if each.id == command_id), None)


def _done(command: Command) -> CommandResult:
    return CommandResult(
        id=command.id,
        account=command.account,
        kind=command.kind,
        is_done=True,
        at=command.issued_at,
        reason="",
        body={},
    )


@dataclass
class Gateway:
    """An application, what is behind it, and a client that has the owner's key."""

    app: FastAPI
    sources: Sources
    keys: SqliteKeyStore
    secret: str
    client: httpx.AsyncClient
    clock: VirtualClock
    settings: GatewaySettings

    def anonymous(self, address: str = "127.0.0.1", **headers: str) -> httpx.AsyncClient:
        """Return a client without the key, with these headers (`_` stands for `-`)."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        transport = httpx.ASGITransport(self.app, client=(address, 1234))
        return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=named)

    async def get(self, path: str, **parameters: Any) -> Any:
        """Return the data of a GET that succeeds."""
        response = await self.client.get(f"/api/v1/{path}", params=parameters)
        body = response.json()
        assert response.status_code == 200, body
        assert body["status"] == "success"
        return body["data"]


@asynccontextmanager
async def gateway(folder: Path, **settings: Any) -> AsyncIterator[Gateway]:
    """Run a gateway over a small market in `folder`; limits are out of the way unless set."""
    chosen = GatewaySettings(**{"owner_per_second": 1e6, "owner_burst": 1_000_000, **settings})
    async with sources(folder) as behind:
        assert isinstance(behind.book, SqliteBookStore)
        assert isinstance(behind.clock, VirtualClock)
        keys = SqliteKeyStore(behind.book.database)
        secret = await first_key(keys, chosen, folder / "api-key", WallClock().now())
        assert secret is not None
        app = create_app(behind, chosen, keys)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://gateway", headers={"X-API-KEY": secret}
        ) as client:
            yield Gateway(app, behind, keys, secret, client, behind.clock, chosen)


_templates: list[Path] = []


async def _template() -> Path:
    """Return a folder with the market's databases, made once a process: migrations take longer than most tests."""
    if not _templates:
        made = Path(tempfile.mkdtemp(prefix="small-market-"))
        atexit.register(shutil.rmtree, made, ignore_errors=True)
        market, book = SqliteMarketStore(made / "market.db"), SqliteBookStore(made / "book.db")
        for each in (market, book):
            await each.open()
        await _fill(market)
        for each in (market, book):
            await each.close()
        _templates.append(made)
    return _templates[0]


@asynccontextmanager
async def sources(folder: Path) -> AsyncIterator[Sources]:
    """Open stores with the small market in them."""
    if not (folder / "market.db").exists():
        for file in (await _template()).glob("*.db"):
            shutil.copy(file, folder / file.name)
    market, book = SqliteMarketStore(folder / "market.db"), SqliteBookStore(folder / "book.db")
    hot, bus, clock = MemoryHotStore(), EmbeddedBus(folder / "log"), VirtualClock(NOW)
    opened = (market, book, hot, bus)
    for each in opened:
        await each.open()
    try:
        await _show(hot)
        yield Sources(
            bus=bus, market=market, decisions=SqliteDecisionStore(market.database), book=book, hot=hot,
            health=Health(), clock=clock, caller=LocalCaller(), commands=RecordedCommands(), account="paper-1",
        )  # fmt: skip
    finally:
        for each in reversed(opened):
            await each.close()


async def _fill(market: SqliteMarketStore) -> None:
    await market.save_instruments(
        [
            *(_share(symbol, symbol.title()) for symbol in ("RELIANCE", "TCS", "INFY", "WIPRO")),
            Instrument(
                exchange=Exchange.NSE, symbol="NIFTY 50", kind=Kind.INDEX, name="Nifty 50", has_derivatives=True
            ),
        ]
    )
    for symbol, close in YESTERDAYS_CLOSE.items():
        await market.upsert_candles(minutes(symbol, ist(YESTERDAY, "15:20"), 10, close))
        await market.upsert_candles(minutes(symbol, OPEN_TODAY, CLOSED_MINUTES, close + 20))


async def _show(hot: MemoryHotStore) -> None:
    await hot.set_many(
        {f"tick:latest:NSE:{symbol}": msgspec.json.encode(tick(symbol, ltp)) for symbol, ltp in LTP.items()}
    )
    await hot.set_hashes({"candle:current:NSE:RELIANCE": open_minute()})


def tick(symbol: str, ltp: float, **changes: Any) -> Any:
    """Return a tick of 10:00:18."""
    at = NOW - 2000
    fields = {"timestamp": at, "traded_at": at, "received": at, "bid": ltp - 0.05, "ask": ltp + 0.05}
    return a_tick(symbol=symbol, ltp=ltp, **(fields | changes))


def open_minute(**changes: Any) -> dict[str, bytes]:
    """Return the minute under way, 10:00, as processing shows it."""
    fields = {
        "time": "2026-01-06T04:30:00Z", "open": 2849.0, "high": 2852.0, "low": 2848.5, "close": 2850.5, "volume": 900,
        "trades": 30, "vwap": 2850.0, "incomplete": False,
    }  # fmt: skip
    return {name: msgspec.json.encode(value) for name, value in (fields | changes).items()}


def minutes(symbol: str, since: int, count: int, close: float, **changes: Any) -> CandleBatch:
    """Return candles of successive minutes that end at `close`, one rupee apart, of 100 shares each."""
    closes = close - np.arange(count)[::-1].astype(float)
    columns: dict[str, Any] = {
        "name": np.zeros(count, np.int32), "time": since + MINUTE * np.arange(count), "open": closes - 0.5,
        "high": closes + 1, "low": closes - 1, "close": closes, "vwap": closes, "volume": np.full(count, 100),
        "trades": np.full(count, 5), "open_interest": np.zeros(count), "day_volume": 100 * (1 + np.arange(count)),
        "traded_at": since + MINUTE * np.arange(count) + 59_000, "provenance": np.zeros(count),
        "revision": np.zeros(count), "incomplete": np.zeros(count, bool), "through_partition": np.zeros(count) - 1,
        "through_offset": np.zeros(count) - 1,
    }  # fmt: skip
    return CandleBatch(NameTable([Name(f"NSE:{symbol}")]), Interval.M1, **(columns | changes))


def _share(symbol: str, name: str) -> Instrument:
    return Instrument(
        exchange=Exchange.NSE,
        symbol=symbol,
        kind=Kind.EQUITY,
        name=name,
        has_derivatives=True,
        tick_size=Decimal("0.05"),
    )
