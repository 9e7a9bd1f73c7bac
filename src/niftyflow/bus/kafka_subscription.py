"""Reading one Kafka topic: as a member of a group, or every partition as a broadcast reader.

Every call of the client that may block is made on this reader's own threads. Partitions come and go between polls:
the assignment is told before the poll that saw the change returns. Offsets are committed by hand alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from niftyflow.bus.collector import PAUSE
from niftyflow.bus.json_records import RowDecoder
from niftyflow.bus.kafka_client import (
    OFFSET_INVALID,
    Consumer,
    ErrorLog,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
    code_of,
    is_not_permitted,
    refusal_of,
    unavailable,
)
from niftyflow.bus.kafka_cluster import ASK_SECONDS, KafkaCluster
from niftyflow.bus.kafka_messages import Reassembled, reassemble, unreadable
from niftyflow.bus.port import Assignment, Batch, Position, Start
from niftyflow.kit import metrics
from niftyflow.kit.log import get_logger
from niftyflow.model import Refused, Unavailable

T = TypeVar("T")
log = get_logger(__name__)

COMMIT_SECONDS: Final = 30.0
READ_RECORDS: Final = 10_000  # taken from the client at once: more would only be more objects alive at a time
_NOT_A_MEMBER: Final = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
}


@dataclass(frozen=True, slots=True)
class _Change:
    """Partitions that came, each with where reading begins, or (None) that left."""

    partitions: list[int]
    begins: dict[int, int] | None


class KafkaSubscription:
    """One reader of one topic."""

    def __init__(
        self, cluster: KafkaCluster, topic: str, group: str | None, start: Start, assignment: Assignment | None
    ) -> None:
        self._cluster = cluster
        self._topic = topic
        self._name = cluster.name(topic)
        self._group = group
        self._start = start
        self._assignment = assignment
        self._decoder = RowDecoder(cluster.topic(topic).record)
        self._position: dict[int, int] = {}
        self._changes: list[_Change] = []
        self._held: list[Message] = []
        self._taking: asyncio.Future[Reassembled] | None = None
        self._consumer: Consumer | None = None
        self._away = ""
        self._errors = ErrorLog(topic=topic)
        self._must_restart = False
        self._has_begun = False
        self._is_open = True
        self._reading = ThreadPoolExecutor(1, thread_name_prefix=f"kafka-read-{topic}")
        self._asking = ThreadPoolExecutor(1, thread_name_prefix=f"kafka-ask-{topic}")

    async def begin(self) -> None:
        """Join the group, or take every partition.

        Raises:
            Unavailable: the cluster does not answer.
        """
        await self._on(self._reading, self._begin)
        await self._tell_changes()

    async def poll(self, max_records: int = 50_000, timeout_seconds: float = 0.5) -> list[Batch]:
        """Return what is there; wait up to `timeout_seconds` when nothing is.

        Raises:
            Unavailable: the cluster is away.
            UnreadableRecord: a record is not what the contract says; the position is past it.
        """
        if not self._is_open:
            raise Refused(f"this reader of {self._topic} is closed")
        if self._taking is None:  # a cancelled poll leaves its taking to the next one: nothing read is lost
            loop = asyncio.get_running_loop()
            self._taking = loop.run_in_executor(self._reading, self._take, max_records, timeout_seconds)
        await asyncio.wait([self._taking])
        await self._tell_changes()
        taking, self._taking = self._taking, None
        batches, self._held = taking.result()
        for batch in batches:
            self._position[batch.partition] = batch.end
        if self._held and not batches:
            self._raise_unreadable(self._held.pop(0))
        return batches

    def position(self) -> Position:
        """Return the offset after the last record polled, for each partition that is ours."""
        return dict(self._position)

    async def commit(self, position: Position) -> None:
        """Store the group's position for the partitions that are ours.

        A commit that comes too late, when the group has given our partitions away, is dropped and told: whoever has
        them now reads from the commit before.

        Raises:
            Refused: this is a broadcast reader.
            Unavailable: the cluster is away.
        """
        if self._group is None or not self._is_open:
            raise Refused(f"this reader of {self._topic} has no group to commit for, or is closed")
        offsets = [
            TopicPartition(self._name, partition, offset)
            for partition, offset in position.items()
            if partition in self._position
        ]
        if offsets:
            await self._on(self._asking, lambda: self._commit(offsets), COMMIT_SECONDS)

    async def lag(self) -> Mapping[int, int]:
        """Return how many records lie behind the position of each partition that is ours."""
        position = dict(self._position)
        if not position:
            return {}
        ends = await self._on(self._asking, lambda: self._cluster.ends(self._topic, list(position)))
        return {partition: max(0, ends[partition] - offset) for partition, offset in position.items()}

    async def close(self) -> None:
        """Leave the group; nothing is committed."""
        if not self._is_open:
            return
        self._is_open = False
        if self._taking is not None:
            await asyncio.gather(self._taking, return_exceptions=True)
        await self._on(self._reading, self._disconnect)
        self._reading.shutdown()
        self._asking.shutdown()
        owned = sorted(self._position)
        if owned and self._assignment is not None:
            await self._assignment.revoked(owned)

    async def _on(self, thread: ThreadPoolExecutor, work: Callable[[], T], seconds: float = 2 * COMMIT_SECONDS) -> T:
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.get_running_loop().run_in_executor(thread, work)
        except TimeoutError as error:
            raise Unavailable(f"Kafka at {self._cluster.servers}", f"no answer within {seconds:g} s") from error

    async def _tell_changes(self) -> None:
        while self._changes:
            change = self._changes.pop(0)
            if self._assignment is None:
                continue
            if change.begins is None:
                await self._assignment.revoked(change.partitions)
            else:
                await self._assignment.assigned(change.begins)

    def _raise_unreadable(self, message: Message) -> None:
        self._position[message.partition() or 0] = (message.offset() or 0) + 1
        metrics.BUS_ERRORS.labels(type="unreadable").inc()
        raise unreadable(self._topic, message, self._decoder)

    # From here on everything runs on this reader's threads, most of it inside the client's `consume`.

    def _begin(self) -> None:
        try:
            self._connected()
        except KafkaException as error:
            raise unavailable(self._cluster.servers, error) from error

    def _connect(self) -> Consumer:
        settings = self._cluster.consumer_settings(self._group or "broadcast")
        consumer = Consumer(settings | {"error_cb": self._note_error})
        self._must_restart = False
        if self._group is not None:
            consumer.subscribe([self._name], on_assign=self._came, on_revoke=self._went, on_lost=self._went)
            return consumer
        everything = [TopicPartition(self._name, each) for each in range(self._cluster.partitions(self._topic))]
        begins = self._position or self._begins(consumer, everything)  # a broadcast reader goes on after a restart
        consumer.assign([TopicPartition(self._name, partition, offset) for partition, offset in begins.items()])
        if not self._position:
            self._take_over(begins)
        return consumer

    def _disconnect(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _take(self, max_records: int, timeout_seconds: float) -> Reassembled:
        if self._held:
            return reassemble(self._topic, self._held, self._position, self._decoder)
        try:
            consumer = self._connected()
            first = consumer.consume(1, timeout_seconds)  # returns with it; asking for more would wait for all
            with PAUSE:
                return self._taken(consumer, first, max_records)
        except KafkaException as error:
            self._must_restart = True
            raise unavailable(self._cluster.servers, error) from error

    def _connected(self) -> Consumer:
        if self._must_restart:
            self._disconnect()
            if self._group is not None:
                self._went(None, [TopicPartition(self._name, partition) for partition in self._position])
        if self._consumer is None:
            self._consumer = self._connect()
        return self._consumer

    def _taken(self, consumer: Consumer, first: list[Message], max_records: int) -> Reassembled:
        """Take what is there beside the first; all of these messages are gone when this returns, but those held."""
        messages = first
        if first and max_records > 1:
            told = len(self._changes)
            messages = consumer.consume(min(max_records, READ_RECORDS) - 1, 0)
            if not any(first[0].partition() in change.partitions for change in self._changes[told:]):
                messages = first + messages  # else its partition left meanwhile, and may be back from before it
        good = [message for message in messages if message.error() is None]
        if len(good) < len(messages):
            self._see_errors(consumer, [message for message in messages if message.error() is not None])
        away, self._away = self._away, ""  # raised once for each time the client says so
        if not good and (away or self._must_restart):
            metrics.BUS_ERRORS.labels(type="unavailable").inc()
            raise Unavailable(f"Kafka at {self._cluster.servers}", away or "the group cannot be joined")
        return reassemble(self._topic, good, self._position, self._decoder)

    def _see_errors(self, consumer: Consumer, messages: Sequence[Message]) -> None:
        for message in messages:
            error, partition = message.error(), message.partition()
            if error is None:
                continue
            if error.code() == KafkaError._AUTO_OFFSET_RESET and partition in self._position:  # noqa: SLF001 - public
                self._go_to_oldest(consumer, partition)
            elif is_not_permitted(error.code()):
                self._away = error.str()
            else:
                metrics.BUS_ERRORS.labels(type="client").inc()
                log.warning("kafka_reader_error", topic=self._topic, reason=error.str())

    def _go_to_oldest(self, consumer: Consumer, partition: int) -> None:
        """Go on from the oldest record kept: retention has taken the ones at our position."""
        low, _ = consumer.get_watermark_offsets(TopicPartition(self._name, partition), timeout=ASK_SECONDS)
        self._report_expired(partition, self._position[partition], low)
        self._position[partition] = low
        consumer.seek(TopicPartition(self._name, partition, low))

    def _came(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if not partitions:
            return
        try:
            begins = self._begins(consumer, partitions)
        except KafkaException as error:
            # Reading would begin somewhere we do not know: leave and join again when the cluster answers.
            log.warning("kafka_assignment_failed", topic=self._topic, reason=str(error))
            self._must_restart = True
            return
        consumer.incremental_assign([TopicPartition(self._name, each, offset) for each, offset in begins.items()])
        self._take_over(begins)

    def _went(self, consumer: Any, partitions: list[TopicPartition]) -> None:  # noqa: ARG002 - the client's signature
        gone = sorted(each.partition for each in partitions if each.partition in self._position)
        if not gone or not self._is_open:
            return
        for partition in gone:
            del self._position[partition]
        self._changes.append(_Change(gone, None))

    def _take_over(self, begins: dict[int, int]) -> None:
        self._has_begun = True
        self._position.update(begins)
        self._changes.append(_Change(sorted(begins), dict(begins)))

    def _begins(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> dict[int, int]:
        """Return where reading begins; partitions that come later, from another member, go on from its commit."""
        committed = {each.partition: OFFSET_INVALID for each in partitions}
        if self._group is not None and (self._has_begun or self._start is Start.COMMITTED):
            found = consumer.committed(list(partitions), timeout=ASK_SECONDS)
            committed |= {each.partition: each.offset for each in found}
        begins = {}
        for each in partitions:
            low, high = consumer.get_watermark_offsets(each, timeout=ASK_SECONDS)
            begin = committed[each.partition]
            if begin < 0:
                begin = high if self._start is Start.LATEST else low
            elif not low <= begin <= high:
                self._report_expired(each.partition, begin, low)
                begin = low
            begins[each.partition] = begin
        return begins

    def _report_expired(self, partition: int, position: int, goes_on_at: int) -> None:
        metrics.BUS_ERRORS.labels(type="position_expired").inc()
        log.warning(
            "position_expired", topic=self._topic, partition=partition, position=position, goes_on_at=goes_on_at
        )

    def _commit(self, offsets: list[TopicPartition]) -> None:
        consumer = self._consumer
        if consumer is None:
            return
        try:
            consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            if code_of(error) not in _NOT_A_MEMBER:
                raise unavailable(self._cluster.servers, error) from error
            metrics.BUS_ERRORS.labels(type="commit_dropped").inc()
            log.warning("kafka_commit_dropped", topic=self._topic, group=self._group, reason=str(error))

    def _note_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - its public name
            self._away = self._away or "no broker answers"
        elif refusal_of(self._cluster.servers, error) is not None:
            self._away = error.str()
        self._errors.note(error)
