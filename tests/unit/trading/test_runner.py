"""Strategies of an account: called in order, stopped alone, taken back with their memory."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from niftyflow.model import OrderState, OrderType, Product, Side, StrategyStatus
from niftyflow.trading.requests import OrderRequest
from niftyflow.trading.settings import OnError
from niftyflow.trading.strategy import Context
from support.market import ist
from support.trading_accounts import NOON, PRICES, SECOND, Play, Scripted, a_play, key_of
from support.trading_days import MINUTE, SHARES, a_candle, a_signal

INFY = key_of("INFY")
STOP = {"order_type": OrderType.SL_M, "trigger": Decimal("1480.00")}


@pytest.fixture(autouse=True)
def _logs() -> Iterator[list[Any]]:
    """Keep the log, out of the output."""
    with capture_logs() as logs:
        yield logs


def buy(context: Context, _: Any) -> None:
    """Buy five of INFY."""
    context.buy(INFY, 5)


def throw(context: Context, _: Any) -> None:
    """Fail."""
    raise ValueError(f"{context.name} cannot")


def a_minute(play: Play, minute: int = 1, **prices: float) -> None:
    """Give the candle of INFY that ends a number of minutes after noon, and its ticks."""
    time = NOON + minute * MINUTE
    play.step(time, PRICES | prices, candles=[a_candle("INFY", time - MINUTE, [1500.0])])


def test_a_strategy_that_throws_is_stopped_alone() -> None:
    """The others go on in the same step, and the reason is kept."""
    bad, good = Scripted(on_candle=throw), Scripted(on_candle=buy)
    play = a_play(bad=bad, good=good)
    for name in ("bad", "good"):
        play.start(name, ["INFY"])
    a_minute(play)
    a_minute(play, 2)
    states = {name: state.status for name, state in play.strategies.items()}
    assert states == {"bad": StrategyStatus.FAILED, "good": StrategyStatus.RUNNING}
    assert play.strategies["bad"].reason == "on_candle: ValueError: bad cannot"
    assert bad.hooks() == ["on_start", "on_candle"]
    assert good.hooks().count("on_candle") == 2
    assert "memory" not in play.strategies["bad"].saved


@pytest.mark.parametrize(("on_error", "left"), [(OnError.HOLD, 5), (OnError.SQUARE_OFF, 0)])
def test_the_position_of_a_failed_strategy_is_handled_as_its_settings_say(on_error: OnError, left: int) -> None:
    """Held with the stop that protects it, or closed at the market; what could open or turn it is cancelled."""

    def enter(context: Context, _: Any) -> None:
        if context.position(INFY):
            raise ValueError
        context.buy(INFY, 5)

    def protect(context: Context, _: Any) -> None:
        if not context.position(INFY):
            return
        context.sell(INFY, 5, **STOP)
        context.sell(INFY, 5, order_type=OrderType.LIMIT, price=Decimal("1520.00"))
        context.buy(INFY, 5, order_type=OrderType.LIMIT, price=Decimal("1400.00"))

    play = a_play(one=Scripted(on_candle=enter, on_fill=protect))
    play.start("one", ["INFY"], on_error)
    a_minute(play)
    play.step(NOON + MINUTE + SECOND, PRICES)
    assert (play.held("INFY"), len(play.account.portfolio.working())) == (5, 3)
    a_minute(play, 2)
    play.step(NOON + 2 * MINUTE + SECOND, PRICES)
    assert play.held("INFY") == left
    kinds = [order.order_type for order in play.account.portfolio.working()]
    assert kinds == ([OrderType.SL_M] if left else [])


def test_an_order_given_by_the_hook_that_threw_is_never_sent() -> None:
    """Half a decision is none."""

    def half(context: Context, _: Any) -> None:
        context.buy(INFY, 5)
        raise ValueError

    play = a_play(one=Scripted(on_candle=half))
    play.start("one", ["INFY"])
    a_minute(play)
    assert play.states() == [OrderState.EXPIRED]


def test_a_strategy_that_throws_while_it_starts_or_stops_has_failed() -> None:
    """Both hooks are guarded like the others."""

    def no(context: Context) -> None:
        raise ValueError(context.account)

    play = a_play(one=Scripted(on_start=no), two=Scripted(on_stop=no))
    play.start("one", ["INFY"])
    play.start("two", ["INFY"])
    play.account.runner.stop("two", "by me")
    play.commit()
    assert [each.status for each in play.strategies.values()] == [StrategyStatus.FAILED] * 2
    assert play.strategies["two"].reason == "on_stop: ValueError: paper-1"


def test_a_fill_after_a_strategy_was_stopped_calls_nobody() -> None:
    """Its position stays as it is; a position of no strategy calls nobody either."""
    script = Scripted(on_candle=buy)
    play = a_play(one=script)
    play.start("one", ["INFY"])
    order = play.order("INFY", Side.BUY, 5, strategy="one", settles=False)
    play.account.runner.stop("one", "by me")
    play.account.portfolio.state.cancelling.clear()
    play.account.actions = [each for each in play.account.actions if each.kind == "send"]
    play.settle()
    play.step(NOON + SECOND, PRICES)
    assert play.orders[order.client_order_id].state is OrderState.FILLED
    assert (script.hooks(), play.held("INFY")) == (["on_start", "on_stop"], 5)


def test_timers_are_called_once_by_time_and_name() -> None:
    """Also several at once; one set again in its own hook is called in a later step."""

    def again(context: Context, name: str) -> None:
        if name == "a":
            context.timer("a", context.time + 10 * SECOND)

    script = Scripted(on_timer=again)
    play = a_play(one=script)
    play.start("one", ["INFY"])
    context = play.account.runner.strategies["one"].context
    for name, seconds in (("b", 2), ("a", 2), ("c", 1), ("d", 50), ("e", 3), ("e", 90)):
        context.timer(name, NOON + seconds * SECOND)
    play.step(NOON + SECOND)
    play.step(NOON + 5 * SECOND)
    play.step(NOON + 6 * SECOND)
    play.step(NOON + 20 * SECOND)
    assert [each[1] for each in script.called if each[0] == "on_timer"] == ["c", "a", "b", "a"]
    assert context.timers == {"a": NOON + 30 * SECOND, "d": NOON + 50 * SECOND, "e": NOON + 90 * SECOND}


def test_a_timer_that_throws_ends_the_other_timers() -> None:
    """A strategy that failed is not called again."""
    script = Scripted(on_timer=throw)
    play = a_play(one=script)
    play.start("one", ["INFY"])
    for name in ("a", "b"):
        play.account.runner.strategies["one"].context.timer(name, NOON + SECOND)
    play.step(NOON + SECOND)
    assert script.hooks() == ["on_start", "on_timer"]


def test_memory_and_timers_come_back_after_a_restart() -> None:
    """Through JSON, into a new strategy: `load` is called and `on_start` is not."""
    script = Scripted()
    script.memory = {"levels": {"NSE:INFY": [1.5, None, "x", True]}}
    play = a_play(one=script, two=Scripted())
    play.start("one", ["INFY"], OnError.HOLD)
    play.start("two", ["TCS"])
    play.account.runner.strategies["one"].context.timer("late", NOON + MINUTE)
    play.account.runner.stop("two", "by me")
    play.settle()
    memory, script.memory = script.memory, {}
    script.called.clear()
    play.restart()
    runner = play.account.runner
    assert (script.called, script.memory) == ([("load", memory)], memory)
    assert runner.strategies["one"].context.timers == {"late": NOON + MINUTE}
    assert runner.strategies["one"].on_error is OnError.HOLD
    assert (runner.watched(), runner.take_changed()) == ({INFY}, [])
    assert [each.state.status for each in runner.strategies.values()] == ["running", "stopped"]
    play.step(NOON + MINUTE)
    assert script.hooks() == ["load", "on_timer"]


def test_signals_reach_those_that_run_on_the_instrument() -> None:
    """In order, each with its cause."""
    one, two = Scripted(), Scripted()
    play = a_play(one=one, two=two)
    play.start("one", ["INFY", "TCS"])
    play.start("two", ["TCS"])
    signals = [a_signal("INFY", NOON, Side.BUY), a_signal("TCS", NOON, Side.SELL), a_signal("SBIN", NOON, Side.BUY)]
    play.step(NOON + SECOND, signals=signals)
    assert [each[1].symbol for each in one.called if each[0] == "on_signal"] == ["INFY", "TCS"]
    assert [each[1].symbol for each in two.called if each[0] == "on_signal"] == ["TCS"]
    assert play.account.runner.strategies["one"].context.cause.signal_id == signals[1].id


def test_a_context_shows_the_account_as_its_strategy_may_see_it() -> None:
    """Its own positions and orders, prices and sessions; of another's orders it can cancel none."""
    script = Scripted(on_candle=buy)
    play = a_play(one=script)
    play.start("one", ["INFY"])
    a_minute(play)
    other = play.order("INFY", Side.BUY, 3, order_type=OrderType.LIMIT, price=Decimal("1400.00"))
    play.step(NOON + MINUTE + SECOND, PRICES)
    context = play.account.runner.strategies["one"].context
    assert (context.name, context.account, context.instruments) == ("one", "paper-1", [INFY])
    assert (context.time, context.position(INFY)) == (play.account.now, 5)
    assert (context.average_price(INFY), context.average_price(key_of("TCS"))) == (play.fills[0].price, None)
    assert (context.last_price(INFY), context.last_price(key_of("WIPRO"))) == (1500.0, None)
    assert (context.tick_size(INFY), context.tick_size(key_of("NONE"))) == (SHARES[0].tick_size, Decimal("0.05"))
    assert (context.quantity_for(INFY, 4600.0), context.quantity_for(key_of("WIPRO"), 1e5)) == (3, 0)
    assert (context.working_orders(), len(context.history(INFY))) == ([], 0)
    session = context.session(INFY)
    assert session is not None
    assert (session.close, context.session(key_of("NONE"))) == (ist("2024-01-18", "15:30"), None)
    context.cancel(other.client_order_id)
    context.cancel("nothing")
    assert not play.account.is_cancelling(other)
    context.log("seen", price=1)
    closing = context.close(INFY, "done")
    assert closing is not None
    assert (closing.tag, closing.quantity, context.working_orders(INFY)) == ("done", 5, [closing])
    context.cancel(closing.client_order_id)
    assert context.working_orders(INFY) == []


def test_an_order_knows_whether_it_takes_a_position_back() -> None:
    """Only what can do no more than that is an exit: more, or the other way, is an entry."""
    play = a_play()
    play.order("INFY", Side.BUY, 5)
    play.step(NOON + SECOND, PRICES)
    portfolio = play.account.portfolio
    judged = [(side, quantity, portfolio.takes_back("manual", INFY, side, quantity)) for side, quantity in
              ((Side.SELL, 5), (Side.SELL, 6), (Side.BUY, 1))]  # fmt: skip
    assert judged == [(Side.SELL, 5, True), (Side.SELL, 6, False), (Side.BUY, 1, False)]


def test_two_products_of_one_share_have_an_average_each() -> None:
    """The first that is open is told, in the same order after a restart."""
    play = a_play(manual=Scripted())
    play.start("manual", ["INFY"])
    for product, price in ((Product.CNC, 1500.0), (Product.MIS, 1400.0)):
        request = OrderRequest(
            strategy="manual", instrument=INFY, side=Side.BUY, quantity=1, cause=product, product=product
        )
        play.account.place(request)
        play.settle()
        play.step(play.account.now + SECOND, {"INFY": price})
    before = play.account.runner.strategies["manual"].context.average_price(INFY)
    play.commit()
    play.restart()
    assert play.account.runner.strategies["manual"].context.average_price(INFY) == before
