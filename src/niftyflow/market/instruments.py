"""Instruments as they stood on each day: lot, tick, freeze quantity and derivative status carry dates.

Owns the dated rows and the rule that one day has one truth per instrument. Does not read masters or stores; whoever
does adds the rows here. A contradiction is refused, never silently resolved.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from operator import attrgetter

import msgspec

from niftyflow.market.tables import FOREVER
from niftyflow.model import Instrument, InstrumentKey, InvalidValue, UnknownInstrument

_VALIDITY = frozenset({"valid_from", "valid_to"})
_FACTS = tuple(field for field in Instrument.__struct_fields__ if field not in _VALIDITY)


class InstrumentBook:
    """Dated rows of instruments by key; two lot sizes on one day belong to two contracts, so to two keys."""

    def __init__(self, instruments: Iterable[Instrument] = ()) -> None:
        self._rows: dict[InstrumentKey, list[Instrument]] = {}
        for instrument in instruments:
            self.add(instrument)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[InstrumentKey]:
        return iter(self._rows)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def add(self, instrument: Instrument) -> None:
        """Add a row that holds from `valid_from` to `valid_to`, both inclusive; a row that says the same widens it.

        Raises:
            InvalidValue: it runs backwards, or contradicts a row that holds on the same day.
        """
        _refuse_backwards(instrument)
        rows = self._rows.get(instrument.key, [])
        kept: list[Instrument] = []
        for row in rows:
            if not _overlap(row, instrument):
                kept.append(row)
                continue
            _refuse_contradiction(row, instrument)
            instrument = _union(row, instrument)
        kept.append(instrument)
        self._rows[instrument.key] = sorted(kept, key=attrgetter("valid_from"))

    def supersede(self, instrument: Instrument) -> None:
        """Let a row hold from its `valid_from` on, and end the row before it the day before.

        This is how a day's master replaces the one of yesterday.

        Raises:
            InvalidValue: a later row is already known, so that the past would be rewritten.
        """
        _refuse_backwards(instrument)
        rows = self._rows.get(instrument.key, [])
        if rows and rows[-1].valid_from >= instrument.valid_from and not _same_facts(rows[-1], instrument):
            raise InvalidValue(
                "valid_from", instrument.valid_from, f"{instrument.key} has a row from {rows[-1].valid_from} already"
            )
        if rows and _overlap(rows[-1], instrument) and not _same_facts(rows[-1], instrument):
            ended = instrument.valid_from - timedelta(days=1)
            rows[-1] = msgspec.structs.replace(rows[-1], valid_to=ended)
        self.add(instrument)

    def at(self, key: InstrumentKey | str, day: date) -> Instrument:
        """Return the instrument as it stood on a day.

        Raises:
            UnknownInstrument: no row of that key, or none that holds on the day.
        """
        rows = self._rows.get(InstrumentKey(key))
        if rows is None:
            raise UnknownInstrument(f"{key} is in no instrument master that was read")
        index = bisect_right(rows, day, key=attrgetter("valid_from")) - 1
        if index < 0 or day > _end(rows[index]):
            spans = ", ".join(f"{row.valid_from} to {row.valid_to or 'now'}" for row in rows)
            raise UnknownInstrument(f"{key} is not known on {day}: its rows hold {spans}")
        return rows[index]

    def on(self, day: date) -> list[Instrument]:
        """Return every instrument that holds on a day, in the order their keys were first added."""
        return [row for rows in self._rows.values() for row in rows if row.valid_from <= day <= _end(row)]


def _end(row: Instrument) -> date:
    return row.valid_to or FOREVER


def _overlap(one: Instrument, other: Instrument) -> bool:
    return one.valid_from <= _end(other) and other.valid_from <= _end(one)


def _same_facts(one: Instrument, other: Instrument) -> bool:
    return all(getattr(one, field) == getattr(other, field) for field in _FACTS)


def _union(one: Instrument, other: Instrument) -> Instrument:
    end = max(_end(one), _end(other))
    return msgspec.structs.replace(
        one, valid_from=min(one.valid_from, other.valid_from), valid_to=None if end == FOREVER else end
    )


def _refuse_backwards(instrument: Instrument) -> None:
    if instrument.valid_from > _end(instrument):
        raise InvalidValue(
            "valid_to", instrument.valid_to, f"{instrument.key} would end before {instrument.valid_from}"
        )


def _refuse_contradiction(row: Instrument, instrument: Instrument) -> None:
    for field in _FACTS:
        known, said = getattr(row, field), getattr(instrument, field)
        if known != said:
            day = max(row.valid_from, instrument.valid_from)
            raise InvalidValue(field, said, f"{instrument.key} has {known!r} on {day} by a row already known")
