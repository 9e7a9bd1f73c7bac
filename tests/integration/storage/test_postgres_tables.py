"""The market's tables on PostgreSQL: brought to the metadata's shape, refused when behind or ahead."""

from __future__ import annotations

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from niftyflow.model import Misconfigured
from niftyflow.storage import schema
from niftyflow.storage.postgres_market import PostgresMarketStore, market_database
from niftyflow.storage.postgres_pool import PostgresPool
from support.postgres import PostgresServer, settings_of
from support.stores import flat_candles

pytestmark = pytest.mark.postgres

ALWAYS = (0, 2**60)


def store_of(url: str, *, upgrade: bool = False) -> PostgresMarketStore:
    """Return a store with connections of its own."""
    return PostgresMarketStore(market_database(PostgresPool(settings_of(url)), upgrade=upgrade))


async def test_migrations_bring_a_database_to_the_shape_of_the_metadata(empty_postgres_url: str):
    """Tables, columns, keys and indexes; the collation makes texts sort by their bytes."""

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"version_table": schema.POSTGRES_VERSION_TABLE})
        return compare_metadata(context, schema.metadata)

    store = store_of(empty_postgres_url, upgrade=True)
    await store.open()
    try:
        assert await store.database.read(lambda connection: connection.run_sync(differences)) == []
        assert await store.database.revision() == schema.REVISIONS[-1]
    finally:
        await store.close()


async def test_texts_are_ordered_by_their_bytes_whatever_the_language(empty_postgres_url: str):
    """As SQLite orders them: capitals, digits and marks by their codes."""
    store = store_of(empty_postgres_url, upgrade=True)
    await store.open()
    try:
        collations = await store.database.read(
            lambda connection: connection.exec_driver_sql(
                "SELECT table_name, column_name, collation_name FROM information_schema.columns"
                " WHERE table_schema = 'public' AND data_type = 'character varying'"
                f" AND table_name <> '{schema.POSTGRES_VERSION_TABLE}'"
            )
        )
        found = collations.all()
    finally:
        await store.close()
    assert len(found) > 20
    assert {collation for _, _, collation in found} == {"C"}


async def test_tables_that_are_not_there_are_not_made_by_the_way(empty_postgres_url: str):
    """A process that trades is no place to change tables: it says which command does."""
    store = store_of(empty_postgres_url)
    with pytest.raises(Misconfigured, match="has no tables yet: run `niftyflow db upgrade`"):
        await store.open()


async def test_tables_that_are_behind_or_ahead_are_refused(postgres_url: str, postgres_database: str, postgres_server):
    """Both revisions are named, and what to do."""
    version = schema.POSTGRES_VERSION_TABLE
    postgres_server.execute(f"UPDATE {version} SET version_num = '0001'", database=postgres_database)
    with pytest.raises(Misconfigured, match=f"has schema 0001, and {schema.REVISIONS[-1]} is needed: run"):
        await store_of(postgres_url).open()
    postgres_server.execute(f"UPDATE {version} SET version_num = '9999'", database=postgres_database)
    with pytest.raises(Misconfigured, match=rf"schema 9999.*up to {schema.REVISIONS[-1]}.*upgrade niftyflow"):
        await store_of(postgres_url, upgrade=True).open()


async def test_tables_that_are_behind_are_brought_up_when_asked(
    postgres_url: str, postgres_database: str, postgres_server: PostgresServer
):
    """What was stored stays."""
    tables = ("signals", "predictions", "analysis_states")
    store = store_of(postgres_url)
    await store.open()
    await store.upsert_candles(flat_candles(2, 2))
    await store.close()
    postgres_server.execute(
        *(f"DROP TABLE {table}" for table in tables),
        f"UPDATE {schema.POSTGRES_VERSION_TABLE} SET version_num = '0001'",
        database=postgres_database,
    )
    store = store_of(postgres_url, upgrade=True)
    await store.open()
    assert await store.upsert_candles(flat_candles(2, 2)) == 0
    await store.close()


async def test_processes_that_upgrade_together_do_it_once(empty_postgres_url: str):
    """The others wait for the first and find it done."""
    stores = [store_of(empty_postgres_url, upgrade=True) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    assert [await store.upsert_candles(flat_candles(1, 1)) for store in stores] == [1, 0, 0, 0]
    for store in stores:
        await store.close()


async def test_tables_of_another_program_are_left_alone(empty_postgres_url: str, postgres_server: PostgresServer):
    """A table of the same name that we did not make is not taken for ours."""
    name = empty_postgres_url.rpartition("/")[2]
    postgres_server.execute("CREATE TABLE instruments (id int)", database=name)
    with pytest.raises(Misconfigured, match="another program"):
        await store_of(empty_postgres_url, upgrade=True).open()
    assert postgres_server.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database=name) == "1\n"
