"""Each instrument's close before today: what a change in price is measured against.

It keeps the closes of a few days in memory, as something may not have traded today, and asks the store once a minute:
the last minute of a session may be stored after the first tick of the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date
from typing import Final

from niftyflow.kit.clock import monotonic
from niftyflow.market.calendar import day_start
from niftyflow.storage.ports import MarketStore

LOOKBACK_DAYS: Final = 10
"""Longer than any run of holidays."""
KEPT_SECONDS: Final = 60.0
MOST_DAYS: Final = 3
_DAY_MS: Final = 86_400_000


class PreviousCloses:
    """The last close before a day, of every instrument, in rupees."""

    def __init__(self, market: MarketStore) -> None:
        self._market = market
        self._known: dict[date, tuple[float, Mapping[str, float]]] = {}
        self._asking = asyncio.Lock()

    async def of(self, day: date) -> Mapping[str, float]:
        """Return instrument key → last close stored before `day` (an IST day); unknown ones are left out.

        Raises:
            Retryable: the database is away.
        """
        async with self._asking:
            known = self._known.get(day)
            if known is None or monotonic() >= known[0]:
                until = day_start(day)
                last = await self._market.last_candles(until - LOOKBACK_DAYS * _DAY_MS, until)
                closes = zip(last.keys(), last.close.tolist(), strict=True)
                known = monotonic() + KEPT_SECONDS, {key: close for key, close in closes if close > 0}
                self._known.pop(day, None)
                self._known[day] = known
                if len(self._known) > MOST_DAYS:
                    del self._known[next(iter(self._known))]
            return known[1]


def change_percent(price: float, previous_close: float | None) -> float | None:
    """Return the change in percent, four decimals; None where the previous close is not known."""
    return None if not previous_close else round((price / previous_close - 1) * 100, 4)
