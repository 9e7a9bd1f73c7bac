"""A log that cannot be had stops the start, and the message says what to do."""

import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.model import Misconfigured


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EmbeddedBus]:
    """An open log of the test's own."""
    bus = EmbeddedBus(tmp_path)
    await bus.open()
    yield bus
    await bus.close()


@pytest.mark.parametrize("content", [b"this is no database" * 100, "another program's database"])
async def test_a_file_that_is_not_ours_stops_the_start(tmp_path: Path, content: bytes | str):
    """The message names the file and says what to do; the file is left as it was."""
    path = tmp_path / "raw-ticks.db"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE theirs (x)")
        connection.close()
    bus = EmbeddedBus(tmp_path)
    with pytest.raises(Misconfigured, match=r"raw-ticks\.db.* move (it|the file) away"):
        await bus.open()
    assert path.exists()


async def test_a_folder_that_cannot_be_made_stops_the_start(tmp_path: Path):
    """A file where the folder should be gives one line that says what to do."""
    (tmp_path / "log").write_text("")
    with pytest.raises(Misconfigured, match="set another"):
        await EmbeddedBus(tmp_path / "log").open()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write in any folder")
async def test_a_read_only_folder_stops_the_start(tmp_path: Path):
    """The message says to make it writable."""
    os.chmod(tmp_path, 0o500)  # noqa: PTH101 - pathlib would block by the linter's rule, and so does this
    with pytest.raises(Misconfigured, match="writable"):
        await EmbeddedBus(tmp_path).open()


async def test_a_groups_file_that_is_not_ours_is_named(bus: EmbeddedBus, tmp_path: Path):
    """The message says what moving it away would mean; the place is not kept."""
    groups = tmp_path / "groups"
    groups.mkdir()
    (groups / "trading.db").write_bytes(b"no database" * 200)
    with pytest.raises(Misconfigured, match=r"trading\.db.*reads from the beginning"):
        await bus.subscribe("raw-ticks", group="trading")
    (groups / "trading.db").unlink()
    reader = await bus.subscribe("raw-ticks", group="trading")
    await reader.close()
