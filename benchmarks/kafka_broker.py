"""A real Kafka broker for a benchmark: alone, in a folder of its own, with the compiler a server runs with.

`NIFTYFLOW_BENCH_KAFKA=host:9092` measures a cluster that is there instead.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

LIBS = Path(__file__).parents[1] / ".cache" / "kafka" / "libs"
SETTINGS = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""
SILENT = '<Configuration status="OFF"><Loggers><Root level="off"/></Loggers></Configuration>'


class Running(NamedTuple):
    """Where the broker answers, and its process, when it is ours."""

    servers: str
    process: int | None

    def cpu_seconds(self) -> float:
        """Return the processor time it has taken, 0 where that cannot be known."""
        if self.process is None:
            return 0.0
        fields = Path(f"/proc/{self.process}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def broker(folder: Path) -> Iterator[Running]:
    """Run a broker, or use the one that the surroundings name."""
    if given := os.environ.get("NIFTYFLOW_BENCH_KAFKA"):
        yield Running(given, None)
        return
    if not LIBS.is_dir():
        raise RuntimeError("no Apache Kafka in .cache/kafka: run tools/setup-kafka")
    port, controller = _free_port(), _free_port()
    settings, logging = folder / "server.properties", folder / "log4j2.xml"
    settings.write_text(SETTINGS.format(port=port, controller=controller, folder=folder))
    logging.write_text(SILENT)
    java = ["java", "-Xmx1g", f"-Dlog4j2.configurationFile={logging}", "-cp", f"{LIBS}/*"]
    command = [*java, "kafka.tools.StorageTool", "format", "-t", "bmlmdHlmbG93LWJlbmNoZQ", "-c", str(settings)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with subprocess.Popen(
        [*java, "kafka.Kafka", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_for(port, process)
            yield Running(f"127.0.0.1:{port}", process.pid)
        finally:
            process.kill()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("Kafka did not start")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
