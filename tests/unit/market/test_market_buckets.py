"""Buckets tile the session, masks count its minutes, opens and closes agree with the phase, on every day."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from niftyflow.market import (
    NO_BUCKET,
    CalendarUnknown,
    Phase,
    bucket_of,
    day_start,
    is_trading_day,
    ist_day,
    minute_buckets,
    minute_mask,
    minutes_expected,
    next_close,
    next_open,
    phase,
    session,
)
from niftyflow.market.tables import tables
from niftyflow.model import Exchange, Interval, InvalidValue
from support.market import (
    CLASSES,
    HOURS_KNOWN_FROM,
    INFY,
    LAST_DAY,
    NIFTY_FUTURE,
    SMALL_SHARE,
    days_of_unknown_hours,
    ist,
)

MINUTE = 60_000
classes = st.sampled_from(CLASSES)
intervals = st.sampled_from(list(Interval))
special_days = sorted({day for _, day in tables().special if day >= HOURS_KNOWN_FROM} - days_of_unknown_hours())
days = st.one_of(
    st.dates(HOURS_KNOWN_FROM, LAST_DAY).filter(lambda day: day not in days_of_unknown_hours()),
    st.sampled_from(special_days),
)
trading_days = days.filter(lambda day: is_trading_day(Exchange.NSE, day))
times_of_day = st.integers(0, 86_400_000 - 1)


def tables_end_before_next_edge(of, t):
    """Say whether the tables end, or name a day of unknown hours, before the next open or close."""
    try:
        next_open(of, t), next_close(of, t)
    except CalendarUnknown:
        return True
    return False


@given(classes, intervals, trading_days, times_of_day)
def test_a_bucket_start_is_its_own_bucket(of, interval, day, offset):
    """Intraday buckets are idempotent; no bucket starts after the moment it holds."""
    found = session(of, day)
    span = found.continuous[offset % len(found.continuous)]
    t = span.start + offset % (span.end - span.start)
    start = bucket_of(of, interval, t)
    assert start <= t
    if interval is not Interval.D1:
        assert bucket_of(of, interval, start) == start
        assert t - start < interval.minutes * MINUTE


@given(classes, intervals, days)
def test_buckets_rise_with_time_and_tile_the_session(of, interval, day):
    """Every continuous minute has exactly one bucket, no other minute has any, and they never run backwards."""
    midnight = day_start(day)
    starts = [bucket_of(of, interval, midnight + minute * MINUTE) for minute in range(1440)]
    found = [start for start in starts if start is not None]
    assert found == sorted(found)
    assert len(found) == minutes_expected(of, day)
    assert minute_buckets(of, interval, day).tolist() == [NO_BUCKET if start is None else start for start in starts]


@given(classes, intervals.filter(lambda interval: interval is not Interval.D1), trading_days)
def test_no_bucket_spans_a_break(of, interval, day):
    """All minutes of an intraday bucket lie in one part of the session."""
    for span in session(of, day).continuous:
        inside = {bucket_of(of, interval, t) for t in range(span.start, span.end, MINUTE)}
        assert min(inside) == span.start
        assert len(inside) == -(-(span.end - span.start) // (interval.minutes * MINUTE))


@given(classes, days)
def test_the_mask_counts_the_minutes_expected(of, day):
    """The mask is 1 exactly where the phase is continuous."""
    mask = minute_mask(of, day)
    assert mask.dtype == np.uint8
    assert mask.shape == (1440,)
    assert int(mask.sum()) == minutes_expected(of, day)
    continuous = [phase(of, day_start(day) + minute * MINUTE) is Phase.CONTINUOUS for minute in range(1440)]
    assert mask.tolist() == continuous


@given(classes, days, times_of_day)
def test_opens_and_closes_agree_with_the_phase(of, day, offset):
    """At an open trading has just begun, at a close just ended, and between now and the nearer edge nothing changes."""
    t = day_start(day) + offset
    assume(not tables_end_before_next_edge(of, t))
    opens, closes = next_open(of, t), next_close(of, t)
    assert t < opens
    assert t < closes
    assert phase(of, opens) is Phase.CONTINUOUS
    assert phase(of, opens - 1) is not Phase.CONTINUOUS
    assert phase(of, closes - 1) is Phase.CONTINUOUS
    assert phase(of, closes) is not Phase.CONTINUOUS
    assert (closes < opens) == (phase(of, t) is Phase.CONTINUOUS)


@given(classes, trading_days)
def test_the_spans_of_a_session_are_in_order_and_inside_its_day(of, day):
    """Phases do not overlap, and the IST day of each is the session's."""
    found = session(of, day)
    edges = [edge for span in found.spans for edge in (span.start, span.end)]
    assert edges == sorted(edges)
    assert {ist_day(edges[0]), ist_day(edges[-1] - 1)} == {day}


@pytest.mark.parametrize(
    ("instrument", "interval", "at", "bucket"),
    [
        (INFY, Interval.M1, "2026-11-20T10:29:59.999", "2026-11-20T10:29"),
        (INFY, Interval.M3, "2026-11-20T09:20", "2026-11-20T09:18"),
        (INFY, Interval.H1, "2026-11-20T10:14", "2026-11-20T09:15"),
        (INFY, Interval.H1, "2026-11-20T10:15", "2026-11-20T10:15"),
        (INFY, Interval.H1, "2026-11-20T15:14", "2026-11-20T14:15"),
        (INFY, Interval.H1, "2026-11-20T15:15", None),
        (SMALL_SHARE, Interval.H1, "2026-11-20T15:20", "2026-11-20T15:15"),
        (NIFTY_FUTURE, Interval.M30, "2026-11-20T15:39", "2026-11-20T15:15"),
        (INFY, Interval.H1, "2009-06-01T10:54", "2009-06-01T09:55"),
        (INFY, Interval.H1, "2024-03-02T09:59", "2024-03-02T09:15"),
        (INFY, Interval.H1, "2024-03-02T11:00", None),
        (INFY, Interval.H1, "2024-03-02T12:29", "2024-03-02T11:30"),
        (INFY, Interval.D1, "2024-03-02T12:29", "2024-03-02T00:00"),
        (INFY, Interval.D1, "2024-03-02T11:00", None),
        (INFY, Interval.H1, "2025-10-21T14:44", "2025-10-21T13:45"),
    ],
)
def test_known_moments_fall_into_known_buckets(instrument, interval, at, bucket):
    """Hours are anchored at 09:15, at 09:55 before 2010, and at each part of a split session."""
    expected = None if bucket is None else ist(*bucket.split("T"))
    assert bucket_of(instrument, interval, ist(*at.split("T"))) == expected


def test_an_overnight_gap_leads_to_the_next_trading_day():
    """After a Friday's close the next open is Monday's, after 2026-12-24 it is the 28th's (Christmas, weekend)."""
    assert next_open(INFY, ist("2026-11-20", "18:00")) == ist("2026-11-23", "09:15")
    assert next_open(INFY, ist("2026-12-24", "18:00")) == ist("2026-12-28", "09:15")
    assert next_open(INFY, ist("2026-11-20", "09:15")) == ist("2026-11-23", "09:15")


def test_the_end_of_the_tables_is_an_error_not_a_holiday():
    """After 2026-12-31, and before the first known day, nothing is assumed."""
    with pytest.raises(CalendarUnknown, match=r"tables end on 2026-12-31.*generate_calendar"):
        next_open(INFY, ist("2026-12-31", "18:00"))
    with pytest.raises(CalendarUnknown, match=r"no hours for cash_with_derivatives on 2008-12-31"):
        minutes_expected(INFY, date(2008, 12, 31))
    with pytest.raises(CalendarUnknown):
        minute_mask(INFY, date(2027, 1, 4))


def test_an_expired_contract_never_opens_again():
    """The search for the next open stops at the expiry and says so."""
    with pytest.raises(InvalidValue, match="expired on 2026-12-29"):
        next_open(NIFTY_FUTURE, ist("2026-12-29", "18:00"))
    assert int(minute_mask(NIFTY_FUTURE, date(2026, 12, 30)).sum()) == 0


def test_masks_are_shared_and_cannot_be_edited():
    """One array per class and day serves every symbol, so nobody may write into it."""
    day = date(2026, 11, 20)
    assert minute_mask(INFY, day) is minute_mask(INFY, day)
    for array in (
        minute_mask(INFY, day),
        minute_mask(INFY, date(2026, 11, 21)),
        minute_buckets(INFY, Interval.M5, day),
        minute_buckets(INFY, Interval.M5, date(2026, 11, 21)),
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
