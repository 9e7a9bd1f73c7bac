"""Positions: what fills add up to, in integers of 1/10,000 rupee, by average cost and first in, first out beside it.

Cash paid and received, plus the cost of what is open, less what was realised, is zero after every fill, to the last
1/10,000 rupee: a reduction rounds the cost it takes out, the rest stays. It never asks for a price, a clock or a store.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec

from niftyflow.model import InstrumentKey, InvalidValue, PositionChange, Product, Side, from_e4


class Lot(NamedTuple):
    """Units bought (or, below zero, sold) at one price and still open; `price` in 1/10,000 rupee."""

    quantity: int
    price: int


PositionKey = tuple[str, InstrumentKey, Product]
"""(strategy, instrument, product)."""


class Position(msgspec.Struct, kw_only=True):
    """One strategy's holding of an instrument in a product; amounts in 1/10,000 rupee, a short quantity is below zero.

    `cost` is the average cost of the open quantity, of its sign; `cash` is all that fills brought less all they took;
    `charges` is their total, counted apart from both. The `bought_` and `sold_` totals begin again with `start_day`.
    """

    strategy: str
    instrument: InstrumentKey
    product: Product
    net_quantity: int = 0
    cost: int = 0
    cash: int = 0
    realised: int = 0
    lots: list[Lot] = []
    realised_fifo: int = 0
    charges: int = 0
    bought_quantity: int = 0
    bought_value: int = 0
    sold_quantity: int = 0
    sold_value: int = 0
    last_change: PositionChange | None = None

    @property
    def key(self) -> PositionKey:
        """What the position is of."""
        return self.strategy, self.instrument, self.product

    @property
    def average_price(self) -> Decimal:
        """Average cost of a unit in rupees, rounded half to even to four decimals; 0 when flat."""
        return from_e4(_share(self.cost, 1, self.net_quantity) if self.net_quantity else 0)

    @property
    def imbalance(self) -> int:
        """Return what the books are out by: cash plus cost less realised, by both methods; always 0."""
        by_lots = sum(lot.quantity * lot.price for lot in self.lots)
        return abs(self.cash + self.cost - self.realised) + abs(self.cash + by_lots - self.realised_fifo)

    def unrealised(self, price_e4: int) -> int:
        """Return the profit of the open quantity at a price, by average cost, before charges."""
        return self.net_quantity * price_e4 - self.cost

    def unrealised_fifo(self, price_e4: int) -> int:
        """Return the profit of the open lots at a price, before charges."""
        return sum(lot.quantity * (price_e4 - lot.price) for lot in self.lots)

    def start_day(self) -> None:
        """Begin the day's totals of bought and sold again; everything else goes on."""
        self.bought_quantity = self.bought_value = self.sold_quantity = self.sold_value = 0

    def apply(self, side: Side, quantity: int, price_e4: int, charges_e4: int) -> PositionChange:
        """Take a fill in, and return what it did; a flip closes what is open, then opens the rest.

        Raises:
            InvalidValue: quantity or price is not above zero, or charges are below zero; nothing was changed.
        """
        _check(quantity, price_e4, charges_e4)
        value = quantity * price_e4
        if side is Side.BUY:
            self.bought_quantity += quantity
            self.bought_value += value
            self.cash -= value
        else:
            self.sold_quantity += quantity
            self.sold_value += value
            self.cash += value
        self.charges += charges_e4
        self.last_change = self._trade(quantity if side is Side.BUY else -quantity, price_e4)
        return self.last_change

    def _trade(self, signed: int, price: int) -> PositionChange:
        before = self.net_quantity
        if before == 0 or (before > 0) == (signed > 0):
            self._open(signed, price)
            return PositionChange.INCREASED if before else PositionChange.OPENED
        if abs(signed) < abs(before):
            self._close(-signed, price)
            return PositionChange.REDUCED
        self._close(before, price)
        rest = before + signed
        if not rest:
            return PositionChange.CLOSED
        self._open(rest, price)
        return PositionChange.FLIPPED

    def _open(self, signed: int, price: int) -> None:
        self.net_quantity += signed
        self.cost += signed * price
        if self.lots and self.lots[-1].price == price:
            self.lots[-1] = Lot(self.lots[-1].quantity + signed, price)
        else:
            self.lots.append(Lot(signed, price))

    def _close(self, signed: int, price: int) -> None:
        """Take `signed` units, of the sign of the open quantity, out of it."""
        removed = _share(self.cost, signed, self.net_quantity)
        self.realised += signed * price - removed
        self.cost -= removed
        self.net_quantity -= signed
        while signed:
            first = self.lots[0]
            taken = first.quantity if abs(first.quantity) <= abs(signed) else signed
            self.realised_fifo += taken * (price - first.price)
            signed -= taken
            if taken == first.quantity:
                del self.lots[0]
            else:
                self.lots[0] = Lot(first.quantity - taken, first.price)


def _check(quantity: int, price_e4: int, charges_e4: int) -> None:
    if quantity <= 0:
        raise InvalidValue("quantity", quantity, "a fill has a quantity above zero")
    if price_e4 <= 0:
        raise InvalidValue("price_e4", price_e4, "a fill has a price above zero")
    if charges_e4 < 0:
        raise InvalidValue("charges_e4", charges_e4, "charges are zero or more")


def _share(amount: int, part: int, whole: int) -> int:
    """Return amount * part / whole rounded half to even, the same for a long position and its mirror."""
    product = amount * part * (1 if whole > 0 else -1)
    quotient, rest = divmod(abs(product), abs(whole))
    twice = 2 * rest
    if twice > abs(whole) or (twice == abs(whole) and quotient % 2):
        quotient += 1
    return quotient if product >= 0 else -quotient
