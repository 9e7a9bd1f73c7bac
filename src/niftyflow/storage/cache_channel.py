"""Telling the processes which cached values are no longer true, and hearing it: for all caches of a process.

What could not be told is kept and told once the hot store is back. While the channel is not heard its caches know it,
and whenever it was lost they drop what they hold. Where the hot store is this process's alone there is nobody to tell
or to hear. It knows keys, never values.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final, Protocol
from uuid import uuid4

import msgspec

from niftyflow.kit.clock import monotonic
from niftyflow.kit.log import get_logger
from niftyflow.model import InvalidValue, Refused, Retryable, Unavailable
from niftyflow.storage.cache_hot_tier import Patience
from niftyflow.storage.ports import HotStore

log = get_logger(__name__)

CHANNEL: Final = "cache:invalidate"
RETRY_SECONDS: Final = 1.0
MOST_UNTOLD: Final = 10_000
"""Keys; with more, invalidating is refused until some are told."""
KEYS_A_MESSAGE: Final = 1000

_message = msgspec.json.Decoder(list[str])


class Told(Protocol):
    """A cache, as the channel sees it."""

    def drop(self, keys: Sequence[str] | None) -> None:
        """Forget keys in this process, all for None, and let no load under way keep what it finds."""
        ...

    async def forget_shared(self, keys: Sequence[str]) -> None:
        """Make the shared values of keys void."""
        ...

    async def close(self) -> None:
        """Give up the loads under way, and forget what this process holds."""
        ...


class CacheChannel:
    """What the caches of a process share: the hot store, and the word of what is no longer true.

    With a hot store that no other process sees, its caches have two tiers: this process and the database.
    """

    def __init__(self, hot: HotStore, seconds: Callable[[], float] = monotonic) -> None:
        self.hot = hot
        self.seconds = seconds
        self.patience = Patience(seconds)
        self.is_heard = not hot.is_shared
        self._name = uuid4().hex
        self._caches: dict[str, Told] = {}
        self._untold: dict[tuple[str, str], int] = {}
        self._told = 0
        self._is_behind = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Begin to hear and to tell; the hot store must be open, but need not be there."""
        if self.hot.is_shared and not self._tasks:
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._tell_untold())]

    async def close(self) -> None:
        """Hear and tell no more, and close the caches; what was not told is lost."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._hears(is_heard=not self.hot.is_shared)
        for cache in self._caches.values():
            await cache.close()

    def join(self, kind: str, cache: Told) -> None:
        """Add the cache of a kind.

        Raises:
            InvalidValue: there is one, or the kind's name could be taken for something else.
        """
        if kind in self._caches or kind == "stamp" or not kind or ":" in kind:
            raise InvalidValue("kind", kind, "each kind of cached values has one cache, and a name without a colon")
        self._caches[kind] = cache

    def is_untold(self, kind: str, key: str) -> bool:
        """Whether the shared value of a key may be one that was invalidated here: then it is not to be read."""
        return (kind, key) in self._untold

    async def tell(self, kind: str, keys: Sequence[str]) -> bool:
        """Make shared values void and tell the others; return whether it is done, else it is once the store is back.

        Raises:
            Unavailable: too many keys wait to be told; nothing was.
        """
        if not self.hot.is_shared:
            return True
        if len(self._untold) + len(keys) > MOST_UNTOLD:
            raise Unavailable("hot store", f"{len(self._untold)} invalidated keys wait to be told")
        self._told += 1
        mine = self._told
        self._untold.update({(kind, key): mine for key in keys})
        is_told = False
        try:
            await self._tell(kind, keys)
            is_told = True
        except (Retryable, Refused) as error:
            self.patience.failed(error)
        finally:  # also when cancelled: whoever asked may have gone, what is no longer true stays so
            if is_told:
                self._forget(kind, keys, mine)
            else:
                self._is_behind.set()
        return is_told

    async def _tell(self, kind: str, keys: Sequence[str]) -> None:
        await self._caches[kind].forget_shared(keys)
        for start in range(0, len(keys), KEYS_A_MESSAGE):
            message = [self._name, kind, *keys[start : start + KEYS_A_MESSAGE]]
            await self.hot.publish(CHANNEL, msgspec.json.encode(message))

    def _forget(self, kind: str, keys: Sequence[str], told: int) -> None:
        for key in keys:
            if self._untold.get((kind, key), 0) <= told:
                self._untold.pop((kind, key), None)

    async def _tell_untold(self) -> None:
        while True:
            await self._is_behind.wait()
            await asyncio.sleep(RETRY_SECONDS)
            told = self._told
            behind: dict[str, list[str]] = {}
            for kind, key in self._untold:
                behind.setdefault(kind, []).append(key)
            try:
                for kind, keys in behind.items():
                    await self._tell(kind, keys)
                    self._forget(kind, keys, told)
            except (Retryable, Refused) as error:
                self.patience.failed(error)
                continue
            if not self._untold:
                self._is_behind.clear()

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(Retryable):  # the store was closed, and may be opened again
                async for _, message in self.hot.listen(CHANNEL, on_hearing=lambda heard: self._hears(is_heard=heard)):
                    self._take(message)
            self._hears(is_heard=False)
            await asyncio.sleep(RETRY_SECONDS)

    def _hears(self, *, is_heard: bool) -> None:
        self.is_heard = is_heard
        for cache in self._caches.values():
            cache.drop(None)

    def _take(self, message: bytes) -> None:
        try:
            teller, kind, *keys = _message.decode(message)
        except (msgspec.DecodeError, ValueError) as error:
            log.warning("cache_message_unreadable", reason=str(error))
            for each in self._caches.values():  # whatever it meant, nothing untrue is kept
                each.drop(None)
            return
        cache = self._caches.get(kind)
        if cache is not None and teller != self._name:  # we have dropped them, and may have the new values by now
            cache.drop(keys)
