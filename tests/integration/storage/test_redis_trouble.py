"""The hot store while its Redis hangs, dies, comes back, is flushed, becomes a replica or drops our connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest

from niftyflow.model import Unavailable
from niftyflow.storage.redis_hot import RedisHotStore
from support.redis import RedisServer
from support.waiting import until

StartRedis = Callable[..., RedisServer]
HASTY = 0.5
"""Seconds an operation may take where the server hangs."""


@pytest.fixture
def server(start_redis: StartRedis) -> RedisServer:
    """Start a server to be ill-treated."""
    return start_redis()


@pytest.fixture
async def hot(server: RedisServer) -> AsyncIterator[RedisHotStore]:
    """Open a store on it."""
    store = RedisHotStore(server.settings(connections=4, listener_messages=10))
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def hasty(server: RedisServer) -> AsyncIterator[RedisHotStore]:
    """Open a store on it that gives up soon."""
    store = RedisHotStore(server.settings(timeout_seconds=HASTY, connections=4))

    async def opens() -> bool:
        with suppress(Unavailable):  # a loaded machine may take longer than that
            await store.open()
            return True
        return False

    await until(opens)
    yield store
    await store.close()


async def works(store: RedisHotStore) -> bool:
    """Whether a batch is stored and read."""
    try:
        await store.set_many({"a": b"1", "b": b"2"}, ttl_seconds=100)
        return await store.get_many(["a", "b"]) == [b"1", b"2"]
    except Unavailable:
        return False


async def test_an_operation_on_a_server_that_hangs_ends_in_time(hasty: RedisHotStore, server: RedisServer):
    """Each of them, also those that wait for a free connection; the same store works when it goes on."""
    server.pause()
    async with asyncio.timeout(60):
        ended = await asyncio.gather(*(hasty.get("a") for _ in range(20)), return_exceptions=True)
    assert [type(each) for each in ended] == [Unavailable] * 20
    with pytest.raises(Unavailable, match=r"no answer within 0\.5 s"):
        await hasty.ping()
    server.resume()
    await until(lambda: works(hasty))


async def test_a_server_that_died_and_came_back_is_used_again(hot: RedisHotStore, server: RedisServer):
    """Without opening again; its scripts are told to the new one, which knows none."""
    assert await works(hot)
    server.kill()
    with pytest.raises(Unavailable):
        await hot.set_many({"a": b"1"})
    server.start()
    await until(lambda: works(hot))
    await hot.set_hashes({"h": {"f": b"1"}}, ttl_seconds=100)
    assert await hot.ttl("h") is not None
    server.call("SCRIPT", "FLUSH")
    assert await hot.take_tokens("bucket", 1, 1, 5.0) == 0
    server.call("SCRIPT", "FLUSH")
    await hot.set_scores("z", {"m": 1.0}, ttl_seconds=100)
    assert await hot.top("z", 5) == [("m", 1.0)]


async def test_a_listener_goes_on_when_the_server_is_back(hot: RedisHotStore, server: RedisServer):
    """And is told that messages may be missing, and from when on none is."""
    told: list[bool] = []
    listener = hot.listen("tick:updates", "signal:alerts", on_hearing=told.append)
    await until(lambda: told == [True])
    await hot.publish("tick:updates", b"before")
    assert await anext(listener) == ("tick:updates", b"before")
    server.kill()
    await until(lambda: told == [True, False])
    server.start()
    await until(lambda: told == [True, False, True])
    assert await hot.publish("signal:alerts", b"after") == 1
    assert await anext(listener) == ("signal:alerts", b"after")


async def test_a_listener_finds_out_that_its_server_hangs(hasty: RedisHotStore, server: RedisServer):
    """Nothing is heard, nothing is closed: it asks now and then."""
    told: list[bool] = []
    listener = hasty.listen("tick:updates", on_hearing=told.append)
    await until(lambda: told[-1:] == [True])
    server.pause()
    await until(lambda: told[-1:] == [False])
    server.resume()
    await until(lambda: told[-1:] == [True])
    server.call("PUBLISH", f"{hasty._prefix}tick:updates", b"after")
    assert await anext(listener) == ("tick:updates", b"after")


async def test_a_quiet_channel_is_asked_whether_it_is_there_and_goes_on(server: RedisServer, hasty: RedisHotStore):
    """Its answer is no message, and no reason to connect again."""
    told: list[bool] = []
    listener = hasty.listen("tick:updates", on_hearing=told.append)
    await until(lambda: told[-1:] == [True])
    with server.client() as client:
        await until(lambda: client.info("commandstats").get("cmdstat_ping", {"calls": 0})["calls"] >= 3)
    server.call("PUBLISH", f"{hasty._prefix}tick:updates", b"after")
    assert await anext(listener) == ("tick:updates", b"after")
    assert len(told) < 5  # one, but for a loaded machine; connecting each time would be as many as were asked


async def test_a_slow_listener_loses_the_oldest_is_told_and_they_are_counted(hot: RedisHotStore):
    """Its queue holds ten; another one's is its own."""
    told: list[bool] = []
    slow = hot.listen("tick:updates", on_hearing=told.append)
    await until(lambda: told == [True])
    for n in range(25):
        await hot.publish("tick:updates", str(n).encode())
    await until(lambda: hot.dropped == 15)
    assert [int((await anext(slow))[1]) for _ in range(10)] == list(range(15, 25))
    assert told == [True] + [False, True] * 15


async def test_flushing_the_server_takes_values_and_nothing_else(hot: RedisHotStore, server: RedisServer):
    """Channels go on, and the next batch is stored."""
    told: list[bool] = []
    listener = hot.listen("tick:updates", on_hearing=told.append)
    await until(lambda: told == [True])
    assert await works(hot)
    server.call("FLUSHALL")
    assert await hot.get_many(["a", "b"]) == [None, None]
    assert await works(hot)
    await hot.publish("tick:updates", b"1")
    assert await anext(listener) == ("tick:updates", b"1")


async def test_a_master_that_became_a_replica_is_unavailable_until_it_is_one_no_more(
    hot: RedisHotStore, server: RedisServer, start_redis: StartRedis
):
    """A failover by other means than Sentinel: an address that leads to another server soon."""
    other = start_redis()
    server.call("REPLICAOF", "127.0.0.1", other.port)
    with pytest.raises(Unavailable, match="read-only replica"):
        await hot.set_many({"a": b"1"})
    server.call("REPLICAOF", "NO", "ONE")
    await until(lambda: works(hot))


async def test_connections_cut_by_the_server_are_made_again(hot: RedisHotStore, server: RedisServer):
    """Idle ones are noticed before they are used."""
    await asyncio.gather(*(hot.get(str(n)) for n in range(50)))
    server.call("CLIENT", "KILL", "TYPE", "normal")
    await asyncio.sleep(0.05)
    assert await asyncio.gather(*(hot.get(str(n)) for n in range(50))) == [None] * 50


async def test_no_more_connections_are_open_than_were_allowed(hot: RedisHotStore, server: RedisServer):
    """Four here, however many ask at once."""
    values = {str(n): str(n).encode() for n in range(500)}
    await asyncio.gather(*(hot.set_many({key: value}) for key, value in values.items()))
    assert await asyncio.gather(*map(hot.get, values)) == list(values.values())
    with server.client() as client:
        assert client.info("clients")["connected_clients"] <= 4 + 1


async def test_answers_of_an_operation_given_up_go_to_nobody_else(start_redis: StartRedis):
    """Cancelled at any moment, those beside it and after it get their own."""
    server = start_redis()
    store = RedisHotStore(server.settings(connections=3))
    await store.open()
    await store.set_many({str(n): str(n).encode() for n in range(100)})
    for turn in range(20):
        asked = [asyncio.ensure_future(store.get(str(n))) for n in range(100)]
        for _ in range(turn):
            await asyncio.sleep(0)
        for each in asked[::3]:
            each.cancel()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for n, answer in enumerate(answers):
            assert isinstance(answer, asyncio.CancelledError) or answer == str(n).encode()
    assert await store.get_many(["7", "8"]) == [b"7", b"8"]
    await store.close()
