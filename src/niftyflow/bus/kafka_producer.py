"""Publishing to one Kafka topic: idempotent, in order, and told only when every replica has it.

One client and one thread a topic. Deliveries are awaited for a whole group of publish calls at once. After a failure
the client is made anew, so that nothing of the failed group is sent later.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

from niftyflow.bus.group_writer import GroupWriter
from niftyflow.bus.json_records import RowEncoder, encode_watermark
from niftyflow.bus.kafka_cluster import KafkaCluster
from niftyflow.bus.kafka_sender import Header, KafkaSender
from niftyflow.bus.partitioner import partition_for
from niftyflow.bus.port import Body, Topic, count_of
from niftyflow.bus.topics import HEADER_KIND, HEADER_SOURCE, HEADER_VERSION, MESSAGE_VERSION, WATERMARK_KIND
from niftyflow.kit import metrics
from niftyflow.model import Columns, Unavailable, Watermark


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
        self._headers: list[Header] = [(HEADER_SOURCE, source.encode()), (HEADER_VERSION, MESSAGE_VERSION.encode())]
        self._control_headers: list[Header] = [*self._headers, (HEADER_KIND, WATERMARK_KIND.encode())]
        self._encoder = RowEncoder()
        self._places: dict[str, tuple[bytes, int]] = {}
        self._sender: KafkaSender | None = None
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
        sent = 0
        with ExitStack() as unless_it_is_sent:  # then nothing of this group may be sent later, whatever happened
            unless_it_is_sent.callback(self._give_up)
            sender = self._connected()
            for addressed in group:
                for body in addressed.bodies:
                    self._add(sender, body, addressed.partition)
                    sent += count_of(body)
            sender.send(self._timeout_seconds)
            unless_it_is_sent.pop_all()
        return sent

    def _sent(self, group: list[Addressed], result: int | BaseException) -> None:  # noqa: ARG002 - GroupWriter's
        if isinstance(result, int):
            metrics.MESSAGES.labels(topic=self._topic.name).inc(result)
        elif isinstance(result, Unavailable):
            metrics.BUS_ERRORS.labels(type="unavailable").inc()

    def _connected(self) -> KafkaSender:
        if self._sender is None:
            self._sender = KafkaSender(self._cluster.servers, self._name, self._cluster.sender_settings())
            self._sender.connect(self._timeout_seconds)
        return self._sender

    def _give_up(self) -> None:
        """Forget the client with all it still holds: what was not acknowledged will be published again."""
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.forget()

    def _add(self, sender: KafkaSender, body: Body, partition: int | None) -> None:
        if isinstance(body, Watermark):
            to = body.partition if partition is None else partition
            sender.add(to, encode_watermark(body), None, self._control_headers)
            return
        keys = body.keys() if isinstance(body, Columns) else [self._topic.key(each) for each in body]
        known = self._places
        for key in set(keys) - known.keys():
            self._place(key)
        add, headers = sender.add, self._headers
        for value, key in zip(self._encoder.encode(body), keys, strict=True):
            name, place = known[key]
            add(place if partition is None else partition, value, name, headers)

    def _place(self, key: str) -> None:
        self._places[key] = (key.encode(), partition_for(key, self._partitions))
