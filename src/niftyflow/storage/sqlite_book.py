"""The book on one SQLite file, `book.db`: every change is one transaction, on the disk before the caller goes on.

Who may write is checked inside that transaction, so that an owner who lost the account cannot write a last order.
It decides nothing about orders or money: it takes a change whole and once, or says why not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.model import CommandResult, FillEvent, Order, OrderEvent, PositionEvent, Refused, StrategyState
from niftyflow.storage.book_ports import Account, Changes, LeaseLost, PositionRow, TradingInput
from niftyflow.storage.book_rows import (
    FILL,
    INPUT,
    ORDER,
    ORDER_EVENT,
    POSITION,
    POSITION_EVENT,
    RESULT,
    STRATEGY,
    account_of,
    all_orders,
    events_of_order,
    fills_booked,
    inputs_of,
    open_orders,
    orders_decided,
    position_events_of,
    positions_of,
    progress_of,
    state_text,
    strategies_of,
)
from niftyflow.storage.book_schema import MIGRATIONS, REVISIONS, accounts, command_results, order_intents
from niftyflow.storage.sqlite_book_statements import ADVANCE_ACCOUNT, OWNER, TAKE_OVER, Write, writes_of
from niftyflow.storage.sqlite_database import SqliteDatabase

SHORTEST_BEGINNING = 6
_AFTER_ANY = "\U0010ffff"

Rows = Sequence[Mapping[str, Any]]

OfAccount = Order | OrderEvent | FillEvent | PositionRow | PositionEvent | StrategyState | TradingInput | CommandResult


class SqliteBookStore:
    """`BookStore` on a SQLite file; `read_only` is for looking on while another process trades."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._database = SqliteDatabase(path, REVISIONS, migrations=MIGRATIONS, durability="FULL", read_only=read_only)

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
        row = (account, fence, at, state_text(state), 0, 0)

        async def take(connection: AsyncConnection) -> Account | None:
            if (await connection.exec_driver_sql(TAKE_OVER, row)).rowcount == 0:
                raise LeaseLost(f"{account} has an owner whose fence is not below {fence}")
            return await _account(connection, account)

        taken = await self._database.write(take)
        if taken is None:
            raise AssertionError(f"{account} was taken over and is not there")
        return taken

    async def commit(self, account: str, fence: int, changes: Changes) -> None:
        """Write all of the changes in one durable transaction, or none of them.

        Raises:
            LeaseLost: another process has taken the account over; nothing was written.
            Refused: something of it was written before, belongs to another account or order, or leaves a hole in the
                inputs; nothing was written.
            Unavailable: the database is away, locked or full; nothing was written.
        """
        before = _input_before(account, changes)
        advance = (
            None if changes.account is None else state_text(changes.account),
            changes.time, len(changes.inputs), account, fence, before is None, before,
        )  # fmt: skip
        writes = writes_of(account, fence, changes)

        def write(cursor: sqlite3.Cursor) -> None:
            if cursor.execute(ADVANCE_ACCOUNT, advance).rowcount == 0:
                raise _why_not(cursor, account, fence, before)
            for each in writes:
                _run(cursor, each)

        await self._database.write_at_once(write)

    async def accounts(self) -> list[str]:
        """Return the accounts there are, by name."""
        rows = await self._rows(select(accounts.c.account).order_by(accounts.c.account))
        return [row["account"] for row in rows]

    async def account(self, account: str) -> Account | None:
        """Return how an account stands, without owning it."""
        return await self._database.read(lambda connection: _account(connection, account))

    async def result(self, command_id: str) -> CommandResult | None:
        """Return what became of a command, or None when it was not taken yet."""
        rows = await self._rows(select(command_results).where(command_results.c.id == command_id))
        return RESULT.record(rows[0]) if rows else None

    async def order(self, client_order_id: str) -> Order | None:
        """Return an order, or None; a beginning of its id of 6 characters or more will do when it is the only one."""
        known = order_intents.c.client_order_id
        query = all_orders().where(known == client_order_id)
        if len(client_order_id) >= SHORTEST_BEGINNING:
            query = all_orders().where(known >= client_order_id, known < client_order_id + _AFTER_ANY)
        rows = await self._rows(query.order_by(known).limit(2))
        if len(rows) > 1 and rows[0]["client_order_id"] != client_order_id:
            return None
        return ORDER.record(rows[0]) if rows else None

    async def orders(
        self, account: str | None = None, *, since: int = 0, until: int = 1 << 60, limit: int | None = None
    ) -> list[Order]:
        """Return orders decided in the span (ms UTC), oldest first; `limit` keeps the newest."""
        newest_first = await self._rows(orders_decided(since, until, account, limit))
        return [ORDER.record(row) for row in reversed(newest_first)]

    async def order_events(self, client_order_id: str) -> list[OrderEvent]:
        """Return an order's events, in order."""
        return [ORDER_EVENT.record(row) for row in await self._rows(events_of_order(client_order_id))]

    async def fills(
        self, account: str | None = None, *, client_order_id: str | None = None, since: int = 0, until: int = 1 << 60
    ) -> list[FillEvent]:
        """Return fills of the span (ms UTC), in the order in which they were booked."""
        rows = await self._rows(fills_booked(since, until, account, client_order_id))
        return [FILL.record(row) for row in rows]

    async def positions(self, account: str | None = None) -> list[PositionRow]:
        """Return positions, flat ones included, by account, strategy and instrument."""
        return [POSITION.record(row) for row in await self._rows(positions_of(account))]

    async def position_events(self, account: str | None = None) -> list[PositionEvent]:
        """Return what fills did to positions, in the order in which they were booked."""
        return [POSITION_EVENT.record(row) for row in await self._rows(position_events_of(account))]

    async def strategies(self, account: str | None = None) -> list[StrategyState]:
        """Return strategies, by account and name."""
        return [STRATEGY.record(row) for row in await self._rows(strategies_of(account))]

    async def inputs(self, account: str, after: int = 0) -> list[TradingInput]:
        """Return what trading took in, from the input after sequence `after` on."""
        return [INPUT.record(row) for row in await self._rows(inputs_of(account, after))]

    async def _rows(self, query: Select[Any]) -> Rows:
        return await self._database.read(lambda connection: _fetch(connection, query))


async def _fetch(connection: AsyncConnection, query: Select[Any]) -> Rows:
    rows: Rows = (await connection.execute(query)).mappings().all()
    return rows


async def _account(connection: AsyncConnection, account: str) -> Account | None:
    found = await _fetch(connection, select(accounts).where(accounts.c.account == account))
    if not found:
        return None
    progress = await _fetch(connection, progress_of(account))
    return account_of(
        found[0],
        [ORDER.record(row) for row in await _fetch(connection, open_orders(account))],
        [POSITION.record(row) for row in await _fetch(connection, positions_of(account))],
        [STRATEGY.record(row) for row in await _fetch(connection, strategies_of(account))],
        {(row["topic"], row["partition"]): row["next_offset"] for row in progress},
    )


def _run(cursor: sqlite3.Cursor, write: Write) -> None:
    try:
        taken = cursor.executemany(write.text, write.rows).rowcount
    except sqlite3.IntegrityError as error:
        raise Refused(f"{write.name}: it was written before ({error})") from error
    if taken != len(write.rows):
        raise Refused(f"{write.name}: it is of no order of this account, or differs from what was decided")


def _why_not(cursor: sqlite3.Cursor, account: str, fence: int, before: int | None) -> Refused:
    """Return why the account did not take a step forward."""
    found = cursor.execute(OWNER, (account,)).fetchone()
    if found is None:
        return Refused(f"there is no account {account}: take it over first")
    owner, last = found
    if owner != fence:
        return LeaseLost(f"{account} belongs to the owner with fence {owner}, this one has {fence}")
    return Refused(f"the inputs go on after {before}, and the last one of {account} is {last}")


def _input_before(account: str, changes: Changes) -> int | None:
    """Return the sequence before the first new input, None without inputs.

    Raises:
        Refused: a record names another account, or the inputs leave a hole.
    """
    records: tuple[OfAccount, ...] = (
        *changes.orders, *changes.events, *changes.fills, *changes.positions, *changes.position_events,
        *changes.strategies, *changes.inputs, *changes.results,
    )  # fmt: skip
    for record in records:
        if record.account != account:
            raise Refused(f"a {type(record).__name__} names the account {record.account}, and this is {account}")
    if not changes.inputs:
        return None
    before = changes.inputs[0].sequence - 1
    found = [each.sequence for each in changes.inputs]
    if found != list(range(before + 1, before + 1 + len(found))):
        raise Refused(f"the inputs of {account} are numbered {found}: each follows the one before")
    return before
