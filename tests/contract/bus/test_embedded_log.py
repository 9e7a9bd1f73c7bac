"""What the embedded log promises beyond the contract: crashes, other processes, retention, a full or broken disk."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.embedded_file import LogLimits
from niftyflow.bus.port import Start, UnreadableRecord
from niftyflow.bus.topics import RAW_TICKS
from niftyflow.kit import metrics
from niftyflow.kit.clock import VirtualClock
from niftyflow.model import InvalidValue, LeaseHeld, TickBatch, Unavailable
from support.buses import OPENED_AT, letter, read, sequences, ticks, watermark

SUPPORT = Path(__file__).parents[2]
PUBLISH_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from support.buses import ticks, watermark
from niftyflow.bus.embedded import EmbeddedBus
async def main():
    bus = EmbeddedBus(Path(sys.argv[1]))
    await bus.open()
    number = (await bus.end("raw-ticks"))[0]
    while True:
        await bus.publish("raw-ticks", [ticks(300, number), watermark(number)])
        number += 301
        print(number, flush=True)
asyncio.run(main())
"""
READ_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from niftyflow.bus.embedded import EmbeddedBus
async def main():
    bus = EmbeddedBus(Path(sys.argv[1]))
    await bus.open()
    reader = await bus.subscribe("raw-ticks", group="trading")
    print("ready", flush=True)
    seen = 0
    while True:
        for batch in await reader.poll():
            seen = batch.end
            await reader.commit(reader.position())
            print(seen, flush=True)
asyncio.run(main())
"""


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EmbeddedBus]:
    """An open embedded bus."""
    bus = EmbeddedBus(tmp_path)
    await bus.open()
    yield bus
    await bus.close()


def start(program: str, folder: Path) -> subprocess.Popen:
    """Start a Python program that works on the log in `folder`."""
    environment = os.environ | {"PYTHONPATH": str(SUPPORT)}
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True, env=environment
    )


def kill(process: subprocess.Popen) -> None:
    """Kill a program at once."""
    process.kill()
    process.wait()
    process.stdout.close()


async def test_a_killed_writer_leaves_whole_batches(tmp_path: Path):
    """Killed in the middle of publishing, twice, the log holds whole publishes and no hole, and loses none it told."""
    told = 0
    for _ in range(2):
        writer = start(PUBLISH_FOR_EVER, tmp_path)
        for _ in range(60):
            told = int(writer.stdout.readline())
        kill(writer)
    bus = EmbeddedBus(tmp_path)
    await bus.open()
    end = (await bus.end("raw-ticks"))[0]
    assert end >= told
    assert end % 301 == 0
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
    at = 0
    for batch in await read(reader, end):
        assert batch.offset == at
        if isinstance(batch.body, TickBatch):
            assert batch.body.sequence.tolist() == list(range(at, at + 300))
        at = batch.end
    assert at == end
    await reader.close()
    await bus.close()


async def test_a_stopped_reader_in_another_process_does_not_slow_the_publisher(bus: EmbeddedBus, tmp_path: Path):
    """With a reader stopped wherever it stood, publishing goes on; continued, the reader catches up."""
    other = start(READ_FOR_EVER, tmp_path)
    assert other.stdout.readline() == "ready\n"
    await bus.publish("raw-ticks", [ticks(100)])
    assert other.stdout.readline() == "100\n"
    slowest = 0.0
    for number in range(1, 40):
        os.kill(other.pid, signal.SIGSTOP)
        for part in range(5):
            begin = time.monotonic()
            await bus.publish("raw-ticks", [ticks(100, number * 500 + part * 100)])
            slowest = max(slowest, time.monotonic() - begin)
        os.kill(other.pid, signal.SIGCONT)
    assert slowest < 1.0  # a lock held by the stopped process would cost the whole busy time-out
    end = 100 + 39 * 500
    seen = 0
    while seen < end:
        seen = int(other.stdout.readline())
    assert seen == end
    kill(other)


async def test_a_reader_in_this_process_sees_what_another_process_appends(tmp_path: Path):
    """Two buses over one folder: offsets never clash, and each sees the other's records soon."""
    one, two = EmbeddedBus(tmp_path), EmbeddedBus(tmp_path)
    await one.open()
    await two.open()
    reader = await one.subscribe("raw-ticks", group=None)
    for number in range(10):
        await (one, two)[number % 2].publish("raw-ticks", [ticks(10, number * 10)])
    assert sequences(await read(reader, 100)) == list(range(100))
    begin = time.monotonic()
    await two.publish("raw-ticks", [ticks(1, 100)])
    assert sequences(await read(reader, 1)) == [100]
    assert time.monotonic() - begin < 1.0
    await reader.close()
    await one.close()
    await two.close()


async def test_a_reader_at_the_head_gets_the_very_same_object(bus: EmbeddedBus):
    """In memory a batch passes by reference; a reader behind the ring decodes an equal one."""
    reader = await bus.subscribe("raw-ticks", group=None)
    sent = ticks(10)
    await bus.publish("raw-ticks", [sent])
    (batch,) = await reader.poll()
    assert batch.body is sent
    await reader.close()


async def test_a_reader_behind_the_ring_reads_the_file(tmp_path: Path):
    """With room for nothing in memory everything comes from the file, sliced where the position lies inside."""
    bus = EmbeddedBus(tmp_path, recent_bytes=0)
    await bus.open()
    sent = ticks(10)
    await bus.publish("raw-ticks", [sent])
    reader = await bus.subscribe("raw-ticks", group="analysis")
    (batch,) = await reader.poll()
    assert batch.body is not sent
    assert batch.body == sent
    await reader.commit({0: 4})
    await reader.close()
    reader = await bus.subscribe("raw-ticks", group="analysis")
    (batch,) = await reader.poll()
    assert (batch.offset, batch.body.sequence.tolist()) == (4, [4, 5, 6, 7, 8, 9])
    await reader.close()
    await bus.close()


async def test_a_second_member_of_a_group_is_refused(bus: EmbeddedBus, tmp_path: Path):
    """One member a group, in this process or another, named by its process; another topic or group is no matter."""
    reader = await bus.subscribe("raw-ticks", group="trading")
    with pytest.raises(LeaseHeld, match=f"process {os.getpid()}"):
        await bus.subscribe("raw-ticks", group="trading")
    other = start(READ_FOR_EVER, tmp_path)
    assert other.stdout.readline() == ""  # refused: it ended
    assert other.wait() != 0
    other.stdout.close()
    candles = await bus.subscribe("market_candles", group="trading")
    await reader.close()
    reader = await bus.subscribe("raw-ticks", group="trading")
    await reader.close()
    await candles.close()
    with pytest.raises(InvalidValue, match="group"):
        await bus.subscribe("raw-ticks", group="../trading")


async def test_old_records_leave_and_a_reader_behind_them_goes_on(tmp_path: Path):
    """Retention by age counts from the newest record's time; a reader whose position is gone is told and moved."""
    clock = VirtualClock(OPENED_AT)
    topics, often = [replace(RAW_TICKS, retention_ms=1000)], LogLimits(expire_every_seconds=0.0)
    bus = EmbeddedBus(tmp_path, topics, clock=clock, recent_bytes=0, limits=often)
    await bus.open()
    reader = await bus.subscribe("raw-ticks", group=None)
    for number in range(20):
        clock.advance_to(OPENED_AT + number * 200)
        await bus.publish("raw-ticks", [ticks(10, number * 10)])
    await bus.close()
    bus = EmbeddedBus(tmp_path, clock=clock, recent_bytes=0)
    await bus.open()
    before = metrics.BUS_ERRORS.labels(type="position_expired")._value.get()
    late = await bus.subscribe("raw-ticks", group=None)
    late._position = 0
    seen = sequences(await read(late, 50))
    assert seen == list(range(140, 200))  # 3800 ms is the newest, 2800 ms and later stay
    assert metrics.BUS_ERRORS.labels(type="position_expired")._value.get() == before + 1
    await late.close()
    await reader.close()
    await bus.close()


async def test_the_file_stays_near_its_size_limit(tmp_path: Path):
    """Retention by bytes deletes the oldest, gives pages back, and offsets go on."""
    limit = 400_000
    big = EmbeddedBus(tmp_path)
    await big.open()
    for number in range(40):
        await big.publish("raw-ticks", [ticks(2000, number * 2000)])
    await big.close()
    file = tmp_path / "raw-ticks.db"
    assert file.stat().st_size > 4 * limit
    often = LogLimits(expire_every_seconds=0.0, free_pages=16)
    bus = EmbeddedBus(tmp_path, [replace(RAW_TICKS, retention_bytes=limit)], limits=often)
    await bus.open()
    for number in range(40, 60):
        await bus.publish("raw-ticks", [ticks(2000, number * 2000)])
    assert (await bus.end("raw-ticks"))[0] == 120_000
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
    seen = sequences(await read(reader, 1))
    assert 0 < seen[0] < 118_000
    await reader.close()
    await bus.close()
    assert file.stat().st_size < 2 * limit


async def test_a_full_disk_is_an_error_of_the_world_and_leaves_nothing_half_written(bus: EmbeddedBus):
    """A publish that finds no room raises Unavailable and appends nothing; with room again it goes on."""
    await bus.publish("raw-ticks", [ticks(10)])
    connection = bus._logs["raw-ticks"]._file._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Unavailable, match="full"):
        await bus.publish("raw-ticks", [ticks(5, 10), ticks(100_000, 15)])
    assert (await bus.end("raw-ticks"))[0] == 10
    connection.execute("PRAGMA max_page_count = 100000")
    await bus.publish("raw-ticks", [ticks(5, 10)])
    reader = await bus.subscribe("raw-ticks", group=None)
    assert sequences(await read(reader, 15)) == list(range(15))
    await reader.close()


async def test_a_corrupt_entry_is_told_and_passed(tmp_path: Path):
    """What lies before it comes first, then the error with its place, then the rest."""
    bus = EmbeddedBus(tmp_path)
    await bus.open()
    for number in range(3):
        await bus.publish("raw-ticks", [ticks(10, number * 10)])
    await bus.close()
    with sqlite3.connect(tmp_path / "raw-ticks.db") as connection:
        body = bytearray(connection.execute("SELECT body FROM entries WHERE first = 10").fetchone()[0])
        body[-3] ^= 0xFF
        connection.execute("UPDATE entries SET body = ? WHERE first = 10", (bytes(body),))
    connection.close()
    bus = EmbeddedBus(tmp_path)
    await bus.open()
    reader = await bus.subscribe("raw-ticks", group=None)
    assert sequences(await reader.poll()) == list(range(10))
    with pytest.raises(UnreadableRecord, match="checksum") as caught:
        await reader.poll()
    assert (caught.value.offset, caught.value.count, caught.value.data) == (10, 10, bytes(body))
    assert reader.position() == {0: 20}
    assert sequences(await reader.poll()) == list(range(20, 30))
    await reader.close()
    await bus.close()


async def test_an_unreadable_dead_letter_does_not_hide_the_others(tmp_path: Path):
    """The listing passes over it."""
    bus = EmbeddedBus(tmp_path)
    await bus.open()
    await bus.publish("dlq.raw-ticks", [(letter(1),)])
    await bus.publish("dlq.raw-ticks", [(letter(2),)])
    await bus.close()
    with sqlite3.connect(tmp_path / "dlq.raw-ticks.db") as connection:
        connection.execute("UPDATE entries SET body = x'00' WHERE first = 0")
    connection.close()
    bus = EmbeddedBus(tmp_path)
    await bus.open()
    assert await bus.read_dead_letters("raw-ticks") == [(1, letter(2))]
    await bus.close()


async def test_a_log_made_anew_is_read_from_its_beginning(tmp_path: Path):
    """Commits that counted in a deleted log count for nothing in the next one."""
    for first in (0, 1000):
        bus = EmbeddedBus(tmp_path)
        await bus.open()
        await bus.publish("raw-ticks", [ticks(10, first)])
        reader = await bus.subscribe("raw-ticks", group="analysis")
        assert sequences(await read(reader, 10)) == list(range(first, first + 10))
        await reader.commit({0: 10})
        await reader.close()
        await bus.close()
        (tmp_path / "raw-ticks.db").unlink()


async def test_a_commit_past_the_end_begins_at_the_end(bus: EmbeddedBus):
    """After a power failure the log may have lost its last records while the commit stayed: told, and gone on."""
    await bus.publish("raw-ticks", [ticks(10)])
    reader = await bus.subscribe("raw-ticks", group="analysis")
    await reader.commit({0: 500})
    await reader.close()
    before = metrics.BUS_ERRORS.labels(type="position_expired")._value.get()
    reader = await bus.subscribe("raw-ticks", group="analysis")
    assert reader.position() == {0: 10}
    assert metrics.BUS_ERRORS.labels(type="position_expired")._value.get() == before + 1
    await reader.close()


async def test_an_assignment_that_fails_leaves_no_reader_behind(bus: EmbeddedBus):
    """The group's place is free again when taking over raised."""

    class Failing:
        async def assigned(self, partitions):
            raise Unavailable("store", f"away, {partitions} cannot be taken over")

        async def revoked(self, partitions):
            pytest.fail(f"{partitions} were never assigned")

    with pytest.raises(Unavailable, match="store"):
        await bus.subscribe("raw-ticks", group="trading", assignment=Failing())
    reader = await bus.subscribe("raw-ticks", group="trading")
    await reader.close()


async def test_the_write_ahead_log_is_emptied_in_the_background(tmp_path: Path):
    """Checkpoints run beside the writer, so that the log beside the file stays small."""
    bus = EmbeddedBus(tmp_path, limits=LogLimits(checkpoint_every_bytes=100_000, wal_bytes=1_000_000))
    await bus.open()
    number, written = 0, 0
    deadline = time.monotonic() + 30
    while (smaller := (tmp_path / "raw-ticks.db-wal").stat().st_size * 2) >= written and time.monotonic() < deadline:
        await bus.publish("raw-ticks", [ticks(2000, number * 2000)])
        number += 1
        written = number * 2000 * 20
    assert smaller < written
    await bus.close()


async def test_a_poll_reads_a_bounded_piece_of_a_long_log(tmp_path: Path):
    """However much lies behind, one poll takes a few entries; the rest comes with the next ones."""
    bus = EmbeddedBus(tmp_path, recent_bytes=0, limits=LogLimits(read_bytes=50_000))
    await bus.open()
    for number in range(10):
        await bus.publish("raw-ticks", [ticks(1000, number * 1000), watermark(number)])
    reader = await bus.subscribe("raw-ticks", group=None)
    first = await reader.poll(max_records=1_000_000)
    assert 0 < len(sequences(first)) < 10_000
    assert sequences(first + await read(reader, 10_010 - first[-1].end)) == list(range(10_000))
    await reader.close()
    await bus.close()
