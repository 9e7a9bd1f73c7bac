"""What tests of the simulated broker share: a served session, the official client logged in, and waiting for it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
from kiteconnect import KiteConnect

from niftyflow.brokers.matching import MatchingSettings
from niftyflow.brokers.simulator.accounts import Account
from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.rest import FrontOptions
from niftyflow.brokers.simulator.server import SimulatorServer
from niftyflow.brokers.simulator.synthetic import SyntheticSession
from niftyflow.brokers.simulator.tape import MINUTE
from support.simulator import OPENS

PATIENCE_SECONDS = 60.0
SECRET = "the-secret-of-the-tests"
ACCOUNT = Account(user_id="AB1234", api_key="key1", api_secret=SECRET, cash=Decimal(1_000_000))


def session(minutes: int = 30, symbols: int = 3) -> SyntheticSession:
    """Return the first minutes of a generated day."""
    return SyntheticSession([(OPENS, OPENS + minutes * MINUTE)], symbols=symbols)


@contextlib.asynccontextmanager
async def serving(
    *, minutes: int = 30, symbols: int = 3, speed: float = 10, waits: bool = False, started: int = MINUTE,
    accounts: Sequence[Account] = (ACCOUNT,), has_rate_limits: bool = False, socket_needs_login: bool = False,
    latency_ms: int = 0, arrivals_file: Path | None = None,
) -> AsyncIterator[SimulatorServer]:  # fmt: skip
    """Serve a generated session, `started` ms after its open, and yield the server."""
    playback = Playback(session(minutes, symbols))
    if started:
        playback.seek(OPENS + started)
    front = FrontOptions(
        accounts=accounts, has_rate_limits=has_rate_limits, socket_needs_login=socket_needs_login,
        arrivals_file=arrivals_file, matching=MatchingSettings(latency_ms=latency_ms),
    )  # fmt: skip
    server = SimulatorServer(playback, speed=speed, waits=waits, front=front)
    await server.start()
    running = asyncio.ensure_future(server.run())
    try:
        yield server
    finally:
        server.request_stop()
        await asyncio.wait_for(running, PATIENCE_SECONDS)


def root_of(server: SimulatorServer) -> str:
    """Return the address of the REST routes."""
    return server.url.replace("ws://", "http://")


async def request_token(server: SimulatorServer, account: Account = ACCOUNT) -> str:
    """Log in on the login page and return the token it shows."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{root_of(server)}/connect/login", params={"v": "3", "api_key": account.api_key}) as answer,
    ):
        found = re.search(r'id="request_token">(\w+)<', await answer.text())
    assert found is not None
    return found.group(1)


@contextlib.asynccontextmanager
async def official_client(server: SimulatorServer, account: Account = ACCOUNT) -> AsyncIterator[KiteConnect]:
    """Yield the official Python client, unmodified but for its root, logged in."""
    kite = KiteConnect(account.api_key, root=root_of(server), timeout=PATIENCE_SECONDS)
    token = await request_token(server, account)
    await asyncio.to_thread(kite.generate_session, token, account.api_secret)
    try:
        yield kite
    finally:
        kite.reqsession.close()


async def ask(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Make a call of the official client on a thread, as the server runs in this one."""
    return await asyncio.to_thread(call, *arguments, **named)


async def until(read: Callable[[], Any], is_there: Callable[[Any], bool], what: str) -> Any:
    """Ask again and again until an answer is what is waited for, and return it."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_there(answer := await asyncio.to_thread(read)):  # noqa: ASYNC110  an answer is no event
            await asyncio.sleep(0.02)
    assert answer is not None, what
    return answer


async def order_in(kite: KiteConnect, order_id: str, status: str) -> dict[str, Any]:
    """Wait until an order has a status, and return it."""

    def is_there(orders: list[dict[str, Any]]) -> bool:
        return any(each["order_id"] == order_id and each["status"] == status for each in orders)

    orders = await until(kite.orders, is_there, f"{order_id} is {status}")
    return next(each for each in orders if each["order_id"] == order_id)


async def buy(kite: KiteConnect, symbol: str, *, factor: float = 1.01, **named: Any) -> str:
    """Place a limit order to buy at so much of the last price, and return its id."""
    key = f"NSE:{symbol}"
    price = round(round((await ask(kite.ltp, key))[key]["last_price"] * factor / 0.05) * 0.05, 2)
    terms = {"quantity": 10, "product": "MIS", "order_type": "LIMIT", "price": price, **named}
    return await ask(kite.place_order, "regular", "NSE", symbol, "BUY", **terms)
