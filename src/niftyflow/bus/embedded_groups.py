"""What a consumer group has committed, in a small SQLite file of its own, and the lock of its one member.

It is a file apart from the logs, so that a reader stopped in the middle of a commit can never hold up a publisher. A
commit names the log it counts in: when a log was made anew, old commits count for nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from niftyflow.model import InvalidValue, LeaseHeld, Misconfigured, Unavailable

_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_BUSY_SECONDS: Final = 5.0
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS offsets (topic TEXT PRIMARY KEY, log TEXT NOT NULL, next INTEGER NOT NULL)"


class GroupMember:
    """The one member of a group that reads a topic, from `open` until it closes or its process ends."""

    def __init__(self, folder: Path, group: str, topic: str, log: str) -> None:
        """Take the member's place and open the group's commits. `log` is the identity of the topic's log.

        Raises:
            InvalidValue: the group's name cannot be a file's name.
            LeaseHeld: another member, in this process or another, reads this topic.
            Misconfigured: the folder cannot be written, or the file is not ours.
        """
        if not _NAME.fullmatch(group):
            raise InvalidValue("group", group, "use letters, digits, dots, dashes and underscores")
        self.group = group
        self._topic = topic
        self._log = log
        self._service = f"group {group}"
        self._calls = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._place = _take_place(folder / f"{group}.{topic}.lock", f"group {group} of {topic}")
        except OSError as error:
            raise Misconfigured(f"cannot write in {folder} ({error.strerror}): make it writable") from error
        try:
            self._connection = _connect(folder / f"{group}.db")
        except sqlite3.Error as error:
            os.close(self._place)
            raise Misconfigured(
                f"cannot open {folder / group}.db ({error}): move it away; the group then reads from the beginning"
            ) from error

    def committed(self) -> int | None:
        """Return the committed offset, or None when there is none for this log.

        Raises:
            Unavailable: the disk.
        """
        with self._guard():
            row = self._connection.execute(
                "SELECT next FROM offsets WHERE topic = ? AND log = ?", (self._topic, self._log)
            ).fetchone()
        return int(row[0]) if row else None

    def commit(self, offset: int) -> None:
        """Store the offset of the next record to read.

        Raises:
            Unavailable: the disk.
        """
        with self._guard():
            self._connection.execute(
                "INSERT INTO offsets VALUES (?, ?, ?)"
                " ON CONFLICT (topic) DO UPDATE SET log = excluded.log, next = excluded.next",
                (self._topic, self._log, offset),
            )

    def close(self) -> None:
        """Leave the member's place to another."""
        with self._calls:
            self._connection.close()
            os.close(self._place)

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        with self._calls:
            try:
                yield
            except sqlite3.Error as error:
                raise Unavailable(self._service, str(error)) from error


def committed_by(folder: Path, group: str, topic: str, log: str) -> int | None:
    """Return the offset that a group has committed, without becoming its member; None when there is none.

    Raises:
        Unavailable: the disk.
    """
    path = folder / f"{group}.db"
    if not path.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as file:
            row = file.execute("SELECT next FROM offsets WHERE topic = ? AND log = ?", (topic, log)).fetchone()
    except sqlite3.Error as error:
        raise Unavailable(f"group {group}", str(error)) from error
    return int(row[0]) if row else None


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _take_place(path: Path, name: str) -> int:
    """Lock a file for as long as its descriptor lives; the kernel lets go of it when a process is killed."""
    place = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(place, 64).decode("ascii", "replace").strip() or "unknown"
        os.close(place)
        raise LeaseHeld(name, f"process {holder}") from None
    os.ftruncate(place, 0)
    os.pwrite(place, str(os.getpid()).encode(), 0)
    return place
