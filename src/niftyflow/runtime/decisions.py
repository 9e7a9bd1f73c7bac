"""What was decided in a workspace, as screens and commands ask for it: orders, positions, signals, strategies.

It opens the stores for reading only, so it can look while another process trades. It decides and writes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import NamedTuple

import msgspec

from niftyflow.model import Interval, Order, OrderState, Product, Signal, StrategyState, from_e4
from niftyflow.model.account_views import KillSwitch, PositionView
from niftyflow.runtime.stores import opened, stores_to_read
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.book_ports import BookStore, DecisionStore, PositionRow
from niftyflow.storage.ports import MarketStore
from niftyflow.trading.portfolio import AccountState
from niftyflow.trading.positions import Position

EVER = 1 << 60
E4 = 10_000


class Stores(NamedTuple):
    """The stores of a workspace, for reading."""

    book: BookStore
    market: MarketStore
    decisions: DecisionStore


@asynccontextmanager
async def reading_book(workspace: Workspace) -> AsyncIterator[BookStore]:
    """Open the book for reading, for the time of a `with`.

    Raises:
        Misconfigured: there is none, or it is foreign, damaged or newer than this program.
    """
    stores = stores_to_read(workspace)
    async with opened([stores.book]):
        yield stores.book


@asynccontextmanager
async def reading_decisions(workspace: Workspace) -> AsyncIterator[tuple[MarketStore, DecisionStore]]:
    """Open the market store, with the decisions in it, for reading.

    Raises:
        Misconfigured: there is none, or it is foreign, damaged or newer than this program.
    """
    stores = stores_to_read(workspace)
    async with opened([stores.market]):
        yield stores.market, stores.decisions


@asynccontextmanager
async def reading(workspace: Workspace) -> AsyncIterator[Stores]:
    """Open the book, the market store and the decisions for reading.

    Raises:
        Misconfigured: one is not there, or it is foreign, damaged or newer than this program.
    """
    async with AsyncExitStack() as stack:
        book = await stack.enter_async_context(reading_book(workspace))
        market, decisions = await stack.enter_async_context(reading_decisions(workspace))
        yield Stores(book, market, decisions)


# -- orders --------------------------------------------------------------------------------------------------------


class OrdersWanted(NamedTuple):
    """Which orders are asked for: the newest `last` of those that fit; None and empty ask for all."""

    last: int | None = None
    states: Collection[OrderState] = ()
    strategy: str | None = None
    instrument: str | None = None
    account: str | None = None


class OrdersFound(NamedTuple):
    """Orders, oldest first, and how many fit but for their state, and how many in all were left out as too old."""

    orders: list[Order]
    other_states: int
    older: int


async def find_orders(book: BookStore, wanted: OrdersWanted) -> OrdersFound:
    """Return the orders that are asked for."""
    fitting = [
        order
        for order in await book.orders(wanted.account)
        if wanted.strategy in {None, order.strategy} and wanted.instrument in {None, order.instrument}
    ]
    found = [order for order in fitting if not wanted.states or order.state in wanted.states]
    shown = found if wanted.last is None else found[-wanted.last :]
    return OrdersFound(shown, len(fitting) - len(found), len(found) - len(shown))


# -- positions -----------------------------------------------------------------------------------------------------


async def find_positions(book: BookStore, market: MarketStore | None, account: str | None) -> list[PositionView]:
    """Return every position, flat ones included, by account, strategy and instrument, at the last stored close."""
    closes: dict[str, Decimal | None] = {}
    views = []
    for row in await book.positions(account):
        instrument = f"{row.exchange}:{row.symbol}"
        if row.net_quantity and instrument not in closes:
            closes[instrument] = None if market is None else await _last_close(market, instrument)
        views.append(_view(row, instrument, closes.get(instrument)))
    return views


async def _last_close(market: MarketStore, instrument: str) -> Decimal | None:
    newest = await market.candles(instrument, Interval.M1, 0, EVER, 1)
    return from_e4(round(float(newest.close[0]) * E4)) if len(newest) else None


def _view(row: PositionRow, instrument: str, close: Decimal | None) -> PositionView:
    unrealised: Decimal | None = Decimal("0.0000")
    if row.net_quantity:
        position = msgspec.json.decode(row.state, type=Position)
        unrealised = None if close is None else from_e4(position.unrealised(int(close * E4)))
    return PositionView(
        account=row.account, strategy=row.strategy, instrument=instrument, product=Product(row.product),
        net_quantity=row.net_quantity, average_price=row.average_price, last_price=close if row.net_quantity else None,
        realised=row.realised, realised_fifo=row.realised_fifo, unrealised=unrealised, charges=row.charges,
        net=row.realised + (unrealised or Decimal(0)) - row.charges, updated_at=row.updated_at,
    )  # fmt: skip


# -- signals and strategies ----------------------------------------------------------------------------------------


class SignalsWanted(NamedTuple):
    """Which signals are asked for: the newest `last` with `since` <= time < `until` (ms UTC)."""

    last: int | None = None
    since: int = 0
    until: int = EVER
    instrument: str | None = None
    strategy: str | None = None


async def find_signals(decisions: DecisionStore, wanted: SignalsWanted) -> list[Signal]:
    """Return the signals that are asked for, oldest first."""
    return await decisions.signals(
        wanted.since, wanted.until, instrument=wanted.instrument, strategy=wanted.strategy, limit=wanted.last
    )


async def find_strategies(book: BookStore, account: str | None = None) -> list[StrategyState]:
    """Return the strategies of an account, or of all, by account and name."""
    return await book.strategies(account)


async def kill_switch(book: BookStore, account: str) -> KillSwitch | None:
    """Return how an account's kill switch stands, or None when there is no such account."""
    found = await book.account(account)
    if found is None:
        return None
    state = msgspec.convert(found.state, AccountState)
    return KillSwitch(
        account=account, is_on=state.kill_switch, is_closing=state.is_closing, reason=state.kill_reason,
        exits_due=len(state.exits), working_orders=len(found.orders),
        open_positions=sum(bool(each.net_quantity) for each in found.positions), at=found.time,
    )  # fmt: skip
