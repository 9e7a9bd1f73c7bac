"""The book's records as rows and back, and the portable statements that read them. It runs no statement.

An order lies in two tables: what was decided, which never changes, and where the order is now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, Table, func, select

from niftyflow.model import CommandResult, FillEvent, Order, OrderEvent, OrderState, PositionEvent, StrategyState
from niftyflow.storage.book_ports import Account, PositionRow, Progress, TradingInput
from niftyflow.storage.book_schema import (
    order_events,
    order_intents,
    orders,
    position_events,
    positions,
    reading_positions,
    strategies,
    trades,
    trading_inputs,
)
from niftyflow.storage.record_layout import RecordLayout, json_text

ORDER = RecordLayout(Order)
ORDER_EVENT = RecordLayout(OrderEvent)
FILL = RecordLayout(FillEvent)
POSITION = RecordLayout(PositionRow)
POSITION_EVENT = RecordLayout(PositionEvent)
STRATEGY = RecordLayout(StrategyState)
INPUT = RecordLayout(TradingInput)
RESULT = RecordLayout(CommandResult)

DECIDED = (
    "account", "strategy", "symbol", "exchange", "side", "product", "cause", "signal_id", "trace_id", "decided_at",
)  # fmt: skip
"""What an order is for good; the rest of it may be modified until it ends."""

_OPEN = [state.value for state in OrderState if not state.is_final]


def state_text(state: Mapping[str, Any] | msgspec.Raw) -> str:
    """Return an account's own state as its column holds it."""
    return bytes(state).decode() if isinstance(state, msgspec.Raw) else json_text(state)


def progress_rows(account: str, progress: Progress) -> list[dict[str, Any]]:
    """Return how far an account has read as rows."""
    return [
        {"account": account, "topic": topic, "partition": partition, "next_offset": offset}
        for (topic, partition), offset in progress.items()
    ]


def account_of(
    row: Mapping[str, Any],
    orders_: list[Order],
    positions_: list[PositionRow],
    strategies_: list[StrategyState],
    progress: dict[tuple[str, int], int],
) -> Account:
    """Return an account's row, with what belongs to it."""
    return Account(
        account=row["account"],
        fence=row["fence"],
        state=msgspec.json.decode(row["state"]),
        time=row["time"],
        sequence=row["sequence"],
        orders=orders_,
        positions=positions_,
        strategies=strategies_,
        progress=progress,
    )


def all_orders() -> Select[Any]:
    """Return the query of orders, each with the columns of `ORDER`."""
    return select(*(_order_column(field) for field in ORDER.fields)).join_from(
        order_intents, orders, orders.c.client_order_id == order_intents.c.client_order_id
    )


def orders_decided(since: int, until: int, account: str | None, limit: int | None) -> Select[Any]:
    """Return the query of the orders decided in a span, newest first."""
    chosen = all_orders().where(order_intents.c.decided_at >= since, order_intents.c.decided_at < until)
    if account is not None:
        chosen = chosen.where(order_intents.c.account == account)
    return chosen.order_by(order_intents.c.decided_at.desc(), order_intents.c.number.desc()).limit(limit)


def open_orders(account: str) -> Select[Any]:
    """Return the query of an account's orders that are not final, oldest first."""
    return (
        all_orders()
        .where(orders.c.account == account, orders.c.state.in_(_OPEN))
        .order_by(order_intents.c.decided_at, order_intents.c.number)
    )


def events_of_order(client_order_id: str, events: Table = order_events) -> Select[Any]:
    """Return the query of an order's events, in order."""
    columns = (
        func.coalesce(events.c.risk, order_intents.c.risk).label("risk") if field == "risk" else events.c[field]
        for field in ORDER_EVENT.fields
    )
    return (
        select(*columns)
        .join_from(events, order_intents, events.c.client_order_id == order_intents.c.client_order_id)
        .where(events.c.client_order_id == client_order_id, *_in_its_month(events, client_order_id))
        .order_by(events.c.sequence)
    )


def fills_booked(
    since: int, until: int, account: str | None, client_order_id: str | None, fills: Table = trades
) -> Select[Any]:
    """Return the query of the fills of a span, in the order in which they were booked."""
    chosen = select(fills).where(fills.c.at >= since, fills.c.at < until)
    if account is not None:
        chosen = chosen.where(fills.c.account == account)
    if client_order_id is not None:
        chosen = chosen.where(fills.c.client_order_id == client_order_id, *_in_its_month(fills, client_order_id))
    return chosen.order_by(fills.c.number)


def positions_of(account: str | None) -> Select[Any]:
    """Return the query of positions, by account, strategy and instrument."""
    return _of(positions, account).order_by(*positions.primary_key.columns)


def position_events_of(account: str | None) -> Select[Any]:
    """Return the query of what fills did to positions, in the order in which they were booked."""
    return _of(position_events, account).order_by(position_events.c.number)


def strategies_of(account: str | None) -> Select[Any]:
    """Return the query of strategies, by account and name."""
    return _of(strategies, account).order_by(*strategies.primary_key.columns)


def inputs_of(account: str, after: int) -> Select[Any]:
    """Return the query of an account's trading inputs from the one after `after` on."""
    return _of(trading_inputs, account).where(trading_inputs.c.sequence > after).order_by(trading_inputs.c.sequence)


def progress_of(account: str) -> Select[Any]:
    """Return the query of how far an account has read."""
    return _of(reading_positions, account).order_by(*reading_positions.primary_key.columns)


def _of(table: Table, account: str | None) -> Select[Any]:
    return select(table) if account is None else select(table).where(table.c.account == account)


def _in_its_month(table: Table, client_order_id: str) -> list[ColumnElement[bool]]:
    """Return what leads to the one partition in which an order's rows lie, where the table has partitions."""
    if "decided_at" not in table.c:
        return []
    decided = select(order_intents.c.decided_at).where(order_intents.c.client_order_id == client_order_id)
    return [table.c.decided_at == decided.scalar_subquery()]


def _order_column(field: str) -> ColumnElement[Any]:
    if field == "risk":
        return func.coalesce(orders.c.risk, order_intents.c.risk).label("risk")
    return orders.c[field] if field in orders.c and field not in DECIDED else order_intents.c[field]
