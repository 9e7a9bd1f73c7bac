"""Dead letters: to their topic, to the disk while the bus is away, and from there to the topic; none is ever lost."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys

import msgspec
import pytest
from prometheus_client import REGISTRY

from niftyflow.kit.dead_letters import FILE, DeadLetters
from niftyflow.model import DeadLetter, Unavailable
from support.stages import MemoryBus
from support.waiting import until

DIES_WHILE_WRITING = """
import asyncio, os, signal, sys
from pathlib import Path
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.model import DeadLetter, Unavailable

class Away:
    async def publish(self, topic, bodies):
        raise Unavailable("bus", "gone")

async def main():
    letters = DeadLetters(Away(), Path(sys.argv[1]))
    for offset in range(3):
        await letters.put([DeadLetter(topic="lines", partition=0, offset=offset, key="", record="{}", error="no",
                                      stage="test", at=1)])
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def letter(offset: int, topic: str = "lines") -> DeadLetter:
    """Return a dead letter."""
    return DeadLetter(
        topic=topic, partition=0, offset=offset, key="K", record='{"text":"ü\\n"}', error="no", stage="test", at=1
    )


@pytest.fixture
def bus() -> MemoryBus:
    """A bus that works until told otherwise."""
    return MemoryBus()


@pytest.fixture
def letters(bus, tmp_path) -> DeadLetters:
    """Dead letters over it, with a folder of the test's own."""
    return DeadLetters(bus, tmp_path)


async def test_letters_go_to_the_topic_of_their_records(bus, letters, tmp_path):
    """One topic of letters for each topic of records; no file is made."""
    before = REGISTRY.get_sample_value("dlq_published_total", {"topic": "others"}) or 0
    await letters.put([letter(1), letter(2, "others"), letter(3), letter(4, "others")])
    assert bus.bodies["dlq.lines"] == [(letter(1), letter(3))]
    assert bus.bodies["dlq.others"] == [(letter(2, "others"), letter(4, "others"))]
    assert REGISTRY.get_sample_value("dlq_published_total", {"topic": "others"}) == before + 2
    assert not (tmp_path / FILE).exists()


async def test_no_letters_do_nothing(bus, letters):
    """Most batches have none."""
    await letters.put([])
    assert bus.happened == []


async def test_letters_wait_on_the_disk_and_follow_the_next_that_goes_through(bus, letters, tmp_path):
    """Every one arrives once, and the file is empty then."""
    bus.away["letters"] = 2
    await letters.put([letter(1)])
    await letters.put([letter(2), letter(3)])
    assert bus.letters == []
    assert len((tmp_path / FILE).read_bytes().splitlines()) == 3
    await letters.put([letter(4)])
    assert sorted(each.offset for each in bus.letters) == [1, 2, 3, 4]
    assert (tmp_path / FILE).read_bytes() == b""
    assert await letters.drain() == 0


async def test_a_drain_while_the_bus_is_still_away_leaves_everything(bus, letters):
    """It says that it sent none, and sends all later."""
    bus.away["letters"] = 2
    await letters.put([letter(1)])
    assert await letters.drain() == 0
    assert await letters.drain() == 1
    assert bus.letters == [letter(1)]


async def test_a_new_process_sends_what_the_last_one_left(bus, letters, tmp_path):
    """Letters outlive the process that put them."""
    bus.away["letters"] = 1
    await letters.put([letter(1)])
    assert await DeadLetters(bus, tmp_path).drain() == 1
    assert bus.letters == [letter(1)]


def test_a_letter_that_was_put_survives_a_kill(tmp_path):
    """It was on the disk before `put` returned."""
    died = subprocess.run([sys.executable, "-c", DIES_WHILE_WRITING, str(tmp_path)], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    stored = [msgspec.json.decode(line, type=DeadLetter) for line in (tmp_path / FILE).read_bytes().splitlines()]
    assert [each.offset for each in stored] == [0, 1, 2]


async def test_half_a_letter_at_the_end_of_the_file_harms_no_other(bus, letters, tmp_path):
    """A process that died while writing will put its letter again; those before and after are whole."""
    bus.away["letters"] = 2
    await letters.put([letter(1)])
    with (tmp_path / FILE).open("ab") as file:
        file.write(msgspec.json.encode(letter(2))[:30])
    await letters.put([letter(3)])
    assert await letters.drain() == 2
    assert [each.offset for each in bus.letters] == [1, 3]


async def test_letters_put_while_others_are_sent_are_not_swept_away(bus, tmp_path):
    """A slow drain and a put of the same process do not touch the file at once."""
    bus.away["letters"] = 1
    slow = SlowBus(bus)
    letters = DeadLetters(slow, tmp_path)
    await letters.put([letter(1)])
    draining = asyncio.create_task(letters.drain())
    await slow.is_asked.wait()
    bus.away["letters"] = 1
    putting = asyncio.create_task(letters.put([letter(2)]))
    await until(lambda: not bus.away["letters"])
    slow.may_go.set()
    assert await draining == 1
    await putting
    assert [each.offset for each in bus.letters] == [1]
    assert await letters.drain() == 1
    assert [each.offset for each in bus.letters] == [1, 2]


async def test_two_drains_at_once_send_each_letter_once(bus, letters):
    """Ingestion and processing share the file."""
    bus.away["letters"] = 1
    await letters.put([letter(1)])
    assert sorted(await asyncio.gather(letters.drain(), letters.drain())) == [0, 1]
    assert bus.letters == [letter(1)]


async def test_a_file_that_another_process_sends_is_left_to_it(bus, letters, tmp_path):
    """Nothing is sent twice by two processes of one workspace."""
    bus.away["letters"] = 1
    await letters.put([letter(1)])
    with (tmp_path / FILE).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert await letters.drain() == 0
    assert await letters.drain() == 1


async def test_when_neither_bus_nor_disk_takes_a_letter_that_is_an_error_of_the_world(bus, tmp_path):
    """The stage waits with its letter; the message names the file."""
    letters = DeadLetters(bus, tmp_path / "nowhere")
    bus.away["letters"] = 1
    with pytest.raises(Unavailable, match=FILE):
        await letters.put([letter(1)])
    assert bus.letters == []


async def test_the_file_is_synced_before_put_returns(bus, letters, monkeypatch):
    """Power may go at any moment."""
    synced: list[int] = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (synced.append(number), sync(number)))
    bus.away["letters"] = 1
    await letters.put([letter(1)])
    assert len(synced) >= 1


class SlowBus:
    """Publishing waits, from the second call on, until the test lets it go."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus
        self.calls = 0
        self.is_asked = asyncio.Event()
        self.may_go = asyncio.Event()

    async def publish(self, topic, bodies):
        """Pass on, in its own time; the third call at once."""
        self.calls += 1
        if self.calls == 2:
            self.is_asked.set()
            await self.may_go.wait()
        await self._bus.publish(topic, bodies)
