"""The wire over plain ASGI: in order, bounded, and cut off where a close cannot leave."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.websockets import WebSocket

from niftyflow.gateway import wire as wires
from niftyflow.gateway.wire import AsgiWire
from support.waiting import until


class Server:
    """A server that takes messages while it is let."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.lets = asyncio.Event()
        self.lets.set()
        self.socket = WebSocket({"type": "websocket", "headers": []}, self.receive, self.send)

    async def receive(self) -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(self, message: dict[str, Any]) -> None:
        await self.lets.wait()
        self.taken.append(message)

    async def serve(self, begun: asyncio.Future[AsgiWire]) -> None:
        """Do as the endpoint does: make the wire, and wait for the client."""
        await self.socket.accept()
        begun.set_result(AsgiWire(self.socket))
        await asyncio.Event().wait()


@pytest.fixture
async def server() -> Server:
    """A server without clients."""
    return Server()


async def serving(server: Server) -> tuple[AsgiWire, asyncio.Task[None]]:
    """Return the wire of a client that was let in, and the task that serves it."""
    begun: asyncio.Future[AsgiWire] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(server.serve(begun))
    return await begun, task


async def test_frames_and_the_close_leave_in_order(server: Server):
    """None is lost because the close was asked for at once."""
    wire, task = await serving(server)
    wire.write(b"1")
    wire.write(b"2")
    wire.close(1008, "no")
    await until(lambda: len(server.taken) == 4)
    assert [message.get("text", message.get("code")) for message in server.taken[1:]] == ["1", "2", 1008]
    wire.abort()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_wire_is_full_until_what_was_written_has_left(server: Server):
    """And says when it has."""
    wire, task = await serving(server)
    cleared: list[bool] = []
    wire.on_clear = lambda: cleared.append(wire.is_clear)
    server.lets.clear()
    wire.write(b"x" * wires.HIGH_WATER_BYTES)
    assert not wire.is_clear
    server.lets.set()
    await until(lambda: cleared == [True])
    wire.abort()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_close_that_cannot_leave_ends_the_endpoint(server: Server, monkeypatch: pytest.MonkeyPatch):
    """Nobody waits for a client that does not read."""
    monkeypatch.setattr(wires, "CLOSE_SECONDS", 0.01)
    wire, task = await serving(server)
    server.lets.clear()
    wire.write(b"1")
    wire.close(1013, "slow")
    await until(task.done)
    assert task.cancelled()
    assert wire.is_aborted
