"""One topic's log as one SQLite file: append, read, expire, checkpoint. Plain blocking calls, one caller a connection.

Offsets are given inside the write transaction, so that two processes never give the same one; a transaction holds
whole entries, so that a process killed at any point leaves whole ones. It holds no thread and knows no event loop.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from niftyflow.bus.codec import EntryKind
from niftyflow.model import Misconfigured, Unavailable

PAGE_BYTES: Final = 8192
FORMAT: Final = 1
LAST_OFFSET: Final = 2**63 - 1
BUSY_MS: Final = 5_000
WAL_KEPT_BYTES: Final = 64 * 1024**2
EXPIRE_ENTRIES: Final = 128
EXPIRE_BYTES: Final = 4 * 1024**2
VACUUM_PAGES: Final = 256

_SCHEMA: Final = """
CREATE TABLE entries (
    first INTEGER PRIMARY KEY, rows INTEGER NOT NULL, kind INTEGER NOT NULL, at_ms INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX watermarks ON entries (first) WHERE kind = 1;
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Entry(NamedTuple):
    """One stored body: the offset of its first record, how many it holds, and its bytes."""

    first: int
    rows: int
    kind: int
    body: bytes


class LogLimits(NamedTuple):
    """How much a log reads at once, and how it is kept small."""

    read_bytes: int = 16 * 1024**2
    """Of stored entries in one poll: keeps read transactions short and memory bounded."""
    expire_every_seconds: float = 5.0
    checkpoint_every_bytes: int = 2 * 1024**2
    wal_bytes: int = 64 * 1024**2
    """Of the write-ahead log: past it the writer itself makes a checkpoint."""
    free_pages: int = 2_048
    """Kept in the file for the next entries."""


USUAL_LIMITS: Final = LogLimits()


class NewEntry(NamedTuple):
    """An encoded body on its way into the log."""

    rows: int
    kind: EntryKind
    body: bytes


class LogFile:
    """The file of one topic, opened for writing, or for reading only."""

    def __init__(self, path: Path, *, is_writer: bool, limits: LogLimits = USUAL_LIMITS) -> None:
        """Open the file, making it when a writer finds none.

        Raises:
            Misconfigured: the folder cannot be written, or the file is no log of ours.
        """
        self.path = path
        self._limits = limits
        self.service = f"log {path.name}"
        try:
            self._connection = _connect(path, is_writer=is_writer)
        except sqlite3.Error as error:
            raise Misconfigured(_advice(path, error)) from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def append(self, entries: Sequence[NewEntry], at_ms: int) -> list[int]:
        """Append entries in one transaction; return the first offset of each, durable.

        Raises:
            Unavailable: the disk is full, broken, or another writer does not let go; nothing was appended.
        """
        with self._transaction() as connection:
            at = self._end()
            offsets, rows = [], []
            for entry in entries:
                offsets.append(at)
                rows.append((at, entry.rows, int(entry.kind), at_ms, entry.body))
                at += entry.rows
            connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", rows)
        return offsets

    def end(self) -> int:
        """Return the offset of the next record."""
        with self._guard():
            return self._end()

    def oldest(self) -> int:
        """Return the offset of the oldest record kept, or the end when there is none."""
        with self._guard():
            row = self._connection.execute("SELECT min(first) FROM entries").fetchone()
            return int(row[0]) if row[0] is not None else self._end()

    def identity(self) -> str:
        """Return the name this log was given when it was made: a log made anew has another."""
        with self._guard():
            return str(self._connection.execute("SELECT value FROM about WHERE name = 'log'").fetchone()[0])

    def read(self, position: int, max_records: int, max_bytes: int) -> list[Entry]:
        """Return whole entries from the one that holds `position` on: at least one, if there is one."""
        entries: list[Entry] = []
        records = size = 0
        with self._guard():
            begin = self._connection.execute("SELECT max(first) FROM entries WHERE first <= ?", (position,)).fetchone()[
                0
            ]
            cursor = self._connection.execute(
                "SELECT first, rows, kind, body FROM entries WHERE first >= ? ORDER BY first",
                (position if begin is None else begin,),
            )
            with contextlib.closing(cursor):
                for row in map(Entry._make, cursor):
                    if row.first + row.rows <= position:
                        continue
                    records += row.first + row.rows - max(row.first, position)
                    size += len(row.body)
                    if entries and (records > max_records or size > max_bytes):
                        break
                    entries.append(row)
        return entries

    def last_watermark(self, before: int | None = None) -> Entry | None:
        """Return the newest control entry, or the newest one before an offset."""
        with self._guard():
            row = self._connection.execute(
                "SELECT first, rows, kind, body FROM entries WHERE kind = 1 AND first < ? ORDER BY first DESC LIMIT 1",
                (LAST_OFFSET if before is None else before,),
            ).fetchone()
        return None if row is None else Entry._make(row)

    def expire(self, retention_ms: int, retention_bytes: int) -> bool:
        """Delete a few of the entries that need not be kept; return whether there may be more.

        The age of an entry counts from the newest one's time. The newest entry always stays: offsets go on from it.

        Raises:
            Unavailable: the disk or another writer; nothing was deleted.
        """
        with self._transaction() as connection:
            doomed = self._doomed(retention_ms, retention_bytes)
            if doomed is not None:
                connection.execute("DELETE FROM entries WHERE first < ?", (doomed,))
        with self._guard():
            is_slack = self._give_back_pages()
        return doomed is not None or is_slack

    def checkpoint(self) -> int:
        """Move what it can from the write-ahead log into the file, waiting for nobody; return how long that log was.

        The log begins anew with the first write that finds all of it moved.
        """
        with self._guard():
            _, pages, _ = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return int(pages) * PAGE_BYTES

    def _doomed(self, retention_ms: int, retention_bytes: int) -> int | None:
        """Return the offset before which a small piece can go, or None."""
        read = self._connection.execute
        newest = read("SELECT first, at_ms FROM entries ORDER BY first DESC LIMIT 1").fetchone()
        if newest is None:
            return None
        over = self._used_bytes() - retention_bytes if retention_bytes >= 0 else 0
        cut: int | None = None
        size = 0
        rows = read(
            "SELECT first, rows, at_ms, length(body) FROM entries ORDER BY first LIMIT ?", (EXPIRE_ENTRIES,)
        ).fetchall()
        for first, rows_there, at_ms, body_bytes in rows:
            is_old = at_ms < newest[1] - retention_ms
            if first == newest[0] or size >= EXPIRE_BYTES or not (is_old or size < over):
                break
            size += body_bytes
            cut = first + rows_there
        return cut

    def _used_bytes(self) -> int:
        pages = self._connection.execute("PRAGMA page_count").fetchone()[0]
        return int(pages - self._free_pages()) * PAGE_BYTES

    def _free_pages(self) -> int:
        return int(self._connection.execute("PRAGMA freelist_count").fetchone()[0])

    def _give_back_pages(self) -> bool:
        """Shrink the file a little when much of it is free; what stays free is written again by the next entries."""
        free = self._free_pages()
        used = self._used_bytes() // PAGE_BYTES
        spare = free - max(self._limits.free_pages, used // 4)
        if spare <= 0:
            return False
        # As a script: `execute` takes one step of a statement without columns, and a step frees one page.
        self._connection.executescript(f"PRAGMA incremental_vacuum({min(spare, VACUUM_PAGES)})")
        return spare > VACUUM_PAGES

    def _end(self) -> int:
        row = self._connection.execute("SELECT first + rows FROM entries ORDER BY first DESC LIMIT 1").fetchone()
        return int(row[0]) if row else 0

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise Unavailable(self.service, str(error)) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guard():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")


def _connect(path: Path, *, is_writer: bool) -> sqlite3.Connection:
    mode = "rwc" if is_writer else "ro"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=BUSY_MS / 1000,
        check_same_thread=False,
    )
    try:
        if is_writer:
            _prepare(connection)
        found = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error:
        connection.close()
        raise
    if found != FORMAT:
        connection.close()
        raise Misconfigured(f"{path} has format {found}, this version reads {FORMAT}: move the file away, or upgrade")
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Set up a writer; the pragmas before the first table decide the file's form."""
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
    connection.execute("BEGIN IMMEDIATE")
    try:
        is_empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if is_empty and connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in _SCHEMA.split(";\n"):
                connection.execute(statement)
            connection.execute("INSERT INTO about VALUES ('log', ?)", (secrets.token_hex(8),))
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _advice(path: Path, error: sqlite3.Error) -> str:
    reason = str(error)
    if "not a database" in reason or "malformed" in reason:
        return f"{path} is not a log of niftyflow ({reason}): move it away and start again"
    if "full" in reason:
        return f"cannot open the log {path} ({reason}): free some space on that disk"
    return f"cannot open the log {path} ({reason}): make its folder writable, or set another data folder"
