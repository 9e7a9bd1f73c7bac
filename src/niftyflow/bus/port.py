"""The bus as stages see it: durable, ordered batches of one topic, read by position.

A topic is split into partitions; a partition is a sequence of records with consecutive offsets from 0. Data records
travel in columnar bodies, a `Watermark` is a control record with an offset of its own. A position is a vector: for
each partition, the offset of the next record to read. The port never waits for a reader: a slow group reads later.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from niftyflow.model import CandleBatch, DeadLetter, DecodeError, ScorecardBatch, TickBatch, Watermark

Body = TickBatch | CandleBatch | ScorecardBatch | Watermark | tuple[msgspec.Struct, ...]
"""What one batch holds: rows of columns, one control record, or plain records (dead letters, commands …)."""

Position = Mapping[int, int]
"""Partition → offset of the next record."""


def count_of(body: Body) -> int:
    """Return how many records (offsets) a body takes."""
    return 1 if isinstance(body, Watermark) else len(body)


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of one partition, `offset` being that of the first."""

    topic: str
    partition: int
    offset: int
    body: Body

    @property
    def end(self) -> int:
        """Offset of the record after the last one."""
        return self.offset + count_of(self.body)


class UnreadableRecord(DecodeError):
    """Stored bytes that cannot be read: `count` records from `offset` on; the reader's position is past them."""

    def __init__(
        self, reason: str, data: bytes, *, topic: str, partition: int, offset: int, count: int = 1, key: str = ""
    ) -> None:
        super().__init__(reason, data)
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.count = count
        self.key = key


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's name, what it carries and how long it is kept."""

    name: str
    record: Any
    """A struct, or a union of tagged ones."""
    partitions: int
    retention_ms: int
    retention_bytes: int
    key: Callable[[msgspec.Struct], str]
    """Key of a plain record; columnar bodies are keyed by instrument."""


class Start(StrEnum):
    """Where a reader begins when nothing is committed for it, or when it asks."""

    COMMITTED = "committed"  # the group's commit; the beginning when there is none
    EARLIEST = "earliest"
    LATEST = "latest"


class Assignment(Protocol):
    """Told when partitions come to, or leave, a subscription; both are awaited before reading goes on."""

    async def assigned(self, partitions: Mapping[int, int]) -> None:
        """Partitions now ours, each with the offset at which reading begins."""
        ...

    async def revoked(self, partitions: Sequence[int]) -> None:
        """Partitions no longer ours; their state must be dropped."""
        ...


class Subscription(Protocol):
    """One reader of one topic."""

    async def poll(self, max_records: int = 50_000, timeout_seconds: float = 0.5) -> list[Batch]:
        """Return what is there, in order for each partition; wait up to `timeout_seconds` when nothing is.

        A poll never cuts a stored batch in two unless the position lies inside it.

        Raises:
            Retryable: the bus is away.
            UnreadableRecord: a `DecodeError`: a stored record cannot be read. Every record before it was returned by
                an earlier poll, the position has moved past it, and the next poll goes on behind it.
        """
        ...

    def position(self) -> Position:
        """Return the position after the last record polled."""
        ...

    async def commit(self, position: Position) -> None:
        """Store the group's position (broadcast readers have none to store: refused).

        Raises:
            Retryable: the bus is away.
            Refused: this is a broadcast subscription.
        """
        ...

    async def lag(self) -> Mapping[int, int]:
        """Return, for each partition, how many records lie behind the position (from position, not commit)."""
        ...

    async def close(self) -> None:
        """Leave; nothing is committed by leaving."""
        ...


class Bus(Protocol):
    """A durable log of topics."""

    async def open(self) -> None:
        """Connect, and create or check the topics."""
        ...

    async def close(self) -> None:
        """Flush what was accepted and disconnect."""
        ...

    def partitions(self, topic: str) -> int:
        """Return the number of partitions of a topic (1 in the embedded engine)."""
        ...

    def partition_of(self, topic: str, key: str) -> int:
        """Return the partition that records of `key` go to."""
        ...

    async def publish(self, topic: str, bodies: Sequence[Body], partition: int | None = None) -> None:
        """Append the bodies in order; return when they are durable.

        With `partition` all of it goes there; without, each record goes to its key's partition (a watermark then
        needs none: it goes to `watermark.partition`). On the embedded engine one call is one transaction.

        Raises:
            Retryable: the bus is away; nothing, or on Kafka a part, was appended: publish again.
        """
        ...

    async def subscribe(
        self, topic: str, *, group: str | None, start: Start = Start.COMMITTED, assignment: Assignment | None = None
    ) -> Subscription:
        """Begin reading: as a member of `group`, or (None) as a broadcast reader of every partition."""
        ...

    async def end(self, topic: str) -> Position:
        """Return each partition's next offset."""
        ...

    async def last_watermark(self, topic: str, partition: int, before: int | None = None) -> Watermark | None:
        """Return the last watermark of a partition, or the last one before an offset; None when it has none."""
        ...

    async def read_dead_letters(self, topic: str) -> list[tuple[int, DeadLetter]]:
        """Return (offset, letter) of every dead letter kept for `topic`, oldest first."""
        ...


Effect = Callable[[], Awaitable[None]]
