"""What the replay says the rest of the market did, as columns for many instruments.

Owns the layout and the way from rupees to integers. Knows nothing of orders.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from niftyflow.model import InvalidValue

Ints = NDArray[np.int64]
E4 = 10_000
NOT_TOLD = -1
"""Quantity of a level whose source tells the price alone."""


class Quote(NamedTuple):
    """One row: levels are best first; a price of 0 is no level, a quantity of -1 is not told."""

    instrument: str
    time: int
    ltp: int
    day_volume: int
    bid_prices: list[int]
    bid_quantities: list[int]
    ask_prices: list[int]
    ask_quantities: list[int]


@dataclass(frozen=True, slots=True)
class Quotes:
    """Rows in the order in which they happened. Prices in 1/10,000 rupee; level columns are (rows, levels).

    `time` is ms UTC, never falling; without it every row stands at the time of the call that brings them.
    """

    instruments: Sequence[str]
    ltp: Ints
    day_volume: Ints
    bid_prices: Ints
    bid_quantities: Ints
    ask_prices: Ints
    ask_quantities: Ints
    time: Ints | None = None

    def __post_init__(self) -> None:
        rows = len(self.instruments)
        for name in ("ltp", "day_volume", "bid_prices", "bid_quantities", "ask_prices", "ask_quantities"):
            if len(getattr(self, name)) != rows:
                raise InvalidValue(name, len(getattr(self, name)), f"every column has the same length, here {rows}")

    def __len__(self) -> int:
        return len(self.instruments)

    @classmethod
    def of_rupees(
        cls,
        instruments: Sequence[str],
        ltp: Any,
        day_volume: Any,
        bid_prices: Any,
        ask_prices: Any,
        bid_quantities: Any = None,
        ask_quantities: Any = None,
        time: Any = None,
    ) -> Quotes:
        """Build rows from rupees; level columns may be one- or two-dimensional, quantities may be left out.

        Raises:
            InvalidValue: columns differ in length.
        """
        bids, asks = _levels(_to_e4(bid_prices)), _levels(_to_e4(ask_prices))
        return cls(
            instruments,
            _to_e4(ltp),
            np.asarray(day_volume, dtype=np.int64),
            bids,
            np.full_like(bids, NOT_TOLD) if bid_quantities is None else _levels(bid_quantities),
            asks,
            np.full_like(asks, NOT_TOLD) if ask_quantities is None else _levels(ask_quantities),
            None if time is None else np.asarray(time, dtype=np.int64),
        )

    @classmethod
    def of_rows(cls, rows: Sequence[Quote]) -> Quotes:
        """Build columns from rows that all have as many levels."""
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(Quote._fields)
        of = dict(zip(Quote._fields, columns, strict=True))
        shaped = {
            name: np.asarray(of[name], dtype=np.int64).reshape(len(rows), -1 if rows else 0)
            for name in ("bid_prices", "bid_quantities", "ask_prices", "ask_quantities")
        }
        plain = {name: np.asarray(of[name], dtype=np.int64) for name in ("time", "ltp", "day_volume")}
        return cls(instruments=list(of["instrument"]), **plain, **shaped)

    def rows(self, at: int) -> Iterator[Quote]:
        """Yield the rows as plain numbers; `at` is the time of those without one."""
        times = [at] * len(self) if self.time is None else self.time.tolist()
        columns = (self.ltp, self.day_volume, self.bid_prices, self.bid_quantities, self.ask_prices,
                   self.ask_quantities)  # fmt: skip
        return map(Quote, self.instruments, times, *(column.tolist() for column in columns))


def _to_e4(rupees: Any) -> Ints:
    return np.rint(np.asarray(rupees, dtype=np.float64) * E4).astype(np.int64)


def _levels(column: Any) -> Ints:
    values = np.asarray(column, dtype=np.int64)
    return values.reshape(-1, 1) if values.ndim == 1 else values
