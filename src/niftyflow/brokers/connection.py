"""One supervised WebSocket connection, the same for every broker: connect, subscribe, watch, give up, come back.

A dialect says where to connect, what to ask for and which frames are heartbeats; what arrives goes to an inbox in
order. It decodes nothing, and its waiting uses the monotonic clock, so that a stepping wall clock cannot disturb it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, NoReturn, Protocol

import aiohttp
from aiohttp import WSMsgType
from pydantic import BaseModel, ConfigDict, Field

from niftyflow.brokers.inbox import BinaryFrame, Inbox, LinkDown, LinkUp, TextFrame
from niftyflow.brokers.port import Malformed
from niftyflow.brokers.safe_addresses import refuse_unsafe
from niftyflow.kit import metrics
from niftyflow.kit.clock import Clock, monotonic
from niftyflow.kit.log import get_logger
from niftyflow.model import Retryable

log = get_logger(__name__)

_REFUSED_STATUSES = (401, 403)
_LOOKS_PER_LIMIT = 5
"""How often the watch looks, within the shortest of its limits."""
_OVERSLEPT_SECONDS = 0.25
"""A watch that wakes so much too late was itself away; the broker is not to blame."""

Socket = aiohttp.ClientWebSocketResponse


class ConnectionSettings(BaseModel):
    """How a broker's socket is opened, watched and made again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    open_timeout_seconds: float = Field(10.0, gt=0, description="Longest wait for a connection and its handshake")
    send_timeout_seconds: float = Field(5.0, gt=0, description="Longest wait until a message of ours is on its way")
    close_timeout_seconds: float = Field(1.0, gt=0, description="Longest wait for the broker's goodbye")
    retry_first_seconds: float = Field(2.0, gt=0, description="Wait before the first new try; doubled each time")
    retry_longest_seconds: float = Field(60.0, gt=0, description="Longest wait between two tries; tries never end")
    refused_retry_seconds: float = Field(60.0, gt=0, description="Wait after the broker has refused the credentials")
    ping_seconds: float = Field(2.5, gt=0, description="Time between two pings of ours")
    pong_timeout_seconds: float = Field(5.0, gt=0, description="Longest silence after a ping before giving up")
    stale_after_seconds: float = Field(
        5.0, gt=0, description="Longest time without any frame, heartbeats included and pongs not, before giving up"
    )
    resubscribe_after_seconds: float = Field(
        30.0, gt=0, description="While no data has come after a connect, subscriptions are sent again this often"
    )
    flow_proof_seconds: float = Field(
        2.0, ge=0, description="After subscribing, any data counts as the flow once this has passed; before, only proof"
    )
    largest_frame_bytes: int = Field(16 << 20, ge=1024, description="A larger message ends the connection")
    buffer_bytes: int = Field(64 << 20, ge=1024, description="Unread bytes at which reading the socket pauses")


class Address(NamedTuple):
    """Where to connect now; the URL may hold a token and is never logged."""

    url: str
    headers: dict[str, str]


class Dialect(Protocol):
    """What a connection has to know of its broker."""

    source: str

    async def address(self) -> Address:
        """Return where to connect, with the credentials of this moment; asked before every try.

        Raises:
            Retryable: the credentials cannot be had now; the try counts as failed.
        """
        ...

    def opening(self) -> Sequence[str]:
        """Return the messages that subscribe to everything, in chunks; none where the broker tells things unasked.

        Without any the connection is up with its first frame, a heartbeat included, and no data is due on it.
        """
        ...

    def is_heartbeat(self, frame: bytes) -> bool:
        """Whether a binary frame only says that the broker is there."""
        ...

    def proves_flow(self, frame: bytes) -> bool:
        """Whether a data frame shows that the last subscription of all is in force."""
        ...


class Reason(StrEnum):
    """Why a connection is down."""

    CLOSED = "closed"
    SILENT = "silent"
    NO_PONG = "no_pong"
    UNREACHABLE = "unreachable"
    HANDSHAKE_REFUSED = "handshake_refused"
    CREDENTIALS_REFUSED = "credentials_refused"
    SEND_STUCK = "send_stuck"
    MALFORMED = "malformed"


def is_login_needed(reason: str) -> bool:
    """Whether the reason of a `LinkDown` or `FeedDown` says that the broker refuses the credentials."""
    return reason.startswith(Reason.CREDENTIALS_REFUSED)


class _Lost(Exception):
    """The socket is, or has to be, given up."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class SupervisedConnection:
    """One socket of a feed, kept connected and subscribed until its `run` is cancelled."""

    def __init__(
        self,
        number: int,
        dialect: Dialect,
        settings: ConnectionSettings,
        clock: Clock,
        inbox: Inbox,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._number = number
        self._dialect = dialect
        self._settings = settings
        self._clock = clock
        self._inbox = inbox
        self._jitter = jitter
        self._log = log.bind(source=dialect.source, connection=number)
        self._tries = 0
        self._is_up = False
        self._told: Reason | None = None
        self._is_subscribed = False
        self._is_paused = False
        self._heard = self._last_sign = self._subscribed_at = self._data_at = monotonic()
        self._heard_at = clock.now()

    @property
    def heard_at(self) -> int:
        """When any frame was last received, heartbeats included (ms UTC of our clock)."""
        return self._heard_at

    async def run(self) -> NoReturn:
        """Connect, and come back after every loss, for ever.

        Raises:
            Misconfigured: the dialect's address would send credentials in the open.
        """
        self._heard_at = self._clock.now()
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(_refuse_redirect)
        async with aiohttp.ClientSession(trace_configs=[trace]) as session:
            try:
                while True:
                    lost = await self._live(session)
                    self._tell_down(lost)
                    await asyncio.sleep(self._delay(lost.reason))
                    metrics.RECONNECTS.labels(self._dialect.source).inc()
            finally:
                self._set_up(is_up=False)

    async def _live(self, session: aiohttp.ClientSession) -> _Lost:
        """Live through one socket, from connecting to its loss."""
        try:
            socket = await self._connect(session)
        except _Lost as lost:
            return lost
        loss: asyncio.Future[_Lost] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.TaskGroup() as group:
                work = (self._listen(socket), self._watch(socket), self._subscribe(socket))
                tasks = [group.create_task(_until_lost(each, loss)) for each in work]
                await loss
                for task in tasks:
                    task.cancel()
        finally:
            await self._close(socket)
        return loss.result()

    async def _connect(self, session: aiohttp.ClientSession) -> Socket:
        settings = self._settings
        try:
            async with asyncio.timeout(settings.open_timeout_seconds):
                address = await self._dialect.address()
                refuse_unsafe(address.url)
                socket = await session.ws_connect(
                    address.url,
                    headers=address.headers,
                    autoping=False,
                    max_msg_size=settings.largest_frame_bytes,
                    timeout=aiohttp.ClientWSTimeout(ws_close=settings.close_timeout_seconds),
                )
        except TimeoutError as error:
            raise _Lost(Reason.UNREACHABLE, f"no answer in {settings.open_timeout_seconds:g} s") from error
        except Retryable as error:
            raise _Lost(Reason.UNREACHABLE, f"no credentials: {error}") from error
        except aiohttp.WSServerHandshakeError as error:
            is_refused = error.status in _REFUSED_STATUSES
            reason = Reason.CREDENTIALS_REFUSED if is_refused else Reason.HANDSHAKE_REFUSED
            raise _Lost(reason, f"HTTP {error.status}") from None
        except OSError as error:
            raise _Lost(Reason.UNREACHABLE, error.strerror or type(error).__name__) from error
        except aiohttp.ClientError as error:
            # Their texts may hold the URL, and with it the access token.
            raise _Lost(Reason.UNREACHABLE, type(error).__name__) from None
        self._is_subscribed = False
        self._heard = self._last_sign = monotonic()
        return socket

    async def _subscribe(self, socket: Socket) -> None:
        """Ask for everything, and again while nothing comes: a broker may acknowledge before it is ready."""
        while opening := self._dialect.opening():
            for message in opening:
                await self._send(socket.send_str(message))
            self._is_subscribed = True
            self._subscribed_at = monotonic()
            asked_at = monotonic()
            await self._until_mute()
            self._log.warning("feed_mute", seconds=self._settings.resubscribe_after_seconds)
            if self._is_up and self._data_at <= asked_at:
                raise _Lost(Reason.SILENT, "heartbeats, but no data even after subscribing again")

    async def _until_mute(self) -> None:
        """Wait until no data has come for long: a broker may forget a subscription and go on with its heartbeats."""
        patience = self._settings.resubscribe_after_seconds
        since = monotonic()
        while (waited := monotonic() - max(since, self._data_at)) < patience:  # noqa: ASYNC110 - silence is no event
            await asyncio.sleep(patience - waited)

    async def _listen(self, socket: Socket) -> NoReturn:
        """Put what arrives into the inbox, in order, until the socket ends."""
        while True:
            if self._inbox.is_full:
                await self._pause()
            message = await socket.receive()
            self._last_sign = monotonic()
            kind = message.type
            if kind is WSMsgType.BINARY:
                self._take(message.data)
            elif kind is WSMsgType.TEXT:
                self._hear()
                self._inbox.put(TextFrame(self._number, self._heard_at, message.data.encode()))
            elif kind is WSMsgType.PING:
                await self._send(socket.pong(message.data))
            elif kind is WSMsgType.ERROR:
                self._refuse_message(message.data)
            elif kind is not WSMsgType.PONG:
                raise _Lost(Reason.CLOSED, f"code {socket.close_code}")

    def _take(self, data: bytes) -> None:
        self._hear()
        if self._dialect.is_heartbeat(data):
            return
        self._data_at = monotonic()
        if self._is_subscribed and not self._is_up and self._flows(data):
            self._come_up("data flows")
        self._inbox.put(BinaryFrame(self._number, self._heard_at, data))

    def _flows(self, data: bytes) -> bool:
        """Whether everything is observed from this frame on: the broker has come to our last subscription."""
        waited = monotonic() - self._subscribed_at
        return self._dialect.proves_flow(data) or waited >= self._settings.flow_proof_seconds

    def _hear(self) -> None:
        self._heard = monotonic()
        self._heard_at = self._clock.now()
        if not self._is_up and not self._dialect.opening():
            self._come_up("the broker is heard")

    def _come_up(self, reason: str) -> None:
        """Report that the connection works; the next loss is told again, and its first wait is the shortest."""
        self._tries = 0
        self._told = None
        self._set_up(is_up=True)
        self._inbox.put(LinkUp(self._number, self._heard_at, reason))
        self._log.info("feed_up", at=self._heard_at)

    def _refuse_message(self, error: object) -> NoReturn:
        """Report a message that breaks the WebSocket protocol, or is too large to be taken in."""
        self._inbox.put(Malformed(self._clock.now(), f"a message that cannot be taken in: {error}", b"", 0))
        raise _Lost(Reason.MALFORMED, str(error))

    async def _pause(self) -> None:
        metrics.BACKPRESSURE.labels(self._dialect.source).inc()
        self._log.warning("feed_paused", buffer_bytes=self._settings.buffer_bytes)
        self._is_paused = True
        try:
            await self._inbox.wait_for_room()
        finally:
            self._is_paused = False
            self._heard = self._last_sign = monotonic()
        self._log.info("feed_resumed")

    async def _watch(self, socket: Socket) -> NoReturn:
        """Ping, and give the socket up when it is silent; silence counts only while we were awake to hear."""
        settings = self._settings
        look = (
            min(settings.ping_seconds, settings.pong_timeout_seconds, settings.stale_after_seconds) / _LOOKS_PER_LIMIT
        )
        awake = pinged = monotonic()
        asked: float | None = None
        while True:
            await asyncio.sleep(look)
            now = monotonic()
            if self._is_paused or now - awake > look + max(look, _OVERSLEPT_SECONDS):
                self._heard = self._last_sign = now
            awake = now
            if asked is not None and self._last_sign >= asked:
                asked = None
            if now - self._heard > settings.stale_after_seconds:
                raise _Lost(Reason.SILENT, f"no frame in {settings.stale_after_seconds:g} s")
            if asked is not None and now - asked > settings.pong_timeout_seconds:
                raise _Lost(Reason.NO_PONG, f"no sign of life in {settings.pong_timeout_seconds:g} s after a ping")
            if now - pinged >= settings.ping_seconds:
                await self._send(socket.ping())
                pinged = now
                asked = now if asked is None else asked

    async def _send(self, sending: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._settings.send_timeout_seconds):
                await sending
        except TimeoutError as error:
            raise _Lost(Reason.SEND_STUCK, f"not sent in {self._settings.send_timeout_seconds:g} s") from error
        except (ConnectionError, aiohttp.ClientError) as error:
            raise _Lost(Reason.CLOSED, "the socket closed while sending") from error

    async def _close(self, socket: Socket) -> None:
        try:
            async with asyncio.timeout(self._settings.close_timeout_seconds):
                await socket.close()
        except (TimeoutError, ConnectionError, aiohttp.ClientError):
            self._log.debug("feed_close_unanswered")

    def _tell_down(self, lost: _Lost) -> None:
        """Report an outage once, and once more when the broker turns out to refuse the credentials."""
        self._set_up(is_up=False)
        self._log.warning("feed_lost", reason=str(lost), tries=self._tries)
        if self._told is None or (lost.reason is Reason.CREDENTIALS_REFUSED and self._told is not lost.reason):
            self._told = lost.reason
            self._inbox.put(LinkDown(self._number, self._heard_at, str(lost)))

    def _set_up(self, *, is_up: bool) -> None:
        if is_up is not self._is_up:
            self._is_up = is_up
            metrics.CONNECTIONS.inc(1 if is_up else -1)

    def _delay(self, reason: Reason) -> float:
        """Return the seconds to wait before the next try: exponential, between half and all of it at random."""
        settings = self._settings
        doubled = settings.retry_first_seconds * 2.0 ** min(self._tries, 30)
        self._tries += 1
        delay = min(settings.retry_longest_seconds, doubled)
        if reason is Reason.CREDENTIALS_REFUSED:
            delay = max(delay, settings.refused_retry_seconds)
        return delay * (0.5 + 0.5 * self._jitter())


async def _until_lost(work: Coroutine[Any, Any, None], loss: asyncio.Future[_Lost]) -> None:
    """Work until the socket is lost and say so; raising it would let a task group swallow a cancellation meanwhile."""
    try:
        await work
    except _Lost as lost:
        if not loss.done():
            loss.set_result(lost)


async def _refuse_redirect(*_: object) -> None:
    raise _Lost(Reason.HANDSHAKE_REFUSED, "a redirect, which could carry the token elsewhere")
