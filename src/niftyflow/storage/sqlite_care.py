"""Brings the SQLite files of a workspace up to date, and looks whether they are: one line a file.

Looking changes nothing. It stores no candle and no order.
"""

from __future__ import annotations

from pathlib import Path

from niftyflow.model import Misconfigured
from niftyflow.storage.look import Look
from niftyflow.storage.sqlite_book import SqliteBookStore
from niftyflow.storage.sqlite_database import SqliteDatabase
from niftyflow.storage.sqlite_market import SqliteMarketStore


async def upgrade(market: Path, book: Path) -> list[Look]:
    """Bring both files up to date; those that are not there are made.

    Raises:
        Misconfigured: a file is foreign, damaged, newer than this program or cannot be written; the message says what
            to do.
        Unavailable: another process keeps a file locked.
    """
    return [await _upgraded(name, database) for name, database in _files(market, book, read_only=False)]


async def check(market: Path, book: Path) -> list[Look]:
    """Look at both files; one that is not there yet is well.

    Raises:
        Unavailable: another process keeps a file locked.
    """
    return [await _looked_at(name, database) for name, database in _files(market, book, read_only=True)]


def _files(market: Path, book: Path, *, read_only: bool) -> list[tuple[str, SqliteDatabase]]:
    return [
        ("market database", SqliteMarketStore(market, read_only=read_only).database),
        ("book", SqliteBookStore(book, read_only=read_only).database),
    ]


async def _upgraded(name: str, database: SqliteDatabase) -> Look:
    await database.open()
    await database.close()
    return Look(name, "ok", f"{database.path} is up to date")


async def _looked_at(name: str, database: SqliteDatabase) -> Look:
    if not database.path.exists():
        return Look(name, "ok", f"{database.path} is not there yet: made at the first start")
    try:
        await database.open()
    except Misconfigured as error:
        return Look(name, "fail", str(error))
    await database.close()
    return Look(name, "ok", f"{database.path} is up to date")
