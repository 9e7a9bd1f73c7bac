"""What a candle file says is found out and stated: columns, times, zone, label, interval, instruments."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from niftyflow.ingestion.candle_files import CheckedFile, ImportOptions, check_file
from niftyflow.model import Exchange, Interval, Kind, milliseconds
from niftyflow.storage import MarketStore
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.candle_csv import DAYS, HEADER, OPENED, day_rows, minute_rows, write_csv

PLAIN = ImportOptions()
START = milliseconds(datetime(2016, 8, 16, 3, 45, tzinfo=UTC))
PRICES = {"open": [100.0, 101, 102], "high": [103.0] * 3, "low": [99.0] * 3, "close": [101.0, 102, 103]}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MarketStore]:
    """Open an empty market store."""
    opened = SqliteMarketStore(tmp_path / "market.db")
    await opened.open()
    yield opened
    await opened.close()


async def check_times(
    store: MarketStore, path: Path, times: list[str], options: ImportOptions = PLAIN, header: str = "datetime"
) -> CheckedFile:
    """Check a file of three candles with these times."""
    rows = [f"{time},{100 + place},103,99,{101 + place}" for place, time in enumerate(times)]
    return await check_file(write_csv(path / "TCS.csv", rows, f"{header},open,high,low,close"), options, store)


MINUTE_FORMS = {
    "%Y-%m-%d %H:%M:%S": "without a zone, taken as Asia/Kolkata",
    "%Y-%m-%d %H:%M": "without a zone, taken as Asia/Kolkata",
    "%Y-%m-%dT%H:%M:%S.000": "without a zone, taken as Asia/Kolkata",
    "%Y-%m-%d %H:%M:%S+05:30": "such as 2016-08-16 09:15:00+05:30",
    "%Y-%m-%dT%H:%M:%S+0530": "such as 2016-08-16T09:15:00+0530",
    "%Y-%m-%d %H:%M:%S IST": "such as 2016-08-16 09:15:00 IST",
    "%d-%m-%Y %H:%M": "taken as Asia/Kolkata, day first",
    "%d/%m/%Y %H:%M:%S": "taken as Asia/Kolkata, day first",
    "%d-%b-%Y %H:%M:%S": "such as 16-Aug-2016 09:15:00",
    "%Y%m%d %H:%M": "such as 20160816 09:15",
    "%Y/%m/%d %H:%M": "such as 2016/08/16 09:15",
}


@pytest.mark.parametrize("form", MINUTE_FORMS)
async def test_times_of_every_usual_form_are_read_and_stated(tmp_path: Path, store: MarketStore, form: str):
    """All of them mean 09:15 to 09:17 in India."""
    times = [(OPENED + timedelta(minutes=minute)).strftime(form) for minute in range(3)]
    checked = await check_times(store, tmp_path, times)
    assert checked.rows.time.tolist() == [START, START + 60_000, START + 120_000]
    assert checked.rows.interval is Interval.M1
    assert any(line.startswith("times: column datetime, ") and MINUTE_FORMS[form] in line for line in checked.stated)


ZONED_TIMES = (
    ("2016-08-16 03:45:00Z", "2016-08-16 03:46:00Z", "2016-08-16 03:47:00Z"),
    ("2016-08-16T03:45Z", "2016-08-16T03:46Z", "2016-08-16T03:47Z"),
    ("2016-08-16 06:45:00+03:00", "2016-08-16 03:46:00+00:00", "2016-08-16 03:47:00-00:00"),
    ("1471319100", "1471319160", "1471319220"),
    ("1471319100.0", "1471319160.0", "1471319220.0"),
    ("1471319100000", "1471319160000", "1471319220000"),
    ("1471319100000000", "1471319160000000", "1471319220000000"),
    ("1471319100000000000", "1471319160000000000", "1471319220000000000"),
)


@pytest.mark.parametrize("times", ZONED_TIMES)
async def test_times_that_say_their_zone_are_taken_at_their_word(tmp_path: Path, store: MarketStore, times: list[str]):
    """Offsets, Z, and numbers since 1970, in seconds to nanoseconds."""
    assert (await check_times(store, tmp_path, times)).rows.time.tolist() == [START, START + 60_000, START + 120_000]


async def test_a_zone_that_is_given_holds_for_times_without_one(tmp_path: Path, store: MarketStore):
    """03:45 in UTC is 09:15 in India."""
    times = ["2016-08-16 03:45:00", "2016-08-16 03:46:00", "2016-08-16 03:47:00"]
    checked = await check_times(store, tmp_path, times, ImportOptions(time_zone="UTC"))
    assert checked.first == START
    assert any("taken as UTC, as asked" in line for line in checked.stated)


async def test_date_and_clock_in_two_columns_are_one_time(tmp_path: Path, store: MarketStore):
    """As charting programs write them."""
    checked = await check_times(
        store, tmp_path, [f"16-08-2016,09:{minute}" for minute in (15, 16, 17)], header="<DATE>,<TIME>"
    )
    assert checked.first == START
    assert any(line.startswith("times: column <DATE> and <TIME>, ") for line in checked.stated)


async def test_a_column_of_ends_moves_every_minute_back(tmp_path: Path, store: MarketStore):
    """`ts_end` says what it is; --label start says otherwise."""
    times = ["2016-08-16 09:16:00", "2016-08-16 09:17:00", "2016-08-16 09:18:00"]
    checked = await check_times(store, tmp_path, times, header="ts_end")
    assert checked.first == START
    assert "label: end of the interval, by column ts_end" in checked.stated
    checked = await check_times(store, tmp_path, times, ImportOptions(label="start"), header="ts_end")
    assert checked.first == START + 60_000


DAY_FORMS = ("2016-08-{:02}", "{:02}-08-2016", "201608{:02}", "2016-08-{:02} 00:00:00+05:30", "2016-08-{:02}T00:00:00Z",
             "2016-08-{:02} 15:30:00")  # fmt: skip


@pytest.mark.parametrize("form", DAY_FORMS)
async def test_days_begin_at_midnight_in_india_however_they_are_written(tmp_path: Path, store: MarketStore, form: str):
    """A time of day names the Indian day that holds it."""
    checked = await check_times(store, tmp_path, [form.format(day) for day in (16, 17, 18)])
    assert checked.rows.interval is Interval.D1
    midnight = milliseconds(datetime(2016, 8, 15, 18, 30, tzinfo=UTC))
    assert checked.rows.time.tolist() == [midnight, midnight + 86_400_000, midnight + 2 * 86_400_000]


async def test_days_labelled_by_their_end_end_at_midnight(tmp_path: Path, store: MarketStore):
    """2016-08-17 00:00 is the end of the 16th."""
    times = [f"2016-08-{day} 00:00:00" for day in (17, 18, 19)]
    checked = await check_times(store, tmp_path, times, header="ts_end")
    assert checked.rows.when(checked.first) == "2016-08-16"


PARQUET_TIMES = {
    "aware": [datetime(2016, 8, 16, 9, minute, tzinfo=ZoneInfo("Asia/Kolkata")) for minute in (15, 16, 17)],
    "utc": [datetime(2016, 8, 16, 3, minute, tzinfo=UTC) for minute in (45, 46, 47)],
    "naive": [OPENED + timedelta(minutes=minute) for minute in range(3)],
    "milliseconds": [START + 60_000 * minute for minute in range(3)],
    "float": [START / 1000 + 60 * minute for minute in range(3)],
    "text": ["2016-08-16 09:15", "2016-08-16 09:16", "2016-08-16 09:17"],
}


@pytest.mark.parametrize("times", PARQUET_TIMES)
async def test_parquet_times_of_every_type_are_read(tmp_path: Path, store: MarketStore, times: str):
    """Types say most of it; what they leave open is Indian."""
    pl.DataFrame({"ts": PARQUET_TIMES[times], **PRICES}).write_parquet(tmp_path / "TCS.parquet")
    checked = await check_file(tmp_path / "TCS.parquet", PLAIN, store)
    assert checked.rows.time.tolist() == [START, START + 60_000, START + 120_000]


async def test_parquet_dates_are_days_and_a_bad_cell_is_named_by_its_row(tmp_path: Path, store: MarketStore):
    """Rows of a Parquet file are counted from 1."""
    table = pl.DataFrame({"date": [date(2016, 8, day) for day in (16, 17, 18)], **PRICES})
    table.write_parquet(tmp_path / "TCS.parquet")
    assert (await check_file(tmp_path / "TCS.parquet", PLAIN, store)).rows.interval is Interval.D1
    table.with_columns(low=pl.Series([99.0, None, float("nan")])).write_parquet(tmp_path / "TCS.parquet")
    with pytest.raises(Exception, match=r"row 2, column low is empty: a price is .* \(2 rows break this rule\)"):
        await check_file(tmp_path / "TCS.parquet", PLAIN, store)


async def test_prices_of_32_bits_are_rounded_to_paise_and_it_is_said(tmp_path: Path, store: MarketStore):
    """1297.05 has no 32-bit float."""
    prices = {name: pl.Series([1297.05, 1297.1, 1297.15], dtype=pl.Float32) for name in PRICES}
    pl.DataFrame({"ts": PARQUET_TIMES["aware"], **prices}).write_parquet(tmp_path / "TCS.parquet")
    checked = await check_file(tmp_path / "TCS.parquet", PLAIN, store)
    assert checked.rows.values["open"].tolist() == [1297.05, 1297.1, 1297.15]
    assert "prices: 32-bit floats, rounded to two decimals" in checked.stated


async def test_columns_are_found_under_the_names_vendors_give_them(tmp_path: Path, store: MarketStore):
    """Case, blanks and brackets are nothing; columns that are not ours are left alone."""
    header = "<TICKER>;Exch;<DTYYYYMMDD>; Open Price;HIGH_PRICE;l;C;Vol;OI;No of Trades;VWAP;Turnover"
    rows = [f"tcs ;BSE;{day.replace('-', '')};100;102;99;101;10;5;7;100.5;x" for day in DAYS]
    checked = await check_file(write_csv(tmp_path / "vendor.csv", rows, header), PLAIN, store)
    assert checked.rows.keys == ["BSE:TCS"]
    assert {name: column[0] for name, column in checked.rows.values.items()} == {
        "open": 100, "high": 102, "low": 99, "close": 101, "volume": 10, "open_interest": 5, "trades": 7, "vwap": 100.5,
    }  # fmt: skip
    assert checked.stated[0] == "separator: ;"
    assert "open_interest from OI" in checked.stated[1]


async def test_what_the_file_lacks_is_filled_by_rules_that_are_stated(tmp_path: Path, store: MarketStore):
    """No volume means an index; the vwap is the typical price."""
    checked = await check_times(store, tmp_path, ["2016-08-16", "2016-08-17", "2016-08-18"])
    values = checked.rows.values
    assert values["vwap"].tolist() == pytest.approx([(103 + 99 + 101) / 3, (103 + 99 + 102) / 3, (103 + 99 + 103) / 3])
    assert not values["volume"].any()
    assert not values["trades"].any()
    assert [instrument.kind for instrument in checked.new] == [Kind.INDEX]
    lacks = "not in the file: volume 0, open interest 0, trades 0 (not known), vwap (high + low + close) / 3"
    assert lacks in checked.stated
    assert "not known before, added without derivatives: NSE:TCS as index" in checked.stated


async def test_the_symbol_comes_from_the_column_the_option_or_the_file_name(tmp_path: Path, store: MarketStore):
    """In this order of strength: option, column, name of the file."""
    named = await check_file(write_csv(tmp_path / "column.csv", minute_rows(3, "nse:infy")), PLAIN, store)
    assert named.rows.keys == ["NSE:INFY"]
    asked = await check_file(tmp_path / "column.csv", ImportOptions(symbol="NIFTY 50"), store)
    assert asked.rows.keys == ["NSE:NIFTY 50"]
    rows = [row.replace(",TCS", "") for row in minute_rows(3)]
    path = write_csv(tmp_path / "M&M_1m.csv", rows, HEADER.replace("symbol,", ""))
    by_file = await check_file(path, ImportOptions(exchange=Exchange.BSE), store)
    assert by_file.rows.keys == ["BSE:M&M"]
    assert any("by the name of the file" in line for line in by_file.stated)


async def test_a_share_with_volume_is_an_equity_and_a_known_instrument_stays(tmp_path: Path, store: MarketStore):
    """What a master said is not overwritten by a guess."""
    path = write_csv(tmp_path / "two.csv", [*minute_rows(3, "TCS"), *minute_rows(3, "INFY")])
    first = await check_file(path, PLAIN, store)
    assert [(each.key, each.kind, each.has_derivatives) for each in first.new] == [
        ("NSE:TCS", Kind.EQUITY, False), ("NSE:INFY", Kind.EQUITY, False)
    ]  # fmt: skip
    await store.save_instruments(first.new[:1])
    second = await check_file(path, PLAIN, store)
    assert [each.key for each in second.new] == ["NSE:INFY"]


async def test_gzip_and_a_byte_order_mark_change_nothing(tmp_path: Path, store: MarketStore):
    """As spreadsheets and archives leave them."""
    text = "\n".join([HEADER, *minute_rows(5)])
    (tmp_path / "plain.csv").write_text(text, encoding="utf-8-sig")
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("plain.csv", "packed.csv.gz"):
        assert len((await check_file(tmp_path / name, PLAIN, store)).rows) == 5


async def test_instruments_may_lie_one_after_the_other_or_minute_by_minute(tmp_path: Path, store: MarketStore):
    """Order is asked for within an instrument only."""
    both = [*zip(minute_rows(4, "TCS"), minute_rows(4, "INFY"), strict=True)]
    mixed = await check_file(write_csv(tmp_path / "mixed.csv", [row for pair in both for row in pair]), PLAIN, store)
    apart = await check_file(
        write_csv(tmp_path / "apart.csv", [*minute_rows(4, "TCS"), *minute_rows(4, "INFY")]), PLAIN, store
    )
    assert mixed.rows.time.tolist() == apart.rows.time.tolist()
    assert mixed.rows.code.tolist() == apart.rows.code.tolist() == [0] * 4 + [1] * 4


async def test_daily_files_need_no_hours_only_trading_days(tmp_path: Path, store: MarketStore):
    """Trading days are known from 2000, hours from 2009."""
    rows = day_rows(["2000-01-03", "2000-01-04", "2000-01-05"])
    assert len((await check_file(write_csv(tmp_path / "old.csv", rows), PLAIN, store)).rows) == 3
