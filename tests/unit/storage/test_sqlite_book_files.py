"""The book's SQLite file: its schema, what a commit survives, and looking on without writing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from niftyflow.model import Misconfigured, Refused, Unavailable
from niftyflow.storage import book_rows, book_schema, sqlite_database
from niftyflow.storage.book_ports import Changes
from niftyflow.storage.sqlite_book import SqliteBookStore
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.books import PAPER, an_input, an_order, bought
from support.full_disks import allow_pages

FULL, NORMAL = 2, 1


@pytest.fixture
async def book(tmp_path: Path) -> AsyncIterator[SqliteBookStore]:
    """Open a book in which the owner with fence 1 has an account."""
    book = SqliteBookStore(tmp_path / "book.db")
    await book.open()
    await book.take_over(PAPER, 1, {"cash": 0}, 0)
    yield book
    await book.close()


def test_migrations_build_exactly_the_schema(tmp_path: Path):
    """Whoever changes the metadata writes a migration, and names its revision."""
    config = Config()
    config.set_main_option("script_location", str(book_schema.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    revisions = [revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(revisions)) == book_schema.REVISIONS

    async def make() -> None:
        book = SqliteBookStore(tmp_path / "book.db")
        await book.open()
        await book.close()

    asyncio.run(make())
    engine = create_engine(f"sqlite:///{tmp_path / 'book.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, book_schema.metadata) == []
    engine.dispose()


async def test_a_book_of_an_earlier_program_is_brought_up_to_date_with_all_it_holds(
    book: SqliteBookStore, tmp_path: Path
):
    """As it was before leases came: its orders and fills stay, and trading goes on."""
    await book.commit(PAPER, 1, bought(1))
    before = await book.account(PAPER), await book.fills(), await book.orders()
    await book.close()
    with sqlite3.connect(tmp_path / "book.db") as file:
        file.execute("DROP TABLE leases")
        file.execute("UPDATE alembic_version SET version_num = 'b0002'")
    file.close()
    with pytest.raises(Misconfigured, match="has schema b0002: run `niftyflow up`"):
        await SqliteBookStore(tmp_path / "book.db", read_only=True).open()
    await book.open()
    assert (await book.account(PAPER), await book.fills(), await book.orders()) == before
    await book.commit(PAPER, 1, bought(2))
    with sqlite3.connect(tmp_path / "book.db") as file:
        assert file.execute("SELECT version_num FROM alembic_version").fetchone() == (book_schema.REVISIONS[-1],)
        assert file.execute("SELECT count(*) FROM leases").fetchone() == (0,)
    file.close()


@pytest.mark.parametrize(
    ("layout", "table"),
    [
        (book_rows.ORDER_EVENT, book_schema.order_events),
        (book_rows.FILL, book_schema.trades),
        (book_rows.POSITION, book_schema.positions),
        (book_rows.POSITION_EVENT, book_schema.position_events),
        (book_rows.STRATEGY, book_schema.strategies),
        (book_rows.INPUT, book_schema.trading_inputs),
        (book_rows.RESULT, book_schema.command_results),
    ],
)
def test_tables_have_the_columns_of_their_records(layout, table):
    """A field added to a record and not to its table fails here, by name."""
    assert set(layout.fields) == set(table.c.keys()) - {"number"}


def test_the_two_tables_of_an_order_have_all_of_it():
    """What was decided stands in the intent, and what may change in the order."""
    intent, now = set(book_schema.order_intents.c.keys()), set(book_schema.orders.c.keys())
    assert (intent | now) - {"number", "fence"} == set(book_rows.ORDER.fields)
    assert set(book_rows.DECIDED) <= intent
    assert (intent & now) - {"client_order_id", "account"} == {
        "quantity", "order_type", "validity", "price", "trigger", "valid_until", "risk",
    }  # fmt: skip


async def test_a_commit_of_the_book_waits_for_the_disk_and_one_of_the_market_does_not(tmp_path: Path):
    """Both are write-ahead logged; orders must also survive the machine's death."""
    market = SqliteMarketStore(tmp_path / "market.db")
    book = SqliteBookStore(tmp_path / "book.db")
    for database, wanted in ((market.database, NORMAL), (book._database, FULL)):
        await database.open()

        def durability(connection: Connection) -> int:
            return connection.execute(text("PRAGMA synchronous")).scalar()

        assert await database.write_at_once(lambda cursor: cursor.execute("PRAGMA synchronous").fetchone()[0]) == wanted
        assert await database.write(lambda connection: connection.run_sync(durability)) == wanted
        with sqlite3.connect(database.path) as file:
            assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        file.close()
        await database.close()


async def test_an_intent_keeps_the_first_decision_and_its_owner(book: SqliteBookStore, tmp_path: Path):
    """Whatever the order became later, under a later owner too."""
    order = an_order()
    await book.commit(PAPER, 1, Changes(orders=[order]))
    await book.take_over(PAPER, 2, {}, 1)
    await book.commit(PAPER, 2, Changes(orders=[an_order(quantity=99, price=None)]))
    with sqlite3.connect(tmp_path / "book.db") as file:
        intent = file.execute("SELECT fence, quantity, price, risk FROM order_intents").fetchone()
        kept = file.execute("SELECT quantity, price, risk FROM orders").fetchone()
    file.close()
    assert intent[:3] == (1, 10, 28_505_005)
    assert '"verdict":"pass"' in intent[3]
    assert kept == (99, None, None)


async def test_looking_on_reads_and_never_writes(book: SqliteBookStore, tmp_path: Path):
    """The CLI's mode, beside a running owner."""
    looking = SqliteBookStore(tmp_path / "book.db", read_only=True)
    await looking.open()
    await book.commit(PAPER, 1, bought(1))
    assert await looking.account(PAPER) == await book.account(PAPER)
    for write in (looking.take_over(PAPER, 9, {}, 0), looking.commit(PAPER, 1, bought(2))):
        with pytest.raises(Refused, match="reading only"):
            await write
    await looking.close()


async def test_a_market_database_is_no_book(tmp_path: Path):
    """Files of the two kinds are not taken for one another."""
    market = SqliteMarketStore(tmp_path / "market.db")
    await market.open()
    await market.close()
    with pytest.raises(Misconfigured):
        await SqliteBookStore(tmp_path / "market.db").open()


async def test_a_locked_book_is_told_and_writes_nothing(
    book: SqliteBookStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Another process in a long transaction: the caller tries again, and the commit is whole then."""
    monkeypatch.setattr(sqlite_database, "BUSY_TIMEOUT_SECONDS", 0.05)
    impatient = SqliteBookStore(tmp_path / "book.db")
    await impatient.open()
    other = sqlite3.connect(tmp_path / "book.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        await impatient.commit(PAPER, 1, bought(1))
    assert (await impatient.account(PAPER)).sequence == 0
    other.execute("ROLLBACK")
    other.close()
    await impatient.commit(PAPER, 1, bought(1))
    assert (await book.account(PAPER)).sequence == 1
    await impatient.close()


async def test_a_full_disk_is_told_and_writes_nothing_by_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """SQLite's own bound on pages stands in for the disk's end; the last commit that fitted is whole."""
    allow_pages(60, monkeypatch)
    book = SqliteBookStore(tmp_path / "book.db")
    await book.open()
    await book.take_over(PAPER, 1, {"cash": 0}, 0)

    async def fill_the_disk() -> None:
        for number in range(1, 2000):
            await book.commit(PAPER, 1, bought(number))

    with pytest.raises(Unavailable, match="full"):
        await fill_the_disk()
    account = await book.account(PAPER)
    assert account.sequence == len(await book.fills()) == len(await book.orders()) == account.positions[0].net_quantity
    await book.close()


async def test_a_closed_book_is_told(book: SqliteBookStore):
    """It answers no more, and says so."""
    await book.close()
    with pytest.raises(Unavailable, match="not open"):
        await book.commit(PAPER, 1, Changes(inputs=[an_input(1)]))
    with pytest.raises(Unavailable, match="not open"):
        await book.ping()


async def test_closing_waits_for_the_commit_under_way(book: SqliteBookStore):
    """A stop in the middle of a commit keeps the commit."""
    commit = asyncio.ensure_future(book.commit(PAPER, 1, bought(1)))
    await asyncio.sleep(0)
    await book.close()
    await commit
    await book.open()
    assert (await book.account(PAPER)).sequence == 1


@pytest.mark.parametrize(
    "query",
    [
        book_rows.open_orders(PAPER),
        book_rows.events_of_order("nf"),
        book_rows.fills_booked(0, 1, None, "nf"),
        book_rows.orders_decided(5, 9, PAPER, None),
        book_rows.positions_of(PAPER),
        book_rows.inputs_of(PAPER, 3),
    ],
)
async def test_reads_go_by_a_key_and_scan_no_table(book: SqliteBookStore, query):
    """Taking an account over costs the same after years."""

    async def plan(connection) -> list[str]:
        compiled = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
        rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", (1,) * len(compiled.positiontup))
        return [row[3] for row in rows]

    steps = await book._database.read(plan)
    assert not [step for step in steps if step.startswith("SCAN")], steps
    assert [step for step in steps if step.startswith("SEARCH")]
