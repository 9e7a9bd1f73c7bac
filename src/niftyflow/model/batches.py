"""Columnar batches over NumPy: the form in which ticks and candles travel, are logged and are computed on.

A batch holds one array per field and an index into a `NameTable`; it converts to and from the records without loss.
Batches are never changed once published; `take` and slicing give views or copies, never edits in place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from niftyflow.model.enums import Interval, Provenance
from niftyflow.model.errors import InvalidValue
from niftyflow.model.ids import split_key
from niftyflow.model.records import Candle, Tick

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Name(NamedTuple):
    """What the rows of a batch that share an index have in common."""

    key: str
    token: str = ""
    source: str = ""


class NameTable:
    """Append-only list of names; an index, once given, means the same for the table's life."""

    __slots__ = ("_index", "names")

    def __init__(self, names: Iterable[Name] = ()) -> None:
        self.names: list[Name] = []
        self._index: dict[Name, int] = {}
        for name in names:
            self.intern(name)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Name:
        return self.names[index]

    def intern(self, name: Name) -> int:
        """Return the index of `name`, adding it when new."""
        index = self._index.get(name)
        if index is None:
            index = self._index[name] = len(self.names)
            self.names.append(name)
        return index


class Columns(ABC):
    """Shared behaviour of the batches: equal-length arrays, `name` first, declared in `COLUMNS`."""

    __slots__ = ("name", "names")
    COLUMNS: ClassVar[dict[str, Any]] = {}
    SHARED: ClassVar[tuple[str, ...]] = ("names",)

    names: NameTable
    name: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.name)

    def _set(self, names: NameTable, columns: dict[str, Any]) -> None:
        self.names = names
        size = -1
        for field, dtype in self.COLUMNS.items():
            column = np.ascontiguousarray(columns[field], dtype=dtype)
            if size < 0:
                size = len(column)
            elif len(column) != size:
                raise InvalidValue(field, len(column), f"every column of a batch has the same length, here {size}")
            setattr(self, field, column)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by field, in declared order."""
        return {field: getattr(self, field) for field in self.COLUMNS}

    def take(self, rows: Any) -> Self:
        """Return the rows of a slice, a mask or an index array."""
        return self.replace(**{field: getattr(self, field)[rows] for field in self.COLUMNS})

    def replace(self, **columns: NDArray[Any]) -> Self:
        """Return a batch with these arrays in place of its own; they are trusted to have the declared types."""
        other = object.__new__(type(self))
        for attribute in self.SHARED:
            setattr(other, attribute, getattr(self, attribute))
        for field in self.COLUMNS:
            setattr(other, field, columns[field] if field in columns else getattr(self, field))
        return other

    @classmethod
    def concat(cls, batches: Sequence[Self]) -> Self:
        """Return the rows of several batches that share a name table, in order.

        Raises:
            InvalidValue: there is none, or their tables differ.
        """
        if not batches or any(batch.names is not batches[0].names for batch in batches):
            raise InvalidValue("batches", len(batches), "batches are joined when they share one name table")
        if len(batches) == 1:
            return batches[0]
        columns = {field: np.concatenate([getattr(batch, field) for batch in batches]) for field in cls.COLUMNS}
        return batches[0].replace(**columns)

    def keys(self) -> list[str]:
        """Return the instrument key of each row."""
        names = self.names.names
        return [names[index].key for index in self.name.tolist()]

    @abstractmethod
    def to_records(self) -> list[Any]:
        """Return the rows as records."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Columns) and type(other) is type(self) and self.to_records() == other.to_records()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} rows)"


def rows_of(body: Any, rows: slice) -> Any:
    """Return some of a body's records, as the same kind of body: columns, or a tuple of plain records."""
    return body.take(rows) if isinstance(body, Columns) else body[rows]


class TickBatch(Columns):
    """Ticks as columns; the fields of `Tick`, with (exchange, symbol, token, source) in the name table."""

    __slots__ = (
        "ask",
        "bid",
        "day_volume",
        "ltp",
        "open_interest",
        "received",
        "sequence",
        "timestamp",
        "traded_at",
        "volume",
    )
    COLUMNS: ClassVar[dict[str, Any]] = {
        "name": np.int32,
        "ltp": np.float64,
        "volume": np.int64,
        "day_volume": np.int64,
        "bid": np.float64,
        "ask": np.float64,
        "open_interest": np.int64,
        "timestamp": np.int64,
        "traded_at": np.int64,
        "received": np.int64,
        "sequence": np.int64,
    }

    ltp: Floats
    volume: Ints
    day_volume: Ints
    bid: Floats
    ask: Floats
    open_interest: Ints
    timestamp: Ints
    traded_at: Ints
    received: Ints
    sequence: Ints

    def __init__(self, names: NameTable, **columns: Any) -> None:
        self._set(names, columns)

    @classmethod
    def from_records(cls, ticks: Sequence[Tick], names: NameTable | None = None) -> TickBatch:
        """Build a batch from records; every value is checked.

        Raises:
            InvalidValue: naming the first impossible field.
        """
        names = NameTable() if names is None else names
        columns: dict[str, Any] = {
            field: [getattr(tick, field) for tick in ticks] for field in cls.COLUMNS if field != "name"
        }
        columns["name"] = [names.intern(Name(tick.check().instrument, tick.token, tick.source)) for tick in ticks]
        return cls(names, **columns)

    def to_records(self) -> list[Tick]:
        """Return the rows as `Tick` records."""
        names = {index: self.names[index] for index in set(self.name.tolist())}
        spelled = {index: (*split_key(name.key), name.token, name.source) for index, name in names.items()}
        rows = zip(*(getattr(self, field).tolist() for field in self.COLUMNS), strict=True)
        ticks = []
        for index, ltp, volume, day_volume, bid, ask, interest, timestamp, traded_at, received, sequence in rows:
            exchange, symbol, token, source = spelled[index]
            ticks.append(
                Tick(
                    token=token, symbol=symbol, exchange=exchange, ltp=ltp, volume=volume, day_volume=day_volume,
                    bid=bid, ask=ask, open_interest=interest, timestamp=timestamp, traded_at=traded_at,
                    received=received, sequence=sequence, source=source,
                )
            )  # fmt: skip
        return ticks

    def last_of_each(self) -> NDArray[np.int64]:
        """Return the row of the last tick of each name in the batch, in row order."""
        last: dict[int, int] = dict(zip(self.name.tolist(), range(len(self)), strict=True))
        return np.array(sorted(last.values()), dtype=np.int64)


class CandleBatch(Columns):
    """Candles of one interval as columns; `time` is ms UTC, `through_*` the position taken in (-1: not stated)."""

    __slots__ = (
        "close",
        "day_volume",
        "high",
        "incomplete",
        "interval",
        "low",
        "open",
        "open_interest",
        "provenance",
        "revision",
        "through_offset",
        "through_partition",
        "time",
        "traded_at",
        "trades",
        "volume",
        "vwap",
    )
    COLUMNS: ClassVar[dict[str, Any]] = {
        "name": np.int32,
        "time": np.int64,
        "open": np.float64,
        "high": np.float64,
        "low": np.float64,
        "close": np.float64,
        "volume": np.int64,
        "trades": np.int64,
        "vwap": np.float64,
        "open_interest": np.int64,
        "day_volume": np.int64,
        "traded_at": np.int64,
        "provenance": np.uint8,
        "revision": np.int32,
        "incomplete": np.bool_,
        "through_partition": np.int32,
        "through_offset": np.int64,
    }

    SHARED = ("names", "interval")

    interval: Interval
    time: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Ints
    trades: Ints
    vwap: Floats
    open_interest: Ints
    day_volume: Ints
    traded_at: Ints
    provenance: NDArray[np.uint8]
    revision: NDArray[np.int32]
    incomplete: NDArray[np.bool_]
    through_partition: NDArray[np.int32]
    through_offset: Ints

    def __init__(self, names: NameTable, interval: Interval, **columns: Any) -> None:
        self.interval = interval
        self._set(names, columns)

    @classmethod
    def from_records(cls, candles: Sequence[Candle], names: NameTable | None = None) -> CandleBatch:
        """Build a batch from records of one interval; every value is checked.

        Raises:
            InvalidValue: naming the first impossible field, or two intervals in one batch.
        """
        names = NameTable() if names is None else names
        intervals = {candle.interval for candle in candles} or {Interval.M1}
        if len(intervals) > 1:
            raise InvalidValue("interval", sorted(intervals), "a batch holds candles of one interval")
        plain = ("open", "high", "low", "close", "volume", "trades", "vwap", "open_interest", "day_volume", "traded_at",
                 "revision", "incomplete")  # fmt: skip
        columns: dict[str, Any] = {field: [getattr(candle, field) for candle in candles] for field in plain}
        columns["name"] = [names.intern(Name(candle.check().instrument)) for candle in candles]
        columns["time"] = [milliseconds(candle.time) for candle in candles]
        columns["provenance"] = [Provenance.of(candle.provenance) for candle in candles]
        through = [_only_position(candle.through) for candle in candles]
        columns["through_partition"] = [partition for partition, _ in through]
        columns["through_offset"] = [offset for _, offset in through]
        return cls(names, intervals.pop(), **columns)

    def to_records(self) -> list[Candle]:
        """Return the rows as `Candle` records."""
        spelled = {index: split_key(self.names[index].key) for index in set(self.name.tolist())}
        labels = {provenance.value: provenance.label for provenance in Provenance}
        rows = zip(*(getattr(self, field).tolist() for field in self.COLUMNS), strict=True)
        candles = []
        for (index, time, open_, high, low, close, volume, trades, vwap, interest, day_volume, traded_at, provenance,
             revision, incomplete, partition, offset) in rows:  # fmt: skip
            exchange, symbol = spelled[index]
            candles.append(
                Candle(
                    time=moment(time), symbol=symbol, exchange=exchange, interval=self.interval, open=open_,
                    high=high, low=low, close=close, volume=volume, trades=trades, vwap=vwap,
                    open_interest=interest, provenance=labels[provenance], revision=revision,
                    incomplete=incomplete, day_volume=day_volume, traded_at=traded_at,
                    through={} if partition < 0 else {str(partition): offset},
                )
            )  # fmt: skip
        return candles


def milliseconds(time: datetime) -> int:
    """Return an aware time as ms UTC, exactly.

    Raises:
        InvalidValue: the time is naive.
    """
    if time.tzinfo is None:
        raise InvalidValue("time", time, "a time needs its zone")
    delta = time - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def moment(ms: int) -> datetime:
    """Return ms UTC as an aware datetime in UTC, exactly."""
    seconds, rest = divmod(ms, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _only_position(through: dict[str, int]) -> tuple[int, int]:
    if not through:
        return -1, -1
    if len(through) > 1:
        raise InvalidValue("through", through, "a 1m candle has taken in one partition")
    ((partition, offset),) = through.items()
    return int(partition), offset
