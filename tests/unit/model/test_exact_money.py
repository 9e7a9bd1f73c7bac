"""Money: rupees and integers of 1/10,000 rupee say the same, and nothing is rounded on the way."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.model import InvalidValue, from_e4, to_e4


@pytest.mark.parametrize(
    ("rupees", "amount"),
    [("0", 0), ("-0", 0), ("1", 10_000), ("-0.05", -500), ("2850.5000", 28_505_000), ("1E+3", 10_000_000)],
)
def test_rupees_become_an_integer(rupees, amount):
    """Whatever the form the decimal is written in."""
    assert to_e4(Decimal(rupees)) == amount


@pytest.mark.parametrize("rupees", ["0.00001", "-1.23456", "1E-5", "NaN", "Infinity"])
def test_an_amount_that_does_not_fit_is_refused(rupees):
    """Finer than 1/10,000 rupee, or no number: an error, never a rounding."""
    with pytest.raises(InvalidValue, match="rupees"):
        to_e4(Decimal(rupees))


def test_rupees_come_back_with_four_decimals():
    """So that a printed amount is always of one form."""
    assert [str(from_e4(amount)) for amount in (0, 1, -1, 10_000, -28_505_000)] == [
        "0.0000",
        "0.0001",
        "-0.0001",
        "1.0000",
        "-2850.5000",
    ]


@given(st.integers(-(10**40), 10**40))
def test_there_and_back_is_exact(amount):
    """Also far beyond the digits that decimal arithmetic keeps."""
    assert to_e4(from_e4(amount)) == amount
