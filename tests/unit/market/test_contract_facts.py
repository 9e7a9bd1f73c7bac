"""Dated contract facts, each known change pinned to its day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from niftyflow.market import (
    CalendarUnknown,
    expiry_weekday,
    is_index_underlying,
    known_facts,
    lot_size,
    tick_size,
)
from niftyflow.market.contracts import _facts, _lot
from niftyflow.model import Broken, InvalidValue
from support.data import shared_data

MONDAY, TUESDAY, THURSDAY, FRIDAY = 0, 1, 3, 4


@pytest.mark.parametrize(
    ("introduced_on", "lot"),
    [
        (date(2017, 1, 2), 75),
        (date(2024, 4, 25), 50),
        (date(2024, 4, 26), 25),
        (date(2024, 11, 19), 25),
        (date(2024, 11, 20), 75),
        (date(2025, 10, 27), 75),
        (date(2025, 10, 28), 65),
        (date(2026, 11, 20), 65),
    ],
)
def test_the_nifty_lot_changed_on_known_days(introduced_on, lot):
    """50, 25, 75, 65, by the day the contract was introduced."""
    assert lot_size("NIFTY", introduced_on) == lot


@pytest.mark.parametrize(
    ("underlying", "day", "weekday"),
    [
        ("NIFTY", date(2025, 8, 31), THURSDAY),
        ("NIFTY", date(2025, 9, 1), TUESDAY),
        ("BANKNIFTY", date(2025, 1, 6), THURSDAY),
        ("BANKNIFTY", date(2026, 1, 13), TUESDAY),
        ("SENSEX", date(2024, 12, 31), FRIDAY),
        ("SENSEX", date(2025, 1, 1), TUESDAY),
        ("SENSEX", date(2025, 8, 31), TUESDAY),
        ("SENSEX", date(2025, 9, 1), THURSDAY),
    ],
)
def test_the_expiry_weekday_changed_on_known_days(underlying, day, weekday):
    """NIFTY went from Thursday to Tuesday, SENSEX from Friday over Tuesday to Thursday."""
    assert expiry_weekday(underlying, day) == weekday


@pytest.mark.parametrize(
    ("price", "day", "tick"),
    [
        ("100", date(2024, 6, 9), "0.05"),
        ("100", date(2024, 6, 10), "0.01"),
        ("249.99", date(2024, 6, 10), "0.01"),
        ("250", date(2024, 6, 10), "0.05"),
        ("6000", date(2025, 4, 14), "0.05"),
        ("249.99", date(2025, 4, 15), "0.01"),
        ("250", date(2025, 4, 15), "0.05"),
        ("1000", date(2025, 4, 15), "0.05"),
        ("1000.05", date(2025, 4, 15), "0.10"),
        ("5000", date(2025, 4, 15), "0.10"),
        ("6000", date(2025, 4, 15), "0.50"),
        ("15000", date(2025, 4, 15), "1"),
        ("40000", date(2025, 4, 15), "5"),
    ],
)
def test_the_tick_depends_on_price_and_day(price, day, tick):
    """0.05 for all, 0.01 below 250 since 2024-06-10, five more bands since 2025-04-15."""
    assert tick_size(Decimal(price), day) == Decimal(tick)


def test_index_underlyings_are_known():
    """They decide which contracts stop earlier on their expiry day."""
    assert is_index_underlying("NIFTY")
    assert is_index_underlying("SENSEX")
    assert not is_index_underlying("INFY")


def test_what_is_not_known_is_refused():
    """No row for the underlying or the day means no answer."""
    with pytest.raises(CalendarUnknown, match="no lot is known for INFY"):
        lot_size("INFY", date(2026, 1, 1))
    with pytest.raises(CalendarUnknown, match="no expiry is known for BANKNIFTY on 2024-06-03"):
        expiry_weekday("BANKNIFTY", date(2024, 6, 3))
    with pytest.raises(CalendarUnknown, match="no tick is known on 2008"):
        tick_size(Decimal(100), date(2008, 1, 1))
    with pytest.raises(InvalidValue, match="price"):
        tick_size(Decimal(0), date(2026, 1, 1))


@pytest.mark.parametrize("kind", ["lot", "expiry", "tick"])
def test_every_fact_names_its_source(kind):
    """And says whether it was verified; those marked (m) in the market facts were not."""
    facts = known_facts(kind)
    assert all(fact.source for fact in facts)
    assert {fact.verified for fact in facts} <= {True, False}
    assert any(not fact.verified for fact in facts)


def test_two_rows_for_one_day_are_refused():
    """A slip in the file is an error at load, not a coin toss."""
    row = {"underlying": "NIFTY", "valid_from": date(2025, 1, 1), "size": 75, "source": "x", "verified": True}
    with pytest.raises(Broken, match="two lot rows of NIFTY hold on 2025-02-01"):
        _facts("lot", [row, row | {"valid_from": date(2025, 2, 1)}], _lot)


@pytest.mark.data
@pytest.mark.parametrize("day", [date(2025, 1, 6), date(2026, 1, 13), date(2026, 2, 24)])
def test_the_bhavcopies_agree_with_the_facts(day):
    """Index contracts are known as such, and monthly NIFTY expiries fall on the weekday or, at a holiday, before it."""
    frame = pl.read_parquet(shared_data(f"fo_bhavcopy_nse/fo_{day}.parquet"))
    index = frame.filter(pl.col("FinInstrmTp").is_in(["IDO", "IDF"]))
    shares = frame.filter(pl.col("FinInstrmTp").is_in(["STO", "STF"]))
    assert all(is_index_underlying(name) for name in index["TckrSymb"].unique())
    assert not any(is_index_underlying(name) for name in shares["TckrSymb"].unique())
    nearest = index.filter(pl.col("TckrSymb") == "NIFTY")["XpryDt"].min()
    assert date.fromisoformat(nearest).weekday() == expiry_weekday("NIFTY", day)


@pytest.mark.data
def test_the_scrip_master_of_2025_09_agrees_with_the_ticks():
    """Every tick a master gave to a share is one of our bands, and known shares lie in the band of their price."""
    frame = pl.read_csv(shared_data("instruments/noren_nse_symbols_2025-09.csv.gz"))
    day = date(2025, 9, 1)
    prices = {"RELIANCE": 1400, "INFY": 1500, "MARUTI": 14800, "MRF": 141000, "IDEA": 7, "SBIN": 800, "ITC": 400}
    for symbol, price in prices.items():
        (tick,) = frame.filter(pl.col("Symbol") == symbol)["TickSize"].unique().to_list()
        assert tick_size(Decimal(price), day) == Decimal(str(tick))
