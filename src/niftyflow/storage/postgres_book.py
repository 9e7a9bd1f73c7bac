"""The book in PostgreSQL: every change is one transaction, on the server's disk before the caller goes on.

Who may write is checked inside that transaction, with the account's row locked: an owner who lost the account cannot
write a last order, and a new owner waits for the commit under way. It decides nothing about orders or money.

Durability. `synchronous_commit` is on for every commit, whatever the server's or the user's default is; `remote_apply`,
which is more, is left. A server that runs with `fsync` off keeps no promise: that is logged as a warning at opening.

A cut connection. While COMMIT is on its way nobody can tell from here whether the server did it. The caller is told
`Unavailable`, as always when the database is away, and tries again with the same changes. They wait for the account's
row, so for the end of what was cut off; then they are written, or refused because they were written before. In the
second case, and only after such a cut, this store looks whether what is there are these very changes, and if so the
commit is done. (The server could be asked by transaction number, but after a crash it may give a number twice.) A
process that died begins from the book and sees there what became of it; whoever else comes with the same changes is
refused, as on every engine.

A process that stands still in the middle of a commit is cut off by the server after `HALF_WAY_SECONDS`: until then it
keeps the account's row from the next owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.kit.log import get_logger
from niftyflow.model import Refused, Unavailable
from niftyflow.storage.book_months import Month, make_months, missing_months, month_of, months_from
from niftyflow.storage.book_owner import taken_over
from niftyflow.storage.book_ports import Account, Changes, LeaseLost
from niftyflow.storage.book_reading import BookReader
from niftyflow.storage.book_rows import state_text
from niftyflow.storage.book_schema import (
    MIGRATIONS,
    POSTGRES_VERSION_TABLE,
    REVISIONS,
    order_events_by_month,
    order_intents,
    trades_by_month,
)
from niftyflow.storage.book_statements import input_before, not_taken, why_not, written_before
from niftyflow.storage.postgres_book_statements import ADVANCE_ACCOUNT, BEGIN, OWNED, STATEMENTS, TAKE_OVER, Write
from niftyflow.storage.postgres_database import PostgresDatabase
from niftyflow.storage.postgres_pool import PostgresPool
from niftyflow.storage.postgres_statements import written

log = get_logger(__name__)

DATABASE_TIME = "(extract(epoch FROM now()) * 1000)::bigint"


def book_database(pool: PostgresPool, *, upgrade: bool = False) -> PostgresDatabase:
    """Return the book's tables in the database of a pool, for the book, key and lease stores to share."""
    return PostgresDatabase(
        pool, REVISIONS, migrations=MIGRATIONS, version_table=POSTGRES_VERSION_TABLE, upgrade=upgrade
    )


class _MonthMissing(Unavailable):
    """There is no partition for an event or a fill; told only when one that was made is gone again."""


class PostgresBookStore(BookReader):
    """`BookStore` in a PostgreSQL database."""

    def __init__(self, database: PostgresDatabase) -> None:
        super().__init__(database, order_events_by_month, trades_by_month)
        self._database = database
        self._cut_off: dict[str, tuple[int, Changes]] = {}

    @property
    def database(self) -> PostgresDatabase:
        """The tables, for the stores that share them."""
        return self._database

    async def open(self) -> None:
        """Connect, check the schema, and make the partitions of this month and the next ones.

        Raises:
            Misconfigured: the server refuses us, the tables are behind or ahead of this program, or a table stands in a
                partition's place; the message says what to do.
            Unavailable: the server is away.
        """
        await self._database.open()
        time, fsync = await self._database.read(_time_and_fsync)
        if fsync != "on":
            log.warning("commits_may_be_lost", service=self._database.service, fsync=fsync, advice="turn fsync on")
        await self._make(months_from(time))

    async def close(self) -> None:
        """Wait for the commits under way, then disconnect."""
        await self._database.close()

    async def ping(self) -> None:
        """Return when the store answers.

        Raises:
            Unavailable: it does not.
        """
        await self._database.ping()

    async def take_over(self, account: str, fence: int, state: Mapping[str, Any], at: int) -> Account:
        """Become the account's owner (made with `state` when it is new) and return how it stands.

        Raises:
            LeaseLost: an owner with this fence or a greater one was there.
            Unavailable: the database is away or full, or the owner before is in the middle of a commit.
        """

        async def take(connection: AsyncConnection) -> Account:
            await connection.execute(BEGIN)
            return await taken_over(connection, TAKE_OVER, account, fence, state, at)

        return await self._database.write(take)

    async def commit(self, account: str, fence: int, changes: Changes) -> None:
        """Write all of the changes in one durable transaction, or none of them.

        Raises:
            LeaseLost: another process has taken the account over; nothing was written.
            Refused: something of it was written before, belongs to another account or order, or leaves a hole in the
                inputs; nothing was written.
            Unavailable: the database is away or full. Nothing was written, or all of it when the connection was cut at
                the very end; the same commit again finds out which.
        """
        before = input_before(account, changes)
        writes = STATEMENTS.writes_of(account, fence, changes)
        was_cut_off = self._cut_off.get(account) == (fence, changes)
        try:
            await self._write(account, fence, changes, before, writes)
        except _MonthMissing:
            await self._make(await self._months_of(changes))
            await self._write(account, fence, changes, before, writes)
        except LeaseLost:
            raise
        except Refused:
            if not (was_cut_off and await self._has(account, changes)):
                raise
            log.info("cut_off_commit_was_done", account=account, fence=fence)
        self._cut_off.pop(account, None)

    async def _write(self, account: str, fence: int, changes: Changes, before: int | None, writes: list[Write]) -> None:
        state = None if changes.account is None else state_text(changes.account)
        is_complete = False

        async def write(connection: asyncpg.Connection) -> None:
            nonlocal is_complete
            owner = await connection.fetchrow(OWNED, account)
            refused = why_not(account, fence, before, None if owner is None else (owner["fence"], owner["sequence"]))
            if refused is not None:
                raise refused
            await connection.execute(ADVANCE_ACCOUNT, account, state, changes.time, len(changes.inputs))
            for each in writes:
                await _run(connection, each)
            is_complete = True

        try:
            await self._database.write_at_once(write)
        except Unavailable:
            if is_complete:
                self._cut_off[account] = (fence, changes)
            raise

    async def _has(self, account: str, changes: Changes) -> bool:
        """Whether what cannot be written twice of the changes is there, in the same words; one of it tells for all."""
        if changes.inputs:
            return changes.inputs[-1:] == (await self.inputs(account, changes.inputs[-1].sequence - 1))[:1]
        if changes.results:
            return await self.result(changes.results[-1].id) == changes.results[-1]
        if changes.fills:
            return changes.fills[-1] in await self.fills(account, client_order_id=changes.fills[-1].client_order_id)
        return bool(changes.events) and changes.events[-1] in await self.order_events(
            changes.events[-1].client_order_id
        )

    async def _make(self, months: list[Month]) -> None:
        async def make(connection: AsyncConnection) -> None:
            await make_months(connection, months)

        if await self._database.read(lambda connection: missing_months(connection, months)):
            await self._database.write(make)

    async def _months_of(self, changes: Changes) -> list[Month]:
        """Return the months of the orders of which something is written."""
        ids = {event.client_order_id for event in changes.events} | {fill.client_order_id for fill in changes.fills}
        query = select(order_intents.c.decided_at).where(order_intents.c.client_order_id.in_(sorted(ids)))
        known = await self._database.read(lambda connection: connection.scalars(query))
        decided = {order.decided_at for order in changes.orders} | set(known)
        return sorted({month_of(time) for time in decided})


async def _run(connection: asyncpg.Connection, write: Write) -> None:
    for arrays, count in zip(write.runs, write.counts, strict=True):
        try:
            taken = written(await connection.execute(write.text, *arrays))
        except asyncpg.UniqueViolationError as error:
            raise written_before(write.name, error) from error
        except asyncpg.CheckViolationError as error:  # no other rule of the book's tables is a check
            raise _MonthMissing("the book", f"a month of it is missing: {error}") from error
        if taken != count:
            raise not_taken(write.name)


async def _time_and_fsync(connection: AsyncConnection) -> tuple[int, str]:
    """Return the database's time, ms UTC, and whether it writes to its disk at all."""
    found = (await connection.execute(text(f"SELECT {DATABASE_TIME}, current_setting('fsync')"))).one()
    return found[0], found[1]
