"""Keys with a life and a bound on memory: what the in-memory hot store keeps its values in.

The rules are Redis's `volatile-lru`: room is made by dropping keys with a life, those used longest ago first; when only
keys without a life are left, writing is refused. It knows no types, takes its clock as a function and starts no task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from niftyflow.model import Refused
from niftyflow.storage.hot_values import check_life

FOREVER = float("inf")
ENTRY_BYTES = 200
"""What a key costs beside its name and value, about: dict slots, tuple, string and bytes headers."""
SWEEP_SECONDS = 1.0
SWEPT_AT_ONCE = 200

Entry = tuple[Any, float, int]
"""(value, time of its end on the keyspace's clock or `FOREVER`, bytes it is counted with)."""


class Keyspace:
    """Entries by key, least recently used first, apart by whether they have a life."""

    __slots__ = ("_clock", "_lasting", "_max_bytes", "_sweep_at", "_unswept", "_volatile", "evicted", "used_bytes")

    def __init__(self, max_bytes: int, clock: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._lasting: dict[str, Entry] = {}
        self._volatile: dict[str, Entry] = {}
        self._unswept: list[str] = []
        self._sweep_at = 0.0
        self.used_bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._lasting) + len(self._volatile)

    def get(self, key: str) -> Any | None:
        """Return a live value, which counts as a use, or None."""
        entry = self._lasting.get(key)
        if entry is not None:
            return entry[0]
        entry = self._volatile.pop(key, None)
        if entry is None:
            return None
        if entry[1] <= self._clock():
            self.used_bytes -= entry[2]
            return None
        self._volatile[key] = entry
        return entry[0]

    def end_of(self, key: str) -> float | None:
        """Return when a live key ends, `FOREVER` when it has no life, None when it is absent."""
        if key in self._lasting:
            return FOREVER
        entry = self._volatile.get(key)
        return entry[1] if entry is not None and entry[1] > self._clock() else None

    def left(self, end: float) -> float:
        """Return the seconds until an end."""
        return end - self._clock()

    def until(self, ttl_seconds: float | None) -> float:
        """Return the end of a life that begins now.

        Raises:
            InvalidValue: a life of less than a millisecond, or without an end.
        """
        if ttl_seconds is None:
            return FOREVER
        check_life(ttl_seconds)
        return self._clock() + ttl_seconds

    def put_strings(self, values: Mapping[str, bytes], end: float) -> None:
        """Put strings over whatever was there, all with one end."""
        target, other = (self._lasting, self._volatile) if end == FOREVER else (self._volatile, self._lasting)
        added = 0
        for key, value in values.items():
            old = target.pop(key, None) or other.pop(key, None)
            if old is not None:
                added -= old[2]
            size = len(key) + len(value) + ENTRY_BYTES
            target[key] = (value, end, size)
            added += size
        self.used_bytes += added

    def put(self, key: str, value: Any, size: int, end: float | None) -> None:
        """Put a value counted with `size` bytes beside its key; `end` None keeps the life it has."""
        old = self._lasting.pop(key, None) or self._volatile.pop(key, None)
        if old is not None:
            self.used_bytes -= old[2]
        if end is None:
            end = old[1] if old is not None else FOREVER
        size += len(key) + ENTRY_BYTES
        (self._lasting if end == FOREVER else self._volatile)[key] = (value, end, size)
        self.used_bytes += size

    def remove(self, key: str) -> bool:
        """Remove a key; return whether it was there and alive."""
        entry = self._lasting.pop(key, None) or self._volatile.pop(key, None)
        if entry is None:
            return False
        self.used_bytes -= entry[2]
        return entry[1] > self._clock()

    def clear(self) -> None:
        """Forget everything."""
        self._lasting.clear()
        self._volatile.clear()
        self._unswept.clear()
        self.used_bytes = 0

    def make_room(self) -> None:
        """Sweep some ended keys and, over the bound, drop keys with a life; call it before each write.

        One write may pass the bound by its own size; the next one makes up for it.

        Raises:
            Refused: memory is full of keys without a life.
        """
        self._sweep()
        while self.used_bytes > self._max_bytes and self._volatile:
            oldest = next(iter(self._volatile))
            self.used_bytes -= self._volatile.pop(oldest)[2]
            self.evicted += 1
        if self.used_bytes > self._max_bytes:
            raise Refused(
                f"the hot store is full: {self.used_bytes} of {self._max_bytes} bytes are keys without a life; "
                "delete some, give them a life, or allow it more memory"
            )

    def _sweep(self) -> None:
        """Look at a slice of the keys with a life, all of them in turn, so that no write waits for a long sweep."""
        if not self._unswept:
            now = self._clock()
            if now < self._sweep_at:
                return
            self._sweep_at = now + SWEEP_SECONDS
            self._unswept = list(self._volatile)
        now = self._clock()
        slice_, self._unswept = self._unswept[-SWEPT_AT_ONCE:], self._unswept[:-SWEPT_AT_ONCE]
        for key in slice_:
            entry = self._volatile.get(key)
            if entry is not None and entry[1] <= now:
                del self._volatile[key]
                self.used_bytes -= entry[2]
