"""Dated facts of contracts: market lot, expiry weekday, tick size, and which underlyings are indices.

Owns `data/lots.toml`. The exchange's master of the day decides wherever it states a value: never compute an expiry, a
lot or a tick that a master gives. Before the first row of a fact the answer is `CalendarUnknown`, not a guess.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

from niftyflow.market.tables import DATA, FOREVER, CalendarUnknown
from niftyflow.model import Broken, InvalidValue

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class TickBand(NamedTuple):
    """A tick size and the prices it holds for: below `limit`, or up to and including it."""

    limit: Decimal | None
    includes_limit: bool
    tick: Decimal

    def holds(self, price: Decimal) -> bool:
        """Say whether a price lies in the band; bands are asked from the lowest up."""
        if self.limit is None:
            return True
        return price <= self.limit if self.includes_limit else price < self.limit


class Fact(NamedTuple):
    """One dated value with its source; `verified` is false until the circular itself was checked."""

    subject: str
    valid_from: date
    valid_to: date
    value: Any
    source: str
    verified: bool


def lot_size(underlying: str, contract_introduced_on: date) -> int:
    """Return the market lot, in units, of contracts introduced on a day.

    Two sizes trade side by side while older contracts live on, so the day of trading does not decide; the contract
    master does, wherever there is one.

    Raises:
        CalendarUnknown: no row for the underlying and the day.
    """
    value: int = _fact("lot", underlying, contract_introduced_on).value
    return value


def expiry_weekday(underlying: str, day: date) -> int:
    """Return the weekday (Monday is 0) on which contracts of an underlying expire under the rule in force on a day.

    The expiry moves to the trading day before when that weekday is a holiday. Never compute an expiry where the
    instrument master states it: exchanges shift single expiries by circular.

    Raises:
        CalendarUnknown: no row for the underlying and the day.
    """
    value: int = _fact("expiry", underlying, day).value
    return value


def tick_size(price: Decimal, day: date) -> Decimal:
    """Return the tick of an NSE cash share in rupees; `price` is its close on the last trading day of the month before.

    ETFs, options and BSE shares keep other rules: take the tick from the day's master wherever it states one.

    Raises:
        CalendarUnknown: no row for the day.
        InvalidValue: the price is not above zero.
    """
    if not price > 0:
        raise InvalidValue("price", price, "a price is above zero")
    bands: tuple[TickBand, ...] = _fact("tick", "", day).value
    return next(band.tick for band in bands if band.holds(price))


def is_index_underlying(underlying: str) -> bool:
    """Say whether contracts on an underlying are index contracts."""
    return underlying in _contents()[1]


def known_facts(kind: str) -> tuple[Fact, ...]:
    """Return every dated row of `lot`, `expiry` or `tick`, oldest first within its subject."""
    return _contents()[0][kind]


def _fact(kind: str, subject: str, day: date) -> Fact:
    for fact in known_facts(kind):
        if fact.subject == subject and fact.valid_from <= day <= fact.valid_to:
            return fact
    raise CalendarUnknown(
        f"no {kind} is known{f' for {subject}' if subject else ''} on {day}: take it from the day's instrument master, "
        "or add it with its source to market/data/lots.toml"
    )


@cache
def _contents() -> tuple[dict[str, tuple[Fact, ...]], frozenset[str]]:
    with (DATA / "lots.toml").open("rb") as file:
        text = tomllib.load(file)
    readers = {"lot": _lot, "expiry": _weekday, "tick": _bands}
    facts = {kind: _facts(kind, text[kind], read) for kind, read in readers.items()}
    return facts, frozenset(text["index_underlyings"])


def _facts(kind: str, rows: Iterable[dict[str, Any]], read: Any) -> tuple[Fact, ...]:
    facts = sorted(
        (
            Fact(
                row.get("underlying", ""),
                row["valid_from"],
                row.get("valid_to", FOREVER),
                read(row),
                row["source"],
                row["verified"],
            )
            for row in rows
        ),
        key=lambda fact: (fact.subject, fact.valid_from),
    )
    for fact, following in pairwise(facts):
        if fact.subject == following.subject and fact.valid_to >= following.valid_from:
            raise Broken(f"lots.toml: two {kind} rows of {fact.subject} hold on {following.valid_from}")
    return tuple(facts)


def _lot(row: dict[str, Any]) -> int:
    return int(row["size"])


def _weekday(row: dict[str, Any]) -> int:
    return _WEEKDAYS.index(row["weekday"])


def _bands(row: dict[str, Any]) -> tuple[TickBand, ...]:
    return tuple(_band(band) for band in row["bands"])


def _band(band: dict[str, str]) -> TickBand:
    limit = band.get("below", band.get("up_to"))
    return TickBand(None if limit is None else Decimal(limit), "up_to" in band, Decimal(band["tick"]))
