"""The book's months: made before they are needed and when they are missing, by many at once; nothing written twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

import msgspec
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from niftyflow.kit.clock import IST
from niftyflow.model import Misconfigured, Refused
from niftyflow.storage import book_schema
from niftyflow.storage.book_months import months_from
from niftyflow.storage.book_ports import Changes
from niftyflow.storage.postgres_book import PostgresBookStore, book_database
from niftyflow.storage.postgres_pool import PostgresPool
from support.books import PAPER, a_fill, an_order, event_of
from support.postgres import PostgresServer, settings_of

Open = Callable[[str], Awaitable[PostgresBookStore]]

PARTS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'trades'::regclass ORDER BY 1"


def at(*moment: int) -> int:
    """Return a moment of Indian time, ms UTC."""
    return int(datetime(*moment, tzinfo=IST).timestamp() * 1000)


NOVEMBER_ENDS = at(2019, 11, 30, 23, 59)


@pytest.fixture
async def opened(postgres_url: str) -> AsyncIterator[Open]:
    """Open stores, each on connections of its own and owning an account; they are closed at the end."""
    made: list[PostgresBookStore] = []

    async def open_for(account: str) -> PostgresBookStore:
        made.append(PostgresBookStore(book_database(PostgresPool(settings_of(postgres_url)))))
        await made[-1].open()
        await made[-1].take_over(account, 1, {}, 0)
        return made[-1]

    yield open_for
    for store in made:
        await store.close()


@pytest.fixture
async def book(opened: Open) -> PostgresBookStore:
    """Open a book in which the owner with fence 1 has an account."""
    return await opened(PAPER)


def filled(number: int, decided_at: int, account: str = PAPER) -> Changes:
    """Return an order that was decided then, and filled a minute later."""
    order = an_order(number, account, decided_at=decided_at, updated_at=decided_at)
    return Changes(orders=[order], events=[event_of(order)], fills=[a_fill(order, number, at=decided_at + 60_000)])


async def test_this_month_and_the_next_ones_are_there_from_the_start(
    book: PostgresBookStore, postgres_server: PostgresServer, postgres_database: str
):
    """By the database's clock; an order of today makes nothing."""
    now = int(float(postgres_server.execute("SELECT extract(epoch FROM now()) * 1000").strip()))
    wanted = [month.partition_of("trades") for month in months_from(now)]
    assert postgres_server.execute(PARTS, database=postgres_database).split() == wanted
    await book.commit(PAPER, 1, filled(1, now))
    assert postgres_server.execute(PARTS, database=postgres_database).split() == wanted


async def test_a_month_that_is_missing_is_made_for_the_write_by_many_at_once(
    opened: Open, postgres_server: PostgresServer, postgres_database: str
):
    """Eight processes write the first orders of six months: all are written, and each month is there once."""
    stores = [await opened(f"account-{number}") for number in range(8)]
    months = [at(2019, month, 15) for month in range(1, 7)]
    await asyncio.gather(
        *(
            store.commit(f"account-{number}", 1, filled(each, month, f"account-{number}"))
            for each, month in enumerate(months)
            for number, store in enumerate(stores)
        )
    )
    assert len(await stores[0].fills()) == len(stores) * len(months)
    parts = postgres_server.execute(PARTS, database=postgres_database).split()
    assert [part for part in parts if "2019" in part] == [f"trades_2019_{month:02}" for month in range(1, 7)]


async def test_an_event_or_fill_is_refused_again_in_whatever_month_it_comes(
    book: PostgresBookStore, postgres_server: PostgresServer, postgres_database: str
):
    """It lies in its order's month: the table itself knows what was written before."""
    await book.commit(PAPER, 1, filled(1, NOVEMBER_ENDS))
    (order,), (event,), (fill,) = await book.orders(), await book.order_events(order_id(1)), await book.fills()
    assert fill.at == at(2019, 12, 1)
    for time in (fill.at, at(2019, 10, 1), at(2020, 5, 1)):
        for again in (
            Changes(fills=[msgspec.structs.replace(fill, at=time)]),
            Changes(events=[msgspec.structs.replace(event, at=time)]),
        ):
            with pytest.raises(Refused, match="before"):
                await book.commit(PAPER, 1, again)
    later = msgspec.structs.replace(order, sequence=2, updated_at=at(2020, 5, 1))
    await book.commit(PAPER, 1, Changes(orders=[later], events=[event_of(later)]))
    assert await book.order_events(order.client_order_id) == [event, event_of(later)]
    counted = "SELECT count(*) FROM order_events_2019_11 UNION ALL SELECT count(*) FROM trades_2019_11"
    assert postgres_server.execute(counted, database=postgres_database).split() == ["2", "1"]


async def test_the_table_itself_refuses_without_the_book(
    book: PostgresBookStore, postgres_server: PostgresServer, postgres_database: str
):
    """By its keys, and with no partition that takes what belongs nowhere."""
    await book.commit(PAPER, 1, filled(1, NOVEMBER_ENDS))
    columns = (
        "account, fill_id, client_order_id, strategy, symbol, exchange, side, product, quantity, price, charges, at"
    )
    again = (
        f"INSERT INTO trades ({columns}, signal_id, trace_id, decided_at) "
        f"SELECT {columns}, signal_id, trace_id, %s FROM trades"
    )
    with pytest.raises(AssertionError, match="duplicate key"):
        postgres_server.execute(again % "decided_at", database=postgres_database)
    with pytest.raises(AssertionError, match="no partition"):
        postgres_server.execute(again % at(2001, 1, 1), database=postgres_database)


async def test_commits_go_on_while_a_month_is_made(book: PostgresBookStore, opened: Open):
    """A transaction with rows in both tables is open meanwhile; it neither waits nor is waited for."""
    await book.commit(PAPER, 1, filled(1, NOVEMBER_ENDS))
    other = await opened("live-1")
    async with book.database.acquire() as connection:
        open_still = connection.transaction()
        await open_still.start()
        for table in ("trades", "order_events"):
            await connection.execute(f"DELETE FROM {table}")
        async with asyncio.timeout(60):
            await other.commit("live-1", 1, filled(2, at(2019, 12, 5), "live-1"))
        await open_still.rollback()
    assert len(await other.fills()) == 2


async def test_a_month_that_is_dropped_takes_whole_orders_and_is_made_again(
    book: PostgresBookStore, postgres_server: PostgresServer, postgres_database: str
):
    """What an operator archives is gone without leaving half of an order; a late event still finds its month."""
    await book.commit(PAPER, 1, filled(1, NOVEMBER_ENDS))
    await book.commit(PAPER, 1, filled(2, at(2019, 12, 2)))
    postgres_server.execute("DROP TABLE trades_2019_11, order_events_2019_11", database=postgres_database)
    assert [fill.at for fill in await book.fills()] == [at(2019, 12, 2) + 60_000]
    late = msgspec.structs.replace(await book.order(order_id(1)), sequence=2)
    await book.commit(PAPER, 1, Changes(events=[event_of(late)]))
    assert await book.order_events(order_id(1)) == [event_of(late)]


async def test_a_table_that_stands_in_a_months_place_is_told(
    book: PostgresBookStore, postgres_server: PostgresServer, postgres_database: str
):
    """A month that was taken off and left there is no month; nothing is written beside it."""
    await book.commit(PAPER, 1, filled(1, NOVEMBER_ENDS))
    postgres_server.execute(
        "ALTER TABLE trades DETACH PARTITION trades_2019_11",
        "ALTER TABLE order_events DETACH PARTITION order_events_2019_11",
        database=postgres_database,
    )
    with pytest.raises(Misconfigured, match=r"(trades|order_events)_2019_11"):
        await book.commit(PAPER, 1, filled(2, NOVEMBER_ENDS))
    assert await book.order(order_id(2)) is None


async def test_migrations_build_exactly_the_schema(book: PostgresBookStore):
    """With the months' keys; and every text that is compared is compared by its bytes."""
    await book.commit(PAPER, 1, filled(1, NOVEMBER_ENDS))

    def differences(connection: Connection) -> list:
        known = set(book_schema.by_month.tables)
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "version_table": book_schema.POSTGRES_VERSION_TABLE,
                "include_name": lambda name, kind, _parents: kind != "table" or name in known,
            },
        )
        return compare_metadata(context, book_schema.by_month)

    assert await book.database.read(lambda connection: connection.run_sync(differences)) == []
    query = text(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
        "AND data_type = 'character varying' AND collation_name IS DISTINCT FROM 'C' "
        "AND table_name NOT LIKE 'alembic%'"
    )
    found = await book.database.read(lambda connection: connection.execute(query))
    assert found.all() == []


async def test_the_months_can_be_taken_back(empty_postgres_url: str):
    """Down to the revision before and up again, on tables without rows; with rows it refuses."""
    pool = PostgresPool(settings_of(empty_postgres_url))
    tables = book_database(pool, upgrade=True)
    await tables.open()

    def there_and_back(connection: Connection) -> str:
        config = Config()
        config.set_main_option("script_location", str(book_schema.MIGRATIONS))
        config.set_main_option("path_separator", "os")
        config.attributes.update(connection=connection, version_table=book_schema.POSTGRES_VERSION_TABLE)
        command.downgrade(config, "b0002")
        kind = connection.execute(text("SELECT relkind::text FROM pg_class WHERE relname = 'trades'")).scalar()
        command.upgrade(config, "b0003")
        return kind + connection.execute(text("SELECT relkind::text FROM pg_class WHERE relname = 'trades'")).scalar()

    async with pool.apart() as connection, connection.begin():
        assert await connection.run_sync(there_and_back) == "rp"
    store = PostgresBookStore(tables)
    await store.open()
    await store.take_over(PAPER, 1, {}, 0)
    await store.commit(PAPER, 1, filled(1, NOVEMBER_ENDS))
    assert len(await store.fills()) == 1
    async with pool.apart() as connection:
        with pytest.raises(RuntimeError, match="has rows"):
            await connection.run_sync(there_and_back)
        await connection.rollback()
    await tables.close()


def order_id(number: int) -> str:
    """Return the id of the `number`th order."""
    return an_order(number).client_order_id
