"""Leases between processes of one machine: a lock of the kernel's per name, and beside it a fence that only grows.

The kernel frees the lock when its owner dies, also by `kill -9`; no timer, no heartbeat. It does not reach over a
network file system: a cluster keeps its leases in the book database.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import socket
from pathlib import Path
from urllib.parse import quote
from weakref import WeakSet

import msgspec

from niftyflow.kit.clock import Clock, WallClock, to_ist
from niftyflow.model import LeaseHeld, Misconfigured

LONGEST_NAME = 150
"""Encoded names beyond this are shortened to a hash: file names end at 255 bytes."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says of a lease: its last fence, and its owner unless it was given back."""

    fence: int = 0
    pid: int | None = None
    host: str = ""
    since: str = ""

    def __str__(self) -> str:
        if self.pid is None:
            return "a process that takes it at this moment"
        return f"process {self.pid} on {self.host} since {self.since}"


class FileLease:
    """A lease that is held; its `fence` is greater than that of every owner before."""

    is_taken = False
    """The kernel takes it from nobody who lives."""

    def __init__(self, name: str, fence: int, lock: int, record_path: Path) -> None:
        self.name = name
        self.fence = fence
        self._lock: int | None = lock
        self._record_path = record_path
        _held.add(self)

    @property
    def is_held(self) -> bool:
        """Whether it is ours: False once it was given back, or in a forked child."""
        return self._lock is not None

    async def lost(self) -> None:
        """Wait for ever: the kernel takes it from nobody who lives."""
        await asyncio.Event().wait()

    async def release(self) -> None:
        """Give it back; a second time does nothing."""
        if self._lock is not None:
            with contextlib.suppress(OSError):  # the fence is kept already; only the owner's name would stay
                _write(self._record_path, Record(fence=self.fence))
            self.drop()

    def drop(self) -> None:
        """Close the lock's file without a word about it."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


class FileLeases:
    """`Leases` in a folder on a local disk, made when it is not there."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self._folder = folder
        self._clock = clock or WallClock()

    async def acquire(self, name: str) -> FileLease:
        """Take a lease at once. It waits for nothing but the disk, some ms, so it does without a thread.

        Raises:
            LeaseHeld: naming who holds it.
            Misconfigured: the folder cannot be written, or the lease's record is damaged.
        """
        stem = _file_name(name)
        record_path = self._folder / f"{stem}.json"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._folder / f"{stem}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fence = _read(record_path).fence + 1
            since = to_ist(self._clock.now()).isoformat(timespec="seconds")
            _write(record_path, Record(fence=fence, pid=os.getpid(), host=socket.gethostname(), since=since))
        except BlockingIOError as error:
            os.close(lock)
            raise LeaseHeld(name, str(_read(record_path))) from error
        except OSError as error:
            os.close(lock)
            raise self._unusable(error) from error
        except Misconfigured:
            os.close(lock)
            raise
        return FileLease(name, fence, lock, record_path)

    def _unusable(self, error: OSError) -> Misconfigured:
        return Misconfigured(
            f"leases cannot be kept in {self._folder} ({error.strerror}): "
            "make it a folder writable for this user, free space on its disk, or choose another data folder"
        )


def _file_name(name: str) -> str:
    encoded = quote(name, safe="")
    if len(encoded) <= LONGEST_NAME:
        return f"lease-{encoded}"
    return f"lease-{encoded[:LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()}"


def _read(path: Path) -> Record:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except FileNotFoundError:
        return Record()
    except msgspec.MsgspecError as error:
        raise Misconfigured(
            f"{path} is damaged ({error}), so the last fence is not known: "
            "write one greater than every fence in use, as in " + '{"fence": 1000}'
        ) from error


def _write(path: Path, record: Record) -> None:
    """Replace the record; after a power cut it is the old one or the new one, never a part."""
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(msgspec.json.encode(record))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


_held: WeakSet[FileLease] = WeakSet()


def _drop_all() -> None:
    for lease in list(_held):
        lease.drop()


# A forked child shares the lock: without this it would keep the lease of an owner that is dead.
os.register_at_fork(after_in_child=_drop_all)
