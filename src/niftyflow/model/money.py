"""Exact money: rupees as `Decimal` at the edges, as an integer of 1/10,000 rupee (`e4`) in books and stores.

Both forms hold the same amounts, so turning one into the other never rounds. An amount that is finer is refused.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal

from niftyflow.model.errors import InvalidValue

E4_PER_RUPEE = 10_000
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


def to_e4(rupees: Decimal) -> int:
    """Return an amount of rupees in units of 1/10,000 rupee.

    Raises:
        InvalidValue: the amount is not finite, or finer than 1/10,000 rupee.
    """
    if not rupees.is_finite():
        raise InvalidValue("rupees", rupees, "an amount is a finite number")
    numerator, denominator = rupees.as_integer_ratio()
    amount, rest = divmod(numerator * E4_PER_RUPEE, denominator)
    if rest:
        raise InvalidValue("rupees", rupees, "an amount has at most four decimals")
    return amount


def from_e4(amount: int) -> Decimal:
    """Return an amount of 1/10,000 rupee as rupees, always with four decimals."""
    return Decimal(amount).scaleb(-4, _EXACT)
