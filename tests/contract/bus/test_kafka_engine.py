"""What the Kafka engine promises beyond the contract: the wire as documented, sharing of partitions, trouble."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from niftyflow.bus.port import Start, UnreadableRecord
from niftyflow.kit import metrics
from niftyflow.model import Misconfigured, Unavailable
from support.buses import PARTITIONS, SYMBOLS, candles, joined, read, sequences, ticks, watermark
from support.kafka import Broker, free_port, need_kafka, stop

confluent_kafka = pytest.importorskip("confluent_kafka", reason="the kafka extra is not installed")
admin = pytest.importorskip("confluent_kafka.admin")
kafka = pytest.importorskip("niftyflow.bus.kafka")

pytestmark = pytest.mark.kafka

GOOD = (
    b'{"token":"1","symbol":"INFY","exchange":"NSE","ltp":1500.05,"volume":1,"day_volume":2,"bid":0,"ask":0,'
    b'"open_interest":0,"timestamp":5,"traded_at":4,"received":6,"sequence":%d,"source":"other","colour":"new"}'
)

QUICK = {"heartbeat.interval.ms": 300}  # members see at once that partitions move


@pytest.fixture
async def bus(kafka_servers: str, kafka_prefix: str) -> AsyncIterator[kafka.KafkaBus]:
    """An open Kafka bus."""
    bus = kafka.KafkaBus(kafka_servers, prefix=kafka_prefix, partitions=PARTITIONS, source="ingestion-1", client=QUICK)
    await bus.open()
    yield bus
    await bus.close()


def raw_messages(servers: str, topic: str, count: int) -> list:
    """Read a partition as any other program would."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": servers, "group.id": "raw"})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    messages, deadline = [], time.monotonic() + 20
    while len(messages) < count and time.monotonic() < deadline:
        messages += consumer.consume(count, 0.5)
    consumer.close()
    return messages


def produce(servers: str, topic: str, *records: tuple) -> None:
    """Write (key, value, headers) to partition 0 as any other program would."""
    producer = confluent_kafka.Producer({"bootstrap.servers": servers})
    for key, value, headers in records:
        producer.produce(topic, value, key, 0, headers=headers)
    assert producer.flush(20) == 0


async def test_the_wire_is_what_the_contract_says(bus: kafka.KafkaBus, kafka_servers: str, kafka_prefix: str):
    """One JSON record a message, keyed by instrument, with constant headers; a watermark says its kind."""
    await bus.publish("raw-ticks", [ticks(1, 40), watermark(7)], partition=0)
    await bus.publish("market_candles", [candles(1)], partition=0)
    tick, control = raw_messages(kafka_servers, f"{kafka_prefix}raw-ticks", 2)
    assert tick.key() == b"NSE:RELIANCE"
    assert tick.value() == (
        b'{"token":"100","symbol":"RELIANCE","exchange":"NSE","ltp":2802.0,"volume":5,"day_volume":120,'
        b'"bid":2801.5,"ask":0.0,"open_interest":7,"timestamp":1705549500040,"traded_at":1705549500035,'
        b'"received":1705549500044,"sequence":40,"source":"test"}'
    )
    assert tick.headers() == [("source", b"ingestion-1"), ("version", b"1")]
    assert control.key() is None
    assert control.value() == b'{"time":7,"partition":0,"source":"test","healthy":true}'
    assert control.headers() == [("source", b"ingestion-1"), ("version", b"1"), ("kind", b"watermark")]
    (candle,) = raw_messages(kafka_servers, f"{kafka_prefix}market_candles", 1)
    assert candle.value().startswith(b'{"time":"2024-01-18T03:45:00Z","symbol":"RELIANCE","exchange":"NSE",')
    assert b'"through":{"0":0}' in candle.value()


async def test_unreadable_records_are_told_one_by_one_and_nothing_else_is_lost(
    bus: kafka.KafkaBus, kafka_servers: str, kafka_prefix: str
):
    """The good records before a bad one come first, then the error with key, place and bytes, then the rest."""
    bad_price = GOOD.replace(b"1500.05", b"-1") % 2
    produce(
        kafka_servers,
        f"{kafka_prefix}raw-ticks",
        (b"NSE:INFY", GOOD % 0, None),
        (b"NSE:INFY", b'{"token":', None),
        (b"NSE:INFY", bad_price, None),
        (b"NSE:INFY", GOOD % 3, None),
        (b"keyed-watermark", b'{"time":9,"partition":0,"source":"x","healthy":false}', [("kind", b"watermark")]),
        (None, b"no watermark", [("kind", b"watermark")]),
        (b"NSE:INFY", GOOD % 6, None),
        (b"NSE:INFY", None, None),
        (b"NSE:INFY", GOOD % 8, None),
    )
    reader = await bus.subscribe("raw-ticks", group=None)
    batches, errors, places = [], [], []
    deadline = time.monotonic() + 20
    while reader.position()[0] < 9 and time.monotonic() < deadline:
        try:
            batches += await reader.poll()
        except UnreadableRecord as error:
            delivered = sum(batch.end - batch.offset for batch in batches)
            places.append((error.offset, reader.position()[0], delivered + len(errors)))
            errors.append(error)
    assert sequences(batches) == [0, 3, 6, 8]
    assert [batch.body.time for batch in batches if not hasattr(batch.body, "sequence")] == [9]
    assert places == [(offset, offset + 1, offset) for offset in (1, 2, 5, 7)]
    assert [error.key for error in errors] == ["NSE:INFY", "NSE:INFY", "", "NSE:INFY"]
    assert errors[1].data == bad_price
    assert "ltp is -1.0" in errors[1].reason
    assert "watermark" in errors[2].reason
    await reader.close()


class Told:
    """An assignment that keeps the partitions it was given."""

    def __init__(self) -> None:
        self.owned = {}
        self.lost = []

    async def assigned(self, partitions):
        await asyncio.sleep(0)
        self.owned |= partitions

    async def revoked(self, partitions):
        self.lost += partitions
        for partition in partitions:
            del self.owned[partition]


async def test_two_members_share_the_partitions_and_take_over_from_the_commit(bus: kafka.KafkaBus):
    """Partitions move from member to member; the new one goes on from what the old one committed."""
    await bus.publish("raw-ticks", [ticks(300)], partition=0)
    await bus.publish("raw-ticks", [ticks(300)], partition=1)
    await bus.publish("raw-ticks", [ticks(300)], partition=2)
    told_one, told_two = Told(), Told()
    one = await bus.subscribe("raw-ticks", group="candle-processors", assignment=told_one)
    await read(one, 900)
    assert told_one.owned == {0: 0, 1: 0, 2: 0}
    await one.commit({0: 100, 1: 200, 2: 300})
    two = await bus.subscribe("raw-ticks", group="candle-processors", assignment=told_two)
    deadline = time.monotonic() + 30
    while (not told_two.owned or len(told_one.owned) + len(told_two.owned) != 3) and time.monotonic() < deadline:
        await asyncio.gather(one.poll(timeout_seconds=0.1), two.poll(timeout_seconds=0.1))
    assert sorted([*told_one.owned, *told_two.owned]) == [0, 1, 2]
    assert sorted(told_one.lost) == sorted(told_two.owned)
    assert all(begin == (partition + 1) * 100 for partition, begin in told_two.owned.items())
    assert set(one.position()) == set(told_one.owned)
    kept = sorted(told_one.owned)
    await one.close()
    deadline = time.monotonic() + 30
    while len(told_two.owned) != 3 and time.monotonic() < deadline:
        await two.poll(timeout_seconds=0.1)
    assert sorted(told_one.lost[-len(kept) :]) == kept
    assert told_two.owned == {0: 100, 1: 200, 2: 300}
    await two.close()


async def test_a_commit_after_the_partitions_went_is_dropped(bus: kafka.KafkaBus):
    """A position of partitions that are not ours changes nothing and raises nothing."""
    await bus.publish("raw-ticks", [ticks(10)], partition=0)
    reader = await bus.subscribe("raw-ticks", group="analysis")
    await joined_with(reader, 10)
    await reader.commit({0: 10})
    del reader._position[0]
    await reader.commit({0: 3})
    await reader.close()
    reader = await bus.subscribe("raw-ticks", group="analysis")
    await joined(reader)
    assert reader.position()[0] == 10
    await reader.close()


async def joined_with(reader, count: int) -> None:
    """Read `count` records."""
    assert len(sequences(await read(reader, count))) == count


async def test_a_reader_whose_position_expired_goes_on_from_the_oldest(
    bus: kafka.KafkaBus, kafka_servers: str, kafka_prefix: str
):
    """Retention takes records a slow reader had not read: it is told once, and goes on with those that are left."""
    await bus.publish("raw-ticks", [ticks(20)], partition=0)
    slow = await bus.subscribe("raw-ticks", group=None)
    committed = await bus.subscribe("raw-ticks", group="trading")
    await joined_with(committed, 20)
    await committed.commit({0: 3})
    await committed.close()
    client = admin.AdminClient({"bootstrap.servers": kafka_servers})
    gone = confluent_kafka.TopicPartition(f"{kafka_prefix}raw-ticks", 0, 12)
    for answer in client.delete_records([gone]).values():
        answer.result(10)
    before = metrics.BUS_ERRORS.labels(type="position_expired")._value.get()
    late = await bus.subscribe("raw-ticks", group="trading")
    assert sequences(await read(late, 8)) == list(range(12, 20))
    assert metrics.BUS_ERRORS.labels(type="position_expired")._value.get() == before + 1
    assert sequences(await read(slow, 8, is_patient=True))[-8:] == list(range(12, 20))  # a seek may need a new client
    await late.close()
    await slow.close()


async def test_another_number_of_partitions_stops_the_start(bus: kafka.KafkaBus, kafka_servers: str, kafka_prefix: str):
    """The message names the topic and both numbers, and says what to do."""
    other = kafka.KafkaBus(kafka_servers, prefix=kafka_prefix, partitions=7)
    with pytest.raises(Misconfigured, match=r"raw-ticks has 3 partitions, 7 are wanted: set the number"):
        await other.open()


async def test_a_cluster_that_does_not_answer_is_unavailable():
    """Opening without a broker raises the error of the world, in bounded time."""
    bus = kafka.KafkaBus(f"127.0.0.1:{free_port()}", ask_seconds=0.5)
    with pytest.raises(Unavailable, match="Kafka at 127"):
        await bus.open()


async def test_a_publish_that_is_not_acknowledged_is_unavailable_and_the_next_one_works(
    kafka_servers: str, kafka_prefix: str, monkeypatch: pytest.MonkeyPatch
):
    """With the broker gone a publish fails within its delivery time; when it is back the same bus publishes."""
    bus = kafka.KafkaBus(kafka_servers, prefix=kafka_prefix, partitions=PARTITIONS, delivery_timeout_seconds=1)
    await bus.open()
    monkeypatch.setattr(bus._cluster, "servers", f"127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable):
        await bus.publish("raw-ticks", [ticks(10)], partition=0)
    monkeypatch.setattr(bus._cluster, "servers", kafka_servers)
    await published(bus)
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
    assert sequences(await read(reader, 50))[:50] == list(range(50, 100))
    await reader.close()
    await bus.close()


async def test_a_group_larger_than_a_batch_arrives_whole_and_in_order(bus: kafka.KafkaBus):
    """What one partition gets in a single publish goes out in several batches, one behind the other."""
    many = 20_000
    await bus.publish("raw-ticks", [ticks(many)], partition=2)
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
    assert sequences(await read(reader, many)) == list(range(many))
    await reader.close()


async def test_keys_go_where_the_java_client_would_send_them(
    bus: kafka.KafkaBus, kafka_servers: str, kafka_prefix: str
):
    """The client's own murmur2 partitioner, which agrees with Java's, puts each key where we do."""
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka_servers, "partitioner": "murmur2_random"})
    went = {}

    def delivered(_, sent):
        went[sent.key()] = sent.partition()

    for symbol in SYMBOLS:
        key = f"NSE:{symbol}"
        producer.produce(
            f"{kafka_prefix}raw-ticks",
            b"{}",
            key,
            on_delivery=lambda _, sent: went.update({sent.key(): sent.partition()}),
        )
    producer.flush(20)
    assert went == {f"NSE:{symbol}".encode(): bus.partition_of("raw-ticks", f"NSE:{symbol}") for symbol in SYMBOLS}


async def test_a_broker_killed_and_started_again_costs_nothing(tmp_path: Path):
    """While it is away publishing and reading say so, in bounded time; then both go on with every record."""
    need_kafka()
    broker = Broker(tmp_path / "broker", free_port(), free_port())
    process = await asyncio.to_thread(broker.start)
    try:
        bus = kafka.KafkaBus(broker.servers, partitions=1, delivery_timeout_seconds=2, client=QUICK)
        await bus.open()
        group = await bus.subscribe("raw-ticks", group="trading")
        everyone = await bus.subscribe("raw-ticks", group=None)
        await bus.publish("raw-ticks", [ticks(50)])
        assert sequences(await read(group, 50)) == sequences(await read(everyone, 50)) == list(range(50))
        await group.commit(group.position())
        stop(process)
        with pytest.raises(Unavailable):
            await bus.publish("raw-ticks", [ticks(50, 50)])
        with pytest.raises(Unavailable):
            await read(everyone, 1)
        process = await asyncio.to_thread(broker.start)
        await published(bus)
        assert sequences(await read_through(everyone, 100))[-50:] == list(range(50, 100))
        assert sequences(await read_through(group, 100))[-50:] == list(range(50, 100))
        await bus.close()
    finally:
        stop(process)


async def published(bus) -> None:
    """Publish the second half until it is acknowledged, as a stage does."""
    for _ in range(20):
        try:
            await bus.publish("raw-ticks", [ticks(50, 50)], partition=0)
        except Unavailable:
            continue
        return
    pytest.fail("the broker is back, and nothing can be published")


async def read_through(reader, end: int) -> list:
    """Read up to an offset, trying again while the cluster is away."""
    batches, deadline = [], time.monotonic() + 60
    while reader.position().get(0, 0) < end and time.monotonic() < deadline:
        try:
            batches += await reader.poll(timeout_seconds=0.2)
        except Unavailable:
            await asyncio.sleep(0.05)
    return batches
