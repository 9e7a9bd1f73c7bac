"""Opening-range breakout: a whole range, one entry beyond it, a stop at its other end, a target, out by the close."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from niftyflow.market import session
from niftyflow.model import Exchange, Instrument, Kind, OrderState, OrderType, Side
from niftyflow.trading.strategies.session_minutes import after_open, before_close
from support.market import ist
from support.strategy_bench import Bench
from support.strategy_days import DAY, INDEX, OTHER, RANGE_100_TO_102, SHARE, a_bar, bars

SPLIT_DAY = "2024-03-02"


def played(prices, start="09:15", day=DAY, **parameters):
    """Return the bench after prices of one share."""
    return Bench("opening-range-breakout", parameters, [SHARE]).run(bars(prices, start, day=day))


def orders_of(bench):
    """Return what was ordered, in order."""
    return [(order.side, order.tag, order.state) for order in bench.orders.values()]


def test_a_close_above_the_range_buys_with_stop_and_target() -> None:
    """The stop is the low of the range, the target two ranges above the entry."""
    bench = played([*RANGE_100_TO_102, 101, 102, 103])
    entry, stop, target = bench.orders.values()
    assert (entry.side, entry.quantity, entry.filled) == (Side.BUY, 485, 485)
    assert (stop.side, stop.order_type, stop.trigger, stop.quantity) == (Side.SELL, OrderType.SL_M, Decimal(100), 485)
    assert (target.side, target.order_type, target.price) == (Side.SELL, OrderType.LIMIT, Decimal(107))
    assert bench.events("range") == [{"instrument": SHARE.key, "high": 102.0, "low": 100.0}]


def test_a_close_below_the_range_sells_with_stop_and_target() -> None:
    """The mirror image."""
    entry, stop, target = played([*RANGE_100_TO_102, 99]).orders.values()
    assert (entry.side, stop.side, target.side) == (Side.SELL, Side.BUY, Side.BUY)
    assert (stop.trigger, target.price) == (Decimal(102), Decimal(95))


def test_without_short_selling_a_close_below_does_nothing() -> None:
    """Only breaks upwards are traded."""
    assert played([*RANGE_100_TO_102, 99], allow_short=False).orders == {}


def test_prices_inside_the_range_and_closes_at_its_ends_do_nothing() -> None:
    """A break is a close beyond; a high beyond with a close inside is none."""
    assert played([*RANGE_100_TO_102, 102, 100, (101, 105, 95, 101)]).orders == {}


def test_the_buffer_moves_both_ends_outwards() -> None:
    """50 basis points of 102 are 0.51."""
    assert played([*RANGE_100_TO_102, 102.5, 99.5], buffer_bps=50).orders == {}
    assert played([*RANGE_100_TO_102, 102.55], buffer_bps=50).position(SHARE.key) > 0
    assert played([*RANGE_100_TO_102, 99.45], buffer_bps=50).position(SHARE.key) < 0


def test_when_the_target_fills_the_stop_is_cancelled() -> None:
    """One cancels the other."""
    bench = played([*RANGE_100_TO_102, 103, (103, 108, 103, 107)])
    assert orders_of(bench) == [
        (Side.BUY, "entry", OrderState.FILLED),
        (Side.SELL, "stop", OrderState.CANCELLED),
        (Side.SELL, "target", OrderState.FILLED),
    ]
    assert bench.position(SHARE.key) == 0


def test_when_the_stop_fills_the_target_is_cancelled() -> None:
    """The other way round."""
    bench = played([*RANGE_100_TO_102, 103, (103, 103, 99.5, 100)])
    assert [state for _, _, state in orders_of(bench)] == [OrderState.FILLED, OrderState.FILLED, OrderState.CANCELLED]
    assert bench.position(SHARE.key) == 0


def test_no_target_is_placed_at_zero_ranges() -> None:
    """Then only the stop and the close end it."""
    assert [tag for _, tag, _ in orders_of(played([*RANGE_100_TO_102, 103], target_ranges=0))] == ["entry", "stop"]


def test_there_are_no_more_entries_than_trades_per_day() -> None:
    """After the stop the next close beyond the range is left alone, or taken once more when two are allowed."""
    prices = [*RANGE_100_TO_102, 103, (103, 103, 99.5, 101), 103, (103, 103, 99.5, 101), 103]
    assert len(played(prices).of("entry")) == 1
    assert len(played(prices, trades_per_day=2).of("entry")) == 2


def test_a_refused_entry_counts_too() -> None:
    """What the gate refuses once is not asked again every minute."""
    bench = Bench("opening-range-breakout", {}, [SHARE], refuses=lambda _: "too much")
    bench.run(bars([*RANGE_100_TO_102, 103, 103, 103]))
    assert len(bench.orders) == 1
    assert bench.events("order_refused") == [{"instrument": SHARE.key, "tag": "entry", "reason": "too much"}]


def test_an_incomplete_candle_in_the_range_makes_the_day_unusable() -> None:
    """It is said once, and the next day begins anew."""
    candles = bars([*RANGE_100_TO_102, 103, 99])
    candles[3] = a_bar(SHARE, ist(DAY, "09:18"), (101, 102, 100, 101), incomplete=True)
    bench = Bench("opening-range-breakout", {}, [SHARE])
    bench.run([*candles, *bars([*RANGE_100_TO_102, 103], day="2016-08-17")])
    reason = "the candle 3 minutes after the open is incomplete"
    assert bench.events("range_unusable") == [{"instrument": SHARE.key, "reason": reason}]
    assert [order.decided_at for order in bench.of("entry")] == [ist("2016-08-17", "09:31")]


def test_a_missing_minute_makes_the_day_unusable() -> None:
    """What was not seen may have been the high."""
    candles = bars([*RANGE_100_TO_102, 103])
    bench = Bench("opening-range-breakout", {}, [SHARE]).run(candles[:7] + candles[8:])
    assert bench.orders == {}
    assert bench.events("range_unusable")[0]["reason"] == "1 of 15 minutes have no candle"


def test_an_incomplete_candle_after_the_range_changes_nothing() -> None:
    """The range is what must be whole."""
    candles = [*bars(RANGE_100_TO_102), a_bar(SHARE, ist(DAY, "09:30"), (103,), incomplete=True)]
    assert Bench("opening-range-breakout", {}, [SHARE]).run(candles).position(SHARE.key) > 0


def test_a_range_of_a_single_price_is_unusable() -> None:
    """There would be no stop and no target."""
    assert played([101.0] * 15 + [103]).orders == {}


def test_each_instrument_has_its_own_range() -> None:
    """One breaks out, the other does not."""
    candles = [*bars([*RANGE_100_TO_102, 103]), *bars([*RANGE_100_TO_102, 101], instrument=OTHER)]
    bench = Bench("opening-range-breakout", {}, [SHARE, OTHER]).run(candles)
    assert {order.instrument for order in bench.orders.values()} == {SHARE.key}


def test_a_start_in_the_middle_of_the_day_takes_the_range_from_the_history() -> None:
    """With the morning in the history it trades; without, the day is unusable."""
    morning, later = bars([*RANGE_100_TO_102, 101, 101]), bars([103], "09:32")
    known = Bench("opening-range-breakout", {}, [SHARE], past={SHARE.key: morning}).run(later)
    unknown = Bench("opening-range-breakout", {}, [SHARE]).run(later)
    assert known.position(SHARE.key) > 0
    assert unknown.orders == {}


def test_it_is_out_before_the_close_and_enters_no_more() -> None:
    """Twenty minutes before the close everything is closed, whatever comes after."""
    bench = played([*RANGE_100_TO_102, *[101] * 330, 103, *[103] * 28])
    assert [order.decided_at for order in bench.of("entry")] == [ist(DAY, "15:01")]
    assert [order.decided_at for order in bench.of("exit")] == [ist(DAY, "15:10")]
    assert bench.position(SHARE.key) == 0
    assert bench.working_orders() == []
    assert played([*RANGE_100_TO_102, *[101] * 340, 103]).orders == {}


def test_a_split_session_s_range_and_exit_count_minutes_of_trading() -> None:
    """09:15 to 10:00 and 11:30 to 12:30: fifty minutes end at 11:35, seventy before the close begin at 09:50."""
    day = session(SHARE, date.fromisoformat(SPLIT_DAY))
    assert after_open(day, 15) == ist(SPLIT_DAY, "09:30")
    assert after_open(day, 45) == ist(SPLIT_DAY, "10:00")
    assert after_open(day, 50) == ist(SPLIT_DAY, "11:35")
    assert after_open(day, day.minutes + 1) is None
    assert before_close(day, 20) == ist(SPLIT_DAY, "12:10")
    assert before_close(day, 70) == ist(SPLIT_DAY, "09:50")
    assert before_close(day, 1000) == ist(SPLIT_DAY, "09:15")


def test_a_range_over_the_break_of_a_split_session_is_traded() -> None:
    """Its minutes are those of both parts."""
    morning = bars([(101, 102, 100, 101)] * 45, day=SPLIT_DAY)
    rest = bars([*[(101, 102, 100, 101)] * 5, 103], "11:30", day=SPLIT_DAY)
    bench = Bench("opening-range-breakout", {"minutes": 50}, [SHARE]).run([*morning, *rest])
    assert [order.decided_at for order in bench.of("entry")] == [ist(SPLIT_DAY, "11:36")]


def test_a_session_too_short_for_the_range_is_unusable() -> None:
    """An hour of Muhurat trading has no range of an hour."""
    bench = played([(101, 102, 100, 101)] * 59 + [103], "18:15", "2023-11-12", minutes=60)
    assert bench.orders == {}
    assert bench.events("range_unusable") == [{"instrument": SHARE.key, "reason": "the session has 60 minutes"}]


@pytest.mark.parametrize("fact", [INDEX, Instrument(exchange=Exchange.NSE, symbol="X", kind=Kind.INDEX)])
def test_an_index_is_watched_but_never_ordered(fact: Instrument) -> None:
    """What cannot be traded has no quantity."""
    bench = Bench("opening-range-breakout", {}, [fact]).run(bars([*RANGE_100_TO_102, 103], instrument=fact))
    assert bench.orders == {}
