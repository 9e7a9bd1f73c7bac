"""What a workspace decided, as rows to compare: everything but what the wall clock had a part in."""

from __future__ import annotations

import sqlite3
from pathlib import Path

BOOK = (
    "order_intents", "orders", "order_events", "trades", "positions", "position_events", "strategies", "trading_inputs"
)  # fmt: skip
MARKET = ("signals", "predictions", "candles_1m")
OF_THE_RUN = {"fence"}
"""Columns that differ from owner to owner."""


def decided(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of every table that a replay fills."""
    return _rows(folder / "book.db", BOOK) | _rows(folder / "market.db", MARKET)


def _rows(file: Path, tables: tuple[str, ...]) -> dict[str, list[tuple[object, ...]]]:
    connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    try:
        found = {}
        for table in tables:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] not in OF_THE_RUN]
            named = ", ".join(f'"{column}"' for column in columns)
            found[table] = sorted(connection.execute(f"SELECT {named} FROM {table}").fetchall(), key=repr)
        return found
    finally:
        connection.close()
