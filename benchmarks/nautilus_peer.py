"""NautilusTrader's TimeBarAggregator on the trades of a file; prints its time, and what came out, as one JSON line.

It runs in an environment of its own (`requirements-bench.lock`) and imports nothing of ours. The instruments share
one clock, which is moved only where a minute ends: the cheapest way to drive it.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import nautilus_trader
import numpy as np
from nautilus_trader.common.component import TestClock
from nautilus_trader.data.aggregation import TimeBarAggregator
from nautilus_trader.model.currencies import INR
from nautilus_trader.model.data import BarType, TradeTick
from nautilus_trader.model.enums import AggressorSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import Price, Quantity

MINUTE_NS = 60_000_000_000
REPEATS = 3


def equity(index: int) -> Equity:
    """Return a share priced to the paisa."""
    identity = InstrumentId.from_str(f"S{index}.NSE")
    return Equity(identity, Symbol(f"S{index}"), INR, 2, Price.from_str("0.05"), Quantity.from_int(1), 0, 0)


def ticks_of(file: Any, shares: list[Equity]) -> list[tuple[int, TradeTick]]:
    """Return (instrument, trade tick) for each row."""
    rows = zip(*(file[name].tolist() for name in ("instrument", "traded_at", "price", "quantity")), strict=True)
    return [
        (
            index,
            TradeTick(
                shares[index].id,
                Price(price, 2),
                Quantity(quantity, 0),
                AggressorSide.NO_AGGRESSOR,
                TradeId(str(number)),
                at * 1_000_000,
                at * 1_000_000,
            ),
        )
        for number, (index, at, price, quantity) in enumerate(rows)
    ]


def fold(shares: list[Equity], ticks: list[tuple[int, TradeTick]]) -> tuple[float, list[Any]]:
    """Return the seconds it took to fold the ticks, and the bars."""
    bars: list[Any] = []
    clock = TestClock()
    clock.set_time(ticks[0][1].ts_event // MINUTE_NS * MINUTE_NS)
    aggregators = [
        TimeBarAggregator(
            share,
            BarType.from_str(f"{share.id}-1-MINUTE-LAST-INTERNAL"),
            bars.append,
            clock,
            interval_type="right-open",
            timestamp_on_close=False,
            build_with_no_updates=False,
        )
        for share in shares
    ]
    handlers = [aggregator.handle_trade_tick for aggregator in aggregators]
    begun = time.perf_counter()
    minute_end = 0
    for index, tick in ticks:
        at = tick.ts_event
        if at >= minute_end:
            for event in clock.advance_time(at):
                event.handle()
            minute_end = (at // MINUTE_NS + 1) * MINUTE_NS
        handlers[index](tick)
    for event in clock.advance_time(minute_end):
        event.handle()
    return time.perf_counter() - begun, bars


def main(path: str) -> None:
    """Measure, and print one line of JSON."""
    with np.load(path) as file:
        shares = [equity(index) for index in range(int(file["instruments"]))]
        ticks = ticks_of(file, shares)
    runs = [fold(shares, ticks) for _ in range(REPEATS)]
    bars = runs[-1][1]
    print(
        json.dumps(
            {
                "version": nautilus_trader.__version__,
                "seconds": min(seconds for seconds, _ in runs),
                "candles": len(bars),
                "volume": int(sum(bar.volume.as_double() for bar in bars)),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
