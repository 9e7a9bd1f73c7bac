"""Recorded NSE sessions, defects included, give the candles that the rules give."""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from niftyflow.brokers.simulator.files import open_source
from support.data import shared_data
from support.polars_oracle import DAY, IST, MINUTE, candles
from support.recorded import FIELDS, in_ms, open_of, stored
from support.replays import replay

pytestmark = pytest.mark.data

TICK_DAYS = ["2021-04-13", "2021-04-15", "2021-04-26", "2021-05-03", "2021-05-31", "2021-06-11"]


@pytest.mark.parametrize("day", TICK_DAYS)
async def test_every_recorded_share_session_gives_the_candles_of_the_rules(day, tmp_path):
    """Late and doubled rows count once, 1970 rows are dead letters, and those of a Saturday are in no candle."""
    path = shared_data(f"ticks_nse_2021/ticks_{day}.parquet")
    ticks = in_ms(path)
    outcome = await replay(open_source(path), tmp_path)
    of_day = ticks.filter((pl.col("timestamp") + IST) // DAY == (open_of(ticks["timestamp"].median()) + IST) // DAY)
    expected = candles(ticks, open_of(of_day["timestamp"][0]), 375, of_day["timestamp"].max() + MINUTE)
    assert_frame_equal(stored(outcome), expected.select(FIELDS), check_dtypes=False)
    zero_dated = len(ticks.filter(pl.col("timestamp") < DAY))
    assert len(outcome.letters) == zero_dated
    assert all("timestamp is 1970-01-01" in letter.error for letter in outcome.letters)


async def test_recorded_index_sessions_give_the_candles_of_the_rules(tmp_path):
    """Ten sessions of an index without volume, pre-open prints and a recording that stops early included."""
    path = shared_data("ticks_nifty_index_2022/ticks.parquet")
    ticks = in_ms(path).with_columns(volume=pl.lit(0))
    outcome = await replay(open_source(path), tmp_path)
    days = ticks.with_columns(day=(pl.col("timestamp") + IST) // DAY).partition_by("day", maintain_order=True)
    expected = []
    for day in days:
        last = int(day["timestamp"].max())
        until = -(-(last + 1) // MINUTE) * MINUTE
        expected.append(candles(day.drop("day"), open_of(last), 375, until))
    got = stored(outcome)
    assert_frame_equal(got, pl.concat(expected).sort("symbol", "time").select(FIELDS), check_dtypes=False)
    assert outcome.letters == []
