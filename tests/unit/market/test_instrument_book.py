"""The book of dated instruments: one truth per key and day."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.market import InstrumentBook
from niftyflow.model import Exchange, Instrument, InvalidValue, Kind, UnknownInstrument

JANUARY = date(2025, 1, 1)


def future(lot=75, valid_from=JANUARY, valid_to=None, symbol="NIFTY25JANFUT"):
    """Return a NIFTY future with a lot and a validity."""
    return Instrument(
        exchange=Exchange.NFO,
        symbol=symbol,
        kind=Kind.FUTURE,
        underlying="NIFTY",
        expiry=date(2025, 1, 30),
        lot_size=lot,
        valid_from=valid_from,
        valid_to=valid_to,
    )


def test_the_row_of_the_day_answers():
    """Lot and tick are those of the day asked, at both ends of each row."""
    book = InstrumentBook(
        [future(25, JANUARY, date(2025, 1, 9)), future(75, date(2025, 1, 10), date(2025, 1, 30))],
    )
    assert [book.at("NFO:NIFTY25JANFUT", date(2025, 1, day)).lot_size for day in (1, 9, 10, 30)] == [25, 25, 75, 75]


def test_rows_may_come_in_any_order():
    """Masters are read in any order of their days."""
    book = InstrumentBook([future(75, date(2025, 1, 10)), future(25, JANUARY, date(2025, 1, 9))])
    assert book.at("NFO:NIFTY25JANFUT", date(2025, 1, 5)).lot_size == 25


@pytest.mark.parametrize(
    ("change", "field"),
    [({"lot_size": 75}, "lot_size"), ({"tick_size": Decimal("0.10")}, "tick_size"), ({"token": "9"}, "token")],
)
def test_a_contradiction_is_refused_with_its_field(change, field):
    """Two rows of one key that hold on one day must say the same; two lots are two contracts."""
    book = InstrumentBook([future(25, JANUARY, date(2025, 1, 20))])
    other = msgspec.structs.replace(future(25, date(2025, 1, 20)), **change)
    with pytest.raises(InvalidValue, match=r"NFO:NIFTY25JANFUT has .* on 2025-01-20") as caught:
        book.add(other)
    assert caught.value.field == field
    assert book.at("NFO:NIFTY25JANFUT", date(2025, 1, 20)).lot_size == 25


def test_two_lots_on_one_day_are_two_contracts():
    """On 2025-01-06 the January future had 25 and the February one 75."""
    book = InstrumentBook([future(25), future(75, symbol="NIFTY25FEBFUT")])
    assert [row.lot_size for row in book.on(date(2025, 1, 6))] == [25, 75]
    assert len(book) == 2
    assert "NFO:NIFTY25FEBFUT" in book
    assert list(book) == ["NFO:NIFTY25JANFUT", "NFO:NIFTY25FEBFUT"]


def test_an_agreeing_row_widens_the_known_one():
    """Yesterday's and today's master say the same, so one row spans both."""
    book = InstrumentBook([future(75, JANUARY, date(2025, 1, 10)), future(75, date(2025, 1, 8), date(2025, 1, 30))])
    row = book.at("NFO:NIFTY25JANFUT", date(2025, 1, 9))
    assert (row.valid_from, row.valid_to) == (JANUARY, date(2025, 1, 30))
    book.add(future(75, date(2025, 1, 20)))
    assert book.at("NFO:NIFTY25JANFUT", date(2030, 1, 1)).valid_to is None


def test_a_new_master_supersedes_the_old_row():
    """The open row ends the day before; the past keeps its lot."""
    book = InstrumentBook([future(25)])
    book.supersede(future(75, date(2025, 1, 15)))
    assert book.at("NFO:NIFTY25JANFUT", date(2025, 1, 14)).lot_size == 25
    assert book.at("NFO:NIFTY25JANFUT", date(2025, 1, 15)).lot_size == 75
    book.supersede(future(75, date(2025, 1, 16)))
    assert book.at("NFO:NIFTY25JANFUT", date(2025, 1, 16)).valid_from == date(2025, 1, 15)
    book.supersede(future(20, symbol="NIFTY25FEBFUT"))
    assert book.at("NFO:NIFTY25FEBFUT", JANUARY).lot_size == 20


def test_the_past_is_not_rewritten():
    """A master older than the last row, saying something else, is refused."""
    book = InstrumentBook([future(25, date(2025, 1, 10))])
    with pytest.raises(InvalidValue, match="has a row from 2025-01-10 already"):
        book.supersede(future(75, date(2025, 1, 10)))


def test_a_row_that_ends_before_it_begins_is_refused():
    """By `add` and by `supersede` alike."""
    backwards = future(25, date(2025, 1, 10), date(2025, 1, 9))
    for take in (InstrumentBook().add, InstrumentBook().supersede):
        with pytest.raises(InvalidValue, match="valid_to"):
            take(backwards)


def test_an_unknown_instrument_or_day_is_named():
    """No row, before the first row, between rows, after the last row."""
    book = InstrumentBook(
        [future(25, date(2025, 1, 5), date(2025, 1, 6)), future(75, date(2025, 1, 9), date(2025, 1, 10))]
    )
    with pytest.raises(UnknownInstrument, match="NFO:NIFTY25MARFUT is in no instrument master"):
        book.at("NFO:NIFTY25MARFUT", JANUARY)
    for day in (4, 7, 11):
        with pytest.raises(UnknownInstrument, match="2025-01-05 to 2025-01-06, 2025-01-09 to 2025-01-10"):
            book.at("NFO:NIFTY25JANFUT", date(2025, 1, day))
    assert book.on(date(2025, 1, 7)) == []


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20), st.sampled_from([25, 75])), max_size=12))
def test_every_accepted_row_answers_on_its_days(rows):
    """Whatever was accepted is found on each of its days, and whatever contradicts it was refused."""
    book, truth = InstrumentBook(), {}
    for start, length, lot in rows:
        days = [JANUARY + timedelta(days=start + step) for step in range(length + 1)]
        row = future(lot, days[0], days[-1])
        if any(truth.get(day, lot) != lot for day in days):
            with pytest.raises(InvalidValue):
                book.add(row)
        else:
            book.add(row)
            truth.update(dict.fromkeys(days, lot))
    for day, lot in truth.items():
        assert book.at("NFO:NIFTY25JANFUT", day).lot_size == lot
