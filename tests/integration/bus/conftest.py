"""A real Kafka broker for the tests of this folder."""

from support.kafka import kafka_prefix, kafka_servers

__all__ = ["kafka_prefix", "kafka_servers"]
