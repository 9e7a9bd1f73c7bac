"""What the engine knows of a Kafka cluster: client settings, topics made or checked, ends, and short scans.

Plain blocking calls with timeouts, run on threads by their callers. It neither publishes nor joins a group.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Final

from niftyflow.bus.kafka_client import (
    EARLIEST,
    LATEST,
    AdminClient,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    NewTopic,
    TopicPartition,
    code_of,
    unavailable,
)
from niftyflow.bus.port import Topic
from niftyflow.kit.clock import monotonic
from niftyflow.kit.log import get_logger
from niftyflow.model import InvalidValue, Misconfigured, Tick, Unavailable

log = get_logger(__name__)

ASK_SECONDS: Final = 10.0
TOPICS_READY_SECONDS: Final = 30.0
TICK_LINGER_MS: Final = 5


class KafkaCluster:
    """One cluster, seen through a topic prefix."""

    def __init__(
        self, servers: str, topics: Mapping[str, Topic], *, prefix: str, partitions: int | None, replication: int,
        client: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.servers = servers
        self.topics = topics
        self._prefix = prefix
        self._partitions = partitions
        self._replication = replication
        self._common = {
            "bootstrap.servers": servers,
            "log_level": 2,
            "reconnect.backoff.max.ms": 1_000,
            "error_cb": self._note_error,
        } | dict(client)

    def topic(self, name: str) -> Topic:
        """Return a topic of ours.

        Raises:
            InvalidValue: there is none of that name.
        """
        if name not in self.topics:
            raise InvalidValue("topic", name, f"the bus has no such topic; it knows {', '.join(self.topics)}")
        return self.topics[name]

    def name(self, topic: str) -> str:
        """Return the topic's name on the cluster."""
        return self._prefix + topic

    def partitions(self, topic: str) -> int:
        """Return how many partitions the topic has."""
        declared = self.topic(topic).partitions
        return declared if declared == 1 or self._partitions is None else self._partitions

    def connect(self) -> None:
        """Make the topics that are missing and check those that are there.

        Raises:
            Unavailable: no broker answers.
            Misconfigured: a topic has another number of partitions; the message says what to do.
        """
        self._admin = AdminClient(dict(self._common))
        found = self._found()
        missing = [topic for topic in self.topics if self.name(topic) not in found]
        if missing:
            self._create(missing)
            found = self._wait_for(missing)
        for topic in self.topics:
            there, wanted = found[self.name(topic)], self.partitions(topic)
            if there != wanted:
                raise Misconfigured(
                    f"Kafka topic {self.name(topic)} has {there} partitions, {wanted} are wanted: set the number of "
                    f"partitions to {there}, use another topic prefix, or make the topic anew"
                )

    def ends(self, topic: str, partitions: Sequence[int]) -> dict[int, int]:
        """Return the next offset of each partition.

        Raises:
            Unavailable: the cluster does not answer.
        """
        return self._offsets(topic, partitions, LATEST)

    def oldest(self, topic: str, partition: int) -> int:
        """Return the offset of the oldest record kept in a partition.

        Raises:
            Unavailable: the cluster does not answer.
        """
        return self._offsets(topic, [partition], EARLIEST)[partition]

    def scan(self, topic: str, partition: int, begin: int) -> Iterator[Message]:
        """Read a partition from `begin` (or the oldest record kept) to its present end, by a consumer of its own.

        Raises:
            Unavailable: the cluster does not answer.
        """
        consumer = Consumer(self.consumer_settings("scan"))
        try:
            at = TopicPartition(self.name(topic), partition)
            low, high = consumer.get_watermark_offsets(at, timeout=ASK_SECONDS)
            begin = max(low, begin)
            consumer.assign([TopicPartition(at.topic, partition, begin)])
            deadline = monotonic() + ASK_SECONDS
            while begin < high:
                messages = [each for each in consumer.consume(1_000, 0.2) if each.error() is None]
                if messages:
                    begin = (messages[-1].offset() or 0) + 1
                    deadline = monotonic() + ASK_SECONDS
                    yield from messages
                elif monotonic() > deadline:
                    raise Unavailable(f"Kafka at {self.servers}", f"{at.topic} could not be read in time")
        except KafkaException as error:
            raise unavailable(self.servers, error) from error
        finally:
            consumer.close()

    def consumer_settings(self, group: str) -> dict[str, Any]:
        """Return the settings of a consumer that commits by hand and never starts anywhere unasked."""
        return {
            "group.id": self._prefix + group,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "partition.assignment.strategy": "cooperative-sticky",
            "max.poll.interval.ms": 600_000,
            "fetch.queue.backoff.ms": 10,  # its default lets a reader that catches up stand idle for a second
        } | self._common

    def producer_settings(self, topic: Topic, delivery_timeout_seconds: float) -> dict[str, Any]:
        """Return the settings of the topic's producer: nothing twice, nothing lost, order kept."""
        return {
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "lz4",
            "linger.ms": TICK_LINGER_MS if topic.record is Tick else 0,
            "delivery.timeout.ms": int(delivery_timeout_seconds * 1000),
            "delivery.report.only.error": True,
            "queue.buffering.max.messages": 200_000,
            "queue.buffering.max.kbytes": 131_072,
        } | self._common

    def _note_error(self, error: KafkaError) -> None:
        log.warning("kafka_client_error", servers=self.servers, reason=error.str())

    def _offsets(self, topic: str, partitions: Sequence[int], which: Any) -> dict[int, int]:
        asked = {TopicPartition(self.name(topic), partition): which for partition in partitions}
        try:
            answers = self._admin.list_offsets(asked, request_timeout=ASK_SECONDS)
            return {at.partition: int(answer.result(ASK_SECONDS).offset) for at, answer in answers.items()}
        except KafkaException as error:
            raise unavailable(self.servers, error) from error
        except FutureTimeoutError as error:
            raise Unavailable(f"Kafka at {self.servers}", "no answer in time") from error

    def _found(self) -> dict[str, int]:
        try:
            topics = self._admin.list_topics(timeout=ASK_SECONDS).topics
        except KafkaException as error:
            raise unavailable(self.servers, error) from error
        return {name: len(about.partitions) for name, about in topics.items()}

    def _create(self, missing: Sequence[str]) -> None:
        answers = self._admin.create_topics([self._new(topic) for topic in missing], request_timeout=ASK_SECONDS)
        for answer in answers.values():
            try:
                answer.result(ASK_SECONDS)
            except KafkaException as error:
                if code_of(error) != KafkaError.TOPIC_ALREADY_EXISTS:  # another process was quicker
                    raise unavailable(self.servers, error) from error

    def _new(self, name: str) -> Any:
        topic, partitions = self.topics[name], self.partitions(name)
        kept_bytes = topic.retention_bytes // partitions if topic.retention_bytes >= 0 else -1
        settings = {
            "cleanup.policy": "delete",
            "retention.ms": str(topic.retention_ms),
            "retention.bytes": str(kept_bytes),
        }
        return NewTopic(self.name(name), partitions, self._replication, config=settings)

    def _wait_for(self, created: Sequence[str]) -> dict[str, int]:
        """Wait until every partition made just now has a leader that answers."""
        deadline = monotonic() + TOPICS_READY_SECONDS
        pause = threading.Event()
        while True:
            found = self._found()
            try:
                if all(found.get(self.name(topic)) for topic in created):
                    for topic in created:
                        self.ends(topic, range(found[self.name(topic)]))
                    return found
            except Unavailable as error:
                log.info("kafka_topics_not_ready", reason=error.reason)
            if monotonic() > deadline:
                raise Unavailable(f"Kafka at {self.servers}", "the topics made just now do not answer")
            pause.wait(0.1)
