"""What happens to an account's orders at Kite: pushed messages, postbacks and the polled order book as one stream.

It owns the polling and a socket without subscriptions, for Kite pushes order updates to any. Pushed messages may be
lost and the book may be late; merged they are neither. It places nothing and decides nothing.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from niftyflow.brokers.connection import Address, SupervisedConnection
from niftyflow.brokers.errors import InputRefused
from niftyflow.brokers.inbox import Inbox, TextFrame
from niftyflow.brokers.kite.capabilities import NAME
from niftyflow.brokers.kite.login_rules import checksum_of
from niftyflow.brokers.kite.order_replies import pushed_order
from niftyflow.brokers.kite.rest import Credentials
from niftyflow.brokers.kite.settings import KiteRestSettings
from niftyflow.brokers.kite.text import OrderMessage, parse_text
from niftyflow.brokers.kite.wire import is_heartbeat
from niftyflow.brokers.order_book import BrokerOrder
from niftyflow.brokers.order_merging import DAY_MS, OrderMerging
from niftyflow.kit.clock import Clock
from niftyflow.kit.log import get_logger
from niftyflow.model import DecodeError, Misconfigured, NiftyflowError

log = get_logger(__name__)

SOURCE: Final = "kite-orders"


class _PostbackParts(msgspec.Struct):
    order_id: str
    order_timestamp: str
    checksum: str


class KiteOrderDialect:
    """What a supervised connection has to know of Kite to hear order updates, and nothing else."""

    def __init__(self, settings: KiteRestSettings, credentials: Credentials) -> None:
        self.source = SOURCE
        self._settings = settings
        self._credentials = credentials

    async def address(self) -> Address:
        """Return the socket's URL with the key and the token of this moment."""
        token = await self._credentials()
        query = urlencode({"api_key": self._settings.api_key, "access_token": token.get_secret_value()})
        return Address(f"{self._settings.socket_root}?{query}", {"X-Kite-Version": "3"})

    def opening(self) -> Sequence[str]:
        """Return nothing: order updates need no subscription."""
        return ()

    def is_heartbeat(self, frame: bytes) -> bool:
        """Whether the frame is Kite's one byte."""
        return is_heartbeat(frame)

    def proves_flow(self, _: bytes) -> bool:
        """Whether a frame shows that everything is in force: any does."""
        return True


class KiteOrderUpdates:
    """`OrderUpdates` of one account. `ask` returns the order book.

    What waits for the reader is one statement an order, the latest: bounded by the orders of the day, nothing is lost.
    """

    def __init__(
        self, settings: KiteRestSettings, clock: Clock, credentials: Credentials,
        ask: Callable[[], Awaitable[list[BrokerOrder]]],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._clock = clock
        self._credentials = credentials
        self._ask = ask
        self._merging = OrderMerging()
        self._waiting: dict[str, BrokerOrder] = {}
        self._something = asyncio.Event()
        self._look = asyncio.Event()
        self._inbox = Inbox(settings.socket.buffer_bytes)
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: BaseException | None = None
        self._is_stopped = False
        self.polled_at = 0
        """When the order book was last read (ms UTC of our clock); 0: never."""

    async def start(self) -> None:
        """Listen and poll in the background until `stop`; the first look into the book is at once."""
        work: list[Callable[[], Coroutine[Any, Any, None]]] = [self._poll]
        if self._settings.socket_root:
            work += [self._connect, self._listen]
        for each in work:
            task = asyncio.create_task(each(), name=f"{SOURCE}-{each.__name__}")
            task.add_done_callback(self._tell_failure)
            self._tasks.append(task)

    async def stop(self) -> None:
        """Stop listening and polling; whoever reads gets what waits, and then an empty list."""
        self._is_stopped = True
        self._inbox.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._something.set()

    async def read(self) -> list[BrokerOrder]:
        """Wait until something has changed and return each changed order once, as it stands.

        Raises:
            Misconfigured: the socket's address would send credentials in the open.
        """
        await self._something.wait()
        if self._failure is not None:
            raise self._failure
        waiting, self._waiting = self._waiting, {}
        if not self._is_stopped:
            self._something.clear()
        return list(waiting.values())

    def look_now(self) -> None:
        """Ask the order book at once, or right after the look that is under way."""
        self._look.set()

    def hear(self, data: bytes, at: int) -> None:
        """Take an order that Kite pushed on any socket of this account (`FeedText` of a feed), received at `at`.

        Raises:
            DecodeError: it is no order of Kite's.
        """
        self._take(pushed_order(data), at)

    def postback(self, body: bytes) -> BrokerOrder:
        """Take the body of a postback, once its checksum has shown that Kite wrote it.

        Raises:
            InputRefused: the checksum is wrong, or we have no api_secret to check it with.
            DecodeError: it is no postback.
        """
        try:
            parts = msgspec.json.decode(body, type=_PostbackParts)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DecodeError(f"a postback cannot be read: {error}", body[:1024]) from error
        secret = self._settings.api_secret.get_secret_value()
        expected = checksum_of(parts.order_id, parts.order_timestamp, secret)
        is_genuine = hmac.compare_digest(expected.encode(), parts.checksum.encode())
        if not secret or not is_genuine:
            raise InputRefused(NAME, "", "a postback whose checksum is wrong", "check api_secret; it may be a forgery")
        order = pushed_order(body)
        self._take(order, self._clock.now())
        return order

    def _take(self, order: BrokerOrder, as_of: int) -> None:
        told = self._merging.take(order, as_of)
        if told is None:
            return
        # A changed order goes to the end, so that the stream keeps the order of what happened.
        self._waiting.pop(told.broker_order_id, None)
        self._waiting[told.broker_order_id] = told
        self._something.set()

    def _tell_failure(self, task: asyncio.Task[None]) -> None:
        """Hand the reader an error that cannot be waited for, so that nobody waits for ever."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = error
            self._something.set()

    async def _connect(self) -> None:
        dialect = KiteOrderDialect(self._settings, self._credentials)
        await SupervisedConnection(0, dialect, self._settings.socket, self._clock, self._inbox).run()

    async def _listen(self) -> None:
        while arrivals := await self._inbox.take():
            for arrival in arrivals:
                if isinstance(arrival, TextFrame):
                    self._hear_text(arrival)
                else:
                    self.look_now()  # the link changed: what was pushed meanwhile is in the book

    def _hear_text(self, frame: TextFrame) -> None:
        try:
            message = parse_text(frame.data)
            if isinstance(message, OrderMessage):
                self.hear(message.data, frame.at)
        except DecodeError as error:
            log.warning("order_update_unreadable", reason=error.reason, size=len(frame.data))
            self.look_now()

    async def _poll(self) -> None:
        """Look into the order book every few seconds, or when asked; a look that fails is made again at the next."""
        while True:
            self._look.clear()
            await self._look_once()
            try:
                async with asyncio.timeout(self._settings.poll_seconds):
                    await self._look.wait()
            except TimeoutError:
                continue

    async def _look_once(self) -> None:
        as_of = self._clock.now()
        try:
            book = await self._ask()
        except Misconfigured:
            raise
        except NiftyflowError as error:
            log.warning("order_book_not_read", error=str(error))
            return
        for order in book:
            self._take(order, as_of)
        self.polled_at = as_of
        self._merging.forget_before(as_of - DAY_MS)
