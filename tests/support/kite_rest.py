"""A small real HTTP server that answers as Kite does, or fails as networks do, and an account's adapter against it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web
from pydantic import SecretStr

from niftyflow.brokers.account_book import BrokerSession
from niftyflow.brokers.kite.broker import KiteBroker
from niftyflow.brokers.kite.session import KiteSession
from niftyflow.brokers.kite.settings import KiteRestSettings
from niftyflow.kit.clock import VirtualClock
from niftyflow.model import Order, OrderType, Product, Side, Validity, Verdict

KEY = "key0123456789"
SECRET = "a-secret-of-the-app"
TOKEN = "a-token-of-the-day"
NOON = 1_700_030_400_000
"""15 November 2023, 12:10 in India."""


@dataclass
class Arrived:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, Any]
    form: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What the server does with a request: waits, then answers, or cuts the connection after having taken it."""

    status: int = 200
    body: bytes = b'{"status":"success","data":true}'
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    is_cut: bool = False


def success(data: Any) -> Answer:
    """Return a success with this data."""
    return Answer(body=msgspec.json.encode({"status": "success", "data": data}))


def failure(error_type: str, message: str, status: int) -> Answer:
    """Return an error body of Kite's."""
    body = {"status": "error", "message": message, "data": None, "error_type": error_type}
    return Answer(status=status, body=msgspec.json.encode(body))


class ScriptedKite:
    """The server: `answers` by method and path, or `otherwise`; everything that came is in `arrived`."""

    def __init__(self) -> None:
        self.root = ""
        self.arrived: list[Arrived] = []
        self.answers: dict[tuple[str, str], Answer] = {}
        self.otherwise = Answer()

    def on(self, method: str, path: str, answer: Answer) -> None:
        """Give this answer from now on."""
        self.answers[method, path] = answer

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Take a request in, and do as the script says."""
        body = await request.read()
        form = {name: str(value) for name, value in (await request.post()).items()}
        query = {name: request.query.getall(name) for name in request.query}
        self.arrived.append(Arrived(request.method, request.path, dict(request.headers), query, form, body))
        answer = self.answers.get((request.method, request.path), self.otherwise)
        await asyncio.sleep(answer.delay_seconds)
        if answer.is_cut:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(
            status=answer.status, body=answer.body, content_type=answer.content_type, headers=answer.headers
        )


@asynccontextmanager
async def scripted_kite() -> AsyncIterator[ScriptedKite]:
    """Serve a scripted Kite on a free port of this machine."""
    kite = ScriptedKite()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", kite.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    kite.root = site.name
    try:
        yield kite
    finally:
        await runner.cleanup()


class OpenGate:
    """A rate gate that lets everything through at once, and remembers what passed and what slowed it."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.urgent: list[str] = []
        self.told: list[tuple[str, float]] = []

    async def take(self, kind: str, *, is_urgent: bool = False) -> None:
        """Let a call through."""
        (self.urgent if is_urgent else self.taken).append(kind)

    def slowed(self, kind: str, seconds: float) -> None:
        """Remember a 429."""
        self.told.append((kind, seconds))


def settings_for(root: str, **changes: Any) -> KiteRestSettings:
    """Return settings of an account at this root, without a socket, polled so seldom that a test sees no poll."""
    fields: dict[str, Any] = {
        "root": root, "login_page": f"{root}/connect/login", "api_key": KEY, "api_secret": SecretStr(SECRET),
        "socket_root": "", "poll_seconds": 3600.0, "callback_port": 0,
    }  # fmt: skip
    return KiteRestSettings(**(fields | changes))


class LoggedIn(KiteSession):
    """A session that somebody has logged in to."""

    async def credentials(self) -> SecretStr:
        """Return the token."""
        return SecretStr(TOKEN)


@asynccontextmanager
async def account_at(
    kite: ScriptedKite, gate: OpenGate | None = None, session: Callable[..., KiteSession] = LoggedIn, **changes: Any
) -> AsyncIterator[KiteBroker]:
    """Open the adapter of an account at a scripted Kite; its first look into the order book is answered empty."""
    settings, clock = settings_for(kite.root, **changes), VirtualClock(NOON)
    kite.answers.setdefault(("GET", "/orders"), success([]))
    async with KiteBroker(settings, clock, gate or OpenGate(), session(settings, clock)) as broker:
        yield broker


def session_of(token: str = TOKEN, dies_at: int = NOON + 1) -> BrokerSession:
    """Return a session of the day."""
    return BrokerSession(
        broker="kite", user_id="XX0000", user_name="Kite Connect", api_key=KEY, access_token=SecretStr(token),
        logged_in_at=NOON - 1, dies_at=dies_at,
    )  # fmt: skip


def intent(**changes: Any) -> Order:
    """Return an intent to buy 10 INFY at 1,500.50."""
    fields: dict[str, Any] = {
        "account": "live-1", "client_order_id": "nf0123456789abcdef", "strategy": "manual", "symbol": "INFY",
        "exchange": "NSE", "side": Side.BUY, "quantity": 10, "order_type": OrderType.LIMIT, "product": Product.CNC,
        "validity": Validity.DAY, "price": Decimal("1500.50"), "trigger": None, "cause": "command", "signal_id": "",
        "trace_id": "", "decided_at": NOON, "valid_until": NOON + 60_000, "risk": Verdict(verdict="pass"),
    }  # fmt: skip
    return Order(**(fields | changes))
