"""The clients of the simulated exchange: who wants which instrument in which mode, and writing to their sockets.

A client's messages change its own subscriptions only. Nothing here plays, and nothing waits for a client unless asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import numpy as np
from aiohttp import web

from niftyflow.brokers.kite.text import Request, parse_request
from niftyflow.brokers.kite.wire import Mode
from niftyflow.brokers.simulator.encoding import (
    HEARTBEAT,
    PacketMaker,
    binary_frames,
    encode_step,
    end_message,
    error_message,
    text_frame,
)
from niftyflow.brokers.simulator.playback import Playback, Step
from niftyflow.brokers.simulator.socket_faults import Spoiler, is_spoilable, messages
from niftyflow.kit.clock import monotonic
from niftyflow.kit.log import get_logger
from niftyflow.model import DecodeError

HEARTBEAT_SECONDS = 1.0
CLOSE_SECONDS = 5.0
STUCK_SECONDS = 60.0
_HIGH_WATER = 8 << 20
_LOW_WATER = 2 << 20

log = get_logger(__name__)


class Client:
    """One connected socket."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, instruments: int) -> None:
        self.request = request
        self.socket = socket
        self.modes = np.zeros(instruments, dtype=np.int8)
        self.has_subscribed = False
        self.is_dropped = False
        self.account = ""
        self.is_silent = self.is_half_open = self.is_without_ticks = False
        self.spoil: Spoiler | None = None
        self.held: list[bytes] = []
        self.last_request = self.last_written = monotonic()
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        self.transport = transport
        transport.set_write_buffer_limits(high=_HIGH_WATER, low=_LOW_WATER)

    def write(self, data: bytes) -> None:
        """Queue whole WebSocket messages; they go out in this order."""
        if data and not (self.is_dropped or self.is_silent or self.transport.is_closing()):
            self.transport.write(data)
            self.last_written = monotonic()

    def write_step(self, data: bytes) -> None:
        """Queue the messages of a step, spoilt by what a fault asks for."""
        if self.is_without_ticks:
            data = b"".join(each for each in messages(data) if not is_spoilable(each))
        if self.spoil is not None:
            data = b"".join(self.spoil(messages(data), self.held))
        elif self.held:
            data = self.held.pop() + data
        self.write(data)

    @property
    def waiting_bytes(self) -> int:
        """Bytes written that the client's socket has not taken yet."""
        return self.transport.get_write_buffer_size()


class Clients:
    """All of them. At a limited speed a client whose unsent bytes pass the bound is disconnected, with the reason."""

    def __init__(self, playback: Playback, send_buffer_bytes: int) -> None:
        self._playback = playback
        self._limit = send_buffer_bytes
        self._maker = PacketMaker(playback.source.instruments)
        self._places = {int(token): place for place, token in enumerate(self._maker.tokens)}
        self._clients: set[Client] = set()
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._clients)

    def __iter__(self) -> Iterator[Client]:
        return iter(tuple(self._clients))

    def add(self, client: Client) -> None:
        """Take a client in; it has no subscriptions, whatever it had when it was here before."""
        self._clients.add(client)

    def remove(self, client: Client) -> None:
        """Forget a client."""
        self._clients.discard(client)

    def are_ready(self, quiet_seconds: float) -> bool:
        """Return whether somebody has subscribed and has asked for nothing more for `quiet_seconds`."""
        now = monotonic()
        return any(each.has_subscribed and now - each.last_request >= quiet_seconds for each in self._clients)

    def take(self, client: Client, text: str | bytes) -> None:
        """Do what a client asks; what cannot be done is answered with Kite's error message."""
        data = text.encode() if isinstance(text, str) else text
        client.last_request = monotonic()
        try:
            request = parse_request(data)
        except DecodeError as error:
            client.write(text_frame(error_message(error.reason)))
            return
        places = [self._places[token] for token in request.tokens if token in self._places]
        if len(places) < len(request.tokens):
            strangers = [token for token in request.tokens if token not in self._places]
            self._answer(client, f"{len(strangers)} unknown instrument tokens, the first is {strangers[0]}")
        self._apply(client, request, np.array(places, dtype=np.int64))

    def _apply(self, client: Client, request: Request, places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        match request.action:
            case "unsubscribe":
                client.modes[places] = 0
                return
            case "subscribe":
                client.has_subscribed = True
                client.modes[places] = np.maximum(client.modes[places], Mode.QUOTE) if len(places) else 0
            case _:
                subscribed = places[client.modes[places] > 0]
                if len(subscribed) < len(places):
                    self._answer(client, f"{len(places) - len(subscribed)} tokens are not subscribed; subscribe first")
                places = subscribed
                client.modes[places] = request.mode or Mode.QUOTE
        self._write_snapshot(client, places)
        if self._playback.is_finished:
            client.write(text_frame(end_message(self._playback.position)))

    def _answer(self, client: Client, reason: str) -> None:
        client.write(text_frame(error_message(reason)))

    def _write_snapshot(self, client: Client, places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        state = self._playback.snapshot(places)
        if len(state):
            client.write(binary_frames(self._maker.packets(state, client.modes[state["instrument"]])))

    def write_snapshots(self) -> None:
        """Send everybody the last state of what they subscribe to: after a jump."""
        for client in self:
            self._write_snapshot(client, np.flatnonzero(client.modes))

    def write_step(self, step: Step, speed: float) -> None:
        """Send a step to everybody who has subscribed; equal subscriptions are encoded once."""
        encoded: dict[bytes, bytes] = {}
        for client in self:
            if client.has_subscribed:
                key = client.modes.tobytes()
                if key not in encoded:
                    encoded[key] = encode_step(self._maker, step, client.modes, speed)
                client.write_step(encoded[key])

    def write_end(self) -> None:
        """Tell everybody that the session is over."""
        for client in self:
            client.write(text_frame(end_message(self._playback.position)))

    def write_to(self, account: str, message: bytes) -> None:
        """Send a text to every socket of an account."""
        for client in self:
            if client.account == account:
                client.write(text_frame(message))

    def has_any_of(self, account: str) -> bool:
        """Return whether an account listens."""
        return any(client.account == account for client in self)

    def write_heartbeats(self) -> None:
        """Send a heartbeat to each client that has had nothing for a second."""
        now = monotonic()
        for client in self:
            if now - client.last_written >= HEARTBEAT_SECONDS:
                client.write(HEARTBEAT)

    def drop_slow(self) -> None:
        """Disconnect the clients whose sockets hold more unsent bytes than the bound."""
        for client in self:
            if client.waiting_bytes > self._limit:
                self._drop(client, f"too slow: more than {self._limit} bytes wait to be read")

    async def drain(self) -> None:
        """Wait until every socket takes more; one that takes nothing for a minute is disconnected."""
        await asyncio.gather(*(self._drain(client) for client in self))

    async def _drain(self, client: Client) -> None:
        try:
            async with asyncio.timeout(STUCK_SECONDS):
                await client.request.writer.drain()
        except TimeoutError:
            self._drop(client, f"stuck: nothing was read for {STUCK_SECONDS:g} seconds")
        except ConnectionError:
            self.remove(client)

    def _drop(self, client: Client, reason: str) -> None:
        log.warning("client_dropped", reason=reason)
        client.is_dropped = True
        self.remove(client)
        task = asyncio.ensure_future(_close(client, 1008, reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Say goodbye to everybody."""
        pending: Sequence[asyncio.Future[None]] = [
            *self._closing,
            *(asyncio.ensure_future(_close(client, 1001, "the simulator is stopping")) for client in self),
        ]
        await asyncio.gather(*pending)


async def _close(client: Client, code: int, reason: str) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.socket.close(code=code, message=reason.encode())
    except (TimeoutError, ConnectionError):
        client.transport.abort()
