"""Kafka messages become batches: runs, gaps, partitions that are not ours."""

import subprocess
import sys

import pytest

from niftyflow.bus.json_records import RowDecoder, encode_rows, encode_watermark
from niftyflow.model import Tick, TickBatch
from support.buses import ticks, watermark

confluent_kafka = pytest.importorskip("confluent_kafka", reason="the kafka extra is not installed")
kafka_messages = pytest.importorskip("niftyflow.bus.kafka_messages")


def message(offset: int, value: bytes, partition: int = 0, **more):
    """Return a message as the client gives it."""
    return confluent_kafka.Message(
        topic="t", partition=partition, offset=offset, key=more.get("key", b"NSE:X"), value=value,
        headers=more.get("headers", []), error=None, timestamp=(0, 0), latency=0.0, leader_epoch=0,
    )  # fmt: skip


def control(offset: int, partition: int = 0):
    """Return a watermark's message."""
    value = encode_watermark(watermark(offset, partition))
    return message(offset, value, partition, key=None, headers=[("kind", b"watermark")])


def reassembled(messages, position):
    """Return (partition, first offset, end, is data) of each batch, and how many messages are held."""
    batches, held = kafka_messages.reassemble("t", messages, position, RowDecoder(Tick))
    return [(batch.partition, batch.offset, batch.end, isinstance(batch.body, TickBatch)) for batch in batches], len(
        held
    )


def test_consecutive_records_become_one_batch_for_each_partition():
    """Interleaved partitions are told apart; watermarks stand alone."""
    values = encode_rows(ticks(10))
    messages = [message(offset, values[offset], offset % 2) for offset in (0, 1)]
    messages += [message(1, values[2]), message(2, values[3], 1), control(2), message(3, values[4])]
    assert reassembled(messages, {0: 0, 1: 1}) == (
        [(0, 0, 2, True), (0, 2, 3, False), (0, 3, 4, True), (1, 1, 3, True)],
        0,
    )


def test_a_gap_in_the_offsets_splits_the_batch():
    """Kafka may leave offsets out; a batch's records are always consecutive."""
    values = encode_rows(ticks(5))
    messages = [message(offset, values[index]) for index, offset in enumerate((0, 1, 5, 6, 9))]
    assert reassembled(messages, {0: 0}) == ([(0, 0, 2, True), (0, 5, 7, True), (0, 9, 10, True)], 0)


def test_records_before_the_position_and_of_other_partitions_are_left():
    """What was delivered already, or belongs to another member, is not delivered."""
    values = encode_rows(ticks(6))
    messages = [message(offset, values[offset]) for offset in range(6)] + [message(0, values[0], 4)]
    assert reassembled(messages, {0: 4}) == ([(0, 4, 6, True)], 0)


def test_what_lies_behind_an_unreadable_record_is_held():
    """Its partition stops before it; others go on."""
    values = encode_rows(ticks(4))
    messages = [message(0, values[0]), message(1, b"{"), message(2, values[2]), control(3), message(0, values[3], 1)]
    assert reassembled(messages, {0: 0, 1: 0}) == ([(0, 0, 1, True), (1, 0, 1, True)], 3)
    error = kafka_messages.unreadable("t", messages[1], RowDecoder(Tick))
    assert (error.topic, error.partition, error.offset, error.key, error.data) == ("t", 0, 1, "NSE:X", b"{")


def test_a_watermark_is_recognised_by_its_header_alone():
    """A null key without the header is data; a key beside the header is no matter."""
    value = encode_rows(ticks(1))[0]
    keyed = message(1, encode_watermark(watermark(1)), headers=[("kind", b"watermark")])
    messages = [message(0, value, key=None), keyed, message(2, value)]
    assert reassembled(messages, {0: 0}) == ([(0, 0, 1, True), (0, 1, 2, False), (0, 2, 3, True)], 0)
    assert kafka_messages.read_watermark(keyed) == watermark(1)
    assert kafka_messages.read_watermark(messages[0]) is None


@pytest.mark.parametrize("missing", ["confluent_kafka", "aiokafka"])
def test_without_a_client_the_engine_says_what_to_install(missing):
    """Importing the engine raises Misconfigured with the command to run."""
    program = f"import sys; sys.modules['{missing}'] = None; import niftyflow.bus; import niftyflow.bus.kafka"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "needs confluent-kafka and aiokafka: pip install 'niftyflow[cluster]'" in done.stderr
