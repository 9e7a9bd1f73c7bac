"""The connections of one process to one PostgreSQL database: how many, how patient, how each is set up.

SQLAlchemy's statements and the driver's own (COPY, arrays) share them. It knows no tables and begins no transaction.
Behind PgBouncer (transaction mode) no statement is named and no session is set: both belong to another client next.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import asyncpg
from sqlalchemy import URL, AsyncAdaptedQueuePool, Connection, NullPool, event, make_url
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only

from niftyflow.kit import metrics
from niftyflow.kit.clock import monotonic
from niftyflow.kit.log import get_logger
from niftyflow.model import Misconfigured, Unavailable
from niftyflow.storage.postgres_errors import told_as_ours, told_at_connecting
from niftyflow.storage.settings import PostgresSettings

log = get_logger(__name__)

SCHEMES = ("postgresql", "postgres")
CERTIFICATE_OPTIONS = ("sslrootcert", "sslcert", "sslkey")
# The server gives a statement up first, and says so; the client's own limit is for a server that says nothing.
CLIENT_WAITS_LONGER_SECONDS = 5.0
STATEMENTS_REMEMBERED = 100
SHOWN_OF_A_STATEMENT = 200
CLOSE_SECONDS = 2.0
_DIALECT: Final = "postgresql.niftyflow"


class OneTransactionDialect(PGDialect_asyncpg):
    """SQLAlchemy's dialect that asks the server in a transaction for what its JSON codecs need.

    Outside one, the two messages of a question may reach two servers behind PgBouncer.
    """

    supports_statement_cache = True

    def on_connect(self) -> Callable[[Any], None]:
        """Return what sets up a connection just made."""
        set_up = super().on_connect()  # type: ignore[no-untyped-call]

        def connected(connection: Any) -> None:
            transaction = connection.driver_connection.transaction()
            await_only(transaction.start())
            set_up(connection)
            await_only(transaction.commit())

        return connected


registry.register(_DIALECT, __name__, OneTransactionDialect.__name__)


class PostgresPool:
    """The connections to one database; whoever uses them opens and closes the pool, the last one disconnects."""

    def __init__(self, settings: PostgresSettings) -> None:
        address = "" if settings.url is None else settings.url.get_secret_value()
        url = _parsed(address)
        self.settings = settings
        self.service = f"PostgreSQL {url.host or 'local'}:{url.port or 5432}/{url.database or ''}"
        self._address = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._users = 0
        self._changing = asyncio.Lock()
        self._engine: AsyncEngine | None = None

    async def open(self) -> None:
        """Count one more user; the connections are made when they are asked for."""
        async with self._changing:
            self._users += 1
            if self._engine is None:
                self._engine = self._new_engine()

    async def close(self) -> None:
        """Count one user less; after the last one disconnect, without waiting for an answer that does not come."""
        async with self._changing:
            self._users -= 1
            if self._users or self._engine is None:
                return
            engine, self._engine = self._engine, None
            await engine.dispose()
            _tell_use(engine)

    @contextlib.asynccontextmanager
    async def connection(self, **options: Any) -> AsyncIterator[AsyncConnection]:
        """Give a connection in which nothing has begun, with SQLAlchemy's execution options.

        Raises:
            Unavailable: none is free in time, or the server is away; also what `told_as_ours` says of the work.
            Misconfigured: the server refuses the user, the password or the database.
        """
        if self._engine is None:
            raise Unavailable(self.service, "it is not open")
        connection = AsyncConnection(self._engine)
        with told_at_connecting(self.service):
            await connection.start()
        _tell_use(connection.engine)
        try:
            with told_as_ours(self.service):
                async with given_up_when_late(connection):
                    yield await connection.execution_options(**options) if options else connection
        finally:
            with told_as_ours(self.service):
                await connection.close()
            _tell_use(connection.engine)

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[asyncpg.Connection]:
        """Give the driver's own connection; behind PgBouncer begin a transaction in it before anything else.

        Raises:
            Unavailable: as `connection`.
            Misconfigured: as `connection`.
        """
        async with self.connection() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            try:
                yield driver
            finally:
                if driver.is_closed() or driver.is_in_transaction():
                    await connection.invalidate()

    @contextlib.asynccontextmanager
    async def apart(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection of its own, without limits of time: for migrations, not for the day's work.

        Raises:
            Unavailable: as `connection`.
            Misconfigured: as `connection`.
        """
        engine = create_async_engine(
            _DIALECT.replace(".", "+") + "://", poolclass=NullPool, connect_args=self._connect_arguments(unlimited=True)
        )
        try:
            with told_at_connecting(self.service):
                connection = await engine.connect()
            try:
                with told_as_ours(self.service):
                    yield connection
            finally:
                await connection.close()
        finally:
            await engine.dispose()

    def _new_engine(self) -> AsyncEngine:
        settings = self.settings
        engine = create_async_engine(
            _DIALECT.replace(".", "+") + "://",
            poolclass=AsyncAdaptedQueuePool,
            pool_size=settings.connections_kept,
            max_overflow=max(settings.connections_most - settings.connections_kept, 0),
            pool_timeout=settings.acquire_seconds,
            connect_args=self._connect_arguments(unlimited=False),
        )
        self._watch(engine)
        return engine

    def _connect_arguments(self, *, unlimited: bool) -> dict[str, Any]:
        plain = self.settings.through_pgbouncer
        return {
            "async_creator_fn": self._connect_without_limits if unlimited else self._connect,
            "prepared_statement_cache_size": 0 if plain else STATEMENTS_REMEMBERED,
            "prepared_statement_name_func": _unnamed if plain else None,
        }

    async def _connect(self, **_of_the_url: Any) -> asyncpg.Connection:
        """Connect, with the limits of the day's work."""
        settings = self.settings
        limits = {
            "statement_timeout": _milliseconds(settings.statement_seconds),
            "idle_in_transaction_session_timeout": _milliseconds(settings.idle_transaction_seconds),
        }
        connection = await self._connected(limits, settings.statement_seconds + CLIENT_WAITS_LONGER_SECONDS)
        connection.add_query_logger(self._look_at)
        return connection

    async def _connect_without_limits(self, **_of_the_url: Any) -> asyncpg.Connection:
        return await self._connected({"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}, None)

    async def _connected(self, limits: dict[str, str], client_limit: float | None) -> asyncpg.Connection:
        plain = self.settings.through_pgbouncer
        # Compiling a plan pays for reports, not for these statements; PgBouncer refuses most settings at the start.
        session = {} if plain else {"jit": "off", **limits}
        return await asyncpg.connect(
            self._address,
            timeout=self.settings.acquire_seconds,
            command_timeout=self.settings.statement_seconds if plain and client_limit is not None else client_limit,
            statement_cache_size=0 if plain else STATEMENTS_REMEMBERED,
            server_settings={"application_name": "niftyflow", **session},
        )

    def _watch(self, engine: AsyncEngine) -> None:
        """Have closed connections replaced, and slow statements told."""

        @event.listens_for(engine.sync_engine, "checkout")
        def _taken(connection: DBAPIConnection, _record: ConnectionPoolEntry, _proxy: Any) -> None:
            if connection.driver_connection.is_closed():
                # The server was restarted: its farewell was heard, and asking it costs a round trip each time.
                raise DisconnectionError

        @event.listens_for(engine.sync_engine, "before_cursor_execute")
        def _begun(connection: Connection, _cursor: Any, _sql: str, _given: Any, _context: Any, _many: Any) -> None:
            connection.info["begun"] = monotonic()

        @event.listens_for(engine.sync_engine, "after_cursor_execute")
        def _ended(connection: Connection, _cursor: Any, sql: str, _given: Any, _context: Any, _many: Any) -> None:
            self.took(sql, monotonic() - connection.info["begun"])

    def took(self, statement: str, seconds: float) -> None:
        """Tell of a statement when it was slow: its beginning, never its values."""
        if seconds >= self.settings.slow_statement_seconds:
            metrics.DB_SLOW_QUERIES.inc()
            shown = " ".join(statement.split())[:SHOWN_OF_A_STATEMENT]
            log.warning("slow_statement", service=self.service, seconds=round(seconds, 3), statement=shown)

    def _look_at(self, record: Any) -> None:
        self.took(record.query, record.elapsed)


@contextlib.asynccontextmanager
async def given_up_when_late(connection: AsyncConnection) -> AsyncIterator[None]:
    """Drop a connection on which a statement took too long: its answer may come yet, or never."""
    try:
        yield
    except TimeoutError:
        await connection.invalidate()
        raise


def _tell_use(engine: AsyncEngine) -> None:
    pool = engine.pool
    if isinstance(pool, AsyncAdaptedQueuePool):
        metrics.DB_POOL.labels("in_use").set(pool.checkedout())
        metrics.DB_POOL.labels("idle").set(pool.checkedin())


def _parsed(address: str) -> URL:
    try:
        url = make_url(address)
        scheme = url.get_backend_name()
    except (ArgumentError, ValueError) as error:
        raise Misconfigured("the database's url cannot be read: it is postgresql://user:password@host:5432/name") from (
            error
        )
    if scheme not in SCHEMES:
        raise Misconfigured(f"the database's url begins with {scheme}: it is postgresql://user:password@host:5432/name")
    for option in CERTIFICATE_OPTIONS:
        file = url.query.get(option)
        if file and not Path(str(file)).is_file():
            raise Misconfigured(f"{option} in the database's url: there is no file {file}: correct the path")
    return url


def _unnamed() -> str:
    return ""


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
