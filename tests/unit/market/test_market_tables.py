"""The data files: read fast, checked when read, and generated from their sources."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from niftyflow.market import CalendarUnknown, Phase, Segment, is_trading_day, session_class
from niftyflow.market.tables import SATURDAY, DaySpan, _in_order, _special, parse_spans, tables
from niftyflow.model import Broken, Exchange, Instrument, Kind, Refused
from support.data import shared_data
from support.market import CLASSES, HOURS_KNOWN_FROM, LAST_DAY

REPOSITORY = Path(__file__).parents[3]


def test_spans_are_read_in_their_two_forms():
    """A list of items and one text with semicolons say the same; the step is optional."""
    expected = (
        DaySpan(Phase.PRE_OPEN, "order_entry", 540, 548),
        DaySpan(Phase.CONTINUOUS, "", 555, 930),
    )
    assert parse_spans("pre_open/order_entry 09:00-09:08; continuous 09:15-15:30") == expected
    assert parse_spans(["pre_open/order_entry 09:00-09:08", "continuous 09:15-15:30"]) == expected


@pytest.mark.parametrize(
    "text",
    [
        "lunch 12:00-13:00",
        "continuous 09:15",
        "continuous 15:30-09:15",
        "continuous 09:15-09:15",
        "continuous 09:15-24:01",
        "continuous 09:15-10:00; pre_open 09:30-10:30",
        "continuous 11:00-12:00; continuous 09:00-10:00",
        "continuous nine-ten",
    ],
)
def test_spans_that_make_no_sense_are_refused(text):
    """Unknown phases, times that run backwards or out of the day, overlaps, wrong order."""
    with pytest.raises(Broken):
        parse_spans(text)


def test_every_segment_has_hours_for_every_day():
    """Rows follow one another without gap or overlap from 2009 on."""
    for rows in tables().hours.values():
        assert rows[0].valid_from == HOURS_KNOWN_FROM
        assert rows[-1].valid_to >= LAST_DAY
        for row, following in pairwise(rows):
            assert row.valid_to + timedelta(days=1) == following.valid_from


def test_a_gap_between_hours_is_refused():
    """A row taken out of the table is noticed when it is read."""
    first, _, third = tables().hours[Segment.CASH][:3]
    with pytest.raises(Broken, match="overlap or leave a gap"):
        _in_order(Segment.CASH, [third, first])


def test_a_special_day_named_twice_is_refused():
    """Two rows for one exchange and day would contradict each other."""
    row = {
        "day": "2030-01-05",
        "exchanges": "NSE",
        "name": "x",
        "status": "reported",
        "cash": "regular",
        "index_and_derivatives": "regular",
        "source": "x",
    }
    with pytest.raises(Broken, match="names NSE on 2030-01-05 twice"):
        _special([row, row | {"exchanges": "NSE BSE"}])


def test_holidays_are_weekdays_and_no_special_sessions():
    """A weekend needs no row, and a Muhurat day is a trading day."""
    known = tables()
    assert all(day.weekday() < SATURDAY for _, day in known.holidays)
    assert not set(known.holidays) & set(known.special)


@pytest.mark.parametrize("exchange", [Exchange.NFO, Exchange.BFO, Exchange.NSE, Exchange.BSE])
def test_derivative_segments_follow_their_exchange(exchange):
    """NFO keeps NSE's days, BFO keeps BSE's."""
    assert is_trading_day(exchange, date(2026, 11, 20))
    assert not is_trading_day(exchange, date(2026, 11, 24))


@pytest.mark.parametrize("exchange", [Exchange.MCX, Exchange.CDS, Exchange.BCD])
def test_an_exchange_without_a_calendar_is_refused(exchange):
    """Its days are not assumed to be NSE's."""
    with pytest.raises(CalendarUnknown, match=f"no calendar for {exchange}"):
        is_trading_day(exchange, date(2026, 11, 20))
    with pytest.raises(CalendarUnknown):
        session_class(Instrument(exchange=exchange, symbol="GOLD", kind=Kind.FUTURE), date(2026, 11, 20))
    with pytest.raises(CalendarUnknown, match="the tables hold NSE, BSE"):
        tables().require_known(exchange, date(2026, 11, 20))


def test_days_outside_the_tables_are_refused():
    """NSE days are known from 2000, BSE days from 2009, both to the end of the published year."""
    assert is_trading_day(Exchange.NSE, date(2000, 1, 3))
    for exchange, day in [
        (Exchange.NSE, date(1999, 12, 31)),
        (Exchange.BSE, date(2008, 12, 31)),
        (Exchange.NSE, date(2027, 1, 1)),
    ]:
        with pytest.raises(CalendarUnknown, match=f"no calendar for {exchange} on {day}"):
            is_trading_day(exchange, day)
    assert issubclass(CalendarUnknown, Refused)


def test_the_tables_load_in_a_fraction_of_a_second():
    """A fresh process reads all files well under 20 ms of processor time (the best of three)."""
    code = (
        "import time; from niftyflow.market import tables, contracts; "
        "start = time.process_time(); tables.tables(); contracts.known_facts('lot'); "
        "print(time.process_time() - start)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    assert min(float(run.stdout) for run in runs) < 0.02


def test_every_class_answers_for_every_day():
    """No day of the tables is left without an answer, and both exchanges have about 250 days a year."""
    first, last = date(2010, 1, 1), date(2026, 12, 31)
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    for exchange in {of.exchange for of in CLASSES}:
        per_year = sum(is_trading_day(exchange, day) for day in days) / 17
        assert 244 < per_year < 252


@pytest.mark.data
def test_the_generator_finds_nothing_to_change():
    """The committed holidays are what the sources give, and no disagreement is left undecided."""
    pytest.importorskip("exchange_calendars")
    pytest.importorskip("openpyxl")
    command = [sys.executable, "tools/generate_calendar.py", "--check", "--sources", str(shared_data("calendar"))]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
