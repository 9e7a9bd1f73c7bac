"""The Apache Kafka engine of the bus: topics spread over partitions by instrument, groups that share them.

Importing this module needs confluent-kafka and aiokafka (`pip install 'niftyflow[cluster]'`) and says so where they are
missing. It writes JSON as the contracts spell it, one record a message, so that any program can read along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any, Final, TypeVar
from weakref import WeakSet

from niftyflow.bus.json_records import RowDecoder
from niftyflow.bus.kafka_cluster import ASK_SECONDS, KafkaCluster
from niftyflow.bus.kafka_messages import read_watermark
from niftyflow.bus.kafka_producer import Addressed, KafkaProducer
from niftyflow.bus.kafka_subscription import KafkaSubscription
from niftyflow.bus.kafka_topics import BROKER_DEFAULT, KafkaTopics
from niftyflow.bus.partitioner import partition_for
from niftyflow.bus.port import Assignment, Body, Position, Start, Topic, count_of
from niftyflow.bus.settings import KafkaSecurity
from niftyflow.bus.survey import TopicState
from niftyflow.bus.topics import DEAD_LETTER_PREFIX, TOPICS, refuse_body, with_dead_letters
from niftyflow.kit.log import get_logger
from niftyflow.model import DeadLetter, InvalidValue, Refused, Tick, TickBatch, Unavailable, Watermark

T = TypeVar("T")
log = get_logger(__name__)

CALL_SECONDS: Final = 60.0
FIRST_LOOK_BACK: Final = 1_000
ALL: Final = 2**63 - 1


class KafkaBus:
    """A `Bus` on a Kafka cluster.

    `servers` is a list like `host:9092,host:9092`; `prefix` goes before every topic and group; `partitions` replaces
    the declared number of the topics that have more than one; `replication` is how many copies new topics get (-1: as
    the brokers do); `client` holds further settings of the readers, in
    librdkafka's names.
    """

    def __init__(
        self,
        servers: str,
        topics: Sequence[Topic] = TOPICS,
        *,
        prefix: str = "",
        partitions: int | None = None,
        replication: int = BROKER_DEFAULT,
        source: str = "niftyflow",
        delivery_timeout_seconds: float = 15.0,
        security: KafkaSecurity | None = None,
        client: Mapping[str, Any] | None = None,
        ask_seconds: float = ASK_SECONDS,
    ) -> None:
        self._cluster = KafkaCluster(
            servers, with_dead_letters(tuple(topics)), prefix=prefix, partitions=partitions, source=source,
            security=security or KafkaSecurity(), client=client or {}, ask_seconds=ask_seconds,
        )  # fmt: skip
        self._topics = KafkaTopics(self._cluster, replication)
        self._source = source
        self._delivery_timeout_seconds = delivery_timeout_seconds
        self._producers: dict[str, KafkaProducer] = {}
        self._subscriptions: WeakSet[KafkaSubscription] = WeakSet()
        self._is_open = False

    async def open(self) -> None:
        """Connect; make the topics that are missing, check the others.

        Raises:
            Unavailable: no broker answers.
            Misconfigured: brokers refuse us, or a topic cannot be worked with; the message says what to do.
        """
        await self.connect()
        async with AsyncExitStack() as unless_it_works:
            unless_it_works.push_async_callback(self.close)
            await self.make_topics()
            await self._run(self._topics.check)
            unless_it_works.pop_all()

    async def connect(self) -> None:
        """Connect, and leave the topics as they are: what `survey` and `make_topics` need.

        Raises:
            Unavailable: no broker answers.
            Misconfigured: brokers refuse us; the message says what to do.
        """
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="kafka")
        self._is_open = True
        async with AsyncExitStack() as unless_it_connects:
            unless_it_connects.push_async_callback(self.close)
            await self._run(self._cluster.connect)
            unless_it_connects.pop_all()

    async def make_topics(self) -> list[str]:
        """Make the topics that are missing; return their names on the cluster.

        Raises:
            Unavailable: the cluster does not answer.
            Misconfigured: it makes none; the message says what to do.
        """
        return await self._run(self._topics.make_missing)

    async def survey(self, readers: Mapping[str, Sequence[str]]) -> list[TopicState]:
        """Return the state of every topic, and of the groups that `readers` names for it.

        Raises:
            Unavailable: the cluster does not answer.
        """
        return await self._run(lambda: self._topics.survey(readers))

    async def close(self) -> None:
        """Close the readers still open, send what was accepted, and disconnect."""
        if not self._is_open:
            return
        for subscription in list(self._subscriptions):
            await subscription.close()
        self._is_open = False
        while self._producers:
            _, producer = self._producers.popitem()
            await producer.close()
        self._pool.shutdown()

    def partitions(self, topic: str) -> int:
        """Return the number of partitions of a topic."""
        return self._cluster.partitions(topic)

    def partition_of(self, topic: str, key: str) -> int:
        """Return the partition that records of `key` go to, as the Java client would."""
        return partition_for(key, self._cluster.partitions(topic))

    async def publish(self, topic: str, bodies: Sequence[Body], partition: int | None = None) -> None:
        """Send the bodies in order; return when every record is acknowledged by all replicas in sync.

        Raises:
            Unavailable: part of it was not; publish again.
            InvalidValue: no such topic or partition, or a body the topic does not carry.
        """
        declared = self._cluster.topic(topic)
        for body in bodies:
            refuse_body(declared, body)
            goes_to = body.partition if partition is None and isinstance(body, Watermark) else partition
            if goes_to is not None and not 0 <= goes_to < self.partitions(topic):
                raise InvalidValue("partition", goes_to, f"{topic} has {self.partitions(topic)} partitions, from 0")
        bodies = [body for body in bodies if count_of(body)]
        if bodies:
            await self._producer(declared).append(Addressed(bodies, partition))

    async def subscribe(
        self, topic: str, *, group: str | None, start: Start = Start.COMMITTED, assignment: Assignment | None = None
    ) -> KafkaSubscription:
        """Begin reading; a group's partitions come with the first polls, a broadcast reader has all at once.

        `start` decides for the first partitions that come; later ones go on from what the group has committed.
        """
        self._need_open()
        self._cluster.topic(topic)
        subscription = KafkaSubscription(self._cluster, topic, group, start, assignment)
        self._subscriptions.add(subscription)
        async with AsyncExitStack() as unless_it_begins:
            unless_it_begins.push_async_callback(subscription.close)
            await subscription.begin()
            unless_it_begins.pop_all()
        return subscription

    async def end(self, topic: str) -> Position:
        """Return each partition's next offset."""
        partitions = range(self._cluster.partitions(topic))
        return await self._run(lambda: self._cluster.ends(topic, partitions))

    async def last_watermark(self, topic: str, partition: int, before: int | None = None) -> Watermark | None:
        """Return the last watermark of a partition, looking back from its end or an offset; None when it has none."""
        if not 0 <= partition < self._cluster.partitions(topic):
            raise InvalidValue("partition", partition, f"{topic} has {self.partitions(topic)} partitions, from 0")
        return await self._run(lambda: self._look_back(topic, partition, before))

    async def ticks_from(self, topic: str, partition: int, sequence: int) -> list[int]:
        """Return the sequences from `sequence` on of a partition's ticks, as far as they lie behind older ones.

        Raises:
            Unavailable: the cluster does not answer.
        """
        return await self._run(lambda: self._ticks_from(topic, partition, sequence))

    async def read_dead_letters(self, topic: str) -> list[tuple[int, DeadLetter]]:
        """Return (offset, letter) of every dead letter kept for `topic`, oldest first."""
        name = self._cluster.topic(DEAD_LETTER_PREFIX + topic).name
        return await self._run(lambda: self._letters(name))

    def _producer(self, topic: Topic) -> KafkaProducer:
        self._need_open()
        producer = self._producers.get(topic.name)
        if producer is None:
            producer = KafkaProducer(self._cluster, topic, self._source, self._delivery_timeout_seconds)
            self._producers[topic.name] = producer
        return producer

    def _need_open(self) -> None:
        if not self._is_open:
            raise Refused("the bus is not open")

    async def _run(self, work: Callable[[], T]) -> T:
        self._need_open()
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except TimeoutError as error:
            raise Unavailable(f"Kafka at {self._cluster.servers}", f"no answer within {CALL_SECONDS:g} s") from error

    def _look_back(self, topic: str, partition: int, before: int | None) -> Watermark | None:
        look_back = FIRST_LOOK_BACK
        while True:
            messages, has_older = self._cluster.tail(topic, partition, look_back, before)
            last = next(filter(None, map(read_watermark, reversed(messages))), None)
            if last is not None or not has_older:
                return last
            look_back *= 10

    def _ticks_from(self, topic: str, partition: int, sequence: int) -> list[int]:
        decoder, look_back = RowDecoder(Tick), FIRST_LOOK_BACK
        while True:
            messages, has_older = self._cluster.tail(topic, partition, look_back)
            values = [message.value() or b"" for message in messages if read_watermark(message) is None]
            ticks = [body for body in decoder.decode(values).bodies if isinstance(body, TickBatch)]
            found = [number for batch in ticks for number in batch.sequence.tolist()]
            if not has_older or min(found, default=sequence) < sequence:
                return [number for number in found if number >= sequence]
            look_back *= 10

    def _letters(self, topic: str) -> list[tuple[int, DeadLetter]]:
        decoder = RowDecoder(DeadLetter)
        letters: list[tuple[int, DeadLetter]] = []
        messages, _ = self._cluster.tail(topic, 0, ALL)
        for message in messages:
            decoded = decoder.decode([message.value() or b""])
            offset = message.offset() or 0
            if decoded.error is not None:
                log.warning("dead_letter_unreadable", topic=topic, offset=offset, reason=decoded.error.reason)
            for body in decoded.bodies:
                if isinstance(body, tuple):
                    letters += [(offset, letter) for letter in body if isinstance(letter, DeadLetter)]
        return letters
