"""`niftyflow demo` as a process: a page at once, a market that trades, an end in seconds, and it goes on from there."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from niftyflow.storage.leases import FileLeases
from support.commands import end, start
from support.waiting import until

PATIENCE_SECONDS = 90
MINUTE_MS, DAY_MS = 60_000, 86_400_000
OPENS_MS = 225 * MINUTE_MS  # 09:15 IST in UTC


class Demo:
    """A demo that runs, and how to ask it."""

    def __init__(self, folder: Path, *arguments: object) -> None:
        self.folder = folder / "demo"
        self._said = folder / "said.txt"
        self.process: subprocess.Popen[str] = start(
            "--workspace", str(folder), "demo", "--port", "0", *map(str, arguments), log=self._said
        )
        self.printed: list[str] = []

    @property
    def said(self) -> str:
        """What it said on standard error."""
        return self._said.read_text()

    def link(self) -> str:
        """Return the one-time link, once it is printed."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(line)
            if found := re.search(r"http://\S+/#ticket=\S+", line):
                return found[0]
        raise AssertionError(self.said)

    def ask(self, address: str, path: str) -> Any:
        """Return the data that a route answers with the owner's key."""
        key = (self.folder / "api-key").read_text().strip()
        answer = httpx.get(f"{address}{path}", headers={"X-API-KEY": key}, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def interrupt(self) -> int:
        """Press Ctrl-C; return the exit code. How soon it ends is measured by `bench_demo`."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Any]:
    """Start demos; whatever still runs in the end is ended."""
    started: list[Demo] = []

    def one(*arguments: object) -> Demo:
        started.append(Demo(tmp_path, *arguments))
        return started[-1]

    yield one
    for demo in started:
        if demo.process.poll() is None:
            end(demo.process)
        demo.process.communicate()


def rows(file: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Ask a database of the workspace."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=30)) as database:
        return database.execute(query, values).fetchall()


def wait_for_trades(demo: Demo) -> None:
    """Wait until a signal was told and an order has filled."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while not (
        rows(demo.folder / "book.db", "SELECT 1 FROM trades LIMIT 1")
        and rows(demo.folder / "market.db", "SELECT 1 FROM signals LIMIT 1")  # of the two strategies one needs none
    ):
        assert time.monotonic() < limit
        assert demo.process.poll() is None, demo.said
        time.sleep(0.2)


async def listen(url: str, key: str, frames: list[Any]) -> int:
    """Listen to prices until the server ends it; return the code with which it did."""
    async with connect(url, additional_headers={"X-API-KEY": key}, open_timeout=30) as socket:
        await socket.send(json.dumps({"op": "subscribe", "channel": "prices", "symbols": ["*"]}))
        with suppress(ConnectionClosed):
            while True:
                frames.append(json.loads(await socket.recv()))
        return socket.close_code or 0


async def steered(address: str, key: str) -> None:
    """Change the speed, pause and go on over the API; what cannot be played is refused."""
    async with httpx.AsyncClient(base_url=address, headers={"X-API-KEY": key}, timeout=30) as client:

        async def time_of_data() -> int:
            return int((await client.get("/api/v1/clock")).json()["data"]["time"])

        async def has_moved_from(moment: int) -> bool:
            return await time_of_data() >= moment + MINUTE_MS

        asked = await client.put("/api/v1/demo", json={"speed": 100, "is_paused": True})
        assert asked.json()["data"] == {"speed": 100.0, "is_paused": True}
        assert (await client.put("/api/v1/demo", json={"speed": 100_000})).status_code == 422
        await asyncio.sleep(1)
        stands = await time_of_data()
        await asyncio.sleep(1)
        assert await time_of_data() == stands
        await client.put("/api/v1/demo", json={"is_paused": False})
        await until(lambda: has_moved_from(stands))


async def test_it_trades_ends_at_once_with_sockets_open_and_goes_on_where_it_was(begin, tmp_path):
    """At 300 times real time: a signal and a fill, Ctrl-C within seconds, and no minute missing after a restart."""
    demo = begin("--speed", 300)
    address, _, ticket = (await asyncio.to_thread(demo.link)).partition("/#ticket=")
    assert len(ticket) > 30
    key = (demo.folder / "api-key").read_text().strip()
    frames: list[Any] = []
    market = f"{address.replace('http', 'ws', 1)}/ws/market"
    sockets = [asyncio.create_task(listen(market, key, frames)) for _ in range(5)]
    await asyncio.to_thread(wait_for_trades, demo)
    before = await asyncio.to_thread(demo.ask, address, "/api/v1/clock")
    assert (before["is_demo"], before["speed"], before["day"]) == (True, 300.0, "2026-01-05")
    assert await asyncio.to_thread(demo.interrupt) == 0, demo.said
    assert len(await asyncio.gather(*sockets)) == 5
    assert any(frame["type"] == "delta" for frame in frames)
    assert demo.said == ""
    orders = rows(demo.folder / "book.db", "SELECT client_order_id FROM orders")

    again = begin("--speed", 60)
    address, _, _ = (await asyncio.to_thread(again.link)).partition("/#ticket=")
    after = await asyncio.to_thread(again.ask, address, "/api/v1/clock")
    assert after["time"] >= before["time"]
    await steered(address, key)
    other = begin("--speed", 60)  # its own port, the same workspace
    assert await asyncio.to_thread(other.process.wait, PATIENCE_SECONDS) == 2
    assert f"held by process {again.process.pid}" in other.said
    assert await asyncio.to_thread(again.interrupt) == 0, again.said
    kept = rows(demo.folder / "book.db", "SELECT client_order_id FROM orders")
    assert set(orders) <= set(kept)
    assert rows(demo.folder / "market.db", "SELECT count(*) FROM feed_gaps") == [(0,)]
    opened = before["time"] // DAY_MS * DAY_MS + OPENS_MS
    query = "SELECT time FROM candles_1m WHERE time >= ? AND incomplete = 0 GROUP BY time ORDER BY time"
    minutes = [time for (time,) in rows(demo.folder / "market.db", query, opened)]
    assert minutes == list(range(opened, minutes[-1] + 1, MINUTE_MS))
    await (await FileLeases(demo.folder / "leases").acquire("raw-ticks/0")).release()
