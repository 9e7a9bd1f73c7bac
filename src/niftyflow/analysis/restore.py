"""From what a symbol's state is made as it stood at a moment: a stored state if it may be used, then candles.

A state later than what was published may not be used: its candles would count twice. The anchor, once fixed, stays.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np

from niftyflow.analysis.engine import ColumnEngine
from niftyflow.analysis.indicators import VERSION
from niftyflow.market import day_start, ist_day
from niftyflow.market.calendar import DAY_MS
from niftyflow.model import CandleBatch, Interval
from niftyflow.storage.book_ports import IndicatorState
from niftyflow.storage.ports import MarketStore

SYMBOLS_AT_ONCE: Final = 50
"""Histories in memory at one time."""


class Want(NamedTuple):
    """A symbol, its stored row if there is one, and the moment (ms UTC) as of which its state is wanted."""

    key: str
    row: IndicatorState | None
    until: int


class Start(NamedTuple):
    """A symbol's anchor, the stored state it goes on from (None: fresh) and the candles to fold after it."""

    key: str
    anchor: int
    values: bytes | None
    candles: CandleBatch


async def starts_of(
    market: MarketStore, wants: Sequence[Want], *, told_until: int, history_days: int
) -> AsyncIterator[Start]:
    """Yield what makes each symbol's state; a stored state counts when it is not later than `told_until`.

    Without a stored row the anchor is the first candle of the `history_days` before that day (00:00 IST).

    Raises:
        Retryable: the market store is away.
    """

    def since(want: Want) -> int:
        if want.row is None:
            return day_start(ist_day(want.until)) - history_days * DAY_MS
        return want.row.time if is_usable(want.row, min(told_until, want.until)) else want.row.anchor

    for first, group in groupby(sorted(wants, key=lambda want: (since(want), want.key)), key=since):
        together = list(group)
        for place in range(0, len(together), SYMBOLS_AT_ONCE):
            some = together[place : place + SYMBOLS_AT_ONCE]
            until = max(want.until for want in some)
            told = await market.first_told(first, until, [want.key for want in some])
            for want, candles in zip(some, _of_each(told, some), strict=True):
                yield _start(want, candles, told_until)


def is_usable(row: IndicatorState, until: int) -> bool:
    """Return whether a stored state is of this form and not later than `until`."""
    return row.version == VERSION and row.time <= until


def begin(engine: ColumnEngine, start: Start) -> None:
    """Let an engine hold a symbol as it stood."""
    engine.add(start.key, start.values)
    engine.fold(start.key, start.candles)


def state_of(engine: ColumnEngine, key: str, anchor: int) -> IndicatorState:
    """Return a symbol's state as it is stored."""
    return IndicatorState(
        instrument=key, interval=Interval.M1, anchor=anchor, time=engine.last_end(key) or anchor, version=VERSION,
        values=engine.export(key),
    )  # fmt: skip


def _start(want: Want, candles: CandleBatch, told_until: int) -> Start:
    if want.row is None:
        return Start(want.key, int(candles.time[0]) if len(candles) else want.until, None, candles)
    values = want.row.values if is_usable(want.row, min(told_until, want.until)) else None
    return Start(want.key, want.row.anchor, values, candles)


def _of_each(candles: CandleBatch, wants: Sequence[Want]) -> list[CandleBatch]:
    places = {name.key: place for place, name in enumerate(candles.names.names)}
    return [
        candles.take(np.flatnonzero((candles.name == places.get(want.key, -1)) & (candles.time < want.until)))
        for want in wants
    ]
