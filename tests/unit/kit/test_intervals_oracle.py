"""Higher intervals against a Polars fold that knows only the sessions' hours."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from niftyflow.kernels.intervals import bucket_starts
from niftyflow.kit.intervals import higher
from niftyflow.model import CandleBatch, Interval, Name, NameTable, Provenance
from support.market import INFY, NIFTY_50, ist

MINUTE = 60_000
PARTS = {
    "2024-01-18": [("09:15", "15:30")],
    "2024-01-19": [("09:15", "15:30")],
    "2024-03-02": [("09:15", "10:00"), ("11:30", "12:30")],
}
"""Hours of three sessions; the last is a Saturday in two parts."""
LENGTH = {"3m": 3, "5m": 5, "10m": 10, "15m": 15, "30m": 30, "1h": 60}
INTERVALS = [Interval(label) for label in (*LENGTH, "1d")]


def session_table(interval: Interval) -> pl.DataFrame:
    """Return every session minute with its bucket and how many minutes that bucket has."""
    rows = []
    for day, parts in PARTS.items():
        for opens, closes in parts:
            start = ist(day, opens)
            for minute in range(start, ist(day, closes), MINUTE):
                place = (minute - start) // MINUTE
                bucket = (
                    ist(day, "00:00")
                    if interval is Interval.D1
                    else start + place // LENGTH[interval] * LENGTH[interval] * MINUTE
                )
                rows.append((minute, bucket))
    table = pl.DataFrame(rows, schema=["time", "bucket"], orient="row")
    return table.with_columns(expected=pl.len().over("bucket"))


TABLES = {interval: session_table(interval) for interval in INTERVALS}
EVERY_MINUTE = TABLES[Interval.D1]["time"].to_list()
PRE_OPEN = [ist("2024-01-18", "09:07"), ist("2024-01-18", "15:35"), ist("2024-03-02", "10:45")]


def oracle(minutes: CandleBatch, interval: Interval) -> pl.DataFrame:
    """Return the candles that Polars makes of the minutes."""
    by_volume = pl.col("vwap") * pl.col("volume")
    by_trades = pl.col("vwap") * pl.col("trades")
    return (
        pl.DataFrame(minutes.columns())
        .join(TABLES[interval], on="time", how="inner", maintain_order="left")
        .group_by("bucket", maintain_order=True)
        .agg(
            open=pl.col("open").first(),
            high=pl.col("high").max(),
            low=pl.col("low").min(),
            close=pl.col("close").last(),
            volume=pl.col("volume").sum(),
            trades=pl.col("trades").sum(),
            vwap=pl.when(pl.col("volume").sum() > 0)
            .then(by_volume.sum() / pl.col("volume").sum())
            .when(pl.col("trades").sum() > 0)
            .then(by_trades.sum() / pl.col("trades").sum())
            .otherwise(pl.col("close").last()),
            open_interest=pl.col("open_interest").last(),
            day_volume=pl.col("day_volume").last(),
            traded_at=pl.col("traded_at").last(),
            provenance=pl.col("provenance").max(),
            revision=pl.col("revision").max(),
            incomplete=pl.col("incomplete").any() | (pl.len() < pl.col("expected").first()),
            through_offset=pl.col("through_offset").last(),
        )
        .rename({"bucket": "time"})
        .sort("time")
    )


def some_minutes(times: list[int], seed: int, *, is_index: bool = False) -> CandleBatch:
    """Return minutes at these times, everything else drawn from a seed."""
    dice = np.random.default_rng(seed)
    count = len(times)
    prices = np.sort(np.round(dice.uniform(90, 110, (count, 4)), 2), axis=1)
    volume = np.zeros(count, np.int64) if is_index else dice.integers(0, 3, count) * dice.integers(0, 1000, count)
    trades = dice.integers(0, 2, count) * dice.integers(0, 50, count)
    return CandleBatch(
        NameTable([Name("NSE:NIFTY 50" if is_index else "NSE:INFY")]), Interval.M1,
        name=np.zeros(count, np.int32), time=times, open=prices[:, 1], high=prices[:, 3], low=prices[:, 0],
        close=prices[:, 2], volume=volume, trades=trades, vwap=dice.uniform(prices[:, 0], prices[:, 3]),
        open_interest=dice.integers(0, 99, count), day_volume=np.cumsum(volume), traded_at=np.array(times) + 59_000,
        provenance=dice.integers(0, len(Provenance), count), revision=dice.integers(0, 3, count),
        incomplete=dice.random(count) < 0.02, through_partition=np.zeros(count), through_offset=np.arange(count),
    )  # fmt: skip


def made(minutes: CandleBatch, interval: Interval, subject=INFY) -> pl.DataFrame:
    """Return what the product makes, as the oracle's frame."""
    batch = higher(minutes, subject, interval)
    assert batch.interval is interval
    return pl.DataFrame(batch.columns())


def assert_as_the_oracle(minutes: CandleBatch, interval: Interval, subject=INFY) -> None:
    """Compare every column."""
    expected = oracle(minutes, interval)
    assert_frame_equal(
        made(minutes, interval, subject).select(expected.columns), expected, check_dtypes=False, abs_tol=1e-9
    )


@pytest.mark.parametrize("interval", INTERVALS)
def test_whole_sessions_give_the_oracle_s_candles(interval):
    """Three sessions, one of them split, with minutes outside them that are left out."""
    times = sorted([*EVERY_MINUTE, *PRE_OPEN])
    assert_as_the_oracle(some_minutes(times, seed=1), interval)


@given(st.data())
@settings(max_examples=60)
def test_any_minutes_give_the_oracle_s_candles(data):
    """Holes, halves of sessions, nothing at all; shares and indices."""
    interval = data.draw(st.sampled_from(INTERVALS))
    first = data.draw(st.integers(0, len(EVERY_MINUTE) - 1))
    span = EVERY_MINUTE[first : first + data.draw(st.integers(0, 130))]
    holes = data.draw(st.sets(st.sampled_from(span), max_size=20)) if span else set()
    times = [time for time in span if time not in holes]
    is_index = data.draw(st.booleans())
    minutes = some_minutes(times, data.draw(st.integers(0, 1000)), is_index=is_index)
    if times:
        assert_as_the_oracle(minutes, interval, NIFTY_50 if is_index else INFY)
    else:
        assert len(higher(minutes, INFY, interval)) == 0


def test_a_missing_minute_makes_its_candle_incomplete_and_no_other():
    """The hole is in 09:30 to 09:35."""
    opens = ist("2024-01-18", "09:15")
    times = [opens + minute * MINUTE for minute in range(30) if minute != 17]
    minutes = some_minutes(times, 3).replace(incomplete=np.zeros(29, bool))
    assert higher(minutes, INFY, Interval.M5).incomplete.tolist() == [False, False, False, True, False, False]


def test_an_incomplete_minute_makes_its_candle_incomplete():
    """Its beginning was not seen; so was not that of the candle."""
    opens = ist("2024-01-18", "09:15")
    flags = np.zeros(30, bool)
    flags[12] = True
    minutes = some_minutes([opens + minute * MINUTE for minute in range(30)], 3).replace(incomplete=flags)
    assert higher(minutes, INFY, Interval.M15).incomplete.tolist() == [True, False]


def test_the_last_candle_of_a_part_is_complete_when_the_part_is_over():
    """Forty-five minutes are an hour's candle cut off by the break, and the next begins after it."""
    minutes = some_minutes([time for time in EVERY_MINUTE if time > ist("2024-03-02", "00:00")], 5)
    found = higher(minutes.replace(incomplete=np.zeros(len(minutes), bool)), INFY, Interval.H1)
    assert found.time.tolist() == [ist("2024-03-02", "09:15"), ist("2024-03-02", "11:30")]
    assert found.incomplete.tolist() == [False, False]


def test_a_session_under_way_has_an_incomplete_day():
    """Until its last minute is there."""
    times = [time for time in EVERY_MINUTE if time < ist("2024-01-19", "00:00")]
    for count, incomplete in ((374, True), (375, False)):
        minutes = some_minutes(times[:count], 3).replace(incomplete=np.zeros(count, bool))
        found = higher(minutes, INFY, Interval.D1)
        assert (found.time.tolist(), found.incomplete.tolist()) == ([ist("2024-01-18", "00:00")], [incomplete])


def test_the_same_minutes_are_another_candle_under_other_hours():
    """From 2026-08-03 shares with derivatives end at 15:15: the hour that a share without them has is cut there."""
    times = [ist("2026-11-20", "15:15") + minute * MINUTE for minute in range(15)]
    minutes = some_minutes(times, 7)
    small = msgspec.structs.replace(INFY, has_derivatives=False)
    assert len(higher(minutes, INFY, Interval.M15)) == 0
    assert len(higher(minutes, small, Interval.M15)) == 1


def test_an_index_without_volume_has_a_vwap_between_low_and_high():
    """Weighted by its updates; the close where it had none."""
    opens = ist("2024-01-18", "09:15")
    minutes = some_minutes([opens, opens + MINUTE, opens + 2 * MINUTE], 1, is_index=True)
    minutes = minutes.replace(trades=np.array([1, 3, 0]), vwap=np.array([100.0, 104.0, 1.0]))
    minutes = minutes.replace(low=np.full(3, 90.0), high=np.full(3, 110.0))
    assert higher(minutes, NIFTY_50, Interval.M3).vwap.tolist() == [103.0]
    still = minutes.replace(trades=np.zeros(3, np.int64))
    assert higher(still, NIFTY_50, Interval.M3).vwap.tolist() == [still.close[-1]]


def test_the_name_is_carried_and_days_are_not_mixed():
    """One day candle for each day, of the same instrument."""
    found = higher(some_minutes(EVERY_MINUTE, 1), INFY, Interval.D1)
    assert found.keys() == ["NSE:INFY"] * 3
    assert found.time.tolist() == [ist(day, "00:00") for day in PARTS]


def test_runs_of_buckets():
    """Also of none."""
    assert bucket_starts(np.array([5, 5, 7, 9, 9, 9])).tolist() == [0, 2, 3]
    assert bucket_starts(np.zeros(0, np.int64)).tolist() == []
