"""Several processing members share the partitions of a real Kafka: they join, leave and are killed under load."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from niftyflow.model import Interval
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.candle_stages import EVER, floor
from support.waiting import until

pytest.importorskip("niftyflow.bus.kafka", reason="the kafka extra is not installed")

from support.kafka_candles import (
    MINUTE,
    OPEN,
    PARTITIONS,
    SHARES,
    Market,
    bus_of,
    compared,
    is_told,
    marks,
    member,
    process,
    published,
)

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

LAST_MINUTE = 370
PAUSE_SECONDS = 0.1  # a minute of market in that time, until all has happened


class Feed:
    """Publishes minute after minute until it is ended."""

    def __init__(self, bus) -> None:
        self._bus = bus
        self._is_ended = False
        self.minutes = 0

    async def run(self) -> None:
        """Publish; each minute after the one before is durable."""
        market = Market()
        await self._bus.publish("raw-ticks", marks(-MINUTE, PARTITIONS))
        while not self._is_ended and self.minutes < LAST_MINUTE:
            await self._bus.publish("raw-ticks", market.minute(self.minutes, PARTITIONS))
            self.minutes += 1
            await asyncio.sleep(PAUSE_SECONDS)

    def end(self) -> None:
        """End after the minute in hand."""
        self._is_ended = True

    async def go_on(self, minutes: int) -> None:
        """Wait until so many more minutes are published."""
        wanted = self.minutes + minutes
        await until(lambda: self.minutes >= wanted)


async def members_of(bus) -> int:
    """Return how many members the group has."""
    (state, *_) = await bus.survey({"raw-ticks": ["candle-processors"]})
    return state.groups[0].members


async def stored(market: SqliteMarketStore) -> list:
    """Return what is to be compared of all stored candles."""
    return [
        compared(candle)
        for share in SHARES
        for candle in (await market.candles(share.key, Interval.M1, 0, EVER)).to_records()
    ]


async def reference(folder: Path, minutes: int) -> list:
    """Return the candles that one process makes of the same records, undisturbed."""
    await asyncio.to_thread(folder.mkdir)
    market = Market()
    async with floor(folder, SHARES) as ground:
        await ground.put(*marks(-MINUTE, 1))
        for minute in range(minutes):
            await ground.put(*market.minute(minute, 1))
        await ground.process()
        return await stored(ground.market)


async def test_members_that_join_leave_and_are_killed_make_the_candles_of_one(
    tmp_path: Path, kafka_servers: str, kafka_prefix: str
):
    """Open candles are handed over by reading again: none is missing, wrong, or told differently twice."""
    bus, market = bus_of(kafka_servers, kafka_prefix), SqliteMarketStore(tmp_path / "market.db")
    for engine in (bus, market):
        await engine.open()
    await market.save_instruments(SHARES)
    feed = Feed(bus)
    feeding = asyncio.create_task(feed.run())
    doomed = None
    try:
        async with member(bus, market, tmp_path):
            await feed.go_on(8)
            async with member(bus, market, tmp_path):  # joins, and leaves in peace
                await until(lambda: two_are_there(bus))
                await feed.go_on(8)
            doomed = process(kafka_servers, kafka_prefix, tmp_path / "market.db")
            await until(lambda: two_are_there(bus))
            await feed.go_on(8)
            doomed.kill()
            await feed.go_on(8)
            feed.end()
            await feeding
            await until(lambda: is_told(bus, OPEN + feed.minutes * MINUTE))
    finally:
        feeding.cancel()
        if doomed is not None:
            doomed.kill()
            doomed.wait()
    expected = await reference(tmp_path / "reference", feed.minutes)
    assert len(expected) == len(SHARES) * feed.minutes
    assert await stored(market) == expected
    by_identity: dict = {}
    for candle in await published(bus):
        identity = candle.instrument, candle.time, candle.revision
        assert by_identity.setdefault(identity, candle) == candle
    assert sorted(map(compared, by_identity.values())) == sorted(expected)
    await market.close()
    await bus.close()


async def two_are_there(bus) -> bool:
    """Return whether the group has two members."""
    return await members_of(bus) == 2


async def test_records_that_cannot_be_read_are_buried_and_their_partition_goes_on(
    tmp_path: Path, kafka_servers: str, kafka_prefix: str
):
    """Rubbish, a version from the future and an unknown kind become dead letters with their place."""
    from confluent_kafka import Producer  # noqa: PLC0415 - an extra

    bus, market = bus_of(kafka_servers, kafka_prefix), SqliteMarketStore(tmp_path / "market.db")
    for engine in (bus, market):
        await engine.open()
    await market.save_instruments(SHARES)
    await bus.publish("raw-ticks", marks(-MINUTE, PARTITIONS))
    key = SHARES[0].key
    partition = bus.partition_of("raw-ticks", key)
    stranger = Producer({"bootstrap.servers": kafka_servers, "log_level": 2})
    for value, headers in (
        (b'{"token":', []),
        (b'{"whatever":1}', [("version", b"2")]),
        (b"{}", [("version", b"1"), ("kind", b"heartbeat")]),
    ):
        stranger.produce(f"{kafka_prefix}raw-ticks", value, key.encode(), partition, headers=headers)
        assert stranger.flush(20) == 0
    await bus.publish("raw-ticks", Market().minute(0, PARTITIONS))
    async with member(bus, market, tmp_path):
        await until(lambda: is_told(bus, OPEN + MINUTE))
    letters = [letter for _, letter in await bus.read_dead_letters("raw-ticks")]
    assert [(letter.partition, letter.offset, letter.key) for letter in letters] == [
        (partition, offset, key) for offset in (1, 2, 3)
    ]
    for letter, reason in zip(letters, ("truncated", "version is '2'", "kind is 'heartbeat'"), strict=True):
        assert reason in letter.error
    assert letters[1].record == '{"whatever":1}'
    assert await stored(market) == await reference(tmp_path / "reference", 1)
    await market.close()
    await bus.close()
