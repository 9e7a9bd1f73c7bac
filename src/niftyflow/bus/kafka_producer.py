"""Publishing to one Kafka topic: idempotent, in order, and told only when every replica has it.

One client and one thread a topic. Deliveries are awaited for a whole group of publish calls at once; only failures
are reported one by one. After a failure the client is made anew, so that nothing of the failed group is sent later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from niftyflow.bus.group_writer import GroupWriter
from niftyflow.bus.json_records import RowEncoder, encode_watermark
from niftyflow.bus.kafka_client import KafkaError, KafkaException, Message, Producer, unavailable
from niftyflow.bus.kafka_cluster import KafkaCluster
from niftyflow.bus.partitioner import partition_for
from niftyflow.bus.port import Body, Topic, count_of
from niftyflow.bus.topics import HEADER_KIND, HEADER_SOURCE, HEADER_VERSION, MESSAGE_VERSION, WATERMARK_KIND
from niftyflow.kit import metrics
from niftyflow.kit.clock import monotonic
from niftyflow.model import Columns, Unavailable, Watermark

Headers = list[tuple[str, str | bytes | None]]

GIVE_UP_SECONDS: Final = 1.0


class Addressed(NamedTuple):
    """What one publish call sends, and the partition it names, if it does."""

    bodies: Sequence[Body]
    partition: int | None


class KafkaProducer:
    """The writer of one topic."""

    def __init__(self, cluster: KafkaCluster, topic: Topic, source: str, delivery_timeout_seconds: float) -> None:
        self._cluster = cluster
        self._topic = topic
        self._name = cluster.name(topic.name)
        self._partitions = cluster.partitions(topic.name)
        self._timeout_seconds = delivery_timeout_seconds
        self._headers: Headers = [(HEADER_SOURCE, source.encode()), (HEADER_VERSION, MESSAGE_VERSION.encode())]
        self._control_headers: Headers = [*self._headers, (HEADER_KIND, WATERMARK_KIND.encode())]
        self._encoder = RowEncoder()
        self._places: dict[str, tuple[bytes, int]] = {}
        self._failures: list[KafkaError] = []
        self._client: Producer | None = None
        self._writer: GroupWriter[Addressed, int] = GroupWriter(f"kafka-{topic.name}", self._send, self._sent)

    async def append(self, addressed: Addressed) -> None:
        """Send; return when all of it is acknowledged.

        Raises:
            Unavailable: some of it was not, within the delivery time.
        """
        await self._writer.append(addressed)

    async def close(self) -> None:
        """Send what was accepted, and disconnect."""
        await self._writer.finish()
        await self._writer.submit(self._give_up)
        self._writer.stop()

    def _send(self, group: list[Addressed]) -> int:
        self._failures.clear()
        deadline = monotonic() + self._timeout_seconds
        sent = 0
        try:
            client = self._connected()
            for addressed in group:
                for body in addressed.bodies:
                    self._queue(client, body, addressed.partition, deadline)
                    sent += count_of(body)
            left = client.flush(self._timeout_seconds + GIVE_UP_SECONDS)
        except KafkaException as error:
            self._give_up()
            raise unavailable(self._cluster.servers, error) from error
        if left or self._failures:
            reason = self._failures[0].str() if self._failures else f"{left} records were not acknowledged"
            self._give_up()
            raise Unavailable(f"Kafka at {self._cluster.servers}", reason)
        return sent

    def _sent(self, group: list[Addressed], result: int | BaseException) -> None:  # noqa: ARG002 - GroupWriter's
        if isinstance(result, int):
            metrics.MESSAGES.labels(topic=self._topic.name).inc(result)
        elif isinstance(result, Unavailable):
            metrics.BUS_ERRORS.labels(type="unavailable").inc()

    def _connected(self) -> Producer:
        if self._client is None:
            settings = self._cluster.producer_settings(self._topic, self._timeout_seconds)
            self._client = Producer(settings | {"on_delivery": self._delivered})
        return self._client

    def _delivered(self, error: KafkaError | None, message: Message) -> None:  # noqa: ARG002 - the client's signature
        if error is not None:
            self._failures.append(error)

    def _give_up(self) -> None:
        """Forget the client with all it still holds: what was not acknowledged will be published again."""
        client, self._client = self._client, None
        if client is not None:
            client.purge()
            client.flush(GIVE_UP_SECONDS)

    def _queue(self, client: Producer, body: Body, partition: int | None, deadline: float) -> None:
        if isinstance(body, Watermark):
            to = body.partition if partition is None else partition
            self._produce(client, [(encode_watermark(body), None, to)], self._control_headers, deadline)
            return
        values = self._encoder.encode(body)
        keys = body.keys() if isinstance(body, Columns) else [self._topic.key(each) for each in body]
        known = self._places
        for key in set(keys) - known.keys():
            self._place(key)
        places = map(known.__getitem__, keys)
        records = (
            (value, key, place if partition is None else partition)
            for value, (key, place) in zip(values, places, strict=True)
        )
        self._produce(client, records, self._headers, deadline)
        client.poll(0)

    def _produce(
        self, client: Producer, records: Iterable[tuple[bytes, bytes | None, int]], headers: Headers, deadline: float
    ) -> None:
        name, produce = self._name, client.produce
        for value, key, partition in records:
            while True:
                try:
                    produce(name, value, key, partition, headers=headers)
                except BufferError:  # its queue is full: wait for acknowledgements
                    client.poll(0.05)
                    if monotonic() > deadline:
                        raise KafkaException(KafkaError(KafkaError._QUEUE_FULL)) from None  # noqa: SLF001 - public
                else:
                    break

    def _place(self, key: str) -> None:
        self._places[key] = (key.encode(), partition_for(key, self._partitions))
