"""Kite's instruments file (CSV of `/instruments`), read into the day's instruments.

A share or index `has_derivatives` when the file lists a contract whose `name` is its symbol, or its short name.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation

from niftyflow.model import DecodeError, Exchange, Instrument, Kind

COLUMNS = {"instrument_token", "tradingsymbol", "expiry", "strike", "tick_size", "lot_size", "instrument_type",
           "segment", "exchange", "name"}  # fmt: skip
CONTRACT_SEGMENTS = {Exchange.NFO, Exchange.BFO}
INDEX_OF_CONTRACT_NAME = {
    "NIFTY": "NIFTY 50",
    "BANKNIFTY": "NIFTY BANK",
    "FINNIFTY": "NIFTY FIN SERVICE",
    "MIDCPNIFTY": "NIFTY MID SELECT",
    "NIFTYNXT50": "NIFTY NEXT 50",
}
"""How contracts name the index they are on, where that is not the index's own symbol (Kite's instruments file)."""


def parse_instruments(text: str, on: date) -> list[Instrument]:
    """Return the instruments of a file that was served on a day; rows of exchanges we do not know are left out.

    Raises:
        DecodeError: a column is missing, or a value of a row cannot be; the message names line and column.
    """
    rows = csv.DictReader(text.splitlines())
    missing = COLUMNS - set(rows.fieldnames or ())
    if missing:
        raise DecodeError(f"the instruments file has no column {', '.join(sorted(missing))}", text[:1024].encode())
    known = [(line, row) for line, row in enumerate(rows, 2) if row["exchange"] in Exchange.__members__]
    underlyings = {row["name"] for _, row in known if row["exchange"] in CONTRACT_SEGMENTS}
    underlyings |= {INDEX_OF_CONTRACT_NAME[name] for name in underlyings & INDEX_OF_CONTRACT_NAME.keys()}
    return [_instrument(row, line, on, underlyings) for line, row in known]


def _instrument(row: dict[str, str], line: int, on: date, underlyings: set[str]) -> Instrument:
    exchange = Exchange(row["exchange"])
    kind = _kind(row)
    is_contract = kind in {Kind.FUTURE, Kind.OPTION}
    name = row["name"]
    try:
        return Instrument(
            exchange=exchange,
            symbol=row["tradingsymbol"],
            kind=kind,
            token=str(int(row["instrument_token"])),
            name=name,
            tick_size=Decimal(row["tick_size"]),
            lot_size=int(float(row["lot_size"])),
            has_derivatives=not is_contract and row["tradingsymbol"] in underlyings,
            underlying=name if is_contract else None,
            expiry=date.fromisoformat(row["expiry"]) if row["expiry"] else None,
            strike=Decimal(row["strike"]) if kind is Kind.OPTION else None,
            right=row["instrument_type"] if kind is Kind.OPTION else None,
            valid_from=on,
        )
    except (ValueError, InvalidOperation) as error:
        raise DecodeError(f"line {line} of the instruments file: {error}", str(row).encode()) from error


def _kind(row: dict[str, str]) -> Kind:
    if row["segment"] == "INDICES":
        return Kind.INDEX
    return {"FUT": Kind.FUTURE, "CE": Kind.OPTION, "PE": Kind.OPTION}.get(row["instrument_type"], Kind.EQUITY)


def choose(offered: Iterable[Instrument], symbols: Sequence[str]) -> tuple[list[Instrument], list[str]]:
    """Return the instruments of the keys asked for (all when none is), and the keys that are not offered."""
    by_key = {str(instrument.key): instrument for instrument in offered}
    if not symbols:
        return list(by_key.values()), []
    return [by_key[key] for key in symbols if key in by_key], [key for key in symbols if key not in by_key]
