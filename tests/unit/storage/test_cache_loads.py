"""A cache asks the database once for those who ask together, and keeps what it finds, unless it is no longer true."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.model import InvalidValue, Unavailable, UnknownInstrument
from niftyflow.storage import cache_hot_tier
from niftyflow.storage.cache import Cache, as_it_is
from niftyflow.storage.cache_channel import CacheChannel
from niftyflow.storage.memory_hot import MemoryHotStore
from support.cached import Database, Process, SharedHotStore, counted, processes
from support.stores import SecondsClock
from support.waiting import until


@pytest.fixture
def hot() -> SharedHotStore:
    """Give a hot store."""
    return SharedHotStore()


async def test_a_thousand_who_ask_together_make_one_load(hot: SharedHotStore):
    """All get its value, and so does who comes later."""
    database = Database(TCS=b"3500")
    database.gate.clear()
    async with processes(1, hot, database) as (one,):
        asked = [asyncio.ensure_future(one.cache.get("TCS")) for _ in range(1000)]
        await until(lambda: database.asked != [])
        database.gate.set()
        assert await asyncio.gather(*asked) == [b"3500"] * 1000
        assert await one.cache.get("TCS") == b"3500"
    assert database.asked == ["TCS"]


async def test_a_load_that_fails_is_told_to_all_who_wait_and_not_kept(hot: SharedHotStore):
    """The next one who asks makes a new one."""
    database = Database(TCS=b"3500")
    database.error = UnknownInstrument("no instrument TCS is known")
    database.gate.clear()
    async with processes(1, hot, database) as (one,):
        asked = [asyncio.ensure_future(one.cache.get("TCS")) for _ in range(50)]
        await until(lambda: database.asked != [])
        database.gate.set()
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(each) for each in told] == [UnknownInstrument] * 50
        database.error = None
        assert await one.cache.get("TCS") == b"3500"
    assert database.asked == ["TCS"] * 2


async def test_who_goes_away_takes_nothing_from_the_others(hot: SharedHotStore):
    """Neither the one who asked first nor any other; if all go, the value is kept all the same."""
    database = Database(TCS=b"3500", INFY=b"1500")
    database.gate.clear()
    async with processes(1, hot, database) as (one,):
        first, second, third = (asyncio.ensure_future(one.cache.get("TCS")) for _ in range(3))
        alone = asyncio.ensure_future(one.cache.get("INFY"))
        await until(lambda: len(database.asked) == 2)
        for each in (first, third, alone):
            each.cancel()
        await asyncio.gather(first, third, alone, return_exceptions=True)
        assert first.cancelled()
        assert alone.cancelled()
        database.gate.set()
        assert await second == b"3500"
        await until(lambda: one.cache._loads == {})
        assert await one.cache.get("INFY") == b"1500"
    assert sorted(database.asked) == ["INFY", "TCS"]


async def test_a_load_that_fails_after_all_have_gone_disturbs_nobody(hot: SharedHotStore):
    """Nobody is left to be told."""
    database = Database()
    database.error = Unavailable("database", "it is away")
    database.gate.clear()
    async with processes(1, hot, database) as (one,):
        alone = asyncio.ensure_future(one.cache.get("TCS"))
        await until(lambda: database.asked != [])
        alone.cancel()
        database.gate.set()
        await until(lambda: one.cache._loads == {})
        with pytest.raises(Unavailable, match="database"):
            await one.cache.get("TCS")


async def test_that_there_is_no_value_is_not_kept(hot: SharedHotStore):
    """A key made a moment later is found; an empty value is one, and is kept."""
    database = Database(empty=b"")
    async with processes(1, hot, database) as (one,):
        assert await one.cache.get("TCS") is None
        database.values["TCS"] = b"3500"
        assert await one.cache.get("TCS") == b"3500"
        assert [await one.cache.get("empty") for _ in range(3)] == [b""] * 3
    assert database.asked == ["TCS", "TCS", "empty"]


async def test_what_is_invalidated_while_it_is_loaded_is_not_kept(hot: SharedHotStore):
    """Who asked before may be given the old value; who asks after waits for no load that began before."""
    database = Database(TCS=b"old")
    database.gate.clear()
    async with processes(2, hot, database) as (one, other):
        early = asyncio.ensure_future(one.cache.get("TCS"))
        await until(lambda: database.asked == ["TCS"])
        database.values["TCS"] = b"new"
        assert await other.cache.invalidate("TCS")
        await until(lambda: one.cache._loads == {})
        late = asyncio.ensure_future(one.cache.get("TCS"))
        await until(lambda: database.asked == ["TCS"] * 2)
        database.gate.set()
        assert await early == b"old"
        assert await late == b"new"
        assert [await each.cache.get("TCS") for each in (one, other)] == [b"new"] * 2
    assert database.asked == ["TCS"] * 2


async def test_a_value_of_before_an_invalidation_is_never_read_from_the_hot_store(hot: SharedHotStore):
    """Also when the process that puts it there heard nothing of it, and puts it late."""
    database = Database(TCS=b"old")
    deaf = Process(hot, database)
    database.gate.clear()
    async with processes(1, hot, database) as (one,):
        early = asyncio.ensure_future(deaf.cache.get("TCS"))
        await until(lambda: database.asked == ["TCS"])
        database.values["TCS"] = b"new"
        await one.cache.invalidate("TCS")
        database.gate.set()
        assert await early == b"old"
        assert (await hot.get("cache:prices:TCS") or b"").endswith(b"old")
        assert await one.cache.get("TCS") == b"new"
    await deaf.close()


async def test_the_second_process_asks_the_hot_store_and_not_the_database(hot: SharedHotStore):
    """Each tier counts what it had and what it had not."""
    kinds = [(outcome, tier) for outcome in ("hits", "misses") for tier in ("process", "hot")]
    before = {kind: counted(*kind) for kind in kinds}
    database = Database(TCS=b"3500")
    async with processes(2, hot, database) as (one, other):
        assert await one.cache.get("TCS") == b"3500"
        assert await other.cache.get("TCS") == b"3500"
        assert [await other.cache.get("TCS") for _ in range(3)] == [b"3500"] * 3
    assert database.asked == ["TCS"]
    made = [counted(*kind) - before[kind] for kind in kinds]
    assert dict(zip(kinds, made, strict=True)) == {
        ("hits", "process"): 3, ("hits", "hot"): 1, ("misses", "process"): 2, ("misses", "hot"): 1,
    }  # fmt: skip


async def test_a_value_lives_as_long_as_each_tier_was_told():
    """Ten seconds here and a minute there."""
    clock = SecondsClock()
    hot, database = SharedHotStore(seconds=clock), Database(TCS=b"1")
    async with processes(1, hot, database, clock, seconds=10, hot_seconds=60) as (one,):
        assert await one.cache.get("TCS") == b"1"
        database.values["TCS"] = b"2"
        clock.now += 10
        assert await one.cache.get("TCS") == b"1"
        clock.now += 49.9
        assert await one.cache.get("TCS") == b"1"
        clock.now += 10
        assert await one.cache.get("TCS") == b"2"
    assert database.asked == ["TCS"] * 2


async def test_no_more_values_are_kept_in_a_process_than_were_allowed(hot: SharedHotStore):
    """The hot store has the others still."""
    database = Database(**{name: name.encode() for name in "abcdef"})
    async with processes(1, hot, database, most=2) as (one,):
        for name in "abcdef":
            assert await one.cache.get(name) == name.encode()
        assert len(one.cache._first) == 2
        assert await one.cache.get("a") == b"a"
    assert database.asked == list("abcdef")


async def test_a_load_that_takes_too_long_is_given_up(hot: SharedHotStore):
    """All who wait are told, and the next one asks again."""
    database = Database(TCS=b"3500")
    database.gate.clear()
    async with processes(1, hot, database, load_seconds=0.05) as (one,):
        told = await asyncio.gather(*(one.cache.get("TCS") for _ in range(5)), return_exceptions=True)
        assert all(isinstance(each, Unavailable) for each in told)
        assert "cache of prices" in str(told[0])
    assert database.asked == ["TCS"]


async def test_closing_tells_those_who_wait(hot: SharedHotStore):
    """It is an error of the world, not a cancellation of theirs."""
    database = Database(TCS=b"3500")
    database.gate.clear()
    one = await Process(hot, database).open()
    asked = [asyncio.ensure_future(one.cache.get("TCS")) for _ in range(3)]
    await until(lambda: database.asked != [])
    one.cache.drop(["TCS"])  # also who waits for a load that is no longer the newest
    await one.close()
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in told] == [Unavailable] * 3


async def test_a_value_in_the_hot_store_that_cannot_be_read_is_loaded_again(hot: SharedHotStore):
    """Another release wrote it, or it was cut; it is replaced."""

    def decode(data: bytes) -> int:
        return int(data.decode())

    channel = CacheChannel(hot)
    await channel.open()
    await until(lambda: channel.is_heard)

    async def load(_key: str) -> int:
        return 7

    cache = Cache(channel, "numbers", load, encode=lambda value: str(value).encode(), decode=decode, seconds=60)
    for stored in (b"\0many", b"\0", b"", b"\x20short", b"\0\xff"):
        await hot.set_many({"cache:numbers:a": stored})
        assert await cache.get("a") == 7
        assert await hot.get("cache:numbers:a") == b"\x007"
        cache.drop(None)
    await cache.close()
    await channel.close()


@given(stored=st.binary(max_size=40), stamp=st.none() | st.binary(max_size=20) | st.just(bytes(300)))
async def test_whatever_lies_in_the_hot_store_is_a_value_or_none(stored: bytes, stamp: bytes | None):
    """Bytes of anybody: read as what follows the stamp, or loaded."""
    hot = SharedHotStore()
    await hot.set_many({"cache:prices:TCS": stored} | ({} if stamp is None else {"cache:stamp:prices:TCS": stamp}))
    async with processes(1, hot, Database(TCS=b"loaded")) as (one,):
        known = stamp or b""
        is_read = stored[:1] == bytes([len(known) % 256]) and stored[1:].startswith(known)
        assert await one.cache.get("TCS") == (stored[1 + len(known) :] if is_read else b"loaded")


@pytest.mark.parametrize("kind", ["prices", "stamp", "a:b", ""])
async def test_a_kind_that_could_be_taken_for_another_is_refused(hot: SharedHotStore, kind: str):
    """One cache a kind and process."""
    process = Process(hot, Database())
    with pytest.raises(InvalidValue, match="kind"):
        Cache(process.channel, kind, Database().load, encode=as_it_is, decode=as_it_is, seconds=1)


async def test_with_a_hot_store_of_its_own_a_process_has_two_tiers():
    """Nothing is put there, and a value is kept its whole life, as nobody else could change what it stands for."""
    clock, alone = SecondsClock(), MemoryHotStore()
    database = Database(TCS=b"old")
    one = Process(alone, database, clock)
    assert one.channel.is_heard
    assert await one.cache.get("TCS") == b"old"
    clock.now += 59
    assert await one.cache.get("TCS") == b"old"
    assert (database.asked, alone.used_bytes) == (["TCS"], 0)
    database.values["TCS"] = b"new"
    assert await one.cache.invalidate("TCS")
    assert await one.cache.get("TCS") == b"new"
    await one.channel.open()
    await one.close()


async def test_values_that_may_not_leave_a_process_are_told_of_all_the_same(hot: SharedHotStore):
    """Without an encoding they are in no hot store; who invalidates one tells the others."""
    database = Database(TCS=b"old")
    async with processes(2, hot, database, encode=None, decode=None) as (one, other):
        for each in (one, other):
            assert await each.cache.get("TCS") == b"old"
        assert hot.used_bytes == 0
        database.values["TCS"] = b"new"
        assert await one.cache.invalidate("TCS")
        await until(lambda: len(other.cache._first) == 0)
        assert await other.cache.get("TCS") == b"new"
    assert database.asked == ["TCS"] * 3


async def test_a_value_too_large_for_everybody_is_kept_in_its_process_alone(
    hot: SharedHotStore, monkeypatch: pytest.MonkeyPatch
):
    """One round trip would hold up the others'."""
    monkeypatch.setattr(cache_hot_tier, "LARGEST_BYTES", 10)
    database = Database(small=b"123456789", large=b"1234567890")
    async with processes(2, hot, database) as (one, other):
        for name in ("small", "large"):
            assert await one.cache.get(name) == await other.cache.get(name)
            assert await one.cache.get(name)
    assert database.asked == ["small", "large", "large"]
