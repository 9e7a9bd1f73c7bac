"""Which ticks a partition has: what a forwarder asks that may have published them before it died."""

from __future__ import annotations

import pytest

from niftyflow.bus.kafka import KafkaBus
from niftyflow.model import TickBatch, Watermark
from support.trading_days import a_tick

pytestmark = pytest.mark.kafka

MANY = 2_500
"""More than one look back."""


def ticks(first: int, end: int) -> TickBatch:
    """Return ticks of one share with these sequences."""
    return TickBatch.from_records([a_tick("INFY", 0, 100.0, sequence=each) for each in range(first, end)])


async def test_a_partition_tells_its_ticks_from_a_sequence_on(kafka_servers: str, kafka_prefix: str) -> None:
    """All from there on, however far back, with marks between them; none where there is none."""
    bus = KafkaBus(kafka_servers, prefix=kafka_prefix, partitions=2, source="test")
    await bus.open()
    try:
        place = bus.partition_of("raw-ticks", "NSE:INFY")
        mark = Watermark(time=1, partition=place, source="test", healthy=True)
        await bus.publish("raw-ticks", [ticks(0, 1_000), mark, ticks(1_000, MANY), mark])
        assert await bus.ticks_from("raw-ticks", place, MANY - 3) == [MANY - 3, MANY - 2, MANY - 1]
        assert await bus.ticks_from("raw-ticks", place, 700) == list(range(700, MANY))
        assert await bus.ticks_from("raw-ticks", place, 0) == list(range(MANY))
        assert await bus.ticks_from("raw-ticks", place, MANY) == []
        assert await bus.ticks_from("raw-ticks", 1 - place, 0) == []
    finally:
        await bus.close()
