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
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import pytest

LIBS = Path(__file__).parents[2] / ".cache" / "kafka" / "libs"
START_SECONDS = 60
CLUSTER = "bmlmdHlmbG93LXRlc3RzLQ"

SETTINGS = """\
process.roles=broker,controller
node.id={node}
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={listeners}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,\\
  SASL_PLAINTEXT:SASL_PLAINTEXT
controller.quorum.voters={voters}
log.dirs={folder}/data
auto.create.topics.enable=false
default.replication.factor={copies}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
{more}
"""
LOGGING = """\
<Configuration status="OFF"><Loggers><Root level="warn"/></Loggers></Configuration>
"""


def members_of(servers: str, group: str) -> dict[str, int]:
    """Return the members of a consumer group by their client ids, with how many partitions each has.

    Kafka's own tool is asked, as an operator does; a group that nobody has joined has none.
    """
    command = [
        "java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{LIBS}/*",
        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "--bootstrap-server", servers,
        "--describe", "--members", "--group", group,
    ]  # fmt: skip
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    rows = [line.split() for line in told.stdout.splitlines() if line.startswith(f"{group} ")]
    return {row[-2]: int(row[-1]) for row in rows}


class Broker:
    """One broker process, a controller as well, in a folder of its own; alone, or one of several with `voters`."""

    def __init__(
        self, folder: Path, port: int, controller: int, *, node: int = 1, voters: dict[int, int] | None = None,
        listeners: dict[str, int] | None = None, more: str = "", users: Sequence[str] = (), memory: str = "512m",
    ) -> None:  # fmt: skip
        self.folder = folder
        self.port = port
        self.servers = f"127.0.0.1:{port}"
        self._users = users
        self._memory = memory
        ports = voters or {node: controller}
        hosts = [f"PLAINTEXT://127.0.0.1:{port}"]
        hosts += [f"{name}://localhost:{each}" for name, each in (listeners or {}).items()]
        folder.mkdir(parents=True, exist_ok=True)
        self._settings = folder / "server.properties"
        self._settings.write_text(
            SETTINGS.format(
                node=node, listeners=",".join(hosts), controller=controller, folder=folder, more=more,
                voters=",".join(f"{each}@127.0.0.1:{at}" for each, at in ports.items()),
                copies=len(ports), in_sync=min(2, len(ports)),
            )
        )  # fmt: skip
        self._logging = folder / "log4j2.xml"
        self._logging.write_text(LOGGING)

    def start(self) -> int:
        """Start the broker and wait until it answers; return its process id."""
        return self.wait(self.begin())

    def begin(self) -> subprocess.Popen:
        """Start the broker and do not wait."""
        if not (self.folder / "data").exists():
            users = [word for user in self._users for word in ("--add-scram", user)]
            format_ = self._java("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(self._settings), *users)
            assert format_.wait(60) == 0, self.output()
        process = self._java("kafka.Kafka", str(self._settings), detached=True)
        _started[process.pid] = process
        return process

    def wait(self, process: subprocess.Popen) -> int:
        """Wait until the broker answers; return its process id."""
        deadline = time.monotonic() + START_SECONDS
        while not _is_open(self.port):
            if process.poll() is not None or time.monotonic() > deadline:
                stop(process.pid)
                pytest.fail(f"Kafka did not start: {self.output()}")
            time.sleep(0.1)
        return process.pid

    def output(self) -> str:
        """Return the end of what the broker said."""
        return (self.folder / "output.log").read_text()[-2000:]

    def _java(self, main: str, *arguments: str, detached: bool = False) -> subprocess.Popen:
        command = [
            "java", f"-Xmx{self._memory}", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
            f"-Dlog4j2.configurationFile={self._logging}", "-cp", f"{LIBS}/*", main, *arguments,
        ]  # fmt: skip
        with (self.folder / "output.log").open("ab") as output:
            return subprocess.Popen(command, stdout=output, stderr=output, start_new_session=detached)


class Cluster:
    """Three brokers, each a controller as well: three copies of a record, two of which must be in sync."""

    def __init__(self, folder: Path) -> None:
        ports = [free_port() for _ in range(6)]
        voters = dict(zip((1, 2, 3), ports[3:], strict=True))
        self.brokers = [
            Broker(folder / f"broker-{node}", port, voters[node], node=node, voters=voters, memory="256m")
            for node, port in zip((1, 2, 3), ports, strict=False)
        ]
        self.servers = ",".join(broker.servers for broker in self.brokers)
        self._running: dict[int, int] = {}

    def start(self) -> None:
        """Start all of them, at once, and wait until each has told the others."""
        begun = [broker.begin() for broker in self.brokers]
        self._running = {
            node: broker.wait(process) for node, (broker, process) in enumerate(zip(self.brokers, begun, strict=True))
        }
        self.until_whole()

    def kill(self, node: int) -> None:
        """Kill one with -9."""
        stop(self._running.pop(node))

    def bring_back(self, node: int) -> None:
        """Start one again that was killed, on the data it has."""
        self._running[node] = self.brokers[node].start()

    def until_whole(self) -> None:
        """Wait until every broker knows of all three."""
        from confluent_kafka.admin import AdminClient  # noqa: PLC0415 - an extra

        client = AdminClient({"bootstrap.servers": self.servers, "log_level": 2})
        deadline = time.monotonic() + START_SECONDS
        while len(client.list_topics(timeout=10).brokers) < len(self.brokers):
            assert time.monotonic() < deadline, "the brokers do not find one another"
            time.sleep(0.1)

    def stop(self) -> None:
        """Kill them all."""
        for node in list(self._running):
            self.kill(node)


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
