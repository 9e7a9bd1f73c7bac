"""Records of the topics, as frozen structs: the JSON of `docs/reference/contracts.md`, and nothing else.

They are made from the columnar batches of `model/batches.py` at the edges; the hot path never builds them one by one.
Impossible values are refused by the batches' `check` functions, which `Tick.check` and `Candle.check` share.
"""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal

import msgspec

from niftyflow.model.enums import Exchange, Interval, Kind
from niftyflow.model.errors import InvalidValue
from niftyflow.model.ids import InstrumentKey, instrument_key


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """One update of an instrument. Prices in rupees, times in ms UTC, quantities in units.

    `timestamp` is the exchange time of the quote, `traded_at` the time of its last trade, `received` ours;
    `volume` is the quantity of the last trade, `day_volume` the day's running total; `bid` and `ask` are 0 when that
    side of the book is empty.
    """

    token: str
    symbol: str
    exchange: str
    ltp: float
    volume: int
    day_volume: int
    bid: float
    ask: float
    open_interest: int
    timestamp: int
    traded_at: int
    received: int
    sequence: int
    source: str

    @property
    def instrument(self) -> InstrumentKey:
        """The instrument's key."""
        return instrument_key(self.exchange, self.symbol)

    def check(self) -> Tick:
        """Return self when every value can be.

        Raises:
            InvalidValue: naming the first impossible field.
        """
        _refuse_name(self.exchange, self.symbol)
        for name in ("ltp", "bid", "ask"):
            _refuse_price(name, getattr(self, name), positive=name == "ltp")
        for name in ("volume", "day_volume", "open_interest", "timestamp", "traded_at", "received", "sequence"):
            _refuse_negative(name, getattr(self, name))
        return self


class Watermark(msgspec.Struct, frozen=True, kw_only=True):
    """Control record: every tick before `time` (ms UTC) that `source` will send to `partition`, it has sent.

    `healthy` is false when the time since the previous watermark was not observed in full (the feed was away).
    """

    time: int
    partition: int
    source: str
    healthy: bool


class Candle(msgspec.Struct, frozen=True, kw_only=True):
    """One interval of trades. `time` is the interval's start; `vwap` is weighted by the day-volume increments.

    `incomplete` means its start, or part of it, was not seen; `day_volume` is the running day total at its end,
    `traded_at` the time of the last trade up to it (ms UTC, 0 when not known); `through` is the position, per
    partition, that the candle has taken in.
    """

    time: datetime
    symbol: str
    exchange: str
    interval: Interval
    open: float
    high: float
    low: float
    close: float
    volume: int
    trades: int
    vwap: float
    open_interest: int = 0
    provenance: str = "live"
    revision: int = 0
    incomplete: bool = False
    day_volume: int = 0
    traded_at: int = 0
    through: dict[str, int] = {}

    @property
    def instrument(self) -> InstrumentKey:
        """The instrument's key."""
        return instrument_key(self.exchange, self.symbol)

    def check(self) -> Candle:
        """Return self when every value can be.

        Raises:
            InvalidValue: naming the first impossible field.
        """
        _refuse_name(self.exchange, self.symbol)
        if self.time.tzinfo is None:
            raise InvalidValue("time", self.time, "a candle's time is aware UTC")
        for name in ("open", "high", "low", "close", "vwap"):
            _refuse_price(name, getattr(self, name), positive=True)
        if not self.low <= min(self.open, self.close):
            raise InvalidValue("low", self.low, "low is above open or close")
        if not self.high >= max(self.open, self.close):
            raise InvalidValue("high", self.high, "high is below open or close")
        for name in ("volume", "trades", "open_interest", "revision", "day_volume", "traded_at"):
            _refuse_negative(name, getattr(self, name))
        return self


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument as it stands on one day; lot, tick and freeze quantity come from that day's master."""

    exchange: Exchange
    symbol: str
    kind: Kind
    token: str = ""
    name: str = ""
    tick_size: Decimal = Decimal("0.05")
    lot_size: int = 1
    freeze_quantity: int | None = None
    has_derivatives: bool = False
    underlying: str | None = None
    expiry: date | None = None
    strike: Decimal | None = None
    right: str | None = None
    valid_from: date = date(1990, 1, 1)
    valid_to: date | None = None

    @property
    def key(self) -> InstrumentKey:
        """The instrument's key."""
        return instrument_key(self.exchange, self.symbol)


class FeedGap(msgspec.Struct, frozen=True, kw_only=True):
    """A span in which a feed was not observed; ms UTC, end exclusive."""

    source: str
    since: int
    until: int
    reason: str


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that was not taken, with everything needed to look at it and to send it again.

    `settles` is the offset of an earlier letter that an operator has dealt with; `error` then says how.
    """

    topic: str
    partition: int
    offset: int
    key: str
    record: str
    error: str
    stage: str
    at: int
    settles: int = -1


def _refuse_name(exchange: str, symbol: str) -> None:
    if exchange not in Exchange.__members__:
        raise InvalidValue("exchange", exchange, f"use one of {', '.join(Exchange.__members__)}")
    if not symbol:
        raise InvalidValue("symbol", symbol, "a symbol cannot be empty")


def _refuse_price(name: str, value: float, *, positive: bool) -> None:
    if not math.isfinite(value) or value < 0 or (positive and value == 0):
        raise InvalidValue(name, value, "a price is a finite number above zero")


def _refuse_negative(name: str, value: int) -> None:
    if value < 0:
        raise InvalidValue(name, value, "it cannot be negative")
