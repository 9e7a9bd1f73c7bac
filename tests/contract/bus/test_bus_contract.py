"""What every engine of the bus promises, tried on each of them."""

import asyncio
import time

import pytest

from niftyflow.bus.port import Bus, Start
from niftyflow.model import CandleBatch, InvalidValue, Refused, TickBatch, Watermark
from support.buses import Engine, candles, joined, letter, read, records, sequences, ticks, watermark


class Told:
    """An assignment that remembers what it was told."""

    def __init__(self) -> None:
        self.events = []

    async def assigned(self, partitions):
        self.events.append(("assigned", dict(partitions)))

    async def revoked(self, partitions):
        self.events.append(("revoked", list(partitions)))


async def test_records_come_back_in_order_with_consecutive_offsets(bus: Bus):
    """Three publishes to one partition are read as one unbroken sequence."""
    for first in (0, 100, 150):
        await bus.publish("raw-ticks", [ticks(100 if first == 0 else 50, first)], partition=0)
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
    batches = await read(reader, 200)
    assert sequences(batches) == list(range(200))
    offset = 0
    for batch in batches:
        assert batch.offset == offset
        offset = batch.end
    assert (await bus.end("raw-ticks"))[0] == 200
    await reader.close()


async def test_every_column_of_ticks_and_candles_survives(bus: Bus):
    """What is read equals what was published, field by field."""
    await bus.publish("raw-ticks", [ticks(40)], partition=0)
    await bus.publish("market_candles", [candles(12)], partition=0)
    for topic, sent in (("raw-ticks", ticks(40)), ("market_candles", candles(12))):
        reader = await bus.subscribe(topic, group=None, start=Start.EARLIEST)
        assert records(await read(reader, len(sent))) == sent.to_records()
        await reader.close()


async def test_a_watermark_is_a_record_of_its_own(bus: Bus):
    """One publish of ticks, watermark, ticks is read as three bodies, the watermark taking one offset."""
    await bus.publish("raw-ticks", [ticks(10), watermark(7), ticks(5, 10)], partition=0)
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
    batches = await read(reader, 16)
    assert [type(batch.body) for batch in batches] == [TickBatch, Watermark, TickBatch]
    assert [(batch.offset, batch.end) for batch in batches] == [(0, 10), (10, 11), (11, 16)]
    assert batches[1].body == watermark(7)
    await reader.close()


async def test_a_group_resumes_from_its_commit(engine: Engine):
    """After a new start a group reads on behind the position it committed, inside a stored batch if need be."""
    bus = engine.make()
    await bus.open()
    await bus.publish("raw-ticks", [ticks(30)], partition=0)
    reader = await bus.subscribe("raw-ticks", group="candle-processors")
    assert sequences(await read(reader, 30)) == list(range(30))
    await reader.commit({0: 12})
    await reader.close()
    await bus.close()

    bus = engine.make()
    await bus.open()
    reader = await bus.subscribe("raw-ticks", group="candle-processors")
    batches = await read(reader, 18)
    assert sequences(batches) == list(range(12, 30))
    assert batches[0].offset == 12
    await reader.close()
    await bus.close()


async def test_leaving_commits_nothing(bus: Bus):
    """A group that read but did not commit reads the same again."""
    await bus.publish("raw-ticks", [ticks(10)], partition=0)
    for _ in range(2):
        reader = await bus.subscribe("raw-ticks", group="analysis")
        assert sequences(await read(reader, 10)) == list(range(10))
        await reader.close()


async def test_a_broadcast_reader_from_latest_sees_only_what_comes_after(bus: Bus):
    """Records from before the subscription are not delivered."""
    await bus.publish("raw-ticks", [ticks(10)], partition=0)
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.LATEST)
    await bus.publish("raw-ticks", [ticks(5, 10)], partition=0)
    assert sequences(await read(reader, 5)) == list(range(10, 15))
    await reader.close()


async def test_a_group_can_ask_for_earliest_or_latest_against_its_commit(bus: Bus):
    """`start` asked for explicitly wins over the commit."""
    await bus.publish("raw-ticks", [ticks(10)], partition=0)
    reader = await bus.subscribe("raw-ticks", group="signals")
    await read(reader, 10)
    await reader.commit({0: 5})
    await reader.close()
    reader = await bus.subscribe("raw-ticks", group="signals", start=Start.LATEST)
    await joined(reader)
    assert reader.position()[0] == 10
    await reader.close()
    reader = await bus.subscribe("raw-ticks", group="signals", start=Start.EARLIEST)
    assert sequences(await read(reader, 10)) == list(range(10))
    await reader.close()


async def test_two_groups_read_independently(bus: Bus):
    """Both get everything; the commit of one is not that of the other."""
    await bus.publish("raw-ticks", [ticks(20)], partition=0)
    one = await bus.subscribe("raw-ticks", group="analysis")
    two = await bus.subscribe("raw-ticks", group="trading")
    assert sequences(await read(one, 20)) == sequences(await read(two, 20)) == list(range(20))
    await one.commit(one.position())
    await one.close()
    await two.close()
    two = await bus.subscribe("raw-ticks", group="trading")
    assert sequences(await read(two, 20)) == list(range(20))
    await two.close()


async def test_a_slow_reader_does_not_block_the_publisher(bus: Bus):
    """A reader that does not poll costs the publisher nothing, and misses nothing."""
    slow = await bus.subscribe("raw-ticks", group="trading")
    begin = time.monotonic()
    for number in range(20):
        await bus.publish("raw-ticks", [ticks(500, number * 500)], partition=0)
    assert time.monotonic() - begin < 10
    assert sequences(await read(slow, 10_000)) == list(range(10_000))
    await slow.close()


async def test_lag_counts_from_the_position(bus: Bus):
    """Lag is what was not yet polled, whatever was committed."""
    await bus.publish("raw-ticks", [ticks(10)], partition=0)
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
    assert sum((await reader.lag()).values()) == 10
    await read(reader, 10)
    assert sum((await reader.lag()).values()) == 0
    await bus.publish("raw-ticks", [ticks(4)], partition=0)
    assert (await reader.lag())[0] == 4
    await reader.close()


async def test_the_last_watermark_is_found_behind_later_records(bus: Bus):
    """It is the newest control record, however many ticks follow it."""
    assert await bus.last_watermark("raw-ticks", 0) is None
    await bus.publish("raw-ticks", [watermark(1), ticks(10), watermark(2), ticks(1500)], partition=0)
    assert await bus.last_watermark("raw-ticks", 0) == watermark(2)


async def test_the_last_watermark_before_an_offset_is_found(bus: Bus):
    """A reader that goes on from an offset learns the time that was told before it."""
    await bus.publish("raw-ticks", [ticks(3), watermark(1), ticks(10), watermark(2), ticks(4)], partition=0)
    assert await bus.last_watermark("raw-ticks", 0, before=3) is None
    assert await bus.last_watermark("raw-ticks", 0, before=4) == watermark(1)
    assert await bus.last_watermark("raw-ticks", 0, before=14) == watermark(1)
    assert await bus.last_watermark("raw-ticks", 0, before=15) == watermark(2)
    assert await bus.last_watermark("raw-ticks", 0, before=1_000) == watermark(2)


async def test_a_poll_takes_no_more_than_asked_but_whole_stored_batches(bus: Bus):
    """`max_records` bounds a poll once it has one batch; nothing is skipped."""
    for number in range(6):
        await bus.publish("raw-ticks", [ticks(100, number * 100)], partition=0)
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
    seen, polls = [], 0
    while len(seen) < 600 and polls < 50:
        batches = await reader.poll(max_records=250, timeout_seconds=1)
        polls += 1
        assert len(sequences(batches)) <= 250
        seen += sequences(batches)
    assert seen == list(range(600))
    await reader.close()


async def test_a_reader_waits_for_what_is_published_meanwhile(bus: Bus):
    """A poll under way ends with the record, not with its time."""
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.LATEST)
    polling = asyncio.create_task(reader.poll(timeout_seconds=20))
    await asyncio.sleep(0.05)
    begin = time.monotonic()
    await bus.publish("raw-ticks", [ticks(3)], partition=0)
    batches = await polling
    batches += await read(reader, 3 - len(sequences(batches)))
    assert sequences(batches) == [0, 1, 2]
    assert time.monotonic() - begin < 10
    await reader.close()


async def test_a_cancelled_poll_loses_nothing(bus: Bus):
    """Records that arrive around a cancelled poll come with the next one."""
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.LATEST)
    polling = asyncio.create_task(reader.poll(timeout_seconds=1))
    await asyncio.sleep(0.05)
    publishing = asyncio.create_task(bus.publish("raw-ticks", [ticks(50)], partition=0))
    await asyncio.sleep(0.001)
    polling.cancel()
    await asyncio.wait([polling, publishing])
    batches = [] if polling.cancelled() else polling.result()  # it may have been quicker than its cancellation
    batches += await read(reader, 50 - len(sequences(batches)))
    assert sequences(batches) == list(range(50))
    await reader.close()


async def test_concurrent_publishers_interleave_whole_batches(bus: Bus):
    """Many publishers at once: each one's own records stay in order and all arrive."""

    async def publish(publisher: int) -> None:
        for number in range(5):
            await bus.publish("raw-ticks", [ticks(20, publisher * 1000 + number * 20)], partition=0)

    await asyncio.gather(*(publish(publisher) for publisher in range(4)))
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
    seen = sequences(await read(reader, 400))
    for publisher in range(4):
        own = [number for number in seen if number // 1000 == publisher]
        assert own == list(range(publisher * 1000, publisher * 1000 + 100))
    await reader.close()


async def test_without_a_partition_each_instrument_keeps_its_order(bus: Bus):
    """Records go to their key's partition; a watermark goes to the one it names."""
    await bus.publish("raw-ticks", [ticks(200), watermark(9)])
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
    batches = await read(reader, 201)
    for batch in batches:
        if isinstance(batch.body, TickBatch):
            keys = set(batch.body.keys())
            assert {bus.partition_of("raw-ticks", key) for key in keys} == {batch.partition}
    for symbol in range(4):
        own = [number for number in sequences(batches) if number % 4 == symbol]
        assert own == list(range(symbol, 200, 4))
    assert [batch.partition for batch in batches if isinstance(batch.body, Watermark)] == [0]
    await reader.close()


async def test_dead_letters_are_listed_oldest_first(bus: Bus):
    """Letters of a topic come back with their offsets."""
    assert await bus.read_dead_letters("raw-ticks") == []
    await bus.publish("dlq.raw-ticks", [(letter(1), letter(2))])
    await bus.publish("dlq.raw-ticks", [(letter(3),)])
    assert await bus.read_dead_letters("raw-ticks") == [(0, letter(1)), (1, letter(2)), (2, letter(3))]
    assert await bus.read_dead_letters("market_candles") == []


async def test_the_log_goes_on_after_closing_and_opening(engine: Engine):
    """Records and offsets outlive the bus object."""
    for first in (0, 10):
        bus = engine.make()
        await bus.open()
        await bus.publish("raw-ticks", [ticks(10, first)], partition=0)
        await bus.close()
    bus = engine.make()
    await bus.open()
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
    batches = await read(reader, 20)
    assert sequences(batches) == list(range(20))
    assert batches[-1].end == 20
    await reader.close()
    await bus.close()


async def test_the_assignment_is_told_what_comes_and_goes(bus: Bus):
    """It learns each partition with the offset where reading begins, and loses them on closing."""
    await bus.publish("raw-ticks", [ticks(8)], partition=0)
    told = Told()
    reader = await bus.subscribe("raw-ticks", group="candle-processors", assignment=told)
    await read(reader, 8)
    everything = dict.fromkeys(range(bus.partitions("raw-ticks")), 0)
    assert told.events == [("assigned", everything)]
    await reader.close()
    assert told.events[1:] == [("revoked", list(everything))]


async def test_a_broadcast_reader_has_nothing_to_commit(bus: Bus):
    """Committing without a group is refused, and so is polling a closed reader."""
    reader = await bus.subscribe("raw-ticks", group=None)
    with pytest.raises(Refused):
        await reader.commit({0: 1})
    await reader.close()
    with pytest.raises(Refused):
        await reader.poll()


async def test_what_a_topic_does_not_carry_is_refused(bus: Bus):
    """Wrong bodies, topics and partitions are refused before anything is appended."""
    with pytest.raises(InvalidValue, match="market_candles carries Candle"):
        await bus.publish("market_candles", [ticks(1)])
    with pytest.raises(InvalidValue, match="topic"):
        await bus.publish("no-such-topic", [ticks(1)])
    with pytest.raises(InvalidValue, match="partition"):
        await bus.publish("raw-ticks", [watermark(1, partition=17)])
    with pytest.raises(InvalidValue, match="body"):
        await bus.publish("raw-ticks", [(letter(1),)])
    await bus.publish("raw-ticks", [ticks(0)])
    assert sum((await bus.end("raw-ticks")).values()) == 0


async def test_candles_keep_their_interval_and_flags(bus: Bus):
    """A candle batch comes back as a candle batch of the same interval."""
    await bus.publish("market_candles", [candles(4), watermark(3)], partition=0)
    reader = await bus.subscribe("market_candles", group=None, start=Start.EARLIEST)
    batches = await read(reader, 5)
    assert isinstance(batches[0].body, CandleBatch)
    assert batches[0].body.interval == candles(4).interval
    assert batches[0].body.incomplete.tolist() == [True, False, True, False]
    assert batches[-1].body == watermark(3)
    await reader.close()
