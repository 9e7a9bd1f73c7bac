"""Processing over a real Kafka: a generated market, and members of the group that make its candles.

Run as a program it is one member in a process of its own, which a test may kill.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from niftyflow.bus.kafka import KafkaBus
from niftyflow.bus.port import Bus, Start
from niftyflow.bus.topics import MARKET_CANDLES, RAW_TICKS
from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import Worker
from niftyflow.kit.stage import Shell
from niftyflow.model import Candle, CandleBatch, Exchange, Instrument, Kind, Name, NameTable, TickBatch, Watermark
from niftyflow.processing.stage import CandleStage
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.sqlite_market import SqliteMarketStore

OPEN = 1_705_549_500_000
"""2024-01-18 09:15 IST, ms UTC: a Thursday's open."""
MINUTE = 60_000
MARK_SECONDS = 10
PARTITIONS = 6
SHARES = [Instrument(exchange=Exchange.NSE, symbol=f"S{number:02}", kind=Kind.EQUITY) for number in range(24)]
QUICK = {"heartbeat.interval.ms": 300, "session.timeout.ms": 2_000}
TESTS = Path(__file__).parents[1]


def bus_of(servers: str, prefix: str) -> KafkaBus:
    """Return a bus of ticks and candles whose group sees soon who came and who is gone."""
    return KafkaBus(
        servers, [RAW_TICKS, MARKET_CANDLES], prefix=prefix, partitions=PARTITIONS, source="test", client=QUICK
    )


class Market:
    """Every share trades each second: the same ticks at the same minute, whoever asks."""

    def __init__(self) -> None:
        self._names = NameTable([Name(share.key, str(place), "test") for place, share in enumerate(SHARES)])

    def ticks(self, since: int, seconds: int) -> TickBatch:
        """Return the ticks of some seconds, the first `since` seconds after the open."""
        count = seconds * len(SHARES)
        sequence = since * len(SHARES) + np.arange(count)
        second, share = sequence // len(SHARES), sequence % len(SHARES)
        at = OPEN + second * 1000 + share * 7
        price = 100.0 + share + (sequence * 7919 % 97) * 0.05
        return TickBatch(
            self._names, name=share, ltp=np.round(price, 2), volume=1 + sequence % 5,
            day_volume=(second + 1) * 10 + sequence % 3, bid=np.zeros(count), ask=np.zeros(count),
            open_interest=np.zeros(count, np.int64), timestamp=at, traded_at=at, received=at, sequence=sequence,
        )  # fmt: skip

    def minute(self, minute: int, partitions: int) -> list[TickBatch | Watermark]:
        """Return the records of a minute: ticks, and every ten seconds a watermark to each partition."""
        bodies: list[TickBatch | Watermark] = []
        for first in range(minute * 60, minute * 60 + 60, MARK_SECONDS):
            bodies += [self.ticks(first, MARK_SECONDS), *marks((first + MARK_SECONDS) * 1000, partitions)]
        return bodies


def marks(at: int, partitions: int) -> list[Watermark]:
    """Return a watermark of ms after the open for each partition."""
    return [
        Watermark(time=OPEN + at, partition=partition, source="ingestion", healthy=True)
        for partition in range(partitions)
    ]


@asynccontextmanager
async def member(bus: Bus, market: SqliteMarketStore, folder: Path) -> AsyncIterator[tuple[Shell, asyncio.Task[None]]]:
    """Run one member of `candle-processors`; in the end it leaves the group."""
    hot = MemoryHotStore()
    stage = CandleStage(bus, market, hot, VirtualClock(OPEN))
    shell = Shell(stage, bus, DeadLetters(bus, folder), Worker("processing"), VirtualClock(OPEN))
    reader = await bus.subscribe(stage.topic, group=stage.group, assignment=shell)
    running = asyncio.create_task(shell.run(reader))
    try:
        yield shell, running
    finally:
        shell.stop()
        await running


def process(servers: str, prefix: str, database: Path) -> subprocess.Popen[bytes]:
    """Start a member in a process of its own."""
    surroundings = {**os.environ, "PYTHONPATH": str(TESTS)}
    arguments = [servers, prefix, str(database)]
    return subprocess.Popen([sys.executable, str(Path(__file__).resolve()), *arguments], env=surroundings)


async def published(bus: Bus) -> list[Candle]:
    """Return every candle on the topic, those published twice as well."""
    reader = await bus.subscribe("market_candles", group=None, start=Start.EARLIEST)
    ends, found = await bus.end("market_candles"), []
    while any(reader.position().get(partition, 0) < end for partition, end in ends.items()):
        for batch in await reader.poll():
            if isinstance(batch.body, CandleBatch):
                found += batch.body.to_records()
    await reader.close()
    return found


async def is_told(bus: Bus, time: int) -> bool:
    """Return whether candles up to a time are published on every partition."""
    last = [await bus.last_watermark("market_candles", partition) for partition in range(PARTITIONS)]
    return all(mark is not None and mark.time >= time for mark in last)


def compared(candle: Candle) -> tuple[Any, ...]:
    """Return what must be equal in two candles, wherever their ticks lay in the log."""
    return (
        candle.instrument, candle.time, candle.open, candle.high, candle.low, candle.close, candle.volume,
        candle.trades, candle.vwap, candle.revision, candle.incomplete, candle.provenance,
    )  # fmt: skip


async def _main(arguments: Sequence[str]) -> None:
    servers, prefix, database = arguments
    bus, market = bus_of(servers, prefix), SqliteMarketStore(Path(database))
    for engine in (bus, market):
        await engine.open()
    async with member(bus, market, Path(database).parent) as (_, running):
        await running


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1:]))
