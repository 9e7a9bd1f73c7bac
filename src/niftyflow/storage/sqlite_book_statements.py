"""What a commit writes into the book on SQLite: each statement as text, and which rows it takes, in which order.

A row that a statement does not take means that the whole commit must not stand. It runs no statement.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import ClauseElement, Table, and_, bindparam, func, or_, select, update
from sqlalchemy.dialects.sqlite import Insert, insert

from niftyflow.storage.book_ports import Changes
from niftyflow.storage.book_rows import (
    DECIDED,
    FILL,
    INPUT,
    ORDER,
    ORDER_EVENT,
    POSITION,
    POSITION_EVENT,
    RESULT,
    STRATEGY,
    progress_rows,
)
from niftyflow.storage.book_schema import (
    accounts,
    command_results,
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
from niftyflow.storage.sqlite_statements import compiled, compiled_with_order, insert_row, numbered_by_us, upsert_row


class Write(NamedTuple):
    """One statement of a commit with its rows."""

    name: str
    text: str
    rows: list[tuple[Any, ...]]


class Statement:
    """A statement that writes rows, taking each row's values by name."""

    def __init__(self, statement: ClauseElement) -> None:
        self.text, order = compiled_with_order(statement)
        self._take = itemgetter(*order)

    def write(self, name: str, rows: list[dict[str, Any]]) -> Write:
        """Return the statement with these rows."""
        return Write(name, self.text, [self._take(row) for row in rows])


def writes_of(account: str, fence: int, changes: Changes) -> list[Write]:
    """Return what writes the changes, in order; statements without rows are left out.

    Raises:
        InvalidValue: an amount is finer than 1/10,000 rupee.
    """
    order_rows = [{**ORDER.values(order), "fence": fence} for order in changes.orders]
    writes = [
        _SAVE_INTENT.write("order", order_rows),
        _SAVE_ORDER.write("order", order_rows),
        _ADD_ORDER_EVENT.write("order event", [ORDER_EVENT.values(event) for event in changes.events]),
        _ADD_FILL.write("fill", [FILL.values(fill) for fill in changes.fills]),
        _SAVE_POSITION.write("position", [POSITION.values(position) for position in changes.positions]),
        _ADD_POSITION_EVENT.write("position event", [POSITION_EVENT.values(one) for one in changes.position_events]),
        _SAVE_STRATEGY.write("strategy", [STRATEGY.values(strategy) for strategy in changes.strategies]),
        _ADD_INPUT.write("input", [INPUT.values(one) for one in changes.inputs]),
        _ADD_RESULT.write("command result", [RESULT.values(result) for result in changes.results]),
        _SAVE_PROGRESS.write("reading position", progress_rows(account, changes.progress)),
    ]
    return [write for write in writes if write.rows]


def _intent() -> Insert:
    """Return the insert of an intent; the same decision again changes nothing, another one of its id is not taken."""
    statement = insert_row(order_intents)
    return statement.on_conflict_do_update(
        index_elements=["client_order_id"],
        set_={"client_order_id": statement.excluded.client_order_id},
        where=and_(*(order_intents.c[field] == statement.excluded[field] for field in DECIDED)),
    )


def _of_order(table: Table) -> Insert:
    """Return the insert of a row about an order of the account; without such an order it takes nothing."""
    columns = numbered_by_us(table)
    values = (
        func.nullif(bindparam("risk"), order_intents.c.risk)
        if column.name == "risk"
        else bindparam(column.name, type_=column.type)
        for column in columns
    )
    source = select(*values).where(
        order_intents.c.client_order_id == bindparam("client_order_id"),
        order_intents.c.account == bindparam("account"),
    )
    return insert(table).from_select([column.name for column in columns], source)


def _order() -> Insert:
    statement = _of_order(orders)
    return statement.on_conflict_do_update(
        index_elements=["client_order_id"],
        set_={column.name: statement.excluded[column.name] for column in orders.c if not column.primary_key},
    )


def _take_over() -> Insert:
    statement = insert_row(accounts)
    return statement.on_conflict_do_update(
        index_elements=["account"],
        set_={"fence": statement.excluded.fence, "taken_over_at": statement.excluded.taken_over_at},
        where=accounts.c.fence < statement.excluded.fence,
    )


_SAVE_INTENT = Statement(_intent())
_SAVE_ORDER = Statement(_order())
_ADD_ORDER_EVENT = Statement(_of_order(order_events))
_ADD_FILL = Statement(_of_order(trades))
_SAVE_POSITION = Statement(upsert_row(positions))
_ADD_POSITION_EVENT = Statement(insert_row(position_events))
_SAVE_STRATEGY = Statement(upsert_row(strategies))
_ADD_INPUT = Statement(insert_row(trading_inputs))
_ADD_RESULT = Statement(insert_row(command_results))
_SAVE_PROGRESS = Statement(upsert_row(reading_positions))

ADVANCE_ACCOUNT = compiled(
    update(accounts)
    .values(
        state=func.coalesce(bindparam("new_state"), accounts.c.state),
        time=func.max(accounts.c.time, bindparam("new_time")),
        sequence=accounts.c.sequence + bindparam("count"),
    )
    .where(
        accounts.c.account == bindparam("owned"),
        accounts.c.fence == bindparam("owner"),
        or_(bindparam("any_sequence"), accounts.c.sequence == bindparam("before")),
    ),
    ("new_state", "new_time", "count", "owned", "owner", "any_sequence", "before"),
)
"""Take a step forward as the owner, from the input before the first new one; it changes no row when that is not so."""

OWNER = compiled(
    select(accounts.c.fence, accounts.c.sequence).where(accounts.c.account == bindparam("owned")), ("owned",)
)
"""The fence of an account's owner, and the sequence of its last input."""

TAKE_OVER = compiled(_take_over(), tuple(accounts.c.keys()))
"""Become the owner of an account, new or not; it changes no row when this fence or a greater one was there."""
