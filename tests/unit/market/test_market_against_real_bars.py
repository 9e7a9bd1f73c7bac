"""Real bars lie inside the hours of the tables, and real daily files hold exactly the tables' trading days."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta

import polars as pl
import pytest

from niftyflow.market import NO_BUCKET, is_trading_day, minute_buckets, minute_mask
from niftyflow.model import Exchange, Instrument, Interval, Kind
from support.data import shared_data
from support.market import BSE_RELIANCE, INFY, NIFTY_50

pytestmark = pytest.mark.data

STRAY_MINUTES = {
    # single prints of the pre-open and the closing price, seen in these files only
    date(2013, 5, 11): {11 * 60 + 7, 12 * 60 + 45, 12 * 60 + 49},
    date(2014, 3, 22): {11 * 60 + 7, 12 * 60 + 45, 12 * 60 + 46},
    date(2014, 10, 23): {18 * 60 + 22},
    # rows after the close, named in the data's README
    date(2024, 1, 20): set(range(15 * 60 + 30, 18 * 60 + 17)),
}
CLOSING_PRINT = 15 * 60 + 30  # some vendors give the last print, stamped 15:30:00, a bar of its own
SENSEX_OPTION = Instrument(exchange=Exchange.BFO, symbol="SENSEX", kind=Kind.OPTION, underlying="SENSEX")
NIFTY_OPTION = Instrument(exchange=Exchange.NFO, symbol="NIFTY", kind=Kind.OPTION, underlying="NIFTY")


def minutes_by_day(path, column, shift=0):
    """Return the minutes of the IST day that have a bar, by day; `shift` turns an end label into a start label."""
    found = defaultdict(set)
    minute = pl.col(column).dt.hour().cast(pl.Int32) * 60 + pl.col(column).dt.minute().cast(pl.Int32) + shift
    frame = pl.read_parquet(path).select(day=pl.col(column).dt.date(), minute=minute).unique()
    for day, at in frame.iter_rows():
        found[day].add(at)
    return found


def allowed(subject, day):
    """Return the continuous minutes of a day."""
    return set(minute_mask(subject, day).nonzero()[0].tolist())


def test_index_bars_of_2009_lie_inside_the_old_hours():
    """From 09:55; the file labels the closing print 15:30, and the circuit-breaker day has its two minutes."""
    found = minutes_by_day(shared_data("bars_1m_nifty_index/nifty50_2009.parquet"), "ts")
    assert len(found) == 230
    for day, minutes in found.items():
        assert minutes - {CLOSING_PRINT} <= allowed(NIFTY_50, day), day
    assert found[date(2009, 5, 18)] == allowed(NIFTY_50, date(2009, 5, 18))


@pytest.mark.parametrize(
    ("name", "column", "shift", "complete"),
    [
        ("nifty50_2013_2014", "ts_end", -1, 488),
        ("nifty50_2024_jan_apr", "ts", 0, 79),
        ("niftybank_2024_jan_apr", "ts", 0, 79),
    ],
)
def test_index_bars_fill_the_sessions(name, column, shift, complete):
    """Special sessions included, bars lie inside continuous trading, and all but the known gaps fill it."""
    found = minutes_by_day(shared_data(f"bars_1m_nifty_index/{name}.parquet"), column, shift)
    for day, minutes in found.items():
        assert minutes - STRAY_MINUTES.get(day, set()) <= allowed(NIFTY_50, day), day
    assert sum(allowed(NIFTY_50, day) <= minutes for day, minutes in found.items()) == complete


def test_share_bars_of_2016_fill_the_sessions():
    """90 symbols, shares and sector indices, 18 sessions, every expected minute and no other."""
    path = shared_data("bars_1m_equity_2016/bars.parquet")
    found = minutes_by_day(path, "ts")
    assert len(found) == 18
    for day, minutes in found.items():
        assert minutes == allowed(INFY, day)
    counts = pl.read_parquet(path).group_by("symbol", pl.col("ts").dt.date().alias("day")).len()
    assert counts["len"].unique().to_list() == [375]


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("nifty_options_20251103", NIFTY_OPTION),
        ("nifty_options_20251111", NIFTY_OPTION),
        ("sensex_options_20251106", SENSEX_OPTION),
    ],
)
def test_option_bars_of_2025_lie_inside_the_hours(name, option):
    """Chains of NSE and BSE, expiry days included, but for the closing print."""
    found = minutes_by_day(shared_data(f"bars_1m_options/{name}.parquet"), "ts")
    assert len(found) == 1
    for day, minutes in found.items():
        assert minutes - {CLOSING_PRINT} == allowed(option, day)


def test_kite_hourly_bars_start_where_our_buckets_do():
    """400 days of 60-minute bars, the Muhurat afternoon of 2025-10-21 and the Budget Saturday included."""
    frame = pl.read_parquet(shared_data("bars_60m_kite_2024_2026/hourly.parquet"), columns=["datetime"]).unique()
    found = defaultdict(set)
    for day, at in frame.select(
        pl.col("datetime").dt.date(), pl.col("datetime").dt.epoch("ms").alias("ms")
    ).iter_rows():
        found[day].add(at)
    assert len(found) == 273
    for day, starts in found.items():
        assert starts == set(minute_buckets(INFY, Interval.H1, day).tolist()) - {NO_BUCKET}, day


@pytest.mark.parametrize(
    ("name", "column"),
    [("bars_1d_nse_unadjusted", "date"), ("bars_1d_kite_adjusted", "datetime")],
)
def test_daily_files_hold_exactly_the_trading_days(name, column):
    """No bar on a closed day, no trading day without a bar, from 2000 to 2021 and from 2020 to 2026."""
    frame = pl.read_parquet(shared_data(f"{name}/daily.parquet"), columns=[column])
    days = set(frame.select(pl.col(column).str.slice(0, 10).str.to_date()).to_series().to_list())
    first, last = max(min(days), date(2000, 1, 3)), max(days)
    expected = {first + timedelta(days=offset) for offset in range((last - first).days + 1)}
    assert {day for day in expected if is_trading_day(Exchange.NSE, day)} == days


def test_bse_keeps_the_trading_days_of_nse():
    """Since 2009 both exchanges are open on the same days; only the outage of 2021-02-24 parted their hours."""
    first, last = date(2009, 1, 1), date(2026, 12, 31)
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    assert all(is_trading_day(Exchange.NSE, day) == is_trading_day(Exchange.BSE, day) for day in days)
    assert allowed(BSE_RELIANCE, date(2021, 2, 24)) != allowed(INFY, date(2021, 2, 24))
