"""Real servers start with the settings in `deploy/`, have the values the documents ask for, and do their work."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from niftyflow.kit.clock import WallClock
from niftyflow.model import Misconfigured
from niftyflow.storage import postgres_care
from niftyflow.storage.redis_hot import RedisHotStore
from niftyflow.storage.settings import RedisSettings
from support.postgres import (
    USER,
    Bouncer,
    PostgresServer,
    give_to_postgres,
    need_pgbouncer,
    need_postgres,
    program,
    settings_of,
)
from support.redis import START_SECONDS, lasting_port
from support.redis import program as redis_program

DEPLOY = Path(__file__).parents[3] / "deploy"
PASSWORD = "a-secret-of-this-test"
SIZES = {
    "memory-2gb.conf": {"shared_buffers": "512MB", "effective_cache_size": "1536MB", "work_mem": "32MB",
                        "max_connections": "200"},
    "memory-4gb.conf": {"shared_buffers": "1GB", "effective_cache_size": "3GB", "work_mem": "64MB",
                        "maintenance_work_mem": "512MB", "max_connections": "100"},
    "memory-16gb.conf": {"shared_buffers": "4GB", "effective_cache_size": "12GB", "work_mem": "32MB",
                         "maintenance_work_mem": "512MB", "max_connections": "200"},
}  # fmt: skip
SAME = {
    "max_wal_size": "2GB", "wal_buffers": "16MB", "checkpoint_completion_target": "0.9", "random_page_cost": "1.1",
    "effective_io_concurrency": "200", "synchronous_commit": "on", "fsync": "on", "log_min_duration_statement": "100ms",
    "jit": "off",
}  # fmt: skip
KILOBYTES = {"": 1, "MB": 1024, "GB": 1024 * 1024}
IN_PAGES = ("shared_buffers", "effective_cache_size")
"""PostgreSQL counts these in pages of 8 kB."""


def copy_settings(folder: Path, local: str) -> None:
    """Put what is in `deploy/postgres` into a folder, but for TimescaleDB's file, with a `local.conf` beside it."""
    for file in (DEPLOY / "postgres").glob("*.conf"):
        if file.name != "timescaledb.conf":
            shutil.copy(file, folder / file.name)
    (folder / "local.conf").write_text(local)


class DeployedPostgres(PostgresServer):
    """A server whose configuration is that of `deploy/postgres`, and of a `local.conf` of the test's."""

    def configure(self, local: str) -> None:
        """Put the files in place of those that initdb wrote; this machine may be smaller than they say."""
        self._settings = ("listen_addresses=127.0.0.1",)
        copy_settings(self.data, local)
        give_to_postgres(self.data)

    def would_be(self, name: str, folder: Path) -> int:
        """Return a setting as the files of a folder have it, without starting a server."""
        told = subprocess.run(
            [program("postgres"), "-C", name, "-D", str(self.data), "-c", f"config_file={folder / 'postgresql.conf'}"],
            check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return int(told.stdout)

    def is_now(self, name: str) -> str:
        """Return a setting of the running server."""
        return self.execute(f"SHOW {name}").strip()


class DeployedBouncer(Bouncer):
    """A PgBouncer with `deploy/pgbouncer/pgbouncer.ini`, but for its places and its user."""

    def __init__(self, server: PostgresServer) -> None:
        super().__init__(server)
        place = f"host=127.0.0.1 port={server.port}"
        here = {
            "niftyflow": f"{place}\npostgres = {place}", "listen_port": self.port, "unix_socket_dir": "",
            "auth_file": self.folder / "userlist.txt", "logfile": self.folder / "pgbouncer.log",
            "pidfile": self.folder / "pgbouncer.pid", "admin_users": USER,
        }  # fmt: skip
        # A section that begins again would have its defaults again, so what differs is put in place of its line.
        text = (DEPLOY / "pgbouncer" / "pgbouncer.ini").read_text()
        for name, value in here.items():
            line = f"{name} = {value}"
            text, places = re.subn(rf"(?m)^{name} = .*$", line, text)
            text += "" if places else f"{line}\n"
        (self.folder / "pgbouncer.ini").write_text(text)
        (self.folder / "userlist.txt").write_text(f'"{USER}" "{PASSWORD}"\n')
        give_to_postgres(self.folder)

    def url(self, database: str) -> str:
        """Return the address of a database through it, with the password that it wants."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def settings_now(self) -> dict[str, str]:
        """Return its settings, from its console."""
        told = subprocess.run(
            ["psql", "-XAtqc", "SHOW CONFIG", self.url("pgbouncer")],
            check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return dict(line.split("|")[:2] for line in told.stdout.splitlines())


@contextlib.contextmanager
def deployed_redis(folder: Path) -> Iterator[int]:
    """Start a Redis with `deploy/redis/redis.conf`, in a folder and on a port of its own; give the port."""
    port = lasting_port()
    file = folder / "here.conf"
    deployed = DEPLOY / "redis" / "redis.conf"
    file.write_text(f"include {deployed}\nport {port}\nbind 127.0.0.1\ndir {folder}\nrequirepass {PASSWORD}\n")
    with (folder / "output.log").open("w") as output:
        server = subprocess.Popen([redis_program(), str(file)], stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port):
            assert server.poll() is None, (folder / "output.log").read_text()
            assert time.monotonic() < deadline, "Redis does not answer"
            time.sleep(0.05)
        yield port
    finally:
        server.kill()
        server.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def deployed() -> Iterator[DeployedPostgres]:
    """Start a server with the settings for the smallest machine."""
    need_postgres()
    server = DeployedPostgres.create()
    server.configure("include = 'memory-2gb.conf'\n")
    server.start()
    server.execute("CREATE DATABASE niftyflow")
    yield server
    server.remove()


@pytest.mark.postgres
@pytest.mark.parametrize("size", SIZES)
def test_the_files_of_every_size_are_read(deployed: DeployedPostgres, tmp_path: Path, size: str):
    """PostgreSQL itself reads them; nothing of that size is started."""
    copy_settings(tmp_path, f"include = '{size}'\n")
    for name, value in SIZES[size].items():
        number, unit = re.fullmatch(r"(\d+)(\D*)", value).groups()
        kilobytes = int(number) * KILOBYTES[unit]
        assert deployed.would_be(name, tmp_path) == (kilobytes // 8 if name in IN_PAGES else kilobytes), name


@pytest.mark.postgres
def test_postgresql_starts_with_the_documents_values_and_is_fit(deployed: DeployedPostgres):
    """It is the real server, and `db check` has nothing to say about it."""
    for name, value in (SAME | SIZES["memory-2gb.conf"]).items():
        assert deployed.is_now(name) == value, name
    settings = settings_of(deployed.url("niftyflow"))
    asyncio.run(postgres_care.upgrade(settings))
    found = asyncio.run(postgres_care.check(settings, WallClock().now()))
    assert [each for each in found if each.verdict != "ok"] == []


@pytest.mark.pgbouncer
def test_pgbouncer_starts_with_them_and_lends_connections_for_a_transaction(deployed: DeployedPostgres):
    """Through it the same database is upgraded and looked at; the role's limit of a statement is seen."""
    need_pgbouncer()
    deployed.execute("ALTER ROLE postgres SET statement_timeout = '60s'")
    bouncer = DeployedBouncer(deployed)
    bouncer.start()
    try:
        now = bouncer.settings_now()
        assert (now["pool_mode"], now["max_client_conn"], now["default_pool_size"]) == ("transaction", "1000", "150")
        assert (now["auth_type"], now["query_wait_timeout"]) == ("scram-sha-256", "5")
        settings = settings_of(bouncer.url("niftyflow"), through_pgbouncer=True)
        asyncio.run(postgres_care.upgrade(settings))
        found = asyncio.run(postgres_care.check(settings, WallClock().now()))
        assert [each for each in found if each.verdict != "ok"] == []
    finally:
        bouncer.stop()


@pytest.mark.redis
async def test_redis_starts_with_them_and_the_hot_store_takes_it(tmp_path: Path):
    """512 MB, nothing without a lifetime is dropped, and a password is asked for."""
    with deployed_redis(tmp_path) as port:
        settings = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{port}/0"), password=SecretStr(PASSWORD))
        async with Redis(port=port, password=PASSWORD, decode_responses=True) as client:
            now = await client.config_get("*")
        assert (now["maxmemory"], now["maxmemory-policy"]) == ("536870912", "volatile-lru")
        assert (now["appendonly"], now["appendfsync"]) == ("yes", "everysec")
        assert now["save"] == "900 1 300 10 60 10000"
        store = RedisHotStore(settings)
        await store.open()
        await store.close()
        with pytest.raises(Misconfigured):
            await RedisHotStore(settings.model_copy(update={"password": SecretStr("another")})).open()
