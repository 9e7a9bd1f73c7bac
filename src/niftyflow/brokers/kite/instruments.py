"""Kite's instruments file (CSV of `/instruments`), read into the day's instruments.

A share or index `has_derivatives` when the file lists a contract whose `name` is its symbol, or its short name.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import TypeVar

from niftyflow.brokers.quotes import MasterRow
from niftyflow.model import DecodeError, Exchange, Instrument, Kind

T = TypeVar("T")

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
    return [row.instrument for row in parse_master(text, on)]


def parse_master(text: str, on: date) -> list[MasterRow]:
    """Return the rows of a file that was served on a day; rows of exchanges we do not know are left out.

    Kite tells no freeze quantities.

    Raises:
        DecodeError: a column is missing, or a value of a row cannot be; the message names line and column.
    """
    lines = _lines(text)
    known = [(line, row) for line, row in lines if row["exchange"] in Exchange.__members__]
    underlyings = {row["name"] for _, row in known if row["exchange"] in CONTRACT_SEGMENTS}
    underlyings |= {INDEX_OF_CONTRACT_NAME[name] for name in underlyings & INDEX_OF_CONTRACT_NAME.keys()}
    return [_master_row(row, line, _instrument(row, line, on, underlyings)) for line, row in known]


def _master_row(row: dict[str, str], line: int, instrument: Instrument) -> MasterRow:
    try:
        last_price = _number(row.get("last_price") or "0")
    except (ValueError, ArithmeticError) as error:
        raise _damage(line, f"last_price is {row['last_price']!r}", row) from error
    return MasterRow(
        instrument=instrument,
        token=instrument.token,
        exchange_token=row.get("exchange_token", ""),
        segment=row["segment"],
        lot_size=instrument.lot_size,
        tick_size=instrument.tick_size,
        freeze=None,
        expiry=instrument.expiry,
        strike=instrument.strike,
        last_price=last_price,
    )


def _lines(text: str) -> list[tuple[int, dict[str, str]]]:
    """Return the rows, each with the number of its line; all have a value in every column."""
    rows = csv.DictReader(io.StringIO(text, newline=""))
    numbered = []
    try:
        missing = COLUMNS - set(rows.fieldnames or ())
        if missing:
            raise DecodeError(f"the instruments file has no column {', '.join(sorted(missing))}", text[:1024].encode())
        for row in rows:
            if None in row or None in row.values():
                raise _damage(rows.line_num, "it has more or fewer values than there are columns", row)
            numbered.append((rows.line_num, row))
    except csv.Error as error:
        raise _damage(rows.line_num, str(error), {}) from error
    return numbered


def _instrument(row: dict[str, str], line: int, on: date, underlyings: set[str]) -> Instrument:
    def read(column: str, kind: Callable[[str], T]) -> T:
        try:
            return kind(row[column])
        except (ValueError, ArithmeticError) as error:
            raise _damage(line, f"{column} is {row[column]!r}", row) from error

    kind = _kind(row)
    is_contract = kind in {Kind.FUTURE, Kind.OPTION}
    symbol = read("tradingsymbol", _name)
    return Instrument(
        exchange=Exchange(row["exchange"]),
        symbol=symbol,
        kind=kind,
        token=str(read("instrument_token", int)),
        name=row["name"],
        tick_size=read("tick_size", _number),
        lot_size=int(read("lot_size", _number)),
        has_derivatives=not is_contract and symbol in underlyings,
        underlying=row["name"] if is_contract else None,
        expiry=read("expiry", date.fromisoformat) if row["expiry"] else None,
        strike=read("strike", _number) if kind is Kind.OPTION else None,
        right=row["instrument_type"] if kind is Kind.OPTION else None,
        valid_from=on,
    )


def _damage(line: int, what: str, row: dict[str, str]) -> DecodeError:
    return DecodeError(f"line {line} of the instruments file: {what}", str(row).encode())


def _name(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


def _number(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite() or number < 0:
        raise ValueError(text)
    return number


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
