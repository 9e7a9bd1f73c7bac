"""The candle rules once more, written the slow and obvious way: the oracle of the fold's property tests.

It keeps every trade, sorts, and folds from nothing at each question. It shares no code with the product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

MINUTE = 60_000


class Trade(NamedTuple):
    """One tick, as far as the rules look at it."""

    symbol: str
    traded_at: int
    sequence: int
    ltp: float
    day_volume: int


class Made(NamedTuple):
    """A candle the rules make."""

    open: float
    high: float
    low: float
    close: float
    volume: int
    trades: int
    incomplete: bool


def candles_of(ticks: Sequence[Trade], session: Sequence[int], upto: int) -> dict[int, Made]:
    """Return minute (ms) → candle of one symbol, for session minutes that end at or before `upto`."""
    trades: list[Trade] = []
    for tick in sorted(ticks, key=lambda tick: (tick.traded_at, tick.sequence)):
        last = trades[-1] if trades else None
        if last is None or (last.traded_at, last.day_volume) != (tick.traded_at, tick.day_volume):
            trades.append(tick)
    made: dict[int, Made] = {}
    for minute in session:
        if minute + MINUTE > upto:
            break
        before = [trade for trade in trades if trade.traded_at < minute]
        inside = [trade for trade in trades if minute <= trade.traded_at < minute + MINUTE]
        if not before and not inside:
            continue
        start = max((trade.day_volume for trade in before), default=None)
        if not inside:
            price = before[-1].ltp
            made[minute] = Made(price, price, price, price, 0, 0, incomplete=False)
            continue
        base = inside[0].day_volume if start is None else start
        end = max(base, *(trade.day_volume for trade in inside))
        prices = [trade.ltp for trade in inside]
        made[minute] = Made(
            prices[0], max(prices), min(prices), prices[-1], end - base, len(inside), incomplete=start is None
        )
    return made
