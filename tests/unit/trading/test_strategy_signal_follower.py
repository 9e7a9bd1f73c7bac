"""Signal follower: enters valid signals by their strength, ends at their stop or target, turns over on the opposite."""

from __future__ import annotations

from decimal import Decimal

from niftyflow.model import OrderState, OrderType, Side
from support.market import ist
from support.strategy_bench import Bench
from support.strategy_days import DAY, INDEX, OTHER, SHARE, a_signal, bars


def at(time):
    """Return a time of the day, ms UTC."""
    return ist(DAY, time)


def played(prices, *signals, start="10:00", instruments=(SHARE,), **parameters):
    """Return the bench after prices of each instrument, with signals told at their own time."""
    bench = Bench("signal-follower", parameters, list(instruments))
    candles = [candle for instrument in instruments for candle in bars(prices, start, instrument)]
    told: dict[int, list] = {}
    for time, signal in signals:
        told.setdefault(time, []).append(signal)
    return bench.run(candles, told)


def one(time, action=Side.BUY, **changes):
    """Return a signal with the time at which it is told."""
    return at(time), a_signal(at(time), action, **changes)


def test_a_signal_is_entered_with_its_share_of_the_value() -> None:
    """Half the strength buys half of it, and never more than all of it."""
    assert played([100, 100], one("10:01", strength=0.5)).position(SHARE.key) == 250
    assert played([100, 100], one("10:01", Side.SELL, strength=7.0)).position(SHARE.key) == -500
    assert played([100, 100], one("10:01", strength=0.0)).orders == {}


def test_stop_and_target_are_the_signal_s_and_one_cancels_the_other() -> None:
    """Rounded to the price step; the target fills, the stop goes."""
    bench = played([100, 100, (100, 106, 100, 105)], one("10:01", stop=98.02, target=104.97))
    entry, stop, target = bench.orders.values()
    assert (stop.order_type, stop.trigger, stop.state) == (OrderType.SL_M, Decimal("98.00"), OrderState.CANCELLED)
    assert (target.order_type, target.price, target.state) == (OrderType.LIMIT, Decimal("104.95"), OrderState.FILLED)
    assert entry.filled == target.filled == 500
    assert bench.position(SHARE.key) == 0


def test_the_stop_ends_a_short_position_too() -> None:
    """It stands above the price, and the target goes with it."""
    bench = played([100, 100, (100, 103, 100, 102)], one("10:01", Side.SELL, stop=102.0, target=96.0))
    assert [order.state for order in bench.orders.values()] == [
        OrderState.FILLED,
        OrderState.FILLED,
        OrderState.CANCELLED,
    ]


def test_a_signal_that_is_too_late_is_left_alone() -> None:
    """At `valid_until` it is not valid any more."""
    late = a_signal(at("10:00"))
    bench = played([100] * 4, (at("10:03"), late))
    assert bench.orders == {}
    assert [event["signal"] for event in bench.events("signal_too_late")] == [late.id]
    assert played([100] * 4, (at("10:02"), late)).orders != {}


def test_only_the_named_rules_are_followed() -> None:
    """Others are not even logged."""
    signals = one("10:01", strategy="rule-9"), one("10:02", strategy="rule-1")
    bench = played([100] * 3, *signals, rules=["rule-1"])
    assert [order.decided_at for order in bench.of("entry")] == [at("10:02")]


def test_the_opposite_signal_turns_the_position_over() -> None:
    """Closed first, opened after, with the new stop alone."""
    signals = one("10:01", stop=98.0), one("10:02", Side.SELL, stop=102.0, strength=0.5)
    bench = played([100] * 4, *signals)
    assert [(order.side, order.tag) for order in bench.orders.values()] == [
        (Side.BUY, "entry"),
        (Side.SELL, "stop"),
        (Side.SELL, "exit"),
        (Side.SELL, "entry"),
        (Side.BUY, "stop"),
    ]
    assert bench.position(SHARE.key) == -250
    assert [(order.side, order.trigger) for order in bench.working_orders()] == [(Side.BUY, Decimal(102))]


def test_a_signal_of_the_same_side_adds_nothing() -> None:
    """One position an instrument, with the stop it was entered with."""
    bench = played([100] * 4, one("10:01", stop=98.0), one("10:02", stop=99.0))
    assert [order.tag for order in bench.orders.values()] == ["entry", "stop"]


def test_an_opposite_signal_that_may_not_open_still_closes() -> None:
    """Without short selling the long is sold and that is all."""
    bench = played([100] * 4, one("10:01"), one("10:02", Side.SELL), allow_short=False)
    assert [order.tag for order in bench.orders.values()] == ["entry", "exit"]
    assert bench.position(SHARE.key) == 0


def test_no_more_positions_than_allowed_are_held() -> None:
    """The second waits for none: it is dropped, and said so."""
    bench = played([100] * 3, one("10:01"), one("10:01", instrument=OTHER), instruments=(SHARE, OTHER), max_positions=1)
    assert {order.instrument for order in bench.orders.values()} == {SHARE.key}
    assert [event["reason"] for event in bench.events("signal_not_entered")] == ["max_positions is 1"]


def test_turning_over_needs_no_free_position() -> None:
    """The one it has is the one it uses."""
    bench = played([100] * 4, one("10:01"), one("10:02", Side.SELL), max_positions=1)
    assert bench.position(SHARE.key) == -500


def test_a_signal_whose_stop_or_target_is_passed_has_lost_its_sense() -> None:
    """It would be closed as soon as it was opened."""
    passed = one("10:01", stop=100.0), one("10:02", target=99.0), one("10:03", Side.SELL, stop=99.0)
    bench = played([100] * 4, *passed)
    assert bench.orders == {}
    assert len(bench.events("signal_not_entered")) == 3


def test_signals_near_the_close_are_not_entered_and_positions_are_out_by_then() -> None:
    """From twenty minutes before the close on, nothing is held."""
    bench = played([100] * 30, one("15:05"), one("15:10"), one("15:12"), start="15:00")
    assert [(order.tag, order.decided_at) for order in bench.orders.values()] == [
        ("entry", at("15:05")),
        ("exit", at("15:10")),
    ]
    assert bench.position(SHARE.key) == 0


def test_a_signal_about_an_index_orders_nothing() -> None:
    """An index has a price and no quantity."""
    bench = played([100] * 3, one("10:01", instrument=INDEX), instruments=(INDEX,))
    assert bench.orders == {}


def test_a_signal_before_any_price_is_left_alone() -> None:
    """There is nothing to size it by."""
    bench = Bench("signal-follower", {}, [SHARE, OTHER])
    bench.run(bars([100, 100], "10:00"), {at("10:01"): [a_signal(at("10:01"), instrument=OTHER)]})
    assert [event["reason"] for event in bench.events("signal_not_entered")] == ["no price is known"]
