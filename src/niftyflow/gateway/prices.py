"""Last prices as clients ask for them: from the hot store's ticks, else from the last stored candle.

Each answer is built once and kept for a tenth of a second, so that a thousand askers cost little more than one; stored
candles are looked at every five seconds.
It invents nothing: what neither a tick nor a candle says is null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import msgspec

from niftyflow.gateway.previous_closes import LOOKBACK_DAYS, change_percent
from niftyflow.gateway.sources import Sources
from niftyflow.kit.clock import monotonic
from niftyflow.market import ist_day
from niftyflow.model import Tick, UnknownInstrument
from niftyflow.storage.cache import Cache

KEPT_SECONDS: Final = 0.1
CANDLES_KEPT_SECONDS: Final = 5.0
NEWEST: Final = "newest"
DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000
DECIMALS: Final = 4
"""Prices have at most four; a difference of floats has noise behind them."""

_encode = msgspec.json.Encoder().encode
_tick = msgspec.json.Decoder(Tick).decode


class Price(msgspec.Struct, kw_only=True):
    """The last price of an instrument; prices in rupees, `time` ms UTC, None where it is not known."""

    symbol: str
    ltp: float | None = None
    change: float | None = None
    change_percent: float | None = None
    previous_close: float | None = None
    volume: int | None = None
    bid: float | None = None
    ask: float | None = None
    time: int | None = None
    age_seconds: float | None = None


class Prices:
    """Prices by instrument key; one for some sources."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._kept: dict[str, tuple[float, msgspec.Raw]] = {}
        self._stored: Cache[Mapping[str, Price]] = Cache(
            sources.channel, "last-candles", self._last_candles, decode=lambda data: _by_symbol(_prices(data)),
            encode=lambda stored: _encode(list(stored.values())), seconds=CANDLES_KEPT_SECONDS,
        )  # fmt: skip

    async def encoded(self, keys: Sequence[str]) -> list[msgspec.Raw]:
        """Return the JSON of each price, in the order asked.

        Raises:
            UnknownInstrument: one of them is neither listed nor ever traded.
            Retryable: a store is away.
        """
        now = monotonic()
        kept = self._kept
        missing = [key for key in keys if key not in kept or kept[key][0] <= now]
        if missing:
            until = now + KEPT_SECONDS
            for price in await self.of(missing):
                kept[price.symbol] = until, msgspec.Raw(_encode(price))
        return [kept[key][1] for key in keys]

    async def of(self, keys: Sequence[str]) -> list[Price]:
        """Return each price, in the order asked.

        Raises:
            UnknownInstrument: one of them is neither listed nor ever traded.
            Retryable: a store is away.
        """
        found = await self._sources.hot.get_many([f"tick:latest:{key}" for key in keys])
        prices = [None if raw is None else _of_tick(key, _tick(raw)) for key, raw in zip(keys, found, strict=True)]
        if None in prices:
            stored = await self._stored.get(NEWEST) or {}
            listed = await self._sources.instruments.today()
            for place, key in enumerate(keys):
                if prices[place] is None:
                    prices[place] = _without_tick(key, stored, is_listed=key in listed)
        await self._compare([price for price in prices if price is not None])
        return [price for price in prices if price is not None]

    async def _compare(self, prices: Sequence[Price]) -> None:
        """Set what follows from the time and from the close before."""
        now = self._sources.clock.now()
        closes: dict[date, Mapping[str, float]] = {}
        for price in prices:
            if price.ltp is None or price.time is None:
                continue
            price.age_seconds = round(max(0, now - price.time) / 1000, 3)
            day = ist_day(price.time)
            if day not in closes:
                closes[day] = await self._sources.closes.of(day)
            price.previous_close = closes[day].get(price.symbol)
            if price.previous_close:
                price.change = round(price.ltp - price.previous_close, DECIMALS)
                price.change_percent = change_percent(price.ltp, price.previous_close)

    async def _last_candles(self, _newest: str) -> Mapping[str, Price]:
        """Return the price of each instrument's last stored candle, up to the data's time."""
        now = self._sources.clock.now()
        last = await self._sources.market.last_candles(now - LOOKBACK_DAYS * DAY_MS, now + 1)
        columns = (last.close, last.time, last.traded_at, last.day_volume)
        rows = zip(last.keys(), *(column.tolist() for column in columns), strict=True)
        return _by_symbol(
            [
                Price(symbol=key, ltp=close, volume=volume or None, time=traded_at or time + MINUTE_MS)
                for key, close, time, traded_at, volume in rows
                if close > 0
            ]
        )


_prices = msgspec.json.Decoder(list[Price]).decode


def _by_symbol(prices: Sequence[Price]) -> Mapping[str, Price]:
    return {price.symbol: price for price in prices}


def _of_tick(key: str, tick: Tick) -> Price:
    return Price(
        symbol=key, ltp=tick.ltp, volume=tick.day_volume, bid=tick.bid or None, ask=tick.ask or None,
        time=tick.timestamp,
    )  # fmt: skip


def _without_tick(key: str, stored: Mapping[str, Price], *, is_listed: bool) -> Price:
    last = stored.get(key)
    if last is not None:
        return msgspec.structs.replace(last)
    if not is_listed:
        raise UnknownInstrument(f"no instrument {key} is known")
    return Price(symbol=key)
