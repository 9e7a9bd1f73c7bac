"""Which month of Indian time a moment lies in, and what a commit's statements are on each engine."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.kit.clock import IST
from niftyflow.storage.book_months import AHEAD, Month, month_of, months_from

YEAR_2000, YEAR_2100 = 946_684_800_000, 4_102_444_800_000


def at(*moment: int) -> int:
    """Return a moment of Indian time, ms UTC."""
    return int(datetime(*moment, tzinfo=IST).timestamp() * 1000)


@given(st.integers(YEAR_2000, YEAR_2100))
def test_every_moment_lies_in_its_month(time: int):
    """From its beginning up to the beginning of the next, which leaves no moment out."""
    month = month_of(time)
    assert month.since <= time < month.next.since
    assert month_of(month.next.since) == month.next
    assert month_of(month.next.since - 1) == month


def test_months_are_those_of_india():
    """At 18:30 UTC on a month's last day the next one has begun."""
    midnight = at(2026, 12, 1)
    assert month_of(midnight - 1) == Month(2026, 11)
    assert month_of(midnight) == Month(2026, 12)
    assert Month(2026, 12).since == midnight


def test_a_year_ends_with_december():
    """And a partition is named so that names sort by time."""
    assert months_from(at(2026, 11, 30, 23, 59)) == [
        Month(2026, 11), Month(2026, 12), Month(2027, 1), Month(2027, 2),
    ]  # fmt: skip
    assert len(months_from(0)) == AHEAD + 1
    assert Month(2027, 1).partition_of("trades") == "trades_2027_01"


@pytest.mark.parametrize("ahead", [0, 1, 25])
def test_months_follow_one_another(ahead: int):
    """However many are asked for."""
    months = months_from(at(2016, 1, 31), ahead)
    assert [month.since for month in months[1:]] == [month.next.since for month in months[:-1]]
    assert months == sorted(set(months))
    assert len(months) == ahead + 1
