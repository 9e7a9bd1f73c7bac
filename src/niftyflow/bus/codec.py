"""Bodies as bytes for the embedded log: columnar, checked, and lossless to the last bit of a float.

An entry is a checksum, a msgpack head (kind, rows, the names this batch uses, how each column is packed) and the
columns as little-endian numbers. It never judges values: that is done before a record reaches the bus.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from enum import IntEnum
from functools import cache
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from niftyflow.bus.port import Body
from niftyflow.model import (
    CandleBatch,
    Columns,
    DecodeError,
    Interval,
    Name,
    NameTable,
    ScorecardBatch,
    TickBatch,
    Watermark,
)

_PREFIX: Final = struct.Struct("<4sII")  # magic, checksum of the rest, length of the head
_MAGIC: Final = b"NFL1"
_WIDTHS: Final = tuple((np.dtype(code), 256**size) for code, size in (("<u1", 1), ("<u2", 2), ("<u4", 4)))
_PAISE: Final = 100.0
_PRICE_LIMIT: Final = 2**32
_FEW_ROWS: Final = 128  # below this, looking for a narrower form costs more than it saves


class EntryKind(IntEnum):
    """What a stored entry holds; the number is part of the file format."""

    TICKS = 0
    WATERMARK = 1
    CANDLES = 2
    RECORDS = 3
    SCORECARDS = 4


_KINDS: Final[dict[type[Columns], EntryKind]] = {
    TickBatch: EntryKind.TICKS,
    CandleBatch: EntryKind.CANDLES,
    ScorecardBatch: EntryKind.SCORECARDS,
}
_BATCHES: Final[dict[EntryKind, type[CandleBatch | ScorecardBatch]]] = {
    EntryKind.CANDLES: CandleBatch,
    EntryKind.SCORECARDS: ScorecardBatch,
}


class _Column(msgspec.Struct, frozen=True, array_like=True):
    """How one column is packed: numbers of `code`, each to be added to `base`, then divided by `scale` (0: no)."""

    field: str
    code: str
    base: int = 0
    scale: float = 0.0


class _Head(msgspec.Struct, frozen=True, array_like=True):
    kind: int
    rows: int
    names: list[Name]
    columns: list[_Column]
    interval: str = ""
    plain: msgspec.Raw = msgspec.Raw(b"\xc0")


def kind_of(body: Body) -> EntryKind:
    """Return the kind under which a body is stored."""
    if isinstance(body, Columns):
        return _KINDS[type(body)]
    return EntryKind.WATERMARK if isinstance(body, Watermark) else EntryKind.RECORDS


def encode(body: Body) -> bytes:
    """Return the body as one entry of the log."""
    kind = kind_of(body)
    if isinstance(body, Columns):
        head, parts = _columnar_head(kind, body)
    else:
        plain = msgspec.Raw(msgspec.msgpack.encode(body))
        head, parts = _Head(kind, 1 if isinstance(body, Watermark) else len(body), [], [], "", plain), []
    packed = msgspec.msgpack.encode(head)
    rest = b"".join([packed, *(part.data for part in parts)])
    return _PREFIX.pack(_MAGIC, zlib.crc32(rest), len(packed)) + rest


def _columnar_head(kind: EntryKind, body: Columns) -> tuple[_Head, list[NDArray[Any]]]:
    names, column = _own_names(body)
    columns, parts = [], []
    pack = _as_it_is if len(body) < _FEW_ROWS else _pack
    for field, values in body.columns().items():
        packing, part = pack(field, column if field == "name" else values)
        columns.append(packing)
        parts.append(np.ascontiguousarray(part, dtype=packing.code))
    interval = body.interval.value if isinstance(body, CandleBatch | ScorecardBatch) else ""
    return _Head(kind, len(body), names, columns, interval), parts


def _own_names(body: Columns) -> tuple[list[Name], NDArray[np.int64]]:
    """Return the names the rows use, and the name column as indexes into them."""
    table = body.names.names
    is_used = np.zeros(len(table), dtype=np.bool_)
    is_used[body.name] = True
    used = np.flatnonzero(is_used)
    place = np.empty(len(table), dtype=np.int64)
    place[used] = np.arange(len(used))
    return [table[index] for index in used.tolist()], place[body.name]


def _as_it_is(field: str, values: NDArray[Any]) -> tuple[_Column, NDArray[Any]]:
    return _plain_column(field, values.dtype.newbyteorder("<").str), values


@cache
def _plain_column(field: str, code: str) -> _Column:
    return _Column(field, code)


def _pack(field: str, values: NDArray[Any]) -> tuple[_Column, NDArray[Any]]:
    if values.dtype.kind == "f":
        return _pack_prices(field, values)
    if values.dtype.kind != "i" or not len(values):
        code = values.dtype.newbyteorder("<").str
        return _Column(field, code), np.ascontiguousarray(values, dtype=code)
    low = int(values.min())
    spread = int(values.max()) - low
    for dtype, limit in _WIDTHS:
        if spread < limit:
            return _Column(field, dtype.str, low), (values - low).astype(dtype)
    return _Column(field, "<i8"), values.astype("<i8", copy=False)


def _pack_prices(field: str, values: NDArray[np.float64]) -> tuple[_Column, NDArray[Any]]:
    """Pack prices as whole paise where that gives back the very same bits, else as they are."""
    with np.errstate(all="ignore"):
        paise = np.rint(values * _PAISE)
        if len(values) and paise.min() >= 0 and paise.max() < _PRICE_LIMIT:  # false for NaN as well
            narrow = paise.astype("<u4")
            if np.array_equal((narrow / _PAISE).view(np.int64), values.view(np.int64)):
                return _Column(field, "<u4", 0, _PAISE), narrow
    return _Column(field, "<f8"), values.astype("<f8", copy=False)


class Decoder:
    """Reads entries back; one name table serves every batch it returns, so that indexes stay stable for a reader."""

    def __init__(self, record: type[msgspec.Struct], names: NameTable | None = None) -> None:
        self.names = NameTable() if names is None else names
        self._head: Callable[[Any], _Head] = msgspec.msgpack.Decoder(_Head).decode
        self._watermark: Callable[[Any], Watermark] = msgspec.msgpack.Decoder(Watermark).decode
        self._records: Callable[[Any], tuple[msgspec.Struct, ...]] = msgspec.msgpack.Decoder(
            tuple[record, ...]  # type: ignore[valid-type]
        ).decode

    def decode(self, data: bytes) -> Body:
        """Return the body of an entry.

        Raises:
            DecodeError: the entry is torn, changed, or of a form this version does not know.
        """
        head, columns_at = self._open(data)
        try:
            if head.kind == EntryKind.WATERMARK:
                return self._watermark(head.plain)
            if head.kind == EntryKind.RECORDS:
                return self._records(head.plain)
            return self._columns(head, data, columns_at)
        except (msgspec.MsgspecError, ValueError, KeyError, IndexError, TypeError) as error:
            raise DecodeError(f"the entry does not hold what its head says: {error}", data) from error

    def _open(self, data: bytes) -> tuple[_Head, int]:
        if len(data) < _PREFIX.size or data[:4] != _MAGIC:
            raise DecodeError("the entry does not begin as an entry of the log does", data)
        _, checksum, head_size = _PREFIX.unpack_from(data)
        rest = memoryview(data)[_PREFIX.size :]
        if zlib.crc32(rest) != checksum:
            raise DecodeError("the entry's checksum is wrong: it is torn or changed", data)
        try:
            return self._head(rest[:head_size]), _PREFIX.size + head_size
        except msgspec.MsgspecError as error:
            raise DecodeError(f"the entry's head cannot be read: {error}", data) from error

    def _columns(self, head: _Head, data: bytes, at: int) -> Body:
        columns: dict[str, Any] = {}
        for column in head.columns:
            dtype = np.dtype(column.code)
            columns[column.field] = _unpack(column, np.frombuffer(data, dtype, head.rows, at))
            at += dtype.itemsize * head.rows
        here = np.array([self.names.intern(name) for name in head.names], dtype=np.int32)
        columns["name"] = here[columns["name"]]
        if head.kind == EntryKind.TICKS:
            return TickBatch(self.names, **_complete(TickBatch.COLUMNS, columns, head.rows))
        batch = _BATCHES[EntryKind(head.kind)]
        return batch(self.names, Interval(head.interval), **_complete(batch.COLUMNS, columns, head.rows))


def _complete(declared: dict[str, Any], columns: dict[str, Any], rows: int) -> dict[str, Any]:
    """Return the declared columns: those added since the entry was written are zero, those unknown are ignored."""
    return {field: columns[field] if field in columns else np.zeros(rows, dtype) for field, dtype in declared.items()}


def _unpack(column: _Column, stored: NDArray[Any]) -> NDArray[Any]:
    """Return owned, aligned values: kernels are compiled for those, not for views into an entry."""
    if column.scale:
        return stored / column.scale
    if stored.dtype.kind == "u" and column.base:
        return stored.astype(np.int64) + column.base
    return stored.copy()
