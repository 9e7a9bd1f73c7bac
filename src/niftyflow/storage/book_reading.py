"""How a book is looked at, on every engine: the same queries, each on one state of the database.

It writes nothing, and opens and closes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import Select, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.model import CommandResult, FillEvent, Order, OrderEvent, PositionEvent, StrategyState
from niftyflow.storage.book_ports import Account, PositionRow, TradingInput
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
    strategies_of,
)
from niftyflow.storage.book_schema import accounts, command_results, order_intents

SHORTEST_BEGINNING = 6
_AFTER_ANY = "\U0010ffff"

T = TypeVar("T")
Rows = Sequence[Mapping[str, Any]]


class Database(Protocol):
    """What a book's tables are read from and written to."""

    async def read(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `work` in a transaction that sees one state of the database and cannot change it."""
        ...

    async def write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `work` in one transaction and commit it."""
        ...


class BookReader:
    """The reading half of `BookStore`, from an engine's database and its tables of events and fills."""

    def __init__(self, database: Database, events: Table, fills: Table) -> None:
        self._reads = database
        self._events = events
        self._fills = fills

    async def accounts(self) -> list[str]:
        """Return the accounts there are, by name."""
        rows = await self._rows(select(accounts.c.account).order_by(accounts.c.account))
        return [row["account"] for row in rows]

    async def account(self, account: str) -> Account | None:
        """Return how an account stands, without owning it."""
        return await self._reads.read(lambda connection: account_in(connection, account))

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
        return [ORDER_EVENT.record(row) for row in await self._rows(events_of_order(client_order_id, self._events))]

    async def fills(
        self, account: str | None = None, *, client_order_id: str | None = None, since: int = 0, until: int = 1 << 60
    ) -> list[FillEvent]:
        """Return fills of the span (ms UTC), in the order in which they were booked."""
        rows = await self._rows(fills_booked(since, until, account, client_order_id, self._fills))
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
        return await self._reads.read(lambda connection: _fetch(connection, query))


async def _fetch(connection: AsyncConnection, query: Select[Any]) -> Rows:
    rows: Rows = (await connection.execute(query)).mappings().all()
    return rows


async def account_in(connection: AsyncConnection, account: str) -> Account | None:
    """Return how an account stands."""
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
