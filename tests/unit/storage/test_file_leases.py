"""What only leases in files have: owners that die, forked children, and the record on the disk."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from niftyflow.kit.clock import VirtualClock
from niftyflow.model import LeaseHeld, Misconfigured
from niftyflow.storage.leases import FileLeases

OWNER = """
import asyncio, pathlib, sys
from niftyflow.storage.leases import FileLeases
lease = asyncio.run(FileLeases(pathlib.Path(sys.argv[1])).acquire("account/paper-1"))
print(lease.fence, flush=True)
sys.stdin.read()
"""


async def start_owner(folder: Path) -> tuple[asyncio.subprocess.Process, int]:
    """Start a process that takes the lease; return it and its fence."""
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, str(folder), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        return owner, int(await owner.stdout.readline())


def record_in(folder: Path) -> Path:
    """Return the one record of a folder of leases."""
    (record,) = folder.glob("*.json")
    return record


async def test_the_lease_of_a_killed_owner_is_free_at_once_with_a_greater_fence(tmp_path: Path):
    """While it lives it is named; after kill -9 nothing has to be waited for or cleaned up."""
    owner, fence = await start_owner(tmp_path)
    leases = FileLeases(tmp_path)
    with pytest.raises(LeaseHeld, match=f"process {owner.pid} "):
        await leases.acquire("account/paper-1")
    owner.send_signal(signal.SIGKILL)
    await owner.communicate()
    lease = await leases.acquire("account/paper-1")
    assert lease.fence > fence


async def test_a_forked_child_does_not_keep_its_parents_lease(tmp_path: Path):
    """The child shares the open file; when the parent gives the lease back it is free while the child lives on."""
    lease = await FileLeases(tmp_path).acquire("account/paper-1")
    ready, say = os.pipe()
    listen, end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(end)
        os.write(say, b"1")
        os.read(listen, 1)
        os._exit(0)
    try:
        os.read(ready, 1)
        lease.drop()
        again = await FileLeases(tmp_path).acquire("account/paper-1")
        assert again.fence == lease.fence + 1
    finally:
        os.close(end)
        os.waitpid(child, 0)  # noqa: ASYNC222 -- it ends at once, its pipe is closed
        for descriptor in (ready, say, listen):
            os.close(descriptor)


async def test_a_holder_is_named_with_the_time_since_when(tmp_path: Path):
    """In Indian time, as an operator reads it."""
    leases = FileLeases(tmp_path / "made" / "for it", VirtualClock(1_453_866_300_000))
    await leases.acquire("account/paper-1")
    with pytest.raises(LeaseHeld, match=r"since 2016-01-27T09:15:00\+05:30"):
        await leases.acquire("account/paper-1")


async def test_a_damaged_record_stops_rather_than_start_the_fence_anew(tmp_path: Path):
    """A fence that went back would let an old owner write; the lock itself is not kept."""
    leases = FileLeases(tmp_path)
    await (await leases.acquire("account/paper-1")).release()
    record = record_in(tmp_path)
    record.write_bytes(b"\x00")
    with pytest.raises(Misconfigured, match="fence"):
        await leases.acquire("account/paper-1")
    record.write_text('{"fence": 1000}')
    assert (await leases.acquire("account/paper-1")).fence == 1001


async def test_a_half_written_record_of_a_power_cut_does_not_count(tmp_path: Path):
    """The new record replaces the old one only when it is whole."""
    leases = FileLeases(tmp_path)
    lease = await leases.acquire("account/paper-1")
    await lease.release()
    record = record_in(tmp_path)
    record.with_suffix(".new").write_bytes(b'{"fen')
    assert (await leases.acquire("account/paper-1")).fence == lease.fence + 1


async def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path):
    """One line with what to do."""
    (tmp_path / "leases").write_text("a file")
    with pytest.raises(Misconfigured, match="choose another data folder"):
        await FileLeases(tmp_path / "leases").acquire("account/paper-1")
