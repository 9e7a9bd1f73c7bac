"""The one place that imports the Kafka clients, and says what to install when they are missing.

confluent-kafka reads and administers; aiokafka sends, because it puts all partitions of a broker into one request.

Everything of the Kafka engine takes the client's names from here; nothing else of niftyflow does.
"""

from __future__ import annotations

from typing import Any, Final

from niftyflow.kit.clock import monotonic
from niftyflow.kit.log import get_logger
from niftyflow.model import Misconfigured, Unavailable

try:
    import confluent_kafka.admin
    from aiokafka import AIOKafkaProducer as AsyncProducer
    from aiokafka.errors import KafkaError as AsyncError
    from aiokafka.producer.message_accumulator import BatchBuilder as Batch
    from confluent_kafka import (
        OFFSET_INVALID,
        Consumer,
        KafkaError,
        KafkaException,
        Message,
        TopicPartition,
    )
except ImportError as error:
    raise Misconfigured(
        "the Kafka engine needs confluent-kafka and aiokafka: pip install 'niftyflow[cluster]'"
    ) from error

log = get_logger(__name__)

_admin: Any = confluent_kafka.admin  # its own annotations do not pass a strict checker
AdminClient: Any = _admin.AdminClient
NewTopic: Any = _admin.NewTopic
ConfigResource: Any = _admin.ConfigResource
LATEST: Final = _admin.OffsetSpec.latest()
EARLIEST: Final = _admin.OffsetSpec.earliest()

__all__ = [
    "EARLIEST",
    "LATEST",
    "OFFSET_INVALID",
    "AdminClient",
    "AsyncError",
    "AsyncProducer",
    "Batch",
    "ConfigResource",
    "Consumer",
    "ErrorLog",
    "KafkaError",
    "KafkaException",
    "Message",
    "NewTopic",
    "TopicPartition",
    "code_of",
    "is_not_permitted",
    "refusal_of",
    "text_of",
    "unavailable",
]

_NOT_PERMITTED: Final = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
_CREDENTIALS_REFUSED: Final = {
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - its public name
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
}
_OF_CONNECTING: Final = {KafkaError._SSL, KafkaError._TRANSPORT}  # noqa: SLF001 - their public names
_OF_CERTIFICATES: Final = ("certificate", "connecting to a plaintext")
QUIET_SECONDS: Final = 60.0


class ErrorLog:
    """Tells what a client says of its troubles, each kind once in a while: a client repeats itself many times a second.

    Each client calls from a thread of its own; nothing worse than a line too many comes of two at once.
    """

    def __init__(self, **about: str) -> None:
        self._about = about
        self._told_at: dict[int | str, float] = {}

    def note(self, error: KafkaError) -> None:
        """Write a warning, unless one of its kind was just written."""
        self.tell(error.code(), error.str())

    def tell(self, kind: int | str, reason: str) -> None:
        """Write a warning, unless one of its kind was just written."""
        now = monotonic()
        if now - self._told_at.get(kind, -QUIET_SECONDS) >= QUIET_SECONDS:
            self._told_at[kind] = now
            log.warning("kafka_client_error", reason=reason, **self._about)


def code_of(error: KafkaException) -> int:
    """Return Kafka's number for an error, or one that no error has."""
    cause = error.args[0] if error.args else None
    return cause.code() if isinstance(cause, KafkaError) else OFFSET_INVALID


def is_not_permitted(code: int) -> bool:
    """Return whether an error says that the brokers know us and do not let us."""
    return code in _NOT_PERMITTED


def unavailable(servers: str, error: KafkaException) -> Unavailable:
    """Return the error of the world that a client error stands for."""
    return Unavailable(f"Kafka at {servers}", text_of(error))


def text_of(error: KafkaException) -> str:
    """Return what a client error says."""
    cause = error.args[0] if error.args else None
    return cause.str() if isinstance(cause, KafkaError) else str(error)


def refusal_of(servers: str, error: KafkaError) -> Misconfigured | None:
    """Return what to put right when brokers refuse us for good; None when waiting may help."""
    code, text = error.code(), error.str()
    if code in _CREDENTIALS_REFUSED:
        return Misconfigured(
            f"Kafka at {servers} refuses our credentials ({text}): correct mechanism, username and password in "
            f"bus.security"
        )
    if code in _OF_CONNECTING and any(word in text.lower() for word in _OF_CERTIFICATES):
        return Misconfigured(
            f"Kafka at {servers} cannot be spoken to over TLS ({text}): correct protocol and ca_file in bus.security"
        )
    if code in _NOT_PERMITTED:
        return Misconfigured(f"Kafka at {servers} does not permit it ({text}): allow it to the user of bus.security")
    return None
