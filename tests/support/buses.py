"""Both engines of the bus as fixtures, and what bus tests share: batches to publish and readers that wait.

`engine.make()` gives a new bus over the same log, so that a test can close one and open another.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Batch, Bus, Subscription, count_of
from niftyflow.model import (
    Candle,
    CandleBatch,
    DeadLetter,
    Interval,
    Name,
    NameTable,
    Retryable,
    Tick,
    TickBatch,
    Watermark,
)

PARTITIONS = 3
OPENED_AT = 1_705_549_500_000
SYMBOLS = ("RELIANCE", "INFY", "TCS", "HDFCBANK")


@dataclass(frozen=True)
class Engine:
    """An engine under test."""

    name: str
    make: Callable[[], Bus]


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """Each engine in turn, over a log of the test's own."""
    if request.param == "embedded":
        return Engine("embedded", lambda: EmbeddedBus(tmp_path / "log"))
    from niftyflow.bus.kafka import KafkaBus  # noqa: PLC0415 - the embedded tests do without the client

    servers = request.getfixturevalue("kafka_servers")
    prefix = request.getfixturevalue("kafka_prefix")
    return Engine("kafka", lambda: KafkaBus(servers, prefix=prefix, partitions=PARTITIONS, source="test"))


@pytest.fixture
async def bus(engine: Engine) -> AsyncIterator[Bus]:
    """An open bus."""
    bus = engine.make()
    await bus.open()
    yield bus
    await bus.close()


def ticks(count: int, first: int = 0, symbols: Sequence[str] = SYMBOLS) -> TickBatch:
    """Return ticks with consecutive sequence numbers from `first` on."""
    names = NameTable([Name(f"NSE:{symbol}", str(100 + index), "test") for index, symbol in enumerate(symbols)])
    sequence = np.arange(first, first + count)
    return TickBatch(
        names,
        name=sequence % len(symbols),
        ltp=2800 + (sequence % 1000) * 0.05,
        volume=sequence % 7,
        day_volume=sequence * 3,
        bid=2799.5 + (sequence % 1000) * 0.05,
        ask=np.zeros(count),
        open_interest=sequence % 11,
        timestamp=OPENED_AT + sequence,
        traded_at=OPENED_AT + sequence - 5,
        received=OPENED_AT + sequence + 4,
        sequence=sequence,
    )


def candles(count: int) -> CandleBatch:
    """Return candles of one minute after another."""
    start = datetime(2024, 1, 18, 3, 45, tzinfo=UTC)
    return CandleBatch.from_records(
        [
            Candle(
                time=start + timedelta(minutes=minute), symbol=SYMBOLS[minute % 4], exchange="NSE",
                interval=Interval.M1, open=100.05, high=101.15, low=99.95, close=100.1, volume=minute, trades=3,
                vwap=100.123456789, open_interest=5, provenance="repaired", revision=1, incomplete=minute % 2 == 0,
                day_volume=77, through={"0": minute},
            )
            for minute in range(count)
        ]
    )  # fmt: skip


def watermark(time: int, partition: int = 0) -> Watermark:
    """Return a control record."""
    return Watermark(time=time, partition=partition, source="test", healthy=True)


def letter(offset: int) -> DeadLetter:
    """Return a dead letter."""
    return DeadLetter(
        topic="raw-ticks", partition=0, offset=offset, key="NSE:INFY", record='{"ltp":-1}', error="ltp is -1",
        stage="processing", at=OPENED_AT,
    )  # fmt: skip


async def read(
    subscription: Subscription, records: int, seconds: float = 60.0, *, is_patient: bool = False
) -> list[Batch]:
    """Return at least `records` records, or what came in time; a patient reader polls on when the bus was away."""
    batches: list[Batch] = []
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while sum(count_of(batch.body) for batch in batches) < records and loop.time() < deadline:
        try:
            batches += await subscription.poll(timeout_seconds=0.2)
        except Retryable:
            if not is_patient:
                raise
    return batches


async def joined(subscription: Subscription, seconds: float = 60.0) -> None:
    """Poll until partitions have come; what is read meanwhile is a test's mistake."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not subscription.position() and loop.time() < deadline:
        assert await subscription.poll(timeout_seconds=0.1) == []
    assert subscription.position()


def sequences(batches: Sequence[Batch]) -> list[int]:
    """Return the sequence numbers of all ticks, in the order read."""
    return [number for batch in batches if isinstance(batch.body, TickBatch) for number in batch.body.sequence.tolist()]


def records(batches: Sequence[Batch]) -> list[Tick | Candle | Watermark | DeadLetter]:
    """Return every record, in the order read."""
    found: list[Tick | Candle | Watermark | DeadLetter] = []
    for batch in batches:
        if isinstance(batch.body, TickBatch | CandleBatch):
            found += batch.body.to_records()
        else:
            found += [batch.body] if isinstance(batch.body, Watermark) else list(batch.body)
    return found
