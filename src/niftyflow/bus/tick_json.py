"""Batches of ticks as JSON rows and back, at the speed of a compiled loop; what it cannot do it leaves to the caller.

Both directions answer None for anything unusual, which is then done the general way: they judge nothing themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from niftyflow.kernels import tick_json as kernel
from niftyflow.model import Exchange, Name, NameTable, TickBatch, instrument_key, split_key

FEW_ROWS: Final = 8
"""Below this a compiled loop costs more to call than it saves."""
TABLES_KEPT: Final = 8
_NUMBERS: Final = ("volume", "day_volume", "open_interest", "timestamp", "traded_at", "received", "sequence")
_PRICES: Final = ("ltp", "bid", "ask")
_LTP: Final = len(kernel.BEFORE_LTP)
_UNKNOWN: Final = -1


class _Spelled:
    """How the rows of each name of a table begin and end."""

    def __init__(self, names: NameTable) -> None:
        self.names = names
        self._count = 0
        self._heads: list[bytes] = []
        self._tails: list[bytes] = []

    def grow(self) -> None:
        """Spell the names that have come since."""
        if self._count == len(self.names):
            return
        for name in self.names.names[self._count :]:
            exchange, symbol = split_key(name.key)
            head = msgspec.json.encode({"token": name.token, "symbol": symbol, "exchange": exchange})
            self._heads.append(head[:-1] + kernel.BEFORE_LTP.tobytes())
            self._tails.append(b"," + msgspec.json.encode({"source": name.source})[1:])
        self._count = len(self.names)
        self.heads, self.heads_at = _joined(self._heads)
        self.tails, self.tails_at = _joined(self._tails)
        self.longest = max(map(len, self._heads)) + max(map(len, self._tails)) + 1


class TickWriter:
    """Writes ticks as rows; it remembers the spelling of the names of the last few tables."""

    def __init__(self) -> None:
        self._spelled: deque[_Spelled] = deque(maxlen=TABLES_KEPT)

    def rows(self, ticks: TickBatch) -> list[bytes] | None:
        """Return the JSON of each tick, or None when a number among them is none that this writer spells."""
        prices = np.stack([getattr(ticks, field) for field in _PRICES])
        numbers = np.stack([getattr(ticks, field) for field in _NUMBERS])
        with np.errstate(all="ignore"):
            units = np.rint(prices * kernel.UNITS)
            if not (units.min() >= 0 and units.max() < kernel.MOST_UNITS and numbers.min() >= 0):  # false for NaN too
                return None
            whole = units.astype(np.int64)
            if not np.array_equal((whole / kernel.UNITS).view(np.int64), prices.view(np.int64)):
                return None
        spelled = self._spelling(ticks.names)
        room = len(ticks) * (kernel.FIXED_BYTES + len(_PRICES + _NUMBERS) * kernel.NUMBER_BYTES + spelled.longest)
        out = np.empty(room, np.uint8)
        size = kernel.write_ticks(
            ticks.name, whole, numbers, spelled.heads, spelled.heads_at, spelled.tails,
            spelled.tails_at, out,
        )  # fmt: skip
        return out[:size].tobytes().split(b"\n")[:-1]

    def _spelling(self, names: NameTable) -> _Spelled:
        for spelled in self._spelled:
            if spelled.names is names:
                break
        else:
            spelled = _Spelled(names)
            self._spelled.append(spelled)
        spelled.grow()
        return spelled


class TickReader:
    """Reads rows into batches over one name table."""

    def __init__(self, names: NameTable) -> None:
        self._names = names
        self._index: list[int] = []
        self._room(1024)

    def batch(self, values: Sequence[bytes]) -> TickBatch | None:
        """Return the ticks of the rows, or None when one of them is not as `TickWriter` writes it, or impossible."""
        count = len(values)
        data = np.frombuffer(b"".join(values), np.uint8)
        ends = np.cumsum(np.fromiter(map(len, values), np.int64, count))
        place = np.empty(count, np.int32)
        prices, numbers = np.empty((len(_PRICES), count)), np.empty((len(_NUMBERS), count), np.int64)
        while True:
            read = kernel.read_ticks(
                data, ends, place, prices, numbers, self._table, self._known, self._known_at, self._state
            )
            if not self._state[1]:
                break
            self._room(2 * len(self._table))
        self._learn()
        if read < count:
            return None
        name = self._name_of[place]
        if name.min() == _UNKNOWN:
            return None
        columns: dict[str, NDArray[Any]] = dict(zip(_PRICES, prices, strict=True))
        return TickBatch(self._names, name=name, **columns, **dict(zip(_NUMBERS, numbers, strict=True)))

    def _room(self, slots: int) -> None:
        """Make room for half as many names as slots, and forget those met: they are met again."""
        self._table = np.full(slots, -1, np.int32)
        self._known = np.empty(slots * 64, np.uint8)
        self._known_at = np.zeros(slots + 1, np.int64)
        self._state = np.zeros(2, np.int64)
        self._index.clear()
        self._name_of = np.empty(0, np.int32)

    def _learn(self) -> None:
        """Give each name met since its index in the table, or none where no such instrument can be."""
        met = int(self._state[0])
        if met == len(self._index):
            return
        for place in range(len(self._index), met):
            start, middle, stop = self._known_at[2 * place : 2 * place + 3].tolist()
            head = msgspec.json.decode(self._known[start : middle - _LTP].tobytes() + b"}")
            tail = msgspec.json.decode(b"{" + self._known[middle + 1 : stop].tobytes())
            self._index.append(self._interned(head, tail["source"]))
        self._name_of = np.array(self._index, np.int32)

    def _interned(self, head: dict[str, str], source: str) -> int:
        exchange, symbol = head["exchange"], head["symbol"]
        if exchange not in Exchange.__members__ or not symbol:
            return _UNKNOWN
        return self._names.intern(Name(instrument_key(exchange, symbol), head["token"], source))


def _joined(parts: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    at = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=at[1:])
    return np.frombuffer(b"".join(parts), np.uint8), at
