"""The book on one SQLite file, `book.db`: every change is one transaction, on the disk before the caller goes on.

Who may write is checked inside that transaction, so that an owner who lost the account cannot write a last order.
It decides nothing about orders or money: it takes a change whole and once, or says why not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import text

from niftyflow.storage.book_owner import taken_over
from niftyflow.storage.book_ports import Account, Changes
from niftyflow.storage.book_reading import BookReader
from niftyflow.storage.book_rows import state_text
from niftyflow.storage.book_schema import MIGRATIONS, REVISIONS, order_events, trades
from niftyflow.storage.book_statements import input_before, not_taken, why_not, written_before
from niftyflow.storage.sqlite_book_statements import ADVANCE_ACCOUNT, OWNER, STATEMENTS, TAKE_OVER, Write
from niftyflow.storage.sqlite_database import SqliteDatabase


class SqliteBookStore(BookReader):
    """`BookStore` on a SQLite file; `read_only` is for looking on while another process trades."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._database = SqliteDatabase(path, REVISIONS, migrations=MIGRATIONS, durability="FULL", read_only=read_only)
        super().__init__(self._database, order_events, trades)

    @property
    def database(self) -> SqliteDatabase:
        """The file, for the stores that share it."""
        return self._database

    async def open(self) -> None:
        """Connect, and unless read-only create the file and bring its schema up to date.

        Raises:
            Misconfigured: the folder is read-only, the disk full, the file missing (read-only), foreign, damaged or
                newer than this program; the message says what to do.
            Unavailable: another process keeps the file locked.
        """
        await self._database.open()

    async def close(self) -> None:
        """Wait for the write under way, then disconnect."""
        await self._database.close()

    async def ping(self) -> None:
        """Return when the store answers.

        Raises:
            Unavailable: it does not.
        """
        await self._database.read(lambda connection: connection.execute(text("SELECT 1 FROM alembic_version")))

    async def take_over(self, account: str, fence: int, state: Mapping[str, Any], at: int) -> Account:
        """Become the account's owner (made with `state` when it is new) and return how it stands.

        Raises:
            LeaseLost: an owner with this fence or a greater one was there.
            Unavailable: the database is away, locked or full; the owner is who it was.
        """
        return await self._database.write(
            lambda connection: taken_over(connection, TAKE_OVER, account, fence, state, at)
        )

    async def commit(self, account: str, fence: int, changes: Changes) -> None:
        """Write all of the changes in one durable transaction, or none of them.

        Raises:
            LeaseLost: another process has taken the account over; nothing was written.
            Refused: something of it was written before, belongs to another account or order, or leaves a hole in the
                inputs; nothing was written.
            Unavailable: the database is away, locked or full; nothing was written.
        """
        before = input_before(account, changes)
        advance = (
            None if changes.account is None else state_text(changes.account),
            changes.time, len(changes.inputs), account, fence, before is None, before,
        )  # fmt: skip
        writes = STATEMENTS.writes_of(account, fence, changes)

        def write(cursor: sqlite3.Cursor) -> None:
            if cursor.execute(ADVANCE_ACCOUNT, advance).rowcount == 0:
                refused = why_not(account, fence, before, cursor.execute(OWNER, (account,)).fetchone())
                raise refused or AssertionError(f"{account} took no step forward, and nothing forbids it")
            for each in writes:
                _run(cursor, each)

        await self._database.write_at_once(write)


def _run(cursor: sqlite3.Cursor, write: Write) -> None:
    try:
        taken = cursor.executemany(write.text, write.rows).rowcount
    except sqlite3.IntegrityError as error:
        raise written_before(write.name, error) from error
    if taken != len(write.rows):
        raise not_taken(write.name)
