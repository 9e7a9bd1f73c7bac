"""EMA cross: it turns where the averages cross, inside its window, and is protected while it holds."""

from __future__ import annotations

from decimal import Decimal

import pytest

from niftyflow.model import OrderState, OrderType, Side
from support.market import ist
from support.strategy_bench import Bench
from support.strategy_days import DAY, INDEX, SHARE, bars

SMALL = {"fast": 2, "slow": 4, "value_rupees": 10_000}
FLAT = [100.0] * 20
UP, DOWN = [100.5, 101.0, 101.5, 102.0], [101.0, 99.5, 98.0, 97.0]


def played(prices, start="09:15", **parameters):
    """Return the bench after prices, one share, small periods."""
    return Bench("ema-cross", {**SMALL, **parameters}, [SHARE]).run(bars(prices, start))


def test_a_cross_upwards_buys_and_a_cross_downwards_turns_the_position_over() -> None:
    """First long, then the long is closed, then short: never both at once."""
    bench = played([99.5, *FLAT, *DOWN, *UP, *DOWN])
    assert [(order.side, order.tag) for order in bench.orders.values()] == [
        (Side.SELL, "entry"),
        (Side.BUY, "exit"),
        (Side.BUY, "entry"),
        (Side.SELL, "exit"),
        (Side.SELL, "entry"),
    ]
    assert [order.quantity for order in bench.of("entry")] == [
        int(10_000 / 99.5),
        int(10_000 / 101),
        int(10_000 / 99.5),
    ]


def test_the_first_side_is_no_cross() -> None:
    """Prices that only rise never cross: where the averages stood before is not known."""
    assert played([100.0 + minute for minute in range(30)]).orders == {}


def test_averages_that_touch_have_not_crossed() -> None:
    """Equal averages keep the side they had."""
    bench = played([100.0, 101.0, 102.0, 103.0, *[104.0] * 60, 105.0, 106.0], "09:30")
    assert bench.orders == {}


def test_history_tells_the_side_before_the_first_candle() -> None:
    """With the history a cross on the second candle is one; without it nothing is known yet."""
    past, candles = bars([*FLAT, *UP], "09:30"), bars([99.0, 95.0], "10:00")
    warm = Bench("ema-cross", SMALL, [SHARE], past={SHARE.key: past}).run(candles)
    cold = Bench("ema-cross", SMALL, [SHARE]).run(candles)
    assert [order.side for order in warm.of("entry")] == [Side.SELL]
    assert cold.orders == {}


def test_the_warm_up_covers_the_slowest_average() -> None:
    """What the averages began with weighs less than a millionth after it."""
    assert Bench("ema-cross", {}, [SHARE]).strategy.warm_up == 202
    assert Bench("ema-cross", {"slow": 50}, [SHARE]).strategy.warm_up > 300


@pytest.mark.parametrize(("start", "entries"), [("08:56", 0), ("08:57", 1), ("14:36", 1), ("14:37", 0)])
def test_positions_are_opened_inside_the_window_only(start: str, entries: int) -> None:
    """The candle of the cross ends 23 minutes after the start: at 09:20 it may enter, at 15:00 it may not."""
    assert len(played([99.5, *FLAT, *DOWN], start).of("entry")) == entries


def test_a_cross_after_the_window_only_ends_a_position() -> None:
    """At 15:05 the short is closed and no long opened."""
    bench = played([99.5, *FLAT, *DOWN, *[97.0] * 20, *UP], "14:15")
    assert [(order.side, order.tag) for order in bench.orders.values()] == [(Side.SELL, "entry"), (Side.BUY, "exit")]
    assert bench.position(SHARE.key) == 0
    assert bench.orders[list(bench.orders)[-1]].decided_at > ist(DAY, "15:00")


def test_without_short_selling_a_cross_downwards_only_sells_what_is_held() -> None:
    """The side below is no side then."""
    bench = played([99.5, *FLAT, *DOWN, *UP, *DOWN], allow_short=False)
    assert [(order.side, order.tag) for order in bench.orders.values()] == [(Side.BUY, "entry"), (Side.SELL, "exit")]


def test_the_stop_stands_some_atr_from_the_entry_on_a_price_step() -> None:
    """Placed when the entry has filled, for all of it, a stop-loss at market."""
    bench = played([99.5, *FLAT, *DOWN], stop_atr=3.0)
    (stop,) = bench.of("stop")
    atr = bench.strategy.save()["averages"][SHARE.key]["atr"][0]
    entry = bench.average_price(SHARE.key)
    assert (stop.side, stop.order_type, stop.quantity) == (Side.BUY, OrderType.SL_M, -bench.position(SHARE.key))
    assert stop.trigger % SHARE.tick_size == 0
    assert abs(stop.trigger - entry) < 4 * Decimal(repr(atr))
    assert stop.trigger > entry


def test_no_stop_is_placed_unless_asked_for() -> None:
    """0 ATR is no stop."""
    bench = played([99.5, *FLAT, *DOWN])
    assert bench.of("entry")
    assert bench.of("stop") == []


def test_a_reversal_replaces_the_stop_by_one_on_the_other_side() -> None:
    """The old one is cancelled with the position, the new one stands."""
    bench = played([99.5, *FLAT, *DOWN, *UP], stop_atr=20.0)
    assert [(stop.side, stop.state) for stop in bench.of("stop")] == [
        (Side.BUY, OrderState.CANCELLED),
        (Side.SELL, OrderState.INTENDED),
    ]


def test_a_position_that_was_stopped_out_is_not_entered_again_before_the_next_cross() -> None:
    """The stop fills, and that is all of this cross."""
    bench = played([99.5, *FLAT, *DOWN, (97.0, 108.0, 97.0, 97.0), 96.0, 95.0], stop_atr=2.0)
    assert [order.tag for order in bench.orders.values()] == ["entry", "stop"]
    assert bench.of("stop")[0].state is OrderState.FILLED
    assert bench.position(SHARE.key) == 0


def test_it_does_not_enter_unprotected_when_a_stop_is_wanted() -> None:
    """Before ATR is known there is no distance for the stop."""
    assert played([99.5, *FLAT[:8], *DOWN], stop_atr=1.0).orders == {}
    assert played([99.5, *FLAT[:8], *DOWN], stop_atr=0.0).orders != {}


def test_it_is_flat_before_the_close() -> None:
    """Twenty minutes before the close the timer takes it out, and its stop away."""
    bench = played([99.5, *FLAT, *DOWN, *[97.0] * 40], "14:30", stop_atr=20.0)
    (out,) = bench.of("exit")
    assert out.decided_at == ist(DAY, "15:10")
    assert bench.position(SHARE.key) == 0
    assert bench.working_orders() == []


def test_an_index_is_followed_but_never_ordered() -> None:
    """What cannot be traded has no quantity."""
    bench = Bench("ema-cross", SMALL, [INDEX]).run(bars([99.5, *FLAT, *DOWN, *UP], instrument=INDEX))
    assert bench.orders == {}
    assert bench.logs == []
