"""Ticks and candles for tests: one plain example of each, and Hypothesis strategies for every one that can be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from niftyflow.model import Candle, Exchange, Interval, Provenance, Tick, moment

LARGEST = 2**53
"""Beyond any quantity or time of a market, and exact in float64 as well."""
LAST_MS = 4_102_444_800_000
"""2100-01-01, ms UTC."""

PRICES = st.integers(1, 10_000_000_000).map(lambda units: units / 10_000)
QUANTITIES = st.integers(0, LARGEST)
TIMES = st.integers(0, LAST_MS)
SYMBOLS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789&- ", min_size=1, max_size=20)


def a_tick(**changes: Any) -> Tick:
    """Return the tick of the contracts' page, with changes."""
    fields: dict[str, Any] = {
        "token": "738561",
        "symbol": "RELIANCE",
        "exchange": "NSE",
        "ltp": 2850.5,
        "volume": 15,
        "day_volume": 4211000,
        "bid": 2850.25,
        "ask": 2850.75,
        "open_interest": 0,
        "timestamp": 1705560000000,
        "traded_at": 1705559999000,
        "received": 1705560000004,
        "sequence": 12345,
        "source": "kite",
    }
    return Tick(**(fields | changes))


def a_candle(**changes: Any) -> Candle:
    """Return the candle of the contracts' page, with changes."""
    fields: dict[str, Any] = {
        "time": datetime(2024, 1, 25, 10, 30, tzinfo=UTC),
        "symbol": "RELIANCE",
        "exchange": "NSE",
        "interval": Interval.M1,
        "open": 2845.0,
        "high": 2851.0,
        "low": 2844.0,
        "close": 2850.5,
        "volume": 150000,
        "trades": 350,
        "vwap": 2847.8,
        "day_volume": 4211000,
        "traded_at": 1706178659000,
        "through": {"7": 918273},
    }
    return Candle(**(fields | changes))


def ticks() -> st.SearchStrategy[Tick]:
    """Every tick that can be."""
    return st.builds(
        Tick,
        token=st.text("0123456789", max_size=10),
        symbol=SYMBOLS,
        exchange=st.sampled_from(Exchange).map(str),
        ltp=PRICES,
        volume=QUANTITIES,
        day_volume=QUANTITIES,
        bid=PRICES | st.just(0.0),
        ask=PRICES | st.just(0.0),
        open_interest=QUANTITIES,
        timestamp=TIMES,
        traded_at=TIMES,
        received=TIMES,
        sequence=QUANTITIES,
        source=st.sampled_from(["kite", "simulator", "recording"]),
    )


@st.composite
def candles(draw: st.DrawFn, interval: Interval = Interval.M1) -> Candle:
    """Every candle of an interval that can be."""
    low, second, third, high = sorted(draw(st.lists(PRICES, min_size=4, max_size=4)))
    open_, close = draw(st.permutations([second, third]))
    return Candle(
        time=moment(draw(TIMES)),
        symbol=draw(SYMBOLS),
        exchange=draw(st.sampled_from(Exchange)).value,
        interval=interval,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=draw(QUANTITIES),
        trades=draw(QUANTITIES),
        vwap=draw(st.floats(low, high)),
        open_interest=draw(QUANTITIES),
        provenance=draw(st.sampled_from(Provenance)).label,
        revision=draw(st.integers(0, 2**31 - 1)),
        incomplete=draw(st.booleans()),
        day_volume=draw(QUANTITIES),
        traded_at=draw(TIMES),
        through=draw(st.dictionaries(st.integers(0, 49).map(str), QUANTITIES, max_size=1)),
    )
