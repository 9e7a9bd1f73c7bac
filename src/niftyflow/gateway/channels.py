"""What listeners are told, as pure state: latest values that are conflated, events that are kept in a ring, and frames.

A channel knows no listener: whoever listens holds a position and asks what came since. Each value is encoded once,
when it is first asked for, and joined into as many frames as need it. No clock, no I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import takewhile
from typing import Final, Protocol

import msgspec

from niftyflow.gateway.latest_values import MOST_ANSWERS, NEVER, LatestChannel, Position, Symbols

ALL: Final = "*"
RING_EVENTS: Final = 1_000
SNAPSHOT_EVENTS: Final = 100

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


def frame(kind: str, channel: str, data: bytes, *, seq: int | None = None, epoch: str = "") -> bytes:
    """Return the JSON of one frame; `data` is JSON already."""
    return b"%b%b}" % (_head(kind, channel, seq, epoch), data)


@lru_cache(maxsize=MOST_ANSWERS)
def _head(kind: str, channel: str, seq: int | None, epoch: str) -> bytes:
    """Return a frame's text up to its data: that of one change is the same for all who are told."""
    numbered = b"" if seq is None else b',"seq":%d,"epoch":%b' % (seq, _encode(epoch))
    return b'{"type":"%b","channel":%b%b,"data":' % (kind.encode(), _encode(channel), numbered)


def _array(parts: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(parts) + b"]"


def _both(closed: bytes, forming: bytes) -> bytes:
    return b'{"closed":' + closed + b',"open":' + forming + b"}"
