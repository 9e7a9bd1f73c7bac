"""What one account has: positions of the day and carried ones, holdings, and the money its trades moved.

Pure sums over trades, in units of 1/10,000 rupee. It knows no orders, no clock and no market but the prices it is told.
Settlement is simplified: shares bought for delivery are holdings the next session, and so is the money of a sale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from niftyflow.brokers.simulator.accounts import Account, units
from niftyflow.brokers.simulator.kite_errors import input_error
from niftyflow.model import Product, Side

PositionKey = tuple[str, Product]
"""An instrument's key, and how it is held."""
PriceOf = Callable[[str], int]
"""The last price of an instrument's key, in units; 0 where there is none."""


@dataclass(slots=True)
class Position:
    """One instrument held one way: what was carried into the day, and the day's purchases and sales.

    Quantities in shares, values in units; `carried_value` is what the carried quantity was marked at.
    """

    key: str
    product: Product
    carried: int = 0
    carried_value: int = 0
    bought: int = 0
    bought_value: int = 0
    sold: int = 0
    sold_value: int = 0
    converted: int = 0

    @property
    def quantity(self) -> int:
        """Shares held now; below zero is sold short."""
        return self.carried + self.bought - self.sold

    @property
    def buy_quantity(self) -> int:
        """Shares bought, those carried in included."""
        return self.bought + max(0, self.carried)

    @property
    def sell_quantity(self) -> int:
        """Shares sold, those carried in short included."""
        return self.sold + max(0, -self.carried)

    @property
    def buy_value(self) -> int:
        """What was paid, with what the carried shares are worth in the books."""
        return self.bought_value + max(0, self.carried_value)

    @property
    def sell_value(self) -> int:
        """What was received, likewise."""
        return self.sold_value + max(0, -self.carried_value)

    @property
    def average(self) -> float:
        """Average price of what is open, units: of the purchases when long, of the sales when short; 0 when flat."""
        if self.quantity > 0:
            return self.buy_value / self.buy_quantity
        return self.sell_value / self.sell_quantity if self.quantity < 0 else 0.0

    @property
    def realised(self) -> int:
        """Profit of what was bought and sold again, units."""
        closed = min(self.buy_quantity, self.sell_quantity)
        if not closed:
            return 0
        return round(closed * self.sell_value / self.sell_quantity - closed * self.buy_value / self.buy_quantity)

    def profit(self, price: int) -> int:
        """Return realised and unrealised profit at a price, units."""
        return self.sell_value - self.buy_value + self.quantity * price


@dataclass(slots=True)
class HeldShares:
    """Shares in the account before today. `used` were sold today; `unsettled` were bought the session before."""

    key: str
    quantity: int
    value: int
    used: int = 0
    unsettled: int = 0


@dataclass(slots=True)
class Ledger:
    """An account's positions, holdings and money."""

    account: Account
    opening_cash: int = 0
    positions: dict[PositionKey, Position] = field(default_factory=dict)
    holdings: dict[str, HeldShares] = field(default_factory=dict)

    @classmethod
    def open(cls, account: Account) -> Ledger:
        """Return the account as it stands before the first session."""
        held = {
            str(each.key): HeldShares(str(each.key), each.quantity, each.quantity * units(each.average))
            for each in account.holdings
        }
        return cls(account, units(account.cash), {}, held)

    def trade(self, key: str, product: Product, side: Side, quantity: int, price: int) -> None:
        """Book a trade; a delivery sale uses up holdings, and what is bought back on the same day frees them."""
        position = self._position(key, product)
        if side is Side.BUY:
            position.bought += quantity
            position.bought_value += quantity * price
        else:
            position.sold += quantity
            position.sold_value += quantity * price
        self._use_holdings(position)

    def deliverable(self, key: str) -> int:
        """Return how many shares a delivery sale may sell: those held, and those bought for delivery today."""
        held = self.holdings.get(key)
        position = self.positions.get((key, Product.CNC))
        return (held.quantity if held else 0) + (position.quantity if position else 0)

    def convert(self, key: str, side: Side, quantity: int, old: Product, new: Product) -> None:
        """Move an open quantity from one product to another, at its average price.

        Raises:
            KiteError: there is no such open quantity.
        """
        position = self.positions.get((key, old))
        open_quantity = 0 if position is None else position.quantity * side.sign
        if position is None or quantity <= 0 or open_quantity < quantity:
            raise input_error("No open position to convert" if open_quantity <= 0 else "Quantity exceeds the position")
        if old is new:
            raise input_error("Invalid `new_product`.")
        value = round(quantity * position.average)
        other = self._position(key, new)
        if side is Side.BUY:
            position.bought -= quantity
            position.bought_value -= value
            other.bought += quantity
            other.bought_value += value
        else:
            position.sold -= quantity
            position.sold_value -= value
            other.sold += quantity
            other.sold_value += value
        self._use_holdings(position)
        self._use_holdings(other)

    def open_positions(self) -> Iterator[Position]:
        """Yield the positions with a quantity."""
        return (each for each in self.positions.values() if each.quantity)

    def cash_moved(self) -> int:
        """Return what deliveries took out of the account today, units: purchases less sales, instrument by instrument.

        Never below zero for one instrument, because the money of a sale comes with the next session.
        """
        return sum(
            max(0, each.bought_value - each.sold_value)
            for each in self.positions.values()
            if each.product is Product.CNC
        )

    def profit(self, price_of: PriceOf) -> tuple[int, int]:
        """Return realised and unrealised profit of everything but deliveries, units."""
        realised = unrealised = 0
        for each in self.positions.values():
            if each.product is not Product.CNC:
                gained = each.realised
                realised += gained
                unrealised += each.profit(price_of(each.key)) - gained
        return realised, unrealised

    def next_day(self, price_of: PriceOf) -> None:
        """Go over to the next session: deliveries become holdings, the rest is marked at its last price and carried.

        What is still held intraday is carried too, at its last price: squaring it off is the exchange's task.
        """
        cash = self.opening_cash
        for held in list(self.holdings.values()):
            held.unsettled = 0
            sold, average = held.used, held.value / held.quantity
            held.quantity, held.used = held.quantity - sold, 0
            held.value -= round(sold * average)
            if not held.quantity:
                del self.holdings[held.key]
        carried: dict[PositionKey, Position] = {}
        for key, each in self.positions.items():
            if each.product is Product.CNC:
                cash += each.sold_value - each.bought_value
                self._deliver(each)
            else:
                price = price_of(each.key)
                cash += each.profit(price)
                if each.quantity:
                    carried[key] = Position(each.key, each.product, each.quantity, each.quantity * price)
        self.positions, self.opening_cash = carried, cash

    def _deliver(self, position: Position) -> None:
        if position.quantity <= 0:
            return
        held = self.holdings.setdefault(position.key, HeldShares(position.key, 0, 0))
        held.quantity += position.quantity
        held.value += round(position.quantity * position.average)
        held.unsettled = position.quantity

    def _use_holdings(self, position: Position) -> None:
        held = self.holdings.get(position.key)
        if position.product is Product.CNC and held is not None:
            held.used = min(held.quantity, max(0, -position.quantity))

    def _position(self, key: str, product: Product) -> Position:
        return self.positions.setdefault((key, product), Position(key, product))
