"""What is asked of the stores that hold decisions and money. Each port has a contract suite that every engine passes.

The decision store keeps what was concluded (signals, predictions, indicator states); the book keeps orders and money,
and takes a change only whole, only once, and only from the newest owner of the account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from niftyflow.model import (
    CommandResult,
    FillEvent,
    Interval,
    Order,
    OrderEvent,
    PositionEvent,
    Prediction,
    Refused,
    Signal,
    StrategyState,
)

Progress = Mapping[tuple[str, int], int]
"""(topic, partition) → offset of the next record to take."""


class LeaseLost(Refused):
    """A newer owner holds the account: nothing was written, and this process must stop trading it."""


class IndicatorState(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument's indicators after the candle that ended at `time` (ms UTC).

    `anchor` is the start of the first candle ever folded; `version` names the form of `values`, little-endian float64.
    """

    instrument: str
    interval: Interval
    anchor: int
    time: int
    version: str
    values: bytes


class DecisionStore(Protocol):
    """Signals, predictions and indicator states; saving one again changes nothing."""

    async def save_signals(self, signals: Sequence[Signal]) -> int:
        """Store signals by id, the first word standing; return how many were new."""
        ...

    async def signals(
        self, since: int, until: int, *, instrument: str | None = None, strategy: str | None = None,
        limit: int | None = None,
    ) -> list[Signal]:  # fmt: skip
        """Return signals with `since` <= timestamp < `until` (ms UTC), oldest first; `limit` keeps the newest."""
        ...

    async def signal(self, signal_id: str) -> Signal | None:
        """Return a signal, or None."""
        ...

    async def save_predictions(self, predictions: Sequence[Prediction]) -> int:
        """Store answers by id, the first word standing; return how many were new."""
        ...

    async def predictions(self, interval: Interval, since: int, until: int) -> list[Prediction]:
        """Return answers with `since` <= timestamp < `until` (ms UTC), oldest first, then by instrument."""
        ...

    async def save_states(self, states: Sequence[IndicatorState]) -> None:
        """Store each instrument's state; an older one of the same anchor and version does not replace a newer one."""
        ...

    async def states(self, interval: Interval) -> list[IndicatorState]:
        """Return the stored states, by instrument."""
        ...


class PositionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A position as the book holds it: its key, its numbers for reports, and `state`, from which it goes on."""

    account: str
    strategy: str
    symbol: str
    exchange: str
    product: str
    net_quantity: int
    average_price: Decimal
    realised: Decimal
    realised_fifo: Decimal
    charges: Decimal
    updated_at: int
    state: bytes


class TradingInput(msgspec.Struct, frozen=True, kw_only=True):
    """One thing trading took in, in the order taken: a stretch of the market (through `time`), or a command.

    `sequence` counts from 1 without holes; `body` is the command, or the market inputs' positions, as JSON.
    """

    account: str
    sequence: int
    kind: str
    time: int
    body: str


class Changes(msgspec.Struct, kw_only=True):
    """Everything one commit writes. Orders, positions and strategies replace what was there; the rest is appended."""

    time: int = 0
    orders: list[Order] = []
    events: list[OrderEvent] = []
    fills: list[FillEvent] = []
    positions: list[PositionRow] = []
    position_events: list[PositionEvent] = []
    strategies: list[StrategyState] = []
    inputs: list[TradingInput] = []
    results: list[CommandResult] = []
    progress: dict[tuple[str, int], int] = {}
    account: dict[str, Any] | msgspec.Raw | None = None
    """The account's own state (kill switch, day's counters), as JSON or what JSON can hold; replaced whole."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account as it stands: what trading goes on from after a restart.

    `time` is the latest of its commits (0 before the first), `sequence` its last input's; orders are those not final.
    """

    account: str
    fence: int
    state: dict[str, Any]
    time: int
    sequence: int
    orders: list[Order]
    positions: list[PositionRow]
    strategies: list[StrategyState]
    progress: dict[tuple[str, int], int]


class BookStore(Protocol):
    """Orders and money. On disk, synchronously, before anything leaves."""

    async def open(self) -> None:
        """Connect and bring the schema up to date.

        Raises:
            Misconfigured: the folder is read-only, the disk full, or the file newer than this program.
        """
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...

    async def ping(self) -> None:
        """Return when the store answers.

        Raises:
            Retryable: it does not.
        """
        ...

    async def take_over(self, account: str, fence: int, state: Mapping[str, Any], at: int) -> Account:
        """Become the account's owner (made with `state` when it is new) and return how it stands.

        Its orders are those that are not final; its positions all of them.

        Raises:
            LeaseLost: an owner with this fence or a greater one was there.
        """
        ...

    async def commit(self, account: str, fence: int, changes: Changes) -> None:
        """Write all of the changes in one durable transaction, or none of them.

        An order is inserted when its client order id is new; later it may change in all but what was decided: for whom,
        what, which way and why. Events, fills, inputs and results that are there already (by order and sequence, order
        and fill id, sequence, command id) are refused, so that nothing can be written twice.

        Raises:
            LeaseLost: another process has taken the account over; nothing was written.
            Refused: something of it was written before, names another account, is about an order that is not in the
                account's book, or leaves a hole in the inputs; nothing was written.
            Retryable: the database is away, locked or full; nothing was written, or all of it when a server fell silent
                at the very end. The same commit again then writes it, or finds it done.
        """
        ...

    async def accounts(self) -> list[str]:
        """Return the accounts there are."""
        ...

    async def account(self, account: str) -> Account | None:
        """Return how an account stands, without owning it."""
        ...

    async def result(self, command_id: str) -> CommandResult | None:
        """Return what became of a command, or None when it was not taken yet."""
        ...

    async def order(self, client_order_id: str) -> Order | None:
        """Return an order, or None; a beginning of its id of 6 characters or more will do when it is the only one."""
        ...

    async def orders(
        self, account: str | None = None, *, since: int = 0, until: int = 1 << 60, limit: int | None = None
    ) -> list[Order]:
        """Return orders decided in the span (ms UTC), oldest first; `limit` keeps the newest."""
        ...

    async def order_events(self, client_order_id: str) -> list[OrderEvent]:
        """Return an order's events, in order."""
        ...

    async def fills(
        self, account: str | None = None, *, client_order_id: str | None = None, since: int = 0, until: int = 1 << 60
    ) -> list[FillEvent]:
        """Return fills of the span (ms UTC), in the order in which they were booked."""
        ...

    async def positions(self, account: str | None = None) -> list[PositionRow]:
        """Return positions, flat ones included, by account, strategy and instrument."""
        ...

    async def position_events(self, account: str | None = None) -> list[PositionEvent]:
        """Return what fills did to positions, in the order in which they were booked."""
        ...

    async def strategies(self, account: str | None = None) -> list[StrategyState]:
        """Return strategies, by account and name."""
        ...

    async def inputs(self, account: str, after: int = 0) -> list[TradingInput]:
        """Return what trading took in, from the input after sequence `after` on."""
        ...
