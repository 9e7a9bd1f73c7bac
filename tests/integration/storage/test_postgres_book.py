"""What only a book on a server has: its durability, cut connections, crashes, and owners that stand still."""

from __future__ import annotations

import asyncio
import random
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.model import CommandKind, CommandResult, Refused, Unavailable
from niftyflow.storage import book_rows, postgres_book
from niftyflow.storage.book_ports import Changes, LeaseLost
from niftyflow.storage.book_schema import order_events_by_month, trades_by_month
from niftyflow.storage.postgres_book import PostgresBookStore, book_database
from niftyflow.storage.postgres_pool import PostgresPool
from support.books import PAPER, a_position, an_order, bought
from support.postgres import PostgresServer, crash, need_postgres, settings_of
from support.wires import Cut, Wire

Open = Callable[[str], Awaitable[PostgresBookStore]]


def store_at(url: str) -> PostgresBookStore:
    """Return a store on connections of its own."""
    return PostgresBookStore(book_database(PostgresPool(settings_of(url))))


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    """Open stores; they are closed at the end."""
    made: list[PostgresBookStore] = []

    async def open_at(url: str) -> PostgresBookStore:
        made.append(store_at(url))
        await made[-1].open()
        return made[-1]

    yield open_at
    for store in made:
        await store.close()


@pytest.fixture
async def book(opened: Open, postgres_url: str) -> PostgresBookStore:
    """Open a book in which the owner with fence 1 has an account."""
    return await begun(await opened(postgres_url))


async def begun(store: PostgresBookStore) -> PostgresBookStore:
    """Make the account of the owner with fence 1, with a first purchase."""
    await store.take_over(PAPER, 1, {"cash": 0}, 0)
    await store.commit(PAPER, 1, bought(1))
    return store


async def settle(store: PostgresBookStore, number: int) -> int:
    """Commit a purchase as trading does, again and again until the world is back; return how often it was away."""
    changes, away = bought(number), 0
    while True:
        try:
            async with asyncio.timeout(60):
                await store.commit(PAPER, 1, changes)
        except Unavailable:
            away += 1
            await asyncio.sleep(0.02)
        else:
            return away


# -- durability --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wanted", "found"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")])
async def test_a_commit_waits_for_the_disk_whatever_the_server_says(
    opened: Open, postgres_server: PostgresServer, postgres_database: str, wanted: str, found: str
):
    """Asked by a trigger, inside the transactions that make an owner and write an order."""
    postgres_server.execute(f"ALTER DATABASE {postgres_database} SET synchronous_commit = '{wanted}'")
    postgres_server.execute(
        "CREATE TABLE seen (setting text)",
        """CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO seen VALUES (current_setting(''synchronous_commit'')); RETURN NULL; END'""",
        "CREATE TRIGGER seeing AFTER INSERT OR UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION see()",
        database=postgres_database,
    )
    book = await opened(postgres_server.url(postgres_database))
    await book.take_over(PAPER, 1, {"cash": 0}, 0)
    await book.commit(PAPER, 1, bought(1))
    seen = postgres_server.execute("SELECT setting FROM seen", database=postgres_database)
    assert seen.split() == [found, found]


async def test_a_server_that_forgets_is_told_of(opened: Open, postgres_url: str):
    """Without fsync a commit survives no crash of the machine; the suite's server runs so."""
    with structlog.testing.capture_logs() as told:
        await opened(postgres_url)
    assert [each["fsync"] for each in told if each["event"] == "commits_may_be_lost"] == ["off"]


# -- cuts --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", ["before the commit", "after the commit"])
async def test_a_commit_that_was_cut_off_is_tried_again_and_stands_once(opened: Open, postgres_url: str, cut: Cut):
    """Whether the server had done it or not; the caller cannot know, and need not."""
    async with Wire(postgres_url) as wire:
        book = await begun(await opened(wire.url))
        wire.cut = cut
        with pytest.raises(Unavailable):
            await book.commit(PAPER, 1, bought(2))
        done = (await book.account(PAPER)).sequence
        assert done == (2 if cut == "after the commit" else 1)
        await book.commit(PAPER, 1, bought(2))
        await book.commit(PAPER, 1, bought(3))
        assert (await book.account(PAPER)).sequence == len(await book.fills()) == 3
        with pytest.raises(Refused):
            await book.commit(PAPER, 1, bought(2))


@pytest.mark.parametrize("kind", ["results", "fills", "events"])
async def test_a_cut_commit_without_inputs_is_known_by_what_else_it_wrote(opened: Open, postgres_url: str, kind: str):
    """Anything that cannot be written twice tells; what may be written twice needs no telling."""
    whole = bought(2)
    whole.inputs = []
    if kind == "results":
        whole.results = [CommandResult(id="c-1", account=PAPER, kind=CommandKind.SET_KILL_SWITCH, is_done=True, at=1)]
    if kind == "events":
        whole.fills = []
    async with Wire(postgres_url) as wire:
        book = await begun(await opened(wire.url))
        wire.cut = "after the commit"
        with pytest.raises(Unavailable):
            await book.commit(PAPER, 1, whole)
        await book.commit(PAPER, 1, whole)
        with pytest.raises(Refused):
            await book.commit(PAPER, 1, whole)
        assert len(await book.orders()) == 2


async def test_other_changes_after_a_cut_are_judged_as_ever(opened: Open, postgres_url: str):
    """Only the very commit that was cut off is taken for done; also another process is refused."""
    async with Wire(postgres_url) as wire:
        book, other = await begun(await opened(wire.url)), await opened(postgres_url)
        wire.cut = "after the commit"
        with pytest.raises(Unavailable):
            await book.commit(PAPER, 1, bought(2))
        with pytest.raises(Refused, match="go on after 1, and the last one of paper-1 is 2"):
            await other.commit(PAPER, 1, bought(2))
        different = bought(2)
        different.positions = [a_position(net_quantity=7)]
        with pytest.raises(Refused):
            await book.commit(PAPER, 1, different)
        assert [each.net_quantity for each in await book.positions()] == [2]


async def test_a_cut_owner_who_lost_the_account_is_told_so(opened: Open, postgres_url: str):
    """Whether its last commit stands is the new owner's to see."""
    async with Wire(postgres_url) as wire:
        book, other = await begun(await opened(wire.url)), await opened(postgres_url)
        wire.cut = "after the commit"
        with pytest.raises(Unavailable):
            await book.commit(PAPER, 1, bought(2))
        assert (await other.take_over(PAPER, 2, {}, 1)).sequence == 2
        with pytest.raises(LeaseLost):
            await book.commit(PAPER, 1, bought(2))


async def test_a_server_killed_in_the_middle_of_commits_keeps_each_whole_once():
    """With fsync on, killed with -9 three times under load; every purchase is there exactly once, in order."""
    need_postgres()
    server = PostgresServer.create("fsync=on")
    server.start()
    try:
        tables = book_database(PostgresPool(settings_of(server.url())), upgrade=True)
        book = PostgresBookStore(tables)
        await book.open()
        await book.take_over(PAPER, 1, {"cash": 0}, 0)
        bought_so_far, away, is_over = 0, 0, asyncio.Event()

        async def buy() -> None:
            nonlocal bought_so_far, away
            while not is_over.is_set():
                away += await settle(book, bought_so_far + 1)
                bought_so_far += 1

        buying = asyncio.create_task(buy())
        for _ in range(3):
            before = bought_so_far
            while bought_so_far < before + 10 and not buying.done():  # noqa: ASYNC110 - nobody signals it
                await asyncio.sleep(0.01)
            await asyncio.sleep(random.uniform(0, 0.02))
            await asyncio.to_thread(restart_after_a_crash, server)
        is_over.set()
        await buying
        assert away >= 3
        account = await book.account(PAPER)
        fills = await book.fills(PAPER)
        assert [fill.price for fill in fills] == list(range(1, bought_so_far + 1))
        assert account.sequence == account.positions[0].net_quantity == bought_so_far
        assert account.state["cash"] == -sum(fill.price for fill in fills)
        assert len(await book.orders()) == len(await book.position_events()) == bought_so_far
        await book.close()
    finally:
        server.remove()


def restart_after_a_crash(server: PostgresServer) -> None:
    """Kill the server at once and start it when its processes are gone."""
    number = int((server.data / "postmaster.pid").read_text().split()[0])
    crash(number)
    while True:
        try:
            server.start()
        except subprocess.CalledProcessError:  # its children hold the memory for a moment
            continue
        return


# -- owners ------------------------------------------------------------------------------------------------------------


async def test_a_new_owner_waits_for_the_commit_under_way_and_none_comes_after(opened: Open, postgres_url: str):
    """Two processes race for the account ten times: what a new owner was shown is where the book goes on."""
    owner, fence = await opened(postgres_url), 1
    account = await owner.take_over(PAPER, fence, {"cash": 0}, 0)

    async def buy(store: PostgresBookStore, fence: int, number: int) -> int:
        while True:
            try:
                await store.commit(PAPER, fence, bought(number))
            except LeaseLost:
                return number - 1
            number += 1

    for fence in range(1, 11):
        buying = asyncio.create_task(buy(owner, fence, account.sequence + 1))
        await asyncio.sleep(random.uniform(0, 0.05))
        owner = await opened(postgres_url)
        account = await owner.take_over(PAPER, fence + 1, {}, fence)
        assert await buying == account.sequence
    assert len(await owner.fills()) == account.sequence


async def test_an_owner_that_stands_still_half_way_is_cut_off(
    opened: Open, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    """It holds the account's row: the server ends it, the next owner goes on, and nothing of it is in the book."""
    monkeypatch.setattr(postgres_book, "OWNED", postgres_book.OWNED.replace("'5s'", "'200ms'"))
    async with Wire(postgres_url) as wire:
        book, other = await begun(await opened(wire.url)), await opened(postgres_url)
        wire.is_stuck_at_commit = True
        stuck = asyncio.create_task(book.commit(PAPER, 1, bought(2)))
        await wire.stuck.wait()
        taken = await other.take_over(PAPER, 2, {}, 1)
        assert taken.sequence == 1
        wire.flow_again()
        with pytest.raises(Unavailable):
            await stuck
        with pytest.raises(LeaseLost):
            await book.commit(PAPER, 1, bought(2))
        await other.commit(PAPER, 2, bought(2))
        assert len(await other.fills()) == 2


# -- reading -----------------------------------------------------------------------------------------------------------


async def test_a_server_that_sorts_in_a_language_gives_the_same_order(opened: Open, postgres_server: PostgresServer):
    """Ids and names are compared by their bytes, so a replay decides the same whatever the server's language is."""
    postgres_server.execute(
        "CREATE DATABASE in_english TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C'"
    )
    try:
        tables = book_database(PostgresPool(settings_of(postgres_server.url("in_english"))), upgrade=True)
        book = PostgresBookStore(tables)
        await book.open()
        await book.take_over(PAPER, 1, {}, 0)
        names = ["a", "B", "_b", "Z", "z-1", "z1"]
        orders = [an_order(n, client_order_id=f"nf_{name}cdef") for n, name in enumerate(names)]
        await book.commit(PAPER, 1, Changes(orders=orders, positions=[a_position(strategy=name) for name in names]))
        assert [each.strategy for each in await book.positions()] == sorted(names)
        assert await book.order("nf_z-1") == orders[4]
        assert await book.order("nf_z1c") == orders[5]
        await book.close()
    finally:
        postgres_server.execute("DROP DATABASE in_english WITH (FORCE)")


@pytest.mark.parametrize(
    "query",
    [
        book_rows.open_orders(PAPER),
        book_rows.events_of_order("nf-7", order_events_by_month),
        book_rows.fills_booked(0, 1, None, "nf-7", trades_by_month),
        book_rows.orders_decided(5, 9, PAPER, None),
        book_rows.positions_of(PAPER),
        book_rows.inputs_of(PAPER, 3),
    ],
)
async def test_reads_go_by_a_key_and_look_into_one_month(book: PostgresBookStore, query):
    """Taking an account over costs the same after years."""

    async def plan(connection: AsyncConnection) -> str:
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        compiled = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        return "\n".join(await connection.scalars(text(f"EXPLAIN (ANALYZE) {compiled}".replace(":", "\\:"))))

    steps = await book.database.read(plan)
    assert "Seq Scan" not in steps, steps
    assert "Index" in steps, steps
    if "order_events_" in steps or "trades_" in steps:
        scanned = [step for step in steps.splitlines() if " on order_events_" in step or " on trades_" in step]
        assert [step for step in scanned if "never executed" not in step] == [], steps
