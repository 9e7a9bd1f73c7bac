"""What every hot store does with those who listen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from niftyflow.storage import HotStore
from support.stores import HotEngine
from support.waiting import until


async def hear(listener: AsyncIterator[tuple[str, bytes]], count: int) -> list[tuple[str, bytes]]:
    """Return the next messages, within five seconds."""
    async with asyncio.timeout(60):
        return [await anext(listener) for _ in range(count)]


async def listening(store: HotStore, *channels: str, count: int) -> asyncio.Task[list[tuple[str, bytes]]]:
    """Start to listen, and return when the store knows."""
    task = asyncio.ensure_future(hear(store.listen(*channels), count))
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        while not await store.publish(channels[0], b"are you there"):  # noqa: ASYNC110 -- the port tells it no other way
            await asyncio.sleep(0.01)
    return task


async def test_a_message_reaches_all_who_listen_now(hot: HotStore):
    """Publishing tells how many; those of other channels hear nothing."""
    first = await listening(hot, "tick:updates", "signal:alerts", count=3)
    second = await listening(hot, "signal:alerts", count=2)
    assert await hot.publish("signal:alerts", b"BUY") == 2
    assert await hot.publish("nobody", b"listens") == 0
    assert await first == [
        ("tick:updates", b"are you there"),
        ("signal:alerts", b"are you there"),
        ("signal:alerts", b"BUY"),
    ]
    assert await second == [("signal:alerts", b"are you there"), ("signal:alerts", b"BUY")]


async def test_messages_of_a_channel_come_in_the_order_sent(hot: HotStore):
    """A hundred at once to one who reads later."""
    task = await listening(hot, "tick:updates", count=101)
    for number in range(100):
        await hot.publish("tick:updates", str(number).encode())
    heard = await task
    assert [message for _, message in heard[1:]] == [str(number).encode() for number in range(100)]


async def test_what_was_sent_before_is_not_heard(hot: HotStore):
    """Channels keep nothing."""
    await hot.publish("tick:updates", b"early")
    task = await listening(hot, "tick:updates", count=2)
    await hot.publish("tick:updates", b"late")
    assert [message for _, message in await task] == [b"are you there", b"late"]


async def test_a_listener_is_told_when_it_is_heard_and_when_no_more(hot_engine: HotEngine):
    """True once, before the first message; False when the store closes, which ends it after what has come."""
    told: list[bool] = []
    listener = hot_engine.store.listen("tick:updates", on_hearing=told.append)
    await until(lambda: told == [True])
    assert await hot_engine.store.publish("tick:updates", b"heard") == 1
    assert await hear(listener, 1) == [("tick:updates", b"heard")]
    await hot_engine.store.close()
    assert [message async for message in listener] == []
    assert told == [True, False]


async def test_a_listener_nobody_holds_is_given_up(hot: HotStore):
    """Publishing then reaches no one."""
    told: list[bool] = []
    listener = hot.listen("tick:updates", on_hearing=told.append)
    await until(lambda: told == [True])
    assert await hot.publish("tick:updates", b"1") == 1
    del listener

    async def is_given_up() -> bool:
        return await hot.publish("tick:updates", b"2") == 0

    await until(is_given_up)
    assert told == [True]
