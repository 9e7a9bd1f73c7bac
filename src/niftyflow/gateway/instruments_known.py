"""Which instruments there are on the data's day, kept for a minute.

It reads the market store and answers names; whether anything traded is not its business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date
from functools import lru_cache

from niftyflow.kit.clock import Clock, monotonic
from niftyflow.market import ist_day
from niftyflow.model import Instrument, parse_instrument
from niftyflow.storage.ports import MarketStore

KEPT_SECONDS = 60.0
KEPT_EMPTY_SECONDS = 1.0
"""A workspace that begins has none yet, and has them a moment later."""


class KnownInstruments:
    """Instruments of a day by key, in the order of their keys."""

    def __init__(self, market: MarketStore, clock: Clock) -> None:
        self._market = market
        self._clock = clock
        self._known: dict[str, Instrument] = {}
        self._day: date | None = None
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def today(self) -> Mapping[str, Instrument]:
        """Return the instruments of the data's day.

        Raises:
            Retryable: the store is away.
        """
        day = ist_day(self._clock.now())
        if day == self._day and monotonic() < self._until:
            return self._known
        async with self._asking:
            if day != self._day or monotonic() >= self._until:
                found = await self._market.instruments(day)
                self._known = {each.key: each for each in sorted(found, key=lambda one: one.key)}
                self._day = day
                self._until = monotonic() + (KEPT_SECONDS if found else KEPT_EMPTY_SECONDS)
        return self._known


@lru_cache(maxsize=16_384)
def key_of(text: str) -> str:
    """Return the key of `RELIANCE` or `NSE:RELIANCE`.

    Raises:
        InvalidValue: the exchange is unknown or the symbol is empty.
    """
    return parse_instrument(text)
