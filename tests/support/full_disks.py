"""Disks that end early, for SQLite files."""

from __future__ import annotations

import pytest

from niftyflow.storage.sqlite_database import SqliteDatabase


def allow_pages(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have SQLite files opened from now on grow to a number of pages only: their own bound stands in for a disk's."""
    asked = SqliteDatabase._pragmas

    def few_pages(database: SqliteDatabase, *, writes: bool) -> list[str]:
        return [*asked(database, writes=writes), *([f"PRAGMA max_page_count = {count}"] if writes else [])]

    monkeypatch.setattr(SqliteDatabase, "_pragmas", few_pages)
