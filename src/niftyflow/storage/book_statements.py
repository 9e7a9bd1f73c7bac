"""What a commit writes into the book, for every engine: the statements, and which rows each takes, in which order.

A row that a statement does not take means that the whole commit must not stand. It runs no statement; how rows reach
one, and what it is compiled to, is the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Column, ColumnElement, Table, and_, func
from sqlalchemy.dialects import postgresql, sqlite

from niftyflow.model import CommandResult, FillEvent, Order, OrderEvent, PositionEvent, Refused, StrategyState
from niftyflow.storage.book_ports import Changes, LeaseLost, PositionRow, TradingInput
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
    order_intents,
    orders,
    position_events,
    positions,
    reading_positions,
    strategies,
    trading_inputs,
)

OfAccount = Order | OrderEvent | FillEvent | PositionRow | PositionEvent | StrategyState | TradingInput | CommandResult

Insert = sqlite.Insert | postgresql.Insert
Rows = list[dict[str, Any]]
W_co = TypeVar("W_co", covariant=True)
W = TypeVar("W")


class Source(Protocol):
    """The rows that a statement writes into a table, as the engine hands them over."""

    def value(self, column: Column[Any]) -> ColumnElement[Any]:
        """Return the row's value of a column."""
        ...

    def insert(self, values: Mapping[str, ColumnElement[Any]], *where: ColumnElement[bool]) -> Insert:
        """Return the insert of these values, of the rows for which the conditions hold."""
        ...


class Statement(Protocol[W_co]):
    """A statement that is ready to be given rows."""

    def write(self, name: str, rows: Rows) -> W_co:
        """Return the statement with these rows, to be run."""
        ...


class Engine(Protocol[W_co]):
    """What differs from engine to engine."""

    events: Table
    fills: Table

    def source(self, table: Table, columns: Sequence[Column[Any]]) -> Source:
        """Return rows for a table that give these columns."""
        ...

    def statement(self, insert: Insert, key: Sequence[str] = ()) -> Statement[W_co]:
        """Return a statement that is ready to be given rows; those of one `key` replace one another, the last stays."""
        ...


class BookStatements(Generic[W]):
    """The statements of commits on one engine."""

    def __init__(self, engine: Engine[W]) -> None:
        def added(make: Callable[[Engine[W], Table], Insert], table: Table) -> Statement[W]:
            return engine.statement(make(engine, table))

        def saved(make: Callable[[Engine[W], Table], Insert], table: Table) -> Statement[W]:
            return engine.statement(_replacing(make(engine, table), table), table.primary_key.columns.keys())

        self._save_intent = engine.statement(_intent(engine), ["client_order_id"])
        self._save_order = saved(_of_order, orders)
        self._add_order_event = added(_of_order, engine.events)
        self._add_fill = added(_of_order, engine.fills)
        self._save_position = saved(_insert, positions)
        self._add_position_event = added(_insert, position_events)
        self._save_strategy = saved(_insert, strategies)
        self._add_input = added(_insert, trading_inputs)
        self._add_result = added(_insert, command_results)
        self._save_progress = saved(_insert, reading_positions)

    def writes_of(self, account: str, fence: int, changes: Changes) -> list[W]:
        """Return what writes the changes, in order; statements without rows are left out.

        Raises:
            InvalidValue: an amount is finer than 1/10,000 rupee.
        """
        order_rows = [{**ORDER.values(order), "fence": fence} for order in changes.orders]
        writes = (
            (self._save_intent, "order", order_rows),
            (self._save_order, "order", order_rows),
            (self._add_order_event, "order event", [ORDER_EVENT.values(event) for event in changes.events]),
            (self._add_fill, "fill", [FILL.values(fill) for fill in changes.fills]),
            (self._save_position, "position", [POSITION.values(position) for position in changes.positions]),
            (self._add_position_event, "position event", [POSITION_EVENT.values(e) for e in changes.position_events]),
            (self._save_strategy, "strategy", [STRATEGY.values(strategy) for strategy in changes.strategies]),
            (self._add_input, "input", [INPUT.values(one) for one in changes.inputs]),
            (self._add_result, "command result", [RESULT.values(result) for result in changes.results]),
            (self._save_progress, "reading position", progress_rows(account, changes.progress)),
        )
        return [statement.write(name, rows) for statement, name, rows in writes if rows]


def input_before(account: str, changes: Changes) -> int | None:
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


def why_not(account: str, fence: int, before: int | None, found: tuple[int, int] | None) -> Refused | None:
    """Return why the account takes no step forward, None when it does.

    `found` is its owner's fence and its last input's sequence, None when there is no account.
    """
    if found is None:
        return Refused(f"there is no account {account}: take it over first")
    owner, last = found
    if owner != fence:
        return LeaseLost(f"{account} belongs to the owner with fence {owner}, this one has {fence}")
    if before is not None and before != last:
        return Refused(f"the inputs go on after {before}, and the last one of {account} is {last}")
    return None


def written_before(name: str, error: BaseException) -> Refused:
    """Return the refusal of a row whose key is there."""
    return Refused(f"{name}: it was written before ({error})")


def not_taken(name: str) -> Refused:
    """Return the refusal of rows that a statement did not take."""
    return Refused(f"{name}: it is of no order of this account, or differs from what was decided")


def taking_over(statement: Insert) -> Insert:
    """Return the insert of an account's owner that takes it from an older one, and changes no row otherwise."""
    return statement.on_conflict_do_update(
        index_elements=["account"],
        set_={"fence": statement.excluded.fence, "taken_over_at": statement.excluded.taken_over_at},
        where=accounts.c.fence < statement.excluded.fence,
    )


def numbered_by_us(table: Table) -> list[Column[Any]]:
    """Return a table's columns, without the number that the database gives its rows."""
    return [column for column in table.columns if column is not table.autoincrement_column]


def _insert(engine: Engine[Any], table: Table) -> Insert:
    columns = numbered_by_us(table)
    source = engine.source(table, columns)
    return source.insert({column.name: source.value(column) for column in columns})


def _intent(engine: Engine[Any]) -> Insert:
    """Return the insert of an intent; the same decision again changes nothing, another one of its id is not taken."""
    statement = _insert(engine, order_intents)
    return statement.on_conflict_do_update(
        index_elements=["client_order_id"],
        set_={"client_order_id": statement.excluded.client_order_id},
        where=and_(*(order_intents.c[field] == statement.excluded[field] for field in DECIDED)),
    )


def _of_order(engine: Engine[Any], table: Table) -> Insert:
    """Return the insert of a row about an order of the account; without such an order it takes nothing.

    A verdict that is the intent's is not kept again; the time of the decision, where the table has it, is the intent's.
    """
    columns = [column for column in numbered_by_us(table) if column.name != "decided_at"]
    source = engine.source(table, columns)
    values = {column.name: source.value(column) for column in columns}
    own = (order_intents.c.client_order_id == values["client_order_id"], order_intents.c.account == values["account"])
    if "risk" in values:
        values["risk"] = func.nullif(values["risk"], order_intents.c.risk)
    if "decided_at" in table.c:
        values["decided_at"] = order_intents.c.decided_at
    return source.insert(values, *own)


def _replacing(statement: Insert, table: Table) -> Insert:
    keys = [column.name for column in table.primary_key.columns]
    return statement.on_conflict_do_update(
        index_elements=keys,
        set_={column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys},
    )
