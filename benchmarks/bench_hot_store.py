"""The hot store on a real Redis: batches of latest values, single questions, token buckets, and the cache over it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from benchmarks.measure import Budget, Measurement, quantile

if TYPE_CHECKING:
    from niftyflow.storage.redis_hot import RedisHotStore
    from niftyflow.storage.settings import RedisSettings

BUDGET = Budget("latest values stored in Redis with a life, batches of 1,000", "values/s", 100_000)
BATCH, BATCHES = 1_000, 100
VALUE = b'{"token":"738561","symbol":"RELIANCE","exchange":"NSE","ltp":2850.5,"volume":15,"day_volume":4211000}' * 2
QUESTIONS = 5_000
AT_ONCE = 50
LIFE_SECONDS = 300
START_SECONDS = 10


def run() -> list[Measurement]:
    """Measure on a server of its own, reached through a socket file."""
    if shutil.which("redis-server") is None:
        return [Measurement("niftyflow", None, note="redis-server is not installed")]
    return uvloop.run(_measure())


@asynccontextmanager
async def _server() -> AsyncIterator[RedisSettings]:
    from niftyflow.storage.settings import RedisSettings

    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "s"
        command = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", folder]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL)
        try:
            async with asyncio.timeout(START_SECONDS):
                while not socket.exists():  # noqa: ASYNC110 - it tells it no other way
                    await asyncio.sleep(0.02)
            yield RedisSettings.model_validate({"url": f"unix://{socket}", "timeout_seconds": 30})
        finally:
            process.terminate()
            await process.wait()


async def _measure() -> list[Measurement]:
    from niftyflow.storage.redis_hot import RedisHotStore

    async with _server() as settings:
        store = RedisHotStore(settings)
        await store.open()
        batch = {f"tick:latest:NSE:S{number:05}": VALUE for number in range(BATCH)}
        measured = [
            Measurement("niftyflow: one batch after another", await _batches(store, batch), "values/s"),
            Measurement("redis-py's pipeline", await _pipeline(settings, batch), "values/s", is_peer=True),
            await _questions("a value read, p99", lambda: store.get("tick:latest:NSE:S00001")),
            await _questions("a token taken, p99", lambda: store.take_tokens("rate_limit:a", 1e9, 1000)),
            *await _cached(store),
        ]
        await store.close()
        return measured


async def _batches(store: RedisHotStore, batch: dict[str, bytes]) -> float:
    await store.set_many(batch, LIFE_SECONDS)
    begun = time.perf_counter()
    for _ in range(BATCHES):
        await store.set_many(batch, LIFE_SECONDS)
    taken = time.perf_counter() - begun
    found = await store.get_many(list(batch))
    assert found == list(batch.values())
    return BATCHES * BATCH / taken


async def _pipeline(settings: RedisSettings, batch: dict[str, bytes]) -> float:
    import redis.asyncio

    async with redis.asyncio.Redis(unix_socket_path=settings.url.get_secret_value().removeprefix("unix://")) as client:
        begun = time.perf_counter()
        for _ in range(BATCHES):
            async with client.pipeline(transaction=False) as pipeline:
                for key, value in batch.items():
                    pipeline.set(key, value, px=LIFE_SECONDS * 1000)
                await pipeline.execute()
        return BATCHES * BATCH / (time.perf_counter() - begun)


async def _questions(label: str, ask: Callable[[], Awaitable[object]]) -> Measurement:
    """Ask one after another for the delay, then fifty at once for the rate."""
    delays = []
    for _ in range(QUESTIONS):
        begun = time.perf_counter()
        await ask()
        delays.append((time.perf_counter() - begun) * 1000)

    async def some() -> None:
        for _ in range(QUESTIONS // AT_ONCE):
            await ask()

    begun = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    rate = QUESTIONS / (time.perf_counter() - begun)
    return Measurement(
        label, quantile(delays, 0.99), "ms", details={"p50": quantile(delays, 0.5), "a second": round(rate)}
    )


async def _cached(store: RedisHotStore) -> list[Measurement]:
    from niftyflow.storage.cache import Cache, as_it_is
    from niftyflow.storage.cache_channel import CacheChannel

    loads = 0

    async def load(_key: str) -> bytes:
        nonlocal loads
        loads += 1
        await asyncio.sleep(0.001)
        return VALUE

    channel = CacheChannel(store)
    await channel.open()
    while not channel.is_heard:  # noqa: ASYNC110 - it tells it no other way
        await asyncio.sleep(0.01)
    cache = Cache(channel, "bench", load, encode=as_it_is, decode=as_it_is, seconds=LIFE_SECONDS)
    begun = time.perf_counter()
    await asyncio.gather(*(cache.get("a") for _ in range(1000)))
    together = (time.perf_counter() - begun) * 1000
    begun = time.perf_counter()
    for _ in range(BATCHES * BATCH):
        await cache.get("a")
    kept = BATCHES * BATCH / (time.perf_counter() - begun)
    await cache.close()
    await channel.close()
    return [
        Measurement("a thousand ask the cache together", together, "ms", details={"loads": loads}),
        Measurement("values kept in the process", kept, "values/s"),
    ]
