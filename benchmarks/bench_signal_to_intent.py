"""From a signal's publication to its order committed in the book: what it costs to make a decision safe.

Real log, real book on disk, the desk with a signal follower; the market's ticks and candles of the moment are there
already, so that nothing but the signal is waited for. Time counts from before the publication is asked for.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import uvloop

from benchmarks.measure import Budget, Measurement, quantile
from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.log import configure
from niftyflow.model import (
    Exchange,
    Instrument,
    Interval,
    Kind,
    Side,
    Signal,
    Tick,
    TickBatch,
    Watermark,
    moment,
    signal_id,
)
from niftyflow.runtime.parts import Part, Parts
from niftyflow.runtime.settings import load
from niftyflow.runtime.wiring import Engines, calm_collector, engines
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.book_ports import Changes
from niftyflow.storage.leases import FileLeases
from niftyflow.storage.sqlite_book import SqliteBookStore
from niftyflow.trading.desk import TradingDesk

BUDGET = Budget("signal published to order committed, p99", "ms", 5.0, higher_is_better=False)
OPENING = 1_706_154_300_000
"""09:15 in India on 2024-01-25, ms UTC."""
MINUTE_MS = 60_000
WARM_UP, SIGNALS = 50, 270
DAYS = 3
"""Fresh workspaces, each with a day of its own: a session has no more minutes, and a p99 wants more signals."""
SHARES = 50
LIMIT_SECONDS = 10.0
SETTINGS = {
    "trading.capital_rupees": 100_000_000,
    "trading.limits.max_gross_exposure_rupees": 100_000_000,
    "trading.limits.max_daily_loss_rupees": 10_000_000,
    "trading.strategies": [
        {"name": "follower", "kind": "signal-follower", "parameters": {"max_positions": SHARES, "value_rupees": 20_000}}
    ],
}


class WatchedBook(SqliteBookStore):
    """The book, which also notes when the first order of each signal was in it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.committed: dict[str, float] = {}
        self.changed = asyncio.Event()

    async def commit(self, account: str, fence: int, changes: Changes) -> None:
        """Commit, then note."""
        await super().commit(account, fence, changes)
        now = time.perf_counter()
        for order in changes.orders:
            *_, caused_by, cause = ["", *order.cause.removesuffix(f"/exit/{order.decided_at}").split("/")]
            if caused_by == "signal":
                self.committed.setdefault(cause, now)
        self.changed.set()


def run() -> list[Measurement]:
    """Measure some hundred signals, one a minute of market time."""
    configure(json=False, level="error")
    delays: list[float] = []
    published: list[float] = []
    orders = 0
    for _ in range(DAYS):
        with tempfile.TemporaryDirectory() as folder:
            of_day, told, given = uvloop.run(_measure(Path(folder)))
        assert len(of_day) == SIGNALS, len(of_day)
        assert given >= SIGNALS, given
        delays, published, orders = delays + of_day, published + told, orders + given
    details: dict[str, float | int | str] = {
        "p50_ms": quantile(delays, 0.5), "max_ms": max(delays), "signals": len(delays), "orders": orders
    }  # fmt: skip
    note = (
        f"p50 {quantile(delays, 0.5):.2f} ms, worst {max(delays):.2f} ms, {len(delays)} signals; book.db: WAL, "
        f"synchronous FULL (one sync a commit)"
    )
    syncs = _disk_syncs()
    return [
        Measurement("niftyflow: p99", quantile(delays, 0.99), "ms", note=note, details=details),
        Measurement("of it, the signal's own publication, p50", quantile(published, 0.5), "ms"),
        Measurement(
            "the disk alone: 8 KiB written and synced, p99",
            quantile(syncs, 0.99),
            "ms",
            note=f"p50 {quantile(syncs, 0.5):.2f} ms, worst {max(syncs):.2f} ms",
        ),
    ]


def _disk_syncs() -> list[float]:
    """Return what a write of 8 KiB and its sync take on the same disk, in ms."""
    taken = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(DAYS * SIGNALS):
            file.write(bytes(8192))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - began) * 1000)
    return taken


async def _measure(folder: Path) -> tuple[list[float], list[float], int]:
    async with _trading(folder) as (on, book, parts):
        calm_collector()  # as a process does before it runs
        await _market(on, parts[0], OPENING + MINUTE_MS)
        await on.bus.publish("signals", [_mark(OPENING + MINUTE_MS)])  # strategies start after the first step
        delays, published = [], []
        for number in range(WARM_UP + SIGNALS):
            at = OPENING + (number + 2) * MINUTE_MS
            await _market(on, parts[0], at)
            signal = _signal(number % SHARES, at, Side.BUY if number // SHARES % 2 == 0 else Side.SELL)
            began = time.perf_counter()
            await on.bus.publish("signals", [(signal,), _mark(at)])
            told = time.perf_counter()
            async with asyncio.timeout(LIMIT_SECONDS):
                while signal.id not in book.committed:
                    book.changed.clear()
                    await book.changed.wait()
            if number >= WARM_UP:
                delays.append((book.committed[signal.id] - began) * 1000)
                published.append((told - began) * 1000)
        return delays, published, len(await on.book.orders())


@asynccontextmanager
async def _trading(folder: Path) -> AsyncIterator[tuple[Engines, WatchedBook, list[Part]]]:
    """Run the two trading stages on the engines of a workspace."""
    settings = load(folder / "none.toml", SETTINGS)
    workspace = Workspace(folder / "workspace")
    async with engines(workspace, settings) as on:
        await on.book.close()
        book = WatchedBook(workspace.book_db)
        await book.open()
        on.book = book
        await on.market.save_instruments([_share(number) for number in range(SHARES)])
        desk = TradingDesk(on.bus, book, on.market, on.hot, on.health.worker("trading"), settings.trading)
        lease = await FileLeases(workspace.leases).acquire(f"account/{settings.trading.account}")
        await desk.open(lease, OPENING)
        parts = await Parts(on, settings, VirtualClock()).trading(desk)
        running = [asyncio.create_task(part.shell.run(part.reader)) for part in parts]
        try:
            yield on, book, parts
        finally:
            desk.stop()
            for part in parts:
                part.shell.stop()
            await asyncio.gather(*running)
            await lease.release()
            await book.close()


async def _market(on: Engines, trading: Part, at: int) -> None:
    """Publish ticks and watermarks up to a moment: what was ordered before fills in the minute before and is booked.

    In two steps, for an exit's fill may lead to an entry. Of the moment itself only prices wait in the desk's hands,
    for the signal.
    """
    for earlier in (at - 2 * MINUTE_MS // 3, at - MINUTE_MS // 3):
        await on.bus.publish("raw-ticks", [_ticks(earlier), _mark(earlier)])
        await on.bus.publish("market_candles", [_mark(earlier)])
        async with asyncio.timeout(LIMIT_SECONDS):
            while not trading.has_done(await trading.end()):  # noqa: ASYNC110 - it works, it signals nothing
                await asyncio.sleep(0.001)
    await on.bus.publish("raw-ticks", [_ticks(at), _mark(at)])
    await on.bus.publish("market_candles", [_mark(at)])
    ends = {(topic, 0): (await on.bus.end(topic))[0] for topic in ("raw-ticks", "market_candles")}
    async with asyncio.timeout(LIMIT_SECONDS):
        while not trading.reader.join.has_read(ends):  # noqa: ASYNC110 - it works, it signals nothing
            await asyncio.sleep(0.001)


def _share(number: int) -> Instrument:
    return Instrument(exchange=Exchange.NSE, symbol=f"S{number:03}", kind=Kind.EQUITY, has_derivatives=True)


def _ticks(at: int) -> TickBatch:
    """Return a tick of each share, half a second before a moment: what was ordered before is filled by it."""
    time = at - 500
    return TickBatch.from_records(
        [
            Tick(
                token=f"S{number:03}", symbol=f"S{number:03}", exchange="NSE", ltp=500.0, volume=10, day_volume=1000,
                bid=499.95, ask=500.05, open_interest=0, timestamp=time, traded_at=time, received=time, sequence=0,
                source="bench",
            )
            for number in range(SHARES)
        ]
    )  # fmt: skip


def _signal(share: int, at: int, side: Side) -> Signal:
    """Return a signal without stop and target: one on a position of the other side closes that first."""
    when, symbol = moment(at), f"S{share:03}"
    return Signal(
        id=signal_id("rule", f"NSE:{symbol}", Interval.M1, when), strategy="rule", symbol=symbol, exchange="NSE",
        interval=Interval.M1, timestamp=when, valid_until=when + timedelta(minutes=3), action=side, strength=1.0,
        price=500.0, stop=None, target=None, reason=[], saw={},
    )  # fmt: skip


def _mark(at: int) -> Watermark:
    return Watermark(time=at, partition=0, source="bench", healthy=True)
