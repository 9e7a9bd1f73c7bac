"""Processes to ask over HTTP: our own server, and others that misbehave; and every value that msgspec types allow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from niftyflow.kit.call_codec import Question
from niftyflow.kit.call_settings import CallSettings, InternalSettings
from niftyflow.kit.caller import Answer, LocalCaller
from niftyflow.kit.health import Health
from niftyflow.kit.http_caller import HttpCaller
from niftyflow.runtime.internal_http import internal_http
from niftyflow.runtime.questions import QUESTIONS

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

TOKEN = "a token that nobody guesses".replace(" ", "-")
PATIENT = CallSettings(seconds=60.0, token=TOKEN)
"""For answers that come for certain, on however loaded a machine."""


@asynccontextmanager
async def answering_process(
    answers: Mapping[str, Answer], questions: Mapping[str, Question] = QUESTIONS, **settings: Any
) -> AsyncIterator[str]:
    """Serve answers as a process does; gives its address."""
    chosen = InternalSettings(**({"port": 0, "token": TOKEN} | settings))
    async with internal_http(chosen, Health(), questions) as internal:
        internal.opens({}, LocalCaller(answers))
        yield internal.address


@asynccontextmanager
async def asker(
    addresses: Mapping[str, list[str]], settings: CallSettings = PATIENT, **more: Any
) -> AsyncIterator[HttpCaller]:
    """Ask at addresses."""
    async with HttpCaller(addresses, QUESTIONS, settings, **more) as caller:
        yield caller


class Misbehaving:
    """A server that takes a whole request and then does as it is told, connection after connection."""

    def __init__(self, does: Handler) -> None:
        self.does = does
        self.requests = 0
        self.address = ""
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take requests of a connection until it ends."""
        self._writers.append(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
                self.requests += 1
                await self.does(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    def end(self) -> None:
        """Cut every connection."""
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def misbehaving(does: Handler) -> AsyncIterator[Misbehaving]:
    """Run a server that misbehaves for the time of a `with`."""
    server = Misbehaving(does)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        server.end()
        await listening.wait_closed()


async def dies_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be gone before a word was said."""
    writer.transport.abort()


async def dies_in_mid_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Promise a hundred bytes, and be gone after five."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.msgpack\r\nContent-Length: 100\r\n\r\nhello")
    await writer.drain()
    await asyncio.sleep(0)
    writer.close()
    await reader.read()


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing, as a stopped process does."""
    await reader.read()


def says(status: str, body: bytes, kind: str = "text/html") -> Handler:
    """Return what answers with these words."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
        await writer.drain()

    return answer


async def unused_address() -> str:
    """Return an address at which nobody listens."""
    async with misbehaving(hangs) as server:
        return server.address


# -- values --------------------------------------------------------------------------------------------------------

_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    type(None): st.none(),
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(allow_nan=False),
    str: st.text(max_size=12),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    datetime: st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(fold=0)),
}
_PLAIN[Any] = st.recursive(
    st.one_of(_PLAIN[type(None)], _PLAIN[bool], _PLAIN[int], _PLAIN[float], _PLAIN[str]),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(_PLAIN[str], values, max_size=3),
    max_leaves=6,
)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return every value of a type, as deep as it goes."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return st.one_of(*map(values_of, inner))
    if origin is list:
        return st.lists(values_of(inner[0]), max_size=2)
    if origin is dict:
        return st.dictionaries(values_of(inner[0]), values_of(inner[1]), max_size=2)
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    fields = msgspec.structs.fields(kind)
    return st.deferred(lambda: st.builds(kind, **{field.name: values_of(field.type) for field in fields}))
