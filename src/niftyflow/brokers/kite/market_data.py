"""Prices and instruments asked of Kite once: quotes in chunks of its limit, and the whole master of the day.

A stream of prices is the feed's. Nothing is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote_plus

import msgspec

from niftyflow.brokers.capabilities import CallKind
from niftyflow.brokers.kite.capabilities import KITE
from niftyflow.brokers.kite.instruments import parse_master
from niftyflow.brokers.kite.reading import time_of
from niftyflow.brokers.kite.rest import Call, KiteRest
from niftyflow.brokers.kite.settings import KiteRestSettings
from niftyflow.brokers.quotes import DepthLevel, MasterRow, Ohlc, Quote
from niftyflow.kit.clock import Clock, to_ist
from niftyflow.model import DecodeError, InstrumentKey

ZERO: Final = Decimal(0)


class OhlcPrices(msgspec.Struct):
    """Four prices."""

    open: Decimal = ZERO
    high: Decimal = ZERO
    low: Decimal = ZERO
    close: Decimal = ZERO


class LevelReply(msgspec.Struct):
    """A price of the book; an empty one has no quantity."""

    price: Decimal
    quantity: int
    orders: int


class DepthReply(msgspec.Struct):
    """Both sides of the book."""

    buy: list[LevelReply] = []
    sell: list[LevelReply] = []


class LastPriceReply(msgspec.Struct):
    """A last price."""

    instrument_token: int
    last_price: Decimal


class OhlcReply(msgspec.Struct):
    """A last price and the day's four."""

    instrument_token: int
    last_price: Decimal
    ohlc: OhlcPrices


class QuoteReply(msgspec.Struct):
    """A full quote; an index has no book and no quantities."""

    instrument_token: int
    last_price: Decimal
    ohlc: OhlcPrices
    timestamp: str | None = None
    last_trade_time: str | None = None
    last_quantity: int = 0
    average_price: Decimal = ZERO
    volume: int = 0
    buy_quantity: int = 0
    sell_quantity: int = 0
    net_change: Decimal = ZERO
    oi: int = 0
    oi_day_high: int = 0
    oi_day_low: int = 0
    lower_circuit_limit: Decimal = ZERO
    upper_circuit_limit: Decimal = ZERO
    depth: DepthReply = msgspec.field(default_factory=DepthReply)


class KiteMarketData:
    """Kite's quote and instrument routes. Errors are those of `brokers/broker_port.py`."""

    def __init__(self, rest: KiteRest, clock: Clock, settings: KiteRestSettings) -> None:
        self._rest = rest
        self._clock = clock
        self._settings = settings

    async def instruments(self) -> list[MasterRow]:
        """Return the master that Kite serves today; rows of exchanges we do not know are left out."""
        call = Call(CallKind.OTHER, "GET", "/instruments", seconds=self._settings.master_timeout_seconds)
        body = await self._rest.text(call)
        on = to_ist(self._clock.now()).date()
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise DecodeError("the instruments file is no text", body[:1024]) from error
        return await asyncio.to_thread(parse_master, text, on)  # 100,000 rows would hold the loop for seconds

    async def quotes(self, keys: Sequence[InstrumentKey]) -> dict[InstrumentKey, Quote]:
        """Return full quotes."""
        replies = await self._chunks("/quote", keys, KITE.quote_instruments, QuoteReply)
        return {key: quote_of(key, reply) for key, reply in replies.items()}

    async def last_prices(self, keys: Sequence[InstrumentKey]) -> dict[InstrumentKey, Decimal]:
        """Return last prices."""
        replies = await self._chunks("/quote/ltp", keys, KITE.ltp_instruments, LastPriceReply)
        return {key: reply.last_price for key, reply in replies.items()}

    async def ohlc(self, keys: Sequence[InstrumentKey]) -> dict[InstrumentKey, Ohlc]:
        """Return the day's four prices."""
        replies = await self._chunks("/quote/ohlc", keys, KITE.ltp_instruments, OhlcReply)
        return {key: ohlc_of(reply) for key, reply in replies.items()}

    async def _chunks(self, path: str, keys: Sequence[InstrumentKey], most: int, kind: Any) -> dict[InstrumentKey, Any]:
        """Ask for one portion after the other."""
        replies: dict[InstrumentKey, Any] = {}
        for portion in portions(keys, most, self._settings.longest_query_bytes):
            call = Call(CallKind.QUOTES, "GET", path, query={"i": portion})
            answer = await self._rest.ask(call, dict[str, kind])
            replies |= {InstrumentKey(key): reply for key, reply in answer.items()}
        return replies


def portions(keys: Sequence[InstrumentKey], most: int, longest: int) -> Iterator[list[InstrumentKey]]:
    """Yield keys in portions of Kite's limit whose query, fully escaped, is no longer than so many bytes."""
    portion: list[InstrumentKey] = []
    size = 0
    for key in keys:
        own = len(quote_plus(key)) + len("i=&")
        if portion and (len(portion) == most or size + own > longest):
            yield portion
            portion, size = [], 0
        portion.append(key)
        size += own
    if portion:
        yield portion


def ohlc_of(reply: OhlcReply) -> Ohlc:
    """Return the day's prices as a record of ours."""
    prices = reply.ohlc
    return Ohlc(
        token=str(reply.instrument_token), last_price=reply.last_price, open=prices.open, high=prices.high,
        low=prices.low, close=prices.close,
    )  # fmt: skip


def quote_of(key: InstrumentKey, reply: QuoteReply) -> Quote:
    """Return a quote as a record of ours; empty levels of its book are left out.

    Raises:
        DecodeError: a time cannot be read.
    """
    return Quote(
        instrument=key,
        token=str(reply.instrument_token),
        at=time_of(reply.timestamp),
        traded_at=time_of(reply.last_trade_time),
        last_price=reply.last_price,
        last_quantity=reply.last_quantity,
        average_price=reply.average_price,
        volume=reply.volume,
        buy_quantity=reply.buy_quantity,
        sell_quantity=reply.sell_quantity,
        open=reply.ohlc.open,
        high=reply.ohlc.high,
        low=reply.ohlc.low,
        close=reply.ohlc.close,
        net_change=reply.net_change,
        open_interest=reply.oi,
        open_interest_high=reply.oi_day_high,
        open_interest_low=reply.oi_day_low,
        lower_circuit=reply.lower_circuit_limit,
        upper_circuit=reply.upper_circuit_limit,
        bids=_levels(reply.depth.buy),
        asks=_levels(reply.depth.sell),
    )


def _levels(levels: list[LevelReply]) -> tuple[DepthLevel, ...]:
    return tuple(DepthLevel(level.price, level.quantity, level.orders) for level in levels if level.quantity)
