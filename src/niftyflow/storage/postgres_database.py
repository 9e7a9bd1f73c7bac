"""One set of tables in a PostgreSQL database: its revision checked or brought up to date, its reads and writes.

The market's tables and the book's may share a database, each with a version table of its own, and one pool.
It knows nothing of what the tables hold. Every write is one transaction, whole or absent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import asyncpg
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.kit.log import get_logger
from niftyflow.model import Misconfigured, Unavailable
from niftyflow.storage.postgres_pool import PostgresPool, given_up_when_late
from niftyflow.storage.postgres_statements import written
from niftyflow.storage.under_way import UnderWay

log = get_logger(__name__)

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

UPGRADE_LOCK = 6_410_256
"""Held while tables are changed, so that of processes that start together one does it and the others wait."""


class PostgresDatabase:
    """The tables that `migrations` makes, at the last of `revisions`, which `version_table` remembers.

    `upgrade` brings them there at opening; without it, tables that are behind are refused.
    """

    def __init__(
        self,
        pool: PostgresPool,
        revisions: tuple[str, ...],
        *,
        migrations: Path,
        version_table: str,
        upgrade: bool = False,
    ) -> None:
        self.pool = pool
        self._revisions = revisions
        self._migrations = migrations
        self._version_table = version_table
        self._upgrade = upgrade
        self._under_way = UnderWay(pool.service)
        self._changing = asyncio.Lock()
        self._is_open = False

    @property
    def service(self) -> str:
        """The server's address and the database's name, for messages; no user, no password."""
        return self.pool.service

    async def open(self) -> None:
        """Connect, and check the tables' revision or bring them up to date.

        Raises:
            Misconfigured: the server refuses us, or the tables are behind or ahead; the message says what to do.
            Unavailable: the server is away.
        """
        async with self._changing:
            if self._is_open:
                return
            async with contextlib.AsyncExitStack() as unless_it_opens:
                await self.pool.open()
                unless_it_opens.push_async_callback(self.pool.close)
                found = await self.revision()
                if found != self._revisions[-1]:
                    await self._bring_up_to_date(found)
                unless_it_opens.pop_all()
            self._is_open = True

    async def close(self) -> None:
        """Wait for the reads and writes under way, then disconnect."""
        async with self._changing:
            if self._is_open:
                self._is_open = False
                await self._under_way.all_ended()
                await self.pool.close()

    async def ping(self) -> None:
        """Return when the database answers.

        Raises:
            Unavailable: it does not.
        """
        await self.read(lambda connection: connection.execute(text(f"SELECT 1 FROM {self._version_table}")))  # noqa: S608 -- our own name

    async def read(self, work: Work[T]) -> T:
        """Run `work` in a transaction that sees one state of the database and cannot change it.

        Raises:
            Unavailable: the server is away or too slow, or all connections stayed busy.
        """
        self._refuse_when_closed()
        return await self._under_way.to_its_end(
            self._run(work, isolation_level="REPEATABLE READ", postgresql_readonly=True)
        )

    async def write(self, work: Work[T]) -> T:
        """Run `work` in one transaction and commit it; a caller cancelled meanwhile leaves it whole or absent.

        Raises:
            Unavailable: the server is away, full or too slow, or this one gave way to another; nothing was changed,
                unless the server fell silent while committing.
        """
        self._refuse_when_closed()
        return await self._under_way.to_its_end(self._run(work))

    async def write_at_once(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run `work` as `write` does, but with the driver's own connection: for COPY, and for an order that waits.

        Raises:
            Unavailable: as `write`.
        """
        self._refuse_when_closed()
        return await self._under_way.to_its_end(self._run_at_once(work))

    async def execute(self, statement: str, *arguments: object) -> int:
        """Run one statement, whole or not at all, and return how many rows it wrote. Parameters are $1, $2 and so on.

        Raises:
            Unavailable: as `write`.
        """
        self._refuse_when_closed()
        if self.pool.settings.through_pgbouncer:
            # A statement is two messages, and only a transaction brings both to one server.
            return await self.write_at_once(lambda connection: _rows_written(connection, statement, arguments))
        return await self._under_way.to_its_end(self._execute(statement, arguments))

    async def ask(self, question: str, *arguments: object) -> list[asyncpg.Record]:
        """Return the rows of one question, in one round trip. Parameters are $1, $2 and so on.

        Raises:
            Unavailable: as `read`.
        """
        self._refuse_when_closed()
        if self.pool.settings.through_pgbouncer:
            return await self.write_at_once(lambda connection: _rows_found(connection, question, arguments))
        return await self._under_way.to_its_end(self._ask(question, arguments))

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[asyncpg.Connection]:
        """Give the driver's own connection, with nothing begun; behind PgBouncer begin a transaction in it first.

        Raises:
            Unavailable: as `write`.
        """
        self._refuse_when_closed()
        async with self.pool.acquire() as connection:
            yield connection

    async def revision(self) -> str | None:
        """Return the revision of the tables, None when there are none. The pool has to be open.

        Raises:
            Misconfigured: they were made by a newer program.
        """
        async with self.pool.connection() as connection, connection.begin():
            found = await connection.run_sync(self._found)
        if found is not None and found not in self._revisions:
            raise Misconfigured(
                f"{self.service} was written by a newer niftyflow (schema {found}, this one knows up to "
                f"{self._revisions[-1]}): upgrade niftyflow"
            )
        return found

    async def _bring_up_to_date(self, found: str | None) -> None:
        if not self._upgrade:
            has = f"has schema {found}, and {self._revisions[-1]} is needed" if found else "has no tables yet"
            raise Misconfigured(f"{self.service} {has}: run `niftyflow db upgrade`")
        async with self.pool.apart() as connection, connection.begin():
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": UPGRADE_LOCK})
            if await connection.run_sync(self._found) != self._revisions[-1]:
                await connection.run_sync(self._migrate)

    def _found(self, connection: Connection) -> str | None:
        if not inspect(connection).has_table(self._version_table):
            return None
        found = connection.execute(text(f"SELECT version_num FROM {self._version_table}")).scalar()  # noqa: S608 -- our own name
        return None if found is None else str(found)

    def _migrate(self, connection: Connection) -> None:
        from alembic import command  # noqa: PLC0415 -- a quarter of a second, needed once in a database's life
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(self._migrations).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        config.attributes["version_table"] = self._version_table
        command.upgrade(config, self._revisions[-1])
        log.info("database_migrated", service=self.service, schema=self._revisions[-1])

    async def _run(self, work: Work[T], **options: object) -> T:
        async with (
            self.pool.connection(**options) as connection,
            connection.begin(),
            given_up_when_late(connection),  # before the rollback, which would wait as well
        ):
            return await work(connection)

    async def _run_at_once(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        async with self.pool.acquire() as connection, connection.transaction():
            return await work(connection)

    async def _execute(self, statement: str, arguments: tuple[object, ...]) -> int:
        async with self.pool.acquire() as connection:
            return await _rows_written(connection, statement, arguments)

    async def _ask(self, question: str, arguments: tuple[object, ...]) -> list[asyncpg.Record]:
        async with self.pool.acquire() as connection:
            return await _rows_found(connection, question, arguments)

    def _refuse_when_closed(self) -> None:
        if not self._is_open:
            raise Unavailable(self.service, "it is not open")


async def _rows_written(connection: asyncpg.Connection, statement: str, arguments: tuple[object, ...]) -> int:
    return written(await connection.execute(statement, *arguments))


async def _rows_found(
    connection: asyncpg.Connection, question: str, arguments: tuple[object, ...]
) -> list[asyncpg.Record]:
    return list(await connection.fetch(question, *arguments))
