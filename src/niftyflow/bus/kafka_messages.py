"""Kafka messages back into batches: runs of a partition become columnar bodies, watermarks stand alone.

A gap in the offsets, a watermark or an unreadable record ends a run. What lies behind an unreadable record of a
partition is handed back, to be read after the reader was told. It never drops a record that is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from niftyflow.bus.json_records import RowDecoder, decode_watermark
from niftyflow.bus.kafka_client import Message
from niftyflow.bus.port import Batch, UnreadableRecord, count_of
from niftyflow.bus.topics import HEADER_KIND, WATERMARK_KIND
from niftyflow.model import DecodeError, Watermark

_WATERMARK_HEADER: Final = (HEADER_KIND, WATERMARK_KIND.encode())


class Reassembled(NamedTuple):
    """Batches to deliver, and the messages from each partition's first unreadable record on."""

    batches: list[Batch]
    held: list[Message]


def reassemble(
    topic: str, messages: Sequence[Message], position: Mapping[int, int], decoder: RowDecoder
) -> Reassembled:
    """Return the batches of the messages at or after `position`; partitions without a position are not ours."""
    batches: list[Batch] = []
    held: list[Message] = []
    for partition, run in _by_partition(messages, position).items():
        at = 0
        while at < len(run):
            stop = _end_of_run(run, at)
            at += _read_run(topic, partition, run[at:stop], decoder, batches)
            if at < stop:
                held += run[at:]
                break
    return Reassembled(batches, held)


def is_watermark(message: Message) -> bool:
    """Return whether the headers say that this is a control record."""
    return _WATERMARK_HEADER in (message.headers() or ())


def read_watermark(message: Message) -> Watermark | None:
    """Return the watermark that a message is, or None when it is something else or cannot be read."""
    if not is_watermark(message):
        return None
    try:
        return decode_watermark(message.value() or b"")
    except DecodeError:
        return None


def unreadable(topic: str, message: Message, decoder: RowDecoder) -> UnreadableRecord:
    """Return the error that tells of a record that cannot be read."""
    value, key = message.value() or b"", message.key() or b""
    reason = "it cannot be read"
    try:
        if is_watermark(message):
            decode_watermark(value)
        elif (error := decoder.decode([value]).error) is not None:
            reason = error.reason
    except DecodeError as error:
        reason = error.reason
    return UnreadableRecord(
        reason, value, topic=topic, partition=message.partition() or 0, offset=message.offset() or 0,
        key=key.decode("utf-8", "replace"),
    )  # fmt: skip


def _by_partition(messages: Sequence[Message], position: Mapping[int, int]) -> dict[int, list[Message]]:
    runs: dict[int, list[Message]] = {partition: [] for partition in position}
    for message in messages:
        run = runs.get(message.partition() or 0)
        if run is not None:
            run.append(message)
    for partition, run in runs.items():
        if run and _offset(run[0]) < position[partition]:
            runs[partition] = [message for message in run if _offset(message) >= position[partition]]
    return runs


def _offset(message: Message) -> int:
    return message.offset() or 0


def _end_of_run(run: Sequence[Message], begin: int) -> int:
    """Return the index after the data records with consecutive offsets from `begin` on; a watermark is one alone."""
    if run[begin].key() is None and is_watermark(run[begin]):
        return begin + 1
    first = _offset(run[begin])
    has_gap = _offset(run[-1]) - first != len(run) - 1 - begin
    keys = [message.key() for message in run[begin:]]
    if not has_gap and None not in keys:
        return len(run)
    for ahead in range(1, len(keys)):
        message = run[begin + ahead]
        if _offset(message) != first + ahead or (keys[ahead] is None and is_watermark(message)):
            return begin + ahead
    return len(run)


def _read_run(topic: str, partition: int, run: Sequence[Message], decoder: RowDecoder, batches: list[Batch]) -> int:
    """Add the batches of a run; return how many of its records could be read."""
    if len(run) == 1 and is_watermark(run[0]):
        return _read_control(topic, partition, run[0], batches)
    decoded = decoder.decode([message.value() or b"" for message in run])
    offset = _offset(run[0])
    for body in decoded.bodies:
        batches.append(Batch(topic, partition, offset, body))
        offset += count_of(body)
    taken = decoded.count
    if decoded.error is not None and is_watermark(run[taken]):  # another program gave its watermark a key
        control = _read_control(topic, partition, run[taken], batches)
        taken += control
        if control and taken < len(run):
            taken += _read_run(topic, partition, run[taken:], decoder, batches)
    return taken


def _read_control(topic: str, partition: int, message: Message, batches: list[Batch]) -> int:
    try:
        watermark = decode_watermark(message.value() or b"")
    except DecodeError:
        return 0
    batches.append(Batch(topic, partition, _offset(message), watermark))
    return 1
