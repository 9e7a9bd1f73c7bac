"""Prices asked for once, and the rows of a broker's instrument master.

Prices are `Decimal` rupees exactly as the broker wrote them, times ms UTC (0 when not told). A stream of prices is the
feed's (`brokers/port.py`), never this.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec

from niftyflow.model import Instrument, InstrumentKey


class DepthLevel(msgspec.Struct, frozen=True):
    """One price of the book, with what waits there."""

    price: Decimal
    quantity: int
    orders: int


class Ohlc(msgspec.Struct, frozen=True, kw_only=True):
    """The day in four prices, and the last one; `close` is the close before today."""

    token: str
    last_price: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a broker says of an instrument at one moment; a circuit limit of 0 was not told."""

    instrument: InstrumentKey
    token: str
    at: int
    traded_at: int
    last_price: Decimal
    last_quantity: int
    average_price: Decimal
    volume: int
    buy_quantity: int
    sell_quantity: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    net_change: Decimal
    open_interest: int
    open_interest_high: int
    open_interest_low: int
    lower_circuit: Decimal
    upper_circuit: Decimal
    bids: tuple[DepthLevel, ...]
    asks: tuple[DepthLevel, ...]


class MasterRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a broker's master: our instrument, and what the broker says of it. `freeze` is null when not told."""

    instrument: Instrument
    token: str
    exchange_token: str
    segment: str
    lot_size: int
    tick_size: Decimal
    freeze: int | None
    expiry: date | None
    strike: Decimal | None
    last_price: Decimal
