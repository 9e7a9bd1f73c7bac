"""A process of strategies that send calls to a server, each with a permit; and the server, which notes what arrives.

Run as a program it takes its plan as JSON, says `ready`, begins at a line on its input, and ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from niftyflow.brokers.capabilities import RateLimit
from niftyflow.brokers.governor import RateGovernor
from niftyflow.brokers.governor_ledgers import FileLedger, PermitLedger
from niftyflow.brokers.governor_settings import GovernorSettings
from niftyflow.kit.clock import WallClock, monotonic
from niftyflow.model import Unavailable


class Arrivals:
    """A small HTTP server; `calls` are (arrived, left, process) in seconds of the machine's waiting clock."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, float, str]] = []
        self.port = 0
        self._answering: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Arrivals]:
        """Serve."""
        server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self
        await asyncio.gather(*self._answering)  # each ends with its process

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._answering.add(asyncio.create_task(self._answer(reader, writer)))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                arrived = monotonic()
                _, process, left = head.split(b"\r\n", 1)[0].split()[1].decode().split("/")
                self.calls.append((arrived, float(left), process))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    def times(self) -> list[float]:
        """Return when the calls arrived."""
        return [arrived for arrived, _, _ in self.calls]

    def slowest_way(self) -> float:
        """Return the seconds that the slowest call needed from its permit to here."""
        return max((arrived - left for arrived, left, _ in self.calls), default=0.0)

    def by_process(self) -> Counter[str]:
        """Return how many calls came from each process."""
        return Counter(process for _, _, process in self.calls)


class GovernedProcess:
    """One process that a test starts and may kill."""

    def __init__(self, name: str, server: Arrivals, **plan: Any) -> None:
        given = json.dumps({"name": name, "port": server.port, **plan})
        command = [sys.executable, "-P", __file__, given]  # -P: beside this file is one named redis
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    async def ready(self) -> None:
        """Wait until it is ready."""
        assert self._process.stdout is not None
        line = await asyncio.to_thread(self._process.stdout.readline)
        assert line == "ready\n"

    def go(self) -> None:
        """Let it begin."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    async def end(self) -> Counter[str]:
        """Let it end, and return what its calls came to."""
        out, _ = await asyncio.to_thread(self._process.communicate)
        return Counter(json.loads(out.splitlines()[-1]))

    def kill(self) -> None:
        """Kill it as it stands, and leave nothing of it."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


async def _strategy(governor: RateGovernor, plan: dict[str, Any], outcomes: Counter[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", plan["port"])
    while True:
        try:
            await governor.take("orders", is_urgent=plan.get("is_urgent", False))
        except Unavailable:
            outcomes["refused"] += 1
            await asyncio.sleep(0.05)
            continue
        writer.write(f"POST /{plan['name']}/{monotonic()} HTTP/1.1\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        outcomes["sent"] += 1
        await asyncio.sleep(plan.get("pause", 0))


async def _line() -> str:
    return await asyncio.to_thread(sys.stdin.readline)


async def _main(plan: dict[str, Any]) -> None:
    ledger: PermitLedger
    if "folder" in plan:
        ledger = FileLedger(Path(plan["folder"]))
    else:
        from niftyflow.storage.redis_cells import RedisCells  # noqa: PLC0415 - the file needs no redis-py
        from niftyflow.storage.settings import RedisSettings  # noqa: PLC0415

        ledger = RedisCells(RedisSettings.model_validate(plan["redis"]))
        await ledger.open()
    limits = [RateLimit("orders", count, seconds) for count, seconds in plan["limits"]]
    settings = GovernorSettings.model_validate(plan["settings"])
    governor = RateGovernor("AB1234", limits, ledger, WallClock(), settings)
    await governor.start()
    print("ready", flush=True)  # noqa: T201
    await _line()
    outcomes: Counter[str] = Counter()
    strategies = [asyncio.create_task(_strategy(governor, plan, outcomes)) for _ in range(plan["strategies"])]
    ended = asyncio.create_task(_line())
    await asyncio.wait([ended, *strategies], return_when=asyncio.FIRST_COMPLETED)
    for task in strategies:
        task.cancel()
    await asyncio.gather(*strategies, return_exceptions=True)
    await governor.close()
    print(json.dumps(outcomes))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(_main(json.loads(sys.argv[1])))
