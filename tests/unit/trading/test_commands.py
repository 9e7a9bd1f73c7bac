"""Commands: done whole, or refused with a reason; nothing else comes of one."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from niftyflow.model import (
    Command,
    CommandKind,
    CommandResult,
    InvalidValue,
    OrderState,
    OrderType,
    Side,
    StrategyState,
    StrategyStatus,
)
from niftyflow.trading.account import TradingAccount
from niftyflow.trading.commands import execute
from niftyflow.trading.settings import OnError, StrategySettings
from support.trading_accounts import NOON, PRICES, SECOND, Play, Scripted, a_holder, a_play
from support.trading_days import ACCOUNT, MINUTE

KINDS = CommandKind


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep refused orders out of the output."""
    with capture_logs():
        yield


class Starter:
    """Starts scripts, and says with what it was asked to."""

    def __init__(self) -> None:
        self.wanted: list[StrategySettings] = []

    async def start_strategy(self, account: TradingAccount, wanted: StrategySettings) -> StrategyState:
        """Start a script; one called `wrong` cannot be."""
        self.wanted.append(wanted)
        if wanted.kind == "wrong":
            raise InvalidValue("kind", wanted.kind, "there is none")
        state = StrategyState(
            account=ACCOUNT, name=wanted.name, kind=wanted.kind, status=StrategyStatus.RUNNING,
            instruments=wanted.instruments, parameters={}, at=account.now,
        )  # fmt: skip
        account.runner.start(state, wanted.on_error, {})
        return account.runner.strategies[wanted.name].state


async def give(
    play: Play, kind: CommandKind, body: dict[str, Any], *, late_ms: int = 0, number: int = 1, starter: Any = None
) -> CommandResult:  # fmt: skip
    """Have a command executed."""
    command = Command(
        id=f"c{number}", account=ACCOUNT, kind=kind, by="me", issued_at=NOON, expires_at=NOON + MINUTE, body=body
    )
    result = await execute(command, play.account, starter or Starter(), NOON + MINUTE + late_ms)
    assert (result.id, result.account, result.kind, result.at) == (command.id, ACCOUNT, kind, play.account.now)
    assert bool(result.reason) != result.is_done
    play.settle()
    return result


async def test_an_order_is_placed_as_asked() -> None:
    """Every field is taken; a bare symbol means NSE, prices may be numbers or text."""
    play = a_play()
    body = {"instrument": "infy", "side": "BUY", "quantity": 3, "order_type": "SL", "product": "CNC",
            "validity": "DAY", "price": "1505.00", "trigger": 1500.5, "tag": "mine"}  # fmt: skip
    result = await give(play, KINDS.PLACE_ORDER, body)
    order = play.orders[result.body["client_order_id"]]
    assert result.body["state"] == "intended"
    assert (order.instrument, order.side, order.quantity, order.order_type) == ("NSE:INFY", "BUY", 3, "SL")
    assert (order.price, order.trigger, order.product, order.tag) == (Decimal(1505), Decimal("1500.5"), "CNC", "mine")
    assert (order.strategy, order.cause, order.valid_until) == ("manual", "command/c1", NOON + MINUTE)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"instrument": "INFY", "side": "BUY", "quantity": 200}, "order_value"),
        ({"instrument": "NOWHERE", "side": "BUY", "quantity": 1}, "is not known"),
        ({"instrument": "XYZ:INFY", "side": "BUY", "quantity": 1}, "exchange is 'XYZ'"),
        ({"instrument": "INFY", "side": "HOLD", "quantity": 1}, "place_order: Invalid enum value 'HOLD'"),
        ({"instrument": "INFY", "side": "BUY"}, "missing required field `quantity`"),
        ({"instrument": "INFY", "side": "BUY", "quantity": 1, "lots": 2}, "unknown field `lots`"),
        ({"instrument": "INFY", "side": "BUY", "quantity": 0}, "quantity: 0"),
        ({"instrument": "INFY", "side": "BUY", "quantity": 10**25}, "quantity"),
        ({"instrument": "INFY", "side": "BUY", "quantity": 1, "order_type": "LIMIT", "price": "NaN"}, "price is"),
        ({"instrument": "INFY", "side": "BUY", "quantity": 1, "price": "1500"}, "MARKET has no price"),
    ],
)
async def test_an_order_that_cannot_be_is_refused_with_its_reason(body: dict[str, Any], reason: str) -> None:
    """The reason names what is wrong, and nothing is sent."""
    play = a_play()
    result = await give(play, KINDS.PLACE_ORDER, body)
    assert reason in result.reason
    assert {order.state for order in play.orders.values()} <= {OrderState.REJECTED}


async def test_an_order_that_takes_a_position_back_is_an_exit() -> None:
    """It leaves also when the day's loss has stopped entries."""
    play = a_holder(settings={"limits": {"max_daily_loss_rupees": 100}})
    play.step(NOON + 10 * SECOND, PRICES | {"INFY": 1400.0})
    body = {"instrument": "INFY", "quantity": 10}
    assert "daily_loss" in (await give(play, KINDS.PLACE_ORDER, body | {"side": "BUY"})).reason
    assert (await give(play, KINDS.PLACE_ORDER, body | {"side": "SELL"}, number=2)).is_done


async def test_a_working_order_is_changed_and_cancelled() -> None:
    """Both name it by its id; when it is gone they say so."""
    play = a_play()
    order = play.order("INFY", Side.BUY, 1, order_type=OrderType.LIMIT, price=Decimal(1490))
    named = {"client_order_id": order.client_order_id}
    changed = await give(play, KINDS.MODIFY_ORDER, named | {"quantity": 2, "price": 1491})
    assert changed.body == named | {"state": "open"}
    assert play.orders[order.client_order_id].quantity == 2
    wrong = await give(play, KINDS.MODIFY_ORDER, named | {"trigger": 1491})
    assert "LIMIT has no trigger" in wrong.reason
    assert (await give(play, KINDS.CANCEL_ORDER, named)).body == named
    assert play.orders[order.client_order_id].state is OrderState.CANCELLED
    for kind in (KINDS.MODIFY_ORDER, KINDS.CANCEL_ORDER):
        assert "is working" in (await give(play, kind, named)).reason


async def test_positions_are_squared_off_all_or_some() -> None:
    """By instrument, by strategy, or all; the answer counts them."""
    play = a_holder()
    play.order("TCS", Side.BUY, 1, strategy="other")
    play.order("SBIN", Side.BUY, 1)
    play.step(NOON + 10 * SECOND, PRICES)
    asked = {"instrument": "INFY"}
    assert (await give(play, KINDS.SQUARE_OFF, asked | {"strategy": "other"})).body == {"positions": 0}
    assert (await give(play, KINDS.SQUARE_OFF, asked)).body == {"positions": 1}
    play.step(NOON + 11 * SECOND, PRICES)
    assert (play.held("INFY"), play.held("TCS"), play.held("SBIN")) == (0, 1, 1)
    assert play.last().cause.startswith("command/c1/manual/NSE:INFY/exit/")
    assert (await give(play, KINDS.SQUARE_OFF, {})).body == {"positions": 2}
    play.step(NOON + 12 * SECOND, PRICES)
    assert (play.held("TCS"), play.held("SBIN")) == (0, 0)


async def test_the_kill_switch_says_what_it_is() -> None:
    """On at once, or closing first; the reason is who asked when none is given."""
    play = a_holder()
    result = await give(play, KINDS.SET_KILL_SWITCH, {"on": True, "square_off": True})
    assert result.body == {"on": False, "closing": True}
    assert play.account.portfolio.state.kill_reason == "me"
    assert (await give(play, KINDS.SET_KILL_SWITCH, {"on": True, "reason": "why"})).body["on"] is True
    assert play.account.portfolio.state.kill_reason == "why"
    assert (await give(play, KINDS.SET_KILL_SWITCH, {"on": False})).body == {"on": False, "closing": False}


async def test_a_strategy_is_started_and_stopped() -> None:
    """Started as the settings say; stopped once, its entries cancelled, its position closed when asked."""
    script = Scripted()
    play, starter = a_play(one=script), Starter()
    body = {"name": "one", "kind": "one", "instruments": ["NSE:INFY"], "on_error": "hold"}
    result = await give(play, KINDS.START_STRATEGY, body, starter=starter)
    assert result.body == {"name": "one", "status": "running", "instruments": 1}
    assert starter.wanted[0].on_error is OnError.HOLD
    play.order("INFY", Side.BUY, 5, strategy="one")
    play.step(NOON + SECOND, PRICES)
    sell = {"strategy": "one", "is_exit": True}
    stop = play.order("INFY", Side.SELL, 5, order_type=OrderType.SL_M, trigger=Decimal(1480), **sell)
    target = play.order("INFY", Side.SELL, 5, order_type=OrderType.LIMIT, price=Decimal(1520), strategy="one")
    assert (await give(play, KINDS.STOP_STRATEGY, {"name": "one"})).body == {"name": "one", "positions_closed": 0}
    assert play.orders[stop.client_order_id].state is OrderState.ACCEPTED
    assert play.orders[target.client_order_id].state is OrderState.CANCELLED
    again = await give(play, KINDS.STOP_STRATEGY, {"name": "one"})
    assert again.reason == "no strategy one runs; these do: none"
    assert play.strategies["one"].status is StrategyStatus.STOPPED
    await give(play, KINDS.START_STRATEGY, body, starter=starter)
    result = await give(play, KINDS.STOP_STRATEGY, {"name": "one", "square_off": True})
    play.step(NOON + 2 * SECOND, PRICES)
    assert (result.body["positions_closed"], play.held("INFY")) == (1, 0)
    assert script.hooks().count("on_stop") == 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"name": "one", "kind": "wrong"}, "kind is 'wrong'"),
        ({"name": "No Name", "kind": "one"}, "name"),
        ({"name": "one", "kind": "one", "speed": 3}, "speed"),
        ({}, "name"),
    ],
)
async def test_a_strategy_that_cannot_be_is_refused(body: dict[str, Any], reason: str) -> None:
    """The reason names the field."""
    assert reason in (await give(a_play(), KINDS.START_STRATEGY, body)).reason


@pytest.mark.parametrize("kind", list(CommandKind))
async def test_an_expired_command_is_not_done(kind: CommandKind) -> None:
    """Whatever it asks, it comes too late."""
    play = a_play()
    result = await give(play, kind, {"on": True}, late_ms=1500)
    assert result.reason == "it expired 1.5 s before it was taken: give it again"
    assert not play.account.portfolio.state.kill_switch


@pytest.mark.parametrize("kind", list(CommandKind))
async def test_a_field_that_is_not_known_is_refused(kind: CommandKind) -> None:
    """A spelling mistake changes nothing silently."""
    body = {"name": "one", "kind": "one", "on": True, "client_order_id": "x", "instrument": "INFY", "nothing": 1}
    result = await give(a_play(), kind, body)
    assert "unknown field" in result.reason or "nothing" in result.reason
