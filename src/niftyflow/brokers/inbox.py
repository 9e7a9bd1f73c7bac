"""What has come from a feed's sockets and was not read yet: one ordered, bounded buffer for all its connections.

Policy: nothing is dropped. At the limit the connections stop reading their sockets, and go on when it has been read.
"""

from __future__ import annotations

import asyncio

import msgspec

from niftyflow.brokers.port import Malformed

_OVERHEAD = 128
"""Bytes of memory counted for each arrival beside its data."""


class BinaryFrame(msgspec.Struct, frozen=True):
    """A binary frame of connection number `connection`, received at `at` (ms UTC)."""

    connection: int
    at: int
    data: bytes


class TextFrame(msgspec.Struct, frozen=True):
    """A text message of connection number `connection`, received at `at` (ms UTC)."""

    connection: int
    at: int
    data: bytes


class LinkUp(msgspec.Struct, frozen=True):
    """The connection works since `at` (ms UTC): what follows is its first data, or anything where none is asked for."""

    connection: int
    at: int
    reason: str


class LinkDown(msgspec.Struct, frozen=True):
    """The connection was lost; `at` (ms UTC) is when it was last heard."""

    connection: int
    at: int
    reason: str


Arrival = BinaryFrame | TextFrame | LinkUp | LinkDown | Malformed


class Inbox:
    """The buffer: many connections put, one reader takes."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._arrivals: list[Arrival] = []
        self._bytes = 0
        self._is_closed = False
        self._failure: BaseException | None = None
        self._something = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def is_full(self) -> bool:
        """Whether a connection has to wait before it reads its socket again."""
        return not self._room.is_set()

    def put(self, arrival: Arrival) -> None:
        """Add an arrival; the caller looks at `is_full` before it reads more."""
        if self._is_closed:
            return
        self._arrivals.append(arrival)
        self._bytes += _OVERHEAD
        if not isinstance(arrival, LinkUp | LinkDown):
            self._bytes += len(arrival.data)
        if self._bytes >= self._limit:
            self._room.clear()
        self._something.set()

    async def wait_for_room(self) -> None:
        """Wait until the buffer has been read."""
        await self._room.wait()

    async def take(self) -> list[Arrival]:
        """Wait until something has come and return all of it; an empty list means that the inbox is closed.

        Raises:
            BaseException: what ended a connection for good, as told to `fail`.
        """
        await self._something.wait()
        if self._failure is not None:
            raise self._failure
        taken, self._arrivals, self._bytes = self._arrivals, [], 0
        self._room.set()
        if not self._is_closed:
            self._something.clear()
        return taken

    def fail(self, error: BaseException) -> None:
        """Raise this error at the reader: a connection has ended in a way that it cannot mend."""
        self._failure = error
        self._something.set()

    def close(self) -> None:
        """Forget everything and let readers and writers go."""
        self._is_closed = True
        self._arrivals = []
        self._something.set()
        self._room.set()
