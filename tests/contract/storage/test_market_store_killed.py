"""What is in every market store when its writer is killed, and what others read while it writes."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from niftyflow.model import Interval
from niftyflow.storage import MarketStore
from support import stores
from support.stores import BATCH_INSTRUMENTS, BATCH_MINUTES, MINUTE, OPENED, flat_candles
from support.waiting import until

ALWAYS = (0, 2**60)
TESTS = str(Path(stores.__file__).parents[1])


async def start_writer(engine: str, folder: Path, first_minute: int) -> asyncio.subprocess.Process:
    """Start the program that stores one batch after another."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # a neighbour of the program in its folder is no package that it imports
        stores.__file__,
        engine,
        str(folder),
        str(first_minute),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": TESTS},
    )


async def test_a_killed_writer_leaves_each_batch_whole_or_absent(
    market_engine: str, market_handles: Callable[[], MarketStore], tmp_path: Path
):
    """Killed with -9 in the middle of upserts, twice; what it said was stored is there."""
    said: list[int] = []
    for attempt in range(2):
        writer = await start_writer(market_engine, tmp_path, first_minute=attempt * 1_000_000)
        try:
            async with asyncio.timeout(60):
                said += [int(await writer.stdout.readline()) for _ in range(3)]
                await asyncio.sleep(random.uniform(0, 0.1))
        finally:
            writer.send_signal(signal.SIGKILL)
            rest, _ = await writer.communicate()
        said += [int(line) for line in rest.split()]
    store = market_handles()
    await store.open()
    begun: set[int] = set()

    async def is_whole() -> bool:
        """Look again while a server still does the last thing it was told by the dead."""
        begun.clear()
        counted = await store.count_candles(Interval.M1, *ALWAYS)
        times = (await store.candles("NSE:S00000", Interval.M1, *ALWAYS)).time
        begun.update(((times - OPENED) // MINUTE // BATCH_MINUTES * BATCH_MINUTES).tolist())
        return len(counted) == BATCH_INSTRUMENTS and set(counted.values()) == {len(begun) * BATCH_MINUTES}

    await until(is_whole)
    assert set(said) <= begun
    assert len(begun - set(said)) <= 2


async def test_another_process_writing_is_read_batch_by_batch(
    market_engine: str, market_handles: Callable[[], MarketStore], tmp_path: Path
):
    """Each look sees only whole batches, and later looks see more."""
    writer = await start_writer(market_engine, tmp_path, first_minute=0)
    seen: list[int] = []
    try:
        async with asyncio.timeout(60):
            await writer.stdout.readline()
            reader = market_handles()
            await reader.open()
            while len(seen) < 8 or seen[-1] == seen[0]:
                counted = await reader.count_candles(Interval.M1, *ALWAYS)
                assert len(set(counted.values())) == 1
                seen.append(counted["NSE:S00000"])
                await asyncio.sleep(0.02)
    finally:
        writer.kill()
        await writer.communicate()
    assert all(minutes % BATCH_MINUTES == 0 for minutes in seen)
    assert seen == sorted(seen)


async def test_writers_of_two_handles_wait_for_each_other(market_handles: Callable[[], MarketStore]):
    """Both store everything; none is told that the database is locked."""
    one, two = market_handles(), market_handles()
    await asyncio.gather(one.open(), two.open())
    writes = [
        (one, two)[number % 2].upsert_candles(flat_candles(100, 10, first_minute=number * 10)) for number in range(20)
    ]
    assert await asyncio.gather(*writes) == [1000] * 20
    assert sum((await one.count_candles(Interval.M1, *ALWAYS)).values()) == 20_000


async def test_a_cancelled_upsert_is_whole_or_absent_and_the_store_goes_on(market: MarketStore):
    """Cancelled at any moment, it leaves no half batch, no lock, and no connection in a bad state."""
    for number in range(12):
        task = asyncio.ensure_future(market.upsert_candles(flat_candles(500, 4, first_minute=number * 4)))
        await asyncio.sleep(number * 0.001)
        task.cancel()
        await asyncio.wait({task})
    counted = await market.count_candles(Interval.M1, *ALWAYS)
    assert len(set(counted.values())) <= 1
    assert all(minutes % 4 == 0 for minutes in counted.values())
    assert await market.upsert_candles(flat_candles(500, 4, first_minute=900)) == 2000


async def test_a_cancelled_read_leaves_the_store_usable(market: MarketStore):
    """More cancelled reads than there are reading connections."""
    await market.upsert_candles(flat_candles(500, 10))
    for number in range(12):
        task = asyncio.ensure_future(market.count_candles(Interval.M1, *ALWAYS))
        await asyncio.sleep(number * 0.0005)
        task.cancel()
        await asyncio.wait({task})
    assert len(await market.count_candles(Interval.M1, *ALWAYS)) == 500
