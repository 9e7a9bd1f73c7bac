"""Aggregation over the real log and stores in a folder, run until it has done what is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from niftyflow.aggregation.settings import AggregationSettings
from niftyflow.aggregation.stage import AggregationStage
from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Batch, Body, Start, Subscription
from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import Worker
from niftyflow.kit.join import Input, Join
from niftyflow.kit.joined_reader import JoinedReader, Lanes
from niftyflow.kit.stage import Shell
from niftyflow.model import Instrument, MarketView, Unavailable, Watermark
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.market_views import MINUTE, OPENED, Card, cards
from support.waiting import until


@dataclass
class Eager:
    """A subscription whose polls wait a moment only and bring a few records, so that a test decides the batching."""

    reader: Subscription
    at_once: int

    async def poll(self) -> Sequence[Batch]:
        """Return what is there."""
        return await self.reader.poll(self.at_once, timeout_seconds=0.005)

    async def commit(self, position: Mapping[int, int]) -> None:
        """Store the position."""
        await self.reader.commit(position)

    async def lag(self) -> Mapping[int, int]:
        """Return the records behind it."""
        return await self.reader.lag()

    async def close(self) -> None:
        """Leave."""
        await self.reader.close()


class HotStoreAway(MemoryHotStore):
    """A hot store that answers nothing."""

    async def delete(self, *keys: str) -> int:
        """Fail."""
        raise Unavailable("hot store", f"no {keys[0]} here")

    async def publish(self, channel: str, message: bytes) -> int:
        """Fail."""
        raise Unavailable("hot store", f"no {channel} here for {len(message)} bytes")


class HotStoreHangs(MemoryHotStore):
    """A hot store that never answers."""

    async def delete(self, *keys: str) -> int:  # noqa: ARG002 - the port's signature
        """Wait for ever."""
        return await asyncio.get_running_loop().create_future()


@dataclass
class Desk:
    """A log, a market store and a hot store; `settings` are those of the stage."""

    bus: EmbeddedBus
    market: SqliteMarketStore
    hot: MemoryHotStore
    letters: DeadLetters
    settings: AggregationSettings
    clock: VirtualClock

    async def minute(self, number: int, rows: Mapping[str, Card], *, healthy: bool = True) -> None:
        """Append the scorecards of the session's minute (from 1) and their watermark, as analysis does."""
        time = OPENED + number * MINUTE
        mark = Watermark(time=time, partition=0, source="analysis", healthy=healthy)
        await self.bus.publish("analysis_updates", [cards(rows, time), mark], 0)

    def stage(self) -> AggregationStage:
        """Return a new stage over all of it."""
        return AggregationStage(self.bus, self.market, self.hot, self.clock, self.settings)

    async def aggregate(self, at_once: int = 50_000, *, commits: bool = True) -> None:
        """Run a new stage until it has done everything in the log; without `commits` it ends as a kill would."""
        stage = self.stage()
        shell = Shell(stage, self.bus, self.letters, Worker(stage.name), self.clock)
        join = Join([Input(stage.topic)])
        reader = JoinedReader(join)

        async def subscribe(topic: str, lanes: Lanes) -> Eager:
            return Eager(await self.bus.subscribe(topic, group=stage.group, assignment=lanes), at_once)

        await reader.open(subscribe)
        await shell.assigned({0: 0})
        ends = {("analysis_updates", 0): (await self.bus.end("analysis_updates")).get(0, 0)}
        running = asyncio.create_task(shell.run(reader))
        await until(lambda: (join.has_read(ends) and shell.has_done({0: reader.number})) or running.done())
        if commits:
            shell.stop()
            await running
        else:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def published(self) -> list[Body]:
        """Return everything on `market_view`."""
        reader = await self.bus.subscribe("market_view", group=None, start=Start.EARLIEST)
        found: list[Body] = []
        while batches := await reader.poll(timeout_seconds=0):
            found += [batch.body for batch in batches]
        await reader.close()
        return found

    async def views(self) -> list[MarketView]:
        """Return the views told, in order."""
        return [view for body in await self.published() if isinstance(body, tuple) for view in body]


@asynccontextmanager
async def desk(
    folder: Path,
    instruments: Sequence[Instrument],
    settings: AggregationSettings | None = None,
    hot: MemoryHotStore | None = None,
) -> AsyncIterator[Desk]:
    """Open everything over a folder; what was in it is there again."""
    bus, market = EmbeddedBus(folder / "log"), SqliteMarketStore(folder / "market.db")
    hot = hot or MemoryHotStore()
    await bus.open()
    await market.open()
    await hot.open()
    await market.save_instruments(instruments)
    letters = DeadLetters(bus, folder)
    try:
        yield Desk(bus, market, hot, letters, settings or AggregationSettings(), VirtualClock(OPENED))
    finally:
        await hot.close()
        await market.close()
        await bus.close()
