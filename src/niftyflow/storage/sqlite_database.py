"""One SQLite file: opening, schema, one writer and several readers, and what its errors mean.

WAL: readers, also those of other processes, never wait for the writer. Every write is one transaction, whole or absent.
It knows nothing of what the tables hold; `read_only` opening neither creates nor changes anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal, TypeVar

from sqlalchemy import URL, AsyncAdaptedQueuePool, Connection, Engine, event, inspect, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from niftyflow.kit.log import get_logger
from niftyflow.model import Misconfigured, NiftyflowError, Refused, Unavailable
from niftyflow.storage.sqlite_writer import SqliteWriter
from niftyflow.storage.under_way import UnderWay

log = get_logger(__name__)

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

Durability = Literal["NORMAL", "FULL"]
"""What a commit survives: NORMAL the process's death, FULL also the machine's, for one wait on the disk each."""

BUSY_TIMEOUT_SECONDS = 5.0
READERS = 4
# 8 kB pages: a minute of 9,000 instruments touches as many index pages, and these are half as many as with 4 kB.
PAGE_BYTES = 8192
WRITER_CACHE_KIB = 16_384
# A checkpoint copies the log into the file; at 32 MB it is rare enough not to slow an import, and small on disk.
CHECKPOINT_PAGES = 4096
LARGEST_LOG_BYTES = 64 * 1024 * 1024


class SqliteDatabase:
    """A SQLite file with one writing connection and up to `READERS` reading ones, each on a thread of its own.

    `migrations` is the folder whose last revision, the last of `revisions`, the file is brought to.
    """

    def __init__(
        self,
        path: Path,
        revisions: tuple[str, ...],
        *,
        migrations: Path,
        durability: Durability,
        read_only: bool = False,
    ) -> None:
        self.path = path.absolute()
        self._revisions = revisions
        self._migrations = migrations
        self._durability = durability
        self._read_only = read_only
        self._writing = asyncio.Lock()
        self._under_way = UnderWay(str(self.path))
        self._writer: AsyncEngine | None = None
        self._direct: SqliteWriter | None = None
        self._reader: AsyncEngine | None = None

    async def open(self) -> None:
        """Connect; unless read-only, create the file and bring its schema up to date.

        Raises:
            Misconfigured: the surroundings do not allow it; the message says what to do.
            Unavailable: another process holds the file for longer than the busy timeout.
        """
        if self._reader is not None:
            return
        self._look_at_path()
        reader = self._engine("ro" if self._read_only else "rw", readers=READERS)
        writer = None if self._read_only else self._engine("rwc", readers=0)
        async with contextlib.AsyncExitStack() as unless_it_opens:
            unless_it_opens.push_async_callback(_dispose, reader, writer)
            try:
                if writer is None:
                    await self._check_schema(reader)
                else:
                    await self._prepare(reader, writer)
            except DBAPIError as error:
                raise self._at_open(error.orig) from error
            unless_it_opens.pop_all()
        self._reader, self._writer = reader, writer
        if writer is not None:
            pragmas = [*self._pragmas(writes=True), f"PRAGMA wal_autocheckpoint = {2 * CHECKPOINT_PAGES}"]
            self._direct = SqliteWriter(self.path, pragmas, BUSY_TIMEOUT_SECONDS)

    async def close(self) -> None:
        """Wait for the reads and writes under way, then disconnect."""
        async with self._writing:  # after the writes that wait for their turn
            reader, writer, direct = self._reader, self._writer, self._direct
            self._reader = self._writer = self._direct = None
        await self._under_way.all_ended()
        if direct is not None:
            await direct.close()
        await _dispose(reader, writer)

    async def read(self, work: Work[T]) -> T:
        """Run `work` in a transaction that sees one state of the database and cannot change it.

        Raises:
            Unavailable: the file cannot be read now, or all readers stayed busy.
        """
        return await self._under_way.to_its_end(self._run(self._reader, work))

    async def write(self, work: Work[T]) -> T:
        """Run `work` in one transaction and commit it; a caller cancelled meanwhile leaves it whole or absent.

        Raises:
            Unavailable: the file is locked, full or failing; nothing was changed.
            Refused: opened read-only.
        """
        self._refuse_when_read_only()
        return await self._under_way.to_its_end(self._run(self._writer, work, self._writing))

    async def write_at_once(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """Run `work` as `write` does, but with the driver's own cursor and on one thread: an order waits for it.

        Raises:
            Unavailable: the file is locked, full or failing; nothing was changed.
            Refused: opened read-only.
        """
        self._refuse_when_read_only()
        async with self._writing:
            if self._direct is None:
                raise Unavailable(self.path.name, "it is not open")
            try:
                return await self._under_way.to_its_end(self._direct.write(work))
            except sqlite3.Error as error:
                raise self._at_run_time(error) from error

    def _refuse_when_read_only(self) -> None:
        if self._read_only:
            raise Refused(f"{self.path} is open for reading only")

    async def _run(self, engine: AsyncEngine | None, work: Work[T], lock: asyncio.Lock | None = None) -> T:
        if engine is None:
            raise Unavailable(self.path.name, "it is not open")
        try:
            async with lock or contextlib.nullcontext(), engine.begin() as connection:
                return await work(connection)
        except DBAPIError as error:
            raise self._at_run_time(error.orig) from error
        except PoolTimeout as error:
            raise Unavailable(self.path.name, "every reading connection stayed busy") from error

    def _url(self, driver: str, mode: str) -> URL:
        return URL.create(driver, database=self.path.as_uri(), query={"mode": mode, "uri": "true"})

    def _engine(self, mode: str, *, readers: int) -> AsyncEngine:
        engine = create_async_engine(
            self._url("sqlite+aiosqlite", mode),
            connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_SECONDS},
            poolclass=AsyncAdaptedQueuePool,
            pool_size=max(readers, 1),
            max_overflow=0,
            pool_timeout=BUSY_TIMEOUT_SECONDS,
        )

        self._set_up(engine.sync_engine, writes=readers == 0)
        return engine

    def _set_up(self, engine: Engine, *, writes: bool) -> None:
        """Have the engine's connections set up for their use, and its transactions begin as they must."""

        @event.listens_for(engine, "connect")
        def _connected(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
            with contextlib.ExitStack() as unless_it_is_set_up:
                unless_it_is_set_up.callback(connection.close)
                cursor = connection.cursor()
                for pragma in self._pragmas(writes=writes):
                    cursor.execute(pragma)
                cursor.close()
                unless_it_is_set_up.pop_all()

        # IMMEDIATE takes the write lock at the start, where waiting for it is possible, and not half-way.
        begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

        @event.listens_for(engine, "begin")
        def _begun(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

    def _pragmas(self, *, writes: bool) -> list[str]:
        synchronous = f"PRAGMA synchronous = {self._durability}"
        if not writes:
            return ["PRAGMA query_only = ON", synchronous]
        return [
            f"PRAGMA page_size = {PAGE_BYTES}",
            "PRAGMA journal_mode = WAL",
            f"PRAGMA cache_size = -{WRITER_CACHE_KIB}",
            f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}",
            f"PRAGMA journal_size_limit = {LARGEST_LOG_BYTES}",
            synchronous,
        ]

    def _look_at_path(self) -> None:
        try:
            if self.path.is_dir():
                raise Misconfigured(f"{self.path} is a folder: name a file, or move the folder away")
            if self._read_only:
                if not self.path.exists():
                    raise Misconfigured(
                        f"{self.path} is not there: `niftyflow up` or `niftyflow import FILE` makes it; "
                        "or choose the data folder that has it"
                    )
            else:
                self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(
                f"{self.path.parent} cannot be used ({error.strerror}): make it writable or choose another data folder"
            ) from error

    async def _prepare(self, reader: AsyncEngine, writer: AsyncEngine) -> None:
        found = None
        if self.path.exists() and self.path.stat().st_size > 0:
            # Looked at before anything is written: a file of another program must not be touched.
            found = await self._schema(reader)
        async with writer.begin() as connection:
            if found != self._revisions[-1]:
                await connection.run_sync(self._migrate)
            else:
                # A disk or a file that cannot be written is found out now, and not by the first candle.
                await connection.execute(text("UPDATE alembic_version SET version_num = version_num"))

    async def _check_schema(self, reader: AsyncEngine) -> None:
        found = await self._schema(reader)
        if found != self._revisions[-1]:
            has = f"has schema {found}" if found else "has no tables yet"
            raise Misconfigured(f"{self.path} {has}: run `niftyflow up` once to bring it up to date")

    async def _schema(self, reader: AsyncEngine) -> str | None:
        async with reader.connect() as connection:
            return await connection.run_sync(self._schema_revision)

    def _schema_revision(self, connection: Connection) -> str | None:
        """Return the file's schema revision, None when it is new."""
        tables = inspect(connection).get_table_names()
        if not tables:
            return None
        found = None
        if "alembic_version" in tables:
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if found is None:
            raise Misconfigured(f"{self.path} belongs to another program: move it away or choose another data folder")
        if found not in self._revisions:
            raise Misconfigured(
                f"{self.path} was written by a newer niftyflow (schema {found}, this one knows up to "
                f"{self._revisions[-1]}): upgrade niftyflow or choose another data folder"
            )
        return str(found)

    def _migrate(self, connection: Connection) -> None:
        from alembic import command  # noqa: PLC0415 -- a quarter of a second, needed once in a file's life
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(self._migrations).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, self._revisions[-1])
        log.info("database_migrated", path=str(self.path), schema=self._revisions[-1])

    def _at_open(self, error: BaseException | None) -> NiftyflowError:
        code, reason = _code(error), str(error)
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return Unavailable(self.path.name, reason)
        if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            advice = "move it away (or restore a copy), or choose another data folder"
            return Misconfigured(f"{self.path} is no SQLite database, or a damaged one: {advice}")
        if code.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            return Misconfigured(f"{self.path} cannot be written ({reason}): free space on its disk, or choose another")
        return Misconfigured(
            f"{self.path} cannot be opened ({reason}): make the file and its folder writable for this user, "
            "or choose another data folder"
        )

    def _at_run_time(self, error: BaseException | None) -> NiftyflowError:
        code = _code(error)
        if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            return Misconfigured(f"{self.path} is damaged ({error}): stop, move it away and restore a copy")
        return Unavailable(self.path.name, f"{error} ({code})")


async def _dispose(*engines: AsyncEngine | None) -> None:
    for engine in engines:
        if engine is not None:
            await engine.dispose()


def _code(error: BaseException | None) -> str:
    """Return SQLite's own name of an error, such as SQLITE_FULL."""
    cause = error
    while cause is not None:
        name = getattr(cause, "sqlite_errorname", None)
        if name is not None:
            return str(name)
        cause = cause.__cause__
    return type(error).__name__
