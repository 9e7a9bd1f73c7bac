"""Recorded tick files are played exactly as recorded: their defects are the point."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from niftyflow.brokers.simulator.files import open_source
from niftyflow.brokers.simulator.ticks import TickFiles, arrival_times
from niftyflow.kit.clock import IST, to_ist
from niftyflow.model import Kind, Misconfigured
from support.data import shared_data

NINE = datetime(2021, 6, 11, 9, 15, tzinfo=IST)


def at(**after) -> datetime:
    """Return a time of the day recorded."""
    return NINE + timedelta(**after)


def recorded(tmp_path, times, **columns):
    """Write a Parquet file of one symbol and return its path."""
    path = tmp_path / "ticks.parquet"
    count = len(times)
    table = {
        "symbol": ["INFY"] * count,
        "seq": list(range(count)),
        "timestamp": times,
        "ltp": [100.0 + each for each in range(count)],
        "volume": [10 * each for each in range(count)],
    } | columns
    pl.DataFrame({name: values for name, values in table.items() if values is not None}).write_parquet(path)
    return path


def arrivals(times) -> list[int]:
    """Return when rows of one symbol arrive, in seconds after 09:15."""
    table = pl.DataFrame({"symbol": ["INFY"] * len(times), "time": [int(each.timestamp() * 1000) for each in times]})
    start = int(NINE.timestamp() * 1000)
    return [(each - start) // 1000 for each in arrival_times(table)["arrival"].to_list()]


EPOCH = datetime(1970, 1, 1, 5, 30, tzinfo=IST)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([at(), at(seconds=2), at(seconds=1), at(seconds=3)], [0, 2, 2, 3]),
        ([at(), EPOCH, EPOCH, at(seconds=4)], [0, 0, 0, 4]),
        ([EPOCH, at(seconds=5)], [5, 5]),
        ([at(), at(days=30), at(seconds=1)], [0, 0, 1]),
        ([at(days=30), at(), at(seconds=1)], [0, 0, 1]),
        ([at(), at(days=3)], [0, 0]),
        ([at(), at(days=-3), at(seconds=1)], [0, 0, 1]),
        ([at(), at(days=1), at(days=1, seconds=1)], [0, 86_400, 86_401]),
        ([at()], [0]),
    ],
    ids=["step back", "zero epoch", "zero first", "stray ahead", "stray first", "stray last", "stray back",
         "next day", "single"],
)  # fmt: skip
def test_a_row_arrives_when_its_symbol_had_last_got_to(times, expected):
    """The running maximum of the times that can be believed; the others come with their predecessor."""
    assert arrivals(times) == expected


def test_rows_are_played_as_recorded_in_the_order_of_their_sequence(tmp_path):
    """Duplicates, steps back and zero times keep their values; rows of the file may be in any order."""
    times = [at(), at(seconds=2), at(seconds=2), at(seconds=1), EPOCH, at(seconds=9)]
    path = recorded(tmp_path, times)
    pl.read_parquet(path).reverse().write_parquet(path)
    events = np.concatenate(list(open_source(path).chunks()))
    assert events["timestamp"].tolist() == [int(each.timestamp()) * 1000 for each in times]
    assert (events["traded_at"] == events["timestamp"]).all()
    assert events["ltp"].tolist() == [100.0, 101.0, 102.0, 103.0, 104.0, 105.0]
    assert events["day_volume"].tolist() == [0, 10, 20, 30, 40, 50]
    assert (np.diff(events["arrival"]) >= 0).all()


def test_symbols_are_merged_by_arrival(tmp_path):
    """Each keeps its own order."""
    path = recorded(tmp_path, [at(seconds=each) for each in (0, 2, 4, 1, 3, 5)], symbol=["A"] * 3 + ["B"] * 3)
    source = open_source(path)
    events = np.concatenate(list(source.chunks()))
    assert [source.instruments[place].symbol for place in events["instrument"]] == ["A", "B", "A", "B", "A", "B"]


def test_a_file_without_volume_holds_index_values(tmp_path):
    """They get index tokens, so that the wire sends index packets."""
    source = open_source(recorded(tmp_path, [at(), at(seconds=1)], volume=None, symbol=["NIFTY 50"] * 2))
    assert source.instruments[0].kind is Kind.INDEX
    assert int(source.instruments[0].token) & 0xFF == 9


def test_naive_times_of_a_csv_are_indian_and_vendor_names_are_understood(tmp_path):
    """Depth files name their columns otherwise; only the best level is played."""
    path = tmp_path / "depth.csv"
    path.write_text(
        "Symbol,exchange_timestamp,last_price,volume_traded,last_traded_quantity,open_interest,bid_price_1,ask_price_1\n"
        "MCX,2025-11-17 12:07:57.022308,9767.0,349250,125,2620375,9760.5,9768.0\n"
    )
    source = open_source(path)
    (events,) = source.chunks()
    assert to_ist(int(events["timestamp"][0])).isoformat() == "2025-11-17T12:07:57.022000+05:30"
    assert [float(events[name][0]) for name in ("ltp", "bid", "ask")] == [9767.0, 9760.5, 9768.0]
    assert [int(events[name][0]) for name in ("day_volume", "last_quantity", "open_interest")] == [349250, 125, 2620375]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"ltp": [100.0, -1.0]}, "data row 2: ltp is -1.0, which Kite cannot send"),
        ({"volume": [1, 1 << 33]}, "data row 2: volume is"),
        ({"ltp": [100.0, float("nan")]}, "data row 2: ltp is nan"),
    ],
)
def test_what_the_wire_cannot_carry_is_refused_by_its_row(tmp_path, columns, says):
    """One line, naming file and row."""
    with pytest.raises(Misconfigured, match=says):
        open_source(recorded(tmp_path, [at(), at(seconds=1)], **columns))


def test_a_cut_line_is_no_tick(tmp_path):
    """A row without a price or a time cannot be sent; the others are."""
    events = np.concatenate(list(open_source(recorded(tmp_path, [at(), at(seconds=1)], ltp=[None, 5.0])).chunks()))
    assert events["ltp"].tolist() == [5.0]


def test_a_file_of_something_else_is_refused(tmp_path):
    """The message lists what the file has; a missing one is named."""
    empty = tmp_path / "empty"
    empty.mkdir()
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(Misconfigured, match=r"neither candles .* it has a, b"):
        open_source(path)
    with pytest.raises(Misconfigured, match="is not there"):
        open_source(tmp_path / "nothing.parquet")
    with pytest.raises(Misconfigured, match="holds no Parquet or CSV file"):
        open_source(empty)


@pytest.mark.data
def test_the_defective_day_is_played_row_by_row():
    """1970 rows, steps back and the Saturday's rows of 2021-06-11: nothing is lost, added or changed."""
    path = shared_data("ticks_nse_2021/ticks_2021-06-11.parquet")
    source = open_source(path)
    events = np.concatenate(list(source.chunks()))
    rows = pl.read_parquet(path)
    symbols = [each.symbol for each in source.instruments]
    played = pl.DataFrame(
        {"symbol": [symbols[place] for place in events["instrument"]], "time": events["timestamp"],
         "ltp": events["ltp"], "volume": events["day_volume"]}
    )  # fmt: skip
    for symbol in symbols:
        expected = rows.filter(pl.col("symbol") == symbol).sort("seq")
        got = played.filter(pl.col("symbol") == symbol)
        assert got["time"].equals(expected["timestamp"].dt.epoch("ms").rename("time"))
        assert got["ltp"].equals(expected["ltp"])
        assert got["volume"].equals(expected["volume"])
    assert [to_ist(each.start).date() for each in source.sessions] == [date(2021, 6, 11), date(2021, 6, 12)]


@pytest.mark.data
def test_a_folder_of_recorded_days_is_one_tape():
    """A session a day, in order."""
    paths = sorted(shared_data("ticks_nse_2021").glob("*.parquet"))[:2]
    source = TickFiles(paths)
    assert [to_ist(each.start).date() for each in source.sessions] == [date(2021, 4, 13), date(2021, 4, 15)]
    assert sum(len(chunk) for chunk in source.chunks()) == 178_770 + 176_590


@pytest.mark.data
def test_recorded_futures_with_depth_are_played():
    """A compressed CSV with names and columns of another vendor, fractions of seconds included."""
    source = open_source(shared_data("ticks_futures_depth_2025-11-17/ticks.csv.gz"))
    events = np.concatenate(list(source.chunks()))
    assert len(events) > 5000
    assert (events["bid"] > 0).mean() > 0.9
