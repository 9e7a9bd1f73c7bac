"""The one place that imports confluent-kafka, and says what to install when it is missing.

Everything of the Kafka engine takes the client's names from here; nothing else of niftyflow does.
"""

from __future__ import annotations

from typing import Any, Final

from niftyflow.model import Misconfigured, Unavailable

try:
    import confluent_kafka.admin
    from confluent_kafka import (
        OFFSET_INVALID,
        Consumer,
        KafkaError,
        KafkaException,
        Message,
        Producer,
        TopicPartition,
    )
except ImportError as error:
    raise Misconfigured("the Kafka engine needs confluent-kafka: pip install 'niftyflow[kafka]'") from error

_admin: Any = confluent_kafka.admin  # its own annotations do not pass a strict checker
AdminClient: Any = _admin.AdminClient
NewTopic: Any = _admin.NewTopic
LATEST: Final = _admin.OffsetSpec.latest()
EARLIEST: Final = _admin.OffsetSpec.earliest()

__all__ = [
    "EARLIEST",
    "LATEST",
    "OFFSET_INVALID",
    "AdminClient",
    "Consumer",
    "KafkaError",
    "KafkaException",
    "Message",
    "NewTopic",
    "Producer",
    "TopicPartition",
    "code_of",
    "unavailable",
]


def code_of(error: KafkaException) -> int:
    """Return Kafka's number for an error, or one that no error has."""
    cause = error.args[0] if error.args else None
    return cause.code() if isinstance(cause, KafkaError) else OFFSET_INVALID


def unavailable(servers: str, error: KafkaException) -> Unavailable:
    """Return the error of the world that a client error stands for."""
    cause = error.args[0] if error.args else None
    return Unavailable(f"Kafka at {servers}", cause.str() if isinstance(cause, KafkaError) else str(error))
