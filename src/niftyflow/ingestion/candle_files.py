"""Import of candle files: read, held to every rule, compared with what is stored, and only then stored, all or nothing.

A stored candle is never changed silently: the same candle again is counted, a different one is refused, or with
`is_replacing` becomes the next revision. It never stores an interval but 1m and 1d.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from niftyflow.ingestion.candle_columns import DAY_MS, PRICES, CandleRows, ImportOptions, in_order, read_rows
from niftyflow.ingestion.candle_sessions import hold_to_sessions, name_instruments
from niftyflow.ingestion.candle_source import CandleFileRefused, CandleSource
from niftyflow.market import ist_day
from niftyflow.model import CandleBatch, Instrument, Interval, Name, NameTable
from niftyflow.storage.ports import MarketStore

__all__ = [
    "CandleFileRefused",
    "CheckedFile",
    "ImportOptions",
    "Imported",
    "Progress",
    "Span",
    "check_file",
    "refuse_overlaps",
    "store_file",
]

ROWS_OF_A_BATCH = 20_000
COMPARED_DAYS = {Interval.M1: 45, Interval.D1: 10_000}
FAR_DAY = date(9999, 1, 1)

Progress = Callable[[int, int], None]
"""Told rows stored, and how many there are."""


class Span(NamedTuple):
    """The first and last candle (ms UTC) that a file has of an instrument."""

    key: str
    interval: Interval
    first: int
    last: int
    source: CandleSource


@dataclass(slots=True)
class CheckedFile:
    """A file that keeps every rule of files: its rows, and the instruments it is about (`new` are not known yet)."""

    rows: CandleRows
    instruments: list[Instrument]
    new: list[Instrument]
    known_values: tuple[str, ...]

    @property
    def stated(self) -> list[str]:
        """What was found out about the file, a line each."""
        return self.rows.stated

    @property
    def first(self) -> int:
        """Time of the first candle, ms UTC."""
        return int(self.rows.time.min())

    @property
    def last(self) -> int:
        """Time of the last candle, ms UTC."""
        return int(self.rows.time.max())

    def spans(self) -> list[Span]:
        """Return what the file holds of each of its instruments."""
        rows = self.rows
        times = [rows.time[rows.code == code] for code in range(len(rows.keys))]
        return [
            Span(key, rows.interval, int(time[0]), int(time[-1]), rows.source)
            for key, time in zip(rows.keys, times, strict=True)
            if len(time)
        ]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import changed: candles that are new, that replaced others, and that were stored already."""

    added: int
    replaced: int
    unchanged: int
    kept: int = 0


@dataclass(slots=True)
class _Comparison:
    revision: NDArray[np.int32]
    is_unchanged: NDArray[np.bool_]
    different: int = 0
    first: str = field(default="")


async def check_file(path: Path, options: ImportOptions, store: MarketStore) -> CheckedFile:
    """Read a file and hold it to every rule; the store is only asked for instruments.

    Raises:
        CandleFileRefused: with line, column, value and rule; or the options that would allow what was found.
        Refused: an option makes no sense.
    """
    rows = read_rows(CandleSource(path), options)
    in_order(rows, options)
    known = await _known_instruments(store, ist_day(int(rows.time.max())))
    instruments = name_instruments(rows, known)
    hold_to_sessions(rows, instruments, options)
    if rows.complaints:
        raise rows.source.refusal("\n  ".join(["", *rows.complaints][len(rows.complaints) == 1 :]))
    new = [instrument for instrument in instruments if instrument.key not in known]
    if new:
        kinds = ", ".join(f"{instrument.key} as {instrument.kind}" for instrument in new[:3])
        more = f" and {len(new) - 3} more" if len(new) > 3 else ""  # noqa: PLR2004
        rows.stated.append(f"not known before, added without derivatives: {kinds}{more}")
    values = tuple(name for name in (*PRICES, "volume", "open_interest") if name in rows.columns)
    return CheckedFile(rows, instruments, new, values)


def refuse_overlaps(spans: Sequence[Span]) -> None:
    """Refuse files that hold candles of one instrument in overlapping spans.

    Raises:
        CandleFileRefused: naming two files; one of them must be imported first.
    """
    for one, following in pairwise(sorted(spans, key=attrgetter("key", "interval", "first"))):
        is_same = (one.key, one.interval) == (following.key, following.interval)
        if is_same and following.first <= one.last:
            raise following.source.refusal(
                f"{one.source.path.name} holds {one.key} in the same span; import one after the other"
            )


async def store_file(
    file: CheckedFile, options: ImportOptions, store: MarketStore, progress: Progress = lambda _done, _all: None
) -> Imported:
    """Store a checked file in one transaction, whole or not at all.

    Raises:
        CandleFileRefused: a candle differs from the stored one, and nothing says to replace it.
        Retryable: the store is away, locked or full; nothing was stored.
    """
    compared = await _compare(file, store)
    if compared.different and not options.is_replacing:
        raise file.rows.source.refusal(
            f"{compared.first} ({compared.different:,} candles differ from stored ones); "
            "--replace stores them as the next revision"
        )
    unchanged = int(compared.is_unchanged.sum())
    rows = np.flatnonzero(~compared.is_unchanged)
    if file.new:
        await store.save_instruments(file.new)
    won = await store.upsert_all(_batches(file.rows, rows, compared.revision, options, progress)) if len(rows) else 0
    # a candle that another process stored between the comparison and now stays
    return Imported(won - compared.different, compared.different, unchanged, len(rows) - won)


async def _known_instruments(store: MarketStore, day: date) -> dict[str, Instrument]:
    """Return the instruments as they stood on a day, and those known only later as they are now."""
    found = [*await store.instruments(FAR_DAY), *await store.instruments(day)]
    return {instrument.key: instrument for instrument in found}


async def _compare(file: CheckedFile, store: MarketStore) -> _Comparison:
    rows = file.rows
    compared = _Comparison(np.zeros(len(rows), np.int32), np.zeros(len(rows), np.bool_))
    stored = await store.count_candles(rows.interval, file.first, file.last + 1)
    for code, key in enumerate(rows.keys):
        if not stored.get(key):
            continue
        of_key = np.flatnonzero(rows.code == code)
        times = rows.time[of_key]
        width = COMPARED_DAYS[rows.interval] * DAY_MS
        since = int(times[0])
        while since <= times[-1]:
            until = since + width
            part = of_key[np.searchsorted(times, since) : np.searchsorted(times, until)]
            if len(part):
                there = await store.candles(key, rows.interval, int(rows.time[part[0]]), int(rows.time[part[-1]]) + 1)
                _compare_part(file, part, there, compared)
            since = until
    return compared


def _compare_part(file: CheckedFile, part: NDArray[np.int64], there: CandleBatch, compared: _Comparison) -> None:
    if not len(there):
        return
    rows = file.rows
    place = np.minimum(np.searchsorted(there.time, rows.time[part]), len(there) - 1)
    is_there = there.time[place] == rows.time[part]
    part, place = part[is_there], place[is_there]
    different = there.incomplete[place].copy()
    for name in file.known_values:
        different |= rows.values[name][part] != getattr(there, name)[place]
    compared.is_unchanged[part[~different]] = True
    compared.revision[part[different]] = there.revision[place[different]] + 1
    compared.different += int(different.sum())
    if different.any() and not compared.first:
        index, stored = int(part[different][0]), int(place[different][0])
        compared.first = _difference(file, index, there, stored)


def _difference(file: CheckedFile, index: int, there: CandleBatch, stored: int) -> str:
    rows = file.rows
    key = rows.keys[int(rows.code[index])]
    when, line = rows.when(int(rows.time[index])), rows.source.place(int(rows.row[index]))
    for name in file.known_values:
        own, other = rows.values[name][index], getattr(there, name)[stored]
        if own != other:
            return f"{line}, column {rows.columns[name]} is {own:.12g}, but the stored {key} {when} has {other:.12g}"
    return f"{line}: the stored {key} {when} has the same values but is marked incomplete"


def _batches(
    rows: CandleRows, chosen: NDArray[np.int64], revision: NDArray[np.int32], options: ImportOptions, progress: Progress
) -> Iterator[CandleBatch]:
    """Yield the chosen rows in batches of bounded size, in order of instrument and time."""
    names = NameTable(Name(key) for key in rows.keys)
    day_volume = _day_volumes(rows)
    for begin in range(0, len(chosen), ROWS_OF_A_BATCH):
        progress(begin, len(chosen))
        part = chosen[begin : begin + ROWS_OF_A_BATCH]
        count = len(part)
        yield CandleBatch(
            names, rows.interval,
            name=rows.code[part], time=rows.time[part], day_volume=day_volume[part], revision=revision[part],
            **{name: column[part] for name, column in rows.values.items()},
            traded_at=np.zeros(count, np.int64),
            provenance=np.full(count, options.provenance.value, np.uint8),
            incomplete=np.zeros(count, np.bool_),
            through_partition=np.full(count, -1, np.int32),
            through_offset=np.full(count, -1, np.int64),
        )  # fmt: skip
    progress(len(chosen), len(chosen))


def _day_volumes(rows: CandleRows) -> NDArray[np.int64]:
    """Return the day's running total at the end of each candle, as far as the file holds the day."""
    volume = rows.values["volume"].astype(np.int64)
    total = np.cumsum(volume)
    day = (rows.time + 19_800_000) // DAY_MS
    begins = np.ones(len(rows), np.bool_)
    begins[1:] = (np.diff(day) != 0) | (np.diff(rows.code) != 0)
    first = np.flatnonzero(begins)
    lengths = np.diff(np.append(first, len(rows)))
    return total - np.repeat(total[first] - volume[first], lengths)
