"""Sessions and their phases: which instrument trades when, on NSE and BSE.

Answers from the dated tables of `tables.py`, cached per (session class, day). Times are ms UTC, days are IST dates.
It never reads a clock, and a day the tables do not cover raises `CalendarUnknown` instead of being guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import NamedTuple

from niftyflow.market.contracts import is_index_underlying
from niftyflow.market.tables import SATURDAY, CalendarUnknown, DaySpan, Phase, Segment, Status, tables
from niftyflow.model import Exchange, Instrument, InvalidValue, Kind

MINUTE_MS = 60_000
DAY_MS = 86_400_000
IST_OFFSET_MS = 19_800_000  # India has kept UTC+05:30 without daylight saving since 1945
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_HOUSE = {
    Exchange.NSE: Exchange.NSE,
    Exchange.NFO: Exchange.NSE,
    Exchange.BSE: Exchange.BSE,
    Exchange.BFO: Exchange.BSE,
}


class SessionClass(NamedTuple):
    """All instruments of a class share one session a day: NSE or BSE, and the segment."""

    exchange: Exchange
    segment: Segment


class Span(NamedTuple):
    """A phase of a session in ms UTC; the end is exclusive. `step` is its part, such as `order_entry`, or empty."""

    phase: Phase
    step: str
    start: int
    end: int


@dataclass(frozen=True)
class Session:
    """One trading day of a session class; `spans` are in order and do not overlap, moments between them are closed."""

    session_class: SessionClass
    day: date
    name: str
    status: Status
    source: str
    spans: tuple[Span, ...]

    @cached_property
    def continuous(self) -> tuple[Span, ...]:
        """The parts of continuous trading; a split session has several."""
        return tuple(span for span in self.spans if span.phase is Phase.CONTINUOUS)

    @cached_property
    def minutes(self) -> int:
        """Minutes of continuous trading."""
        return sum(span.end - span.start for span in self.continuous) // MINUTE_MS

    @property
    def open(self) -> int:
        """Start of the first continuous part, ms UTC."""
        return self.continuous[0].start

    @property
    def close(self) -> int:
        """End of the last continuous part, ms UTC."""
        return self.continuous[-1].end

    def at(self, t: int) -> Span | None:
        """Return the span that holds a moment, or None when the market is closed."""
        for span in self.spans:
            if span.start <= t < span.end:
                return span
        return None


def ist_day(t: int) -> date:
    """Return the IST date of a moment in ms UTC."""
    return date.fromordinal(_EPOCH_ORDINAL + (t + IST_OFFSET_MS) // DAY_MS)


def day_start(day: date) -> int:
    """Return 00:00 IST of a day, ms UTC."""
    return (day.toordinal() - _EPOCH_ORDINAL) * DAY_MS - IST_OFFSET_MS


def is_trading_day(exchange: Exchange, day: date) -> bool:
    """Say whether an exchange (or its derivatives segment) trades on a day, special sessions included.

    Raises:
        CalendarUnknown: the tables do not cover the exchange or the day.
    """
    house = _house(exchange)
    known = tables()
    known.require_known(house, day)
    if (house, day) in known.special:
        return True
    return day.weekday() < SATURDAY and (house, day) not in known.holidays


def session_class(instrument: Instrument, day: date) -> SessionClass:
    """Return the class whose hours an instrument keeps on a day.

    The day matters on a contract's expiry, when index contracts may stop earlier than the others.

    Raises:
        CalendarUnknown: no calendar for the instrument's exchange.
        InvalidValue: a contract on its expiry day does not name its underlying, and the hours depend on it.
    """
    house = _house(instrument.exchange)
    if instrument.kind is Kind.EQUITY:
        return SessionClass(house, Segment.CASH_WITH_DERIVATIVES if instrument.has_derivatives else Segment.CASH)
    if instrument.kind is Kind.INDEX:
        return SessionClass(house, Segment.INDEX_WITH_DERIVATIVES if instrument.has_derivatives else Segment.INDEX)
    if instrument.expiry == day and _expires_early(day):
        if instrument.underlying is None:
            raise InvalidValue("underlying", None, f"the hours of {instrument.key} on its expiry day depend on it")
        if is_index_underlying(instrument.underlying):
            return SessionClass(house, Segment.EXPIRING_INDEX_DERIVATIVE)
    return SessionClass(house, Segment.DERIVATIVE)


def session(subject: Instrument | SessionClass, day: date) -> Session | None:
    """Return a day's session, or None when there is no trading (for a contract, also after its expiry).

    Raises:
        CalendarUnknown: the tables do not know the day, or know it as traded but not at which hours.
    """
    if isinstance(subject, SessionClass):
        return _session(subject, day)
    if subject.expiry is not None and day > subject.expiry:
        return None
    return _session(session_class(subject, day), day)


def phase(subject: Instrument | SessionClass, t: int) -> Phase:
    """Return what the market does for an instrument at a moment in ms UTC.

    Raises:
        CalendarUnknown: as `session`.
    """
    span = span_at(subject, t)
    return Phase.CLOSED if span is None else span.phase


def span_at(subject: Instrument | SessionClass, t: int) -> Span | None:
    """Return the phase's span with its step at a moment in ms UTC, or None when closed.

    Raises:
        CalendarUnknown: as `session`.
    """
    found = session(subject, ist_day(t))
    return None if found is None else found.at(t)


def minutes_expected(subject: Instrument | SessionClass, day: date) -> int:
    """Return the minutes of continuous trading on a day; 0 when there is no session.

    Raises:
        CalendarUnknown: as `session`.
    """
    found = session(subject, day)
    return 0 if found is None else found.minutes


def next_open(subject: Instrument | SessionClass, t: int) -> int:
    """Return the first start of continuous trading after `t`, ms UTC; a part of a split session counts.

    Raises:
        CalendarUnknown: the tables end, or have a gap, before one is found.
        InvalidValue: the contract expires before one is found.
    """
    return _next_edge(subject, t, opening=True)


def next_close(subject: Instrument | SessionClass, t: int) -> int:
    """Return the first end of continuous trading after `t`, ms UTC; a part of a split session counts.

    Raises:
        CalendarUnknown: the tables end, or have a gap, before one is found.
        InvalidValue: the contract expires before one is found.
    """
    return _next_edge(subject, t, opening=False)


def _next_edge(subject: Instrument | SessionClass, t: int, *, opening: bool) -> int:
    day = ist_day(t)
    while True:
        if isinstance(subject, Instrument) and subject.expiry is not None and day > subject.expiry:
            raise InvalidValue("t", t, f"{subject.key} expired on {subject.expiry} and does not trade after it")
        found = session(subject, day)
        for span in found.continuous if found else ():
            edge = span.start if opening else span.end
            if edge > t:
                return edge
        day = date.fromordinal(day.toordinal() + 1)


@lru_cache(maxsize=8192)
def _session(of: SessionClass, day: date) -> Session | None:
    if not is_trading_day(of.exchange, day):
        return None
    regular = tables().regular_hours(of.segment, day)
    special = tables().special.get((of.exchange, day))
    if special is None:
        status = Status.REGULAR if regular.verified else Status.UNVERIFIED
        return Session(of, day, "", status, regular.source, _moments(day, regular.spans))
    if special.status is Status.UNKNOWN:
        raise CalendarUnknown(
            f"{of.exchange} traded on {day} ({special.name}), but no source states its hours; "
            "add them to market/data/special_sessions.csv with their source"
        )
    spans = special.spans(of.segment)
    moments = _moments(day, regular.spans if spans is None else spans)
    return Session(of, day, special.name, special.status, special.source, moments)


def _moments(day: date, spans: tuple[DaySpan, ...]) -> tuple[Span, ...]:
    midnight = day_start(day)
    return tuple(
        Span(span.phase, span.step, midnight + span.start * MINUTE_MS, midnight + span.end * MINUTE_MS)
        for span in spans
    )


def _expires_early(day: date) -> bool:
    known = tables()
    ordinary = known.regular_hours(Segment.DERIVATIVE, day)
    return known.regular_hours(Segment.EXPIRING_INDEX_DERIVATIVE, day).spans != ordinary.spans


def _house(exchange: Exchange) -> Exchange:
    house = _HOUSE.get(exchange)
    if house is None:
        raise CalendarUnknown(f"no calendar for {exchange}: the tables hold NSE and BSE, with NFO and BFO")
    return house
