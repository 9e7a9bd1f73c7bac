"""Records of several partitions decoded together are those decoded one partition after the other, trouble and all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.bus.json_records import RowDecoder, encode_rows, encode_watermark
from niftyflow.model import Tick, TickBatch
from support.buses import ticks, watermark

confluent_kafka = pytest.importorskip("confluent_kafka", reason="the kafka extra is not installed")
kafka_messages = pytest.importorskip("niftyflow.bus.kafka_messages")

VALUES = encode_rows(ticks(200))
KINDS = ("tick", "tick", "tick", "mark", "gap", "bad tick", "bad mark", "foreign")
PLACES = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(KINDS)), max_size=60)


def messages_of(places):
    """Return messages of these partitions and kinds, each partition's offsets counted up."""
    offsets = dict.fromkeys(range(4), 0)
    messages = []
    for number, (partition, kind) in enumerate(places):
        if kind == "gap":
            offsets[partition] += 3
            continue
        headers = {"mark": [("kind", b"watermark")], "bad mark": [("kind", b"watermark")], "foreign": [("kind", b"x")]}
        values = {"mark": encode_watermark(watermark(number, partition)), "bad mark": b"{", "bad tick": b"{"}
        messages.append(
            confluent_kafka.Message(
                topic="t", partition=partition, offset=offsets[partition], key=b"NSE:X",
                value=values.get(kind, VALUES[number]), headers=headers.get(kind, []), error=None, timestamp=(0, 0),
                latency=0.0, leader_epoch=0,
            )
        )  # fmt: skip
        offsets[partition] += 1
    return messages


def told(messages):
    """Return what becomes of messages: batches with their content, and the offsets held back."""
    batches, held = kafka_messages.reassemble("t", messages, dict.fromkeys(range(4), 0), RowDecoder(Tick))
    content = [
        (
            each.partition,
            each.offset,
            each.end,
            encode_rows(each.body) if isinstance(each.body, TickBatch) else each.body,
        )
        for each in batches
    ]
    return content, [(each.partition(), each.offset()) for each in held]


@given(PLACES)
def test_together_is_as_one_after_the_other(places):
    """The same batches with the same ticks, and the same records held back."""
    messages = messages_of(places)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kafka_messages, "SEVERAL", 1_000)
        expected = told(messages)
    assert told(messages) == expected
