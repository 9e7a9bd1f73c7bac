"""On which days candles anchored at 09:15 IST, as the aggregates make them, are the session's, and on which not."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product

import numpy as np

from niftyflow.market import NO_BUCKET, CalendarUnknown, day_start, minute_buckets, session
from niftyflow.market.calendar import MINUTE_MS, SessionClass
from niftyflow.market.tables import Segment, tables
from niftyflow.model import Exchange
from niftyflow.storage.timescale import AGGREGATES, Aggregate

Hours = tuple[tuple[int, int], ...]

OPENED_AT_0955_UNTIL = date(2010, 1, 4)
EXCEPTIONS = {
    "2010-11-05": "30m 1h", "2011-10-26": "1h", "2012-11-13": "1h", "2014-10-23": "30m 1h", "2015-11-11": "1h",
    "2016-10-30": "30m 1h", "2017-10-19": "30m 1h", "2018-11-07": "30m 1h", "2020-03-13": "15m 30m 1h",
    "2020-03-23": "5m 15m 30m 1h", "2021-02-24": "1h", "2024-03-02": "30m 1h", "2024-05-18": "30m 1h",
    "2024-11-01": "30m 1h", "2025-10-21": "1h",
}  # fmt: skip
"""Docs/explanation/databases.md lists the same."""


def hours_and_their_days() -> dict[Hours, tuple[SessionClass, list[date]]]:
    """Return every shape that a session has had, minutes of its day, with a class and the days that have it."""
    found: dict[Hours, tuple[SessionClass, list[date]]] = {}
    for ordinal in range(date(2009, 1, 1).toordinal(), tables().last_day.toordinal() + 1):
        day = date.fromordinal(ordinal)
        for subject in product((Exchange.NSE, Exchange.BSE), Segment):
            try:
                of_day = session(SessionClass(*subject), day)
            except CalendarUnknown:
                continue
            if of_day is not None:
                begins = day_start(day)
                hours = tuple((span.start - begins, span.end - begins) for span in of_day.continuous)
                found.setdefault(hours, (of_day.session_class, []))[1].append(day)
    return found


def is_the_session_s(aggregate: Aggregate, subject: SessionClass, day: date) -> bool:
    """Say whether each minute of continuous trading falls into the same candle either way."""
    buckets = minute_buckets(subject, aggregate.interval, day)
    minutes = day_start(day) + np.arange(len(buckets)) * MINUTE_MS
    traded = buckets != NO_BUCKET
    since = minutes - aggregate.offset_ms
    return bool(np.array_equal((minutes - since % aggregate.width_ms)[traded], buckets[traded]))


def test_the_aggregates_are_the_session_s_candles_but_on_the_days_that_are_listed():
    """Every day and class of the calendar is looked at; nothing is left to chance."""
    early: set[str] = set()
    later: dict[str, set[str]] = {}
    looked_at = 0
    for subject, days in hours_and_their_days().values():
        looked_at += len(days)
        different = {each.interval.value for each in AGGREGATES if not is_the_session_s(each, subject, days[0])}
        for day in days if different else ():
            if day < OPENED_AT_0955_UNTIL:
                early |= different
            else:
                later.setdefault(day.isoformat(), set()).update(different)
    assert looked_at > 50_000
    assert later == {day: set(intervals.split()) for day, intervals in EXCEPTIONS.items()}
    assert early == {"15m", "30m", "1h"}


def test_before_2010_only_five_minutes_hold():
    """The session began at 09:55 then."""
    day = OPENED_AT_0955_UNTIL - timedelta(days=5)
    subject = SessionClass(Exchange.NSE, Segment.CASH)
    holds = {each.interval.value: is_the_session_s(each, subject, day) for each in AGGREGATES}
    assert holds == {"5m": True, "15m": False, "30m": False, "1h": False}
