"""Many socket clients in a process of their own: raw frames, no library, so that they cost the machine little.

`HOST:PORT PATH KEY COUNT` connects, prints `ready`, and on `stop` prints what was received as JSON. Frames are taken to
carry the microsecond (UTC) at which they were caused as each value's volume. Symbols are read from stdin, a line a
client; a line `stall …` is a client that subscribes and then reads no more. With a FILE as last argument every delta is
kept there, a line each: the client, the microsecond it came, the frame.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
import socket
import sys
import time
from pathlib import Path

import uvloop

from benchmarks.measure import quantile

MARK = b'"volume":'


class RawClient(asyncio.Protocol):
    """One client: shakes hands, subscribes, and notes the delay of each delta."""

    def __init__(
        self, head: bytes, first: bytes, delays: list[float], *, stalls: bool, kept: list[tuple[int, bytes]] | None
    ) -> None:
        self.subscribed = asyncio.get_running_loop().create_future()
        self.is_lost = False
        self.frames = 0
        self.bytes = 0
        self._head = head
        self._first = first
        self._delays = delays
        self._stalls = stalls
        self._kept = kept
        self._buffer = bytearray()
        self._is_open = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Shake hands."""
        self.transport = transport
        transport.write(self._head)

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the server ended it."""
        self.is_lost = True
        if not self.subscribed.done():
            self.subscribed.set_exception(ConnectionError(f"{error} {bytes(self._buffer[:200])!r}"))

    def data_received(self, data: bytes) -> None:
        """Take frames, once shaken hands."""
        buffer = self._buffer
        buffer += data
        if not self._is_open:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if not buffer.startswith(b"HTTP/1.1 101"):
                self.transport.close()
                return
            del buffer[: end + 4]
            self._is_open = True
            self.transport.write(masked(self._first) if self._first else b"")
            if not self._first:
                self.subscribed.set_result(None)
        self._frames()

    def _frames(self) -> None:
        buffer = self._buffer
        while len(buffer) >= 2:
            size, start = buffer[1] & 127, 2
            if size == 126:
                size, start = int.from_bytes(buffer[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(buffer[2:10], "big"), 10
            if len(buffer) < start + size:
                return
            if buffer[0] & 15 == 1:
                self._take(buffer, start, start + size)
            del buffer[: start + size]

    def _take(self, buffer: bytearray, start: int, end: int) -> None:
        now = time.time_ns() // 1000
        self.frames += 1
        self.bytes += end - start
        if not self.subscribed.done():
            self.subscribed.set_result(None)
            if self._stalls:
                self.transport.pause_reading()
            return
        if self._kept is not None:
            self._kept.append((now, bytes(buffer[start:end])))
            return
        at = buffer.find(MARK, start, end)
        if at >= 0:
            until = buffer.find(b",", at, end)
            self._delays.append((now - int(buffer[at + len(MARK) : until])) / 1000)


def masked(text: bytes) -> bytes:
    """Return a client's text frame; a mask of zeros leaves the text as it is."""
    size = len(text)
    if size < 126:
        return bytes((0x81, 0x80 | size)) + bytes(4) + text
    return bytes((0x81, 0x80 | 126)) + size.to_bytes(2, "big") + bytes(4) + text


def handshake(address: str, path: str, key: str) -> bytes:
    """Return the head with which a socket is asked for."""
    nonce = base64.b64encode(os.urandom(16)).decode()
    lines = (
        f"GET {path} HTTP/1.1", f"Host: {address}", "Upgrade: websocket", "Connection: Upgrade",
        f"Sec-WebSocket-Key: {nonce}", "Sec-WebSocket-Version: 13", f"X-API-KEY: {key}", "", "",
    )  # fmt: skip
    return "\r\n".join(lines).encode()


async def main(address: str, path: str, key: str, count: int, file: str = "") -> None:
    """Connect all, say so, and tell at the end what came."""
    host, port = address.split(":")
    loop = asyncio.get_running_loop()
    delays: list[float] = []
    clients: list[RawClient] = []
    kept: list[list[tuple[int, bytes]]] = []
    for _ in range(count):
        line = sys.stdin.readline().split()
        stalls = line[:1] == ["stall"]
        request = {"op": "subscribe", "channel": "prices", "symbols": line[1:] if stalls else line}
        first = json.dumps(request).encode() if line != ["-"] else b""
        kept.append([])
        mine = kept[-1] if file else None
        client = RawClient(handshake(address, path, key), first, delays, stalls=stalls, kept=mine)
        line_out = socket.socket()
        if stalls:  # or the kernel would take a minute of frames for it
            line_out.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line_out.setblocking(False)  # noqa: FBT003 - the library's signature
        await loop.sock_connect(line_out, (host, int(port)))
        await loop.create_connection(lambda client=client: client, sock=line_out)
        clients.append(client)
        await client.subscribed
    print("ready", flush=True)
    while (await asyncio.to_thread(sys.stdin.readline)).strip() == "begin":
        for each in (delays, *kept):
            each.clear()
        print("begun", flush=True)
    frames = sum(client.frames for client in clients)
    told = {
        "frames": frames, "bytes": sum(client.bytes for client in clients), "lost": sum(c.is_lost for c in clients),
        "samples": len(delays),
    }  # fmt: skip
    if file:
        lines = [f"{at} {now} {text.decode()}\n" for at, mine in enumerate(kept) for now, text in mine]
        await asyncio.to_thread(Path(file).write_text, "".join(lines))
    if delays:
        told |= {"p50": quantile(delays, 0.5), "p99": quantile(delays, 0.99), "max": max(delays)}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    import resource

    gc.disable()  # a client's own pause is no delay of the platform's
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    uvloop.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), *sys.argv[5:]))
