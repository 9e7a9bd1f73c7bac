"""What tests of the simulator share: a small tape, the sim in a process of its own, a client, and a plain fold."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Self

import aiohttp
import numpy as np

from niftyflow.brokers.kite.wire import DecodedPackets, decode_packets
from niftyflow.brokers.simulator.instruments import named
from niftyflow.brokers.simulator.tape import EVENT, MINUTE, SECOND, Events, Session

OPENS = 1_767_584_700_000
"""2026-01-05 09:15 IST, ms UTC."""
PATIENCE_SECONDS = 20.0


class SmallTape:
    """A tape of chosen events: (milliseconds after the open, place, price, day volume)."""

    def __init__(
        self,
        rows: Sequence[tuple[int, int, float, int]],
        *,
        symbols: Sequence[str] = ("INFY", "SBIN"),
        indices: Sequence[str] = (),
        minutes: int = 2,
        chunk: int = 7,
    ) -> None:
        self.name = "small"
        self.instruments = named(symbols, indices)
        self.sessions = [Session(OPENS, OPENS, OPENS + minutes * MINUTE)]
        self._chunk = chunk
        self.events: Events = np.zeros(len(rows), dtype=EVENT)
        for row, (after, place, price, volume) in enumerate(rows):
            event = self.events[row]
            event["arrival"], event["instrument"], event["ltp"], event["day_volume"] = (
                OPENS + after,
                place,
                price,
                volume,
            )
            event["timestamp"] = event["traded_at"] = (OPENS + after) // SECOND * SECOND

    def chunks(self) -> Iterator[Events]:
        """Yield a few events at a time."""
        for start in range(0, len(self.events), self._chunk):
            yield self.events[start : start + self._chunk].copy()


def every(step: int, count: int, *, places: int = 2) -> list[tuple[int, int, float, int]]:
    """Return `count` events, one each `step` ms, walking over the places."""
    return [(each * step, each % places, 100 + each * 0.05, each + 1) for each in range(count)]


class Folded(NamedTuple):
    """One minute of trades; prices in paise."""

    open: int
    high: int
    low: int
    close: int
    volume: int


def fold(ticks: Iterable[tuple[str, int, float, int]]) -> dict[tuple[str, int], Folded]:
    """Fold (symbol, traded_at, price, day volume) in order of receipt to (symbol, minute) → candle, trade by trade.

    A repeat of the last trade moves nothing; volume is the day volume's maximum less what it was before the minute.
    """
    candles: dict[tuple[str, int], Folded] = {}
    last: dict[str, tuple[int, int]] = {}
    top: dict[str, int] = {}
    base: dict[tuple[str, int], int] = {}
    for symbol, traded_at, price, day_volume in ticks:
        if last.get(symbol) == (traded_at, day_volume):
            continue
        last[symbol] = (traded_at, day_volume)
        key = (symbol, traded_at // MINUTE * MINUTE)
        paise = round(price * 100)
        base.setdefault(key, top.get(symbol, day_volume))
        top[symbol] = max(top.get(symbol, 0), day_volume)
        candle = candles.get(key, Folded(paise, paise, paise, paise, 0))
        candles[key] = Folded(
            candle.open, max(candle.high, paise), min(candle.low, paise), paise, top[symbol] - base[key]
        )
    return candles


class Wire:
    """A client that speaks the Kite wire and keeps what it heard, in order."""

    def __init__(self, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.http, self.socket = http, socket
        self.frames: list[bytes] = []
        self.texts: list[dict[str, Any]] = []
        self.heard: list[bytes | dict[str, Any]] = []
        self.heartbeats = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, url: str) -> AsyncIterator[Self]:
        """Connect as Kite's clients do."""
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"{url}/?api_key=key&access_token=token") as socket,
        ):
            yield cls(http, socket)

    async def ask(self, action: str, value: object) -> None:
        """Send a request."""
        await self.socket.send_str(json.dumps({"a": action, "v": value}))

    async def full(self, tokens: Sequence[int]) -> None:
        """Subscribe in full mode."""
        await self.ask("subscribe", list(tokens))
        await self.ask("mode", ["full", list(tokens)])

    async def hear(self) -> bool:
        """Take the next message; return False when the socket is closed."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            message = await self.socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            self.texts.append(json.loads(message.data))
            self.heard.append(self.texts[-1])
        elif message.type is aiohttp.WSMsgType.BINARY and len(message.data) > 1:
            self.frames.append(message.data)
            self.heard.append(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            self.heartbeats += 1
        else:
            return False
        return True

    async def until(self, kind: str) -> dict[str, Any]:
        """Hear until a text of this type comes, and return it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self.texts or self.texts[-1]["type"] != kind:
                assert await self.hear(), f"closed before {kind}: {self.socket.close_code}"
        return self.texts.pop()

    async def until_packets(self, count: int) -> DecodedPackets:
        """Hear until this many packets have come, and return all of them decoded."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(decode_packets(self.frames).packets) < count:
                assert await self.hear(), f"closed before {count} packets: {self.socket.close_code}"
        return decode_packets(self.frames)


async def desk(url: str, path: str, body: object = None, *, post: bool = True) -> dict[str, Any]:
    """Ask the simulator's desk and return its answer."""
    address = url.replace("ws://", "http://") + path
    async with aiohttp.ClientSession() as http, http.request("POST" if post else "GET", address, json=body) as answer:
        return await answer.json()


@contextlib.asynccontextmanager
async def sim_process(*arguments: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """Run the sim as a process of its own on a free port; yield its address and the process, end it with SIGTERM."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "niftyflow.cli.sim", *arguments, "--port", "0",
        stdout=asyncio.subprocess.PIPE, env=os.environ.copy(),
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        yield line.decode().strip(), process
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 60)
        process._transport.close()
