"""Real Redis servers for the tests: one for the whole run of a worker, and others of a test's own to be ill-treated.

Tests on the shared one keep apart by a key prefix. Without redis-server they skip, saying so; with CI=true they fail.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from niftyflow.storage.settings import RedisSettings

START_SECONDS = 60
PORTS = range(20_000, 32_000)
"""Below those that the system gives to connections: one of them could take a server's while it is down."""


class RedisServer:
    """One server (or Sentinel, by its arguments) in a folder of its own, on a port it keeps when started again."""

    def __init__(self, folder: Path, *arguments: str, tls: bool = False, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or lasting_port()
        self.socket = folder / "redis.sock"
        self._tls = tls
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> RedisServer:
        """Start it and wait until it takes connections; return it."""
        ports = ["--port", "0", "--tls-port", str(self.port)] if self._tls else ["--port", str(self.port)]
        own = [*self._arguments] if "--sentinel" in self._arguments else [
            *ports, "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder),
            "--unixsocket", str(self.socket), *self._arguments,
        ]  # fmt: skip
        with (self.folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen([program(), *own], stdout=output, stderr=output)
        deadline = time.monotonic() + START_SECONDS
        while not self._takes_connections():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"Redis did not start: {(self.folder / 'output.log').read_text()[-2000:]}")
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """Kill it, with all it holds."""
        if self._process is not None:
            self.resume()
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Make it hang."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def settings(self, **changes: Any) -> RedisSettings:
        """Return the settings that lead here, under a prefix of their own, with patience for a loaded machine."""
        here = {"url": f"redis://127.0.0.1:{self.port}/0", "prefix": f"test-{uuid4().hex[:12]}:"}
        return RedisSettings.model_validate({"timeout_seconds": 30, **here, **changes})

    @contextlib.contextmanager
    def client(self, port: int | None = None, password: str | None = None) -> Iterator[Any]:
        """Give a plain client, for looking in and for ill-treating."""
        redis = pytest.importorskip("redis", reason="redis-py is not installed")
        with redis.Redis(port=port or self.port, password=password, socket_timeout=START_SECONDS) as client:
            yield client

    def call(self, *command: Any) -> Any:
        """Carry out one command."""
        with self.client() as client:
            return client.execute_command(*command)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _takes_connections(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def lasting_port() -> int:
    """Return a port that is free, and that only another server would take."""
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def program() -> str:
    """Return the path of redis-server; skip, or fail under CI, where there is none."""
    found = shutil.which("redis-server")
    if found is not None:
        return found
    reason = "no redis-server on the PATH: install Redis 7 or Valkey"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The server that tests share by prefix; nobody stops, fills or flushes it."""
    program()
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.kill()


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Start servers of the test's own, with arguments of redis-server; they are killed at its end."""
    program()
    started: list[RedisServer] = []

    def start(*arguments: str, tls: bool = False, port: int | None = None) -> RedisServer:
        started.append(RedisServer(tmp_path / f"redis-{len(started)}", *arguments, tls=tls, port=port))
        return started[-1].start()

    yield start
    for server in started:
        server.kill()
