"""The watcher of a topic's file: what others append is found, what we append costs no question."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from niftyflow.bus.embedded_watch import Watcher
from niftyflow.model import Unavailable

pytestmark = pytest.mark.usefixtures("stops")


class File:
    """A write-ahead log on the disk, the end it holds, and what this process knows of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "topic.db"
        self.wal = folder / "topic.db-wal"
        self.end = 0
        self.known = 0
        self.questions = 0
        self.told: list[int] = []
        self.failures = 0
        self.watcher = Watcher(self.path, lambda: self.known, self.ask, self.tell)

    def append(self, count: int) -> None:
        """Append as another process does."""
        self.end += count
        with self.wal.open("ab") as out:
            out.write(b"." * count)

    def append_unseen(self, count: int) -> None:
        """Append so that neither size nor time of the file tell it: within one tick of its clock."""
        before = self.wal.stat()
        self.end += count
        os.utime(self.wal, ns=(before.st_atime_ns, before.st_mtime_ns))

    def append_own(self, count: int) -> None:
        """Append as this process does: its commit tells the end."""
        self.append(count)
        self.known = self.end

    def ask(self) -> asyncio.Future[int]:
        """Answer what the end is."""
        self.questions += 1
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self.failures:
            self.failures -= 1
            answer.set_exception(Unavailable("log topic", "the disk"))
        else:
            answer.set_result(self.end)
        return answer

    def tell(self, end: int) -> None:
        """Take note."""
        self.known = end
        self.told.append(end)


@pytest.fixture
def file(tmp_path: Path) -> File:
    """Return a file that nothing was appended to."""
    return File(tmp_path)


@pytest.fixture
async def stops(file: File):
    """Stop looking at the end."""
    yield
    file.watcher.stop()


async def until_known(file: File, end: int) -> None:
    """Wait until the end is known."""
    async with asyncio.timeout(60):
        while file.known != end:  # noqa: ASYNC110 - a plain look
            await asyncio.sleep(0.005)


async def test_what_another_process_appends_is_told(file: File):
    """Once for each time it grows."""
    file.watcher.start()
    for count in (3, 4, 5):
        file.append(count)
        await until_known(file, file.end)
    assert file.told == [3, 7, 12]


async def test_an_append_that_shows_in_nothing_is_told_with_the_one_before(file: File):
    """Two commits within a tick of the file's clock look like one; the end is asked for once more."""
    file.watcher.start()
    file.append(3)
    await until_known(file, 3)
    file.append_unseen(4)
    await until_known(file, 7)
    assert file.told == [3, 7]


async def test_a_file_that_nobody_touches_is_asked_for_nothing(file: File):
    """After the first look, silence costs no question."""
    file.watcher.start()
    await asyncio.sleep(0.2)
    before = file.questions
    await asyncio.sleep(0.2)
    assert file.questions == before


async def test_own_appends_cost_no_question_while_they_go_on(file: File):
    """A commit of this process says where the end is, past what others appended before it."""
    file.watcher.start()
    await asyncio.sleep(0.2)
    before = file.questions
    for _ in range(200):
        file.append_own(1)
        await asyncio.sleep(0.001)
    assert file.questions <= before + 20  # the loop may be held up between two of them
    assert file.told == []


async def test_a_question_that_fails_is_asked_again(file: File):
    """What was appended is told as soon as the disk answers."""
    file.failures = 2
    file.watcher.start()
    file.append(3)
    await until_known(file, 3)
    assert file.questions >= 3


async def test_nothing_is_told_after_the_stop(file: File):
    """Not even what was appended before it."""
    file.watcher.start()
    await asyncio.sleep(0.1)
    file.append(3)
    file.watcher.stop()
    await asyncio.sleep(0.1)
    assert file.told == []
