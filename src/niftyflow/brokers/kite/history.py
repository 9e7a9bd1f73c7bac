"""Kite's candles as a batch: a long time in parts of its limit, joined into one ascending series.

It asks and joins. It neither repairs what Kite gives nor decides what is missing: that is ingestion's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np

from niftyflow.brokers.capabilities import CallKind
from niftyflow.brokers.errors import InputRefused
from niftyflow.brokers.kite.capabilities import KITE, NAME
from niftyflow.brokers.kite.reading import time_of, time_text
from niftyflow.brokers.kite.rest import Call, KiteRest
from niftyflow.model import CandleBatch, DecodeError, Instrument, Interval, Name, NameTable, Provenance

DAY_MS: Final = 86_400_000
SECOND_MS: Final = 1000

INTERVALS: Final = {
    Interval.M1: "minute",
    Interval.M3: "3minute",
    Interval.M5: "5minute",
    Interval.M10: "10minute",
    Interval.M15: "15minute",
    Interval.M30: "30minute",
    Interval.H1: "60minute",
    Interval.D1: "day",
}


class CandlesReply(msgspec.Struct):
    """Rows of time, open, high, low, close, volume and, when asked for, open interest."""

    candles: list[list[Any]]


class KiteHistory:
    """Kite's history route. Errors are those of `brokers/broker_port.py`."""

    def __init__(self, rest: KiteRest) -> None:
        self._rest = rest

    async def candles(self, instrument: Instrument, interval: Interval, since: int, until: int) -> CandleBatch:
        """Return the candles that start in [since, until), ms UTC.

        Raises:
            InputRefused: the instrument has no Kite token.
            DecodeError: a row cannot be, or the rows do not ascend.
        """
        if not instrument.token.isdigit():
            raise InputRefused(NAME, "", f"{instrument.key} has no Kite token", "take it from today's master")
        rows: list[list[Any]] = []
        for first, last in spans(since, until, KITE.history_days[interval]):
            query = {"from": time_text(first), "to": time_text(last), "continuous": "0", "oi": "1"}
            path = f"/instruments/historical/{instrument.token}/{INTERVALS[interval]}"
            rows += (await self._rest.ask(Call(CallKind.HISTORY, "GET", path, query=query), CandlesReply)).candles
        return candles_of(instrument, interval, rows, since, until)


def spans(since: int, until: int, days: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of [since, until) that one call may ask for, both ends inclusive, in whole seconds."""
    longest = days * DAY_MS
    while since < until:
        end = min(until, since + longest)
        yield since, end - SECOND_MS
        since = end


def candles_of(
    instrument: Instrument, interval: Interval, rows: list[list[Any]], since: int, until: int
) -> CandleBatch:
    """Return rows of Kite's as official candles; `vwap` is (high + low + close) / 3, for Kite tells none.

    A row that two parts both hold is taken once.

    Raises:
        DecodeError: a row has the wrong shape or impossible prices, or is older than the one before it.
    """
    try:
        read = [(_start(row[0]), *_numbers(row)) for row in rows]
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        raise DecodeError(f"a candle of {instrument.key} cannot be read: {error}", b"") from error
    kept: list[tuple[Any, ...]] = []
    for row in read:
        if not since <= row[0] < until or (kept and row == kept[-1]):
            continue
        if kept and row[0] <= kept[-1][0]:
            raise DecodeError(f"the candles of {instrument.key} do not ascend at {row[0]}", b"")
        kept.append(row)
    return _batch(instrument, interval, kept)


def _start(text: str) -> int:
    start = time_of(text)
    if start <= 0:
        raise ValueError(f"its time cannot be: {text}")
    return start


def _numbers(row: list[Any]) -> tuple[float, float, float, float, int, int]:
    open_, high, low, close = (float(value) for value in row[1:5])
    if not 0 < low <= min(open_, close) <= max(open_, close) <= high < float("inf"):
        raise ValueError(f"its prices cannot be: {row[1:5]}")
    volume, interest = int(row[5]), int(row[6] or 0) if len(row) > 6 else 0  # noqa: PLR2004 - the seventh is optional
    if volume < 0 or interest < 0:
        raise ValueError(f"its quantities cannot be: {row[5:]}")
    return open_, high, low, close, volume, interest


def _batch(instrument: Instrument, interval: Interval, rows: list[tuple[Any, ...]]) -> CandleBatch:
    size = len(rows)
    names = NameTable([Name(str(instrument.key))])
    columns = dict(zip(("time", "open", "high", "low", "close", "volume", "open_interest"),
                       zip(*rows, strict=True) if rows else [()] * 7, strict=True))  # fmt: skip
    high, low, close = (np.array(columns[field], np.float64) for field in ("high", "low", "close"))
    nothing = np.zeros(size, np.int64)
    return CandleBatch(
        names, interval, **columns, name=nothing, trades=nothing, vwap=np.clip((high + low + close) / 3, low, high),
        day_volume=nothing, traded_at=nothing, provenance=np.full(size, Provenance.OFFICIAL, np.uint8),
        revision=nothing, incomplete=np.zeros(size, np.bool_), through_partition=np.full(size, -1, np.int32),
        through_offset=np.full(size, -1, np.int64),
    )  # fmt: skip
