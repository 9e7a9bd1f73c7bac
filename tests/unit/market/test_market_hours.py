"""The hours table, row by row: who trades how long, and in which phases, from which day."""

from __future__ import annotations

from datetime import date

import pytest

from niftyflow.market import Phase, Segment, Status, minutes_expected, phase, session, session_class, span_at
from niftyflow.model import Exchange, Instrument, InvalidValue, Kind
from support.market import (
    BSE_RELIANCE,
    BSE_SMALL_SHARE,
    INFY,
    INFY_FUTURE,
    NIFTY_50,
    NIFTY_FUTURE,
    SENSEX_OPTION,
    SMALL_SHARE,
    SMALLCAP_250,
    ist,
)

HOURS = [
    # instrument, day, minutes, first open, last close
    (INFY, "2009-06-01", 335, "09:55", "15:30"),
    (INFY, "2009-12-31", 335, "09:55", "15:30"),
    (NIFTY_50, "2009-12-31", 335, "09:55", "15:30"),
    (INFY, "2010-01-04", 375, "09:15", "15:30"),
    (SMALL_SHARE, "2010-01-04", 375, "09:15", "15:30"),
    (INFY, "2026-07-31", 375, "09:15", "15:30"),
    (SMALL_SHARE, "2026-07-31", 375, "09:15", "15:30"),
    (NIFTY_FUTURE, "2026-07-31", 375, "09:15", "15:30"),
    (NIFTY_50, "2026-07-31", 375, "09:15", "15:30"),
    (INFY, "2026-08-03", 360, "09:15", "15:15"),
    (SMALL_SHARE, "2026-08-03", 375, "09:15", "15:30"),
    (NIFTY_FUTURE, "2026-08-03", 385, "09:15", "15:40"),
    (INFY, "2026-09-07", 360, "09:15", "15:15"),
    (SMALL_SHARE, "2026-09-07", 375, "09:15", "15:30"),
    (NIFTY_FUTURE, "2026-09-07", 385, "09:15", "15:40"),
    (INFY, "2026-11-20", 360, "09:15", "15:15"),
    (SMALL_SHARE, "2026-11-20", 375, "09:15", "15:30"),
    (NIFTY_FUTURE, "2026-11-20", 385, "09:15", "15:40"),
    (INFY_FUTURE, "2026-11-20", 385, "09:15", "15:40"),
    (NIFTY_50, "2026-11-20", 360, "09:15", "15:15"),
    (SMALLCAP_250, "2026-11-20", 375, "09:15", "15:30"),
    (BSE_RELIANCE, "2026-11-20", 360, "09:15", "15:15"),
    (BSE_SMALL_SHARE, "2026-11-20", 375, "09:15", "15:30"),
    (SENSEX_OPTION, "2026-11-20", 385, "09:15", "15:40"),
    (INFY, "2026-12-04", 360, "09:15", "15:15"),
    (INFY, "2026-12-07", 375, "09:15", "15:30"),
    (SMALL_SHARE, "2026-12-07", 375, "09:15", "15:30"),
    (NIFTY_FUTURE, "2026-12-07", 390, "09:15", "15:45"),
    (INFY_FUTURE, "2026-12-07", 390, "09:15", "15:45"),
    (NIFTY_50, "2026-12-07", 375, "09:15", "15:30"),
    (SENSEX_OPTION, "2026-12-07", 390, "09:15", "15:45"),
    (NIFTY_FUTURE, "2026-12-29", 375, "09:15", "15:30"),
    (INFY_FUTURE, "2026-12-29", 390, "09:15", "15:45"),
    (SENSEX_OPTION, "2026-12-31", 375, "09:15", "15:30"),
]


@pytest.mark.parametrize(("instrument", "day", "minutes", "opens", "closes"), HOURS)
def test_each_row_of_the_hours_table_holds(instrument, day, minutes, opens, closes):
    """Minutes, open and close of a day are those the circulars state."""
    found = session(instrument, date.fromisoformat(day))
    assert minutes_expected(instrument, date.fromisoformat(day)) == minutes
    assert (found.open, found.close) == (ist(day, opens), ist(day, closes))


OLD_PRE_OPEN = [("09:00", "order_entry"), ("09:08", "matching"), ("09:12", "transition")]
NEW_PRE_OPEN = [("09:00", "order_entry"), ("09:05", "limit_only"), ("09:10", "matching"), ("09:12", "transition")]


@pytest.mark.parametrize(
    ("day", "steps"),
    [
        ("2010-10-15", []),
        ("2010-10-18", OLD_PRE_OPEN),
        ("2026-08-03", OLD_PRE_OPEN),
        ("2026-09-04", OLD_PRE_OPEN),
        ("2026-09-07", NEW_PRE_OPEN),
        ("2026-12-07", NEW_PRE_OPEN),
    ],
)
@pytest.mark.parametrize("share", [INFY, SMALL_SHARE, BSE_RELIANCE])
def test_the_pre_open_has_the_steps_of_its_time(share, day, steps):
    """The pre-open began on 2010-10-18 and got a limit-only step on 2026-09-07; it ends at 09:15."""
    spans = [span for span in session(share, date.fromisoformat(day)).spans if span.phase is Phase.PRE_OPEN]
    assert [(span.start, span.step) for span in spans] == [(ist(day, time), step) for time, step in steps]
    assert not spans or spans[-1].end == ist(day, "09:15")


@pytest.mark.parametrize(
    ("day", "steps", "end"),
    [
        ("2026-07-31", [], None),
        (
            "2026-08-03",
            [("15:15", "reference_price"), ("15:20", "order_entry"), ("15:25", "limit_only"), ("15:30", "matching")],
            "15:35",
        ),
        ("2026-12-07", [("15:30", "reference_price"), ("15:31", "order_entry"), ("15:36", "limit_only")], "15:40"),
    ],
)
def test_the_closing_auction_has_the_steps_of_its_time(day, steps, end):
    """Shares with derivatives close by auction since 2026-08-03, others never do."""
    spans = [span for span in session(INFY, date.fromisoformat(day)).spans if span.phase is Phase.CLOSING_AUCTION]
    assert [(span.start, span.step) for span in spans] == [(ist(day, time), step) for time, step in steps]
    assert (spans[-1].end if spans else None) == (ist(day, end) if end else None)
    others = session(SMALL_SHARE, date.fromisoformat(day)).spans
    assert Phase.CLOSING_AUCTION not in {span.phase for span in others}


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("08:59:59", Phase.CLOSED),
        ("09:00:00", Phase.PRE_OPEN),
        ("09:14:59.999", Phase.PRE_OPEN),
        ("09:15:00", Phase.CONTINUOUS),
        ("15:14:59.999", Phase.CONTINUOUS),
        ("15:15:00", Phase.CLOSING_AUCTION),
        ("15:34:59", Phase.CLOSING_AUCTION),
        ("15:35:00", Phase.CLOSED),
        ("15:50:00", Phase.POST_CLOSE),
        ("16:00:00", Phase.CLOSED),
    ],
)
def test_the_phases_follow_one_another_through_a_day(time, expected):
    """A share with derivatives on 2026-11-20, at and around every edge."""
    assert phase(INFY, ist("2026-11-20", time)) is expected


def test_the_post_close_session_moved_with_the_closing_auction():
    """It began at 15:40 until 2026-07-31 and begins at 15:50 since 2026-08-03, for every share."""
    for share in (INFY, SMALL_SHARE):
        assert phase(share, ist("2026-07-31", "15:40")) is Phase.POST_CLOSE
        assert phase(share, ist("2026-08-03", "15:49")) is Phase.CLOSED
        assert phase(share, ist("2026-08-03", "15:50")) is Phase.POST_CLOSE


def test_a_moment_tells_its_step():
    """`span_at` names the step that `phase` leaves out, and nothing when closed."""
    assert span_at(INFY, ist("2026-11-20", "09:06")).step == "limit_only"
    assert span_at(INFY, ist("2026-11-20", "20:00")) is None


def test_a_share_changes_its_hours_when_it_gets_derivatives():
    """`has_derivatives` is a dated fact of the instrument and decides the class."""
    day = date(2026, 11, 20)
    assert session_class(INFY, day).segment is Segment.CASH_WITH_DERIVATIVES
    assert session_class(SMALL_SHARE, day).segment is Segment.CASH


def test_an_expired_contract_does_not_trade():
    """The day after its expiry a contract has no session and no minutes."""
    assert session(NIFTY_FUTURE, date(2026, 12, 30)) is None
    assert minutes_expected(NIFTY_FUTURE, date(2026, 12, 30)) == 0


def test_a_contract_without_underlying_is_refused_where_its_hours_depend_on_it():
    """On an expiry day from 2026-12-07 index and stock contracts differ; before, they do not."""
    early, late = (
        Instrument(exchange=Exchange.NFO, symbol="SOMEFUT", kind=Kind.FUTURE, expiry=expiry)
        for expiry in (date(2026, 11, 23), date(2026, 12, 29))
    )
    assert minutes_expected(early, date(2026, 11, 23)) == 385
    assert minutes_expected(late, date(2026, 12, 28)) == 390
    with pytest.raises(InvalidValue, match="underlying"):
        minutes_expected(late, date(2026, 12, 29))


def test_hours_whose_circular_was_not_read_say_so():
    """A session tells how well its hours are known, and from where."""
    assert session(INFY, date(2010, 3, 2)).status is Status.UNVERIFIED
    assert session(NIFTY_50, date(2026, 11, 20)).status is Status.UNVERIFIED
    known = session(INFY, date(2026, 11, 20))
    assert known.status is Status.REGULAR
    assert "SEBI" in known.source
