"""One partition's candles in the making: the pure core of processing.

Feed it the records of a partition in order; it tells candles, gaps, minutes to repair, and from which
offset a restart must read. It never reads a clock, stores or publishes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from niftyflow.kernels import candles as kernel
from niftyflow.model import (
    CandleBatch,
    FeedGap,
    Interval,
    Name,
    NameTable,
    Provenance,
    TickBatch,
    Watermark,
)

MINUTE_MS = kernel.MINUTE_MS
DAY_MS = 86_400_000
IST_OFFSET_MS = 19_800_000
HORIZON_MINUTES = 5
RING_MINUTES = 8
_NO_ROWS = np.zeros(0, np.int64)


class Sessions(Protocol):
    """What the fold must know of the calendar: which minutes of a day each instrument trades."""

    def class_of(self, key: str, day_start: int) -> int:
        """Return the index into `masks` of an instrument on the day that begins at `day_start` (ms UTC)."""
        ...

    def masks(self, day_start: int) -> NDArray[np.uint8]:
        """Return uint8[classes, 1440], 1 for each IST minute of continuous trading on that day."""
        ...


@dataclass(slots=True)
class Told:
    """What one watermark brought: candles (new and revised), what to remember of silent symbols, gaps, late minutes."""

    candles: CandleBatch | None = None
    bases: CandleBatch | None = None
    gap: FeedGap | None = None
    late: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Mark:
    """A watermark read from which a restart may begin: no tick before it is of a minute that begins after it."""

    offset: int
    time: int


def day_start_of(time: int) -> int:
    """Return the start (ms UTC) of the IST day that `time` lies in."""
    return (time + IST_OFFSET_MS) // DAY_MS * DAY_MS - IST_OFFSET_MS


def base_span(time: int) -> tuple[int, int]:
    """Return the span (ms UTC, end exclusive) whose last candles a fold beginning at a watermark goes on from."""
    return day_start_of(time), -(-time // MINUTE_MS) * MINUTE_MS


class CandleFold:
    """Folds one partition.

    Before the first watermark is taken, `stored` must hold what `base_span` of that watermark asks for.
    """

    def __init__(
        self,
        partition: int,
        sessions: Sessions,
        provenance: Callable[[str], Provenance] = lambda _source: Provenance.LIVE,
    ) -> None:
        self.partition = partition
        self.sessions = sessions
        self.stored: CandleBatch | None = None
        self.provenance = provenance
        self.names = NameTable()
        self.slots = 0
        self.counts = np.zeros(kernel.OUTCOMES, np.int64)
        self.started = False
        self.time = 0
        self._provenances = np.zeros(0, np.uint8)
        self._session = np.zeros(0, np.int64)
        self._masks: NDArray[np.uint8] = np.zeros((1, 1440), np.uint8)
        self._slot_maps: deque[tuple[NameTable, NDArray[np.int64]]] = deque(maxlen=8)
        self._marks: deque[_Mark] = deque()
        self._newest = np.zeros(1, np.int64)
        self._late: dict[tuple[int, int], None] = {}
        self._day_start = self._day_end = 0
        self._oldest = self._closed = self._first_told = 0
        self._make_ring(16, RING_MINUTES)

    # -- reading -------------------------------------------------------------------------------------------------

    def take(self, ticks: TickBatch, offset: int) -> NDArray[np.int64]:
        """Fold the ticks, the first at `offset`; return the rows after the watermark's day, which were not taken in."""
        if not self.started:
            return _NO_ROWS
        slot = self._slots_of(ticks)
        outcome = np.zeros(len(ticks), np.uint8)
        late, ahead = self.counts[kernel.LATE], self.counts[kernel.AHEAD]
        row = 0
        while True:
            row = kernel.fold_trades(
                row, offset, slot, ticks.ltp, ticks.day_volume, ticks.traded_at, ticks.sequence, ticks.open_interest,
                self._day_start, self._day_end, self._oldest, self._closed,
                self._cells, self._seconds, self._base, self._dirty, outcome, self.counts, self._newest,
            )  # fmt: skip
            if row == len(ticks):
                break
            self._lengthen_ring(int(ticks.traded_at[row]) // MINUTE_MS)
        if self.counts[kernel.LATE] > late:
            self._note_late(slot, ticks.traded_at // MINUTE_MS, outcome)
        return np.flatnonzero(outcome == kernel.AHEAD) if self.counts[kernel.AHEAD] > ahead else _NO_ROWS

    def _note_late(self, slot: NDArray[np.int64], minutes: NDArray[np.int64], outcome: NDArray[np.uint8]) -> None:
        horizon = self._closed - HORIZON_MINUTES + 1
        for late in np.flatnonzero(outcome == kernel.LATE):
            minute = int(minutes[late])
            if minute < horizon:  # after a restart, what lies inside the horizon was told before it
                self._late[int(slot[late]), minute] = None

    def advance(self, mark: Watermark, offset: int) -> Told:
        """Pass a watermark read at `offset`: close the minutes it ends, revise those that late trades changed."""
        told, gap = Told(), None
        if self.started and mark.time < self.time:
            return told
        if not self.started:
            self._marks.append(_Mark(offset, mark.time))
            self._start(mark.time, is_beginning=offset == 0)
            return told
        # what came before the first told minute is stored only once that minute is closed
        if mark.time > self._first_told * MINUTE_MS and self._newest[0] < -(-mark.time // MINUTE_MS):
            self._marks.append(_Mark(offset, mark.time))
        if not mark.healthy and mark.time > self.time:
            gap = FeedGap(source=mark.source, since=self.time, until=mark.time, reason="feed away")
        rows: list[NDArray[np.float64]] = []
        if gap is not None and self._touches_session(gap):
            told.gap = gap
        while self._close_next_minute(mark, gap, rows):
            pass
        if gap is not None:
            self._note_unobserved(gap)
        if self._dirty[: self.slots].any():
            self._settle(self._closed, rows, every_slot=False)
        candles = self._batch(rows, offset + 1)
        if candles is not None:
            is_base = candles.revision < 0
            told.bases = candles.take(is_base) if is_base.any() else None
            told.candles = candles.take(~is_base) if not is_base.all() else None
        told.late = [(self.names[slot].key, minute * MINUTE_MS) for slot, minute in self._late]
        self._late.clear()
        self.time = mark.time
        return told

    def hold(self) -> int:
        """Return the offset from which a restart must read so as to tell the very same records."""
        start = self._oldest * MINUTE_MS
        while len(self._marks) > 1 and self._marks[1].time <= start:
            self._marks.popleft()
        return self._marks[0].offset

    def open_candles(self) -> CandleBatch | None:
        """Return the candles still in the making, as far as they are known."""
        rows = self._told[: kernel.open_candles(self.slots, self._closed + 1, self._cells, self._base, self._told)]
        return self._batch([rows], -1)

    # -- minutes -------------------------------------------------------------------------------------------------

    def _start(self, time: int, *, is_beginning: bool) -> None:
        """Begin at a watermark: a minute that begins before it is never told, but for the log's very first one."""
        self.started = True
        self.time = time
        self._begin_day(time)
        self._first_told = time // MINUTE_MS if is_beginning else -(-time // MINUTE_MS)
        self._oldest = self._first_told
        self._closed = self._first_told - 1
        if time > self._first_told * MINUTE_MS:
            self._unobserved[self._first_told & (self._ring - 1)] = 1
        stored, self.stored = self.stored, None
        if stored is None:
            return
        for row, key in enumerate(stored.keys()):
            slot = self._slot(key, int(stored.provenance[row]))  # before the array is named: it may be made longer
            base = self._base[slot]
            base[kernel.BASE_KNOWN] = base[kernel.BASE_STORED] = 1.0
            base[kernel.BASE_THROUGH] = stored.through_offset[row]
            base[kernel.BASE_VOLUME] = stored.day_volume[row]
            base[kernel.BASE_TRADED] = float(stored.close[row] > 0)
            base[kernel.BASE_PRICE] = stored.close[row]
            base[kernel.BASE_PRICE_TIME] = stored.traded_at[row]
            base[kernel.BASE_INTEREST] = stored.open_interest[row]

    def _begin_day(self, time: int) -> None:
        self._day_start = day_start_of(time)
        self._day_end = self._day_start + DAY_MS
        self._oldest = time // MINUTE_MS
        self._closed = self._oldest - 1
        self._masks = self.sessions.masks(self._day_start)
        for slot in range(self.slots):
            self._session[slot] = self.sessions.class_of(self.names[slot].key, self._day_start)
        self._cells[:, :, kernel.MINUTE] = -1.0
        self._base[:] = 0.0
        self._dirty[:] = 0
        self._unobserved[:] = 0
        sessions = np.flatnonzero(self._masks.any(axis=0))
        self._last_minute = self._day_start // MINUTE_MS + int(sessions[-1]) if len(sessions) else 0

    def _close_next_minute(self, mark: Watermark, gap: FeedGap | None, rows: list[NDArray[np.float64]]) -> bool:
        minute = self._closed + 1
        if minute > self._last_minute and mark.time >= self._day_end:
            self._begin_day(mark.time)
            return True
        if (minute + 1) * MINUTE_MS > mark.time or minute * MINUTE_MS >= self._day_end:
            return False
        if gap is not None and _touches(gap, minute):
            self._unobserved[minute & (self._ring - 1)] = 1
        self._closed = minute
        self._settle(minute, rows, every_slot=True)
        self._slide(minute - HORIZON_MINUTES + 1)
        return True

    def _settle(self, until: int, rows: list[NDArray[np.float64]], *, every_slot: bool) -> None:
        count = kernel.settle(
            until, every_slot, self.slots, self._oldest, self._first_told, self._day_start, self._session,
            self._masks, self._unobserved, self._cells, self._seconds, self._base, self._dirty, self._told,
        )  # fmt: skip
        if count:
            rows.append(self._told[:count].copy())

    def _slide(self, new_oldest: int) -> None:
        if new_oldest <= self._oldest:
            return
        kernel.slide(self.slots, self._oldest, new_oldest, self._cells, self._base)
        for minute in range(self._oldest, new_oldest):
            self._unobserved[minute & (self._ring - 1)] = 0
        self._oldest = new_oldest

    def _note_unobserved(self, gap: FeedGap) -> None:
        """Mark the open minute when the gap reaches into it."""
        minute = self._closed + 1
        if _touches(gap, minute):
            self._unobserved[minute & (self._ring - 1)] = 1

    def _touches_session(self, gap: FeedGap) -> bool:
        """Whether anything could have traded in a gap; nobody misses a night."""
        for day in range(day_start_of(gap.since), gap.until, DAY_MS):
            minutes = np.flatnonzero(self.sessions.masks(day).any(axis=0)) * MINUTE_MS + day
            if ((minutes + MINUTE_MS > gap.since) & (minutes < gap.until)).any():
                return True
        return False

    # -- memory --------------------------------------------------------------------------------------------------

    def _make_ring(self, slots: int, ring: int) -> None:
        self._ring = ring
        self._cells, self._seconds, self._base, self._dirty = kernel.empty_cells(slots, ring)
        self._unobserved = np.zeros(ring, np.uint8)
        self._told = np.zeros((slots * ring, kernel.ROW))

    def _lengthen_ring(self, minute: int) -> None:
        """Make room for a minute far ahead of the watermark (it is held while a feed is away)."""
        ring = self._ring
        while minute >= self._oldest + ring:
            ring *= 2
        old_cells, old_seconds, old_base, old_dirty = self._cells, self._seconds, self._base, self._dirty
        old_unobserved, old_ring = self._unobserved, self._ring
        self._make_ring(len(old_base), ring)
        self._base, self._dirty = old_base, old_dirty
        for kept in range(self._oldest, self._oldest + old_ring):
            self._cells[:, kept & (ring - 1)] = old_cells[:, kept & (old_ring - 1)]
            self._seconds[:, kept & (ring - 1)] = old_seconds[:, kept & (old_ring - 1)]
            self._unobserved[kept & (ring - 1)] = old_unobserved[kept & (old_ring - 1)]

    def _slot(self, key: str, provenance: int) -> int:
        slot = self.names.intern(Name(key))
        if slot == self.slots:
            self.slots += 1
            if slot == len(self._base):
                self._grow(2 * slot)
            self._provenances = np.append(self._provenances, np.uint8(provenance))
            self._session = np.append(self._session, self.sessions.class_of(key, self._day_start))
        return slot

    def _grow(self, slots: int) -> None:
        cells, seconds, base, dirty = self._cells, self._seconds, self._base, self._dirty
        self._cells, self._seconds, self._base, self._dirty = kernel.empty_cells(slots, self._ring)
        old = len(base)
        self._cells[:old], self._seconds[:old], self._base[:old], self._dirty[:old] = cells, seconds, base, dirty
        self._told = np.zeros((slots * self._ring, kernel.ROW))

    def _slots_of(self, ticks: TickBatch) -> NDArray[np.int64]:
        for names, known in self._slot_maps:
            if names is ticks.names and len(known) == len(names):
                return known[ticks.name]
        if len(ticks.names) > len(self._base):
            self._grow(1 << (len(ticks.names) - 1).bit_length())
        mapping = np.array(
            [self._slot(name.key, self.provenance(name.source)) for name in ticks.names.names], dtype=np.int64
        )
        for index, (names, _) in enumerate(self._slot_maps):
            if names is ticks.names:
                self._slot_maps[index] = (names, mapping)
                break
        else:
            self._slot_maps.append((ticks.names, mapping))
        return mapping[ticks.name]

    def _batch(self, rows: list[NDArray[np.float64]], through: int) -> CandleBatch | None:
        if not rows:
            return None
        table = np.concatenate(rows)
        if not len(table):
            return None
        slot = table[:, kernel.ROW_SLOT].astype(np.int32)
        count = len(table)
        return CandleBatch(
            self.names,
            Interval.M1,
            name=slot,
            time=table[:, kernel.ROW_MINUTE].astype(np.int64) * MINUTE_MS,
            open=table[:, kernel.ROW_OPEN],
            high=table[:, kernel.ROW_HIGH],
            low=table[:, kernel.ROW_LOW],
            close=table[:, kernel.ROW_CLOSE],
            volume=table[:, kernel.ROW_VOLUME].astype(np.int64),
            trades=table[:, kernel.ROW_TRADES].astype(np.int64),
            vwap=table[:, kernel.ROW_VWAP],
            open_interest=table[:, kernel.ROW_INTEREST].astype(np.int64),
            day_volume=table[:, kernel.ROW_DAY_VOLUME].astype(np.int64),
            traded_at=table[:, kernel.ROW_TRADED_AT].astype(np.int64),
            provenance=self._provenances[slot],
            revision=table[:, kernel.ROW_REVISION].astype(np.int32),
            incomplete=table[:, kernel.ROW_INCOMPLETE] != 0,
            through_partition=np.full(count, self.partition if through >= 0 else -1, np.int32),
            through_offset=np.full(count, through, np.int64),
        )


def _touches(gap: FeedGap, minute: int) -> bool:
    return gap.since < (minute + 1) * MINUTE_MS and gap.until > minute * MINUTE_MS


def outcome_names() -> Mapping[int, str]:
    """Return how each outcome of a tick is spelled in metrics."""
    return {
        kernel.TRADED: "traded",
        kernel.REPEATED: "repeated",
        kernel.QUOTED: "quoted",
        kernel.EARLIER: "earlier",
        kernel.LATE: "late",
        kernel.AHEAD: "ahead",
    }
