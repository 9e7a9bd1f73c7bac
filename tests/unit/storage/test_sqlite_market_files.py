"""The SQLite file itself: who may open it, what it says when it cannot, its schema, and what its errors become."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from niftyflow.model import Interval, Misconfigured, Refused, Unavailable
from niftyflow.storage import candle_rows, schema, sqlite_database
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.full_disks import allow_pages
from support.stores import flat_candles

ALWAYS = (0, 2**60)
NOBODY = 65534


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteMarketStore]:
    """Open an empty store."""
    store = SqliteMarketStore(tmp_path / "market.db")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def folder_of_another() -> Iterator[Path]:
    """Give a folder that this user may read and not write, also when the tests run as root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        was = os.geteuid()
        if was == 0:
            os.seteuid(NOBODY)
        yield folder
        os.seteuid(was)
        folder.chmod(0o755)


async def refusal(path: Path, *, read_only: bool = False) -> str:
    """Return what the store says when it cannot be opened: one line, naming the file."""
    store = SqliteMarketStore(path, read_only=read_only)
    with pytest.raises(Misconfigured) as error:
        await store.open()
    text = str(error.value)
    assert "\n" not in text
    assert str(path.parent) in text
    with pytest.raises(Unavailable):
        await store.ping()
    return text


async def test_the_folder_is_made_and_the_file_is_write_ahead_logged(tmp_path: Path):
    """A first start needs no preparation."""
    path = tmp_path / "data" / "niftyflow" / "market.db"
    store = SqliteMarketStore(path)
    await store.open()
    with sqlite3.connect(path) as file:
        assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert file.execute("PRAGMA page_size").fetchone() == (sqlite_database.PAGE_BYTES,)
    file.close()
    await store.close()


async def test_a_read_only_folder_is_told_with_what_to_do(folder_of_another: Path):
    """Both for a new file and for a folder that would have to be made."""
    assert "make the file and its folder writable" in await refusal(folder_of_another / "market.db")
    assert "make it writable" in await refusal(folder_of_another / "data" / "market.db")


async def test_a_file_that_cannot_be_written_is_told_at_the_start(tmp_path: Path):
    """It could be read, so without a write at open only the first candle would tell."""
    path = tmp_path / "market.db"
    store = SqliteMarketStore(path)
    await store.open()
    await store.close()
    with tempfile.TemporaryDirectory() as name:
        moved = Path(name) / "market.db"
        moved.write_bytes(path.read_bytes())
        moved.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        moved.parent.chmod(0o777)  # only the file itself is in the way
        was = os.geteuid()
        if was == 0:
            os.seteuid(NOBODY)
        try:
            assert "writable for this user" in await refusal(moved)
        finally:
            os.seteuid(was)


async def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path):
    """A usual slip in a settings file."""
    (tmp_path / "market.db").mkdir()
    assert "is a folder" in await refusal(tmp_path / "market.db")


async def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path):
    """The data folder's name is taken."""
    (tmp_path / "data").write_text("")
    assert "choose another data folder" in await refusal(tmp_path / "data" / "market.db")


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_file_that_is_no_database_is_told_and_left_alone(tmp_path: Path, read_only: bool):  # noqa: FBT001
    """Whatever it is, it may be somebody's."""
    path = tmp_path / "market.db"
    path.write_bytes(b"symbol,open\nRELIANCE,2850\n" * 500)
    before = path.read_bytes()
    assert "no SQLite database" in await refusal(path, read_only=read_only)
    assert path.read_bytes() == before


async def test_the_database_of_another_program_is_told_and_left_alone(tmp_path: Path):
    """It has tables and no schema revision of ours."""
    path = tmp_path / "market.db"
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE bookmarks (url TEXT)")
    file.close()
    before = path.read_bytes()
    assert "another program" in await refusal(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_newer_database_is_told_and_left_alone(store: SqliteMarketStore, tmp_path: Path, read_only: bool):  # noqa: FBT001
    """An older program would write rows that the newer one misreads."""
    await store.close()
    with sqlite3.connect(tmp_path / "market.db") as file:
        file.execute("UPDATE alembic_version SET version_num = '0042'")
    file.close()
    text = await refusal(tmp_path / "market.db", read_only=read_only)
    assert "newer niftyflow" in text
    assert "0042" in text


async def test_a_disk_without_room_is_told_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """SQLite's own bound on pages stands in for the disk's end."""
    allow_pages(3, monkeypatch)
    assert "free space" in await refusal(tmp_path / "market.db")


async def test_a_disk_that_fills_while_running_is_retried_and_stores_nothing_by_halves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The caller pauses and tries again; what was stored before is still read."""
    allow_pages(40, monkeypatch)
    store = SqliteMarketStore(tmp_path / "market.db")
    await store.open()
    await store.upsert_candles(flat_candles(10, 5))
    for _ in range(2):
        with pytest.raises(Unavailable, match="full"):
            await store.upsert_candles(flat_candles(5000, 1, first_minute=9))
    assert sum((await store.count_candles(Interval.M1, *ALWAYS)).values()) == 50
    assert await store.upsert_candles(flat_candles(10, 1, first_minute=9)) == 10
    await store.close()


async def test_a_locked_database_is_retried_and_read_meanwhile(
    store: SqliteMarketStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Another process in a long transaction: writing says so after the busy timeout, reading does not wait."""
    await store.upsert_candles(flat_candles(2, 1))
    monkeypatch.setattr(sqlite_database, "BUSY_TIMEOUT_SECONDS", 0.05)
    impatient = SqliteMarketStore(tmp_path / "market.db")
    await impatient.open()
    other = sqlite3.connect(tmp_path / "market.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        await impatient.upsert_candles(flat_candles(2, 1, first_minute=1))
    assert len(await impatient.count_candles(Interval.M1, *ALWAYS)) == 2
    latecomer = SqliteMarketStore(tmp_path / "market.db")
    with pytest.raises(Unavailable, match="locked"):
        await latecomer.open()
    other.execute("ROLLBACK")
    other.close()
    assert await impatient.upsert_candles(flat_candles(2, 1, first_minute=1)) == 2
    await impatient.close()


async def test_a_damaged_file_is_told_while_running(store: SqliteMarketStore, tmp_path: Path):
    """Trying again would never help, so it is no retry."""
    await store.upsert_candles(flat_candles(200, 20))
    await store.close()
    path = tmp_path / "market.db"
    data = bytearray(path.read_bytes())
    data[20 * sqlite_database.PAGE_BYTES :] = os.urandom(len(data) - 20 * sqlite_database.PAGE_BYTES)
    path.write_bytes(data)
    await store.open()
    with pytest.raises(Misconfigured, match="damaged"):
        await store.count_candles(Interval.M1, *ALWAYS)


async def test_looking_on_reads_and_never_writes(store: SqliteMarketStore, tmp_path: Path):
    """The CLI's mode, beside a running writer."""
    await store.upsert_candles(flat_candles(3, 2))
    looking = SqliteMarketStore(tmp_path / "market.db", read_only=True)
    await looking.open()
    await looking.ping()
    assert sum((await looking.count_candles(Interval.M1, *ALWAYS)).values()) == 6
    with pytest.raises(Refused, match="reading only"):
        await looking.upsert_candles(flat_candles(1, 1, first_minute=5))
    await store.upsert_candles(flat_candles(3, 1, first_minute=2))
    assert sum((await looking.count_candles(Interval.M1, *ALWAYS)).values()) == 9
    await looking.close()


async def test_looking_on_makes_no_file_and_no_folder(tmp_path: Path):
    """What is missing is told, with the command that makes it."""
    path = tmp_path / "data" / "market.db"
    assert "niftyflow up" in await refusal(path, read_only=True)
    assert not path.parent.exists()
    empty = tmp_path / "market.db"
    empty.touch()
    assert "niftyflow up" in await refusal(empty, read_only=True)
    assert empty.stat().st_size == 0


async def test_looking_on_after_a_crash_sees_all_that_was_stored(tmp_path: Path):
    """The log beside the file is read too; a copy of both, made while writing, is what a crash leaves."""
    store = SqliteMarketStore(tmp_path / "market.db")
    await store.open()
    await store.upsert_candles(flat_candles(3, 2))
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in ("market.db", "market.db-wal"):
        (crashed / name).write_bytes((tmp_path / name).read_bytes())
    await store.close()
    looking = SqliteMarketStore(crashed / "market.db", read_only=True)
    await looking.open()
    assert sum((await looking.count_candles(Interval.M1, *ALWAYS)).values()) == 6
    await looking.close()


async def test_a_reading_connection_cannot_write(store: SqliteMarketStore):
    """Also in the process that may write, only the writer's connection can."""

    async def write(connection) -> None:
        await connection.exec_driver_sql("DELETE FROM alembic_version")

    with pytest.raises(Unavailable, match="readonly"):
        await store._database.read(write)
    await store.ping()


async def test_closing_waits_for_the_write_under_way(tmp_path: Path):
    """A stop in the middle of a batch keeps the batch."""
    store = SqliteMarketStore(tmp_path / "market.db")
    await store.open()
    write = asyncio.ensure_future(store.upsert_candles(flat_candles(500, 10)))
    await asyncio.sleep(0.005)
    await store.close()
    assert await write == 5000


def test_migrations_build_exactly_the_schema(tmp_path: Path):
    """Whoever changes the metadata writes a migration, and names its revision."""
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    revisions = [revision.revision for revision in script.walk_revisions()]
    assert tuple(reversed(revisions)) == schema.REVISIONS

    async def make() -> None:
        store = SqliteMarketStore(tmp_path / "market.db")
        await store.open()
        await store.close()

    asyncio.run(make())
    engine = create_engine(f"sqlite:///{tmp_path / 'market.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


@pytest.mark.parametrize("table", ["candles_1m", "candles_1d", "candle_bases"])
def test_tables_have_the_columns_of_the_batch(table: str):
    """A field added to `CandleBatch` and not to the tables fails here, by name."""
    assert tuple(schema.metadata.tables[table].c.keys()) == candle_rows.COLUMNS


@pytest.mark.parametrize("query", ["last_of_each", "first_of_last", "count_of_each", "span"])
async def test_reads_go_by_the_key_and_scan_no_table(store: SqliteMarketStore, query: str):
    """The cost of a restart's read grows with the instruments and not with the history."""
    table = schema.candles_1m
    made = {
        "last_of_each": candle_rows.last_of_each(table),
        "first_of_last": candle_rows.first_of_last(table),
        "count_of_each": candle_rows.count_of_each(table),
        "span": candle_rows.span(table, 375),
    }[query]

    async def plan(connection) -> list[str]:
        text = str(made.compile(dialect=connection.dialect))
        count = text.count("?")
        return [row[3] for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", (1,) * count)]

    steps = await store._database.read(plan)
    touching = [step for step in steps if "candle" in step or "following" in step or "within_span" in step]
    assert touching
    assert all(step.startswith("SEARCH") and "INDEX" in step for step in touching), steps


ABANDON = """
import asyncio, pathlib, sys
from niftyflow.storage.sqlite_market import SqliteMarketStore
async def main():
    store = SqliteMarketStore(pathlib.Path(sys.argv[1]))
    await store.open()
    await store.ping()
asyncio.run(main())
"""


async def test_a_process_that_forgets_to_close_ends_all_the_same(tmp_path: Path):
    """The connections' threads do not keep a program alive that crashed."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ABANDON, str(tmp_path / "a %23 name?.db"), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(30):
            assert await program.wait() == 0
    finally:
        if program.returncode is None:
            program.kill()
    assert (tmp_path / "a %23 name?.db").exists()
