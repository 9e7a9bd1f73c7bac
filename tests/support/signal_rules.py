"""Rules, scorecards of a day, and the signal stage over the real log and stores, run on, or killed on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Batch, Body, Start, Subscription
from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import Worker
from niftyflow.kit.join import Input, Join
from niftyflow.kit.joined_reader import JoinedReader, Lanes
from niftyflow.kit.stage import Shell
from niftyflow.model import (
    Interval,
    MarketView,
    Name,
    NameTable,
    ScorecardBatch,
    Sentiment,
    Signal,
    Unavailable,
    Watermark,
    moment,
)
from niftyflow.signals.engine import RuleEngine
from niftyflow.signals.rules import Rule, read_rule
from niftyflow.signals.stage import SignalStage
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.sqlite_decisions import SqliteDecisionStore
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.waiting import until

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
OPENED = 1_705_549_500_000
"""2024-01-18 09:15 IST, ms UTC."""

Card = Mapping[str, Any]
PLAIN = "name: plain\nbuy: [composite_score >= 3]\nsell: [composite_score <= -3]\ncooldown: 0m\n"


def rule(text: str = PLAIN, **fields: Any) -> Rule:
    """Return the rule of a file, some of its fields replaced by YAML text."""
    lines = [line for line in text.splitlines() if line.partition(":")[0] not in fields]
    return read_rule("\n".join([*lines, *(f"{field}: {value}" for field, value in fields.items())]), "test.yaml")


def at(minute: int) -> int:
    """Return the time of the scorecard of the session's minute (from 1), ms UTC."""
    return OPENED + minute * MINUTE


def cards(
    time: int, rows: Mapping[str, Card | float] | Sequence[tuple[str, Card | float]], *, model: str = "",
    interval: Interval = Interval.M1,
) -> ScorecardBatch:  # fmt: skip
    """Return scorecards of one moment: the composite score, or some columns; what is not given is not known."""
    rows = list(rows.items()) if isinstance(rows, Mapping) else rows
    names = NameTable()
    columns: dict[str, list[Any]] = {field: [] for field in ScorecardBatch.COLUMNS}
    for key, given in rows:
        card = given if isinstance(given, Mapping) else {"composite_score": given}
        known = {"name": names.intern(Name(key, "", model)), "time": time, "ltp": 100.0} | card
        for field, dtype in ScorecardBatch.COLUMNS.items():
            columns[field].append(known.get(field, np.nan if dtype is np.float64 else 0))
    return ScorecardBatch(names, interval, **columns)


def view(time: int, **numbers: float) -> MarketView:
    """Return a view of the market."""
    known: dict[str, Any] = {
        "advances": 30, "declines": 20, "unchanged": 0, "above_ema50_percent": None, "above_ema200_percent": 50.0,
        "new_highs": 1, "new_lows": 2, "breadth": 0.5, "sentiment_score": 0.25, "cache_hits": 50, "cache_misses": 0,
    }  # fmt: skip
    return MarketView(
        timestamp=moment(time), universe="ALL", gainers=[], losers=[], volume_shockers=[], sentiment=Sentiment.NEUTRAL,
        **(known | numbers),
    )  # fmt: skip


def told(engine: RuleEngine, minutes: Mapping[int, Mapping[str, float]]) -> list[tuple[int, str, str, str]]:
    """Give an engine the composite scores of some minutes; return (minute, rule, action, key) of its signals."""
    found = []
    for minute, scores in minutes.items():
        found += [
            (minute, signal.strategy, signal.action.value, str(signal.instrument))
            for signal in engine.take(cards(at(minute), scores), None)
        ]
    return found


class HotStoreAway(MemoryHotStore):
    """A hot store that answers nothing."""

    async def publish(self, channel: str, message: bytes) -> int:
        """Fail."""
        raise Unavailable("hot store", f"no {channel} here for {len(message)} bytes")


class HotStoreHangs(MemoryHotStore):
    """A hot store that never answers."""

    async def publish(self, channel: str, message: bytes) -> int:  # noqa: ARG002 - the port's signature
        """Wait for ever."""
        return await asyncio.get_running_loop().create_future()


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


@dataclass
class Desk:
    """A log, a decision store and a hot store, with the rules that are followed."""

    bus: EmbeddedBus
    decisions: SqliteDecisionStore
    hot: MemoryHotStore
    letters: DeadLetters
    rules: Sequence[Rule]

    async def step(
        self, time: int, batches: Sequence[ScorecardBatch], seen: MarketView | None, *, healthy: bool = True
    ) -> None:
        """Append a step, as analysis and aggregation do."""
        mark = Watermark(time=time, partition=0, source="test", healthy=healthy)
        await self.bus.publish("analysis_updates", [*batches, mark], 0)
        await self.bus.publish("market_view", [*([] if seen is None else [(seen,)]), mark], 0)

    async def run(self, at_once: int = 50_000, *, commits: bool = True) -> SignalStage:
        """Run a new stage until it has done everything in the log; without `commits` it ends as a kill would."""
        stage = SignalStage(self.bus, self.decisions, self.hot, VirtualClock(OPENED), self.rules)
        shell = Shell(stage, self.bus, self.letters, Worker(stage.name), VirtualClock(OPENED))
        join = Join([Input(stage.topic), Input(stage.beside)])
        reader = JoinedReader(join)

        async def subscribe(topic: str, lanes: Lanes) -> Eager:
            return Eager(await self.bus.subscribe(topic, group=stage.group, assignment=lanes), at_once)

        await reader.open(subscribe)
        await shell.assigned({0: 0})
        ends = {(topic, 0): (await self.bus.end(topic)).get(0, 0) for topic in join.topics}
        running = asyncio.create_task(shell.run(reader))
        await until(lambda: (join.has_read(ends) and shell.has_done({0: reader.number})) or running.done())
        if commits:
            shell.stop()
            await running
        else:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return stage

    async def committed(self, topic: str) -> int:
        """Return where the group goes on reading a topic."""
        reader = await self.bus.subscribe(topic, group=SignalStage.group)
        position = reader.position()
        await reader.close()
        return position.get(0, 0)

    async def published(self) -> list[Body]:
        """Return everything on `signals`."""
        reader = await self.bus.subscribe("signals", group=None, start=Start.EARLIEST)
        found: list[Body] = []
        while batches := await reader.poll(timeout_seconds=0):
            found += [batch.body for batch in batches]
        await reader.close()
        return found

    async def signals(self) -> list[Signal]:
        """Return the signals published, in order."""
        return [signal for body in await self.published() if isinstance(body, tuple) for signal in body]

    async def stored(self) -> list[Signal]:
        """Return the signals stored, by time, then by name and instrument."""
        found = await self.decisions.signals(0, 1 << 60)
        return sorted(found, key=lambda signal: (signal.timestamp, signal.strategy, signal.instrument))


@asynccontextmanager
async def desk(folder: Path, *rules: Rule, hot: MemoryHotStore | None = None) -> AsyncIterator[Desk]:
    """Open everything over a folder; what was in it is there again."""
    bus, market, hot = EmbeddedBus(folder / "log"), SqliteMarketStore(folder / "market.db"), hot or MemoryHotStore()
    await bus.open()
    await market.open()
    await hot.open()
    try:
        yield Desk(bus, SqliteDecisionStore(market.database), hot, DeadLetters(bus, folder), rules)
    finally:
        await hot.close()
        await market.close()
        await bus.close()
