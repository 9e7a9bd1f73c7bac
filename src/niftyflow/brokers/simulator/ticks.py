"""Recorded tick files as a tape: every row as it was recorded, its defects included.

A row arrives at the time its symbol had got to, so what was recorded late arrives late. Prices, volumes and times are
never changed. A cut line without a time or a price is no tick; a value the Kite wire cannot carry is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from niftyflow.brokers.simulator.columns import read_columns, require_columns
from niftyflow.brokers.simulator.instruments import named
from niftyflow.brokers.simulator.tape import DAY, EVENT, MINUTE, SECOND, Events, Session, in_order_of_arrival
from niftyflow.kit.clock import IST_OFFSET_MS
from niftyflow.kit.log import get_logger
from niftyflow.model import Instrument, Misconfigured

if TYPE_CHECKING:
    import polars as pl

PLAUSIBLE_FROM = 946_684_800_000
"""2000-01-01, ms UTC: an earlier time is a zero or a wreck, not a time."""
PLAUSIBLE_LEAP = 12 * 60 * MINUTE
"""A row that leaps further ahead is believed only when the symbol's next two rows do not both leap back."""
WIRE_MAXIMUM = (1 << 32) - 1

log = get_logger(__name__)


class TickFiles:
    """A tape of one or more recorded tick files, a day after the other."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Read the files.

        Raises:
            Misconfigured: a file cannot be read, or lacks a column, or holds a value the wire cannot carry.
        """
        import polars as pl  # noqa: PLC0415  takes a quarter of a second

        self.name = paths[0].stem if len(paths) == 1 else paths[0].parent.name
        tables = [_read(path) for path in paths]
        table = pl.concat(tables, how="diagonal") if len(tables) > 1 else tables[0]
        symbols = table["symbol"].unique(maintain_order=True).to_list()
        self.instruments: Sequence[Instrument] = named(symbols, _indices(table))
        self._events = _events(table, symbols)
        days = (self._events["arrival"] + IST_OFFSET_MS) // DAY
        cuts = np.flatnonzero(np.diff(days)) + 1
        self._days = np.split(self._events, cuts)
        starts = [int(day["arrival"][0]) // SECOND * SECOND for day in self._days]
        self.sessions: Sequence[Session] = [
            _session(day, following) for day, following in zip(self._days, [*starts[1:], None], strict=True)
        ]

    def chunks(self) -> Iterator[Events]:
        """Yield a day at a time."""
        for day in self._days:
            yield day.copy()


def arrival_times(table: pl.DataFrame) -> pl.DataFrame:
    """Add `arrival`, ms UTC: the running maximum, within the symbol, of the times that can be believed.

    A time before 2000 cannot, nor a leap of more than 12 hours ahead that the symbol's next two rows take back, or that
    no row follows. Such rows arrive together with their predecessor (at the head of the file, with their successor).
    """
    import polars as pl  # noqa: PLC0415  takes a quarter of a second

    modern = pl.when(pl.col("time") >= PLAUSIBLE_FROM).then(pl.col("time"))
    dated = table.select("symbol", row=pl.int_range(pl.len()), time=modern).drop_nulls("time")
    time = pl.col("time")
    before, following, second = (
        time.cum_max().shift(1).over("symbol"), time.shift(-1).over("symbol"), time.shift(-2).over("symbol"),
    )  # fmt: skip
    is_behind = (time - following > PLAUSIBLE_LEAP) & (time - second > PLAUSIBLE_LEAP).fill_null(value=True)
    is_leap = (time - before > PLAUSIBLE_LEAP).fill_null(value=True)
    is_alone = following.is_null() & before.is_not_null()
    believed = dated.filter(~(is_leap & (is_behind.fill_null(value=False) | is_alone)))
    arrival = pl.col("believed").cum_max().forward_fill().backward_fill().over("symbol")
    rows = table.with_columns(row=pl.int_range(pl.len()))
    joined = rows.join(believed.select("row", believed="time"), on="row", how="left", maintain_order="left")
    return joined.with_columns(arrival=arrival).drop("row", "believed")


def _read(path: Path) -> pl.DataFrame:
    table = read_columns(path)
    essential = ("symbol", "time", "ltp")
    require_columns(table, path, *essential)
    whole = table.drop_nulls(essential)
    if whole.height < table.height:
        log.warning("rows_without_time_or_price_left_out", file=str(path), rows=table.height - whole.height)
    table = whole
    if "sequence" in table.columns and not table.select("symbol", "sequence").is_duplicated().any():
        table = table.sort("symbol", "sequence", maintain_order=True)  # one that starts anew each day says nothing
    for name in ("ltp", "volume", "last_quantity", "bid", "ask", "open_interest"):
        if name in table.columns:
            scale = 100 if name in {"ltp", "bid", "ask"} else 1
            bad = ~((table[name] >= 0) & (table[name] * scale <= WIRE_MAXIMUM))
            if bad.any():
                row = int(bad.arg_max() or 0)
                raise Misconfigured(f"{path}, data row {row + 1}: {name} is {table[name][row]}, which Kite cannot send")
    return table


def _indices(table: pl.DataFrame) -> list[str]:
    """Return the symbols that never have a volume: index values are not traded."""
    import polars as pl  # noqa: PLC0415  takes a quarter of a second

    if "volume" not in table.columns:
        return list(table["symbol"].unique(maintain_order=True))
    totals = table.group_by("symbol", maintain_order=True).agg(pl.col("volume").max().fill_null(0))
    return list(totals.filter(pl.col("volume") == 0)["symbol"])


def _events(table: pl.DataFrame, symbols: list[str]) -> Events:
    import polars as pl  # noqa: PLC0415  takes a quarter of a second

    table = arrival_times(table)
    if table["arrival"].null_count():
        raise Misconfigured("a symbol of the tick file has no row with a time after 2000; there is nothing to play")
    events = np.zeros(table.height, dtype=EVENT)
    places = {symbol: place for place, symbol in enumerate(symbols)}
    events["instrument"] = table["symbol"].replace_strict(places, return_dtype=pl.Int32).to_numpy()
    events["arrival"] = table["arrival"].to_numpy()
    events["timestamp"] = events["traded_at"] = table["time"].to_numpy()
    for ours, theirs in (("ltp", "ltp"), ("day_volume", "volume"), ("last_quantity", "last_quantity"), ("bid", "bid"),
                         ("ask", "ask"), ("open_interest", "open_interest")):  # fmt: skip
        if theirs in table.columns:
            events[ours] = table[theirs].fill_null(0).to_numpy()
    return in_order_of_arrival(events)


def _session(day: Events, following: int | None) -> Session:
    start = int(day["arrival"][0]) // SECOND * SECOND
    end = (int(day["arrival"][-1]) // MINUTE + 1) * MINUTE
    return Session(start, start, end if following is None else min(end, following))
