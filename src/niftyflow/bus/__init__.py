"""The event bus: its port, its topics, the embedded durable log, and Apache Kafka.

`bus.embedded.EmbeddedBus` and `bus.kafka.KafkaBus` are imported from their modules, by whoever wires a process.
"""

from niftyflow.bus.port import (
    Assignment,
    Batch,
    Body,
    Bus,
    Position,
    Start,
    Subscription,
    Topic,
    UnreadableRecord,
    count_of,
)
from niftyflow.bus.topics import MARKET_CANDLES, RAW_TICKS, TOPICS, dead_letters_of

__all__ = [
    "MARKET_CANDLES",
    "RAW_TICKS",
    "TOPICS",
    "Assignment",
    "Batch",
    "Body",
    "Bus",
    "Position",
    "Start",
    "Subscription",
    "Topic",
    "UnreadableRecord",
    "count_of",
    "dead_letters_of",
]
