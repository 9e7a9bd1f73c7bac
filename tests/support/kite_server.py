"""A small scripted server that looks like Kite's WebSocket: each connection follows the next script, the last repeats.

A script is a coroutine that is given the peer; it may serve, fall silent, send rubbish or cut the line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

from aiohttp import WSMsgType, web

from niftyflow.brokers.kite.text import Request, parse_request
from niftyflow.brokers.kite.wire import encode_frames, new_packets

PATIENCE_SECONDS = 5.0


class Peer:
    """One client's connection, seen by its script."""

    def __init__(self, number: int, http: web.Request, socket: web.WebSocketResponse) -> None:
        self.number = number
        self.http = http
        self.socket = socket
        self.requests: list[Request] = []

    async def request(self) -> Request:
        """Wait for the client's next request."""
        while True:
            message = await asyncio.wait_for(self.socket.receive(), PATIENCE_SECONDS)
            if message.type is not WSMsgType.TEXT:
                raise ConnectionResetError("the client has left")
            self.requests.append(parse_request(message.data.encode()))
            return self.requests[-1]

    async def subscribed(self, tokens: int) -> list[int]:
        """Wait until this many tokens are subscribed and in full mode; return them in the order asked for."""
        asked: list[int] = []
        full: set[int] = set()
        while len(full) < tokens:
            request = await self.request()
            if request.action == "subscribe":
                asked.extend(request.tokens)
            elif request.mode is not None:
                full.update(request.tokens)
        return asked

    async def ticks(self, *tokens: int, at: int = 1_705_560_000, ltp: int = 10_000) -> None:
        """Send one frame with a full packet of each token; `at` is in unix seconds, `ltp` in paise."""
        await self.socket.send_bytes(ticks_frame(*tokens, at=at, ltp=ltp))

    async def until_left(self) -> None:
        """Answer pings and keep the requests until the client leaves."""
        while True:
            message = await self.socket.receive()
            if message.type is not WSMsgType.TEXT:
                return
            self.requests.append(parse_request(message.data.encode()))

    def raw(self, data: bytes) -> None:
        """Write bytes past the WebSocket layer."""
        assert self.http.transport is not None
        self.http.transport.write(data)

    def cut(self) -> None:
        """Cut the line without a goodbye."""
        assert self.http.transport is not None
        self.http.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class KiteServer:
    """The server, on a free port of the loopback interface; `url` is its root."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = scripts
        self.peers: list[Peer] = []
        self.statuses: list[int] = []
        """HTTP statuses with which the next handshakes are refused, used up in order."""
        self.attempts = 0
        self._runner: web.AppRunner | None = None
        self._released = asyncio.Event()
        self.url = ""

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_get("/", self._serve)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"ws://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._released.set()
        assert self._runner is not None
        await self._runner.cleanup()

    async def hang(self) -> None:
        """Do nothing, not even answer pings, until the server is closed."""
        await self._released.wait()

    async def _serve(self, http: web.Request) -> web.StreamResponse:
        self.attempts += 1
        if self.statuses:
            status = self.statuses.pop(0)
            return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else {})
        socket = web.WebSocketResponse(timeout=0.1)
        await socket.prepare(http)
        peer = Peer(len(self.peers), http, socket)
        self.peers.append(peer)
        try:
            await self._scripts[min(peer.number, len(self._scripts) - 1)](peer)
        except ConnectionResetError:
            peer.cut()
        return socket


def ticks_frame(*tokens: int, at: int = 1_705_560_000, ltp: int = 10_000) -> bytes:
    """Return one frame with a full packet of each token."""
    packets = new_packets(tokens)
    packets["ltp"] = ltp
    packets["traded_at"] = packets["timestamp"] = at
    return encode_frames(packets)[0]
