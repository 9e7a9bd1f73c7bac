"""Strategies on real bars of 2016: sensible orders, flat at the end of each day, and the same again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from niftyflow.market import ist_day
from niftyflow.model import Side, milliseconds
from support.market import ist
from support.strategy_bench import MINUTE_MS, Bench
from support.strategy_days import a_share, a_signal, real_bars

pytestmark = pytest.mark.data

SYMBOLS = ["INFY", "SBIN"]
DAYS = 3
PARAMETERS = {
    "ema-cross": {"stop_atr": 2.0},
    "opening-range-breakout": {},
    "signal-follower": {"value_rupees": 80_000},
}


def signals_of(candles):
    """Return a signal for every 40th candle: with the candle, stop and target half a percent away."""
    told = {}
    for key, of in candles.items():
        for candle in of[20::40]:
            at = milliseconds(candle.time) + MINUTE_MS
            side = Side.BUY if candle.close > candle.open else Side.SELL
            away = side.sign * candle.close * 0.005
            levels = {"stop": candle.close - away, "target": candle.close + away}
            told.setdefault(at, []).append(a_signal(at, side, a_share(key), price=candle.close, **levels))
    return told


def sensible(bench):
    """Fail when exits exceed the position, or something is held or working after 15:12."""
    late = bench.time > ist(ist_day(bench.time), "15:12")
    for key in bench.instruments:
        held, working = bench.position(key), bench.working_orders(key)
        assert not late or (held == 0 and working == [])
        for leg in ("stop", "target"):
            assert sum(order.side.sign * order.remaining for order in working if order.tag == leg) in {0, -held}


def played(kind, candles, *, restarts=False):
    """Return the bench after the candles, the first day as history."""
    first = min(of[0].time for of in candles.values()).date()
    past = {key: [candle for candle in of if candle.time.date() == first] for key, of in candles.items()}
    later = [candle for of in candles.values() for candle in of if candle.time.date() != first]
    facts = [a_share(key) for key in candles]
    bench = Bench(kind, PARAMETERS[kind], facts, past=past, after_hook=sensible, restarts=restarts)
    return bench.run(later, signals_of(candles))


@pytest.mark.parametrize("kind", PARAMETERS)
def test_real_days_give_sensible_orders_and_the_same_again(kind: str) -> None:
    """Whole days of two shares; the second run is restarted before every hook."""
    candles = real_bars(SYMBOLS, DAYS)
    bench, again = played(kind, candles), played(kind, candles, restarts=True)
    assert list(bench.orders.values()) == list(again.orders.values())
    assert bench.fills == again.fills
    assert len(bench.of("entry")) >= 2
    assert all(order.state.is_final for order in bench.orders.values())
    assert set(bench.held.values()) == {0}
    assert max(order.filled_value for order in bench.of("entry")) <= PARAMETERS[kind].get("value_rupees", 50_000) * 1.01


def test_a_real_breakout_is_where_the_bars_have_it() -> None:
    """Each entry is the first close beyond the first fifteen bars, found here from the bars alone."""
    candles = real_bars(SYMBOLS, DAYS)
    bench = played("opening-range-breakout", candles)
    expected = set()
    for key, of in candles.items():
        for day in sorted({candle.time.date() for candle in of})[1:]:
            bars = [candle for candle in of if candle.time.date() == day]
            high, low = max(bar.high for bar in bars[:15]), min(bar.low for bar in bars[:15])
            beyond = [bar for bar in bars[15:354] if not low <= bar.close <= high]
            expected |= {(key, milliseconds(bar.time) + MINUTE_MS) for bar in beyond[:1]}
    assert {(order.instrument, order.decided_at) for order in bench.of("entry")} == expected
    assert max(at for _, at in expected) < milliseconds(datetime(2016, 9, 1, tzinfo=UTC))
