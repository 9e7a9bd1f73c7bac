"""Prices and scorecards over HTTP at 3,000 requests a second, with key and limit, beside a bare FastAPI route.

Requests leave on a timetable whether or not the last one was answered, and are measured from when they should have
left: a server that falls behind cannot hide it. The load comes from this process, the server is one of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import uvloop

from benchmarks.measure import Budget, Measurement, quantile
from niftyflow.brokers.simulator.nifty50 import MEMBERS

RATE = 3_000
BUDGET = Budget(f"prices at {RATE:,} requests/s, with key and limit: p99", "ms", 20.0, higher_is_better=False)
ANALYZE_BUDGET = Budget(f"analyze at {RATE:,} requests/s, with key and limit: p99", "ms", 20.0, higher_is_better=False)
SECONDS, WARM_SECONDS = 10.0, 3.0
CONNECTIONS = 64
MOST_SYMBOLS = 10
DIFFERENT = 500
ROOT = Path(__file__).parents[1]


class Connection(asyncio.Protocol):
    """A connection that is kept: requests one after another, answers in the same order."""

    def __init__(self) -> None:
        self.waiting: deque[float] = deque()
        self.taken: list[float] = []
        self.failed = 0
        self.is_lost = False
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        """Keep the way out."""
        self.transport = transport

    def ask(self, request: bytes, due: float) -> None:
        """Send a request that should leave at `due`."""
        self.waiting.append(due)
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take what came; each whole answer is measured."""
        self._buffer += data
        while self._buffer:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end].lower()
            start = head.index(b"content-length:") + 15
            length = int(head[start:].split(b"\r\n", 1)[0])
            if len(self._buffer) < end + 4 + length:
                return
            self.taken.append(time.perf_counter() - self.waiting.popleft())
            self.failed += not head.startswith(b"http/1.1 200")
            self._buffer = self._buffer[end + 4 + length :]

    def connection_lost(self, reason: Exception | None) -> None:
        """Remember that the server hung up."""
        self.is_lost = True


def run() -> list[Measurement]:
    """Measure prices, analyze and the bare route, one after another."""
    random.seed(7)
    names = [each.symbol for each in MEMBERS]
    with tempfile.TemporaryDirectory() as folder:
        with server(folder, "gateway") as (port, key, process):
            some = [random.sample(names, random.randint(1, MOST_SYMBOLS)) for _ in range(DIFFERENT)]
            prices = [request(f"/api/v1/prices?symbols={quote(','.join(each))}", key) for each in some]
            first = measured("niftyflow: prices of 1 to 10 symbols", port, prices, process)
            cards = [request(f"/api/v1/analyze?symbol={quote(name)}", key) for name in names]
            second = measured("niftyflow: analyze", port, cards, process, ANALYZE_BUDGET)
        with server(folder, "bare") as (port, _, process):
            bare = measured("FastAPI, a bare route: no key, no limit", port, prices, process, is_peer=True)
    return [first, second, bare]


def request(path: str, key: str) -> bytes:
    """Return a GET as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-KEY: {key}\r\nAccept: */*\r\n\r\n".encode()


@contextmanager
def server(folder: str, what: str) -> Iterator[tuple[int, str, int]]:
    """Run a server for the time of a `with`; give its port, its key and its process id."""
    command = [sys.executable, "-m", "benchmarks.served_gateway", folder, what]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            yield said["port"], said["key"], process.pid
        finally:
            process.terminate()


def measured(
    label: str, port: int, requests: list[bytes], process: int, budget: Budget | None = None, *, is_peer: bool = False
) -> Measurement:
    """Load a server on the timetable, warm; the value is the 99th percentile."""
    uvloop.run(load(port, requests, WARM_SECONDS))
    before = cpu_seconds(process)
    connections, lasted = uvloop.run(load(port, requests, SECONDS))
    taken = [1000 * seconds for each in connections for seconds in each.taken]
    failed = sum(each.failed + len(each.waiting) for each in connections)
    assert taken
    assert not failed, f"{failed} requests failed"
    return Measurement(
        label, quantile(taken, 0.99), "ms", is_peer=is_peer, budget=budget,
        details={
            "p50_ms": round(quantile(taken, 0.5), 2), "max_ms": round(max(taken), 1),
            "requests_per_second": round(len(taken) / lasted), "requests": len(taken),
            "server_cpu_us_a_request": round((cpu_seconds(process) - before) / len(taken) * 1e6),
        },
    )  # fmt: skip


async def load(port: int, requests: list[bytes], seconds: float) -> tuple[list[Connection], float]:
    """Send requests when they are due, over connections in turn; wait for the last answers."""
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(Connection, "127.0.0.1", port) for _ in range(CONNECTIONS)]
    connections = [connection for _, connection in made]
    began, sent, count = time.perf_counter(), 0, int(RATE * seconds)
    while sent < count:
        due = min(count, int((time.perf_counter() - began) * RATE) + 1)
        for number in range(sent, due):
            connections[number % CONNECTIONS].ask(requests[number % len(requests)], began + number / RATE)
        sent = due
        await asyncio.sleep(0.001)
    for _ in range(1000):
        if not any(each.waiting for each in connections):
            break
        await asyncio.sleep(0.01)
    lasted = time.perf_counter() - began
    assert not any(each.is_lost for each in connections)
    for transport, _ in made:
        transport.abort()
    await asyncio.sleep(0.05)
    return connections, lasted


def cpu_seconds(process: int) -> float:
    """Return the processor time that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
