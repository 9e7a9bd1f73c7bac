"""Recordings: raw ticks in a Parquet file, written as they stream by and played back as the tape they were.

The file has the columns of `TickBatch`, with `key`, `token` and `source` in place of the name. It appears under its
name only when it is whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from niftyflow.brokers.kite.wire import INDICES
from niftyflow.brokers.simulator.instruments import instrument_of, with_tokens
from niftyflow.brokers.simulator.tape import DAY, EVENT, MINUTE, SECOND, Events, Session, in_order_of_arrival
from niftyflow.kit.clock import IST_OFFSET_MS
from niftyflow.model import Instrument, Misconfigured, Name, NameTable, TickBatch

if TYPE_CHECKING:
    import polars as pl

_NAMES = ("key", "token", "source")
_FIELDS = tuple(field for field in TickBatch.COLUMNS if field != "name")
_ROWS = 200_000


def write_recording(path: Path, batches: Iterable[TickBatch]) -> int:
    """Write the batches, in order, to a Parquet file; return the number of ticks. Memory does not grow with them.

    Raises:
        Misconfigured: the file cannot be written.
    """
    import polars as pl  # noqa: PLC0415  takes a quarter of a second
    from polars.io.plugins import register_io_source  # noqa: PLC0415

    written = 0

    def frames(_columns: Any, _predicate: Any, _rows: Any, _size: Any) -> Iterator[pl.DataFrame]:
        nonlocal written
        for batch in batches:
            written += len(batch)
            yield _frame(batch)

    schema: dict[str, pl.DataType] = {name: pl.String() for name in _NAMES}
    schema |= {field: pl.Float64() if kind is np.float64 else pl.Int64() for field, kind in _kinds()}
    partial = path.with_name(path.name + ".partial")
    try:
        register_io_source(frames, schema=schema).sink_parquet(partial, row_group_size=_ROWS, maintain_order=True)
        partial.replace(path)
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written: {error.strerror or error}; choose another place") from error
    finally:
        partial.unlink(missing_ok=True)
    return written


def read_recording(path: Path) -> Iterator[TickBatch]:
    """Yield the ticks of a recording, in order, at most 200,000 at a time; all batches share one name table.

    Raises:
        Misconfigured: the file is not there, or is no recording.
    """
    import polars as pl  # noqa: PLC0415  takes a quarter of a second

    scan = _scan(path)
    rows = int(scan.select(pl.len()).collect().item())
    names = NameTable()
    for offset in range(0, rows, _ROWS):
        yield _batch(scan.slice(offset, _ROWS).collect(), names)


class Recording:
    """A recording as a tape: ticks arrive when they were received, in the order of the recording."""

    def __init__(self, path: Path) -> None:
        """Look through the file.

        Raises:
            Misconfigured: the file is not there, is no recording, or is empty.
        """
        import polars as pl  # noqa: PLC0415  takes a quarter of a second

        self.name = path.stem
        self._path = path
        scan = _scan(path)
        arrival = pl.col("received").cum_max()
        day = (arrival + IST_OFFSET_MS) // DAY
        days = (
            scan.select(arrival=arrival, day=day)
            .group_by("day")
            .agg(first=pl.col("arrival").min(), last=pl.col("arrival").max())
            .sort("day")
            .collect()
        )
        if not days.height:
            raise Misconfigured(f"{path} is an empty recording; there is nothing to play")
        known = scan.select("key", "token").unique(maintain_order=True).collect()
        keys = dict(zip(known["key"].to_list(), known["token"].to_list(), strict=True))
        self.instruments: Sequence[Instrument] = with_tokens([_instrument(key, token) for key, token in keys.items()])
        self.sessions: Sequence[Session] = _sessions(days["first"].to_list(), days["last"].to_list())

    def chunks(self) -> Iterator[Events]:
        """Yield at most 200,000 events at a time."""
        places = {each.key: place for place, each in enumerate(self.instruments)}
        reached = 0
        for batch in read_recording(self._path):
            events = np.zeros(len(batch), dtype=EVENT)
            place = np.array([places.get(name.key, -1) for name in batch.names.names], dtype=np.int32)  # type: ignore[call-overload]
            events["instrument"] = place[batch.name]
            events["arrival"] = np.maximum(np.maximum.accumulate(batch.received), reached)
            events["last_quantity"] = batch.volume
            for field in ("ltp", "day_volume", "bid", "ask", "open_interest", "timestamp", "traded_at"):
                events[field] = getattr(batch, field)
            reached = int(events["arrival"][-1])
            days = (events["arrival"] + IST_OFFSET_MS) // DAY
            yield from np.split(in_order_of_arrival(events), np.flatnonzero(np.diff(days)) + 1)


def is_recording(columns: Iterable[str]) -> bool:
    """Return whether a file with these columns is a recording."""
    return set(columns) >= {*_NAMES, *_FIELDS}


def _kinds() -> list[tuple[str, Any]]:
    return [(field, TickBatch.COLUMNS[field]) for field in _FIELDS]


def _frame(batch: TickBatch) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415  takes a quarter of a second

    rows = pl.Series(batch.name)
    columns = {
        part: pl.Series([getattr(name, part) for name in batch.names.names], dtype=pl.String).gather(rows)
        for part in _NAMES
    }
    return pl.DataFrame(columns | {field: pl.Series(getattr(batch, field)) for field in _FIELDS})


def _batch(frame: pl.DataFrame, names: NameTable) -> TickBatch:
    import polars as pl  # noqa: PLC0415  takes a quarter of a second

    identity = pl.struct(_NAMES)
    distinct = frame.select(identity.alias("name")).unique(maintain_order=True).unnest("name")
    places = [names.intern(Name(*row)) for row in distinct.iter_rows()]
    lookup = distinct.with_columns(place=pl.Series(places, dtype=pl.Int32))
    place = frame.select(_NAMES).join(lookup, on=list(_NAMES), how="left", maintain_order="left")["place"]
    return TickBatch(names, name=place.to_numpy(), **{field: frame[field].to_numpy() for field in _FIELDS})


def _scan(path: Path) -> pl.LazyFrame:
    import polars as pl  # noqa: PLC0415  takes a quarter of a second

    try:
        scan = pl.scan_parquet(path)
        columns = scan.collect_schema().names()
    except FileNotFoundError:
        raise Misconfigured(f"{path} is not there") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise Misconfigured(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    if not is_recording(columns):
        missing = ", ".join(sorted({*_NAMES, *_FIELDS} - set(columns)))
        raise Misconfigured(f"{path} is no recording; it lacks {missing}")
    return scan


def _instrument(key: str, token: str) -> Instrument:
    numeric = token if token.isdecimal() else ""
    return instrument_of(key, is_index=bool(numeric) and int(numeric) & 0xFF == INDICES, token=numeric)


def _sessions(firsts: list[int], lasts: list[int]) -> list[Session]:
    starts = [first // SECOND * SECOND for first in firsts]
    ends = [(last // MINUTE + 2) * MINUTE for last in lasts]
    limits = [*starts[1:], ends[-1]]
    return [Session(start, start, min(end, limit)) for start, end, limit in zip(starts, ends, limits, strict=True)]
