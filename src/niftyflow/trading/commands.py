"""What each command asks for and what it answers: one handler a kind, refused with a reason or done whole.

It changes the account in memory only; whoever calls it commits the command, its result and what it changed as one.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Protocol, TypeVar

import msgspec
from pydantic import ValidationError

from niftyflow.kit.settings import readable
from niftyflow.model import (
    Command,
    CommandKind,
    CommandResult,
    Order,
    OrderType,
    Product,
    Refused,
    Side,
    StrategyState,
    Validity,
    parse_instrument,
)
from niftyflow.trading.account import TradingAccount
from niftyflow.trading.requests import OrderRequest
from niftyflow.trading.settings import StrategySettings

MINUTE_MS = 60_000
MANUAL = "manual"
"""The strategy under which orders given by command are kept."""

T = TypeVar("T")


class NotPassed(Refused):
    """The risk gate refused an order; it is in the book as rejected."""

    def __init__(self, order: Order) -> None:
        super().__init__(f"order {order.client_order_id} did not pass the risk gate: {order.risk.reason}")
        self.order = order


class Starter(Protocol):
    """Whoever can start a strategy: it needs history from a store."""

    async def start_strategy(self, account: TradingAccount, wanted: StrategySettings) -> StrategyState:
        """Start a strategy."""
        ...


class PlaceOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order to place."""

    instrument: str
    side: Side
    quantity: int
    order_type: OrderType = OrderType.MARKET
    product: Product = Product.MIS
    validity: Validity = Validity.DAY
    price: Decimal | None = None
    trigger: Decimal | None = None
    tag: str = ""


class ModifyOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of a working order; null leaves it."""

    client_order_id: str
    quantity: int | None = None
    price: Decimal | None = None
    trigger: Decimal | None = None


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order to cancel."""

    client_order_id: str


class SquareOff(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Positions to close at market: all, or those of an instrument, of a strategy."""

    instrument: str | None = None
    strategy: str | None = None


class SetKillSwitch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The kill switch, on or off; with `square_off` positions are closed before it is on."""

    on: bool
    reason: str = ""
    square_off: bool = False


class StopStrategy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A strategy to stop; its orders are cancelled but for a stop that protects, its position closed when asked."""

    name: str
    square_off: bool = False


async def execute(command: Command, account: TradingAccount, starter: Starter, wall: int) -> CommandResult:
    """Do what a command asks; `wall` is the time by which it may have expired, ms UTC."""

    def result(reason: str = "", **body: Any) -> CommandResult:
        return CommandResult(
            id=command.id, account=command.account, kind=command.kind, is_done=not reason, at=account.now,
            reason=reason, body=body,
        )  # fmt: skip

    if wall > command.expires_at:
        return result(f"it expired {(wall - command.expires_at) / 1000:.1f} s before it was taken: give it again")
    try:
        if command.kind is CommandKind.START_STRATEGY:
            return result(**await _start(command, account, starter))
        return result(**_HANDLERS[command.kind](command, account))
    except NotPassed as error:
        failed = [msgspec.to_builtins(check) for check in error.order.risk.checks if not check.is_passed]
        return result(str(error), client_order_id=error.order.client_order_id, checks=failed)
    except Refused as error:
        return result(str(error))


async def _start(command: Command, account: TradingAccount, starter: Starter) -> dict[str, Any]:
    try:
        wanted = StrategySettings.model_validate(command.body)
    except ValidationError as error:
        raise readable(error, "start_strategy") from error
    state = await starter.start_strategy(account, wanted)
    return {"name": state.name, "status": state.status.value, "instruments": len(state.instruments)}


def _place(command: Command, account: TradingAccount) -> dict[str, Any]:
    asked = _body(command, PlaceOrder)
    instrument = parse_instrument(asked.instrument)
    order = account.place(
        OrderRequest(
            strategy=MANUAL, instrument=instrument, side=asked.side, quantity=asked.quantity,
            cause=f"command/{command.id}", order_type=asked.order_type, product=asked.product,
            validity=asked.validity, price=asked.price, trigger=asked.trigger, tag=asked.tag,
            valid_until=account.now + MINUTE_MS,
            is_exit=account.portfolio.takes_back(MANUAL, instrument, asked.side, asked.quantity),
        )
    )  # fmt: skip
    if not order.risk.is_passed:
        raise NotPassed(order)
    return {"client_order_id": order.client_order_id, "state": order.state.value}


def _modify(command: Command, account: TradingAccount) -> dict[str, Any]:
    asked = _body(command, ModifyOrder)
    order = account.modify(_working(account, asked.client_order_id), asked.quantity, asked.price, asked.trigger)
    return {"client_order_id": order.client_order_id, "state": order.state.value}


def _cancel(command: Command, account: TradingAccount) -> dict[str, Any]:
    order = _working(account, _body(command, CancelOrder).client_order_id)
    account.cancel(order)
    return {"client_order_id": order.client_order_id}


def _square_off(command: Command, account: TradingAccount) -> dict[str, Any]:
    asked = _body(command, SquareOff)
    instrument = parse_instrument(asked.instrument) if asked.instrument else None
    return {"positions": account.square_off_all(f"command/{command.id}", asked.strategy, instrument)}


def _set_kill_switch(command: Command, account: TradingAccount) -> dict[str, Any]:
    asked = _body(command, SetKillSwitch)
    account.set_kill_switch(is_on=asked.on, reason=asked.reason or command.by, squares_off=asked.square_off)
    return {"on": account.portfolio.state.kill_switch, "closing": account.portfolio.state.is_closing}


def _stop(command: Command, account: TradingAccount) -> dict[str, Any]:
    asked = _body(command, StopStrategy)
    running = account.runner.strategies.get(asked.name)
    if running is None or not running.is_running:
        names = ", ".join(name for name, each in account.runner.strategies.items() if each.is_running)
        raise Refused(f"no strategy {asked.name} runs; these do: {names or 'none'}")
    account.runner.stop(asked.name, f"by {command.by}")
    closed = account.square_off_all(f"command/{command.id}", asked.name) if asked.square_off else 0
    return {"name": asked.name, "positions_closed": closed}


_HANDLERS: dict[CommandKind, Callable[[Command, TradingAccount], dict[str, Any]]] = {
    CommandKind.PLACE_ORDER: _place,
    CommandKind.MODIFY_ORDER: _modify,
    CommandKind.CANCEL_ORDER: _cancel,
    CommandKind.SQUARE_OFF: _square_off,
    CommandKind.SET_KILL_SWITCH: _set_kill_switch,
    CommandKind.STOP_STRATEGY: _stop,
}


def _body(command: Command, of: type[T]) -> T:
    try:
        return msgspec.convert(command.body, of)
    except msgspec.ValidationError as error:
        raise Refused(f"{command.kind.value}: {error}") from error


def _working(account: TradingAccount, client_order_id: str) -> Order:
    found = account.portfolio.orders.get(client_order_id)
    if found is None:
        raise Refused(f"no order {client_order_id} is working")
    return found
