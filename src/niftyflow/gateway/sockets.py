"""The sockets: who may listen, to what, and the frames clients send. The hub decides what they are told.

`/ws/market`, `/ws/orders/{account}` and `/ws/positions/{account}`. A bad frame is answered with an error and forgiven
three times a second; a client that goes on with them is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import Final, Literal

import msgspec
from fastapi import APIRouter
from starlette.websockets import WebSocket

from niftyflow.gateway.channels import ALL, frame
from niftyflow.gateway.envelope import Raw, failure
from niftyflow.gateway.errors import code_of, readable
from niftyflow.gateway.hub import Hub
from niftyflow.gateway.keys import Identity, Keyring, Scope, is_same_origin, session_cookie
from niftyflow.gateway.limits import Buckets, Rate
from niftyflow.gateway.settings import GatewaySettings
from niftyflow.gateway.sources import sources_of
from niftyflow.gateway.wire import LARGEST_INBOUND_BYTES, wire_of
from niftyflow.kit.clock import monotonic
from niftyflow.model import InvalidValue, Refused, Retryable, parse_instrument

router = APIRouter()

MARKET: Final = ("prices", "candles", "scorecards", "signals", "market-view", "clock", "system")
ORDERS: Final = ("orders", "account")
POSITIONS: Final = ("account",)
MOST_SYMBOLS: Final = 5_000
"""Of one subscription: more than any watched list; `*` is for all."""
MOST_FORMING: Final = 200
"""Symbols whose forming candles one client may watch."""
FIRST_FRAME_SECONDS: Final = 10.0
"""In which a client that brought no key must send one."""
IDENTITY_SECONDS: Final = 30.0
"""Between two looks whether the key still holds."""
BAD_FRAMES: Final = Rate(3.0, 3)
LONGEST_NAME: Final = 80
POLICY, TOO_BIG = 1008, 1009


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """A frame of a client."""

    op: Literal["auth", "subscribe", "unsubscribe", "resume", "ping"]
    channel: str = ""
    symbols: list[str] | None = None
    after: int | None = None
    epoch: str = ""
    key: str = ""


_request: Final = msgspec.json.Decoder(Request).decode
_encode: Final = msgspec.json.Encoder().encode


@router.websocket("/ws/market")
async def market(websocket: WebSocket) -> None:
    """Tell prices, candles, scorecards, signals, the view of the market, the clock and the system."""
    await _serve(websocket, "market", MARKET)


@router.websocket("/ws/orders/{account}")
async def orders(websocket: WebSocket, account: str) -> None:
    """Tell an account's orders, fills and positions, and its numbers."""
    await _serve(websocket, "orders", ORDERS, account)


@router.websocket("/ws/positions/{account}")
async def positions(websocket: WebSocket, account: str) -> None:
    """Tell an account's numbers."""
    await _serve(websocket, "positions", POSITIONS, account)


async def _serve(websocket: WebSocket, socket: str, channels: tuple[str, ...], account: str | None = None) -> None:
    """Let a client in, or say why not; then answer it until it leaves."""
    open_from = _open_sockets(websocket)
    address = websocket.client.host if websocket.client else ""
    try:
        identity = await websocket.app.state.keyring.identify(websocket.headers)
        refusal = _refusal(websocket, account, identity, open_from[address])
    except Retryable as error:
        refusal = failure("unavailable", str(error), "")
    if refusal is not None:
        await websocket.send_denial_response(refusal)
        return
    open_from[address] += 1
    try:
        await websocket.accept()
        await Visit(websocket, identity, socket, channels).run()
    finally:
        open_from[address] -= 1
        if not open_from[address]:
            del open_from[address]


def _refusal(websocket: WebSocket, account: str | None, identity: Identity | None, open_already: int) -> Raw | None:
    """Return the answer to a client that is not let in at all; one without a key is, to bring it in its first frame."""
    settings: GatewaySettings = websocket.app.state.settings
    if getattr(websocket.app.state, "hub", None) is None:
        return failure("unavailable", "the gateway is starting", "")
    if open_already >= settings.sockets_per_address:
        message = f"{settings.sockets_per_address} sockets are open from this address"
        return failure("too_many_requests", message, "", None, {"Retry-After": "5"})
    if identity is not None and identity.by_cookie and not is_same_origin(websocket.headers):
        return failure("forbidden", "a page of another origin may not use this browser's session", "")
    if account is not None and account != sources_of(websocket).account:
        return failure("not_found", "there is no account of that name here", "")
    return None


def _open_sockets(websocket: WebSocket) -> Counter[str]:
    """Return how many sockets are open by address, counted for each application."""
    state = websocket.app.state
    if not hasattr(state, "open_sockets"):
        state.open_sockets = Counter()
    counted: Counter[str] = state.open_sockets
    return counted


class Visit:
    """One client from its first frame to its last."""

    def __init__(self, websocket: WebSocket, identity: Identity | None, socket: str, channels: tuple[str, ...]) -> None:
        self._websocket = websocket
        self._hub: Hub = websocket.app.state.hub
        self._keyring: Keyring = websocket.app.state.keyring
        self._clock = sources_of(websocket).clock
        self._identity = identity
        self._key: str | None = None
        self._channels = channels
        self._wire = wire_of(websocket)
        self._listener = self._hub.join(self._wire, socket)
        self._bad = Buckets()

    async def run(self) -> None:
        """Answer frames until the client is gone."""
        try:
            if self._identity is not None or self._brought_none():
                self._allow(self._identity)
            else:
                self._turn_away("this key or session is unknown, expired or revoked")
            await self._answer_all()
        except asyncio.CancelledError:
            if not self._wire.is_aborted:
                raise
        finally:
            self._hub.leave(self._listener)

    async def _answer_all(self) -> None:
        look_at = monotonic() + (IDENTITY_SECONDS if self._identity is not None else FIRST_FRAME_SECONDS)
        while True:
            try:
                async with asyncio.timeout(max(0.0, look_at - monotonic())):
                    message = await self._websocket.receive()
            except TimeoutError:
                await self._look_again()
                look_at = monotonic() + IDENTITY_SECONDS
                continue
            if message["type"] == "websocket.disconnect":
                return
            if not self._listener.is_over:  # after our close only the client's own is waited for
                await self._answer(message.get("text"))

    async def _answer(self, text: str | None) -> None:
        if text is not None and len(text.encode()) > LARGEST_INBOUND_BYTES:
            self._listener.end(TOO_BIG, f"a frame has at most {LARGEST_INBOUND_BYTES} bytes", "frame_too_big")
            return
        channel = ""
        try:
            if text is None:
                raise InvalidValue("frame", "binary", "frames are JSON text")
            request = _request(text)
            channel = request.channel
            await self._do(request)
        except msgspec.MsgspecError as error:
            code = "invalid_value" if isinstance(error, msgspec.ValidationError) else "bad_json"
            self._complain(code, str(error), channel)
        except Refused as error:
            self._complain(code_of(error), readable(str(error)), channel)
        except Retryable as error:
            self._say_error("unavailable", readable(str(error)), channel)

    async def _do(self, request: Request) -> None:
        if request.op == "auth":
            await self._introduce(request.key)
        elif self._identity is None:
            self._turn_away("send a key in X-API-KEY, or in a first frame with op auth")
        elif request.op == "ping":
            self._listener.say(frame("pong", request.channel[:LONGEST_NAME], _encode({"time": self._clock.now()})))
        else:
            await self._listen(request)

    async def _listen(self, request: Request) -> None:
        name = request.channel
        if name not in self._channels:
            raise InvalidValue("channel", name[:LONGEST_NAME], f"this socket has {', '.join(self._channels)}")
        asked = _asked(request.symbols)
        if request.op == "unsubscribe":
            self._hub.unsubscribe(self._listener, name, None if request.symbols is None else asked)
            return
        self._refuse_too_many(request, asked)
        if request.op == "subscribe":
            await self._hub.subscribe(self._listener, name, asked)
            return
        if request.after is None or request.after < 0:
            raise InvalidValue("after", request.after, "resume after the last seq you were told")
        await self._hub.resume(self._listener, name, asked, request.after, request.epoch)

    def _refuse_too_many(self, request: Request, asked: frozenset[str]) -> None:
        """Refuse more symbols than one client may listen to; the candles of all are too many for anybody."""
        is_candles = request.channel == "candles"
        if is_candles and ALL in asked:
            raise InvalidValue("symbols", request.symbols, "name the symbols whose candles you want")
        known = self._listener.asked.get(request.channel, frozenset()) if request.op == "subscribe" else frozenset()
        most = MOST_FORMING if is_candles else MOST_SYMBOLS
        if len(asked | known) > most:
            raise InvalidValue("symbols", len(asked | known), f"at most {most} of one channel")

    async def _introduce(self, key: str) -> None:
        identity = await self._keyring.of_key(key)
        if identity is None:
            self._turn_away("this key is unknown, expired or revoked")
        else:
            self._key = key
            self._allow(identity)
            if not self._listener.is_over:
                self._listener.say(frame("pong", "", _encode({"time": self._clock.now()})))

    def _allow(self, identity: Identity | None) -> None:
        if identity is not None and Scope.READ not in identity.scopes:
            self._turn_away(f"the key {identity.name} lacks the scope {Scope.READ}", "forbidden")
        self._identity = identity

    async def _look_again(self) -> None:
        """See whether the client may still listen; a store that is away changes nothing."""
        if self._listener.is_over:
            return
        if self._identity is None:
            self._turn_away(f"no key came within {FIRST_FRAME_SECONDS:g} s")
            return
        with contextlib.suppress(Retryable):
            known = (
                self._keyring.identify(self._websocket.headers)
                if self._key is None
                else self._keyring.of_key(self._key)
            )
            if await known is None:
                self._turn_away("the key or session holds no more")

    def _brought_none(self) -> bool:
        headers = self._websocket.headers
        return not {"x-api-key", "authorization"} & set(headers) and session_cookie(headers) is None

    def _turn_away(self, message: str, code: str = "unauthenticated") -> None:
        self._say_error(code, message, "")
        self._listener.end(POLICY, message, code)

    def _complain(self, code: str, message: str, channel: str) -> None:
        """Answer a bad frame; three a second are tolerated."""
        self._say_error(code, message, channel)
        if self._bad.take("", BAD_FRAMES):
            self._listener.end(POLICY, "too many bad frames", "bad_frames")

    def _say_error(self, code: str, message: str, channel: str) -> None:
        self._listener.say(
            frame("error", readable(channel)[:LONGEST_NAME], _encode({"code": code, "message": message}))
        )


def _asked(symbols: list[str] | None) -> frozenset[str]:
    """Return the instrument keys that a frame names, and `*` when it means all."""
    if symbols is None:
        return frozenset({ALL})
    if not symbols:
        raise InvalidValue("symbols", [], "name at least one, or * for all")
    if max(map(len, symbols)) > LONGEST_NAME:
        raise InvalidValue("symbols", "…", f"a symbol has at most {LONGEST_NAME} characters")
    return frozenset(symbol if symbol == ALL else parse_instrument(symbol) for symbol in symbols)
