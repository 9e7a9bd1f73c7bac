"""Which instruments there are on the data's day, kept for a minute.

It reads the market store and answers names; whether anything traded is not its business.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Final

import msgspec

from niftyflow.kit.clock import Clock
from niftyflow.market import ist_day
from niftyflow.model import Instrument, parse_instrument
from niftyflow.storage.cache import Cache
from niftyflow.storage.cache_channel import CacheChannel
from niftyflow.storage.ports import MarketStore

KEPT_SECONDS: Final = 60.0
MOST_DAYS: Final = 3

_instruments = msgspec.json.Decoder(list[Instrument]).decode


class KnownInstruments:
    """Instruments of a day by key, in the order of their keys; one for the caches of a channel."""

    def __init__(self, market: MarketStore, clock: Clock, channel: CacheChannel) -> None:
        self._market = market
        self._clock = clock
        self._known: Cache[Mapping[str, Instrument]] = Cache(
            channel, "instruments", self._load, encode=lambda known: msgspec.json.encode(list(known.values())),
            decode=lambda data: _by_key(_instruments(data)), seconds=KEPT_SECONDS, most=MOST_DAYS,
        )  # fmt: skip

    async def today(self) -> Mapping[str, Instrument]:
        """Return the instruments of the data's day.

        Raises:
            Retryable: the store is away.
        """
        return await self._known.get(ist_day(self._clock.now()).isoformat()) or {}

    async def _load(self, day: str) -> Mapping[str, Instrument] | None:
        """Return a day's instruments; none is not kept: a workspace that begins has them a moment later."""
        return _by_key(await self._market.instruments(date.fromisoformat(day))) or None


def _by_key(instruments: list[Instrument]) -> Mapping[str, Instrument]:
    return {each.key: each for each in sorted(instruments, key=lambda one: one.key)}


@lru_cache(maxsize=16_384)
def key_of(text: str) -> str:
    """Return the key of `RELIANCE` or `NSE:RELIANCE`.

    Raises:
        InvalidValue: the exchange is unknown or the symbol is empty.
    """
    return parse_instrument(text)
