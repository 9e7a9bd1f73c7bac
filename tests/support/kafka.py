"""A real Apache Kafka for the tests: one KRaft broker for the whole run, started once, killed at its end.

Workers of a parallel run share it through a folder they all see; the last one to leave stops it. Tests keep apart by
a topic prefix of their own. Without Java or the jars the tests skip, saying so; with CI=true they fail instead.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

LIBS = Path(__file__).parents[2] / ".cache" / "kafka" / "libs"
START_SECONDS = 60

SETTINGS = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={folder}/data
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
"""
LOGGING = """\
<Configuration status="OFF"><Loggers><Root level="warn"/></Loggers></Configuration>
"""


class Broker:
    """One broker process in a folder of its own."""

    def __init__(self, folder: Path, port: int, controller: int) -> None:
        self.folder = folder
        self.port = port
        self.servers = f"127.0.0.1:{port}"
        folder.mkdir(parents=True, exist_ok=True)
        self._settings = folder / "server.properties"
        self._settings.write_text(SETTINGS.format(port=port, controller=controller, folder=folder))
        self._logging = folder / "log4j2.xml"
        self._logging.write_text(LOGGING)

    def start(self) -> int:
        """Start the broker and wait until it answers; return its process id."""
        if not (self.folder / "data").exists():
            cluster = "bmlmdHlmbG93LXRlc3RzLQ"
            self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._settings)).wait(60)
        process = self._java("kafka.Kafka", str(self._settings), detached=True)
        deadline = time.monotonic() + START_SECONDS
        while not _is_open(self.port):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                pytest.fail(f"Kafka did not start: {(self.folder / 'output.log').read_text()[-2000:]}")
            time.sleep(0.1)
        _started[process.pid] = process
        return process.pid

    def _java(self, main: str, *arguments: str, detached: bool = False) -> subprocess.Popen:
        command = [
            "java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
            f"-Dlog4j2.configurationFile={self._logging}", "-cp", f"{LIBS}/*", main, *arguments,
        ]  # fmt: skip
        with (self.folder / "output.log").open("ab") as output:
            return subprocess.Popen(command, stdout=output, stderr=output, start_new_session=detached)


_started: dict[int, subprocess.Popen] = {}


def stop(process_id: int) -> None:
    """Kill a broker, which another worker may have started; it has nothing worth keeping."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGKILL)
    process = _started.pop(process_id, None)
    if process is not None:
        process.wait()


def need_kafka() -> None:
    """Skip, or fail under CI, where Java or the jars are missing."""
    if shutil.which("java") is None:
        _do_without("no java on the PATH: install a Java 17 runtime")
    if not LIBS.is_dir():
        _do_without("no Apache Kafka in .cache/kafka: run tools/setup-kafka")


def _do_without(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def kafka_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the run's broker."""
    need_kafka()
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if is_worker else base) / "kafka"
    folder.mkdir(exist_ok=True)
    with _users(folder) as users:
        if not users:
            broker = Broker(folder / "broker", free_port(), free_port())
            (folder / "broker.pid").write_text(f"{broker.start()} {broker.servers}")
        users.append(str(os.getpid()))
        process_id, servers = (folder / "broker.pid").read_text().split()
    yield servers
    with _users(folder) as users:
        users.remove(str(os.getpid()))
        if not users:
            stop(int(process_id))
            shutil.rmtree(folder / "broker", ignore_errors=True)


@pytest.fixture
def kafka_prefix() -> str:
    """A topic prefix that no other test has."""
    return f"test-{uuid4().hex[:12]}."


@contextlib.contextmanager
def _users(folder: Path) -> Iterator[list[str]]:
    """The workers that use the broker now; changed under a lock that all of them see."""
    with (folder / "users").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        users = [user for user in file.read().split() if _is_alive(int(user))]
        yield users
        file.seek(0)
        file.truncate()
        file.write(" ".join(users))


def _is_alive(process_id: int) -> bool:
    return Path(f"/proc/{process_id}").exists()


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
