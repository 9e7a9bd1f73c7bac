"""A gateway in a process of its own over a real workspace: two sessions of fifty shares and their index, ticks at hand.

`FOLDER gateway` serves it, `FOLDER bare` a FastAPI route that answers a constant. Prints its port and its key first.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import msgspec
import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.responses import Response

from niftyflow.brokers.simulator.synthetic import SyntheticSession
from niftyflow.brokers.simulator.synthetic_candles import session_candles
from niftyflow.gateway.app import create_app
from niftyflow.gateway.keys import first_key
from niftyflow.gateway.settings import GatewaySettings
from niftyflow.gateway.sources import Sources
from niftyflow.kit.addresses import listening
from niftyflow.kit.caller import Caller
from niftyflow.kit.clock import VirtualClock, WallClock
from niftyflow.kit.log import configure
from niftyflow.market import ist_day
from niftyflow.model import ScorecardBatch, Tick
from niftyflow.runtime.answers import answering
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.wiring import Engines, calm_collector, engines
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.sqlite_keys import SqliteKeyStore

FIRST_OPEN = 1_767_584_700_000
"""09:15 in India on 2026-01-05, ms UTC."""
DAY_MS = 86_400_000
SESSION_MS = 375 * 60_000
NOON_MS = 165 * 60_000
ANSWER = b'{"status":"success","data":[{"symbol":"NSE:RELIANCE","ltp":2850.5,"change":12.25}]}'
UNLIMITED = GatewaySettings(owner_per_second=20_000, owner_burst=40_000)
"""The owner's bucket is asked as ever, and holds what is measured."""


async def serve_gateway(folder: Path) -> None:
    """Fill a workspace, and serve it until the process ends."""
    workspace, settings = Workspace(folder / "work"), AppSettings()
    async with engines(workspace, settings) as on:
        now = await fill(on)
        keys = SqliteKeyStore(on.book.database)  # type: ignore[attr-defined]
        secret = await first_key(keys, UNLIMITED, folder / "api-key", WallClock().now())
        clock = VirtualClock(now)
        async with answering(on, settings, clock, workspace, desk=lambda: None, parts=list) as (caller, commands):
            sources = Sources(
                bus=on.bus, market=on.market, decisions=on.decisions, book=on.book, hot=on.hot, health=on.health,
                clock=clock, caller=caller, commands=commands, account="paper-1",
            )  # fmt: skip
            await tell_scorecards(on, caller)
            await serve(create_app(sources, UNLIMITED, keys), secret or "")


async def tell_scorecards(on: Engines, caller: Caller) -> None:
    """Publish each share's scorecard, as analysis does every minute, and wait until all are at hand."""
    keys = [each.key for each in await on.market.instruments(ist_day(FIRST_OPEN + DAY_MS))]
    cards = [await caller.call("analyze", symbol=key) for key in keys]
    await on.bus.publish("analysis_updates", [ScorecardBatch.from_records(cards)])
    while len(await caller.call("scorecards")) < len(keys):  # noqa: ASYNC110 - whoever takes them in signals nothing
        await asyncio.sleep(0.01)


async def fill(on: Engines) -> int:
    """Store a session and the next one's morning, with each last price as a tick; return its noon, ms UTC."""
    noon = FIRST_OPEN + DAY_MS + NOON_MS
    for opens in (FIRST_OPEN, FIRST_OPEN + DAY_MS):
        session = SyntheticSession([(opens, opens + SESSION_MS)], seed=opens // DAY_MS)
        candles, closes = session_candles(session, noon)
        await on.market.upsert_candles(candles)
    await on.market.save_instruments(session.instruments)
    ticks = {
        f"tick:latest:{each.key}": Tick(
            token=each.token, symbol=each.symbol, exchange=each.exchange, ltp=price, volume=10, day_volume=100_000,
            bid=price - 0.05, ask=price + 0.05, open_interest=0, timestamp=noon, traded_at=noon, received=noon,
            sequence=1, source="bench",
        )
        for each, price in zip(session.instruments, closes, strict=True)
    }  # fmt: skip
    await on.hot.set_many({key: msgspec.json.encode(tick) for key, tick in ticks.items()})
    return noon


def bare() -> FastAPI:
    """Return a FastAPI application with one route: no key, no limit, a parameter, an answer that is bytes already."""
    app = FastAPI()

    @app.get("/api/v1/prices")
    async def prices(symbols: str) -> Response:  # noqa: ARG001 - read as any parameter is
        return Response(ANSWER, media_type="application/json")

    return app


async def serve(app: FastAPI, secret: str) -> None:
    """Serve on a free port; say which, once connections are taken."""
    bound = listening("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(app, http="httptools", ws="none", lifespan="off", access_log=False, log_level="error")
    )
    sys.stdout.write(json.dumps({"port": bound.getsockname()[1], "key": secret}) + "\n")
    sys.stdout.flush()
    calm_collector()
    await server.serve(sockets=[bound])


if __name__ == "__main__":
    configure(json=False, level="error")
    uvloop.run(serve_gateway(Path(sys.argv[1])) if sys.argv[2] == "gateway" else serve(bare(), ""))
