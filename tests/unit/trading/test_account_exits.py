"""Positions brought to zero: by a strategy, a command, the kill switch, whatever stands in the way."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from niftyflow.model import (
    OrderState,
    OrderType,
    Side,
)
from support.market import ist
from support.trading_accounts import NOON, PRICES, SECOND, Play, a_holder, a_play, key_of
from support.trading_days import CLOSES, MINUTE, a_share

STATES = OrderState


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep refused orders out of the output."""
    with capture_logs():
        yield


def resting(play: Play, **more: Any) -> Any:
    """Return a working order to buy below the market."""
    return play.order("INFY", Side.BUY, 10, order_type=OrderType.LIMIT, price=Decimal("1490.00"), **more)


# -- closing -------------------------------------------------------------------------------------------------------


def test_closing_cancels_the_stop_first_and_then_leaves() -> None:
    """The exit waits until the stop can no longer fill: a position is never sold twice."""
    play = a_holder()
    stop = play.order(
        "INFY", Side.SELL, 10, order_type=OrderType.SL_M, trigger=Decimal("1480.00"), is_exit=True
    )  # fmt: skip
    assert play.account.close("manual", key_of("INFY"), "test") is None
    play.settle()
    assert play.orders[stop.client_order_id].state is STATES.CANCELLED
    assert (play.last().order_type, play.last().quantity, play.last().state) == ("MARKET", 10, STATES.OPEN)
    play.step(NOON + 2 * SECOND, PRICES)
    assert (play.held("INFY"), play.account.portfolio.state.exits) == (0, [])


def test_closing_twice_is_one_exit() -> None:
    """A market exit under way is left alone, whoever asks again."""
    play = a_holder()
    first = play.account.close("manual", key_of("INFY"), "one")
    assert first is not None
    assert play.account.close("manual", key_of("INFY"), "two") is None
    play.settle()
    play.step(NOON + 2 * SECOND, PRICES)
    assert play.states() == [STATES.FILLED, STATES.FILLED]
    assert play.held("INFY") == 0


def test_closing_what_is_flat_cancels_entries_only() -> None:
    """Nothing is open, so nothing is to be sold."""
    play = a_play()
    order = resting(play)
    assert play.account.close("manual", key_of("INFY"), "test") is None
    play.settle()
    assert play.orders[order.client_order_id].state is STATES.CANCELLED
    assert len(play.orders) == 1


def test_an_order_given_while_an_exit_waits_does_not_block_it() -> None:
    """A strategy that puts its stop back while the market pauses cannot keep the position open."""
    play = a_holder()
    stop = {"order_type": OrderType.SL_M, "trigger": Decimal("1480.00"), "is_exit": True}
    for _ in range(8):
        play.account.portfolio._times.append(play.account.now)
    play.account.close("manual", key_of("INFY"), "test")
    play.settle()
    assert len(play.account.portfolio.state.exits) == 1
    play.account.portfolio._times.clear()
    play.order("INFY", Side.SELL, 10, settles=False, **stop)
    play.step(NOON + 2 * SECOND, PRICES)
    play.step(NOON + 3 * SECOND, PRICES)
    assert play.held("INFY") == 0
    assert play.account.portfolio.state.exits == []


def test_an_exit_that_was_refused_is_tried_again_after_a_minute() -> None:
    """It is not refused over and over, and it is not forgotten."""
    play = a_holder(20)
    play.order("INFY", Side.SELL, 10, is_exit=True)
    play.step(NOON + 2 * SECOND, PRICES)
    assert play.account.close("manual", key_of("INFY"), "test") is None
    play.settle()
    assert "duplicate" in play.last().risk.reason
    for second in range(3, 62):
        play.step(NOON + second * SECOND, PRICES)
    assert (len(play.orders), play.held("INFY")) == (3, 10)
    play.step(NOON + 62 * SECOND, PRICES)
    play.step(NOON + 63 * SECOND, PRICES)
    assert (len(play.orders), play.held("INFY")) == (4, 0)


def test_a_position_in_a_halted_share_is_closed_when_it_trades_again() -> None:
    """Without ticks the exit stays with the venue; the next tick fills it."""
    play = a_holder()
    play.account.close("manual", key_of("INFY"), "test")
    play.settle()
    for minute in range(1, 10):
        play.step(NOON + minute * MINUTE, {"TCS": 3800.0})
    assert (play.held("INFY"), play.last().state) == (10, STATES.OPEN)
    play.step(NOON + 10 * MINUTE, PRICES)
    assert play.held("INFY") == 0


def test_what_could_not_leave_before_the_close_leaves_in_the_next_session() -> None:
    """The exit expires with its day, and is given anew at the next open."""
    play = a_holder()
    for time in (CLOSES - 10 * MINUTE, CLOSES):
        play.step(time, {"TCS": 3800.0})
    assert (play.last().tag, play.last().state, play.held("INFY")) == ("square-off", STATES.EXPIRED, 10)
    opens = ist("2024-01-19", "09:15")
    play.step(opens - MINUTE, PRICES)
    assert play.last().state is STATES.EXPIRED
    play.step(opens + SECOND, PRICES)
    play.step(opens + 2 * SECOND, PRICES)
    assert (play.last().state, play.held("INFY")) == (STATES.FILLED, 0)


def test_exits_beyond_the_order_rate_leave_in_the_seconds_after() -> None:
    """The kill switch with square-off closes every position, and is on once all are flat."""
    shares = [a_share(f"S{number:02}") for number in range(12)]
    prices = {share.symbol: 100.0 for share in shares}
    play = Play({"limits": {"max_orders_per_second": 4}}, shares)
    play.step(NOON, prices)
    for number, share in enumerate(shares):
        play.step(NOON + (number + 1) * SECOND, prices)
        play.order(share.symbol, Side.BUY, 10)
    play.step(NOON + MINUTE, prices)
    play.account.set_kill_switch(is_on=True, reason="test", squares_off=True)
    play.settle()
    state = play.account.portfolio.state
    assert (state.is_closing, state.kill_switch, len(state.exits)) == (True, False, 12)
    assert play.order("S00", Side.BUY, 1).state is STATES.REJECTED
    for second in range(1, 5):
        play.step(NOON + MINUTE + second * SECOND, prices)
    state = play.account.portfolio.state
    assert (state.is_closing, state.kill_switch, state.exits, state.kill_reason) == (False, True, [], "test")
    exits = [order for order in play.orders.values() if order.tag == "square-off"]
    assert [order.symbol for order in exits] == sorted(prices)
    assert [order.decided_at - NOON - MINUTE for order in exits] == [0] * 4 + [1000] * 4 + [2000] * 4
    assert {order.state for order in exits} == {STATES.FILLED}


# -- the kill switch -----------------------------------------------------------------------------------------------


def test_the_kill_switch_cancels_what_works_and_lets_nothing_pass() -> None:
    """Released, orders pass again."""
    play = a_holder()
    order = resting(play)
    play.account.set_kill_switch(is_on=True, reason="test", squares_off=False)
    play.settle()
    assert play.orders[order.client_order_id].state is STATES.CANCELLED
    assert play.order("INFY", Side.SELL, 10, is_exit=True).state is STATES.REJECTED
    assert play.held("INFY") == 10
    play.account.set_kill_switch(is_on=False, reason="", squares_off=False)
    play.step(NOON + 10 * SECOND, PRICES)
    assert play.order("INFY", Side.SELL, 10, is_exit=True).state is STATES.OPEN


def test_an_exit_that_waits_does_not_leave_while_the_switch_is_on() -> None:
    """It leaves when the switch is released."""
    play = a_holder()
    play.account.set_kill_switch(is_on=True, reason="test", squares_off=False)
    assert play.account.close("manual", key_of("INFY"), "test") is None
    play.settle()
    play.step(NOON + 2 * SECOND, PRICES)
    assert len(play.orders) == 1
    play.account.set_kill_switch(is_on=False, reason="", squares_off=False)
    play.step(NOON + 3 * SECOND, PRICES)
    play.step(NOON + 4 * SECOND, PRICES)
    assert play.held("INFY") == 0


def test_the_switch_with_square_off_leaves_an_exit_under_way_alone() -> None:
    """Cancelling it to send the same again would be taken for a repetition."""
    play = a_holder()
    exit_ = play.account.close("manual", key_of("INFY"), "test")
    play.settle()
    play.account.set_kill_switch(is_on=True, reason="test", squares_off=True)
    play.settle()
    play.step(NOON + 2 * SECOND, PRICES)
    assert exit_ is not None
    assert play.orders[exit_.client_order_id].state is STATES.FILLED
    assert (len(play.orders), play.account.portfolio.state.kill_switch) == (2, True)
