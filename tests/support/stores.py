"""Engines of the storage ports for the contract suites, and the program that writes candles until it is killed.

A new engine joins the suites by one entry in `MARKET_ENGINES`, `HOT_ENGINES` or `LEASE_ENGINES`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.log import configure
from niftyflow.model import CandleBatch, Interval, Name, NameTable
from niftyflow.storage.leases import FileLeases
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.ports import HotStore, Leases, MarketStore
from niftyflow.storage.sqlite_market import SqliteMarketStore

MINUTE = 60_000
OPENED = 1_453_866_300_000
"""2016-01-27 09:15 IST, ms UTC."""
BATCH_INSTRUMENTS, BATCH_MINUTES = 200, 50
MOST_BATCHES = 200

MARKET_ENGINES: dict[str, Callable[[Path], MarketStore]] = {
    "sqlite": lambda folder: SqliteMarketStore(folder / "market.db"),
}
"""Each makes a handle; two handles of one folder see the same data."""

LEASE_ENGINES: dict[str, Callable[[Path], Leases]] = {
    "file": lambda folder: FileLeases(folder / "leases"),
}
"""Each makes a handle; two handles of one folder contend for the same leases."""


@dataclass
class HotEngine:
    """A hot store, and the way to let time pass for it."""

    store: HotStore
    wait: Callable[[float], Awaitable[None]]


def memory_engine() -> HotEngine:
    """Return the in-memory store on a clock of its own."""
    clock = SecondsClock()
    store = MemoryHotStore(seconds=clock, clock=VirtualClock(1_705_560_000_000))

    async def wait(seconds: float) -> None:
        clock.now += seconds
        await asyncio.sleep(0)

    return HotEngine(store, wait)


HOT_ENGINES: dict[str, Callable[[], HotEngine]] = {"memory": memory_engine}


@dataclass
class SecondsClock:
    """Seconds that pass only when told to."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def flat_candles(
    instruments: int,
    minutes: int,
    *,
    first_minute: int = 0,
    revision: int = 0,
    price: float = 100.0,
    interval: Interval = Interval.M1,
) -> CandleBatch:
    """Return a candle for each instrument (`NSE:S00000` …) and minute from the open on, all at one price."""
    rows = instruments * minutes
    index = np.arange(rows)
    step = MINUTE if interval is Interval.M1 else 24 * 60 * MINUTE
    return CandleBatch(
        NameTable(Name(f"NSE:S{number:05}") for number in range(instruments)),
        interval,
        name=index % instruments,
        time=OPENED + step * (first_minute + index // instruments),
        **{field: np.full(rows, price) for field in ("open", "high", "low", "close", "vwap")},
        **{field: np.zeros(rows, np.int64) for field in ("volume", "trades", "open_interest", "traded_at")},
        day_volume=index,
        provenance=np.zeros(rows, np.uint8),
        revision=np.full(rows, revision),
        incomplete=np.zeros(rows, np.bool_),
        through_partition=np.full(rows, 3),
        through_offset=index,
    )


async def write_until_killed(engine: str, folder: Path, first_minute: int) -> None:
    """Store one batch after another; say on standard output from which minute each began, once it is stored.

    It ends by itself after `MOST_BATCHES`, in case nobody kills it.
    """
    store = MARKET_ENGINES[engine](folder)
    await store.open()
    for number in range(MOST_BATCHES):
        minute = first_minute + number * BATCH_MINUTES
        await store.upsert_candles(flat_candles(BATCH_INSTRUMENTS, BATCH_MINUTES, first_minute=minute))
        sys.stdout.write(f"{minute}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    configure(json=True, level="warning")
    asyncio.run(write_until_killed(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
