"""The rows of a candle file against the calendar: candles outside the session, and session minutes without a candle.

Owns both rules, and what kind an unknown instrument is. A day that the calendar does not know is never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
from numpy.typing import NDArray

from niftyflow.ingestion.candle_columns import MINUTE_MS, CandleRows, ImportOptions
from niftyflow.kit.clock import to_ist
from niftyflow.market import CalendarUnknown, day_start, is_trading_day, ist_day, minute_mask, session
from niftyflow.model import Exchange, Instrument, InstrumentKey, Interval, Kind, split_key

CASH = (Exchange.NSE, Exchange.BSE)


class Timeline:
    """Every candle that an instrument's calendar allows from one day to another, both inclusive.

    `starts` are ms UTC, ascending; days that the calendar does not know are in `unknown` with its reason.
    """

    def __init__(self, instrument: Instrument, first: date, last: date, interval: Interval) -> None:
        self.unknown: dict[date, str] = {}
        starts = [
            self._starts(instrument, date.fromordinal(day), interval)
            for day in range(first.toordinal(), last.toordinal() + 1)
        ]
        self.starts = np.concatenate(starts) if starts else np.zeros(0, np.int64)

    def _starts(self, instrument: Instrument, day: date, interval: Interval) -> NDArray[np.int64]:
        try:
            if interval is Interval.D1:
                return np.full(int(is_trading_day(instrument.exchange, day)), day_start(day), np.int64)
            return day_start(day) + np.flatnonzero(minute_mask(instrument, day)) * MINUTE_MS
        except CalendarUnknown as error:
            self.unknown[day] = str(error)
            return np.zeros(0, np.int64)

    def places(self, time: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return each time's place among the starts, -1 where it is none of them."""
        if not len(self.starts):
            return np.full(len(time), -1, np.int64)
        place = np.searchsorted(self.starts, time)
        is_start = self.starts[np.minimum(place, len(self.starts) - 1)] == time
        return np.where(is_start, place, -1)


def name_instruments(rows: CandleRows, known: Mapping[str, Instrument]) -> list[Instrument]:
    """Return the instrument of each of the file's keys; an unknown one is a share, or an index when without volume.

    Raises:
        CandleFileRefused: a contract that no instrument master has named.
    """
    volume = np.bincount(rows.code, weights=rows.values["volume"], minlength=len(rows.keys))
    return [
        known[key] if key in known else _new_instrument(rows, key, has_volume=volume[code] > 0)
        for code, key in enumerate(rows.keys)
    ]


def _new_instrument(rows: CandleRows, key: InstrumentKey, *, has_volume: bool) -> Instrument:
    exchange, symbol = split_key(key)
    if exchange not in CASH:
        raise rows.source.refusal(
            f"{key} is not among the known instruments, and contracts are only imported once they are"
        )
    return Instrument(exchange=Exchange(exchange), symbol=symbol, kind=Kind.EQUITY if has_volume else Kind.INDEX)


def hold_to_sessions(rows: CandleRows, instruments: list[Instrument], options: ImportOptions) -> None:
    """Complain of, or drop, what lies outside the sessions; then complain of, or state, what they lack.

    Raises:
        CandleFileRefused: nothing is left.
    """
    timelines = _timelines(rows, instruments)
    place = np.full(len(rows), -1, np.int64)
    for timeline in dict.fromkeys(timelines):
        of_these = np.isin(rows.code, [code for code, own in enumerate(timelines) if own is timeline])
        place[of_these] = timeline.places(rows.time[of_these])
    outside = np.flatnonzero(place < 0)
    if len(outside):
        if options.drops_outside and len(outside) == len(rows):
            raise rows.source.refusal(f"all {len(rows):,} rows are outside the sessions")
        _tell_outside(rows, outside, instruments, timelines, options)
        rows.keep(place >= 0)
        place = place[place >= 0]
    _tell_gaps(rows, place, timelines, options)


def _timelines(rows: CandleRows, instruments: list[Instrument]) -> list[Timeline]:
    """Return the timeline of each instrument of the file, one and the same for those that keep the same hours."""
    groups: dict[object, list[int]] = {}
    for code, instrument in enumerate(instruments):
        contract = None if instrument.kind in (Kind.EQUITY, Kind.INDEX) else instrument.key
        hours = (instrument.exchange, instrument.kind, instrument.has_derivatives, contract)
        groups.setdefault(hours, []).append(code)
    found: dict[int, Timeline] = {}
    for codes in groups.values():
        time = rows.time[np.isin(rows.code, codes)]
        first, last = ist_day(int(time.min())), ist_day(int(time.max()))
        found |= dict.fromkeys(codes, Timeline(instruments[codes[0]], first, last, rows.interval))
    return [found[code] for code in range(len(instruments))]


def _tell_outside(
    rows: CandleRows,
    outside: NDArray[np.int64],
    instruments: list[Instrument],
    timelines: list[Timeline],
    options: ImportOptions,
) -> None:
    if options.drops_outside:
        rows.stated.append(f"dropped {len(outside):,} rows outside the sessions")
        return
    first = int(outside[np.argmin(rows.row[outside])])
    time, code = int(rows.time[first]), int(rows.code[first])
    day = ist_day(time)
    why = timelines[code].unknown.get(day) or _hours(instruments[code], day, rows.interval)
    count = f"; {len(outside):,} such rows" if len(outside) > 1 else ""
    hint = ""
    if rows.interval is Interval.M1 and not rows.is_end_label:
        is_inside_before = timelines[code].places(np.array([time - MINUTE_MS]))[0] >= 0
        hint = " (if times are the ends of minutes, say --label end)" if is_inside_before else ""
    rows.complaints.append(
        f"{rows.named(first)} is outside the session ({why}){count}; --drop-outside leaves them out{hint}"
    )


def _hours(instrument: Instrument, day: date, interval: Interval) -> str:
    try:
        found = session(instrument, day)
    except CalendarUnknown as error:
        return str(error)
    if found is None or interval is Interval.D1:
        return f"{instrument.exchange} did not trade on {day}"
    parts = [f"{to_ist(span.start):%H:%M}-{to_ist(span.end):%H:%M}" for span in found.continuous]
    return f"that day {' and '.join(parts)}"


def _tell_gaps(rows: CandleRows, place: NDArray[np.int64], timelines: list[Timeline], options: ImportOptions) -> None:
    """Count what lies between two neighbouring candles of an instrument in its timeline, but not in the file."""
    missing = np.diff(place) - 1
    missing[np.diff(rows.code) != 0] = 0
    before = np.flatnonzero(missing > 0)
    if not len(before):
        return
    total = int(missing[before].sum())
    spans = []
    for index in before[:3].tolist():
        starts = timelines[int(rows.code[index])].starts
        first, last = int(starts[place[index] + 1]), int(starts[place[index + 1] - 1])
        until = "" if first == last else f" to {rows.when(last)}"
        spans.append(f"{rows.keys[int(rows.code[index])]} {rows.when(first)}{until}")
    noun = "days" if rows.interval is Interval.D1 else "minutes"
    more = f" and {len(before) - 3:,} more spans" if len(before) > 3 else ""  # noqa: PLR2004
    text = f"{total:,} session {noun} between the first and last row have no candle: {'; '.join(spans)}{more}"
    if options.allows_gaps:
        rows.stated.append(text)
        return
    first_row = rows.source.place(int(rows.row[before[0]]))
    rows.complaints.append(f"after {first_row}, column {rows.time_column}: {text}; --allow-gaps imports what there is")
