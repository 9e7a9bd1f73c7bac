"""Candles for analysis, and the stage over the real log and stores: run to the end of the log, or killed on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from niftyflow.analysis.engine import ColumnEngine
from niftyflow.analysis.settings import AnalysisSettings
from niftyflow.analysis.stage import AnalysisStage
from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Batch, Body, Start, Subscription
from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import Worker
from niftyflow.kit.stage import Shell
from niftyflow.model import Answers, CandleBatch, Features, Interval, Name, NameTable, ScorecardBatch, Watermark
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.sqlite_decisions import SqliteDecisionStore
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.waiting import until

MINUTE = 60_000
OPENED = 1_471_319_100_000
"""2016-08-16 09:15 IST, ms UTC."""
DAY = 24 * 60 * MINUTE
SESSION_MINUTES = 375


def candle_rows(keys: Sequence[str], name: Any, time: Any, **columns: Any) -> CandleBatch:
    """Return candles with what is not given at its plainest: a vwap like the close, revision 0."""
    size = len(time)
    plain = {
        "vwap": columns["close"],
        **{column: np.zeros(size, np.int64) for column in ("volume", "trades", "open_interest", "day_volume",
                                                            "traded_at", "revision", "provenance", "through_offset")},
        "incomplete": np.zeros(size, np.bool_),
        "through_partition": np.full(size, -1),
    }  # fmt: skip
    return CandleBatch(NameTable(Name(key) for key in keys), Interval.M1, name=name, time=time, **(plain | columns))


def walk(keys: Sequence[str], minutes: int, *, seed: int = 1, first: int = OPENED) -> CandleBatch:
    """Return a random walk of each symbol, in time order, over sessions of 375 minutes on consecutive days.

    A key that ends in INDEX has no volume. Prices are in steps of 0.05, and sometimes stand still.
    """
    random = np.random.default_rng(seed)
    size = len(keys)
    steps = random.integers(-4, 5, (minutes, size)) * (random.random((minutes, size)) < 0.8)
    close = (2000 + 400 * np.arange(size) + np.cumsum(steps, axis=0)) / 20
    opened = close - np.roll(steps, 1, axis=0) / 20
    spread = random.integers(0, 5, (2, minutes, size)) / 20
    high, low = np.maximum(close, opened) + spread[0], np.minimum(close, opened) - spread[1]
    volume = random.integers(0, 500, (minutes, size))
    volume[:, [key.endswith("INDEX") for key in keys]] = 0
    at = np.arange(minutes)
    time = first + (at // SESSION_MINUTES) * DAY + (at % SESSION_MINUTES) * MINUTE
    return candle_rows(
        keys, np.tile(np.arange(size), minutes), np.repeat(time, size), open=opened.ravel(), high=high.ravel(),
        low=low.ravel(), close=close.ravel(), volume=volume.ravel(), vwap=((high + low + close) / 3).ravel(),
    )  # fmt: skip


def by_minute(candles: CandleBatch) -> list[CandleBatch]:
    """Return the candles of each minute, oldest first."""
    order = np.argsort(candles.time, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(candles.time[order])) + 1)
    return [candles.take(rows) for rows in parts if len(rows)]


def bits(cards: ScorecardBatch) -> dict[str, object]:
    """Return everything in a batch, floats as their bits."""
    columns = {field: column.tobytes() for field, column in cards.columns().items() if field != "name"}
    return columns | {"names": [cards.names[index][::2] for index in cards.name.tolist()]}


def engine_of(*keys: str) -> ColumnEngine:
    """Return an engine that holds fresh symbols."""
    engine = ColumnEngine()
    for key in keys:
        engine.add(key)
    return engine


def mark(time: int, *, healthy: bool = True) -> Watermark:
    """Return a watermark of `market_candles`."""
    return Watermark(time=time, partition=0, source="processing", healthy=healthy)


def tape(candles: CandleBatch, marks: Sequence[int] = (20_000, 40_000, 60_000)) -> list[Body]:
    """Return the log of candles: watermarks within each minute, the last of which closes it, after its candles."""
    bodies: list[Body] = []
    for minute in by_minute(candles):
        start = int(minute.time[0])
        bodies += [mark(start + at) for at in marks[:-1]]
        bodies += [minute, mark(start + marks[-1])]
    return bodies


class Killed(Exception):
    """The process ends here."""


@dataclass
class Mortal:
    """Anything whose calls are counted; the one numbered `dies_at` ends the process, before or after it is done."""

    within: Any
    methods: tuple[str, ...]
    deaths: Deaths

    def __getattr__(self, name: str) -> Any:
        """Return the thing's own attribute, its counted methods wrapped."""
        found = getattr(self.within, name)
        if name not in self.methods:
            return found

        async def call(*arguments: Any, **named: Any) -> Any:
            self.deaths.step(f"before {name}")
            result = await found(*arguments, **named)
            self.deaths.step(f"after {name}")
            return result

        return call


@dataclass
class Deaths:
    """Counts steps of the outside world, and kills at one of them."""

    at: int = -1
    seen: list[str] = field(default_factory=list)

    def step(self, what: str) -> None:
        """Go on, or not."""
        self.seen.append(what)
        if len(self.seen) == self.at:
            raise Killed(what)


@dataclass
class Teller:
    """A predictor that answers by a formula of the features; it says another number whenever it is asked again."""

    version: str = "teller-1"
    asked: list[Features] = field(default_factory=list)
    drift: float = 0.0

    async def predict(self, features: Features) -> Answers:
        """Answer where RSI is known, and only there."""
        self.asked.append(features)
        prediction = np.clip(features.rsi / 100 + self.drift, 0.0, 1.0)
        return Answers(prediction, np.abs(prediction - 0.5) * 2, self.version)


class Eager:
    """A subscription whose polls wait a moment only and bring so many records."""

    def __init__(self, reader: Subscription, records: int) -> None:
        self._reader, self._records = reader, records
        self.commit, self.lag, self.close = reader.commit, reader.lag, reader.close

    async def poll(self) -> Sequence[Batch]:
        """Return what is there."""
        return await self._reader.poll(max_records=self._records, timeout_seconds=0.005)


@dataclass
class Floor:
    """A log and the stores, all real, and the predictor."""

    bus: EmbeddedBus
    market: SqliteMarketStore
    decisions: SqliteDecisionStore
    hot: MemoryHotStore
    letters: DeadLetters
    teller: Teller

    async def put(self, *bodies: Body) -> None:
        """Store and publish as processing does: the candles first."""
        for body in bodies:
            if isinstance(body, CandleBatch):
                await self.market.upsert_candles(body)
        await self.bus.publish("market_candles", list(bodies))

    async def analyze(
        self, *, deaths: Deaths | None = None, records: int = 50_000, settings: AnalysisSettings | None = None,
        hot: Any = None, decisions: Any = None, bus: Any = None,
    ) -> None:  # fmt: skip
        """Run a new stage until it has done everything in the log; a death ends it on the way, silently."""
        deaths = deaths or Deaths()
        over = Mortal(bus or self.bus, ("publish",), deaths)
        stored = Mortal(decisions or self.decisions, ("save_states", "save_predictions"), deaths)
        clock = VirtualClock(OPENED)
        stage = AnalysisStage(over, self.market, stored, hot or self.hot, self.teller, clock, settings)
        shell = Shell(stage, over, self.letters, Worker("analysis"), clock)
        reader = Eager(await self.bus.subscribe(stage.topic, group=stage.group, assignment=shell), records)
        ends = await self.bus.end(stage.topic)
        running = asyncio.create_task(shell.run(reader))
        await until(lambda: shell.has_done(ends) or running.done())
        shell.stop()
        with suppress(Killed):
            await running

    async def told(self) -> list[Body]:
        """Return everything on `analysis_updates`."""
        return await self.on("analysis_updates")

    async def on(self, topic: str) -> list[Any]:
        """Return everything on a topic."""
        reader = await self.bus.subscribe(topic, group=None, start=Start.EARLIEST)
        found: list[Body] = []
        while batches := await reader.poll(timeout_seconds=0):
            found += [batch.body for batch in batches]
        await reader.close()
        return found


def made(folder: Path) -> Path:
    """Return a folder that is there."""
    folder.mkdir(exist_ok=True)
    return folder


@asynccontextmanager
async def floor(folder: Path) -> AsyncIterator[Floor]:
    """Open everything over a folder; what was in it is there again."""
    folder = made(folder)
    bus, market, hot = EmbeddedBus(folder / "log"), SqliteMarketStore(folder / "market.db"), MemoryHotStore()
    for engine in (bus, market, hot):
        await engine.open()
    try:
        yield Floor(bus, market, SqliteDecisionStore(market.database), hot, DeadLetters(bus, folder), Teller())
    finally:
        for engine in (hot, market, bus):
            await engine.close()


def cards_of(bodies: Sequence[Body]) -> list[ScorecardBatch]:
    """Return the scorecards among bodies, in order."""
    return [body for body in bodies if isinstance(body, ScorecardBatch)]


def exact(bodies: Sequence[Body]) -> list[object]:
    """Return bodies in a form that compares to the last bit."""
    return [bits(body) if isinstance(body, ScorecardBatch) else body for body in bodies]
