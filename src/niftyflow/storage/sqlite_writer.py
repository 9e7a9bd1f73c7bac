"""Commits that an order waits for: one connection on one thread, from BEGIN to COMMIT without leaving it.

Two changes of threads in all, the driver's own statements, and the log copied into the file (a checkpoint, which takes
as long as a commit or two) once its caller has the answer. It knows no table and translates no error.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from niftyflow.kit.log import get_logger

T = TypeVar("T")

log = get_logger(__name__)

CHECKPOINT_COMMITS = 256


class SqliteWriter:
    """A thread with a connection, opened at its first transaction and again after one that failed."""

    def __init__(self, path: Path, pragmas: Sequence[str], busy_timeout_seconds: float) -> None:
        self._path = path
        self._pragmas = pragmas
        self._busy_timeout_seconds = busy_timeout_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=path.name)
        self._connection: sqlite3.Connection | None = None
        self._commits = 0

    def write(self, work: Callable[[sqlite3.Cursor], T]) -> asyncio.Future[T]:
        """Run `work` in a transaction of its own and commit it; whatever it raises undoes it.

        Raises:
            sqlite3.Error: the file is locked, full or failing; nothing was changed.
        """
        return asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    async def close(self) -> None:
        """Finish what was given, then disconnect."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown()

    def _transact(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        connection = self._connection or self._connect()
        self._connection = None  # unless all goes well
        with ExitStack() as unless_it_commits:
            unless_it_commits.callback(connection.close)
            unless_it_commits.callback(connection.rollback)  # now: closed with a statement open, it would keep its lock
            cursor = connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            result = work(cursor)
            cursor.execute("COMMIT")
            unless_it_commits.pop_all()
        self._connection = connection
        self._commits += 1
        if self._commits % CHECKPOINT_COMMITS == 0:
            self._thread.submit(self._checkpoint)
        return result

    def _checkpoint(self) -> None:
        """Copy the log into the file; what a reader still needs, and what fails, is left to the next one."""
        if self._connection is None:
            return
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            log.warning("checkpoint_failed", path=str(self._path), error=str(error))

    def _connect(self) -> sqlite3.Connection:
        with ExitStack() as unless_it_opens:
            connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=rw",
                uri=True,
                isolation_level=None,
                timeout=self._busy_timeout_seconds,
            )
            unless_it_opens.callback(connection.close)
            for pragma in self._pragmas:
                connection.execute(pragma)
            unless_it_opens.pop_all()
        return connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
