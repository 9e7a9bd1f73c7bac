"""Processing as a stage: raw ticks in; candles stored, published and remembered; the position held behind the horizon.

The rules are in `fold.py`, the running in `kit/stage.py`; here is only what connects them to the stores and topics.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from niftyflow.bus.port import Body, Bus
from niftyflow.kernels import candles as kernel
from niftyflow.kit import metrics
from niftyflow.kit.clock import Clock, monotonic
from niftyflow.kit.gathering import Gathering
from niftyflow.kit.showing import Showing
from niftyflow.kit.stage import Batch, Work, effect, letter_of
from niftyflow.market import ist_day
from niftyflow.model import CandleBatch, DeadLetter, FeedGap, NameTable, Provenance, TickBatch, Watermark
from niftyflow.processing.fold import CandleFold, base_span, outcome_names
from niftyflow.processing.sessions import MarketSessions
from niftyflow.storage.ports import HotStore, MarketStore, RepairRequest

CURRENT_CANDLE_SECONDS = 120.0
CURRENT_FIELDS = ("time", "open", "high", "low", "close", "volume", "trades", "vwap", "incomplete")
CANDLES_AT_ONCE = 20
OUTCOMES = outcome_names()


@dataclass(slots=True)
class Partition:
    """One partition's fold, and what came of it since the shell last asked."""

    fold: CandleFold
    told_until: int
    candles: list[CandleBatch] = field(default_factory=list)
    bases: list[CandleBatch] = field(default_factory=list)
    gaps: list[FeedGap] = field(default_factory=list)
    repairs: list[RepairRequest] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    counted: NDArray[np.int64] = field(default_factory=lambda: np.zeros(kernel.OUTCOMES, np.int64))


class CandleStage:
    """Ticks of `raw-ticks` into `market_candles` and the market store."""

    name = "processing"
    topic = "raw-ticks"
    output = "market_candles"
    group = "candle-processors"

    def __init__(self, bus: Bus, market: MarketStore, hot: HotStore, clock: Clock) -> None:
        self._bus = bus
        self._market = market
        self._hot = hot
        self._clock = clock
        self._showing = Showing(self.name)
        self._storing = Gathering(self._store_candles)
        self._saving_bases = Gathering[CandleBatch](lambda bases: market.save_bases(_joined(bases)))
        self._partitions: dict[int, Partition] = {}
        self._sessions = MarketSessions()
        self._missing: set[str] = set()
        self._seen: tuple[NameTable | None, int] = (None, 0)
        self._known = NameTable()

    async def assigned(self, partition: int, offset: int) -> None:  # noqa: ARG002 - the fold starts at any offset
        """Begin a partition with an empty fold; what was told up to the last watermark is not told again."""
        last = await self._bus.last_watermark(self.output, partition)
        fold = CandleFold(partition, self._sessions, _provenance_of)
        self._partitions[partition] = Partition(fold, last.time if last is not None else 0)

    def revoked(self, partition: int) -> None:
        """Forget the partition's open candles; whoever gets it reads them again."""
        self._partitions.pop(partition, None)

    async def before(self, batch: Batch) -> None:
        """Fetch the base of a fold that begins, and instruments that are new to us."""
        fold = self._partitions[batch.partition].fold
        body = batch.body
        if isinstance(body, Watermark):
            if not fold.started:
                await self._learn_instruments(body.time)
                fold.stored = await self._base(batch.partition, body.time)
        elif isinstance(body, TickBatch) and fold.started and self._seen != (body.names, len(body.names)):
            unknown = {name.key for name in body.names.names if name.key not in self._sessions}
            if unknown - self._missing:
                await self._learn_instruments(fold.time)
                self._missing |= {key for key in unknown if key not in self._sessions}
            self._seen = (body.names, len(body.names))

    def take(self, batch: Batch) -> None:
        """Fold a batch of ticks, or pass a watermark."""
        state = self._partitions[batch.partition]
        if isinstance(batch.body, Watermark):
            self._pass(state, batch.body, batch.offset)
        else:
            self._fold(state, batch)

    def work(self, partition: int) -> Work:
        """Store candles, bases, gaps and repairs; then publish; then show; then let the position follow."""
        state = self._partitions[partition]
        work = Work(commit=state.fold.hold() if state.fold.started else None)
        if state.candles:
            work.effects.append(effect(self._storing.add, CandleBatch.concat(state.candles)))
        if state.bases:
            work.effects.append(effect(self._saving_bases.add, CandleBatch.concat(state.bases)))
        if state.gaps:
            work.effects.append(effect(self._market.add_gaps, state.gaps))
        if state.repairs:
            work.effects.append(effect(self._market.request_repairs, state.repairs))
        if state.bodies:
            work.publications.append((self.output, state.bodies, partition))
            work.shown.append(effect(self._showing.show, lambda: self._show_current(state.fold)))
        work.dead = state.dead
        state.candles, state.bases, state.gaps, state.repairs = [], [], [], []
        state.bodies, state.dead = [], []
        self._count(state)
        return work

    # -- the core, asked -------------------------------------------------------------------------------------------

    def _pass(self, state: Partition, mark: Watermark, offset: int) -> None:
        told = state.fold.advance(mark, offset)
        if mark.time <= state.told_until:
            return
        if told.gap is not None:
            state.gaps.append(told.gap)
        state.repairs += [RepairRequest(instrument=key, time=time, reason="late") for key, time in told.late]
        if told.bases is not None:
            state.bases.append(told.bases)
        if told.candles is not None:
            state.candles.append(told.candles)
            state.bodies.append(told.candles)
        state.told_until = mark.time
        state.bodies.append(
            Watermark(time=mark.time, partition=state.fold.partition, source=self.name, healthy=mark.healthy)
        )

    def _fold(self, state: Partition, batch: Batch) -> None:
        ticks: TickBatch = batch.body
        rows = np.arange(len(ticks))
        if self._missing:
            unknown = np.array([name.key in self._missing for name in ticks.names.names], dtype=bool)[ticks.name]
            self._bury(state, batch, rows[unknown], "the instrument is not among the known ones")
            rows = rows[~unknown]
            ticks = self._without_missing_names(ticks.take(rows))
        rejected = state.fold.take(ticks, batch.offset)
        self._bury(state, batch, rows[rejected], "traded_at lies after the day of the watermark")

    def _without_missing_names(self, ticks: TickBatch) -> TickBatch:
        """Return the ticks over a table of known instruments: the fold knows the session of every name it is given."""
        names = ticks.names.names
        places = [-1 if name.key in self._missing else self._known.intern(name) for name in names]
        return TickBatch(self._known, **(ticks.columns() | {"name": np.array(places, dtype=np.int32)[ticks.name]}))

    def _bury(self, state: Partition, batch: Batch, rows: NDArray[np.int64], error: str) -> None:
        if state.fold.time < state.told_until:
            return  # read again after a restart: it was buried before
        state.dead += [
            letter_of(
                batch.body, row, topic=batch.topic, partition=batch.partition, offset=batch.offset + row,
                error=error, stage=self.name, at=self._clock.now(),
            )
            for row in rows.tolist()
        ]  # fmt: skip

    # -- effects ---------------------------------------------------------------------------------------------------

    async def _store_candles(self, batches: list[CandleBatch]) -> None:
        """Store in one transaction what the partitions of a turn have."""
        began = monotonic()
        stored = await self._market.upsert_candles(_joined(batches))
        metrics.BATCH_INSERT.observe(monotonic() - began)
        metrics.CANDLES.inc(stored)

    async def _show_current(self, fold: CandleFold) -> None:
        """Put the open candles where a screen looks, a few at a time so that nobody waits; they may vanish."""
        candles = fold.open_candles()
        if candles is None:
            return
        for first in range(0, len(candles), CANDLES_AT_ONCE):
            hashes = {
                f"candle:current:{candle.instrument}": {
                    field: msgspec.json.encode(getattr(candle, field)) for field in CURRENT_FIELDS
                }
                for candle in candles.take(slice(first, first + CANDLES_AT_ONCE)).to_records()
            }
            await self._hot.set_hashes(hashes, CURRENT_CANDLE_SECONDS)
            await asyncio.sleep(0)

    async def _base(self, partition: int, time: int) -> CandleBatch | None:
        stored = await self._market.last_candles(*base_span(time))
        mine = [
            row
            for row, key in enumerate(stored.keys())
            if self._bus.partition_of(self.topic, key) == partition and key in self._sessions
        ]
        return stored.take(np.array(mine, dtype=np.int64)) if mine else None

    async def _learn_instruments(self, time: int) -> None:
        self._sessions.add(await self._market.instruments(ist_day(time)))

    def _count(self, state: Partition) -> None:
        new = state.fold.counts - state.counted
        state.counted = state.fold.counts.copy()
        for outcome, name in OUTCOMES.items():
            if new[outcome]:
                metrics.TICKS.labels(self.name, name).inc(int(new[outcome]))


def _joined(batches: Sequence[CandleBatch]) -> CandleBatch:
    """Return the candles of several partitions, each with a table of names of its own, over one table."""
    if len(batches) == 1:
        return batches[0]
    names = NameTable()
    renamed = []
    for batch in batches:
        places = np.array([names.intern(name) for name in batch.names.names], dtype=np.int32)
        renamed.append(CandleBatch(names, batch.interval, **(batch.columns() | {"name": places[batch.name]})))
    return CandleBatch.concat(renamed)


def _provenance_of(source: str) -> Provenance:
    return Provenance.SYNTHETIC if source == "synthetic" else Provenance.LIVE
