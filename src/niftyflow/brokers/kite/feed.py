"""The Kite market data feed: its instruments spread over supervised sockets, its frames read as tick batches.

It owns the sockets' tasks and their inbox. It numbers, validates and stores nothing: that is ingestion's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NoReturn
from urllib.parse import urlencode

from pydantic import SecretStr

from niftyflow.brokers.connection import Address, SupervisedConnection
from niftyflow.brokers.inbox import Inbox
from niftyflow.brokers.kite.settings import KiteFeedSettings
from niftyflow.brokers.kite.stream import KiteStream
from niftyflow.brokers.kite.text import mode_message, subscribe_message
from niftyflow.brokers.kite.wire import Mode, TokenIndex, is_heartbeat
from niftyflow.brokers.port import FeedEvent
from niftyflow.kit.clock import Clock
from niftyflow.model import Instrument, Refused

FULL_LENGTHS = (184, 32)
"""Bytes of a full packet, of an instrument and of an index."""

Credentials = Callable[[], Awaitable[SecretStr]]
"""Returns the access token of this moment; raises `Retryable` while there is none."""


class KiteDialect:
    """What a supervised connection has to know of Kite: the address of this moment and the subscriptions."""

    def __init__(
        self, source: str, settings: KiteFeedSettings, tokens: Sequence[int], credentials: Credentials
    ) -> None:
        self.source = source
        self._settings = settings
        self._credentials = credentials
        size = settings.subscribe_chunk
        chunks = [tokens[start : start + size] for start in range(0, len(tokens), size)]
        self._last_tokens = frozenset(chunks[-1])
        self._opening = [
            message for chunk in chunks for message in (subscribe_message(chunk), mode_message(Mode.FULL, chunk))
        ]

    async def address(self) -> Address:
        """Return the socket's URL with the key and the token of this moment."""
        token = await self._credentials()
        query = urlencode({"api_key": self._settings.api_key, "access_token": token.get_secret_value()})
        return Address(f"{self._settings.root}?{query}", {"X-Kite-Version": "3"})

    def opening(self) -> Sequence[str]:
        """Return subscribe and mode messages; subscribing alone would give quotes, which have no trade time."""
        return self._opening

    def is_heartbeat(self, frame: bytes) -> bool:
        """Whether the frame is Kite's one byte a second."""
        return is_heartbeat(frame)

    def proves_flow(self, frame: bytes) -> bool:
        """Whether the frame has a full packet of a token named in our last message: those before are in force too."""
        at = 2
        while at + 6 <= len(frame):
            length = int.from_bytes(frame[at : at + 2], "big")
            token = int.from_bytes(frame[at + 2 : at + 6], "big")
            if length in FULL_LENGTHS and token in self._last_tokens:
                return True
            at += 2 + length
        return False


class KiteFeed:
    """`Feed` of Kite Connect, or of anything that speaks its WebSocket: up to 3 sockets of 3,000 instruments each.

    Given a `VirtualClock`, the session's own clock messages move it, in stream order, and `received` is its time.
    Without `credentials` the access token of the settings is used for ever.
    """

    def __init__(
        self, settings: KiteFeedSettings, clock: Clock, credentials: Credentials | None = None, source: str = "kite"
    ) -> None:
        self.source = source
        self._settings = settings
        self._clock = clock
        self._credentials = credentials or self._token_of_settings
        self._inbox = Inbox(settings.buffer_bytes)
        self._stream: KiteStream | None = None
        self._tasks: list[asyncio.Task[NoReturn]] = []
        self._connections: list[SupervisedConnection] = []

    @property
    def heard_at(self) -> int:
        """When the quietest of the sockets was last heard, heartbeats included (ms UTC)."""
        return min((connection.heard_at for connection in self._connections), default=0)

    async def start(self, instruments: Sequence[Instrument]) -> None:
        """Connect in the background and keep the instruments subscribed, in full mode, until `stop`.

        Raises:
            Refused: too many instruments, none at all, or the feed was started before.
            Misconfigured: an instrument without a Kite token.
        """
        if self._stream is not None:
            raise Refused("this feed was started before; make a new one")
        most = self._settings.instruments_per_connection
        room = most * self._settings.connections
        if not 0 < len(instruments) <= room:
            raise Refused(
                f"{len(instruments)} instruments were asked for; Kite takes 1 to {room}: "
                f"{most} on each of {self._settings.connections} sockets"
            )
        index = TokenIndex(instruments, self.source)
        tokens = index.tokens.tolist()
        shares = [tokens[first : first + most] for first in range(0, len(tokens), most)]
        self._stream = KiteStream(index, self._clock, len(shares))
        for number, share in enumerate(shares):
            dialect = KiteDialect(self.source, self._settings, share, self._credentials)
            connection = SupervisedConnection(number, dialect, self._settings, self._clock, self._inbox)
            self._connections.append(connection)
            task = asyncio.create_task(connection.run(), name=f"{self.source}-{number}")
            task.add_done_callback(partial(_tell_failure, self._inbox))
            self._tasks.append(task)

    async def read(self) -> list[FeedEvent]:
        """Wait until something has come; return all of it in order. An empty list means that it has stopped or ended.

        Raises:
            Refused: the feed was not started.
            Misconfigured: the address would send credentials in the open.
        """
        if self._stream is None:
            raise Refused("start the feed before reading it")
        while arrivals := await self._inbox.take():
            if events := self._stream.events_of(arrivals):
                if self._stream.has_ended:
                    await self.stop()
                return events
        return []

    async def stop(self) -> None:
        """Disconnect and forget what was not read."""
        self._inbox.close()
        await self._disconnect()

    async def _disconnect(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _token_of_settings(self) -> SecretStr:
        return self._settings.access_token


def _tell_failure(inbox: Inbox, task: asyncio.Task[NoReturn]) -> None:
    """Hand a connection's fatal error to whoever reads the feed, so that nobody waits for ever."""
    if not task.cancelled() and (error := task.exception()) is not None:
        inbox.fail(error)
