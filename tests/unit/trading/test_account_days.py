"""What the time of day does to an account, and what its strategies are told."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from niftyflow.model import (
    Interval,
    Kind,
    OrderState,
    OrderType,
    Product,
    Side,
    StrategyStatus,
    Validity,
)
from niftyflow.trading.settings import OnError
from support.market import ist
from support.trading_accounts import NOON, PRICES, SECOND, Play, Scripted, a_holder, a_play, key_of
from support.trading_days import CLOSES, MINUTE, SHARES, a_candle, a_signal, a_tick

STATES = OrderState


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep refused orders out of the output."""
    with capture_logs():
        yield


def resting(play: Play, **more: Any) -> Any:
    """Return a working order to buy below the market."""
    return play.order("INFY", Side.BUY, 10, order_type=OrderType.LIMIT, price=Decimal("1490.00"), **more)


# -- the day -------------------------------------------------------------------------------------------------------


def test_delivery_is_not_squared_off_and_intraday_beside_it_is() -> None:
    """The same strategy holds both products of one share: only MIS is closed before the close."""
    play = a_holder(product=Product.CNC)
    play.order("INFY", Side.BUY, 4)
    rest = play.order("INFY", Side.BUY, 1, order_type=OrderType.LIMIT, price=Decimal("1400.00"), product=Product.CNC)
    play.step(NOON + 2 * SECOND, PRICES)
    play.step(CLOSES - 10 * MINUTE, PRICES)
    assert play.orders[rest.client_order_id].state is STATES.OPEN
    play.step(CLOSES - 10 * MINUTE + SECOND, PRICES)
    left = {row.product: row.net_quantity for row in play.positions.values()}
    assert left == {"CNC": 10, "MIS": 0}


def test_a_stop_left_at_the_close_expires_and_its_position_is_squared_off_the_next_day() -> None:
    """A halted share cannot be sold: its stop expires with the session."""
    play = a_holder()
    play.step(CLOSES - 11 * MINUTE, {"TCS": 3800.0})
    stop = play.order("INFY", Side.SELL, 10, order_type=OrderType.SL_M, trigger=Decimal("1480.00"), is_exit=True)
    assert stop.state is STATES.ACCEPTED
    play.step(CLOSES, {"TCS": 3800.0})
    assert play.orders[stop.client_order_id].state is STATES.EXPIRED
    assert not play.account.portfolio.working()
    assert play.held("INFY") == 10


def test_an_order_of_yesterday_does_not_work_today() -> None:
    """A feed that ended before the close leaves orders behind: they expire when the next day begins."""
    play = a_play()
    order = resting(play)
    play.step(ist("2024-01-19", "09:20"), {"INFY": 1480.0})
    assert play.orders[order.client_order_id].state is STATES.EXPIRED
    assert play.held("INFY") == 0


def test_a_new_day_counts_anew() -> None:
    """Orders, the day's profit and the shares delivered begin again; what was made before is kept."""
    play = a_holder(product=Product.CNC)
    play.order("INFY", Side.SELL, 4, product=Product.CNC, is_exit=True)
    play.step(NOON + 2 * SECOND, PRICES | {"INFY": 1400.0})
    day = play.account.portfolio.state.day
    assert (day.orders, day.delivered) == (2, ["NSE:INFY"])
    assert play.account.portfolio.profit_today() < 0
    profit = play.account.portfolio.profit()
    play.step(ist("2024-01-19", "09:00"))
    day = play.account.portfolio.state.day
    assert (day.orders, day.delivered, day.base) == (0, [], profit)
    assert play.account.portfolio.profit_today() == 0


def test_the_depository_charge_is_paid_once_a_day_and_share() -> None:
    """Two sales of one share from delivery pay it once; the next day it is paid again."""
    play = a_holder(product=Product.CNC)
    for second, quantity in ((2, 3), (10, 2)):
        play.order("INFY", Side.SELL, quantity, product=Product.CNC, is_exit=True)
        play.step(NOON + second * SECOND, PRICES)
    opens = ist("2024-01-19", "09:16")
    play.step(opens, PRICES)
    play.order("INFY", Side.SELL, 1, product=Product.CNC, is_exit=True)
    play.step(opens + SECOND, PRICES)
    assert ["dp" in fill.charges for fill in play.fills] == [False, True, False, True]


def test_after_the_days_loss_only_exits_leave() -> None:
    """The limit counts from the day's beginning, charges included."""
    play = a_holder(settings={"limits": {"max_daily_loss_rupees": 500}})
    play.step(NOON + 10 * SECOND, PRICES | {"INFY": 1440.0})
    entry = play.order("TCS", Side.BUY, 1)
    assert "daily_loss" in entry.risk.reason
    assert play.order("INFY", Side.SELL, 10, is_exit=True).state is STATES.OPEN


def test_orders_of_an_unknown_instrument_or_session_expire_and_its_position_waits() -> None:
    """Nothing can be decided about it, and nothing throws: fail closed until it is known again."""
    play = a_holder()
    order = resting(play)
    known, play.instruments = play.instruments, []
    play.account.set_instruments([])
    play.step(NOON + 2 * SECOND, PRICES)
    play.account.close("manual", key_of("INFY"), "test")
    play.settle()
    play.step(NOON + MINUTE, PRICES)
    assert play.orders[order.client_order_id].state in {STATES.EXPIRED, STATES.CANCELLED}
    assert play.held("INFY") == 10
    play.account.set_instruments(known)
    play.step(NOON + MINUTE + SECOND, PRICES)
    play.step(NOON + MINUTE + 2 * SECOND, PRICES)
    assert play.held("INFY") == 0


def test_ticks_received_past_midnight_begin_the_day_they_are_of() -> None:
    """The step's watermark may still be of the day before; the instruments asked for are those of the new one."""
    play = a_play()
    midnight = ist("2024-01-19", "00:00")
    play.step(midnight - SECOND, PRICES, received=midnight + 200)
    assert str(play.account.portfolio.state.day.day) == "2024-01-19"


# -- what strategies are told --------------------------------------------------------------------------------------


def test_candles_come_in_order_first_told_and_watched_only() -> None:
    """A correction, another interval's or a stranger's candle never reaches a strategy."""
    script = Scripted()
    play = a_play(one=script)
    play.start("one", ["INFY", "TCS"])
    time = NOON - MINUTE
    candles = [
        a_candle("TCS", time, [3800.0]), a_candle("SBIN", time, [620.0]), a_candle("INFY", time, [1500.0]),
        a_candle("INFY", time - MINUTE, [1400.0], revision=1), a_candle("TCS", time - MINUTE, [3799.0]),
    ]  # fmt: skip
    play.step(NOON + SECOND, candles=candles)
    told = [each[1] for each in script.called if each[0] == "on_candle"]
    assert [(candle.symbol, candle.close) for candle in told] == [("TCS", 3799.0), ("INFY", 1500.0), ("TCS", 3800.0)]


def test_candles_of_other_intervals_are_left_alone() -> None:
    """Strategies run on one-minute candles."""
    script = Scripted()
    play = a_play(one=script)
    play.start("one", ["INFY"])
    play.step(NOON, PRICES, candles=[structs.replace(a_candle("INFY", NOON - MINUTE, [1500.0]), interval=Interval.D1)])
    play.step(NOON + SECOND, PRICES, candles=[a_candle("SBIN", NOON, [620.0])])
    assert script.hooks() == ["on_start"]


def test_a_signal_carries_its_candles_trace_to_every_order_that_follows() -> None:
    """Entry, stop and exit name what they follow from, and the trace leads back to the candle."""

    def enter(context: Any, signal: Any) -> None:
        context.buy(signal.instrument, 10)

    def protect(context: Any, fill: Any) -> None:
        if context.position(fill.instrument):
            context.sell(fill.instrument, 10, order_type=OrderType.SL_M, trigger=Decimal("1480.00"))

    def leave(context: Any, name: str) -> None:
        context.close(key_of("INFY"))

    script = Scripted(on_signal=enter, on_fill=protect, on_candle=lambda context, _: context.close(key_of("INFY")))
    play = a_play(one=script)
    play.start("one", ["INFY"])
    signal = a_signal("INFY", NOON, Side.BUY)
    play.step(NOON + SECOND, PRICES, signals=[signal])
    play.step(NOON + 2 * SECOND, PRICES)
    play.step(NOON + MINUTE, PRICES, candles=[a_candle("INFY", NOON, [1500.0])])
    entry, stop, exit_ = play.orders.values()
    assert (entry.cause, entry.signal_id) == (f"one/signal/{signal.id}", signal.id)
    assert entry.trace_id == stop.trace_id != ""
    assert stop.cause == f"one/fill/{entry.client_order_id}-1"
    assert (stop.signal_id, exit_.cause.startswith("one/candle/NSE:INFY/")) == (signal.id, True)
    assert exit_.trace_id not in {"", entry.trace_id}


def test_a_strategy_that_fails_while_the_step_still_fills_leaves_nothing_open() -> None:
    """Two entries fill in one step; thrown at the first, the position of the second is closed as well."""

    def enter(context: Any, signal: Any) -> None:
        for symbol in ("INFY", "TCS"):
            context.buy(key_of(symbol), 5)

    def throw(context: Any, fill: Any) -> None:
        raise ValueError(fill.symbol)

    play = a_play(one=Scripted(on_signal=enter, on_fill=throw))
    play.start("one", ["INFY", "TCS"], OnError.SQUARE_OFF)
    play.step(NOON + SECOND, PRICES, signals=[a_signal("INFY", NOON, Side.BUY)])
    play.step(NOON + 2 * SECOND, PRICES)
    assert play.strategies["one"].status is StrategyStatus.FAILED
    play.step(NOON + 3 * SECOND, PRICES)
    assert (play.held("INFY"), play.held("TCS")) == (0, 0)
    assert {order.trace_id for order in play.orders.values()} == {play.last().trace_id}


def test_an_immediate_order_ends_at_its_first_tick() -> None:
    """IOC: filled or cancelled, however the ticks come."""
    play = a_play()
    play.order("INFY", Side.BUY, 10, order_type=OrderType.LIMIT, price=Decimal("1400.00"), validity=Validity.IOC)
    late = [a_tick("INFY", NOON + 500 + each, 1500.0 - 60 * each) for each in range(3)]
    play.step(NOON + SECOND, ticks=late, each_alone=True)
    assert play.states() == [STATES.CANCELLED]


def test_an_index_cannot_be_traded() -> None:
    """Its price is known, and it is refused."""
    index = structs.replace(SHARES[0], symbol="NIFTY 50", kind=Kind.INDEX)
    play = Play(None, [*SHARES, index])
    play.step(NOON, {"NIFTY 50": 22_000.0})
    assert "instrument" in play.order("NIFTY 50", Side.BUY, 1).risk.reason
