"""What is wrong with a candle file is said with line, column, value and rule, and nothing of it is stored."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from niftyflow.ingestion.candle_files import CandleFileRefused, ImportOptions, check_file, refuse_overlaps
from niftyflow.model import Exchange, Interval, Refused
from niftyflow.storage import MarketStore
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.candle_csv import DAYS, HEADER, day_rows, minute_row, minute_rows, write_csv

PLAIN = ImportOptions()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MarketStore]:
    """Open an empty market store."""
    opened = SqliteMarketStore(tmp_path / "market.db")
    await opened.open()
    yield opened
    await opened.close()


async def refusal_of(path: Path, store: MarketStore, options: ImportOptions = PLAIN) -> str:
    """Return why a file is refused."""
    with pytest.raises(CandleFileRefused) as refused:
        await check_file(path, options, store)
    message = str(refused.value)
    assert message.startswith(f"{path.name}: ")
    assert message.endswith("nothing was imported")
    return message


BAD_CELLS = {
    "time impossible": ("time", "2016-08-16 9:77", "does not read like '2016-08-16 09:15:00'"),
    "time empty": ("time", "", "column time is empty"),
    "time of another form": ("time", "16/08/2016 09:17", "column time is '16/08/2016 09:17'"),
    "time in 1970": ("time", "1970-01-01 05:30:00", "no candle is from before 1990"),
    "time with seconds": ("time", "2016-08-16 09:17:30", "the time of a 1m candle is a whole minute"),
    "symbol empty": ("symbol", "", "column symbol is empty: symbol is needed"),
    "open empty": ("open", "", "column open is empty: a price is a finite number above zero"),
    "open text": ("open", "n/a", "column open is 'n/a': a price is a finite number above zero"),
    "close NaN": ("close", "NaN", "column close is 'NaN': a price is a finite number above zero"),
    "close infinite": ("close", "inf", "column close is 'inf': a price is a finite number above zero"),
    "low zero": ("low", "0", "column low is '0': a price is a finite number above zero"),
    "low negative": ("low", "-101", "column low is '-101': a price is a finite number above zero"),
    "low above": ("low", "102.5", "column low is '102.5': the low of a candle is not above its open or close"),
    "high below": ("high", "102.5", "column high is '102.5': the high of a candle is not below its open or close"),
    "volume empty": ("volume", "", "column volume is empty: a whole number of zero or more is needed"),
    "volume negative": ("volume", "-1", "column volume is '-1': a whole number of zero or more is needed"),
    "volume part": ("volume", "1.5", "column volume is '1.5': a whole number of zero or more is needed"),
    "volume NaN": ("volume", "nan", "column volume is 'nan': a whole number of zero or more is needed"),
    "volume beyond": ("volume", "1e300", "column volume is '1e300': a whole number of zero or more is needed"),
}


@pytest.mark.parametrize(("column", "value", "said"), BAD_CELLS.values(), ids=BAD_CELLS)
async def test_a_cell_that_cannot_be_is_named_with_line_column_value_and_rule(
    tmp_path: Path, store: MarketStore, column: str, value: str, said: str
):
    """The third data row is line 4."""
    rows = minute_rows(6)
    cells = rows[2].split(",")
    cells[HEADER.split(",").index(column)] = value
    rows[2] = ",".join(cells)
    message = await refusal_of(write_csv(tmp_path / "bad.csv", rows), store)
    assert "line 4, column " in message
    assert said in message


async def test_the_first_bad_row_of_the_file_is_told_and_how_many_break_its_rule(tmp_path: Path, store: MarketStore):
    """Line 3 has a bad high; lines 5 and 6 have bad lows, a rule looked at earlier."""
    rows = minute_rows(6)
    rows[1] = rows[1].replace(",103,", ",1,")
    rows[3] = rows[3].replace(",102,", ",999,")
    rows[4] = rows[4].replace(",103,", ",999,")
    message = await refusal_of(write_csv(tmp_path / "bad.csv", rows), store)
    assert "line 3, column high is '1'" in message
    assert "break this rule" not in message
    rows[1] = minute_row(1)
    message = await refusal_of(write_csv(tmp_path / "bad.csv", rows), store)
    assert "line 5, column low is '999'" in message
    assert "(2 rows break this rule)" in message


async def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path, store: MarketStore):
    """Empty lines and a quoted line break lie before the bad row; the file is gzipped."""
    rows = minute_rows(4)
    rows[1] = '2016-08-16 09:16:00,"TCS\n",101,103,100,102,100'
    rows[3] = rows[3].replace(",102,", ",999,")
    path = tmp_path / "lines.csv.gz"
    path.write_bytes(gzip.compress("\n".join([HEADER, rows[0], "", rows[1], rows[2], "", rows[3]]).encode()))
    assert "line 8, column low is '999'" in await refusal_of(path, store)


@pytest.mark.parametrize("missing", ["time", "open", "high", "low", "close"])
async def test_a_missing_column_is_named_with_the_names_it_may_have(tmp_path: Path, store: MarketStore, missing: str):
    """The header is line 1, and the columns that are there are shown."""
    header = HEADER.replace(missing, "what")
    message = await refusal_of(write_csv(tmp_path / "bad.csv", minute_rows(3), header), store)
    assert f"line 1: no column for {missing}; it may be called " in message
    assert f"(the file has {header.replace(',', ', ')})" in message


async def test_a_column_that_is_there_twice_is_refused(tmp_path: Path, store: MarketStore):
    """Whether it has the same name twice, or two names that mean the same."""
    for second in ("open", "Open"):
        rows = [f"{row},1" for row in minute_rows(3)]
        message = await refusal_of(write_csv(tmp_path / "bad.csv", rows, f"{HEADER},{second}"), store)
        assert "both mean open" in message


BROKEN_FILES = {
    "empty.csv": (b"", "it is empty"),
    "header.csv": (HEADER.encode() + b"\n", "it has no rows"),
    "ragged.csv": (f"{HEADER}\n{minute_row(0)}\n{minute_row(1)},7,8\n".encode(), "line 3 has 9 values, but line 1"),
    "latin.csv": (f"{HEADER}\n{minute_row(0)}\n".encode() + b"\xe9,\xff\n", "line 3 is not UTF-8 text"),
    "no.parquet": (b"open,high\n1,2\n", "it cannot be read as Parquet"),
    "cut.csv.gz": (gzip.compress(b"x" * 10_000)[:20], "it cannot be read"),
    "notes.docx": (b"x", "it is neither CSV (.csv, .csv.gz) nor Parquet"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN_FILES)
async def test_a_file_that_cannot_be_read_is_refused_in_words(tmp_path: Path, store: MarketStore, name: str):
    """No error of a library comes through."""
    content, said = BROKEN_FILES[name]
    (tmp_path / name).write_bytes(content)
    assert said in await refusal_of(tmp_path / name, store)


async def test_a_file_that_is_not_there_is_refused(tmp_path: Path, store: MarketStore):
    """Both kinds."""
    for name in ("none.csv", "none.parquet"):
        assert "it is not there" in await refusal_of(tmp_path / name, store)


async def test_rows_out_of_order_are_refused_until_sorting_is_asked_for(tmp_path: Path, store: MarketStore):
    """The line is that of the row that is too early."""
    rows = minute_rows(6)
    rows[1], rows[3] = rows[3], rows[1]
    path = write_csv(tmp_path / "mixed.csv", rows)
    message = await refusal_of(path, store)
    assert "line 4, column time: NSE:TCS 2016-08-16 09:17 IST is earlier than a row before it (2 such rows)" in message
    assert "--sort" in message
    checked = await check_file(path, ImportOptions(is_sorting=True), store)
    assert (checked.rows.time[1:] > checked.rows.time[:-1]).all()
    assert checked.rows.values["open"].tolist() == [100, 101, 102, 103, 104, 105]


async def test_equal_duplicates_are_refused_until_dropping_is_asked_for(tmp_path: Path, store: MarketStore):
    """Both lines are named."""
    path = write_csv(tmp_path / "twice.csv", [*minute_rows(3), minute_row(2), minute_row(3)])
    message = await refusal_of(path, store)
    assert "line 5, column time: NSE:TCS 2016-08-16 09:17 IST comes twice (first in line 4; 1 such rows" in message
    assert "--drop-duplicates" in message
    checked = await check_file(path, ImportOptions(drops_duplicates=True), store)
    assert len(checked.rows) == 4
    assert "dropped 1 duplicate rows with equal values" in checked.stated


async def test_duplicates_that_differ_are_never_imported(tmp_path: Path, store: MarketStore):
    """No option chooses between two truths."""
    rows = [*minute_rows(3), minute_row(2, volume=7)]
    message = await refusal_of(
        write_csv(tmp_path / "twice.csv", rows), store, ImportOptions(drops_duplicates=True, is_sorting=True)
    )
    assert (
        "line 5, column time: NSE:TCS 2016-08-16 09:17 IST comes twice with different values (first in line 4)"
        in message
    )


async def test_missing_minutes_are_counted_and_refused_until_gaps_are_allowed(tmp_path: Path, store: MarketStore):
    """What lies before the first and after the last row is no gap."""
    rows = minute_rows(12)
    del rows[7], rows[2:5]
    path = write_csv(tmp_path / "gaps.csv", rows)
    message = await refusal_of(path, store)
    assert "after line 3, column time: 4 session minutes between the first and last row have no candle" in message
    assert "NSE:TCS 2016-08-16 09:17 IST to 2016-08-16 09:19 IST; NSE:TCS 2016-08-16 09:22 IST; --allow-gaps" in message
    checked = await check_file(path, ImportOptions(allows_gaps=True), store)
    assert any(line.startswith("4 session minutes") for line in checked.stated)


async def test_one_instrument_that_begins_later_than_another_is_no_gap(tmp_path: Path, store: MarketStore):
    """Neighbours are rows of one instrument."""
    rows = [*minute_rows(3, "TCS"), *minute_rows(9, "INFY")[6:]]
    checked = await check_file(write_csv(tmp_path / "later.csv", rows), PLAIN, store)
    assert len(checked.rows) == 6


async def test_a_missing_day_is_a_gap_and_a_holiday_is_none(tmp_path: Path, store: MarketStore):
    """2016-08-20 and -21 are a weekend."""
    checked = await check_file(write_csv(tmp_path / "days.csv", day_rows()), PLAIN, store)
    assert len(checked.rows) == len(DAYS)
    message = await refusal_of(write_csv(tmp_path / "days.csv", day_rows([DAYS[0], DAYS[1], DAYS[4]])), store)
    assert "2 session days between the first and last row have no candle: NSE:TCS 2016-08-18 to 2016-08-19" in message


async def test_minutes_outside_the_session_are_refused_until_dropping_is_asked_for(tmp_path: Path, store: MarketStore):
    """The session's hours are named; a day without trading has none."""
    rows = [minute_row(-1), *minute_rows(3), minute_row(375 + 24 * 60)]
    path = write_csv(tmp_path / "outside.csv", rows)
    message = await refusal_of(path, store)
    assert "line 2, column time: NSE:TCS 2016-08-16 09:14 IST is outside the session (that day 09:15-15:30)" in message
    assert "; 2 such rows; --drop-outside" in message
    checked = await check_file(path, ImportOptions(drops_outside=True), store)
    assert len(checked.rows) == 3
    assert "dropped 2 rows outside the sessions" in checked.stated
    saturday = write_csv(tmp_path / "saturday.csv", day_rows(["2016-08-19", "2016-08-20", "2016-08-22"]))
    assert "line 3, column time: NSE:TCS 2016-08-20 is outside the session (NSE did not trade on 2016-08-20)" in (
        await refusal_of(saturday, store)
    )


async def test_ends_taken_for_starts_are_found_by_the_last_minute(tmp_path: Path, store: MarketStore):
    """A row at 15:30 may be the end of 15:29; the message says which option to use."""
    path = write_csv(tmp_path / "ends.csv", [minute_row(minute) for minute in range(371, 376)])
    assert "say --label end" in await refusal_of(path, store)
    checked = await check_file(path, ImportOptions(label="end"), store)
    assert checked.rows.when(checked.last) == "2016-08-16 15:29 IST"


async def test_a_day_the_calendar_does_not_know_is_refused(tmp_path: Path, store: MarketStore):
    """The reason is the calendar's own."""
    rows = day_rows(["1999-12-30", "1999-12-31"])
    message = await refusal_of(write_csv(tmp_path / "old.csv", rows), store)
    assert (
        "line 2, column time: NSE:TCS 1999-12-30 is outside the session (no calendar for NSE on 1999-12-30" in message
    )


async def test_candles_of_an_hour_are_refused_as_neither_1m_nor_1d(tmp_path: Path, store: MarketStore):
    """Higher intervals are built, never imported."""
    rows = [minute_row(60 * hour) for hour in range(6)]
    message = await refusal_of(write_csv(tmp_path / "hours.csv", rows), store)
    assert "its rows are mostly 60 minutes apart, so they are neither 1m nor 1d candles" in message


async def test_dates_are_no_minutes_whatever_is_asked(tmp_path: Path, store: MarketStore):
    """--interval cannot make a minute of a date."""
    path = write_csv(tmp_path / "days.csv", day_rows())
    assert "column time holds dates" in await refusal_of(path, store, ImportOptions(interval=Interval.M1))


async def test_one_row_does_not_tell_its_interval(tmp_path: Path, store: MarketStore):
    """It is asked for."""
    path = write_csv(tmp_path / "one.csv", minute_rows(1))
    assert "say --interval 1m or --interval 1d" in await refusal_of(path, store)
    checked = await check_file(path, ImportOptions(interval=Interval.M1), store)
    assert len(checked.rows) == 1


async def test_a_zone_that_contradicts_the_file_is_refused(tmp_path: Path, store: MarketStore):
    """Times that name their zone need no other, and a zone must exist."""
    rows = [row.replace(":00,TCS", ":00+05:30,TCS") for row in minute_rows(3)]
    path = write_csv(tmp_path / "zoned.csv", rows)
    assert "says its zone itself (+05:30)" in await refusal_of(path, store, ImportOptions(time_zone="UTC"))
    with pytest.raises(Refused, match="time zone Mars/Olympus is not known"):
        await check_file(path, ImportOptions(time_zone="Mars/Olympus"), store)


async def test_contracts_are_refused(tmp_path: Path, store: MarketStore):
    """Their hours and lots come from an instrument master that the file is not."""
    rows = [f"{row},2016-08-25" for row in minute_rows(3)]
    assert "it holds contracts (column expiry)" in await refusal_of(
        write_csv(tmp_path / "options.csv", rows, f"{HEADER},expiry"), store
    )
    plain = write_csv(tmp_path / "futures.csv", minute_rows(3))
    assert "NFO:TCS is not among the known instruments" in await refusal_of(
        plain, store, ImportOptions(exchange=Exchange.NFO)
    )


async def test_names_that_contradict_the_options_are_refused(tmp_path: Path, store: MarketStore):
    """--symbol for a file of many, --exchange for keys of another, an exchange that is none."""
    many = write_csv(tmp_path / "many.csv", [*minute_rows(3, "TCS"), *minute_rows(3, "INFY")])
    assert "column symbol names several" in await refusal_of(many, store, ImportOptions(symbol="TCS"))
    keyed = write_csv(tmp_path / "keyed.csv", minute_rows(3, "BSE:TCS"))
    assert "BSE:TCS contradicts --exchange NSE" in await refusal_of(keyed, store, ImportOptions(exchange=Exchange.NSE))
    wrong = write_csv(tmp_path / "wrong.csv", minute_rows(3, "NYSE:IBM"))
    assert "exchange is 'NYSE'" in await refusal_of(wrong, store)


async def test_everything_that_an_option_would_allow_is_told_at_once(tmp_path: Path, store: MarketStore):
    """Nobody should have to try four times."""
    rows = [minute_row(-1), minute_row(1), minute_row(0), minute_row(1), minute_row(5)]
    path = write_csv(tmp_path / "all.csv", rows)
    message = await refusal_of(path, store)
    for option in ("--sort", "--drop-duplicates", "--drop-outside", "--allow-gaps"):
        assert option in message
    options = ImportOptions(is_sorting=True, drops_duplicates=True, drops_outside=True, allows_gaps=True)
    assert len((await check_file(path, options, store)).rows) == 3


async def test_files_that_overlap_are_refused_together(tmp_path: Path, store: MarketStore):
    """Which of two equal minutes counts must not depend on the order of files."""
    first = await check_file(write_csv(tmp_path / "a.csv", minute_rows(10)), PLAIN, store)
    second = await check_file(write_csv(tmp_path / "b.csv", minute_rows(20)[9:]), PLAIN, store)
    other = await check_file(write_csv(tmp_path / "c.csv", minute_rows(20, "INFY")), PLAIN, store)
    refuse_overlaps([*first.spans(), *other.spans()])
    with pytest.raises(CandleFileRefused, match=r"b.csv: a.csv holds NSE:TCS in the same span"):
        refuse_overlaps([*second.spans(), *other.spans(), *first.spans()])
