"""Days that are not like the others: weekend sessions, Muhurat evenings, split sessions, circuit breakers."""

from __future__ import annotations

from datetime import date

import pytest

from niftyflow.market import (
    CalendarUnknown,
    Phase,
    Status,
    is_trading_day,
    minutes_expected,
    next_close,
    next_open,
    phase,
    session,
)
from niftyflow.market.tables import tables
from niftyflow.model import Exchange
from support.market import (
    BSE_RELIANCE,
    CLASSES,
    INFY,
    NIFTY_50,
    NIFTY_FUTURE,
    SMALL_SHARE,
    days_of_unknown_hours,
    ist,
)

FULL = [("09:15", "15:30")]
SPECIAL = [
    ("2009-05-18", [("09:55", "09:56"), ("11:55", "11:56")]),
    ("2009-10-17", [("18:15", "19:15")]),
    ("2010-11-05", [("18:00", "19:00")]),
    ("2011-10-26", [("16:45", "18:00")]),
    ("2012-04-28", [("11:15", "12:45")]),
    ("2012-11-13", [("15:45", "17:00")]),
    ("2013-05-11", [("11:15", "12:45")]),
    ("2013-11-03", [("18:15", "19:30")]),
    ("2014-03-22", [("11:15", "12:45")]),
    ("2014-10-23", [("18:30", "19:30")]),
    ("2015-02-28", FULL),
    ("2015-11-11", [("17:45", "18:45")]),
    ("2016-10-30", [("18:30", "19:30")]),
    ("2017-10-19", [("18:30", "19:30")]),
    ("2018-11-07", [("17:30", "18:30")]),
    ("2019-10-27", [("18:15", "19:15")]),
    ("2020-02-01", FULL),
    ("2020-03-13", [("09:15", "09:21"), ("10:20", "15:30")]),
    ("2020-03-23", [("09:15", "09:59"), ("10:58", "15:30")]),
    ("2020-11-14", [("18:15", "19:15")]),
    ("2021-11-04", [("18:15", "19:15")]),
    ("2022-10-24", [("18:15", "19:15")]),
    ("2023-11-12", [("18:15", "19:15")]),
    ("2024-01-20", FULL),
    ("2024-03-02", [("09:15", "10:00"), ("11:30", "12:30")]),
    ("2024-05-18", [("09:15", "10:00"), ("11:30", "12:30")]),
    ("2024-11-01", [("18:00", "19:00")]),
    ("2025-02-01", FULL),
    ("2025-10-21", [("13:45", "14:45")]),
    ("2026-02-01", FULL),
    ("2026-11-08", [("18:15", "19:15")]),
]


@pytest.mark.parametrize(("day", "parts"), SPECIAL)
@pytest.mark.parametrize("instrument", [INFY, SMALL_SHARE, NIFTY_50, NIFTY_FUTURE, BSE_RELIANCE])
def test_each_special_session_has_its_hours(instrument, day, parts):
    """Both exchanges, cash, index and derivatives trade in the same parts on these days."""
    found = session(instrument, date.fromisoformat(day))
    assert [(span.start, span.end) for span in found.continuous] == [(ist(day, a), ist(day, b)) for a, b in parts]
    assert is_trading_day(instrument.exchange, date.fromisoformat(day))
    assert found.source


def test_the_table_of_tests_names_every_special_session():
    """A row added to the data needs its row here."""
    named = {date.fromisoformat(day) for day, _ in SPECIAL} | {date(2021, 2, 24)} | days_of_unknown_hours()
    assert {day for _, day in tables().special} == named


def test_the_saturday_of_2024_03_02_has_105_minutes():
    """45 minutes from the primary site, an hour from the recovery site, each with a pre-open."""
    assert minutes_expected(INFY, date(2024, 3, 2)) == 105
    assert phase(INFY, ist("2024-03-02", "10:30")) is Phase.CLOSED
    assert phase(INFY, ist("2024-03-02", "11:20")) is Phase.PRE_OPEN


def test_a_split_session_closes_and_opens_twice():
    """`next_close` and `next_open` stop at each part."""
    assert next_close(INFY, ist("2024-03-02", "09:30")) == ist("2024-03-02", "10:00")
    assert next_open(INFY, ist("2024-03-02", "09:30")) == ist("2024-03-02", "11:30")
    assert next_close(INFY, ist("2024-03-02", "10:30")) == ist("2024-03-02", "12:30")


def test_a_circuit_breaker_halts_the_market():
    """Between its parts the market is halted, not closed; after the second breaker it stays so until 15:30."""
    assert phase(NIFTY_50, ist("2009-05-18", "10:30")) is Phase.HALTED
    assert phase(NIFTY_50, ist("2009-05-18", "14:00")) is Phase.HALTED
    assert phase(NIFTY_50, ist("2009-05-18", "15:30")) is Phase.CLOSED
    assert phase(INFY, ist("2020-03-13", "09:30")) is Phase.HALTED
    assert phase(INFY, ist("2020-03-13", "10:10")) is Phase.PRE_OPEN


def test_the_outage_of_2021_02_24_differs_by_exchange():
    """NSE stopped at 11:40 and came back at 15:45; BSE went through; both closed at 17:00."""
    day = date(2021, 2, 24)
    assert [span.start for span in session(INFY, day).continuous] == [ist(day, "09:15"), ist(day, "15:45")]
    assert minutes_expected(INFY, day) == minutes_expected(NIFTY_FUTURE, day) == 145 + 75
    assert minutes_expected(BSE_RELIANCE, day) == 465
    assert phase(INFY, ist(day, "15:35")) is Phase.PRE_OPEN
    assert phase(NIFTY_FUTURE, ist(day, "15:35")) is Phase.HALTED


def test_the_muhurat_of_2026_is_provisional():
    """Its hours are convention until the exchange notifies them, and the session says so."""
    assert session(INFY, date(2026, 11, 8)).status is Status.PROVISIONAL
    assert minutes_expected(INFY, date(2026, 11, 8)) == 60


@pytest.mark.parametrize("day", [date(2010, 2, 6), date(2012, 1, 7), date(2012, 3, 3), date(2012, 9, 8)])
def test_a_session_whose_hours_no_source_states_is_refused(day):
    """The exchange traded, so it is a trading day; its hours are not guessed."""
    assert is_trading_day(Exchange.NSE, day)
    with pytest.raises(CalendarUnknown, match="no source states its hours"):
        session(INFY, day)


@pytest.mark.parametrize(
    "day",
    [
        date(2010, 5, 16),
        date(2012, 11, 11),
        date(2013, 11, 15),
        date(2024, 1, 22),
        date(2026, 1, 15),
        date(2026, 11, 7),
    ],
)
@pytest.mark.parametrize("of", CLASSES)
def test_days_without_trading_have_no_session(of, day):
    """Weekends, holidays, and the days on which the sources disagreed and trading lost."""
    assert not is_trading_day(of.exchange, day)
    assert session(of, day) is None
    assert minutes_expected(of, day) == 0


def test_the_planned_holiday_of_2013_11_14_was_a_trading_day():
    """Muharram moved to the 15th; the bars of the day exist."""
    assert minutes_expected(INFY, date(2013, 11, 14)) == 375


def test_every_special_session_says_where_it_comes_from():
    """No row without name and source, and no known session without continuous trading."""
    for special in tables().special.values():
        assert special.name
        assert special.source
        if special.status is not Status.UNKNOWN:
            for spans in (special.cash, special.others):
                assert spans is None or Phase.CONTINUOUS in {span.phase for span in spans}
