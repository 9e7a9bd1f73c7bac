"""Instruments as rows and back. Exact amounts are integers of 1/10,000 rupee; it runs no statement."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, exists, or_, select

from niftyflow.model import Exchange, Instrument, InvalidValue, Kind, split_key
from niftyflow.storage.schema import instruments

PER_RUPEE = 10_000


def row_of(instrument: Instrument) -> dict[str, Any]:
    """Return an instrument as a row.

    Raises:
        InvalidValue: a price has more than four decimals.
    """
    return {
        "instrument": instrument.key,
        "valid_from": instrument.valid_from,
        "valid_to": instrument.valid_to,
        "kind": instrument.kind.value,
        "token": instrument.token,
        "name": instrument.name,
        "tick_size": _exact("tick_size", instrument.tick_size),
        "lot_size": instrument.lot_size,
        "freeze_quantity": instrument.freeze_quantity,
        "has_derivatives": instrument.has_derivatives,
        "underlying": instrument.underlying,
        "expiry": instrument.expiry,
        "strike": None if instrument.strike is None else _exact("strike", instrument.strike),
        "option_right": instrument.right,
    }


def instrument_of(row: Mapping[str, Any]) -> Instrument:
    """Return a row as an instrument."""
    exchange, symbol = split_key(row["instrument"])
    return Instrument(
        exchange=Exchange(exchange),
        symbol=symbol,
        kind=Kind(row["kind"]),
        token=row["token"],
        name=row["name"],
        tick_size=Decimal(row["tick_size"]) / PER_RUPEE,
        lot_size=row["lot_size"],
        freeze_quantity=row["freeze_quantity"],
        has_derivatives=row["has_derivatives"],
        underlying=row["underlying"],
        expiry=row["expiry"],
        strike=None if row["strike"] is None else Decimal(row["strike"]) / PER_RUPEE,
        right=row["option_right"],
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
    )


def valid_on(day: date) -> Select[Any]:
    """Return the query of the instruments of a day: the newest state of each, unless it ended before."""
    later = instruments.alias("later")
    superseded = exists().where(
        later.c.instrument == instruments.c.instrument,
        later.c.valid_from > instruments.c.valid_from,
        later.c.valid_from <= day,
    )
    return (
        select(instruments)
        .where(
            instruments.c.valid_from <= day,
            or_(instruments.c.valid_to.is_(None), instruments.c.valid_to >= day),
            ~superseded,
        )
        .order_by(instruments.c.instrument)
    )


def _exact(field: str, amount: Decimal) -> int:
    scaled = amount * PER_RUPEE
    if scaled != int(scaled):
        raise InvalidValue(field, amount, "amounts have at most four decimals")
    return int(scaled)
