"""The servers of one test of a cluster: a Kafka broker or three, PostgreSQL, Redis; killed and started as it likes."""

from __future__ import annotations

from pathlib import Path

from support.chaos_network import HERE
from support.kafka import Broker, stop
from support.kafka import Cluster as Brokers
from support.postgres import make_template
from support.postgres_server import PostgresServer
from support.redis import RedisServer, lasting_port

PARTITIONS = 8
DATABASE = "niftyflow_template"
QUICK = ("fsync=off", "full_page_writes=off", "listen_addresses=*")
"""The machine outlives these servers: what was committed is in its memory, whatever dies."""
LISTENERS = """\
listeners=PLAINTEXT://127.0.0.1:{port},APART://0.0.0.0:{apart},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},APART://{here}:{apart}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,APART:PLAINTEXT
"""
"""A broker tells its clients where to find it: those on this machine here, those in a namespace at the cable's end."""


class Servers:
    """The servers of one cluster, one Kafka broker or three, and what can be done to them."""

    def __init__(self, folder: Path, brokers: int) -> None:
        self.postgres = PostgresServer.create(*QUICK)
        self.postgres.port = lasting_port()
        with (self.postgres.data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {HERE}/30 trust\n")
        self.redis = RedisServer(folder / "redis", "--bind", "*", "--protected-mode", "no")
        self.brokers = Brokers(folder / "kafka") if brokers > 1 else None
        port, controller, self._apart = lasting_port(), lasting_port(), lasting_port()
        listeners = LISTENERS.format(port=port, apart=self._apart, controller=controller, here=HERE)
        self.broker = Broker(folder / "kafka", port, controller, more=listeners)
        self._broker_process = 0

    def start(self) -> None:
        """Start them all, with empty tables."""
        self.postgres.start()
        make_template(self.postgres)
        self.redis.start()
        self.bring_broker_back()

    def stop(self) -> None:
        """Stop them all, and delete their files."""
        self.kill_broker()
        self.redis.kill()
        self.postgres.remove()

    def kill_broker(self) -> None:
        """Kill the only broker with -9, or all of them."""
        if self.brokers is not None:
            self.brokers.stop()
        elif self._broker_process:
            stop(self._broker_process)

    def bring_broker_back(self) -> None:
        """Start the only broker again, or all of them."""
        if self.brokers is not None:
            self.brokers.start()
        else:
            self._broker_process = self.broker.start()

    def restart_postgres(self, mode: str) -> None:
        """Stop PostgreSQL, `fast` or as a crash (`immediate`), and start it."""
        self.postgres.stop(mode)
        self.postgres.start()

    def restart_redis(self) -> None:
        """Have Redis forget everything, then kill it and start it."""
        self.redis.call("FLUSHALL")
        self.redis.kill()
        self.redis.start()

    @property
    def settings(self) -> dict[str, str]:
        """The settings that lead to them."""
        kafka = self.brokers or self.broker
        return {
            "bus.engine": "kafka", "bus.servers": kafka.servers, "bus.partitions": str(PARTITIONS),
            "database.url": self.postgres.url(DATABASE), "database.connections_kept": "1",
            "hot.engine": "redis", "hot.url": f"redis://127.0.0.1:{self.redis.port}/0",
        }  # fmt: skip

    @property
    def settings_apart(self) -> dict[str, str]:
        """The settings that lead a process in a namespace to them."""
        return {name: value.replace("127.0.0.1", HERE) for name, value in self.settings.items()} | {
            "bus.servers": f"{HERE}:{self._apart}"
        }
