"""An indicator with any parameters over stored candles of any interval, as charts ask for it.

It folds enough candles before the first one shown that where it began no longer matters. It stores nothing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Any, Final

from niftyflow.kernels.indicators.indicator import Indicator
from niftyflow.kernels.indicators.registry import REGISTRY, history
from niftyflow.market.calendar import DAY_MS, IST_OFFSET_MS
from niftyflow.model import CandleBatch, Interval, InvalidValue, UnknownInstrument, parse_instrument
from niftyflow.storage.candle_reading import read_candles
from niftyflow.storage.ports import MarketStore

EVER: Final = 1 << 60
LONGEST: Final = 5_000
"""Most candles that are shown."""
SETTLED: Final = 1e-6
"""What the beginning may still weigh in the first value shown."""
MOST_MINUTES: Final = 60_000
"""Most minutes that are read, 160 sessions: beyond them an average of a very long period is still settling."""
MINUTES_OF_SESSION: Final = 400
"""No session of the calendar has more."""


async def indicator_history(
    market: MarketStore, name: str, instrument: str, *, interval: Interval = Interval.M1, limit: int = 500,
    parameters: Mapping[str, object] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return an indicator's newest `limit` values, oldest first; null where it was not defined yet.

    `time` is each candle's start, ms UTC; `defined_after` how many candles pass until every output is there.

    Raises:
        InvalidValue: there is no such indicator, or a parameter or the limit cannot be.
        UnknownInstrument: no candle of the instrument is stored.
        Retryable: the store is away.
    """
    if name not in REGISTRY:
        raise InvalidValue("indicator", name, f"use one of {', '.join(REGISTRY)}")
    if not 1 <= limit <= LONGEST:
        raise InvalidValue("limit", limit, f"must be from 1 to {LONGEST}")
    indicator, key = REGISTRY[name], str(parse_instrument(instrument))
    values = indicator.resolve(parameters or {})
    before = await asyncio.to_thread(indicator.bars_for, SETTLED, values)
    if indicator.memory == "session" and interval.minutes:  # it needs the first session shown from its first bar
        before += MINUTES_OF_SESSION // interval.minutes
    candles = await _candles(market, key, interval, limit + before)
    if not len(candles):
        raise UnknownInstrument(f"{key} has no stored candle; import some, or run a feed that brings it")
    outputs = await asyncio.to_thread(_outputs, indicator, candles, values, limit)
    return {
        "name": name, "symbol": key, "interval": interval.value, "parameters": values,
        "time": candles.time[-limit:].tolist(), "values": outputs, "defined_after": indicator.defined_after(values),
    }  # fmt: skip


async def _candles(market: MarketStore, key: str, interval: Interval, bars: int) -> CandleBatch:
    most = MOST_MINUTES // (interval.minutes or MINUTES_OF_SESSION)
    if interval is not Interval.D1:
        return await read_candles(market, key, interval, 0, EVER, min(bars, most))
    stored = await market.candles(key, interval, 0, EVER, bars)
    since = int(stored.time[-1]) + DAY_MS if len(stored) else 0
    built = await read_candles(market, key, interval, since, EVER, min(bars, most))
    days = CandleBatch.from_records([*stored.to_records(), *built.to_records()])
    return days.take(slice(-bars, None))


def _outputs(
    indicator: Indicator, candles: CandleBatch, values: Mapping[str, float], limit: int
) -> dict[str, list[float | None]]:
    columns = {
        "open": candles.open, "high": candles.high, "low": candles.low, "close": candles.close,
        "volume": candles.volume, "price": candles.vwap, "session": (candles.time + IST_OFFSET_MS) // DAY_MS,
    }  # fmt: skip
    found = history(indicator.name, columns, **values)[-limit:]
    return {
        output: [None if math.isnan(value) else value for value in found[:, place].tolist()]
        for place, output in enumerate(indicator.outputs)
    }
