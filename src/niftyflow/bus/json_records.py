"""Bodies as JSON records, one a message, exactly as the contracts spell them; and back.

Reading takes the good records before a bad one and says what is wrong with the bad one; it never drops any. Fields a
reader does not know are ignored, so that writers may be newer than readers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np

from niftyflow.bus.port import Body
from niftyflow.bus.tick_json import FEW_ROWS, TickReader, TickWriter
from niftyflow.model import (
    Candle,
    CandleBatch,
    Columns,
    DecodeError,
    Exchange,
    InvalidValue,
    Name,
    NameTable,
    Scorecard,
    ScorecardBatch,
    Tick,
    TickBatch,
    Watermark,
    instrument_key,
)

_encoder: Final = msgspec.json.Encoder()
_watermark: Final[Callable[[bytes], Watermark]] = msgspec.json.Decoder(Watermark).decode
_INTEGERS: Final = tuple(field for field, dtype in TickBatch.COLUMNS.items() if dtype is np.int64)
_PRICES: Final = ("ltp", "bid", "ask")
_NAME_PARTS: Final = attrgetter("exchange", "symbol", "token", "source")
_INT64_MAX: Final = 2**63 - 1


class RowEncoder:
    """Writes bodies as records, one a row; it remembers how names are spelled."""

    def __init__(self) -> None:
        self._ticks = TickWriter()

    def encode(self, body: Columns | Sequence[msgspec.Struct]) -> list[bytes]:
        """Return one JSON record for each row."""
        if isinstance(body, TickBatch) and len(body) >= FEW_ROWS and (rows := self._ticks.rows(body)) is not None:
            return rows
        return encode_rows(body)


def encode_rows(body: Columns | Sequence[msgspec.Struct]) -> list[bytes]:
    """Return one JSON record for each row."""
    records = body.to_records() if isinstance(body, Columns) else body
    return _encoder.encode_lines(records).split(b"\n")[:-1]


def encode_watermark(watermark: Watermark) -> bytes:
    """Return the JSON of a control record."""
    return _encoder.encode(watermark)


def decode_watermark(value: bytes) -> Watermark:
    """Read a control record.

    Raises:
        DecodeError: it is no watermark.
    """
    try:
        return _watermark(value)
    except msgspec.MsgspecError as error:
        raise DecodeError(f"watermark: {error}", value) from error


class _ReadTick(Tick, frozen=True, gc=False):
    """A tick on its way into columns; hidden from the garbage collector, which would walk all of them in vain."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a run of records gave: bodies holding the first `count` of them, and why it stopped, if it did."""

    bodies: list[Body]
    count: int
    error: DecodeError | None


class RowDecoder:
    """Reads the data records of one topic into bodies; its name table serves every batch it returns."""

    def __init__(self, record: type[msgspec.Struct], names: NameTable | None = None) -> None:
        self.names = NameTable() if names is None else names
        record = _ReadTick if record is Tick else record
        self._one: Callable[[bytes], Any] = msgspec.json.Decoder(record).decode
        self._many: Callable[[bytes], list[Any]] = msgspec.json.Decoder(list[record]).decode  # type: ignore[valid-type]
        self._places: dict[tuple[str, str, str, str], int] = {}
        self._make: Callable[[list[Any]], list[Body]] = _as_they_are
        self._check: Callable[[Any], object] = _any_will_do
        self._reader: TickReader | None = None
        if record is _ReadTick:
            self._reader = TickReader(self.names)
            self._make, self._check = self._ticks, _check_tick
        elif record is Candle:
            self._make, self._check = self._runs_of(CandleBatch), _check_candle
        elif record is Scorecard:
            self._make, self._check = self._runs_of(ScorecardBatch), _check_scorecard

    def decode(self, values: Sequence[bytes]) -> Decoded:
        """Return the bodies of the good records up to the first that is not."""
        if not values:
            return Decoded([], 0, None)
        if self._reader is not None and len(values) >= FEW_ROWS and (ticks := self._reader.batch(values)) is not None:
            return Decoded([ticks], len(values), None)
        try:
            records = self._many(b"[" + b",".join(values) + b"]")
            if len(records) == len(values):
                return Decoded(self._make(records), len(values), None)
        except (msgspec.MsgspecError, InvalidValue, OverflowError, KeyError, ValueError):
            pass  # one of them is bad: the careful way finds it
        return self._decode_each(values)

    def _decode_each(self, values: Sequence[bytes]) -> Decoded:
        records: list[Any] = []
        bad: DecodeError | None = None
        for value in values:
            try:
                record = self._one(value)
                self._check(record)
            except (msgspec.MsgspecError, InvalidValue, KeyError, ValueError) as error:
                bad = DecodeError(str(error), value)
                break
            records.append(record)
        return Decoded(self._make(records) if records else [], len(records), bad)

    def _ticks(self, ticks: list[Tick]) -> list[Body]:
        columns: dict[str, Any] = {
            field: np.array([getattr(tick, field) for tick in ticks], dtype=dtype)
            for field, dtype in TickBatch.COLUMNS.items()
            if field != "name"
        }
        _refuse_impossible(columns)
        places = self._places
        spelled = list(map(_NAME_PARTS, ticks))
        for parts in dict.fromkeys(spelled):
            if parts not in places:
                places[parts] = self._intern(*parts)
        columns["name"] = [places[parts] for parts in spelled]
        return [TickBatch(self.names, **columns)]

    def _intern(self, exchange: str, symbol: str, token: str, source: str) -> int:
        _refuse_unknown_name(exchange, symbol)
        return self.names.intern(Name(instrument_key(exchange, symbol), token, source))

    def _runs_of(self, batch: type[CandleBatch | ScorecardBatch]) -> Callable[[list[Any]], list[Body]]:
        """Return what builds a batch for each run of records of one interval."""

        def make(records: list[Any]) -> list[Body]:
            bodies: list[Body] = []
            begin = 0
            for row in range(1, len(records) + 1):
                if row == len(records) or records[row].interval is not records[begin].interval:
                    bodies.append(batch.from_records(records[begin:row], self.names))
                    begin = row
            return bodies

        return make


def _as_they_are(records: list[Any]) -> list[Body]:
    return [tuple(records)]


def _any_will_do(record: msgspec.Struct) -> msgspec.Struct:
    return record


def _check_candle(candle: Candle) -> None:
    try:
        CandleBatch.from_records([candle], NameTable())
    except KeyError as error:
        raise InvalidValue("provenance", candle.provenance, "use live, official, repaired or synthetic") from error
    except (OverflowError, ValueError) as error:
        raise InvalidValue("candle", candle.instrument, f"a number is out of range: {error}") from error


def _check_scorecard(card: Scorecard) -> None:
    try:
        ScorecardBatch.from_records([card], NameTable())
    except (OverflowError, ValueError) as error:
        raise InvalidValue("scorecard", card.instrument, f"a number is out of range: {error}") from error


def _check_tick(tick: Tick) -> None:
    tick.check()
    for field in _INTEGERS:
        if getattr(tick, field) > _INT64_MAX:
            raise InvalidValue(field, getattr(tick, field), "it does not fit 64 bits")


def _refuse_unknown_name(exchange: str, symbol: str) -> None:
    if exchange not in Exchange.__members__:
        raise InvalidValue("exchange", exchange, f"use one of {', '.join(Exchange.__members__)}")
    if not symbol:
        raise InvalidValue("symbol", symbol, "a symbol cannot be empty")


def _refuse_impossible(columns: dict[str, Any]) -> None:
    """Refuse a batch in which some value cannot be; which one is found afterwards, record by record."""
    for field in _INTEGERS:
        if columns[field].min() < 0:
            raise InvalidValue(field, int(columns[field].min()), "it cannot be negative")
    for field in _PRICES:
        low, high = float(columns[field].min()), float(columns[field].max())
        if not math.isfinite(high) or low < 0 or (field == "ltp" and low == 0):
            raise InvalidValue(field, low, "a price is a finite number above zero")
