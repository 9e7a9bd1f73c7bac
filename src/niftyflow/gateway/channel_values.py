"""How the topics' records become what channels hold: prices, scorecards, candles, signals, orders. Pure.

Values are kept as they came and encoded when somebody asks; times leave as ms UTC, what is not known as null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from niftyflow.gateway.previous_closes import change_percent
from niftyflow.model import CandleBatch, InvalidValue, Recommendation, ScorecardBatch, Tick, TickBatch, milliseconds

_encode: Final = msgspec.json.Encoder().encode  # NaN leaves as null
_CARD_FIELDS: Final = ("composite_score", "trend_score", "momentum_score", "rsi", "ltp", "change_percent")
_CANDLE_FIELDS: Final = ("time", "open", "high", "low", "close", "volume", "revision", "incomplete")
_FORMING_FIELDS: Final = ("open", "high", "low", "close", "volume")
_time: Final = msgspec.json.Decoder(datetime).decode
_number: Final = msgspec.json.Decoder(float).decode
_tick: Final = msgspec.json.Decoder(Tick).decode


class Price(NamedTuple):
    """What one tick told; 0 for a side of the book that is empty."""

    symbol: str
    ltp: float
    bid: float
    ask: float
    volume: int
    time: int


def prices_of(batch: TickBatch) -> dict[str, Price]:
    """Return the last price of each instrument of a batch."""
    last = dict(zip(batch.name.tolist(), range(len(batch)), strict=True))
    rows, names = list(last.values()), batch.names.names
    keys = [names[index].key for index in last]
    columns = (batch.ltp, batch.bid, batch.ask, batch.day_volume, batch.timestamp)
    return dict(zip(keys, map(Price, keys, *(column[rows].tolist() for column in columns)), strict=True))


def price_of(stored: bytes) -> Price | None:
    """Return the price of a tick as the hot store keeps it, or None when it cannot be read."""
    try:
        tick = _tick(stored)
    except msgspec.MsgspecError:
        return None
    return Price(tick.instrument, tick.ltp, tick.bid, tick.ask, tick.day_volume, tick.timestamp)


def price_encoder(closes: Callable[[], Mapping[str, float]]) -> Callable[[Price], bytes]:
    """Return what makes JSON of a price, against the previous closes of the moment."""

    def encode(price: Price) -> bytes:
        return _encode(
            {
                "ltp": price.ltp,
                "bid": price.bid or None,
                "ask": price.ask or None,
                "volume": price.volume,
                "change_percent": change_percent(price.ltp, closes().get(price.symbol)),
                "time": price.time,
            }
        )

    return encode


class Card(NamedTuple):
    """One row of a batch of scorecards; `time` is the candle's end, ms UTC."""

    batch: ScorecardBatch
    row: int
    time: int


def cards_of(batch: ScorecardBatch) -> dict[str, Card]:
    """Return the last scorecard of each instrument of a batch."""
    rows = enumerate(zip(batch.keys(), batch.time.tolist(), strict=True))
    return {key: Card(batch, row, time) for row, (key, time) in rows}


def encode_card(card: Card) -> bytes:
    """Return the JSON of a scorecard's summary."""
    batch, row, time = card
    summary: dict[str, Any] = {field: float(getattr(batch, field)[row]) for field in _CARD_FIELDS}
    summary["recommendation"] = Recommendation(int(batch.recommendation[row])).name
    summary["time"] = time
    return _encode(summary)


def candle_encoder(batch: CandleBatch, keys: Sequence[str]) -> Callable[[int], bytes]:
    """Return what makes JSON of a closed candle by its row."""
    columns = [getattr(batch, field) for field in _CANDLE_FIELDS]

    def encode(row: int) -> bytes:
        values = {field: column[row].item() for field, column in zip(_CANDLE_FIELDS, columns, strict=True)}
        return _encode({"symbol": keys[row]} | values)

    return encode


def forming_candle(symbol: str, stored: Mapping[str, bytes]) -> dict[str, Any] | None:
    """Return the forming candle that the hot store keeps as a hash, or None when there is none to read."""
    try:
        time = milliseconds(_time(stored["time"]))
        numbers = {field: _number(stored[field]) for field in _FORMING_FIELDS}
    except (KeyError, InvalidValue, msgspec.MsgspecError):
        return None
    return {"symbol": symbol, "time": time, **numbers, "volume": int(numbers["volume"])}


def record_encoder(records: Sequence[Any], row_of: Callable[[Any], Any] | None = None) -> Callable[[int], bytes]:
    """Return what makes JSON of a record by its place: as its topic spells it, or as `row_of` shows it."""
    return lambda row: _encode(records[row] if row_of is None else row_of(records[row]))
