"""Identities: what an instrument is called everywhere, and keys derived from it."""

from __future__ import annotations

from typing import NewType

from niftyflow.model.enums import Exchange
from niftyflow.model.errors import InvalidValue

InstrumentKey = NewType("InstrumentKey", str)
"""`EXCHANGE:SYMBOL`, the name of an instrument in keys, stores and APIs."""


def instrument_key(exchange: str, symbol: str) -> InstrumentKey:
    """Join exchange and symbol into the key."""
    return InstrumentKey(f"{exchange}:{symbol}")


def parse_instrument(text: str) -> InstrumentKey:
    """Read `RELIANCE` or `NSE:RELIANCE` (a bare symbol means NSE) into a key.

    Raises:
        InvalidValue: the exchange is unknown or the symbol is empty.
    """
    exchange, separator, symbol = text.strip().partition(":")
    if not separator:
        exchange, symbol = Exchange.NSE.value, exchange
    exchange, symbol = exchange.strip().upper(), symbol.strip().upper()
    if exchange not in Exchange.__members__:
        raise InvalidValue("exchange", exchange, f"use one of {', '.join(Exchange.__members__)}")
    if not symbol:
        raise InvalidValue("symbol", text, "write EXCHANGE:SYMBOL, such as NSE:RELIANCE")
    return instrument_key(exchange, symbol)


def split_key(key: str) -> tuple[str, str]:
    """Return (exchange, symbol) of a key."""
    exchange, _, symbol = key.partition(":")
    return exchange, symbol
