"""A wire to a PostgreSQL server that can be cut at the worst moment: while a commit is on its way, or its answer.

It carries bytes and knows one word of the protocol, the client's COMMIT.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit, urlunsplit

COMMIT = b"COMMIT;"
CHUNK = 1 << 16

Cut = Literal["before the commit", "after the commit", "never"]


class Wire:
    """A port of this machine that leads to the server of an address."""

    def __init__(self, url: str) -> None:
        self._there = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.cut: Cut = "never"
        self.is_stuck_at_commit = False
        self.stuck = asyncio.Event()
        self.cuts = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._met, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        self._server.close()
        carrying = list(self._carrying)
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)

    @property
    def url(self) -> str:
        """Return the server's address by way of this wire."""
        port = self._server.sockets[0].getsockname()[1]
        return urlunsplit(self._there._replace(netloc=f"{self._there.username}@127.0.0.1:{port}"))

    def flow_again(self) -> None:
        """Let go of what is stuck."""
        self.is_stuck_at_commit = False
        self._flows.set()

    def _met(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(client, to_client))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(self._there.hostname, self._there.port)
        answering = asyncio.create_task(_pass_on(server, to_client))
        try:
            await self._pass_on_until_cut(client, to_server, answering)
        except ConnectionError:
            pass
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            for end in (to_server, to_client):
                end.close()

    async def _pass_on_until_cut(
        self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter, answering: asyncio.Task[None]
    ) -> None:
        while data := await client.read(CHUNK):
            if COMMIT in data and self.is_stuck_at_commit:
                self._flows.clear()
                self.stuck.set()
            await self._flows.wait()
            if COMMIT in data and self.cut != "never":
                self.cuts += 1
                is_sent, self.cut = self.cut == "after the commit", "never"
                answering.cancel()
                if is_sent:
                    await asyncio.gather(answering, return_exceptions=True)
                    to_server.write(data)
                    await to_server.drain()
                    await asyncio.sleep(0.5)  # the server does it; nobody hears that it did
                return
            to_server.write(data)
            await to_server.drain()


class Cable(Wire):
    """A wire that is pulled and plugged in again, always at the same port."""

    port = 0

    async def __aenter__(self) -> Self:
        await self.plug()
        return self

    @property
    def url(self) -> str:
        """Return the server's address by way of this cable, plugged in or not."""
        return urlunsplit(self._there._replace(netloc=f"{self._there.username}@127.0.0.1:{self.port}"))

    async def plug(self) -> None:
        """Lead to the server."""
        self._server = await asyncio.start_server(self._met, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def pull(self) -> None:
        """Lead nowhere: connections end, new ones are refused."""
        await self.__aexit__(None, None, None)


async def _pass_on(server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
    try:
        while data := await server.read(CHUNK):
            to_client.write(data)
            await to_client.drain()
        to_client.close()
    except ConnectionError:
        pass
