"""Values that cost a question to a database, kept near: in this process, then in the hot store, else loaded, once.

However many ask for a value at the same time, it is loaded once; what is invalidated while it is loaded is not kept.
It decides nothing about values, and a hot store that is away only makes it slower.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from niftyflow.kit import metrics
from niftyflow.model import Unavailable
from niftyflow.storage.cache_channel import CacheChannel
from niftyflow.storage.cache_first_tier import FirstTier
from niftyflow.storage.cache_hot_tier import HotTier

T = TypeVar("T")

MOST_VALUES: Final = 10_000
LOAD_SECONDS: Final = 30.0
UNHEARD_SECONDS: Final = 1.0
"""How long a value is kept in this process while nobody could tell us that it is no longer true."""


def as_it_is(value: bytes) -> bytes:
    """Return bytes as they are: the `encode` and `decode` of values that are bytes."""
    return value


class _Load(Generic[T]):
    """A value being found; `is_stale` once it was invalidated meanwhile."""

    __slots__ = ("is_stale", "task")

    def __init__(self) -> None:
        self.is_stale = False
        self.task: asyncio.Task[T | None]


class Cache(Generic[T]):
    """Values of one kind by key.

    `load` asks the database; None is "there is none", which is not kept. `seconds` is the life of a value in this
    process and `hot_seconds` that in the hot store (None: the same); unless it is invalidated a value may be as old as
    both together. `encode` and `decode` turn values into bytes and back; without them values never leave this process,
    as with a hot store that no other process sees.
    """

    def __init__(
        self, channel: CacheChannel, kind: str, load: Callable[[str], Awaitable[T | None]], *,
        encode: Callable[[T], bytes] | None = None, decode: Callable[[bytes], T] | None = None, seconds: float,
        hot_seconds: float | None = None, most: int = MOST_VALUES, load_seconds: float = LOAD_SECONDS,
    ) -> None:  # fmt: skip
        self._channel = channel
        self._kind = kind
        self._load = load
        self._life = seconds
        self._load_seconds = load_seconds
        self._first: FirstTier[T] = FirstTier(most, channel.seconds)
        self._hot: HotTier[T] | None = None
        if channel.hot.is_shared and encode is not None and decode is not None:
            self._hot = HotTier(
                channel.hot, channel.patience, kind, seconds=hot_seconds or seconds, load_seconds=load_seconds,
                encode=encode, decode=decode,
            )  # fmt: skip
        self._hits = metrics.CACHE_HITS.labels(kind, "process")
        self._misses = metrics.CACHE_MISSES.labels(kind, "process")
        self._loads: dict[str, _Load[T]] = {}
        self._running: set[asyncio.Task[T | None]] = set()
        channel.join(kind, self)

    async def get(self, key: str) -> T | None:
        """Return a key's value, from the nearest that has it; None when there is none.

        Raises:
            Unavailable: it was not loaded in time, or the cache was closed meanwhile.
            NiftyflowError: whatever `load` raises; all who wait for the same load are told, and it is not kept.
        """
        value = self._first.get(key)
        if value is not None:
            self._hits.inc()
            return value
        self._misses.inc()
        load = self._loads.get(key) or self._begin(key)
        try:
            return await asyncio.shield(load.task)  # one who goes away takes nothing from the others
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if load.task.cancelled() and not (current and current.cancelling()):
                raise Unavailable(self._name, "it was closed") from None
            raise

    async def invalidate(self, *keys: str) -> bool:
        """Say that values are no longer true, once the database has the new ones; return whether all were told.

        This process gives none of them from now on. If False, the others are told when the hot store is back, and
        until then may give an old one for the rest of its life.

        Raises:
            Unavailable: the hot store is away and too much waits to be told.
        """
        self.drop(keys)
        return await self._channel.tell(self._kind, keys)

    async def close(self) -> None:
        """Give up the loads under way, and forget what this process holds."""
        self.drop(None)
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    def drop(self, keys: Sequence[str] | None) -> None:
        """Forget keys in this process, all for None; who asks from now on waits for no load that began before."""
        if keys is None:
            self._first.clear()
            for load in self._loads.values():
                load.is_stale = True
            self._loads.clear()
            return
        for key in keys:
            self._first.drop(key)
            load_under_way = self._loads.pop(key, None)
            if load_under_way is not None:
                load_under_way.is_stale = True

    async def forget_shared(self, keys: Sequence[str]) -> None:
        """Make the values of keys in the hot store void.

        Raises:
            Retryable: it is away.
            Refused: it is full.
        """
        if self._hot is not None:
            await self._hot.forget(keys)

    @property
    def _name(self) -> str:
        return f"cache of {self._kind}"

    def _begin(self, key: str) -> _Load[T]:
        load = self._loads[key] = _Load()
        load.task = asyncio.create_task(self._find(key, load))
        self._running.add(load.task)
        load.task.add_done_callback(self._ended)
        return load

    def _ended(self, task: asyncio.Task[T | None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, for those who asked may all have gone

    async def _find(self, key: str, load: _Load[T]) -> T | None:
        try:
            async with asyncio.timeout(self._load_seconds):
                value = await self._ask(key, load)
        except TimeoutError as error:
            raise Unavailable(self._name, f"nothing was loaded within {self._load_seconds:g} s") from error
        finally:
            if self._loads.get(key) is load:
                del self._loads[key]
        if value is not None and not load.is_stale:
            self._first.put(key, value, self._life if self._channel.is_heard else min(self._life, UNHEARD_SECONDS))
        return value

    async def _ask(self, key: str, load: _Load[T]) -> T | None:
        hot, stamp = self._hot, None
        if hot is None:
            return await self._load(key)
        if not self._channel.is_untold(self._kind, key):
            found = await hot.get(key)
            if found is not None:
                shared, stamp = found
                if shared is not None:
                    metrics.CACHE_HITS.labels(self._kind, "hot").inc()
                    return shared
        metrics.CACHE_MISSES.labels(self._kind, "hot").inc()
        value = await self._load(key)
        if value is not None and stamp is not None and not load.is_stale:
            await hot.put(key, value, stamp)
        return value
