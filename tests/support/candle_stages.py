"""Processing over the real log and stores in a folder, run until it has done what is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Batch, Body, Bus, Start, Subscription
from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import Worker
from niftyflow.kit.stage import Shell
from niftyflow.model import Candle, CandleBatch, Instrument, Interval, Watermark
from niftyflow.processing.stage import CandleStage
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.intakes import DAY
from support.waiting import until

EVER = 1 << 60


class Eager:
    """A subscription whose polls wait a moment only, so that a stop is heard at once."""

    def __init__(self, reader: Subscription) -> None:
        self._reader = reader
        self.commit, self.lag, self.close = reader.commit, reader.lag, reader.close

    async def poll(self) -> Sequence[Batch]:
        """Return what is there."""
        return await self._reader.poll(timeout_seconds=0.005)


@dataclass
class Floor:
    """A log, a market store and a hot store, all real."""

    bus: EmbeddedBus
    market: SqliteMarketStore
    hot: MemoryHotStore
    letters: DeadLetters

    async def put(self, *bodies: Body) -> None:
        """Append to `raw-ticks`, as ingestion does: all at once."""
        await self.bus.publish("raw-ticks", list(bodies))

    async def process(self, bus: Bus | None = None, market: SqliteMarketStore | None = None) -> None:
        """Run a new processing stage until it has done everything in the log, then stop it."""
        over = bus or self.bus
        stage = CandleStage(over, market or self.market, self.hot, VirtualClock(DAY))
        shell = Shell(stage, over, self.letters, Worker("processing"), VirtualClock(DAY))
        reader = await self.bus.subscribe(stage.topic, group=stage.group, assignment=shell)
        ends = await self.bus.end(stage.topic)
        running = asyncio.create_task(shell.run(Eager(reader)))
        await until(lambda: shell.has_done(ends) or running.done())
        shell.stop()
        await running

    async def published(self) -> list[Body]:
        """Return everything on `market_candles`."""
        reader = await self.bus.subscribe("market_candles", group=None, start=Start.EARLIEST)
        found: list[Body] = []
        while batches := await reader.poll(timeout_seconds=0):
            found += [batch.body for batch in batches]
        await reader.close()
        return found

    async def stored(self, key: str) -> list[Candle]:
        """Return the stored one-minute candles of an instrument."""
        return (await self.market.candles(key, Interval.M1, 0, EVER)).to_records()


@asynccontextmanager
async def floor(folder: Path, instruments: Sequence[Instrument]) -> AsyncIterator[Floor]:
    """Open everything over a folder; what was in it is there again."""
    bus, market, hot = EmbeddedBus(folder / "log"), SqliteMarketStore(folder / "market.db"), MemoryHotStore()
    for engine in (bus, market, hot):
        await engine.open()
    await market.save_instruments(instruments)
    try:
        yield Floor(bus, market, hot, DeadLetters(bus, folder))
    finally:
        for engine in (hot, market, bus):
            await engine.close()


def mark(at: int, *, healthy: bool = True) -> Watermark:
    """Return a watermark of ms after `DAY`."""
    return Watermark(time=DAY + at, partition=0, source="ingestion", healthy=healthy)


def candles_of(bodies: Sequence[Body]) -> list[Candle]:
    """Return the candles among bodies, in order."""
    return [candle for body in bodies if isinstance(body, CandleBatch) for candle in body.to_records()]


def times_of(bodies: Sequence[Body]) -> list[int]:
    """Return the times of the watermarks among bodies, as ms after `DAY`."""
    return [body.time - DAY for body in bodies if isinstance(body, Watermark)]
