"""Caches of two processes over one real Redis: shared values, invalidation, and a Redis flushed, killed and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from niftyflow.storage.redis_hot import RedisHotStore
from support.cached import Database, Process
from support.redis import RedisServer
from support.waiting import until

StartRedis = Callable[..., RedisServer]


@pytest.fixture
def server(start_redis: StartRedis) -> RedisServer:
    """Start a server to be ill-treated."""
    return start_redis()


@pytest.fixture
def database() -> Database:
    """Give a database with two prices."""
    return Database(TCS=b"old", INFY=b"1500")


@pytest.fixture
async def both(server: RedisServer, database: Database) -> AsyncIterator[tuple[Process, Process]]:
    """Give two processes' caches, each with a connection of its own."""
    settings = server.settings()
    stores = [RedisHotStore(settings), RedisHotStore(settings)]
    made = []
    for store in stores:
        await store.open()
        made.append(await Process(store, database).open())
    yield made[0], made[1]
    for process, store in zip(made, stores, strict=True):
        await process.close()
        await store.close()


async def test_a_thousand_who_ask_in_two_processes_make_two_loads_at_most(
    both: tuple[Process, Process], database: Database
):
    """One a process; whoever comes later in either asks nobody."""
    asked = [both[n % 2].cache.get("TCS") for n in range(1000)]
    assert await asyncio.gather(*asked) == [b"old"] * 1000
    assert 1 <= len(database.asked) <= 2
    database.asked.clear()
    for process in both:
        process.cache.drop(None)
        assert await process.cache.get("TCS") == b"old"
    assert database.asked == []


async def test_what_one_invalidates_the_other_gives_no_more(both: tuple[Process, Process], database: Database):
    """Again and again, either way round."""
    for n in range(20):
        teller, hearer = both[n % 2], both[1 - n % 2]
        for process in both:
            await process.cache.get("TCS")
        database.values["TCS"] = b"%d" % n
        assert await teller.cache.invalidate("TCS")
        assert await teller.cache.get("TCS") == b"%d" % n

        async def is_heard(hearer: Process = hearer, n: int = n) -> bool:
            return await hearer.cache.get("TCS") == b"%d" % n

        await until(is_heard)
    assert len(database.asked) <= 2 * 20 + 1


async def test_a_value_loaded_before_an_invalidation_is_not_kept_anywhere(
    both: tuple[Process, Process], database: Database
):
    """The slow one had asked the database before it changed."""
    slow, quick = both
    database.gate.clear()
    early = asyncio.ensure_future(slow.cache.get("TCS"))
    await until(lambda: database.asked == ["TCS"])
    database.values["TCS"] = b"new"
    await quick.cache.invalidate("TCS")
    database.gate.set()
    assert await early == b"old"
    assert await quick.cache.get("TCS") == b"new"
    await until(lambda: len(slow.cache._first) == 0)
    assert await slow.cache.get("TCS") == b"new"


async def test_flushing_redis_costs_a_load_and_nothing_else(
    both: tuple[Process, Process], database: Database, server: RedisServer
):
    """This process still has the value; the other asks the database, and is told as before."""
    one, other = both
    assert await one.cache.get("TCS") == b"old"
    server.call("FLUSHALL")
    assert await one.cache.get("TCS") == b"old"
    assert await other.cache.get("TCS") == b"old"
    assert database.asked == ["TCS"] * 2
    database.values["TCS"] = b"new"
    assert await one.cache.invalidate("TCS")
    await until(lambda: len(other.cache._first) == 0)
    assert await other.cache.get("TCS") == b"new"


async def test_redis_killed_and_back_drops_what_was_kept_and_tells_what_was_not_told(
    both: tuple[Process, Process], database: Database, server: RedisServer
):
    """Values come from the database meanwhile; an invalidation is kept and told when it is back."""
    one, other = both
    for process in both:
        assert await process.cache.get("TCS") == b"old"
        assert await process.cache.get("INFY") == b"1500"
    server.kill()
    await until(lambda: not one.channel.is_heard and not other.channel.is_heard)
    assert len(one.cache._first) == len(other.cache._first) == 0
    assert [await process.cache.get("TCS") for process in both] == [b"old"] * 2
    database.values["TCS"] = b"new"
    assert not await one.cache.invalidate("TCS")
    assert await one.cache.get("TCS") == b"new"
    server.start()
    await until(lambda: one.channel.is_heard and other.channel.is_heard and one.channel._untold == {})
    assert [await process.cache.get("TCS") for process in both] == [b"new"] * 2
    database.values["INFY"] = b"1600"

    async def is_told() -> bool:
        return await one.cache.invalidate("INFY")

    await until(is_told)

    async def is_heard() -> bool:
        return await other.cache.get("INFY") == b"1600"

    await until(is_heard)
