"""What caches do while nobody can tell them what is no longer true, and while they can tell nobody."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from niftyflow.model import Unavailable
from niftyflow.storage.cache_channel import CHANNEL, MOST_UNTOLD
from support.cached import Database, LeavingHotStore, Process, SharedHotStore, processes
from support.stores import SecondsClock
from support.waiting import until


async def test_what_one_process_invalidates_the_others_forget():
    """And only that."""
    database = Database(TCS=b"old", INFY=b"1500")
    async with processes(2, SharedHotStore(), database) as (one, other):
        for each in (one, other):
            assert [await each.cache.get(key) for key in ("TCS", "INFY")] == [b"old", b"1500"]
        database.values["TCS"] = b"new"
        assert await one.cache.invalidate("TCS", "never asked for")
        assert await one.cache.get("TCS") == b"new"
        await until(lambda: len(other.cache._first) == 1)
        assert await other.cache.get("TCS") == b"new"
        assert await other.cache.get("INFY") == b"1500"
    assert database.asked == ["TCS", "INFY", "TCS"]


async def test_thousands_of_keys_are_invalidated_at_once():
    """In several messages."""
    names = [str(n) for n in range(2500)]
    database = Database(**dict.fromkeys(names, b"old"))
    async with processes(2, SharedHotStore(), database) as (one, other):
        for name in names:
            await other.cache.get(name)
        database.values = dict.fromkeys(names, b"new")
        await one.cache.invalidate(*names)
        await until(lambda: len(other.cache._first) == 0)
        assert {await other.cache.get(name) for name in names} == {b"new"}


async def test_unheard_a_process_keeps_a_value_for_a_second_only():
    """Nobody could tell it that the value is no longer true; the database is still not asked each time."""
    clock = SecondsClock()
    hot, database = LeavingHotStore(seconds=clock), Database(TCS=b"old")
    hot.is_away = True
    deaf = Process(hot, database, clock)
    for _ in range(5):
        assert await deaf.cache.get("TCS") == b"old"
    assert database.asked == ["TCS"]
    database.values["TCS"] = b"new"
    clock.now += 1
    assert await deaf.cache.get("TCS") == b"new"
    await deaf.close()


async def test_losing_the_channel_drops_all_that_a_process_holds():
    """At once; and what was loaded unheard is dropped again when it is heard."""
    clock = SecondsClock()
    database = Database(TCS=b"1")
    hot = SharedHotStore(seconds=clock)
    await hot.open()
    async with processes(1, hot, database, clock) as (one,):
        await one.cache.get("TCS")
        database.values["TCS"] = b"2"
        await hot.close()
        assert not one.channel.is_heard
        assert await one.cache.get("TCS") == b"2"
        database.values["TCS"] = b"3"
        await hot.open()
        await hot.delete("cache:prices:TCS")
        await until(lambda: one.channel.is_heard)
        assert await one.cache.get("TCS") == b"3"


async def test_what_is_loaded_while_the_channel_is_lost_and_found_is_not_kept():
    """It may have been invalidated unheard."""
    database = Database(TCS=b"old")
    database.gate.clear()
    hot = SharedHotStore()
    async with processes(1, hot, database) as (one,):
        early = asyncio.ensure_future(one.cache.get("TCS"))
        await until(lambda: database.asked == ["TCS"])
        await hot.close()
        await until(lambda: one.channel.is_heard)
        database.values["TCS"] = b"new"
        database.gate.set()
        assert await early == b"old"
        assert await one.cache.get("TCS") == b"new"


async def test_messages_lost_in_a_full_queue_drop_all():
    """The listener was too slow: what they said is not known."""
    hot, database = SharedHotStore(listener_messages=2), Database(TCS=b"1")
    async with processes(1, hot, database) as (one,):
        await one.cache.get("TCS")
        for _ in range(3):
            await hot.publish(CHANNEL, b'["another","others","x"]')
        assert len(one.cache._first) == 0
        assert one.channel.is_heard


@pytest.mark.parametrize(
    "message", [b"", b"x", b"[]", b"{}", b"[1]", b'["prices"]', b'["another","prices",1]', b"\xff"]
)
async def test_a_message_that_cannot_be_read_drops_all(message: bytes):
    """Whatever it meant; one of another kind drops nothing."""
    hot, database = SharedHotStore(), Database(TCS=b"1")
    async with processes(1, hot, database) as (one,):
        await one.cache.get("TCS")
        await hot.publish(CHANNEL, b'["another","others","TCS"]')
        await asyncio.sleep(0.01)
        assert len(one.cache._first) == 1
        await hot.publish(CHANNEL, message)
        await until(lambda: len(one.cache._first) == 0)


async def test_without_a_hot_store_values_come_from_the_database_and_it_is_said_once():
    """It is left alone for a second after each failure, and used again when it is back, which is said too."""
    clock = SecondsClock()
    hot, database = LeavingHotStore(seconds=clock), Database(**{str(n): b"1" for n in range(30)})
    async with processes(2, hot, database, clock) as (one, other):
        hot.is_away, hot.asked = True, 0
        with capture_logs() as told:
            for n in range(10):
                assert await one.cache.get(str(n)) == b"1"
            assert hot.asked == 1
            clock.now += 1
            for n in range(10, 20):
                assert await one.cache.get(str(n)) == b"1"
            assert hot.asked == 2
            clock.now += 1
            hot.is_away = False
            assert await one.cache.get("20") == b"1"
        assert [each["event"] for each in told] == ["cache_without_hot_store", "cache_with_hot_store_again"]
        assert await other.cache.get("20") == b"1"
    assert len(database.asked) == 21


async def test_what_could_not_be_told_is_told_when_the_hot_store_is_back():
    """Until then this process reads no shared value of that key."""
    clock = SecondsClock()
    hot, database = LeavingHotStore(seconds=clock), Database(TCS=b"old")
    async with processes(2, hot, database, clock) as (one, other):
        assert await one.cache.get("TCS") == await other.cache.get("TCS") == b"old"
        database.values["TCS"] = b"new"
        hot.is_away = True
        assert not await one.cache.invalidate("TCS")
        assert await one.cache.get("TCS") == b"new"
        hot.is_away = False
        clock.now += 1
        one.cache.drop(None)
        assert await one.cache.get("TCS") == b"new"
        await until(lambda: one.channel._untold == {})
        await until(lambda: len(other.cache._first) == 0)
        assert await other.cache.get("TCS") == b"new"


async def test_an_invalidation_that_is_cancelled_is_told_all_the_same():
    """Whoever asked has gone, what is no longer true stays so."""
    hot, database = LeavingHotStore(), Database(TCS=b"old")
    async with processes(2, hot, database) as (one, other):
        assert await other.cache.get("TCS") == b"old"
        database.values["TCS"] = b"new"
        hot.gate.clear()
        asked = asyncio.ensure_future(one.cache.invalidate("TCS"))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert asked.cancelled()
        hot.gate.set()
        await until(lambda: one.channel._untold == {})
        await until(lambda: len(other.cache._first) == 0)
        assert await other.cache.get("TCS") == b"new"


async def test_too_much_that_could_not_be_told_is_refused():
    """A bound, and an error that says so."""
    hot = LeavingHotStore()
    async with processes(1, hot, Database()) as (one,):
        hot.is_away = True
        assert not await one.cache.invalidate(*(str(n) for n in range(MOST_UNTOLD)))
        with pytest.raises(Unavailable, match="wait to be told"):
            await one.cache.invalidate("one more")


steps = st.lists(
    st.one_of(
        st.tuples(st.just("get"), st.integers(0, 1), st.sampled_from("ab"), st.integers(0, 12)),
        st.tuples(st.just("change"), st.integers(0, 1), st.sampled_from("ab"), st.integers(0, 3)),
        st.tuples(st.just("pass"), st.integers(0, 12), st.just(""), st.just(0)),
        st.tuples(st.just("lose"), st.integers(0, 1), st.just(""), st.just(0)),
    ),
    max_size=25,
)


class Versions(Database):
    """A database whose values are numbers that grow; an answer is on its way for some turns of the loop."""

    turns = 0

    async def load(self, key: str) -> bytes | None:
        found, turns = self.values[key], self.turns
        for _ in range(turns):
            await asyncio.sleep(0)
        return found


@settings(max_examples=200)
@given(done=steps, travel=st.integers(0, 3))
async def test_whatever_happens_in_whatever_order_the_newest_value_wins(
    done: list[tuple[str, int, str, int]], travel: int
):
    """Never an older one than this process invalidated last; and once all is heard, the newest everywhere."""
    hot, database = LeavingHotStore(turns=travel), Versions(a=b"0", b=b"0")
    async with processes(2, hot, database) as both:
        asked: list[asyncio.Task[None]] = []
        changed = [{"a": 0, "b": 0}, {"a": 0, "b": 0}]

        async def get(number: int, key: str) -> None:
            least = changed[number][key]
            assert int(await both[number].cache.get(key) or b"") >= least

        async def change(number: int, key: str) -> None:
            version = int(database.values[key]) + 1
            database.values[key] = str(version).encode()
            await both[number].cache.invalidate(key)
            changed[number][key] = max(changed[number][key], version)

        for act, number, key, turns in done:
            if act == "get":
                database.turns = turns
                asked.append(asyncio.ensure_future(get(number, key)))
            elif act == "change":
                asked.append(asyncio.ensure_future(change(number, key)))
            elif act == "lose":
                both[number].channel._hears(is_heard=False)
                both[number].channel._hears(is_heard=True)
            for _ in range(number if act == "pass" else turns % 4):
                await asyncio.sleep(0)
        await asyncio.gather(*asked)
        for _ in range(20):  # the messages are heard
            await asyncio.sleep(0)
        for each in both:
            assert [await each.cache.get(key) for key in "ab"] == [database.values[key] for key in "ab"]
