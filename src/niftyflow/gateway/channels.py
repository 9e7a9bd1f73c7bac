"""What listeners are told, as pure state: latest values that are conflated, events that are kept in a ring, and frames.

A channel knows no listener: whoever listens holds a position and asks what came since. Each value is encoded once,
when it is first asked for, and joined into as many frames as need it. No clock, no I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final, Protocol

import msgspec

Symbols = frozenset[str] | None
"""Instrument keys somebody asked for; None: all of them."""
Position = tuple[int, ...]
"""How far a listener was told; the first number is the channel's `seq`."""

ALL: Final = "*"
RING_EVENTS: Final = 1_000
SNAPSHOT_EVENTS: Final = 100
MOST_ANSWERS: Final = 64
NEVER: Final = -1
"""Before the first version or event: everything there is came since."""

_encode = msgspec.json.Encoder().encode


class Channel(Protocol):
    """What a subscription asks of a channel. `epoch` changes when its numbers began anew."""

    name: str
    epoch: str

    @property
    def position(self) -> Position:
        """Position of one who knows all."""
        ...

    def position_of(self, seq: int) -> Position:
        """Return the position of one who was told up to `seq`."""
        ...

    def holds(self, position: Position) -> bool:
        """Whether everything since a position is still there to be told."""
        ...

    def snapshot(self, symbols: Symbols) -> bytes:
        """Return the JSON of what stands now."""
        ...

    def since(self, symbols: Symbols, position: Position) -> bytes | None:
        """Return the JSON of what came since a position, or None when nothing did."""
        ...

    def nothing(self) -> bytes:
        """Return the JSON of no news."""
        ...


class _Asked:
    """Answers since the last change, for the many who ask the same; a few dozen are kept."""

    def __init__(self) -> None:
        self._answers: dict[tuple[Symbols, int], bytes | None] = {}

    def of(self, symbols: Symbols, after: int, answer: Callable[[Symbols, int], bytes | None]) -> bytes | None:
        question = (symbols, after)
        if question not in self._answers:
            if len(self._answers) == MOST_ANSWERS:
                self._answers.clear()
            self._answers[question] = answer(symbols, after)
        return self._answers[question]

    def clear(self) -> None:
        self._answers.clear()


class LatestChannel:
    """The latest value of each symbol. Changes made before anyone looks again are folded into one.

    `encode` makes JSON of a value as it was put; it is called once a change at most. Data is an object by symbol, or
    a list of the values when they name their symbol themselves. Memory: one value a symbol.
    """

    def __init__(
        self, name: str, encode: Callable[[Any], bytes] = _encode, *, epoch: str = "", is_list: bool = False
    ) -> None:
        self.name = name
        self.epoch = epoch
        self._encode_value = encode
        self._is_list = is_list
        self._version = 0
        self._versions: dict[str, int] = {}  # in order of the last change
        self._values: dict[str, Any] = {}
        self._encoded: dict[str, bytes] = {}
        self._asked = _Asked()

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._values

    def get(self, symbol: str) -> Any:
        """Return a symbol's value as it was put, None when it has none."""
        return self._values.get(symbol)

    @property
    def position(self) -> Position:
        """Position of one who knows all."""
        return (self._version,)

    def position_of(self, seq: int) -> Position:
        """Return the position of one who was told up to `seq`."""
        return (seq,)

    def holds(self, position: Position) -> bool:
        """Whether the position is one of ours: the latest values are always there."""
        return position[0] <= self._version

    def put(self, values: Mapping[str, Any]) -> None:
        """Take new values; together they are one version."""
        if not values:
            return
        self._version += 1
        self._asked.clear()
        for symbol, value in values.items():
            self._versions.pop(symbol, None)
            self._versions[symbol] = self._version
            self._values[symbol] = value
            self._encoded.pop(symbol, None)

    def snapshot(self, symbols: Symbols) -> bytes:
        """Return `{symbol: value}` of all the symbols that have one."""
        return self.since(symbols, (NEVER,)) or self.nothing()

    def since(self, symbols: Symbols, position: Position) -> bytes | None:
        """Return `{symbol: value}` of what changed since a position; equal questions cost once."""
        return self._asked.of(symbols, position[0], self._join)

    def nothing(self) -> bytes:
        """Return an empty object, or list."""
        return b"[]" if self._is_list else b"{}"

    def again(self) -> None:
        """Take every value for a change: what `encode` adds to them is another."""
        self.put(dict(self._values))

    def _join(self, symbols: Symbols, after: int) -> bytes | None:
        changed = self._changed(symbols, after)
        if not changed:
            return None
        encoded = self._encoded
        try:
            parts = [encoded[symbol] for symbol in changed]
        except KeyError:  # the first who asks has the values encoded, for all others
            parts = [self._fragment(symbol) for symbol in changed]
        return _array(parts) if self._is_list else b"{" + b",".join(parts) + b"}"

    def _changed(self, symbols: Symbols, after: int) -> list[str]:
        versions = self._versions
        if symbols is None or len(symbols) > len(versions):
            newest_first = takewhile(lambda symbol: versions[symbol] > after, reversed(versions))
            return [symbol for symbol in newest_first if symbols is None or symbol in symbols]
        version_of = versions.get
        return [symbol for symbol in symbols if version_of(symbol, NEVER) > after]

    def _fragment(self, symbol: str) -> bytes:
        fragment = self._encoded.get(symbol)
        if fragment is None:
            value = self._encode_value(self._values[symbol])
            fragment = self._encoded[symbol] = value if self._is_list else _encode(symbol) + b":" + value
        return fragment


class ValueChannel(LatestChannel):
    """One latest value without a symbol; its frames hold the value itself, null before the first."""

    _ONLY: Final = ""

    def set(self, value: Any) -> bool:
        """Take a new value, as JSON or what JSON can hold; return whether it is another one than before."""
        encoded = _encode(value)
        if self._values.get(self._ONLY) == encoded:
            return False
        self.put({self._ONLY: encoded})
        return True

    def nothing(self) -> bytes:
        """Return null."""
        return b"null"

    def _join(self, symbols: Symbols, after: int) -> bytes | None:  # noqa: ARG002 - there is one value, for all
        value: bytes | None = self._values.get(self._ONLY)
        return value if self._versions.get(self._ONLY, NEVER) > after else None


class _Run:
    """Events that came together; `first` is the number of the first of them."""

    __slots__ = ("_encode", "_encoded", "_places", "first", "keys")

    def __init__(self, first: int, keys: Sequence[str], encode: Callable[[int], bytes]) -> None:
        self.first = first
        self.keys = keys
        self._encode = encode
        self._encoded: dict[int, bytes] = {}
        self._places: dict[str, list[int]] | None = None

    @property
    def last(self) -> int:
        return self.first + len(self.keys) - 1

    def rows(self, symbols: Symbols, after: int) -> Sequence[int]:
        """Return the rows of some symbols numbered above `after`, in order."""
        begin = max(0, after + 1 - self.first)
        if symbols is None:
            return range(begin, len(self.keys))
        if self._places is None:
            self._places = {}
            for row, key in enumerate(self.keys):
                self._places.setdefault(key, []).append(row)
        places = self._places
        few, many = (symbols, places) if len(symbols) < len(places) else (places, symbols)
        return sorted(row for key in few if key in many for row in places[key] if row >= begin)

    def encoded(self, row: int) -> bytes:
        """Return the JSON of one event."""
        if row not in self._encoded:
            self._encoded[row] = self._encode(row)
        return self._encoded[row]


class EventChannel:
    """Events numbered from 1, the newest of them kept; who asks for older ones is told that there is a gap.

    At least `limit` events are kept once there were so many, and the newest run always, whatever its length.
    """

    def __init__(self, name: str, *, epoch: str = "", limit: int = RING_EVENTS) -> None:
        self.name = name
        self.epoch = epoch
        self._limit = limit
        self._seq = 0
        self._kept = 0
        self._runs: deque[_Run] = deque()
        self._asked = _Asked()

    @property
    def position(self) -> Position:
        """Position of one who knows all."""
        return (self._seq,)

    def position_of(self, seq: int) -> Position:
        """Return the position of one who was told up to `seq`."""
        return (seq,)

    def holds(self, position: Position) -> bool:
        """Whether every event since a position is still in the ring."""
        oldest = self._runs[0].first if self._runs else self._seq + 1
        return oldest - 1 <= position[0] <= self._seq

    def forget(self) -> None:
        """Drop every event and begin to count anew: some were not seen. The epoch is for the caller to change."""
        self._runs.clear()
        self._asked.clear()
        self._seq = self._kept = 0

    def extend(self, keys: Sequence[str], encode: Callable[[int], bytes]) -> None:
        """Take events of the symbols `keys`; `encode` makes JSON of one by its row, when it is first asked for."""
        if not keys:
            return
        self._asked.clear()
        self._runs.append(_Run(self._seq + 1, keys, encode))
        self._seq += len(keys)
        self._kept += len(keys)
        while self._kept - len(self._runs[0].keys) >= self._limit:
            self._kept -= len(self._runs.popleft().keys)

    def snapshot(self, symbols: Symbols) -> bytes:
        """Return the newest events of the symbols, oldest first, a hundred at most."""
        newest: list[bytes] = []
        for run in reversed(self._runs):
            for row in reversed(run.rows(symbols, NEVER)):
                newest.append(run.encoded(row))
                if len(newest) == SNAPSHOT_EVENTS:
                    return _array(newest[::-1])
        return _array(newest[::-1])

    def since(self, symbols: Symbols, position: Position) -> bytes | None:
        """Return the events of the symbols since a position, oldest first; equal questions cost once."""
        return self._asked.of(symbols, position[0], self._join)

    def nothing(self) -> bytes:
        """Return an empty list."""
        return b"[]"

    def _join(self, symbols: Symbols, after: int) -> bytes | None:
        newer = list(takewhile(lambda run: run.last > after, reversed(self._runs)))
        found = [run.encoded(row) for run in reversed(newer) for row in run.rows(symbols, after)]
        return _array(found) if found else None


class CandleChannel:
    """Closed candles as events, and beside them the forming ones as latest values: `{"closed": […], "open": […]}`."""

    def __init__(self, name: str, *, epoch: str = "", limit: int = RING_EVENTS) -> None:
        self.name = name
        self.closed = EventChannel(name, limit=limit)
        self.forming = LatestChannel(name, is_list=True)
        self.epoch = epoch

    @property
    def position(self) -> Position:
        """Position of one who knows all."""
        return (*self.closed.position, *self.forming.position)

    def position_of(self, seq: int) -> Position:
        """Return the position of one who was told the closed candles up to `seq`, and no forming one for certain."""
        return (seq, NEVER)

    def holds(self, position: Position) -> bool:
        """Whether every closed candle since a position is still in the ring."""
        return self.closed.holds(position[:1])

    def snapshot(self, symbols: Symbols) -> bytes:
        """Return the newest closed candles and every forming one."""
        return _both(self.closed.snapshot(symbols), self.forming.snapshot(symbols))

    def since(self, symbols: Symbols, position: Position) -> bytes | None:
        """Return what closed and what formed since a position."""
        closed = self.closed.since(symbols, position[:1])
        forming = self.forming.since(symbols, position[1:])
        return _both(closed or b"[]", forming or b"[]") if closed or forming else None

    def nothing(self) -> bytes:
        """Return two empty lists."""
        return _both(b"[]", b"[]")


def symbols_of(asked: frozenset[str]) -> Symbols:
    """Return the symbols that were asked for, `*` meaning all."""
    return None if ALL in asked else asked


def frame(kind: str, channel: str, data: bytes, *, seq: int | None = None, epoch: str = "") -> bytes:
    """Return the JSON of one frame; `data` is JSON already."""
    head = b'{"type":"' + kind.encode() + b'","channel":' + _encode(channel)
    if seq is not None:
        head += b',"seq":%d,"epoch":' % seq + _encode(epoch)
    return head + b',"data":' + data + b"}"


def _array(parts: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(parts) + b"]"


def _both(closed: bytes, forming: bytes) -> bytes:
    return b'{"closed":' + closed + b',"open":' + forming + b"}"
