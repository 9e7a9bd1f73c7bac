"""Kafka messages back into batches: runs of a partition become columnar bodies, watermarks stand alone.

A gap in the offsets, a watermark or an unreadable record ends a run. What lies behind an unreadable record of a
partition is handed back, to be read after the reader was told. It never drops a record that is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, auto
from itertools import accumulate, chain, compress, repeat
from typing import Any, Final, NamedTuple

from niftyflow.bus.json_records import Decoded, RowDecoder, decode_watermark
from niftyflow.bus.kafka_client import Message
from niftyflow.bus.port import Batch, Body, UnreadableRecord, count_of
from niftyflow.bus.topics import HEADER_KIND, HEADER_VERSION, MESSAGE_VERSION, WATERMARK_KIND
from niftyflow.model import DecodeError, Watermark, rows_of

_NEWEST: Final = int(MESSAGE_VERSION)
_DIGITS: Final = 9
SEVERAL: Final = 2
"""Partitions from which on their records are decoded together."""


class Reassembled(NamedTuple):
    """Batches to deliver, and the messages from each partition's first unreadable record on."""

    batches: list[Batch]
    held: list[Message]


class _Run(NamedTuple):
    """A partition's messages in order, and what each is."""

    partition: int
    messages: Sequence[Message]
    kinds: Sequence[_Kind]


Decode = Callable[[Sequence[Message]], Decoded]
"""Decodes data records; asked for all of them in order, up to each partition's first that cannot be read."""


class _Kind(Enum):
    """What the headers say a message is."""

    DATA = auto()
    CONTROL = auto()
    FOREIGN = auto()


def reassemble(
    topic: str, messages: Sequence[Message], position: Mapping[int, int], decoder: RowDecoder
) -> Reassembled:
    """Return the batches of the messages at or after `position`; partitions without a position are not ours."""
    batches: list[Batch] = []
    held: list[Message] = []
    runs = [_Run(partition, run, _kinds(run)) for partition, run in _by_partition(messages, position).items() if run]

    def one_by_one(run: Sequence[Message]) -> Decoded:
        return decoder.decode(_values(run))

    for run, decode in zip(runs, _decoded_together(runs, decoder) or repeat(one_by_one), strict=False):
        held += run.messages[_read(topic, run, decode, batches) :]
    return Reassembled(batches, held)


def read_watermark(message: Message) -> Watermark | None:
    """Return the watermark that a message is, or None when it is something else or cannot be read."""
    if _kind_of(message.headers()) is not _Kind.CONTROL:
        return None
    try:
        return decode_watermark(message.value() or b"")
    except DecodeError:
        return None


def unreadable(topic: str, message: Message, decoder: RowDecoder) -> UnreadableRecord:
    """Return the error that tells of a record that cannot be read."""
    value, key = message.value() or b"", message.key() or b""
    reason = _trouble_with(message.headers()) or "it cannot be read"
    try:
        kind = _kind_of(message.headers())
        if kind is _Kind.CONTROL:
            decode_watermark(value)
        elif kind is _Kind.DATA and (error := decoder.decode([value]).error) is not None:
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


def _decoded_together(runs: Sequence[_Run], decoder: RowDecoder) -> list[Decode] | None:
    """Return for each run how its records are had, decoded together: a row of each partition costs as much as all.

    None where they have to be decoded one run after the other: one of them is bad, or they are of several kinds.
    """
    if len(runs) < SEVERAL:
        return None
    data = [_values(compress(run.messages, (kind is _Kind.DATA for kind in run.kinds))) for run in runs]
    decoded = decoder.decode(list(chain.from_iterable(data)))
    if decoded.error is not None or len(decoded.bodies) != 1:
        return None
    begins = accumulate(map(len, data), initial=0)
    return [_Part(decoded.bodies[0], begin) for begin, _ in zip(begins, data, strict=False)]


class _Part:
    """The records of one run within a body, handed out in their order."""

    def __init__(self, body: Body, begin: int) -> None:
        self._body = body
        self._next = begin

    def __call__(self, run: Sequence[Message]) -> Decoded:
        begin, self._next = self._next, self._next + len(run)
        return Decoded([rows_of(self._body, slice(begin, self._next))], len(run), None)


def _values(messages: Iterable[Message]) -> list[bytes]:
    return [message.value() or b"" for message in messages]


def _read(topic: str, run: _Run, decode: Decode, batches: list[Batch]) -> int:
    """Add the batches of a partition's messages, up to the first that cannot be read; return how many could be."""
    messages, kinds = run.messages, run.kinds
    at = 0
    while at < len(messages):
        if kinds[at] is _Kind.DATA:
            stop = _end_of_data(messages, kinds, at)
            taken = _add_data(topic, run.partition, messages[at:stop], decode, batches)
        else:
            stop = at + 1
            taken = 0 if kinds[at] is _Kind.FOREIGN else _add_control(topic, run.partition, messages[at], batches)
        at += taken
        if at < stop:
            break
    return at


def _kinds(run: Sequence[Message]) -> list[_Kind]:
    """Return what each message is; one after another mostly has the same headers, which are looked at once."""
    kinds = []
    usual, kind = None, _Kind.DATA
    for message in run:
        headers = message.headers()
        if headers != usual:
            usual, kind = headers, _kind_of(headers)
        kinds.append(kind)
    return kinds


def _kind_of(headers: Any) -> _Kind:
    if _trouble_with(headers):
        return _Kind.FOREIGN
    return _Kind.CONTROL if HEADER_KIND in dict(headers or ()) else _Kind.DATA


def _trouble_with(headers: Any) -> str:
    """Return why headers are beyond us: a version from the future, or a kind nobody has told us of."""
    told = dict(headers or ())
    version = (told.get(HEADER_VERSION) or b"").decode("utf-8", "replace")
    if HEADER_VERSION in told and not (version.isdecimal() and len(version) <= _DIGITS and int(version) <= _NEWEST):
        return f"its version is {version!r}, this program reads up to {MESSAGE_VERSION}: a newer one wrote it"
    kind = (told.get(HEADER_KIND) or b"").decode("utf-8", "replace")
    if HEADER_KIND in told and kind != WATERMARK_KIND:
        return f"its kind is {kind!r}, which this program does not know"
    return ""


def _end_of_data(run: Sequence[Message], kinds: Sequence[_Kind], begin: int) -> int:
    """Return the index after the data records with consecutive offsets from `begin` on."""
    stop = begin + 1
    while stop < len(kinds) and kinds[stop] is _Kind.DATA:
        stop += 1
    first = _offset(run[begin])
    if _offset(run[stop - 1]) - first == stop - 1 - begin:
        return stop
    ahead = 1
    while _offset(run[begin + ahead]) == first + ahead:
        ahead += 1
    return begin + ahead


def _offset(message: Message) -> int:
    return message.offset() or 0


def _add_data(topic: str, partition: int, run: Sequence[Message], decode: Decode, batches: list[Batch]) -> int:
    decoded = decode(run)
    offset = _offset(run[0])
    for body in decoded.bodies:
        batches.append(Batch(topic, partition, offset, body))
        offset += count_of(body)
    return decoded.count


def _add_control(topic: str, partition: int, message: Message, batches: list[Batch]) -> int:
    try:
        watermark = decode_watermark(message.value() or b"")
    except DecodeError:
        return 0
    batches.append(Batch(topic, partition, _offset(message), watermark))
    return 1
