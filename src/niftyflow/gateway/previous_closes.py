"""Each instrument's close before today: what a change in price is measured against.

It keeps the closes of a few days at hand, as something may not have traded today, for a minute: the last minute of a
session may be stored after the first tick of the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

import msgspec

from niftyflow.market.calendar import day_start
from niftyflow.storage.cache import Cache
from niftyflow.storage.cache_channel import CacheChannel
from niftyflow.storage.ports import MarketStore

LOOKBACK_DAYS: Final = 10
"""Longer than any run of holidays."""
KEPT_SECONDS: Final = 60.0
MOST_DAYS: Final = 3
_DAY_MS: Final = 86_400_000


class PreviousCloses:
    """The last close before a day, of every instrument, in rupees; one for the caches of a channel."""

    def __init__(self, market: MarketStore, channel: CacheChannel) -> None:
        self._market = market
        self._known: Cache[Mapping[str, float]] = Cache(
            channel, "previous-closes", self._load, encode=msgspec.json.encode,
            decode=msgspec.json.Decoder(dict[str, float]).decode, seconds=KEPT_SECONDS, most=MOST_DAYS,
        )  # fmt: skip

    async def of(self, day: date) -> Mapping[str, float]:
        """Return instrument key → last close stored before `day` (an IST day); unknown ones are left out.

        Raises:
            Retryable: the database is away.
        """
        return await self._known.get(day.isoformat()) or {}

    async def _load(self, day: str) -> Mapping[str, float]:
        until = day_start(date.fromisoformat(day))
        last = await self._market.last_candles(until - LOOKBACK_DAYS * _DAY_MS, until)
        return {key: close for key, close in zip(last.keys(), last.close.tolist(), strict=True) if close > 0}


def change_percent(price: float, previous_close: float | None) -> float | None:
    """Return the change in percent, four decimals; None where the previous close is not known."""
    return None if not previous_close else round((price / previous_close - 1) * 100, 4)
