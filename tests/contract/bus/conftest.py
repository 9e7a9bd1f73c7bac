"""Fixtures of the bus suites."""

from support.buses import bus, engine
from support.kafka import kafka_prefix, kafka_servers

__all__ = ["bus", "engine", "kafka_prefix", "kafka_servers"]
