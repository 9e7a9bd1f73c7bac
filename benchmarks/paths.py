"""The platform's own path as the benchmarks drive it: the core by itself, and the whole in one process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import uvloop

from benchmarks.workload import FIRST_TOKEN
from niftyflow.brokers.kite.wire import TokenIndex, decode_ticks
from niftyflow.kit.log import configure
from niftyflow.model import Exchange, Instrument, Kind, Watermark
from niftyflow.processing.fold import CandleFold

OPENING_MINUTE = 555
FRAMES_AT_ONCE = 200
MINUTE_MS = 60_000


class WholeDay:
    """A session of NSE's usual minutes on every day, for every instrument."""

    def class_of(self, key: str, day_start: int) -> int:
        """Return the only class."""
        return 0

    def masks(self, day_start: int) -> np.ndarray:
        """Return 375 minutes from 09:15."""
        masks = np.zeros((1, 1440), np.uint8)
        masks[0, OPENING_MINUTE : OPENING_MINUTE + 375] = 1
        return masks


def token_index(instruments: int) -> TokenIndex:
    """Return the tokens of the workload's instruments."""
    return TokenIndex(
        [
            Instrument(
                exchange=Exchange.NSE, symbol=f"S{place}", kind=Kind.EQUITY, token=str((FIRST_TOKEN + place) << 8 | 1)
            )
            for place in range(instruments)
        ],
        "kite",
    )


def folded(frames: list[bytes], index: TokenIndex) -> int:
    """Decode and fold frames in blocks, a watermark after each; return how many candles were told."""
    fold = CandleFold(0, WholeDay())
    candles = offset = sequence = last = 0
    for first in range(0, len(frames), FRAMES_AT_ONCE):
        block = frames[first : first + FRAMES_AT_ONCE]
        ticks = decode_ticks(block, [0] * len(block), index).batch
        ticks = ticks.replace(sequence=np.arange(sequence, sequence + len(ticks)))
        sequence += len(ticks)
        if not first:
            fold.advance(Watermark(time=int(ticks.traded_at[0]), partition=0, source="", healthy=True), 0)
        fold.take(ticks, offset + 1)
        last = int(ticks.traded_at[-1])
        offset += len(ticks) + 1
        told = fold.advance(Watermark(time=last, partition=0, source="", healthy=True), offset).candles
        candles += 0 if told is None else len(told)
    end = -(-(last + 1) // MINUTE_MS) * MINUTE_MS
    told = fold.advance(Watermark(time=end, partition=0, source="", healthy=True), offset + 1).candles
    return candles + (0 if told is None else len(told))


@contextmanager
def simulator(*arguments: str) -> Iterator[str]:
    """Run `niftyflow sim` in a process of its own on a free port; yield its address."""
    with _printing(sys.executable, "-m", "niftyflow.cli.app", "sim", *arguments, "--port", "0") as url:
        yield url


@contextmanager
def generated_market(symbols: int, seconds: int) -> Iterator[str]:
    """Run a generated session of any size in a process of its own, as fast as it is read; yield its address."""
    with _printing(sys.executable, "-m", "benchmarks.generated_market", str(symbols), str(seconds), "max") as url:
        yield url


@contextmanager
def _printing(*command: str) -> Iterator[str]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def socket_to_store(url: str) -> dict[str, float]:
    """Run the whole graph in this process on a simulator's socket until its session ends; return what was measured."""
    configure(json=False, level="error")
    with tempfile.TemporaryDirectory() as folder:
        return uvloop.run(_socket_to_store(url, Path(folder)))


async def _socket_to_store(url: str, folder: Path) -> dict[str, float]:
    from niftyflow.model import Interval
    from niftyflow.runtime.feeds import instruments_of, live_feed
    from niftyflow.runtime.settings import load
    from niftyflow.runtime.wiring import Does, Process, engines
    from niftyflow.runtime.workspace import Workspace

    settings = load(folder / "none.toml", {"feed.url": url})
    workspace = Workspace(folder / "workspace")
    async with engines(workspace, settings) as on:
        process = Process(workspace, settings, on)
        feed, clock = live_feed(settings)
        instruments = await instruments_of(settings, clock, on.health.worker("ingestion"))
        began = time.perf_counter()
        await process.run(feed, instruments, clock, does=Does.PROCESSING)
        seconds = time.perf_counter() - began
        counts = await on.market.count_candles(Interval.M1, 0, 1 << 60)
        records = (await on.bus.end("raw-ticks"))[0]
        marks = (await on.bus.end("market_candles"))[0] - sum(counts.values())
    return {"seconds": seconds, "ticks": records - marks, "candles": sum(counts.values()), "marks": marks}
