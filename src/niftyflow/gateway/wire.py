"""How frames leave: written straight to uvicorn's transport, or sent through ASGI where another server runs us.

A wire never waits and never queues more than what it was given while clear: who writes asks `is_clear` first, and is
told when it is so again. A client that does not read is cut off, not waited for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from websockets.http11 import Request

EXTENSION: Final = "niftyflow.wire"
LARGEST_INBOUND_BYTES: Final = 64 * 1024
LONGEST_REASON_BYTES: Final = 120
HIGH_WATER_BYTES: Final = 64 * 1024
CLOSE_SECONDS: Final = 5.0
SHORT, MEDIUM = 126, 1 << 16
_TEXT: Final = 0x81


class Wire(Protocol):
    """One client's way out."""

    on_clear: Callable[[], None] | None
    is_aborted: bool
    """Whether the endpoint itself was cancelled by `abort`."""

    @property
    def is_clear(self) -> bool:
        """Whether what was written has left so far that more may be written."""
        ...

    def write(self, text: bytes) -> None:
        """Write one text frame, UTF-8 already."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Say why and close; the client is given a moment to take it."""
        ...

    def abort(self) -> None:
        """Cut off at once; what was not sent is lost."""
        ...


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's own protocol for sockets, which also is a wire: one write a frame, no task a client.

    Give it to uvicorn as `ws` (see `SERVER_OPTIONS`). A client that answers no ping is cut off, whatever it was owed.
    """

    on_clear: Callable[[], None] | None = None
    is_aborted = False

    @property
    def is_clear(self) -> bool:
        """Whether the transport's buffer is below its high-water mark."""
        return self.writable.is_set()

    def write(self, text: bytes) -> None:
        """Write one text frame; nothing after the close."""
        if not self.close_sent and not self.disconnected and not self.transport.is_closing():
            self.transport.write(_head(len(text)) + text)

    def close(self, code: int, reason: str) -> None:
        """Send the close frame; cut off when it cannot leave."""
        if not self.is_clear:
            self.abort()
        elif not self.close_sent and not self.disconnected and not self.transport.is_closing():
            closing = {"type": "websocket.close", "code": code, "reason": _short(reason)}
            task = self.loop.create_task(self.send(closing))  # type: ignore[arg-type] # a message, built by hand
            self.tasks.add(task)
            task.add_done_callback(self.on_task_complete)

    def abort(self) -> None:
        """Cut off; uvicorn then tells the application that the client is gone."""
        self.transport.abort()

    def handle_connect(self, event: Request) -> None:
        """Offer the wire to the application."""
        super().handle_connect(event)
        if not self.handshake_complete:
            self.scope["extensions"][EXTENSION] = {"wire": self}

    def resume_writing(self) -> None:
        """Tell whoever waited for the transport."""
        super().resume_writing()
        if self.on_clear is not None:
            self.on_clear()

    def keepalive_timeout(self) -> None:
        """Cut off a client that is silent: what it did not read would keep the connection."""
        super().keepalive_timeout()
        self.transport.abort()


SERVER_OPTIONS: Final[dict[str, Any]] = {
    "ws": SocketProtocol,
    "ws_max_size": LARGEST_INBOUND_BYTES,
    "ws_per_message_deflate": False,
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
}
"""What to run uvicorn with. Compression is off: it would cost each client its own, where they now share one frame."""


class AsgiWire:
    """Sends through ASGI, one frame after another, in a task; for servers other than ours."""

    def __init__(self, websocket: WebSocket) -> None:
        self.on_clear: Callable[[], None] | None = None
        self._websocket = websocket
        self._serving = asyncio.current_task()
        self._messages: deque[dict[str, Any]] = deque()
        self._bytes = 0
        self._sending: asyncio.Task[None] | None = None
        self.is_aborted = False

    @property
    def is_clear(self) -> bool:
        """Whether less than a transport would hold waits to be sent."""
        return self._bytes < HIGH_WATER_BYTES

    def write(self, text: bytes) -> None:
        """Send a text frame after those before it."""
        self._bytes += len(text)
        self._put({"type": "websocket.send", "text": text.decode()})

    def close(self, code: int, reason: str) -> None:
        """Send the close frame after the others; cut off when they do not leave in time."""
        self._put({"type": "websocket.close", "code": code, "reason": _short(reason)})
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._give_up)

    def abort(self) -> None:
        """End the endpoint: the server closes when it returns."""
        if not self.is_aborted:
            self.is_aborted = True
            for task in (self._sending, self._serving):
                if task is not None:
                    task.cancel()

    def _give_up(self) -> None:
        if self._messages:
            self.abort()

    def _put(self, message: dict[str, Any]) -> None:
        if not self.is_aborted:
            self._messages.append(message)
            if self._sending is None:
                self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        try:
            while self._messages:
                await self._websocket.send(self._messages[0])
                self._messages.popleft()
        except (OSError, RuntimeError, WebSocketDisconnect):  # the client is gone, as `receive` says as well
            self._messages.clear()
        finally:
            self._sending = None
        self._bytes = 0
        if self.on_clear is not None:
            self.on_clear()


def wire_of(websocket: WebSocket) -> Wire:
    """Return the wire of a socket, as the server it runs on allows."""
    offered: dict[str, Wire] = websocket.scope.get("extensions", {}).get(EXTENSION, {})
    return offered["wire"] if "wire" in offered else AsgiWire(websocket)


def _head(size: int) -> bytes:
    """Return the head of an unmasked text frame (RFC 6455, 5.2)."""
    if size < SHORT:
        return bytes((_TEXT, size))
    if size < MEDIUM:
        return bytes((_TEXT, SHORT)) + size.to_bytes(2, "big")
    return bytes((_TEXT, SHORT + 1)) + size.to_bytes(8, "big")


def _short(reason: str) -> str:
    return reason.encode()[:LONGEST_REASON_BYTES].decode(errors="ignore")
