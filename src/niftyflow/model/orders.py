"""Commands, orders, fills and positions as records of topics and of the book. Money is `Decimal`, four decimals exact.

An order is an intent first: its client order id is derived from what caused it, so that deciding again gives the same
order. Times are ms UTC; `sequence` counts an order's events from 1.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from niftyflow.model.decisions import identity
from niftyflow.model.enums import (
    CommandKind,
    OrderState,
    OrderType,
    PositionChange,
    Product,
    Side,
    StrategyStatus,
    Validity,
)
from niftyflow.model.ids import InstrumentKey, instrument_key


def client_order_id(account: str, cause: str, number: int) -> str:
    """Return the id of the `number`th order that `cause` led to: 18 characters, which fits a broker's tag of 20."""
    return f"nf{identity('order', account, cause, number)}"


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Something asked of trading; `id` is drawn by whoever asks, and a second one of that id changes nothing."""

    id: str
    account: str
    kind: CommandKind
    by: str
    issued_at: int
    expires_at: int
    body: dict[str, Any] = {}
    idempotency_key: str = ""


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command; `reason` says why when it was refused."""

    id: str
    account: str
    kind: CommandKind
    is_done: bool
    at: int
    reason: str = ""
    body: dict[str, Any] = {}


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One question of the risk gate: what was measured, against which limit, in words and numbers."""

    name: str
    is_passed: bool
    value: str
    limit: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The risk gate's answer, stored with the intent; `verdict` is pass or reject."""

    verdict: str
    checks: list[Check] = []

    @property
    def is_passed(self) -> bool:
        """Whether the order may leave."""
        return self.verdict == "pass"

    @property
    def reason(self) -> str:
        """What was refused, in one line; empty when nothing was."""
        return "; ".join(
            f"{check.name}: {check.value}, limit {check.limit}" for check in self.checks if not check.is_passed
        )


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the book holds it, from the intent to its end. `price` and `trigger` are null where it has none.

    `cause` names what it was decided on (a signal, a candle, a fill, a timer, a command), `trace_id` the chain from the
    tick; `valid_until` (ms UTC) is when an intent that was not sent has lost its sense. `filled_value` is the sum of
    quantity times price of its fills.
    """

    account: str
    client_order_id: str
    strategy: str
    symbol: str
    exchange: str
    side: Side
    quantity: int
    order_type: OrderType
    product: Product
    validity: Validity
    price: Decimal | None
    trigger: Decimal | None
    cause: str
    signal_id: str
    trace_id: str
    decided_at: int
    valid_until: int
    risk: Verdict
    state: OrderState = OrderState.INTENDED
    broker_order_id: str = ""
    filled: int = 0
    filled_value: Decimal = Decimal(0)
    is_triggered: bool = False
    reason: str | None = None
    updated_at: int = 0
    sequence: int = 0
    tag: str = ""

    @property
    def instrument(self) -> InstrumentKey:
        """The instrument's key."""
        return instrument_key(self.exchange, self.symbol)

    @property
    def remaining(self) -> int:
        """Quantity that is not filled."""
        return self.quantity - self.filled


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="order"):
    """An order's new state, as told on `order_events`."""

    account: str
    client_order_id: str
    broker_order_id: str
    strategy: str
    symbol: str
    exchange: str
    side: Side
    quantity: int
    filled: int
    order_type: OrderType
    price: Decimal | None
    trigger: Decimal | None
    product: Product
    validity: Validity
    state: OrderState
    reason: str | None
    risk: Verdict
    signal_id: str
    trace_id: str
    at: int
    sequence: int


class FillEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="fill"):
    """A trade of ours; `fill_id` is the broker's trade id, or derived from the order and its count of fills."""

    account: str
    fill_id: str
    client_order_id: str
    strategy: str
    symbol: str
    exchange: str
    side: Side
    product: Product
    quantity: int
    price: Decimal
    charges: dict[str, Decimal]
    at: int
    signal_id: str = ""
    trace_id: str = ""

    @property
    def instrument(self) -> InstrumentKey:
        """The instrument's key."""
        return instrument_key(self.exchange, self.symbol)

    @property
    def total_charges(self) -> Decimal:
        """All charges together."""
        return sum(self.charges.values(), Decimal(0))


class PositionEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="position"):
    """A position after a fill. `realised` is by the average method and before charges; `fill_id` is what changed it."""

    account: str
    strategy: str
    symbol: str
    exchange: str
    product: Product
    net_quantity: int
    average_price: Decimal
    realised: Decimal
    realised_fifo: Decimal
    unrealised: Decimal
    charges: Decimal
    change: PositionChange
    fill_id: str
    at: int


class StrategyState(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy of an account: what it is, on what it runs, and what it saved."""

    account: str
    name: str
    kind: str
    status: StrategyStatus
    instruments: list[str]
    parameters: dict[str, Any]
    saved: dict[str, Any] = {}
    reason: str = ""
    at: int = 0


AccountRecord = OrderEvent | FillEvent | PositionEvent
