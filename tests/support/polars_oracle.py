"""The candles of recorded ticks, by Polars, from the rules alone: an oracle that shares no code with the product.

Input rows are (symbol, seq, timestamp in ms UTC, ltp, volume), `volume` being the day's running total.
"""

from __future__ import annotations

import polars as pl

MINUTE = 60_000
HORIZON = 5
IST = 19_800_000
DAY = 86_400_000


def with_arrival(ticks: pl.DataFrame) -> pl.DataFrame:
    """Add when each row reached us: the running maximum of its symbol's times that are of the recording's own day."""
    day = ticks["timestamp"].mode()[0] if ticks.is_empty() else _main_day(ticks)
    of_day = (pl.col("timestamp") + IST) // DAY == day
    return (
        ticks.sort("symbol", "seq")
        .with_columns(of_day.alias("of_day"))
        .with_columns(pl.when("of_day").then("timestamp").cum_max().forward_fill().over("symbol").alias("arrival"))
    )


def _main_day(ticks: pl.DataFrame) -> int:
    return ticks.select(((pl.col("timestamp") + IST) // DAY).alias("day")).group_by("day").len().sort("len")["day"][-1]


def candles(ticks: pl.DataFrame, first_minute: int, minutes: int, until: int) -> pl.DataFrame:
    """Return the candles of one day.

    `first_minute` is the session's first (ms UTC), `until` the end of the recording: minutes that end after it are not.
    """
    rows = with_arrival(ticks).filter(pl.col("of_day") & (pl.col("ltp") > 0))
    minute = pl.col("timestamp") // MINUTE * MINUTE
    in_time = minute >= pl.col("arrival") // 1000 * 1000 // MINUTE * MINUTE - HORIZON * MINUTE
    rows = rows.with_columns(minute.alias("minute")).filter(in_time)
    trades = (
        rows.sort("symbol", "timestamp", "seq")
        .with_columns(
            repeat=(pl.col("timestamp").eq_missing(pl.col("timestamp").shift().over("symbol")))
            & (pl.col("volume").eq_missing(pl.col("volume").shift().over("symbol")))
        )
        .filter(~pl.col("repeat"))
    )
    made = (
        trades.group_by("symbol", "minute", maintain_order=True)
        .agg(
            open=pl.col("ltp").first(),
            high=pl.col("ltp").max(),
            low=pl.col("ltp").min(),
            close=pl.col("ltp").last(),
            trades=pl.len().cast(pl.Int64),
            first_volume=pl.col("volume").first(),
            own_maximum=pl.col("volume").max(),
        )
        .sort("symbol", "minute")
        .with_columns(total=pl.col("own_maximum").cum_max().over("symbol"))
        .with_columns(before=pl.col("total").shift().over("symbol"))
        .with_columns(
            volume=pl.max_horizontal("total", pl.col("before").fill_null(0))
            - pl.col("before").fill_null(pl.col("first_volume")),
            incomplete=pl.col("before").is_null(),
        )
    )
    every = pl.DataFrame({"minute": [first_minute + place * MINUTE for place in range(minutes)]}).join(
        made.select(pl.col("symbol").unique()), how="cross"
    )
    return (
        pl.concat([every, made.select("minute", "symbol")])
        .unique()
        .join(made, on=["symbol", "minute"], how="left")
        .sort("symbol", "minute")
        .with_columns(last=pl.col("close").forward_fill().over("symbol"))
        .filter(pl.col("last").is_not_null())
        .filter((pl.col("minute") >= first_minute) & (pl.col("minute") < first_minute + minutes * MINUTE))
        .filter(pl.col("minute") + MINUTE <= until)
        .select(
            "symbol",
            time="minute",
            open=pl.col("open").fill_null(pl.col("last")),
            high=pl.col("high").fill_null(pl.col("last")),
            low=pl.col("low").fill_null(pl.col("last")),
            close=pl.col("close").fill_null(pl.col("last")),
            volume=pl.col("volume").fill_null(0),
            trades=pl.col("trades").fill_null(0),
            incomplete=pl.col("incomplete").fill_null(value=False),
        )
    )
