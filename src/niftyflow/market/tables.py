"""The dated tables of trading days and hours, as the files in `market/data/` hold them.

Owns the reading and checking of those files, once, on first use. Answers no question about an instrument or a moment
(`calendar.py` does) and never guesses: a day the files do not cover raises `CalendarUnknown`.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Iterator
from datetime import date
from enum import StrEnum
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from niftyflow.model import Broken, Exchange, Refused

DATA = Path(__file__).parent / "data"
SATURDAY = 5
MINUTES_OF_DAY = 1440
FOREVER = date.max


class CalendarUnknown(Refused):
    """The tables do not say; nothing may be assumed. The message says which day and what to do."""


class Phase(StrEnum):
    """What the market does at a moment; the step inside a phase (order entry, matching …) is data of the span."""

    CLOSED = "closed"
    PRE_OPEN = "pre_open"
    CONTINUOUS = "continuous"
    HALTED = "halted"
    CLOSING_AUCTION = "closing_auction"
    POST_CLOSE = "post_close"


class Segment(StrEnum):
    """Groups of instruments that keep the same hours on a day."""

    CASH_WITH_DERIVATIVES = "cash_with_derivatives"
    CASH = "cash"
    INDEX_WITH_DERIVATIVES = "index_with_derivatives"
    INDEX = "index"
    DERIVATIVE = "derivative"
    EXPIRING_INDEX_DERIVATIVE = "expiring_index_derivative"


class Status(StrEnum):
    """How well a session's hours are known."""

    REGULAR = "regular"
    CONFIRMED = "confirmed"
    REPORTED = "reported"
    UNVERIFIED = "unverified"
    PROVISIONAL = "provisional"
    UNKNOWN = "unknown"


class DaySpan(NamedTuple):
    """A phase in minutes of the IST day; the end is exclusive."""

    phase: Phase
    step: str
    start: int
    end: int


class Hours(NamedTuple):
    """Regular hours of a segment while the row is valid (both dates inclusive)."""

    valid_from: date
    valid_to: date
    spans: tuple[DaySpan, ...]
    source: str
    verified: bool


class SpecialSession(NamedTuple):
    """A day whose trading or hours differ from the regular ones; spans are None where the regular hours hold."""

    day: date
    name: str
    status: Status
    cash: tuple[DaySpan, ...] | None
    others: tuple[DaySpan, ...] | None
    source: str

    def spans(self, segment: Segment) -> tuple[DaySpan, ...] | None:
        """Return the day's spans for a segment, or None for the regular hours."""
        return self.cash if segment in CASH_SEGMENTS else self.others


CASH_SEGMENTS = frozenset({Segment.CASH, Segment.CASH_WITH_DERIVATIVES})


class Tables(NamedTuple):
    """Everything the files say about days and hours."""

    days_known_from: dict[Exchange, date]
    last_day: date
    hours: dict[Segment, tuple[Hours, ...]]
    special: dict[tuple[Exchange, date], SpecialSession]
    holidays: dict[tuple[Exchange, date], str]

    def require_known(self, exchange: Exchange, day: date) -> None:
        """Refuse a day outside the tables.

        Raises:
            CalendarUnknown: naming the day and what to do.
        """
        first = self.days_known_from.get(exchange)
        if first is None:
            known = ", ".join(self.days_known_from)
            raise CalendarUnknown(f"no calendar for {exchange}: the tables hold {known} (NFO and BFO follow them)")
        if day > self.last_day:
            raise CalendarUnknown(
                f"no calendar for {exchange} on {day}: the tables end on {self.last_day}; add the published holidays "
                "and run tools/generate_calendar.py (docs/reference/market-calendar.md)"
            )
        if day < first:
            raise CalendarUnknown(f"no calendar for {exchange} on {day}: its trading days are known from {first}")

    def regular_hours(self, segment: Segment, day: date) -> Hours:
        """Return the regular hours valid on a day.

        Raises:
            CalendarUnknown: no row covers the day.
        """
        for row in self.hours[segment]:
            if row.valid_from <= day <= row.valid_to:
                return row
        first = self.hours[segment][0].valid_from
        raise CalendarUnknown(f"no hours for {segment} on {day}: they are known from {first}")


@cache
def tables() -> Tables:
    """Return the tables, read once per process.

    Raises:
        Broken: a file contradicts itself; the message names the row.
    """
    with (DATA / "hours.toml").open("rb") as file:
        regular = tomllib.load(file)
    return Tables(
        days_known_from={Exchange(name): day for name, day in regular["days_known_from"].items()},
        last_day=regular["last_day"],
        hours=_hours(regular["hours"]),
        special=_special(_rows("special_sessions.csv")),
        holidays=_holidays(_rows("holidays.csv")),
    )


def parse_spans(text: str | Iterable[str]) -> tuple[DaySpan, ...]:
    """Read `phase/step HH:MM-HH:MM` items, a list or one text with semicolons.

    Raises:
        Broken: spans overlap, run backwards or name no phase.
    """
    items = text.split(";") if isinstance(text, str) else text
    spans = tuple(_span(item.strip()) for item in items)
    for span, following in pairwise(spans):
        if span.end > following.start:
            raise Broken(f"phases overlap or are out of order: {span} and {following}")
    return spans


def _span(item: str) -> DaySpan:
    label, _, times = item.partition(" ")
    name, _, step = label.partition("/")
    try:
        start, end = (_minute(time) for time in times.split("-"))
        phase = Phase(name)
    except ValueError as error:
        raise Broken(f"{item!r} is no phase: write 'phase/step HH:MM-HH:MM'") from error
    if not 0 <= start < end <= MINUTES_OF_DAY:
        raise Broken(f"{item!r} does not run forward inside one day")
    return DaySpan(phase, step, start, end)


def _minute(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)


def _hours(rows: list[dict[str, Any]]) -> dict[Segment, tuple[Hours, ...]]:
    found: dict[Segment, list[Hours]] = {segment: [] for segment in Segment}
    for row in rows:
        hours = Hours(
            row["valid_from"],
            row.get("valid_to", FOREVER),
            parse_spans(row["phases"]),
            row["source"],
            row["verified"],
        )
        for segment in row["segments"]:
            found[Segment(segment)].append(hours)
    return {segment: _in_order(segment, hours) for segment, hours in found.items()}


def _in_order(segment: Segment, rows: list[Hours]) -> tuple[Hours, ...]:
    rows.sort()
    for row, following in pairwise(rows):
        if row.valid_to.toordinal() + 1 != following.valid_from.toordinal():
            raise Broken(f"hours of {segment}: {row.valid_to} and {following.valid_from} overlap or leave a gap")
    return tuple(rows)


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _special(rows: Iterable[dict[str, str]]) -> dict[tuple[Exchange, date], SpecialSession]:
    found: dict[tuple[Exchange, date], SpecialSession] = {}
    for row in rows:
        session = SpecialSession(
            date.fromisoformat(row["day"]),
            row["name"],
            Status(row["status"]),
            _special_spans(row["cash"]),
            _special_spans(row["index_and_derivatives"]),
            row["source"],
        )
        for exchange in row["exchanges"].split():
            if found.setdefault((Exchange(exchange), session.day), session) is not session:
                raise Broken(f"special_sessions.csv names {exchange} on {session.day} twice")
    return found


def _special_spans(text: str) -> tuple[DaySpan, ...] | None:
    if text == "regular":
        return None
    return parse_spans(text) if text else ()


def _holidays(rows: Iterable[dict[str, str]]) -> dict[tuple[Exchange, date], str]:
    return {
        (Exchange(exchange), date.fromisoformat(row["day"])): row["name"]
        for row in rows
        for exchange in row["exchanges"].split()
    }
