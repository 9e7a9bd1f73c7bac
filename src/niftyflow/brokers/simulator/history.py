"""Candles for Kite's history route: the tape folded once into minutes, and made longer as asked.

Only what has happened by the session's time is told, whole minutes only: the minute in progress is left out, which
Kite shows. Volume is what the day's volume grew by; an index has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from niftyflow.brokers.kite.capabilities import KITE
from niftyflow.brokers.kite.history import INTERVALS as KITE_INTERVALS
from niftyflow.brokers.kite.wire import INDICES
from niftyflow.brokers.simulator.kite_errors import input_error
from niftyflow.brokers.simulator.tape import DAY, MINUTE, Source
from niftyflow.brokers.simulator.times import candle_stamp
from niftyflow.kit.clock import IST_OFFSET_MS

if TYPE_CHECKING:
    import polars as pl

Row = tuple[str, float, float, float, float, int] | tuple[str, float, float, float, float, int, int]

INTERVALS: Final = {word: (each.minutes, KITE.history_days[each]) for each, word in KITE_INTERVALS.items()}
"""Minutes of a candle (0: the day), and the days one call may ask for."""


def check_span(interval: str, since: int, until: int) -> None:
    """Refuse what Kite refuses; times in ms UTC.

    Raises:
        KiteError: the interval is unknown, the span too long, or it ends before it begins.
    """
    if interval not in INTERVALS:
        raise input_error("invalid interval")
    if until < since:
        raise input_error("invalid from or to date")
    days = INTERVALS[interval][1]
    if until - since > days * DAY:
        raise input_error(f"interval exceeds max limit: {days} days")


class CandleBook:
    """The minutes of one tape. Made on a thread before its first use, since a long tape takes seconds."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._minutes: pl.DataFrame | None = None

    def make(self) -> pl.DataFrame:
        """Fold the tape, once."""
        if self._minutes is None:
            self._minutes = fold_minutes(self._source)
        return self._minutes

    def candles(
        self, place: int, interval: str, since: int, until: int, now: int, *, has_open_interest: bool = False
    ) -> list[Row]:
        """Return the candles that begin in `since` to `until` (inclusive) and have ended by `now`; all ms UTC."""
        import polars as pl  # noqa: PLC0415  takes a quarter of a second

        all_minutes = self.make()
        length, _ = INTERVALS[interval]
        midnight = (pl.col("time") + IST_OFFSET_MS) // DAY * DAY - IST_OFFSET_MS
        opens = pl.col("opens")
        start = midnight if length == 0 else opens + (pl.col("time") - opens) // (length * MINUTE) * (length * MINUTE)
        minutes = all_minutes.filter((pl.col("place") == place) & (pl.col("time") + MINUTE <= now))
        minutes = minutes.with_columns(time=start).filter(pl.col("time").is_between(since, until))
        rows = minutes if length == 1 else _longer(minutes)
        columns = [rows[name].to_list() for name in ("time", "open", "high", "low", "close", "volume", "oi")]
        wanted = zip(*columns, strict=True)
        told = [(candle_stamp(time), *rest) for time, *rest in wanted]
        return [tuple(row) if has_open_interest else tuple(row[:-1]) for row in told]


def _longer(minutes: pl.DataFrame) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415  takes a quarter of a second

    return minutes.group_by("time", maintain_order=True).agg(
        pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last(),
        pl.col("volume").sum(), pl.col("oi").last(),
    )  # fmt: skip


def fold_minutes(source: Source) -> pl.DataFrame:
    """Return every minute of a tape with a trade: place, time (its start), opens (of its session), prices, volume."""
    import polars as pl  # noqa: PLC0415  takes a quarter of a second

    tokens = np.array([int(each.token) for each in source.instruments])
    is_index = (tokens & 0xFF) == INDICES
    top = np.zeros(len(tokens), dtype=np.int64)
    parts: list[pl.DataFrame] = []
    session = 0
    for events in source.chunks():
        if not len(events):
            continue
        while session + 1 < len(source.sessions) and events["arrival"][0] >= source.sessions[session].end:
            session += 1
            top[:] = 0
        opens = source.sessions[session].opens
        place = events["instrument"]
        frame = pl.DataFrame(
            {
                "place": place, "traded_at": events["traded_at"], "ltp": events["ltp"],
                "volume": events["day_volume"], "oi": events["open_interest"],
                "before": top[place], "index": is_index[place],
            }
        )  # fmt: skip
        reached = pl.max_horizontal(pl.col("volume").cum_max().over("place"), "before")
        frame = frame.with_columns(reached=reached)
        frame = frame.with_columns(
            added=pl.col("reached") - pl.col("reached").shift(1).over("place").fill_null(pl.col("before")),
            opens=pl.lit(opens),
        )
        last = frame.group_by("place", maintain_order=True).agg(pl.col("reached").last())
        top[last["place"].to_numpy()] = last["reached"].to_numpy()
        parts.append(frame.filter(((pl.col("added") > 0) | pl.col("index")) & (pl.col("traded_at") >= opens)))
    trades = pl.concat([_minutes_of(part) for part in parts])
    return trades.group_by("place", "time", maintain_order=True).agg(
        pl.col("opens").first(), pl.col("open").first(), pl.col("high").max(), pl.col("low").min(),
        pl.col("close").last(), pl.col("volume").sum(), pl.col("oi").last(),
    ).sort("time", "place")  # fmt: skip


def _minutes_of(trades: pl.DataFrame) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415  takes a quarter of a second

    timed = trades.with_columns(time=pl.col("traded_at") // MINUTE * MINUTE)
    return timed.group_by("place", "time", maintain_order=True).agg(
        pl.col("opens").first(), pl.col("ltp").first().alias("open"), pl.col("ltp").max().alias("high"),
        pl.col("ltp").min().alias("low"), pl.col("ltp").last().alias("close"), pl.col("added").sum().alias("volume"),
        pl.col("oi").last(),
    )  # fmt: skip
