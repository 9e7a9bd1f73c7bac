"""The hot store inside one process, with Redis's semantics: strings, hashes, streams, sorted sets, lives, pub/sub.

Everything in it may vanish, and does when the process ends. It serves one event loop and holds no thread and no task;
memory is bounded as Redis bounds it under `volatile-lru`, and a slow listener's queue by dropping its oldest messages.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from heapq import nlargest, nsmallest
from typing import TypeVar
from weakref import WeakSet

from niftyflow.kit.clock import Clock, WallClock, monotonic
from niftyflow.model import Refused, Unavailable
from niftyflow.storage import token_bucket
from niftyflow.storage.hot_values import StreamId, check_entry, check_scores, parsed_id
from niftyflow.storage.keyspace import FOREVER, Keyspace
from niftyflow.storage.listening import LISTENER_MESSAGES, Listener, OnHearing

MAX_BYTES = 512 * 1024 * 1024
FIELD_BYTES = 100
"""What a field of a hash, a member or a stream entry costs beside its contents, about."""
TRIM_ROUND = 100
"""A stream is trimmed when it is longer than asked by so many entries: "about", as Redis's `MAXLEN ~`."""

T = TypeVar("T")


class _Hash(dict[str, bytes]):
    bytes = 0


class _Scores(dict[str, float]):
    bytes = 0


class _Stream:
    __slots__ = ("bytes", "entries", "ids", "last")

    def __init__(self) -> None:
        self.ids: list[StreamId] = []
        self.entries: list[dict[str, bytes]] = []
        self.last: StreamId = (0, 0)
        self.bytes = 0

    def add(self, now: int, entry: dict[str, bytes]) -> StreamId:
        self.last = (now, 0) if now > self.last[0] else (self.last[0], self.last[1] + 1)
        self.ids.append(self.last)
        self.entries.append(entry)
        self.bytes += _entry_bytes(entry)
        return self.last


class MemoryHotStore:
    """`HotStore` in memory. `seconds` measures lives, `clock` gives the ms of stream ids."""

    is_shared = False

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        listener_messages: int = LISTENER_MESSAGES,
        seconds: Callable[[], float] = monotonic,
        clock: Clock | None = None,
    ) -> None:
        self._keys = Keyspace(max_bytes, seconds)
        self._seconds = seconds
        self._clock = clock or WallClock()
        self._listener_messages = listener_messages
        self._channels: dict[str, WeakSet[Listener]] = {}
        self._is_open = False
        self.dropped = 0

    @property
    def evicted(self) -> int:
        """Keys with a life that went before their end, to make room."""
        return self._keys.evicted

    @property
    def used_bytes(self) -> int:
        """Bytes the keys and values are counted with."""
        return self._keys.used_bytes

    async def open(self) -> None:
        """Begin, empty."""
        self._is_open = True

    async def close(self) -> None:
        """Forget everything and end all listeners."""
        self._is_open = False
        self._keys.clear()
        for listener in {listener for listeners in self._channels.values() for listener in listeners}:
            listener.end()

    async def ping(self) -> None:
        """Return when the store is open.

        Raises:
            Unavailable: it is not.
        """
        if not self._is_open:
            raise Unavailable("hot store", "it is not open")

    async def set_many(self, values: Mapping[str, bytes], ttl_seconds: float | None = None) -> None:
        """Set strings over whatever their keys held, each with the life given, or none.

        Raises:
            Refused: the life is shorter than a millisecond, or memory is full of keys without a life.
        """
        end = self._keys.until(ttl_seconds)
        self._keys.make_room()
        self._keys.put_strings(values, end)

    async def get(self, key: str) -> bytes | None:
        """Return a string, or None when absent or past its life.

        Raises:
            Refused: the key holds another type.
        """
        return self._typed(key, bytes)

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return strings in the order asked; None also for a key of another type, as Redis's MGET."""
        values = map(self._keys.get, keys)
        return [value if isinstance(value, bytes) else None for value in values]

    async def delete(self, *keys: str) -> int:
        """Remove keys of any type; return how many there were."""
        return sum(map(self._keys.remove, keys))

    async def ttl(self, key: str) -> float | None:
        """Return the seconds a key has left: None without a life, -2 when it is absent."""
        end = self._keys.end_of(key)
        if end is None:
            return -2.0
        return None if end == FOREVER else self._keys.left(end)

    async def set_hashes(self, hashes: Mapping[str, Mapping[str, bytes]], ttl_seconds: float | None = None) -> None:
        """Set fields of hashes; other fields stay, and without a life given the one they have.

        Raises:
            Refused: a key holds another type, the life is too short, or memory is full of keys without a life.
        """
        end = None if ttl_seconds is None else self._keys.until(ttl_seconds)
        self._keys.make_room()
        stored = [(key, fields, self._typed(key, _Hash) or _Hash()) for key, fields in hashes.items() if fields]
        for key, fields, held in stored:
            _set_fields(held, fields)
            self._keys.put(key, held, held.bytes, end)

    async def get_hash(self, key: str) -> dict[str, bytes]:
        """Return a hash, empty when absent.

        Raises:
            Refused: the key holds another type.
        """
        return dict(self._typed(key, _Hash) or {})

    async def add_to_stream(self, key: str, fields: Mapping[str, bytes], max_length: int) -> str:
        """Append an entry, trim to about `max_length`, return its id (`ms-sequence`, always greater than the last).

        Raises:
            Refused: there are no fields, the key holds another type, or memory is full of keys without a life.
        """
        return (await self.add_all_to_stream(key, [fields], max_length))[0]

    async def add_all_to_stream(self, key: str, entries: Sequence[Mapping[str, bytes]], max_length: int) -> list[str]:
        """Append entries, trim to about `max_length`, return their ids in order.

        Raises:
            Refused: one has no fields, the key holds another type, or memory is full of keys without a life.
        """
        for entry in entries:
            check_entry(entry)
        if not entries:
            return []
        self._keys.make_room()
        stream = self._typed(key, _Stream) or _Stream()
        ids = [stream.add(self._clock.now(), dict(entry)) for entry in entries]
        if len(stream.ids) > max_length + TRIM_ROUND:
            surplus = len(stream.ids) - max_length
            stream.bytes -= sum(map(_entry_bytes, stream.entries[:surplus]))
            del stream.ids[:surplus], stream.entries[:surplus]
        self._keys.put(key, stream, stream.bytes, None)
        return [_spelled(id_) for id_ in ids]

    async def read_stream(self, key: str, after: str = "0-0", count: int = 1000) -> list[tuple[str, dict[str, bytes]]]:
        """Return up to `count` entries with an id greater than `after`, oldest first.

        Raises:
            Refused: `after` is no id, or the key holds another type.
        """
        start_after = parsed_id(after)
        stream = self._typed(key, _Stream)
        if stream is None:
            return []
        start = bisect_right(stream.ids, start_after)
        found = slice(start, start + max(count, 0))
        return [
            (_spelled(id_), dict(entry)) for id_, entry in zip(stream.ids[found], stream.entries[found], strict=True)
        ]

    async def set_scores(self, key: str, scores: Mapping[str, float], ttl_seconds: float | None = None) -> None:
        """Add or change members of a sorted set; without a life given the key keeps the one it has.

        Raises:
            Refused: a score is not a number, the key holds another type, the life is too short, or memory is full.
        """
        check_scores(scores)
        end = None if ttl_seconds is None else self._keys.until(ttl_seconds)
        self._keys.make_room()
        held = self._typed(key, _Scores) or _Scores()
        if scores:
            held.bytes += sum(len(member) + FIELD_BYTES for member in scores if member not in held)
            held.update(scores)
            self._keys.put(key, held, held.bytes, end)

    async def top(self, key: str, count: int, *, highest: bool = True) -> list[tuple[str, float]]:
        """Return (member, score), best first; equal scores by member, in the same direction, as Redis orders them.

        Raises:
            Refused: the key holds another type.
        """
        held = self._typed(key, _Scores)
        if held is None or count <= 0:
            return []
        best = nlargest if highest else nsmallest
        return best(count, held.items(), key=lambda item: (item[1], item[0]))

    async def publish(self, channel: str, message: bytes) -> int:
        """Send to those who listen now; return how many."""
        listeners = list(self._channels.get(channel, ()))
        for listener in listeners:
            self.dropped += listener.give(channel, message)
        if not listeners:
            self._channels.pop(channel, None)  # its last listener went without a word
        return len(listeners)

    def listen(self, *channels: str, on_hearing: OnHearing | None = None) -> AsyncIterator[tuple[str, bytes]]:
        """Return (channel, message) from now on; a listener too slow for its bounded queue loses the oldest.

        `on_hearing` is told True at once, False and True again when messages were lost, and False at the end. It ends
        with the store, with its `aclose`, or when nobody holds it any more.
        """
        listener = Listener(self._listener_messages, on_hearing, lambda one: self._forget(one, channels))
        for channel in channels:
            self._channels.setdefault(channel, WeakSet()).add(listener)
        listener.tell(is_heard=True)
        return listener

    async def take_tokens(self, key: str, rate: float, burst: int, now: float | None = None) -> float:
        """Take a token from the bucket of a key; return 0, or the seconds after which there will be one.

        Raises:
            Refused: the rate or burst is none, the key holds another type, or memory is full of keys without a life.
        """
        token_bucket.check(rate, burst)
        self._keys.make_room()
        held = self._typed(key, _Hash) or _Hash()
        fields, wait = token_bucket.take(held, self._seconds() if now is None else now, rate, burst)
        _set_fields(held, fields)
        self._keys.put(key, held, held.bytes, self._keys.until(token_bucket.life_seconds(rate, burst)))
        return wait

    def _forget(self, listener: Listener, channels: Sequence[str]) -> None:
        for channel in channels:
            listeners = self._channels.get(channel)
            if listeners is not None:
                listeners.discard(listener)
                if not listeners:
                    del self._channels[channel]

    def _typed(self, key: str, kind: type[T]) -> T | None:
        value = self._keys.get(key)
        if value is None or isinstance(value, kind):
            return value
        raise Refused(f"WRONGTYPE {key} holds another type of value than this operation works on")


def _set_fields(held: _Hash, fields: Mapping[str, bytes]) -> None:
    for name, value in fields.items():
        held.bytes += len(value) - len(held[name]) if name in held else len(name) + len(value) + FIELD_BYTES
        held[name] = value


def _entry_bytes(entry: Mapping[str, bytes]) -> int:
    return FIELD_BYTES + sum(len(name) + len(value) for name, value in entry.items())


def _spelled(id_: StreamId) -> str:
    return f"{id_[0]}-{id_[1]}"
