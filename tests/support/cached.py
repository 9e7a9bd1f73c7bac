"""A database in miniature behind caches, and hot stores that go away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from prometheus_client import REGISTRY

from niftyflow.kit.clock import monotonic
from niftyflow.model import Unavailable
from niftyflow.storage.cache import Cache, as_it_is
from niftyflow.storage.cache_channel import CacheChannel
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.ports import HotStore
from support.waiting import until

T = TypeVar("T")


class Database:
    """Values by key, counted when they are asked for; while `gate` is closed an answer is on its way."""

    def __init__(self, **values: bytes) -> None:
        self.values: dict[str, bytes] = dict(values)
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def load(self, key: str) -> bytes | None:
        """Return a value as it was when it was asked for."""
        self.asked.append(key)
        found, error = self.values.get(key), self.error
        await self.gate.wait()
        if error is not None:
            raise error
        return found


class SharedHotStore(MemoryHotStore):
    """A hot store in memory that several processes see, as they see a server."""

    is_shared = True


class LeavingHotStore(SharedHotStore):
    """A hot store in memory that can be away, or hang while `gate` is closed; `asked` counts what it was asked.

    A question, and the answer to it, is `turns` of the loop on its way.
    """

    def __init__(self, *, turns: int = 0, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.is_away = False
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._turns = turns

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return await self._carried_out(super().get_many(keys))

    async def set_many(self, values: Mapping[str, bytes], ttl_seconds: float | None = None) -> None:
        await self._carried_out(super().set_many(values, ttl_seconds))

    async def delete(self, *keys: str) -> int:
        return await self._carried_out(super().delete(*keys))

    async def publish(self, channel: str, message: bytes) -> int:
        return await self._carried_out(super().publish(channel, message))

    async def _carried_out(self, operation: Coroutine[Any, Any, T]) -> T:
        self.asked += 1
        try:
            await self.gate.wait()
            await self._travel()
            if self.is_away:
                raise Unavailable("hot store", "it is away")
            answer = await operation
            await self._travel()
            return answer
        finally:
            operation.close()

    async def _travel(self) -> None:
        for _ in range(self._turns):
            await asyncio.sleep(0)


class Process:
    """A cache with a channel of its own, as each process has them."""

    def __init__(
        self, hot: HotStore, database: Database, clock: Callable[[], float] = monotonic, **settings: Any
    ) -> None:
        self.channel = CacheChannel(hot, clock)
        chosen = {"seconds": 60.0, "encode": as_it_is, "decode": as_it_is, **settings}
        self.cache: Cache[bytes] = Cache(self.channel, "prices", database.load, **chosen)

    async def open(self) -> Process:
        """Open the channel, and return when it is heard."""
        await self.channel.open()
        await until(lambda: self.channel.is_heard)
        return self

    async def close(self) -> None:
        """Close both."""
        await self.cache.close()
        await self.channel.close()


@asynccontextmanager
async def processes(
    count: int, hot: HotStore, database: Database, clock: Callable[[], float] = monotonic, **settings: Any
) -> AsyncIterator[list[Process]]:
    """Give several processes that share a hot store and a database."""
    made = [await Process(hot, database, clock, **settings).open() for _ in range(count)]
    try:
        yield made
    finally:
        for each in made:
            await each.close()


def counted(outcome: str, tier: str, kind: str = "prices") -> float:
    """Return how many values of a kind were at hand, or were not, in a tier, so far."""
    return REGISTRY.get_sample_value(f"cache_{outcome}_total", {"kind": kind, "tier": tier}) or 0.0
