"""What the engine knows of a Kafka cluster: how clients are set up, what there is, ends, and short scans.

Plain blocking calls with timeouts, run on threads by their callers. It neither publishes nor joins a group.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Final, TypeVar

from niftyflow.bus.kafka_client import (
    EARLIEST,
    LATEST,
    AdminClient,
    Consumer,
    ErrorLog,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
    refusal_of,
    unavailable,
)
from niftyflow.bus.port import Topic
from niftyflow.bus.settings import KafkaSecurity
from niftyflow.kit.clock import monotonic
from niftyflow.kit.log import get_logger
from niftyflow.model import InvalidValue, Misconfigured, Unavailable

T = TypeVar("T")
log = get_logger(__name__)

ASK_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.5
"""How often a first answer is looked for; in between a refusal is heard."""
OFFSETS_SECONDS: Final = 2.0
"""With one broker dead the client holds an answer about offsets back until this long after it was asked."""
BATCH_BYTES: Final = 900_000
"""A little less than the largest batch that brokers take as they come."""
REQUEST_MS: Final = 5_000
"""A broker that has not answered a producer by then is asked again, or the one that leads in its place."""
SESSION_MS: Final = 10_000
"""A member silent for so long is dead: its partitions go to others."""


class KafkaCluster:
    """One cluster, seen through a topic prefix."""

    def __init__(
        self, servers: str, topics: Mapping[str, Topic], *, prefix: str, partitions: int | None, source: str,
        security: KafkaSecurity, client: Mapping[str, Any], ask_seconds: float = ASK_SECONDS,
    ) -> None:  # fmt: skip
        self.servers = servers
        self.ask_seconds = ask_seconds
        self.topics = topics
        self._prefix = prefix
        self._source = source
        self._security = security
        self._partitions = partitions
        self._refused: Misconfigured | None = None
        self._last_error = ""
        self._errors = ErrorLog(servers=servers)
        self._common = (
            {
                "bootstrap.servers": servers,
                "client.id": source,
                "log_level": 2,
                "reconnect.backoff.max.ms": 1_000,
                "error_cb": self._note_error,
            }
            | security.client_settings()
            | dict(client)
        )

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

    def group(self, name: str) -> str:
        """Return the consumer group's name on the cluster."""
        return self._prefix + name

    def partitions(self, topic: str) -> int:
        """Return how many partitions the topic has."""
        declared = self.topic(topic).partitions
        return declared if declared == 1 or self._partitions is None else self._partitions

    def connect(self) -> None:
        """Make sure that brokers answer and let us in.

        Raises:
            Unavailable: no broker answers.
            Misconfigured: they refuse us, or we them; the message says what to do.
        """
        self._refused, self._last_error = None, ""
        try:
            self.admin = AdminClient(dict(self._common))
        except KafkaException as error:
            cause = unavailable(self.servers, error).reason
            raise Misconfigured(f"the Kafka client cannot be set up ({cause}): correct bus.security") from error
        deadline = monotonic() + self.ask_seconds
        while True:  # the client itself would go on trying, whatever it is told
            try:
                self.admin.list_topics(timeout=LOOK_SECONDS)
            except KafkaException as error:
                self.admin.poll(0)
                if self._refused is not None:
                    raise self._refused from error
                if monotonic() > deadline:
                    reason = self._last_error or "no answer in time; bus.security.protocol may not be theirs"
                    raise Unavailable(f"Kafka at {self.servers}", reason) from error
            else:
                return

    def metadata(self) -> Any:
        """Return what the brokers say of themselves and their topics.

        Raises:
            Unavailable: no broker answers.
        """
        try:
            return self.admin.list_topics(timeout=self.ask_seconds)
        except KafkaException as error:
            raise unavailable(self.servers, error) from error

    def awaited(self, answer: Any) -> Any:
        """Return what an administrative call answers.

        Raises:
            Unavailable: it does not.
        """
        try:
            return answer.result(self.ask_seconds)
        except KafkaException as error:
            raise unavailable(self.servers, error) from error
        except FutureTimeoutError as error:
            raise Unavailable(f"Kafka at {self.servers}", "no answer in time") from error

    def ends(self, topic: str, partitions: Sequence[int]) -> dict[int, int]:
        """Return the next offset of each partition.

        Raises:
            Unavailable: the cluster does not answer.
        """
        return self._offsets(topic, partitions, LATEST)

    def oldest_of(self, topic: str, partitions: Sequence[int]) -> dict[int, int]:
        """Return the offset of the oldest record kept in each partition.

        Raises:
            Unavailable: the cluster does not answer.
        """
        return self._offsets(topic, partitions, EARLIEST)

    def patiently(self, ask: Callable[[], T]) -> T:
        """Return what `ask` does, asked again for a while: a leader or a coordinator may just be moving.

        Raises:
            Unavailable: it was so to the end.
        """
        deadline = monotonic() + self.ask_seconds
        while True:
            try:
                return ask()
            except Unavailable as error:
                if monotonic() > deadline:
                    raise
                log.info("kafka_asked_again", reason=error.reason)
            threading.Event().wait(LOOK_SECONDS)
            self.metadata()  # whose turn it is now

    def tail(self, topic: str, partition: int, count: int, before: int | None = None) -> tuple[list[Message], bool]:
        """Return a partition's last messages, `count` at most, before an offset or its end; and whether there are more.

        One consumer of its own asks where the partition lies and reads it: no other round trip.

        Raises:
            Unavailable: the cluster does not answer.
        """
        return self.patiently(lambda: self._tail(topic, partition, count, before))

    def _tail(self, topic: str, partition: int, count: int, before: int | None) -> tuple[list[Message], bool]:
        consumer = Consumer(self.consumer_settings("scan"))
        found: list[Message] = []
        try:
            at = TopicPartition(self.name(topic), partition)
            low, high = consumer.get_watermark_offsets(at, timeout=self.ask_seconds)
            high = high if before is None else min(high, before)
            begin = first = max(low, high - count)
            consumer.assign([TopicPartition(at.topic, partition, begin)])
            deadline = monotonic() + self.ask_seconds
            while begin < high:
                messages = [each for each in consumer.consume(min(1_000, high - begin), 0.2) if each.error() is None]
                if messages:
                    begin = (messages[-1].offset() or 0) + 1
                    deadline = monotonic() + self.ask_seconds
                    found += messages
                elif monotonic() > deadline:
                    raise Unavailable(f"Kafka at {self.servers}", f"{at.topic} could not be read in time")
        except KafkaException as error:
            raise unavailable(self.servers, error) from error
        finally:
            consumer.close()
        return found, first > low

    def consumer_settings(self, group: str) -> dict[str, Any]:
        """Return the settings of a consumer that commits by hand and never starts anywhere unasked."""
        return {
            "group.id": self.group(group),
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": SESSION_MS,
            "max.poll.interval.ms": 600_000,
            "fetch.queue.backoff.ms": 10,  # its default lets a reader that catches up stand idle for a second
        } | self._common

    def sender_settings(self) -> dict[str, Any]:
        """Return the settings of a producer: nothing twice, nothing lost, order kept."""
        return {
            "bootstrap_servers": self.servers.split(","),
            "client_id": self._source,
            "enable_idempotence": True,
            "acks": "all",
            "compression_type": "snappy",
            "max_batch_size": BATCH_BYTES,
            "request_timeout_ms": REQUEST_MS,
        } | self._security.sender_settings()

    def _note_error(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - its public name; it says nothing of why
            self._last_error = error.str()
        self._refused = refusal_of(self.servers, error) or self._refused
        self._errors.note(error)

    def _offsets(self, topic: str, partitions: Sequence[int], which: Any) -> dict[int, int]:
        return self.patiently(lambda: self._offsets_told(topic, partitions, which))

    def _offsets_told(self, topic: str, partitions: Sequence[int], which: Any) -> dict[int, int]:
        asked = {TopicPartition(self.name(topic), partition): which for partition in partitions}
        try:
            self.admin.poll(0)  # or what it has to say of errors would pile up
            answers = self.admin.list_offsets(asked, request_timeout=OFFSETS_SECONDS)
        except KafkaException as error:
            raise unavailable(self.servers, error) from error
        return {at.partition: int(self.awaited(answer).offset) for at, answer in answers.items()}
