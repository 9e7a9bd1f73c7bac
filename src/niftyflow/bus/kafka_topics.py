"""The topics of a Kafka cluster: made as the table of topics says, compared with it, and told apart by what is wrong.

Plain blocking calls with timeouts. It never changes a topic that is there: an operator does.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from typing import Any, Final, NamedTuple

from niftyflow.bus.kafka_client import (
    ConfigResource,
    Consumer,
    KafkaError,
    KafkaException,
    NewTopic,
    TopicPartition,
    code_of,
    is_not_permitted,
    refusal_of,
    text_of,
    unavailable,
)
from niftyflow.bus.kafka_cluster import ASK_SECONDS, KafkaCluster
from niftyflow.bus.survey import GroupState, TopicState, Trouble
from niftyflow.kit.clock import monotonic
from niftyflow.kit.log import get_logger
from niftyflow.model import Misconfigured, Unavailable

log = get_logger(__name__)

READY_SECONDS: Final = 30.0
BROKER_DEFAULT: Final = -1
ENOUGH_COPIES: Final = 3
IN_SYNC: Final = 2
"""Of three copies or more, so many have a record before it counts as published."""
RETENTION: Final = "retention.ms"
MIN_IN_SYNC: Final = "min.insync.replicas"
_OF_SETTINGS: Final = {
    KafkaError.INVALID_REPLICATION_FACTOR: "set bus.replication to at most the number of brokers",
    KafkaError.POLICY_VIOLATION: "the cluster's policy forbids it: have an operator make the topics",
    KafkaError.INVALID_CONFIG: "the cluster refuses a setting of the topic: have an operator make the topics",
}


class _Found(NamedTuple):
    """A topic as it is; `settings` is empty where we may not see them."""

    partitions: int
    copies: int
    brokers: int
    settings: Mapping[str, str]


class KafkaTopics:
    """The topics of one cluster, as they are and as they should be."""

    def __init__(self, cluster: KafkaCluster, replication: int = BROKER_DEFAULT) -> None:
        self._cluster = cluster
        self._replication = replication

    def make_missing(self) -> list[str]:
        """Make the topics that are missing; return their names on the cluster.

        Raises:
            Unavailable: the cluster does not answer.
            Misconfigured: it does not let us, or has fewer brokers than copies are wanted.
        """
        there = self._cluster.metadata().topics
        missing = [topic for topic in self._cluster.topics if self._cluster.name(topic) not in there]
        if missing:
            self._create(missing)
            self._wait_for(missing)
        return [self._cluster.name(topic) for topic in missing]

    def check(self) -> None:
        """Compare every topic with what it should be; tell what is only unwise in the log.

        Raises:
            Unavailable: the cluster does not answer.
            Misconfigured: a topic cannot be worked with; the message says what to do.
        """
        for topic, found in self._found().items():
            for trouble in self._troubles(topic, found):
                if trouble.is_fatal:
                    raise Misconfigured(f"Kafka topic {self._cluster.name(topic)} {trouble.text}")
                log.warning("kafka_topic_differs", topic=self._cluster.name(topic), trouble=trouble.text)

    def survey(self, readers: Mapping[str, Sequence[str]]) -> list[TopicState]:
        """Return the state of every topic; `readers` names the groups of those that have any.

        Raises:
            Unavailable: the cluster does not answer.
        """
        found = self._found()
        names = sorted({group for groups in readers.values() for group in groups})
        committed = {}
        for group in names:
            sizes = {topic: about.partitions for topic, about in found.items() if group in readers.get(topic, ())}
            committed[group] = self._cluster.patiently(partial(self._committed, group, sizes))
        members = self._cluster.patiently(partial(self._members, names))
        states = []
        for topic, wanted in ((each, self._cluster.partitions(each)) for each in self._cluster.topics):
            if topic not in found:
                missing = Trouble("is not there: `niftyflow topics --create` makes it", is_fatal=True)
                states.append(TopicState(topic, 0, wanted, troubles=[missing]))
                continue
            about = found[topic]
            ends = self._cluster.ends(topic, range(about.partitions))
            oldest = self._cluster.oldest_of(topic, range(about.partitions))
            groups = []
            for group in readers.get(topic, ()):
                at = committed[group].get(self._cluster.name(topic), {})
                behind = sum(max(0, end - at.get(place, oldest[place])) for place, end in ends.items())
                groups.append(GroupState(group, behind, members.get(group)))
            states.append(
                TopicState(
                    topic, about.partitions, wanted, records=sum(ends.values()) - sum(oldest.values()), ends=ends,
                    copies=about.copies, in_sync=_number(about.settings, MIN_IN_SYNC, 1), groups=groups,
                    troubles=self._troubles(topic, about),
                )
            )  # fmt: skip
        return states

    # -- as they are -----------------------------------------------------------------------------------------------

    def _found(self) -> dict[str, _Found]:
        metadata = self._cluster.metadata()
        there = metadata.topics
        names = {topic: self._cluster.name(topic) for topic in self._cluster.topics}
        settings = self._settings([name for name in names.values() if name in there])
        return {
            topic: _Found(
                len(there[name].partitions),
                min((len(each.replicas) for each in there[name].partitions.values()), default=0),
                len(metadata.brokers),
                settings.get(name, {}),
            )
            for topic, name in names.items()
            if name in there
        }

    def _settings(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        found = {}
        for resource, answer in self._cluster.admin.describe_configs(resources, request_timeout=ASK_SECONDS).items():
            try:
                found[resource.name] = {name: entry.value for name, entry in answer.result(ASK_SECONDS).items()}
            except KafkaException as error:
                if not is_not_permitted(code_of(error)):
                    raise unavailable(self._cluster.servers, error) from error
                log.info("kafka_topic_settings_hidden", topic=resource.name, reason=text_of(error))
            except FutureTimeoutError as error:
                raise Unavailable(f"Kafka at {self._cluster.servers}", "no answer in time") from error
        return found

    def _committed(self, group: str, sizes: Mapping[str, int]) -> dict[str, dict[int, int]]:
        """Return what a group has committed of topics (topic → partitions), asked by a consumer that joins nothing.

        The administrative call for this ends the whole process where the group's coordinator is just moving: librdkafka
        2.16 then follows a pointer that only consumers have.
        """
        asked = [
            TopicPartition(self._cluster.name(topic), partition)
            for topic, size in sizes.items()
            for partition in range(size)
        ]
        if not asked:
            return {}
        consumer = Consumer(self._cluster.consumer_settings(group))
        try:
            answers = consumer.committed(asked, timeout=ASK_SECONDS)
        except KafkaException as error:
            raise unavailable(self._cluster.servers, error) from error
        finally:
            consumer.close()
        found: dict[str, dict[int, int]] = {}
        for each in answers:
            if each.offset >= 0:
                found.setdefault(each.topic, {})[each.partition] = each.offset
        return found

    def _members(self, groups: Sequence[str]) -> dict[str, int]:
        if not groups:
            return {}
        names = {self._cluster.group(group): group for group in groups}
        found = dict.fromkeys(groups, 0)
        answers = self._cluster.admin.describe_consumer_groups(list(names), request_timeout=ASK_SECONDS)
        for name, answer in answers.items():
            try:
                found[names[name]] = len(answer.result(ASK_SECONDS).members)
            except KafkaException as error:
                if code_of(error) != KafkaError.GROUP_ID_NOT_FOUND:  # nobody has joined it yet
                    raise unavailable(self._cluster.servers, error) from error
            except FutureTimeoutError as error:
                raise Unavailable(f"Kafka at {self._cluster.servers}", "no answer in time") from error
        return found

    # -- as they should be -----------------------------------------------------------------------------------------

    def _troubles(self, topic: str, found: _Found) -> list[Trouble]:
        wanted, declared = self._cluster.partitions(topic), self._cluster.topics[topic]
        in_sync = _number(found.settings, MIN_IN_SYNC, 1)
        kept = _number(found.settings, RETENTION, declared.retention_ms)
        troubles = []
        if found.partitions != wanted:
            troubles.append(
                Trouble(
                    f"has {found.partitions} partitions, {wanted} are wanted: set the number of partitions to "
                    f"{found.partitions}, use another topic prefix, or make the topic anew",
                    is_fatal=True,
                )
            )
        if in_sync > found.copies:
            troubles.append(
                Trouble(
                    f"needs {in_sync} brokers in sync and has {found.copies} copies, so nothing can be published: "
                    f"lower its {MIN_IN_SYNC}, or give it more copies",
                    is_fatal=True,
                )
            )
        elif in_sync == found.copies > 1:
            troubles.append(Trouble(f"needs all of its {in_sync} copies: one broker away stops publishing"))
        elif in_sync < IN_SYNC <= found.copies - 1 and found.settings:
            troubles.append(
                Trouble(f"tells success when one of {found.copies} copies has a record: set its {MIN_IN_SYNC} to 2")
            )
        if found.copies == 1 and found.brokers >= ENOUGH_COPIES:
            troubles.append(Trouble(f"has one copy on {found.brokers} brokers: reassign its replicas to have three"))
        if found.copies < self._replication:
            troubles.append(
                Trouble(f"has {found.copies} copies, {self._replication} are wanted: reassign its replicas")
            )
        if 0 <= kept < declared.retention_ms:
            troubles.append(
                Trouble(f"keeps records {kept} ms, {declared.retention_ms} are wanted: set its {RETENTION}")
            )
        return troubles

    def _create(self, missing: Sequence[str]) -> None:
        new = [self._new(topic) for topic in missing]
        answers = self._cluster.admin.create_topics(new, request_timeout=ASK_SECONDS)
        for answer in answers.values():
            try:
                answer.result(ASK_SECONDS)
            except KafkaException as error:
                if code_of(error) != KafkaError.TOPIC_ALREADY_EXISTS:  # another process was quicker
                    raise self._not_made(error) from error
            except FutureTimeoutError as error:
                raise Unavailable(f"Kafka at {self._cluster.servers}", "no answer in time") from error

    def _not_made(self, error: KafkaException) -> Misconfigured | Unavailable:
        advice = _OF_SETTINGS.get(code_of(error))
        if advice is not None:
            return Misconfigured(f"Kafka at {self._cluster.servers} makes no topics ({text_of(error)}): {advice}")
        cause = error.args[0] if error.args else None
        refused = refusal_of(self._cluster.servers, cause) if isinstance(cause, KafkaError) else None
        return refused or unavailable(self._cluster.servers, error)

    def _new(self, name: str) -> Any:
        topic, partitions = self._cluster.topics[name], self._cluster.partitions(name)
        kept_bytes = topic.retention_bytes // partitions if topic.retention_bytes >= 0 else -1
        settings = {
            "cleanup.policy": "delete",
            RETENTION: str(topic.retention_ms),
            "retention.bytes": str(kept_bytes),
        }
        if self._replication >= ENOUGH_COPIES:
            settings[MIN_IN_SYNC] = str(IN_SYNC)
        return NewTopic(self._cluster.name(name), partitions, self._replication, config=settings)

    def _wait_for(self, created: Sequence[str]) -> None:
        """Wait until every partition made just now has a leader that answers."""
        deadline = monotonic() + READY_SECONDS
        pause = threading.Event()
        while True:
            try:
                there = self._cluster.metadata().topics
                if all(self._cluster.name(topic) in there for topic in created):
                    for topic in created:
                        self._cluster.ends(topic, range(len(there[self._cluster.name(topic)].partitions)))
                    return
            except Unavailable as error:
                log.info("kafka_topics_not_ready", reason=error.reason)
            if monotonic() > deadline:
                raise Unavailable(f"Kafka at {self._cluster.servers}", "the topics made just now do not answer")
            pause.wait(0.1)


def _number(settings: Mapping[str, str], name: str, otherwise: int) -> int:
    value = settings.get(name)
    return otherwise if value is None else int(value)
