"""PostgreSQL in trouble: what the stores say, what they keep, and that they go on by themselves when it is over."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from structlog.testing import capture_logs

from niftyflow.model import Interval, Misconfigured, Refused, Retryable, Unavailable
from niftyflow.storage.postgres_market import PostgresMarketStore, market_database
from niftyflow.storage.postgres_pool import PostgresPool
from support.kafka import free_port
from support.postgres import (
    LOCKED_PASSWORD,
    LOCKED_USER,
    Bouncer,
    PostgresServer,
    give_to_postgres,
    make_template,
    need_postgres,
    settings_of,
)
from support.stores import BATCH_INSTRUMENTS, flat_candles
from support.waiting import until

pytestmark = pytest.mark.postgres

ALWAYS = (0, 2**60)


@asynccontextmanager
async def opened(url: str, **settings: object) -> AsyncIterator[PostgresMarketStore]:
    """Open a store with connections of its own."""
    store = PostgresMarketStore(market_database(PostgresPool(settings_of(url, **settings))))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """Start a server that a test may ill-treat, and that keeps its promises through a crash."""
    need_postgres()
    server = PostgresServer.create()
    try:
        server.start()
        make_template(server)
        yield server
    finally:
        server.remove()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_server_restarted_under_load_is_waited_for(own_server: PostgresServer, mode: str):
    """Writers and readers are told to try again, then go on with the same store; nothing that was stored is missing."""
    stored: set[int] = set()
    troubles: list[Exception] = []
    is_over = asyncio.Event()

    async def write(store: PostgresMarketStore, writer: int) -> None:
        minute = writer
        while not is_over.is_set():
            try:
                await store.upsert_candles(flat_candles(BATCH_INSTRUMENTS, 1, first_minute=minute))
                await store.candles("NSE:S00000", Interval.M1, *ALWAYS, limit=5)
            except Retryable as error:
                troubles.append(error)
                await asyncio.sleep(0.02)
            else:
                stored.add(minute)
                minute += 4

    async with opened(own_server.url("niftyflow_template")) as store:
        writing = [asyncio.create_task(write(store, number)) for number in range(4)]
        await until(lambda: len(stored) > 8)
        await asyncio.to_thread(own_server.stop, mode)
        before = len(stored)
        await until(lambda: len(troubles) > 4)
        await asyncio.to_thread(own_server.start)
        await until(lambda: len(stored) > before + 8)
        is_over.set()
        await asyncio.gather(*writing)
        counted = await store.count_candles(Interval.M1, *ALWAYS)
        minutes = (await store.candles("NSE:S00000", Interval.M1, *ALWAYS)).time
    assert len(counted) == BATCH_INSTRUMENTS
    assert set(counted.values()) == {len(minutes)}
    assert len(minutes) >= len(stored)
    assert len(minutes) <= len(stored) + 4  # a commit whose answer was cut off may have been done


async def test_a_server_that_is_away_at_the_start_is_to_be_tried_again():
    """Nothing listens there: the address is told, not the password."""
    url = f"postgresql://trader:secret-word@127.0.0.1:{free_port()}/niftyflow"
    with pytest.raises(Unavailable, match=r"PostgreSQL 127\.0\.0\.1:\d+/niftyflow is unavailable") as told:
        async with opened(url):
            pass
    assert "secret-word" not in str(told.value)


async def test_a_server_that_accepts_and_says_nothing_is_given_up():
    """A wedged server costs the time to acquire, and no more."""
    left = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        left.set()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(Unavailable):
            async with opened(f"postgresql://trader@127.0.0.1:{port}/niftyflow", acquire_seconds=0.2):
                pass
        await asyncio.wait_for(left.wait(), 60)


async def test_wrong_addresses_are_refused_with_what_to_do(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A wrong password, an unknown user, a missing database, an address that is none, files that are missing."""
    monkeypatch.setenv("HOME", str(tmp_path))
    good = postgres_server.url("niftyflow_template", LOCKED_USER)
    wrong = {
        good.replace("@", f":{LOCKED_PASSWORD}@"): "permission denied",  # let in, with no right to any table
        good.replace("@", ":the-wrong-one@"): "refused the user or the password.*correct the database's url",
        postgres_server.url("niftyflow_template", "nobody"): "refused the user or the password",
        postgres_server.url("not_there"): "has no such database.*create it",
        "mysql://root@127.0.0.1/niftyflow": "begins with mysql: it is postgresql://",
        "niftyflow": "cannot be read: it is postgresql://",
        postgres_server.url("niftyflow_template") + "?sslmode=perhaps": "address or its options cannot be used",
        postgres_server.url("niftyflow_template") + "?sslmode=verify-full": "add sslrootcert=FILE",
        postgres_server.url("niftyflow_template") + "?sslrootcert=/none.pem": "there is no file /none.pem",
    }
    for url, told in wrong.items():
        with pytest.raises(Misconfigured, match=told) as refusal:
            async with opened(url):
                pass
        assert "the-wrong-one" not in str(refusal.value)


async def test_a_user_who_may_not_write_is_told_so(postgres_url: str, postgres_server: PostgresServer):
    """The right is missing, not the server."""
    name = postgres_url.rpartition("/")[2]
    postgres_server.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {LOCKED_USER}", database=name)
    url = postgres_server.url(name, LOCKED_USER).replace("@", f":{LOCKED_PASSWORD}@")
    async with opened(url) as store:
        with pytest.raises(Misconfigured, match=r"does not allow it.*give the user of the url the right"):
            await store.upsert_candles(flat_candles(1, 1))


async def test_connections_are_bounded_and_waited_for(postgres_url: str, postgres_server: PostgresServer):
    """More readers than connections wait for one; when none comes back in time that is told, and passes."""
    async with opened(postgres_url, connections_kept=1, connections_most=3, acquire_seconds=0.3) as store:

        async def slow(connection):
            await connection.execute(text("SELECT pg_sleep(1.5)"))

        reads = [asyncio.create_task(store.database.read(slow)) for _ in range(3)]
        await asyncio.sleep(0.2)
        with pytest.raises(Unavailable, match="every connection stayed busy"):
            await store.candles("NSE:S00000", Interval.M1, *ALWAYS)
        name = postgres_url.rpartition("/")[2]
        counted = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND application_name = 'niftyflow'"
        assert postgres_server.execute(counted) == "3\n"
        assert REGISTRY.get_sample_value("db_pool", {"state": "in_use"}) == 3
        await asyncio.gather(*reads)
        assert len(await store.candles("NSE:S00000", Interval.M1, *ALWAYS)) == 0
        assert REGISTRY.get_sample_value("db_pool", {"state": "in_use"}) == 0


@pytest.mark.parametrize("through", ["postgres_server", "pgbouncer"])
async def test_a_statement_that_takes_too_long_is_given_up(
    through: str, postgres_database: str, request: pytest.FixtureRequest
):
    """By the server, or behind PgBouncer by us; what it had changed is undone, and the store works on."""
    url = request.getfixturevalue(through).url(postgres_database)
    async with opened(url, statement_seconds=0.3, through_pgbouncer=through == "pgbouncer") as store:

        async def slow(connection):
            await connection.execute(text("DELETE FROM candles_1m"))
            await connection.execute(text("SELECT pg_sleep(30)"))

        await store.upsert_candles(flat_candles(3, 1))
        with pytest.raises(Unavailable):
            await store.database.write(slow)
        with pytest.raises(Unavailable):
            await store.database.execute("SELECT pg_sleep(30)")
        assert len(await store.count_candles(Interval.M1, *ALWAYS)) == 3


async def test_a_process_that_stands_still_does_not_keep_its_locks(postgres_url: str):
    """Its transaction is ended by the server, and it is told when it goes on."""
    async with opened(postgres_url, idle_transaction_seconds=0.3) as held, opened(postgres_url) as other:

        async def stand_still(connection) -> None:
            await connection.execute("LOCK TABLE candles_1m IN EXCLUSIVE MODE")
            assert await other.upsert_candles(flat_candles(1, 1)) == 1  # waits until the lock is taken away
            await connection.execute("SELECT 1")

        with pytest.raises(Unavailable):
            await held.database.write_at_once(stand_still)
        assert await held.upsert_candles(flat_candles(1, 1)) == 0


async def test_slow_statements_are_logged_and_counted_without_their_values(postgres_url: str):
    """Those of both kinds, SQLAlchemy's and the driver's; quick ones are not."""
    async with opened(postgres_url, slow_statement_seconds=0.2) as store:
        await store.candles("NSE:S00000", Interval.M1, *ALWAYS)
        before = REGISTRY.get_sample_value("db_slow_queries_total")
        with capture_logs() as lines:
            await store.database.read(
                lambda connection: connection.execute(text("SELECT pg_sleep(0.3), :word"), {"word": "secret-word"})
            )
            await store.database.execute("SELECT pg_sleep(0.3), $1::text", "secret-word")
    slow = [line for line in lines if line["event"] == "slow_statement"]
    assert REGISTRY.get_sample_value("db_slow_queries_total") == before + 2
    assert len(slow) == 2
    assert all("pg_sleep" in line["statement"] and line["seconds"] >= 0.3 for line in slow)
    assert "secret-word" not in str(lines)


async def test_a_value_that_the_server_cannot_hold_is_refused_and_not_tried_for_ever(postgres_url: str):
    """A NUL in a text: SQLite keeps it, PostgreSQL never will."""
    batch = flat_candles(2, 1)
    batch.names.names[1] = batch.names.names[1]._replace(key="NSE:S\0")
    async with opened(postgres_url) as store:
        with pytest.raises(Refused, match="cannot hold a value"):
            await store.upsert_candles(batch)
        assert await store.count_candles(Interval.M1, *ALWAYS) == {}


async def test_a_mistake_in_a_statement_is_no_trouble_of_the_world(postgres_url: str):
    """It is raised as it is: waiting would hide it."""
    async with opened(postgres_url) as store:
        with pytest.raises(Exception, match="syntax error") as told:
            await store.database.execute("SELEKT 1")
        assert not isinstance(told.value, Retryable | Refused)


async def test_two_sets_of_tables_share_the_connections(postgres_url: str):
    """The pool stays while one of them is open."""
    pool = PostgresPool(settings_of(postgres_url))
    one, two = PostgresMarketStore(market_database(pool)), PostgresMarketStore(market_database(pool))
    await one.open()
    await two.open()
    await one.close()
    with pytest.raises(Unavailable, match="not open"):
        await one.ping()
    await two.ping()
    await two.close()
    with pytest.raises(Unavailable):
        await two.ping()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Mount a disk of 100 MB; skip where that is not allowed."""
    need_postgres()
    folder = Path(tempfile.mkdtemp(prefix="niftyflow-disk-"))
    folder.chmod(0o755)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100m,mode=0755", "niftyflow", str(folder)],
        capture_output=True,
        check=False,
    )
    if os.geteuid() or done.returncode:
        folder.rmdir()
        pytest.skip("a small disk needs the right to mount one")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
    folder.rmdir()


async def test_a_disk_that_fills_is_told_and_nothing_is_stored_by_halves(
    small_disk: Path, postgres_server: PostgresServer, postgres_database: str
):
    """The table's disk is full: retryable, with what to do; once there is room again, the same store goes on."""
    give_to_postgres(small_disk)
    space = f"small_{postgres_database}"
    postgres_server.execute(f"CREATE TABLESPACE {space} LOCATION '{small_disk}'")
    postgres_server.execute(f"ALTER TABLE candles_1m SET TABLESPACE {space}", database=postgres_database)
    filling = small_disk / "filling"
    async with opened(postgres_server.url(postgres_database)) as store:
        await store.upsert_candles(flat_candles(10, 1))
        with suppress(OSError), filling.open("wb") as file:
            while True:
                file.write(bytes(1 << 20))
        with pytest.raises(Unavailable, match=r"disk is full.*free space on the server"):
            await store.upsert_all([flat_candles(200, 100)])
        assert set((await store.count_candles(Interval.M1, *ALWAYS)).values()) == {1}
        filling.unlink()
        assert await store.upsert_all([flat_candles(200, 100)]) == 19_990
    postgres_server.execute("ALTER TABLE candles_1m SET TABLESPACE pg_default", database=postgres_database)
    postgres_server.execute(f"DROP TABLESPACE {space}")


async def test_what_pgbouncer_refuses_is_told_as_such(pgbouncer: Bouncer, postgres_database: str):
    """It has one code for everything: its words tell what is wrong for good."""
    unknown_user = pgbouncer.url(postgres_database).replace("postgres@", "nobody@")
    for url in (pgbouncer.url("not_there"), unknown_user):
        with pytest.raises(Misconfigured, match=r"PostgreSQL 127\.0\.0\.1.*correct the database's url"):
            async with opened(url, through_pgbouncer=True):
                pass


async def test_a_session_of_pgbouncer_with_settings_of_its_own_is_told(pgbouncer: Bouncer, postgres_database: str):
    """Without the setting that says so, our first words to it are refused, with what to do."""
    with pytest.raises(Misconfigured, match=r"unsupported startup parameter.*through_pgbouncer"):
        async with opened(pgbouncer.url(postgres_database)):
            pass
