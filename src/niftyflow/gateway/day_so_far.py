"""What a day brought so far: open, high, low, average price and trades of an instrument, from its one-minute candles.

Closed minutes come from the market store, the one under way from the hot store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from niftyflow.gateway.prices import Price
from niftyflow.gateway.sources import Sources
from niftyflow.market import day_start, ist_day
from niftyflow.model import CandleBatch, Interval, milliseconds
from niftyflow.storage.cache import Cache

KEPT_SECONDS: Final = 2.0
MOST_KEPT: Final = 2_000
DAY_MS: Final = 86_400_000
DECIMALS: Final = 4


class Quote(Price, kw_only=True):
    """A price with what its day brought so far."""

    open: float | None = None
    high: float | None = None
    low: float | None = None
    vwap: float | None = None
    trades: int | None = None


class OpenCandle(msgspec.Struct, frozen=True, kw_only=True):
    """The minute under way, as the hot store shows it; `time` is its start, ms UTC."""

    time: int
    open: float
    high: float
    low: float
    close: float
    volume: int
    trades: int = 0
    vwap: float = 0.0


@dataclass(frozen=True, slots=True)
class Totals:
    """Closed minutes of a day in one: `until` is the last one's start, `value` volume times average price."""

    open: float
    high: float
    low: float
    volume: int
    trades: int
    value: float
    until: int


class DaySoFar:
    """The day's totals by instrument, kept for two seconds; one for some sources."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._totals: Cache[Totals] = Cache(
            sources.channel, "day-so-far", self._closed, encode=msgspec.json.encode,
            decode=msgspec.json.Decoder(Totals).decode, seconds=KEPT_SECONDS, most=MOST_KEPT,
        )  # fmt: skip

    async def quote(self, price: Price) -> Quote:
        """Return the price with what its day brought.

        Raises:
            Retryable: a store is away.
        """
        quote = Quote(**msgspec.structs.asdict(price))
        if price.time is None:
            return quote
        begins = day_start(ist_day(price.time))
        closed = await self._totals.get(f"{begins}:{price.symbol}")
        open_ = await open_candle(self._sources, price.symbol)
        total = _with_open(closed, open_, begins)
        if total is not None:
            quote.open, quote.high, quote.low, quote.trades = total.open, total.high, total.low, total.trades
            quote.vwap = round(total.value / total.volume, DECIMALS) if total.volume else None
        return quote

    async def _closed(self, day_and_key: str) -> Totals | None:
        day, _, key = day_and_key.partition(":")
        begins = int(day)
        minutes = await self._sources.market.candles(key, Interval.M1, begins, begins + DAY_MS)
        return _total(minutes) if len(minutes) else None


async def open_candle(sources: Sources, key: str) -> OpenCandle | None:
    """Return an instrument's minute under way, None when the hot store has none.

    Raises:
        Retryable: the hot store is away.
    """
    fields = await sources.hot.get_hash(f"candle:current:{key}")
    if not fields:
        return None
    wanted = {name: msgspec.json.decode(value) for name, value in fields.items()}
    wanted["time"] = milliseconds(datetime.fromisoformat(wanted["time"]))
    return msgspec.convert(wanted, OpenCandle)


def _total(minutes: CandleBatch) -> Totals:
    return Totals(
        open=float(minutes.open[0]), high=float(minutes.high.max()), low=float(minutes.low.min()),
        volume=int(minutes.volume.sum()), trades=int(minutes.trades.sum()),
        value=float((minutes.vwap * minutes.volume).sum()), until=int(minutes.time[-1]),
    )  # fmt: skip


def _with_open(closed: Totals | None, open_: OpenCandle | None, begins: int) -> Totals | None:
    """Add the minute under way, unless it was closed meanwhile or is of another day."""
    last = begins - 1 if closed is None else closed.until
    if open_ is None or not last < open_.time < begins + DAY_MS:
        return closed
    if closed is None:
        return Totals(
            open_.open, open_.high, open_.low, open_.volume, open_.trades, open_.vwap * open_.volume, open_.time
        )
    return Totals(
        closed.open, max(closed.high, open_.high), min(closed.low, open_.low), closed.volume + open_.volume,
        closed.trades + open_.trades, closed.value + open_.vwap * open_.volume, open_.time,
    )  # fmt: skip
