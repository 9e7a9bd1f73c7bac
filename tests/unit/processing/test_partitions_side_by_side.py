"""Processing with several partitions in one turn: their candles in one transaction, each on its own partition."""

from __future__ import annotations

import asyncio

import msgspec

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Batch
from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import Worker
from niftyflow.kit.stage import Shell
from niftyflow.model import CandleBatch, Interval, Unavailable, Watermark
from niftyflow.processing.stage import CandleStage
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.candle_stages import EVER, candles_of, times_of
from support.intakes import DAY, Ticks
from support.market import INFY
from support.stages import MemoryBus, MemoryReader
from support.waiting import until

MINUTE = 60_000
SYMBOLS = ("INFY", "RELIANCE", "TCS")
SHARES = [msgspec.structs.replace(INFY, symbol=symbol) for symbol in SYMBOLS]


class Spread(EmbeddedBus):
    """A log that a partitioned one is like: a share has a partition of its own, of which nothing was told before."""

    def partition_of(self, topic: str, key: str) -> int:  # noqa: ARG002 - all topics alike
        """Return the share's place."""
        return SYMBOLS.index(key.split(":")[1])

    async def last_watermark(self, topic: str, partition: int, before: int | None = None) -> None:
        """Return that nothing was told."""


class Counted(SqliteMarketStore):
    """A store that says how many candles each write brought, and may be away for some writes."""

    away = 0

    async def upsert_candles(self, batch: CandleBatch) -> int:
        """Store, unless it is away."""
        if self.away:
            self.away -= 1
            raise Unavailable("market.db", "the test says so")
        self.writes = [*getattr(self, "writes", []), len(batch)]
        return await super().upsert_candles(batch)


class Topic(MemoryBus):
    """Keeps what was published by partition."""

    async def publish(self, topic, bodies, partition=None):
        """Append."""
        self.bodies[f"{topic}-{partition}"] += bodies


def a_day(partition: int) -> list[list[Batch]]:
    """Return what two polls bring of one partition: ticks before the first minute's end, then its end."""
    make = Ticks()
    mark = [
        Watermark(time=DAY + at, partition=partition, source="ingestion", healthy=at >= 0) for at in (-MINUTE, MINUTE)
    ]
    ticks = make.of(
        {"at": 1000, "symbol": SYMBOLS[partition], "ltp": 100.0 + partition, "day_volume": 10, "volume": 1},
        {"at": 9000, "symbol": SYMBOLS[partition], "ltp": 101.0 + partition, "day_volume": 11, "volume": 1},
    )
    return [
        [Batch("raw-ticks", partition, 0, mark[0]), Batch("raw-ticks", partition, 1, ticks)],
        [Batch("raw-ticks", partition, 3, mark[1])],
    ]


async def made(folder, *, away: int = 0) -> tuple[Counted, Topic, list[int]]:
    """Run the day through processing; return the store, what was published, and the lengths of the writes."""
    bus, market, hot, topic = Spread(folder / "log"), Counted(folder / "market.db"), MemoryHotStore(), Topic()
    for engine in (bus, market, hot):
        await engine.open()
    await market.save_instruments(SHARES)
    market.away = away
    stage = CandleStage(bus, market, hot, VirtualClock(DAY))
    shell = Shell(stage, topic, DeadLetters(topic, folder), Worker("processing"), VirtualClock(DAY))
    await shell.assigned(dict.fromkeys(range(len(SYMBOLS)), 0))
    days = [a_day(partition) for partition in range(len(SYMBOLS))]
    reader = MemoryReader(topic, [[batch for day in days for batch in day[poll]] for poll in range(2)])
    running = asyncio.create_task(shell.run(reader))
    await until(lambda: shell.has_done(dict.fromkeys(range(len(SYMBOLS)), 4)) or running.done())
    shell.stop()
    await running
    for engine in (hot, bus):
        await engine.close()
    return market, topic, market.writes


async def test_the_candles_of_all_partitions_are_one_write_and_each_on_its_own_partition(tmp_path):
    """Every share's candle is stored under its own name, whatever table of names its partition has."""
    market, topic, writes = await made(tmp_path)
    assert writes == [len(SYMBOLS)]
    for partition, share in enumerate(SHARES):
        published = topic.bodies[f"market_candles-{partition}"]
        stored = (await market.candles(share.key, Interval.M1, 0, EVER)).to_records()
        assert [(candle.symbol, candle.open, candle.close) for candle in stored] == [
            (share.symbol, 100.0 + partition, 101.0 + partition)
        ]
        assert candles_of(published) == stored
        assert times_of(published)[-1] == MINUTE
    await market.close()


async def test_a_store_that_was_away_for_all_of_them_has_each_candle_once_when_it_is_back(tmp_path):
    """Each partition tries again by itself, and publishes only what is stored."""
    market, topic, writes = await made(tmp_path, away=2)
    assert sum(writes) == len(SYMBOLS)
    for partition, share in enumerate(SHARES):
        assert len(candles_of(topic.bodies[f"market_candles-{partition}"])) == 1
        assert len(await market.candles(share.key, Interval.M1, 0, EVER)) == 1
    await market.close()
