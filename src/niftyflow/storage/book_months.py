"""Months of the book on PostgreSQL: the partitions of `order_events` and `trades`, made before they are needed.

Decision. Both tables grow for ever, so each lies in a partition for every month: old months can be archived or dropped
without touching new ones, and indexes of the current month stay small.

- An event or fill lies in the month (Indian time) in which its **order was decided**, and not in its own. PostgreSQL
  keeps keys unique only within a partition unless they contain what parts the table. The decision's time is a function
  of the order's id, which is unique and never changes; so `(client_order_id, sequence, decided_at)` says no less than
  `(client_order_id, sequence)`: what was written before is refused by the table itself, in whatever month it comes
  again. It is copied from the intent by the insert, so no caller can give another one. And a month that is dropped
  takes whole orders with it, never half of one.
- There is **no default partition**. It would take a row of a month that nobody made without a word, and then stand in
  the way: making the month would fail until the rows were moved by hand. Without one, such an insert fails, the book
  makes the month and writes again.
- Months are made by `LIKE` and `ATTACH`, which let commits go on; `PARTITION OF` would stop them all. An advisory lock
  lets one process make a month while others wait and then find it. `open` makes this month and `AHEAD` more.

Alternatives. By the event's own time, with a table of all keys beside it: every key written twice. By hash: nothing
can be dropped. `tests/integration/storage/test_postgres_book_months.py` keeps this. It drops nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.kit.clock import IST, to_ist
from niftyflow.kit.log import get_logger
from niftyflow.model import Misconfigured
from niftyflow.storage.book_schema import order_events_by_month, trades_by_month

log = get_logger(__name__)

TABLES = (order_events_by_month.name, trades_by_month.name)
AHEAD = 3

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('niftyflow.book_months', 0))")
_FOUND = text(
    "SELECT relname, relispartition FROM pg_class WHERE relname = ANY(:names) AND pg_table_is_visible(oid)"
).bindparams(bindparam("names", type_=ARRAY(TEXT)))


class Month(NamedTuple):
    """A calendar month of Indian time."""

    year: int
    number: int

    @property
    def since(self) -> int:
        """Return its beginning, ms UTC."""
        return int(datetime(self.year, self.number, 1, tzinfo=IST).timestamp()) * 1000

    @property
    def next(self) -> Month:
        """Return the month after it."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    def partition_of(self, table: str) -> str:
        """Return the name of a table's partition."""
        return f"{table}_{self.year:04}_{self.number:02}"


def month_of(time: int) -> Month:
    """Return the month in which a time (ms UTC) lies in India."""
    day = to_ist(time)
    return Month(day.year, day.month)


def months_from(time: int, ahead: int = AHEAD) -> list[Month]:
    """Return the month of a time (ms UTC) and those that follow."""
    months = [month_of(time)]
    for _ in range(ahead):
        months.append(months[-1].next)
    return months


async def missing_months(connection: AsyncConnection, months: Iterable[Month]) -> list[Month]:
    """Return those of the months that have not all of their partitions.

    Raises:
        Misconfigured: a table has the name of a partition and is none.
    """
    named = {month.partition_of(table): month for month in months for table in TABLES}
    found = (await connection.execute(_FOUND, {"names": list(named)})).mappings().all()
    for row in found:
        if not row["relispartition"]:
            raise Misconfigured(f"the table {row['relname']} is there and no part of the book: attach or rename it")
    parts = {row["relname"] for row in found}
    return sorted({month for name, month in named.items() if name not in parts})


async def make_months(connection: AsyncConnection, months: Iterable[Month]) -> None:
    """Make what is missing of the months' partitions, in a transaction of their own: other processes wait for it.

    Raises:
        Misconfigured: a table has the name of a partition and is none.
    """
    await connection.execute(_LOCK)
    for month in await missing_months(connection, months):
        for table in TABLES:
            part = month.partition_of(table)
            if not (await connection.execute(_FOUND, {"names": [part]})).all():
                await connection.execute(text(f"CREATE TABLE {part} (LIKE {table} INCLUDING ALL)"))
                span = f"FROM ({month.since}) TO ({month.next.since})"
                await connection.execute(text(f"ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES {span}"))
        log.info("book_month_made", year=month.year, month=month.number)
