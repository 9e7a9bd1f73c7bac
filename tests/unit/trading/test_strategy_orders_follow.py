"""Orders follow what is wanted: slow and partial fills, refusals, and whatever else a market does to an order."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from niftyflow.model import OrderState, OrderType, Side
from support.market import ist
from support.strategy_bench import Bench
from support.strategy_days import DAY, SHARE, a_signal, bars


def told(time, side=Side.BUY, **changes):
    """Return a signal to be told at a time of the day."""
    at = ist(DAY, time)
    return {at: [a_signal(at, side, **{"stop": 98.0 if side is Side.BUY else 102.0, **changes})]}


def played(prices, signals, **bench):
    """Return the bench after prices from 10:00 on, following signals."""
    return Bench("signal-follower", {}, [SHARE], **bench).run(bars(prices, "10:00"), signals)


def refusing(tag):
    """Return a gate that refuses orders of a tag."""
    return lambda order: "refused" if order.tag == tag else ""


def both_sides_never(bench):
    """Fail when exits that work could do more than bring the position to zero, or stand on the wrong side."""
    held, working = bench.position(SHARE.key), bench.working_orders(SHARE.key)
    for leg in ("stop", "target"):
        assert sum(order.side.sign * order.remaining for order in working if order.tag == leg) in {0, -held}


def test_a_reversal_waits_until_the_old_side_has_filled() -> None:
    """While the exit works nothing is opened; the fill opens the other side."""
    bench = Bench("signal-follower", {}, [SHARE], is_slow=True)
    signals = {**told("10:01"), **told("10:03", Side.SELL)}
    bench.run(bars([100] * 3, "10:00"), signals)
    assert [order.tag for order in bench.working_orders()] == ["exit"]
    bench.run(bars([100] * 2, "10:03"))
    assert [order.tag for order in bench.orders.values()] == ["entry", "stop", "exit", "entry", "stop"]
    assert bench.position(SHARE.key) == -500


def test_a_reversal_whose_signal_ran_out_in_between_stays_flat() -> None:
    """The exit fills only after the signal's time; the other side has lost its sense."""
    at = ist(DAY, "10:03")
    sell = replace(a_signal(at, Side.SELL), valid_until=a_signal(at - 175_000).valid_until)
    bench = played([100] * 6, {**told("10:01"), at: [sell]}, is_slow=True, most_filled=400)
    assert [order.tag for order in bench.orders.values()] == ["entry", "stop", "stop", "exit"]
    assert bench.position(SHARE.key) == 0
    assert bench.working_orders() == []


def test_protection_grows_with_the_position() -> None:
    """Each part of an entry that fills is protected at once; what stands already is left to stand."""
    bench = played([100] * 4, told("10:01", target=110.0), most_filled=200, after_hook=both_sides_never)
    assert bench.position(SHARE.key) == 500
    assert [order.quantity for order in bench.of("stop")] == [200, 200, 100]
    assert bench.of("stop") + bench.of("target") == sorted(bench.working_orders(), key=lambda order: order.tag)


def test_protection_shrinks_with_the_position() -> None:
    """A target that fills in part leaves a stop of what is left."""
    prices = [100, 100, 100, (100, 104, 100, 100), 100]
    bench = played(prices, told("10:01", target=104.0), after_hook=both_sides_never)
    assert bench.position(SHARE.key) == 0
    partly = Bench("signal-follower", {}, [SHARE])
    partly.run(bars([100, 100], "10:00"), told("10:01", target=104.0))
    partly.most_filled = 200
    partly.run(bars([(100, 104, 100, 100)], "10:02"))
    assert partly.position(SHARE.key) == 300
    assert [(order.tag, order.remaining) for order in partly.working_orders()] == [("target", 300), ("stop", 300)]


def test_a_stop_that_is_refused_closes_the_position() -> None:
    """Nothing is held without the stop that was wanted."""
    bench = played([100] * 3, told("10:01"), refuses=refusing("stop"))
    assert [(order.tag, order.state) for order in bench.orders.values()] == [
        ("entry", OrderState.FILLED),
        ("stop", OrderState.REJECTED),
        ("exit", OrderState.FILLED),
    ]
    assert bench.position(SHARE.key) == 0


def test_an_exit_that_is_refused_is_asked_for_again_on_the_next_candle() -> None:
    """Until nothing is held."""
    bench = Bench("signal-follower", {}, [SHARE], refuses=refusing("exit"))
    bench.run(bars([100] * 4, "15:07"), told("15:08"))
    assert [order.decided_at for order in bench.of("exit")] == [ist(DAY, time) for time in ("15:10", "15:10", "15:11")]
    bench.refuses = lambda _: ""
    bench.run(bars([100], "15:11"))
    assert bench.position(SHARE.key) == 0


def test_a_target_is_asked_for_three_times_and_the_stop_stands() -> None:
    """A position needs its stop; a target is a wish."""
    bench = played([100] * 9, told("10:01", target=104.0), refuses=refusing("target"))
    assert len(bench.of("target")) == 3
    assert [order.tag for order in bench.working_orders()] == ["stop"]


def test_an_entry_that_came_to_nothing_is_given_up() -> None:
    """Cancelled or expired before it filled: it is not asked for again."""
    bench = Bench("signal-follower", {}, [SHARE], is_slow=True)
    bench.run(bars([100], "10:00"), told("10:01"))
    bench.cancel(bench.of("entry")[0].client_order_id)
    bench.run(bars([100] * 3, "10:01"))
    assert len(bench.orders) == 1
    assert bench.events("entry_missed") == [{"instrument": SHARE.key}]


def test_a_stop_that_went_away_is_placed_again() -> None:
    """Orders of a day end with it; what is held still needs its stop."""
    bench = played([100] * 2, told("10:01"))
    bench.cancel(bench.of("stop")[0].client_order_id)
    bench.run(bars([100], "10:02"))
    assert [order.trigger for order in bench.working_orders()] == [Decimal(98)]


def test_a_stop_that_the_price_has_passed_is_a_market_order() -> None:
    """A stop beyond the price would be refused by the exchange."""
    bench = Bench("signal-follower", {}, [SHARE], is_slow=True)
    bench.run(bars([100], "10:00"), told("10:01"))
    bench.run(bars([97, 97, 97], "10:01"))
    assert [(order.tag, order.order_type) for order in bench.orders.values()] == [
        ("entry", OrderType.MARKET),
        ("exit", OrderType.MARKET),
    ]
    assert bench.position(SHARE.key) == 0


def test_stopping_leaves_only_the_stop_that_protects() -> None:
    """What could turn a position over once nobody watches is cancelled."""
    bench = played([100] * 2, told("10:01", target=104.0))
    bench.stop()
    assert [order.tag for order in bench.working_orders()] == ["stop"]


def test_a_position_carried_overnight_has_its_stop_again_in_the_morning() -> None:
    """Delivery is not out before the close; day orders are gone by the next day."""
    parameters = {"product": "CNC", "allow_short": False, "exit_minutes_before_close": None}
    bench = Bench("signal-follower", parameters, [SHARE])
    bench.run(bars([100] * 30, "15:00"), told("15:01"))
    for order in bench.working_orders():
        bench.cancel(order.client_order_id)
    bench.run(bars([100], "09:15", day="2016-08-17"))
    assert [(order.tag, order.product, order.trigger) for order in bench.working_orders()] == [
        ("stop", "CNC", Decimal(98))
    ]


def test_a_position_that_turned_over_by_itself_is_closed() -> None:
    """Stop and target may both fill when the market jumps: what nobody wanted is not kept, nor bought again."""
    bench = Bench("signal-follower", {}, [SHARE])
    bench.run(bars([100] * 2, "10:00"), told("10:01"))
    bench.sell(SHARE.key, 900, tag="another")
    bench.run(bars([100] * 2, "10:02"))
    assert [(order.tag, order.filled) for order in bench.orders.values()] == [
        ("entry", 500),
        ("stop", 0),
        ("another", 900),
        ("exit", 400),
    ]
    assert bench.position(SHARE.key) == 0
    assert bench.working_orders() == []


@pytest.mark.parametrize("most_filled", [1, 7, 120, 499])
def test_whatever_the_size_of_fills_exits_never_exceed_the_position(most_filled: int) -> None:
    """Checked before every hook, over an entry, a reversal and the day's end."""
    signals = {**told("15:01", target=104.0), **told("15:05", Side.SELL, target=90.0)}
    prices = [100, 100, 101, (101, 104, 101, 102), 101, 100, 99, *[100] * 22]
    bench = Bench("signal-follower", {}, [SHARE], is_slow=True, most_filled=most_filled, after_hook=both_sides_never)
    bench.run(bars(prices, "15:00"), signals)
    assert len(bench.fills) > 3
    assert all(order.state.is_final or order.tag == "exit" for order in bench.orders.values())
