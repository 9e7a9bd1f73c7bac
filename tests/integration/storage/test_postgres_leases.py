"""What only leases in a database have: an end in time, holders that find out, and one that slept through it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from niftyflow.model import LeaseHeld, Unavailable
from niftyflow.storage.postgres_book import PostgresBookStore, book_database
from niftyflow.storage.postgres_book_statements import BEGIN
from niftyflow.storage.postgres_database import PostgresDatabase
from niftyflow.storage.postgres_leases import PostgresLease, PostgresLeases
from niftyflow.storage.postgres_pool import PostgresPool
from support import books
from support.books import PAPER, bought
from support.postgres import PostgresServer, make_template, need_postgres, settings_of
from support.waiting import until
from support.wires import Cable, Wire

NAME = f"account/{PAPER}"
TESTS = str(Path(books.__file__).parents[1])

TRADER = """
import asyncio, sys
from niftyflow.model import Retryable
from niftyflow.storage.book_ports import LeaseLost
from niftyflow.storage.postgres_book import PostgresBookStore, book_database
from niftyflow.storage.postgres_leases import PostgresLeases
from niftyflow.storage.postgres_pool import PostgresPool
from support.books import PAPER, bought
from support.postgres import settings_of

url, ttl = sys.argv[1], float(sys.argv[2])

def say(*words):
    print(*words, flush=True)

async def commit(store, fence, number):
    changes = bought(number)
    while True:
        try:
            return await store.commit(PAPER, fence, changes)
        except Retryable:
            await asyncio.sleep(0.05)

async def trade():
    store = PostgresBookStore(book_database(PostgresPool(settings_of(url))))
    await store.open()
    lease = await PostgresLeases(store.database, ttl_seconds=ttl).acquire(f"account/{PAPER}")
    await store.take_over(PAPER, lease.fence, {"cash": 0}, 0)
    await commit(store, lease.fence, 1)
    say("trades", lease.fence)
    number = 2
    try:
        while True:
            await commit(store, lease.fence, number)
            number += 1
    except LeaseLost as error:
        await asyncio.wait_for(lease.lost(), 60)
        say("refused", number, lease.is_held, error)
    await lease.release()
    await store.close()

asyncio.run(trade())
"""


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[PostgresDatabase]:
    """Open the book's tables."""
    tables = book_database(PostgresPool(settings_of(postgres_url)))
    await tables.open()
    yield tables
    await tables.close()


def expire(server: PostgresServer, database: str) -> None:
    """Let every lease's time be over, as if its holder had been silent."""
    server.execute("UPDATE leases SET expires_at = 0", database=database)


async def test_of_many_who_ask_at_once_one_gets_it(database: PostgresDatabase):
    """The others are told who has it."""
    asking = [PostgresLeases(database, f"process-{number}") for number in range(10)]
    answers = await asyncio.gather(*(each.acquire(NAME) for each in asking), return_exceptions=True)
    (got,) = [each for each in answers if not isinstance(each, LeaseHeld)]
    assert got.fence == 1
    assert got.is_held
    holders = {each.holder.partition(" since ")[0] for each in answers if isinstance(each, LeaseHeld)}
    assert len(holders) == 1
    assert holders < {f"process-{number}" for number in range(10)}
    await got.release()
    assert not got.is_held


async def test_a_lease_is_renewed_for_as_long_as_it_is_held(
    database: PostgresDatabase, postgres_server: PostgresServer, postgres_database: str
):
    """Its end moves on; nobody else gets it, and given back it is free at once."""
    holding, other = PostgresLeases(database, ttl_seconds=6), PostgresLeases(database)
    lease = await holding.acquire(NAME)

    def left() -> int:
        query = "SELECT expires_at - (extract(epoch FROM clock_timestamp()) * 1000)::bigint, expires_at FROM leases"
        remaining, end = postgres_server.execute(query, database=postgres_database).split("|")
        assert 0 < int(remaining) <= 6000
        return int(end)

    first = left()
    await until(lambda: left() > first)
    with pytest.raises(LeaseHeld):
        await other.acquire(NAME)
    await lease.release()
    assert (await other.acquire(NAME)).fence == lease.fence + 1
    await other.close()


async def test_a_holder_who_was_replaced_finds_out(
    database: PostgresDatabase, postgres_server: PostgresServer, postgres_database: str
):
    """At its next renewal, at the latest when its time is over; what it gives back then is nobody's."""
    lease = await PostgresLeases(database, "old", ttl_seconds=3).acquire(NAME)
    expire(postgres_server, postgres_database)
    new = await PostgresLeases(database, "new").acquire(NAME)
    async with asyncio.timeout(60):
        await lease.lost()
    assert not lease.is_held
    await lease.release()
    with pytest.raises(LeaseHeld, match="is held by new since 20"):
        await PostgresLeases(database).acquire(NAME)
    assert new.is_held
    assert new.fence > lease.fence
    await new.release()


async def test_all_leases_of_a_holder_are_renewed_by_one_statement(
    database: PostgresDatabase, postgres_server: PostgresServer, postgres_database: str
):
    """Fifty partitions are one transaction every third of their time, and not fifty."""
    leases = PostgresLeases(database, ttl_seconds=3)
    held = [await leases.acquire(f"raw-ticks/{partition}") for partition in range(50)]

    def writers() -> int:
        """Return by how many transactions the rows were written."""
        return int(postgres_server.execute("SELECT count(DISTINCT xmin::text) FROM leases", database=postgres_database))

    await until(lambda: writers() == 1)
    assert all(lease.is_held for lease in held)
    await held[7].release()
    theirs = await PostgresLeases(database, "other").acquire("raw-ticks/7")
    await until(lambda: writers() == 2)  # ours together, and the one of the other
    expire(postgres_server, postgres_database)
    await asyncio.gather(*(lease.lost() for lease in held if lease is not held[7]))
    await leases.close()
    await theirs.release()


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server of this test alone, which it may stop."""
    need_postgres()
    server = PostgresServer.create("fsync=off")  # what was committed survives a stop
    server.start()
    make_template(server)
    yield server
    server.remove()


async def test_a_lease_that_nobody_took_while_the_server_was_away_is_its_holders_again(own_server: PostgresServer):
    """Its fence is the last one: whoever stood by leaves it to its holder, who asks in time."""
    tables = book_database(PostgresPool(settings_of(own_server.url("niftyflow_template"))))
    others = book_database(PostgresPool(settings_of(own_server.url("niftyflow_template"))))
    await tables.open()
    await others.open()
    lease = await PostgresLeases(tables, "holder", ttl_seconds=3).acquire(NAME)
    await asyncio.to_thread(own_server.stop)
    standing_by = asyncio.create_task(acquired(PostgresLeases(others, "other", ttl_seconds=3)))
    async with asyncio.timeout(60):
        await lease.lost()
    assert not lease.is_held
    assert not lease.is_taken
    await asyncio.sleep(1)
    await asyncio.to_thread(own_server.start)
    await until(lambda: lease.is_held)
    await asyncio.wait({standing_by}, timeout=4)
    assert lease.is_held
    assert not standing_by.done()
    await lease.release()
    assert (await asyncio.wait_for(standing_by, 60)).fence == lease.fence + 1
    await (standing_by.result()).release()
    await tables.close()
    await others.close()


async def test_one_who_could_not_reach_the_database_leaves_a_lease_to_its_holder_for_a_while(postgres_url: str):
    """The cable was out for both of them: who was not there does not know that the holder is dead."""
    async with Cable(postgres_url) as cable:
        tables = book_database(PostgresPool(settings_of(cable.url)))
        await tables.open()
        dead, other = (PostgresLeases(tables, name, ttl_seconds=2) for name in ("dead", "other"))
        lease = await dead.acquire(NAME)
        dead._keeping.cancel()  # as by kill -9
        await cable.pull()
        with pytest.raises(Unavailable):
            await other.acquire(NAME)
        async with asyncio.timeout(60):
            await lease.lost()
        with pytest.raises(Unavailable):
            await other.acquire(NAME)
        await cable.plug()
        back = time.monotonic()
        with pytest.raises(LeaseHeld, match="held by dead"):
            await other.acquire(NAME)
        new = await acquired(other)
        assert time.monotonic() - back > 1.5
        assert new.fence == lease.fence + 1
        await new.release()
        await lease.release()
        await tables.close()


async def test_a_holder_cut_off_from_the_database_loses_the_lease_in_time(postgres_url: str):
    """It does not wait for an answer: its own clock tells, and no later than the database's."""
    tables = book_database(PostgresPool(settings_of(postgres_url)))
    await tables.open()
    lease = await PostgresLeases(tables, ttl_seconds=1).acquire(NAME)
    await tables.close()
    async with asyncio.timeout(60):
        await lease.lost()
    assert not lease.is_held
    await lease.release()


async def test_a_holder_whose_network_falls_silent_loses_the_lease_and_keeps_it_from_nobody(
    postgres_url: str, database: PostgresDatabase
):
    """Half-way through a renewal: no answer ever comes, and the row it has locked is free again soon."""
    begin = text(str(BEGIN).replace("'5s'", "'200ms'"))
    async with Wire(postgres_url) as wire:
        tables = book_database(PostgresPool(settings_of(wire.url)))
        await tables.open()
        lease = await PostgresLeases(tables, ttl_seconds=1, begin=begin).acquire(NAME)
        wire.is_stuck_at_commit = True
        async with asyncio.timeout(30):
            await wire.stuck.wait()
            await lease.lost()
        new = await acquired(PostgresLeases(database))
        assert new.fence == lease.fence + 1
        async with asyncio.timeout(30):
            await lease.release()
        wire.flow_again()
        await tables.close()
        assert new.is_held
        await new.release()


async def test_a_lease_that_cannot_be_given_back_ends_by_itself(postgres_url: str, database: PostgresDatabase):
    """The database was away at that moment; the next one waits for its time and no longer."""
    tables = book_database(PostgresPool(settings_of(postgres_url)))
    await tables.open()
    lease = await PostgresLeases(tables, ttl_seconds=1).acquire(NAME)
    await tables.close()
    await lease.release()
    assert not lease.is_held
    await (await acquired(PostgresLeases(database))).release()


async def test_closing_gives_back_all_that_is_held(database: PostgresDatabase):
    """A process that ends in order leaves nothing to wait for."""
    leases = PostgresLeases(database)
    held = [await leases.acquire(f"raw-ticks/{partition}") for partition in range(5)]
    await leases.close()
    assert not any(lease.is_held for lease in held)
    again = PostgresLeases(database)
    assert [(await again.acquire(lease.name)).fence for lease in held] == [2] * 5
    await again.close()


async def test_an_owner_stopped_past_its_lease_and_continued_writes_nothing_more(
    database: PostgresDatabase, postgres_url: str
):
    """A real process, stopped while it commits; another takes over; continued, it is refused and knows why."""
    trader = await asyncio.create_subprocess_exec(
        sys.executable, "-c", TRADER, postgres_url, "5",
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": TESTS},
    )  # fmt: skip
    store = PostgresBookStore(database)
    try:
        async with asyncio.timeout(60):
            said, fence = (await read_word(trader)).split()
        assert said == "trades"
        leases = PostgresLeases(database)
        with pytest.raises(LeaseHeld, match=f":{trader.pid} since"):
            await leases.acquire(NAME)
        await asyncio.sleep(random.uniform(0, 0.01))
        trader.send_signal(signal.SIGSTOP)

        lease = await acquired(leases)
        assert lease.fence == int(fence) + 1
        async with asyncio.timeout(60):
            taken = await store.take_over(PAPER, lease.fence, {}, 1)
        for number in (taken.sequence + 1, taken.sequence + 2):
            await store.commit(PAPER, lease.fence, bought(number))
        trader.send_signal(signal.SIGCONT)
        async with asyncio.timeout(60):
            refused = await read_word(trader)
        assert refused.startswith("refused ")
        assert " False " in refused, "it must know that the lease is no longer its own"
        assert f"belongs to the owner with fence {lease.fence}" in refused
        account = await store.account(PAPER)
        assert account.sequence == len(await store.fills()) == taken.sequence + 2
        assert [each.price for each in await store.fills()] == list(range(1, account.sequence + 1))
        await lease.release()
    finally:
        if trader.returncode is None:
            trader.kill()
        await trader.communicate()


async def acquired(leases: PostgresLeases) -> PostgresLease:
    """Return the lease as soon as its time is over."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await leases.acquire(NAME)
            except (LeaseHeld, Unavailable):
                await asyncio.sleep(0.02)


async def read_word(process: asyncio.subprocess.Process) -> str:
    """Return the next line a trader says, without the log's lines between."""
    while True:
        line = (await process.stdout.readline()).decode()
        assert line, "the trader ended"
        if line.startswith(("trades ", "refused ")):
            return line.strip()
