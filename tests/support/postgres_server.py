"""PostgreSQL and PgBouncer as Debian installs them, each in a folder of its own: for tests, and for benchmarks.

It needs nothing but their programs; it knows no table of ours.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

START_SECONDS = 60
PROGRAM_FOLDERS = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
USER = "postgres"
"""The server's owner, and its superuser: PostgreSQL and PgBouncer refuse to run as root."""
TOLD = "that was all"
"""What a console says after each answer."""
LOCKED_USER, LOCKED_PASSWORD = "locked", "the-right-one"
"""A user who needs a password."""

RULES = """\
host all locked 127.0.0.1/32 scram-sha-256
local all all trust
host all all 127.0.0.1/32 trust
"""
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
"""Nothing in these databases has to outlive the machine."""
SETTINGS = (
    "listen_addresses=127.0.0.1",
    "max_connections=300",
    "autovacuum=off",
    "random_page_cost=1.1",
    "max_wal_size=512MB",
    "shared_buffers=64MB",
)
BOUNCER_SETTINGS = """\
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = transaction
auth_type = trust
auth_file = {folder}/userlist.txt
logfile = {folder}/pgbouncer.log
pidfile = {folder}/pgbouncer.pid
default_pool_size = 20
max_client_conn = 300
server_login_retry = 1
"""


class PostgresServer:
    """One server in a folder of its own, under /tmp so that the server's user may enter it."""

    def __init__(self, folder: Path, port: int, *settings: str) -> None:
        self.folder = folder
        self.port = port
        self._settings = (*SETTINGS, *settings)
        self.data = folder / "data"
        self.console = Console(self.url())

    @classmethod
    def create(cls, *settings: str, data: Path | None = None) -> PostgresServer:
        """Make a server's folder and files; `data` may be on another disk."""
        server = cls(Path(tempfile.mkdtemp(prefix="niftyflow-pg-")), free_port(), *settings)
        server.folder.chmod(0o755)
        server.data = data or server.data
        server.data.mkdir(exist_ok=True)
        give_to_postgres(server.folder, server.data)
        _run(
            program("initdb"), "-D", str(server.data), "-U", USER, "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8"
        )
        (server.data / "pg_hba.conf").write_text(RULES)
        return server

    def start(self) -> int:
        """Start the server and wait until it answers; return its process id."""
        options = " ".join(f"-c {setting}" for setting in (*self._settings, f"unix_socket_directories={self.folder}"))
        _run(
            program("pg_ctl"), "start", "-D", str(self.data), "-w", "-t", str(START_SECONDS),
            "-l", str(self.folder / "server.log"), "-o", f"-p {self.port} {options}",
        )  # fmt: skip
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: `fast` lets it say farewell, `immediate` is a crash."""
        _run(program("pg_ctl"), "stop", "-D", str(self.data), "-m", mode, "-w", "-t", str(START_SECONDS))

    def remove(self) -> None:
        """Stop the server if it runs, and delete its files."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "postgres", user: str = USER) -> str:
        """Return the address of a database on this server."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def execute(self, *statements: str, database: str = "postgres") -> str:
        """Run statements as superuser, each by itself, and return what they told."""
        commands = [part for statement in statements for part in ("-c", statement)]
        done = subprocess.run(
            [shutil.which("psql") or program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", self.url(database), *commands],
            check=False, capture_output=True, text=True, timeout=START_SECONDS,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


class Console:
    """A psql that stays for the next statement: starting one costs more than most statements do."""

    def __init__(self, url: str) -> None:
        self._command = [shutil.which("psql") or program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", url]
        self._process: subprocess.Popen[str] | None = None

    def execute(self, statement: str) -> str:
        """Run one statement as superuser, by itself, and return what it told."""
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{statement};\n\\echo {TOLD}\n")
        self._process.stdin.flush()
        lines: list[str] = []
        for line in self._process.stdout:
            if line == f"{TOLD}\n":
                return "".join(lines)
            lines.append(line)
        self.close()
        raise AssertionError(f"{statement}: {''.join(lines)}")  # an error ends psql; the next statement starts another

    def close(self) -> None:
        """Let it end."""
        if self._process is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.communicate(timeout=START_SECONDS)
            self._process = None


class Bouncer:
    """A PgBouncer in transaction mode in front of a server, with the settings Debian ships."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="niftyflow-pgb-"))
        self.folder.chmod(0o755)
        (self.folder / "pgbouncer.ini").write_text(
            BOUNCER_SETTINGS.format(server=server.port, port=self.port, folder=self.folder)
        )
        (self.folder / "userlist.txt").write_text(f'"{USER}" ""\n')
        give_to_postgres(self.folder)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it lets a client through."""
        command = str(shutil.which("pgbouncer", path=PROGRAM_FOLDERS))
        self._process = subprocess.Popen(
            [*_as_postgres(), command, "-q", str(self.folder / "pgbouncer.ini")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run(
            ["psql", "-XAtqc", "SELECT 1", self.url("postgres")], capture_output=True, check=False
        ).returncode:
            assert self._process.poll() is None, (self.folder / "pgbouncer.log").read_text()
            assert time.monotonic() < deadline, "PgBouncer does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """Kill it and delete its files."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """Return the address of a database through it."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"


def program(name: str) -> str:
    """Return the path of one of the server's programs, of the newest version there is."""
    return str(programs()[-1] / name)


def give_to_postgres(*paths: Path) -> None:
    """Hand files to the server's user when we are root, who may not run it."""
    if os.geteuid() == 0:
        for path in paths:
            for each in (path, *path.rglob("*")):
                shutil.chown(each, USER, USER)


def programs() -> list[Path]:
    """Return the folders of installed servers, oldest version first."""
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))


def has_user() -> bool:
    """Return whether the server's user is there."""
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return False
    return True


def _as_postgres() -> list[str]:
    return ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups"] if os.geteuid() == 0 else []


def _run(*command: str) -> None:
    """Run one of the server's programs as its user; its output is no pipe, which the server would keep open."""
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [*_as_postgres(), *command], check=False, stdout=output, stderr=output, timeout=2 * START_SECONDS, cwd="/"
        )
        if done.returncode:
            output.seek(0)
            raise subprocess.CalledProcessError(done.returncode, command, output.read())


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def crash(process_id: int) -> None:
    """Kill a server as the machine would: at once, and without a word."""
    os.kill(process_id, signal.SIGKILL)
