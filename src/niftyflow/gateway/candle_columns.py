"""Candles as a chart takes them: columns of one instrument and interval, and the candle under way.

Higher intervals are built from stored minutes, anchored at the session's open; nothing is stored.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from niftyflow.gateway.day_so_far import OpenCandle, open_candle
from niftyflow.gateway.sources import Sources
from niftyflow.market import CalendarUnknown, bucket_of
from niftyflow.model import CandleBatch, Instrument, Interval
from niftyflow.storage.candle_reading import instrument_of, read_candles

COLUMNS: Final = (
    "time", "open", "high", "low", "close", "volume", "vwap", "trades", "incomplete", "revision",
)  # fmt: skip
MOST: Final = 5_000
MOST_MINUTES: Final = 50_000
"""Minutes that one answer is built from, about: more would hold up everybody else's."""
MINUTES_A_DAY: Final = 375


async def columns_of(
    sources: Sources, key: str, interval: Interval, since: int, until: int, limit: int
) -> dict[str, Any]:
    """Return the newest `limit` candles with `since` <= time < `until` (ms UTC) and, inside the span, the open one.

    Raises:
        CalendarUnknown: candles have to be built of a day that the calendar does not know.
        Retryable: a store is away.
    """
    most = min(limit, max(1, MOST_MINUTES // (interval.minutes or MINUTES_A_DAY)))
    candles = await read_candles(sources.market, key, interval, since, until, most)
    open_ = await open_candle(sources, key)
    found: OpenCandle | None = None
    if open_ is not None and since <= open_.time < until and not _is_closed(open_, candles, interval):
        if interval is Interval.M1:
            found = open_
        else:
            instrument = await instrument_of(sources.market, key, open_.time)
            found = _under_way(open_, candles, instrument, interval)
    columns = {column: getattr(candles, column).tolist() for column in COLUMNS}
    return {"symbol": key, "interval": interval.value, **columns, "open_candle": _shown(found)}


def _is_closed(open_: OpenCandle, candles: CandleBatch, interval: Interval) -> bool:
    """Whether the minute under way was stored meanwhile; of a higher interval its bucket alone is known."""
    return interval is Interval.M1 and len(candles) > 0 and int(candles.time[-1]) >= open_.time


def _under_way(
    open_: OpenCandle, candles: CandleBatch, instrument: Instrument, interval: Interval
) -> OpenCandle | None:
    """Return the candle that the open minute belongs to, with the minutes of it that are closed."""
    try:
        bucket = bucket_of(instrument, interval, open_.time)
    except CalendarUnknown:
        return None
    if bucket is None:
        return None
    if not len(candles) or int(candles.time[-1]) != bucket:
        return msgspec.structs.replace(open_, time=bucket)
    return OpenCandle(
        time=bucket, open=float(candles.open[-1]), high=max(float(candles.high[-1]), open_.high),
        low=min(float(candles.low[-1]), open_.low), close=open_.close, volume=int(candles.volume[-1]) + open_.volume,
    )  # fmt: skip


def _shown(open_: OpenCandle | None) -> dict[str, Any] | None:
    if open_ is None:
        return None
    return {field: getattr(open_, field) for field in ("time", "open", "high", "low", "close", "volume")}
