"""Brings a PostgreSQL database to what this program needs, and looks whether it has it: one line a thing.

Tables, indexes, months, TimescaleDB and connections. Looking changes nothing. It stores no candle and no order.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from types import ModuleType

from sqlalchemy import MetaData, PrimaryKeyConstraint, UniqueConstraint, text
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.model import Misconfigured
from niftyflow.storage import book_schema, schema
from niftyflow.storage.book_months import missing_months, months_from
from niftyflow.storage.look import Look
from niftyflow.storage.postgres_book import PostgresBookStore
from niftyflow.storage.postgres_database import UPGRADE_LOCK, PostgresDatabase
from niftyflow.storage.postgres_pool import PostgresPool
from niftyflow.storage.settings import PostgresSettings
from niftyflow.storage.timescale import differences, reconcile
from niftyflow.storage.timescale_catalog import is_available, version_of

UPGRADE = "run `niftyflow db upgrade`"
OLDEST_SERVER = 15
SETS = {"market": (schema, schema.metadata), "book": (book_schema, book_schema.by_month)}
"""The two sets of tables, each with what says its revisions."""
NEEDED_NOW = 1
"""Months after this one that must be there; `db upgrade` makes more."""


async def upgrade(settings: PostgresSettings) -> list[Look]:
    """Bring tables, months and TimescaleDB's features up to date; return what was done, and what only a person can do.

    Raises:
        Misconfigured: the server refuses us, or a newer program was here; the message says what to do.
        Unavailable: the server is away.
    """
    pool = PostgresPool(settings)
    await pool.open()
    try:
        done = []
        for name, (module, _) in SETS.items():
            database = _database(pool, module, upgrade=True)
            store = PostgresBookStore(database) if module is book_schema else database
            before = await database.revision()
            await store.open()
            after = await database.revision()
            await store.close()
            told = f"at {after}" if before == after else f"from {before or 'none'} to {after}"
            done.append(Look(f"{name} tables", "ok", told))
        async with pool.apart() as connection, connection.begin():
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": UPGRADE_LOCK})
            done += await _mended(connection)
        return done
    finally:
        await pool.close()


async def check(settings: PostgresSettings, now: int) -> list[Look]:
    """Look at everything that the program needs of the database at `now`, ms UTC; nothing is changed.

    Raises:
        Misconfigured: the server refuses us; the message says what to do.
        Unavailable: the server is away.
    """
    pool = PostgresPool(settings)
    await pool.open()
    try:
        async with pool.connection() as connection, connection.begin():
            seen = [await _server(connection), await _safety(connection), await _statement_limit(connection, settings)]
        seen += [await _connections(pool)]
        for name, (module, tables) in SETS.items():
            of_tables = await _revision(f"{name} tables", _database(pool, module), module.REVISIONS[-1])
            seen.append(of_tables)
            if of_tables.verdict == "ok":
                async with pool.connection() as connection, connection.begin():
                    seen.append(await _indexes(connection, f"{name} indexes", tables))
                    seen += [await _months(connection, now)] if tables is book_schema.by_month else []
        async with pool.connection() as connection, connection.begin():
            return [*seen, *await _timescale(connection)]
    finally:
        await pool.close()


def _database(pool: PostgresPool, module: ModuleType, *, upgrade: bool = False) -> PostgresDatabase:
    return PostgresDatabase(
        pool, module.REVISIONS, migrations=module.MIGRATIONS, version_table=module.POSTGRES_VERSION_TABLE,
        upgrade=upgrade,
    )  # fmt: skip


# -- upgrading -----------------------------------------------------------------------------------------------------


async def _mended(connection: AsyncConnection) -> list[Look]:
    """Bring TimescaleDB's features to their desired state, and tell of each difference."""
    if await version_of(connection) is None:
        return [await _without_timescale(connection)]
    before = await differences(connection)
    left = await reconcile(connection)
    mended = [Look("timescaledb", "ok", f"mended: {each.words}") for each in before if each not in left]
    return [*mended, *(Look("timescaledb", "fail", each.words) for each in left)] or [
        Look("timescaledb", "ok", "as it should be")
    ]


async def _without_timescale(connection: AsyncConnection) -> Look:
    plain = "candles are in plain tables: nothing is compressed or dropped, and there are no aggregates"
    if await is_available(connection):
        return Look(
            "timescaledb", "ok",
            f"not used, {plain}. The server has it: CREATE EXTENSION timescaledb, then {UPGRADE}, if you want it",
        )  # fmt: skip
    return Look("timescaledb", "ok", f"not installed, {plain}")


# -- looking -------------------------------------------------------------------------------------------------------


async def _server(connection: AsyncConnection) -> Look:
    version, user, database = (
        await connection.execute(text("SELECT current_setting('server_version'), current_user, current_database()"))
    ).one()
    told = f"PostgreSQL {version.partition(' ')[0]}, database {database}, user {user}"
    if int(version.partition(".")[0].partition(" ")[0]) < OLDEST_SERVER:
        return Look("server", "warn", f"{told}: {OLDEST_SERVER} is the oldest that is tested, upgrade the server")
    return Look("server", "ok", told)


async def _safety(connection: AsyncConnection) -> Look:
    """Look whether a commit outlives the machine: an order leaves only after its intent is safe."""
    unsafe = []
    for name in ("fsync", "full_page_writes"):
        value = (await connection.execute(text("SELECT current_setting(:name)"), {"name": name})).scalar()
        if value != "on":
            unsafe.append(f"{name} = {value}")
    if unsafe:
        return Look("safety", "warn", f"{', '.join(unsafe)}: a power failure damages the database, set it to on")
    return Look("safety", "ok", "a commit outlives the machine")


async def _statement_limit(connection: AsyncConnection, settings: PostgresSettings) -> Look:
    if not settings.through_pgbouncer:
        return Look("statement limit", "ok", f"{settings.statement_seconds:g} s, set by each connection")
    limit = (await connection.execute(text("SELECT current_setting('statement_timeout')"))).scalar()
    if limit == "0":
        return Look(
            "statement limit", "warn",
            "none behind PgBouncer: ALTER ROLE … SET statement_timeout = '60s', then RECONNECT in PgBouncer",
        )  # fmt: skip
    return Look("statement limit", "ok", f"{limit}, set for the role")


async def _connections(pool: PostgresPool) -> Look:
    """Open as many connections as a process keeps, and compare what the server has left with what one may open."""
    settings = pool.settings
    async with contextlib.AsyncExitStack() as held:
        opened = await asyncio.gather(
            *(held.enter_async_context(_answering(pool)) for _ in range(settings.connections_kept))
        )
        told = f"{len(opened)} opened, {settings.connections_most} at most"
        if settings.through_pgbouncer:
            return Look("connections", "ok", f"{told}, through PgBouncer")
        most, used = (
            await opened[0].execute(
                text(
                    "SELECT current_setting('max_connections')::int - "
                    "current_setting('superuser_reserved_connections')::int, "
                    "(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
                )
            )
        ).one()
    told = f"{told}; the server has {used} of {most} in use"
    if most - used + len(opened) < settings.connections_most:
        return Look("connections", "warn", f"{told}: put PgBouncer in front, or lower connections_most of [database]")
    return Look("connections", "ok", told)


@contextlib.asynccontextmanager
async def _answering(pool: PostgresPool) -> AsyncIterator[AsyncConnection]:
    async with pool.connection() as connection, connection.begin():
        await connection.execute(text("SELECT 1"))
        yield connection


async def _revision(name: str, database: PostgresDatabase, needed: str) -> Look:
    try:
        found = await database.revision()
    except Misconfigured as error:
        return Look(name, "fail", str(error))
    if found == needed:
        return Look(name, "ok", f"at {found}")
    return Look(name, "fail", f"at {found}, and {needed} is needed: {UPGRADE}" if found else f"none yet: {UPGRADE}")


async def _indexes(connection: AsyncConnection, name: str, tables: MetaData) -> Look:
    found = await connection.execute(
        text(
            "SELECT class.relname, index.indisvalid FROM pg_index AS index "
            "JOIN pg_class AS class ON class.oid = index.indexrelid "
            "WHERE class.relnamespace = current_schema()::regnamespace"
        )
    )
    valid = {index: bool(is_valid) for index, is_valid in found}
    wanted = set(_names_of_indexes(tables))
    missing = sorted(wanted - valid.keys())
    broken = sorted(index for index in wanted & valid.keys() if not valid[index])
    if missing:
        return Look(name, "fail", f"missing: {', '.join(missing)}: restore from a backup, or create them by hand")
    if broken:
        return Look(name, "fail", f"not valid: {', '.join(broken)}: run REINDEX INDEX CONCURRENTLY for each")
    return Look(name, "ok", f"{len(wanted)}, all valid")


def _names_of_indexes(tables: MetaData) -> Iterable[str]:
    for table in tables.sorted_tables:
        yield from (str(each.name) for each in table.indexes)
        yield from (
            str(each.name) for each in table.constraints if isinstance(each, PrimaryKeyConstraint | UniqueConstraint)
        )


async def _months(connection: AsyncConnection, now: int) -> Look:
    months = months_from(now)
    try:
        missing = await missing_months(connection, months)
    except Misconfigured as error:
        return Look("months", "fail", str(error))
    if not missing:
        return Look("months", "ok", f"made up to {months[-1].year:04}-{months[-1].number:02}")
    names = ", ".join(f"{month.year:04}-{month.number:02}" for month in missing)
    is_near = missing[0] in months[: NEEDED_NOW + 1]
    return Look("months", "fail" if is_near else "warn", f"no partition for {names}: {UPGRADE}")


async def _timescale(connection: AsyncConnection) -> list[Look]:
    version = await version_of(connection)
    if version is None:
        return [await _without_timescale(connection)]
    found = [
        Look("timescaledb", "fail", f"{each.words}: {UPGRADE}" if each.remedy else each.words)
        for each in await differences(connection)
    ]
    return found or [Look("timescaledb", "ok", f"{version}, as it should be")]
