"""What only the in-memory hot store has: bounds on memory and queues, sweeping, and ends."""

from __future__ import annotations

import asyncio
import gc

import pytest

from niftyflow.kit.clock import VirtualClock
from niftyflow.model import Refused, Unavailable
from niftyflow.storage.keyspace import SWEPT_AT_ONCE
from niftyflow.storage.memory_hot import MemoryHotStore
from support.stores import SecondsClock

KILOBYTE = b"x" * 1000


async def test_keys_with_a_life_make_room_those_used_longest_ago_first():
    """Reading is a use; a key without a life is never dropped."""
    store = MemoryHotStore(max_bytes=12_000, seconds=SecondsClock())
    await store.set_many({"static": KILOBYTE})
    for n in range(9):
        await store.set_many({f"tick{n}": KILOBYTE}, ttl_seconds=300)
    assert await store.get("tick0") == KILOBYTE
    for n in range(9, 14):
        await store.set_many({f"tick{n}": KILOBYTE}, ttl_seconds=300)
    assert await store.get("tick1") is None
    assert await store.get_many(["static", "tick0", "tick13"]) == [KILOBYTE] * 3
    assert store.evicted > 0
    assert store.used_bytes <= 13_300


async def test_memory_full_of_lasting_keys_refuses_writes_and_still_reads():
    """As Redis answers OOM; deleting makes room again."""
    store = MemoryHotStore(max_bytes=5_000)
    for n in range(5):
        await store.set_many({f"k{n}": KILOBYTE})
    for write in (
        store.set_many({"more": b"1"}),
        store.set_many({"more": b"1"}, ttl_seconds=5),
        store.set_hashes({"h": {"f": b"1"}}),
        store.add_to_stream("s", {"f": b"1"}, 10),
        store.set_scores("z", {"m": 1.0}),
    ):
        with pytest.raises(Refused, match="full"):
            await write
    assert await store.get("k4") == KILOBYTE
    assert await store.delete("k0", "k1") == 2
    await store.set_many({"more": b"1"})
    assert await store.get("more") == b"1"


async def test_what_is_counted_goes_back_to_nothing():
    """Every kind of key, changed and trimmed and ended, leaves no bytes behind."""
    clock = SecondsClock()
    store = MemoryHotStore(seconds=clock)
    for n in range(400):
        await store.set_many({"s": KILOBYTE * (n % 3)}, ttl_seconds=None if n % 2 else 50)
        await store.set_hashes({"h": {f"f{n % 7}": KILOBYTE[: n * 2]}}, ttl_seconds=50)
        await store.add_to_stream("x", {"f": KILOBYTE[:n]}, 20)
        await store.set_scores("z", {f"m{n % 9}": n})
    assert 0 < store.used_bytes < 200_000
    await store.delete("s", "x", "z")
    clock.now += 60
    assert await store.get_hash("h") == {}
    assert store.used_bytes == 0


async def test_ended_keys_nobody_asks_for_are_swept_a_slice_at_a_time():
    """Writing elsewhere is enough to give their memory back."""
    clock = SecondsClock()
    store = MemoryHotStore(seconds=clock)
    keys = 3 * SWEPT_AT_ONCE
    await store.set_many({f"tick{n}": KILOBYTE for n in range(keys)}, ttl_seconds=5)
    clock.now += 10
    before = store.used_bytes
    await store.set_many({"other": b"1"})
    assert before > store.used_bytes > 1000
    for _ in range(4):
        clock.now += 2
        await store.set_many({"other": b"1"})
    assert store.used_bytes < 1000


async def test_a_slow_listener_loses_the_oldest_messages_and_they_are_counted():
    """The publisher never waits."""
    store = MemoryHotStore(listener_messages=10)
    slow, quick = store.listen("tick:updates"), store.listen("tick:updates")
    for n in range(25):
        assert await store.publish("tick:updates", str(n).encode()) == 2
        assert await anext(quick) == ("tick:updates", str(n).encode())
    assert [int((await anext(slow))[1]) for _ in range(10)] == list(range(15, 25))
    assert store.dropped == 15


async def test_a_listener_hears_from_the_moment_it_was_asked_for():
    """Also what was published before it was first read from."""
    store = MemoryHotStore()
    listener = store.listen("a", "b")
    await store.publish("b", b"1")
    assert await anext(listener) == ("b", b"1")


async def test_a_listener_that_nobody_holds_is_forgotten():
    """Leaving the loop is enough; publishing then reaches no one."""
    store = MemoryHotStore()
    listener = store.listen("a")
    await store.publish("a", b"1")
    async for message in listener:
        assert message == ("a", b"1")
        break
    del listener
    gc.collect()
    assert await store.publish("a", b"2") == 0
    assert store._channels == {}


async def test_closing_ends_listeners_and_forgets_all():
    """Those who wait are woken; what was queued is still taken."""
    store = MemoryHotStore()
    await store.open()
    await store.ping()
    waiting, behind, closed = store.listen("a"), store.listen("b"), store.listen("b")
    await closed.aclose()
    task = asyncio.ensure_future(anext(waiting, None))
    await asyncio.sleep(0)
    await store.publish("b", b"last words")
    await store.set_many({"k": b"1"})
    await store.close()
    assert await task is None
    assert [message async for message in behind] == [("b", b"last words")]
    assert [message async for message in closed] == []
    assert await store.get("k") is None
    with pytest.raises(Unavailable):
        await store.ping()


async def test_stream_ids_grow_while_the_clock_stands_still():
    """A recording's clock gives the same ms to many entries."""
    clock = VirtualClock(1000)
    store = MemoryHotStore(clock=clock)
    assert [await store.add_to_stream("s", {"f": b"1"}, 10) for _ in range(2)] == ["1000-0", "1000-1"]
    clock.advance_to(1001)
    assert await store.add_to_stream("s", {"f": b"1"}, 10) == "1001-0"
    assert [id_ for id_, _ in await store.read_stream("s", after="1000")] == ["1000-1", "1001-0"]
