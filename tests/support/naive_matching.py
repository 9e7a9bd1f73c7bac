"""A slow book to check the real one against: plain lists in plain prices, everything looked through every time.

Written from the rules in words, not from the code: best price first, the market in front of our orders as far as it was
there before them. It knows limit orders, IOC, disclosed quantities and rows; prices in ticks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Flag = bool
"""Which side, plainly."""


@dataclass
class Stand:
    """An order in the book."""

    name: str
    is_buy: bool
    price: int
    left: int
    peak: int
    shown: int = 0
    ahead: int = 0


@dataclass
class Naive:
    """The market's levels as {price: quantity}, what we took of them, and our orders in time order."""

    beyond_percent: int = 0
    levels_beyond: int = 0
    levels: dict[bool, dict[int, int]] = field(default_factory=lambda: {True: {}, False: {}})
    taken: dict[bool, dict[int, int]] = field(default_factory=lambda: {True: {}, False: {}})
    orders: list[Stand] = field(default_factory=list)
    trades: list[tuple[str, int, int]] = field(default_factory=list)
    volume: int = -1

    def worst(self, is_bid: Flag) -> int | None:
        levels = self.levels[is_bid]
        return None if not levels else min(levels) if is_bid else max(levels)

    def is_beyond(self, is_bid: Flag, price: int) -> bool:
        worst = self.worst(is_bid)
        return worst is not None and (price < worst if is_bid else price > worst)

    def quantity(self, is_bid: Flag, price: int) -> int:
        if not self.is_beyond(is_bid, price):
            return self.levels[is_bid].get(price, 0)
        worst = self.worst(is_bid)
        if abs(price - worst) > self.levels_beyond or price <= 0:
            return 0
        return self.levels[is_bid][worst] * self.beyond_percent // 100

    def left(self, is_bid: Flag, price: int) -> int:
        return self.quantity(is_bid, price) - self.taken[is_bid].get(price, 0)

    def prices(self, is_bid: Flag) -> list[int]:
        """Return every price at which the market has anything left, best first."""
        worst = self.worst(is_bid)
        if worst is None:
            return []
        step = -1 if is_bid else 1
        known = [*self.levels[is_bid], *(worst + step * far for far in range(1, self.levels_beyond + 1))]
        return [price for price in sorted(known, reverse=is_bid) if self.left(is_bid, price) > 0]

    def ahead_of_new(self, is_bid: Flag, price: int) -> int:
        if self.is_beyond(is_bid, price):
            return self.levels[is_bid][self.worst(is_bid)]
        return self.left(is_bid, price)

    def best(self, is_buy: Flag) -> Stand | None:
        """Return our order whose turn is next: by price, and in the list's order, which is time."""
        mine = [order for order in self.orders if order.is_buy is is_buy]
        return min(mine, key=lambda order: -order.price if is_buy else order.price, default=None)

    def place(self, name: str, is_buy: Flag, price: int, quantity: int, peak: int, is_ioc: Flag) -> None:
        left = quantity
        while left:
            maker = self.best(not is_buy)
            offers = self.prices(not is_buy)
            candidates = [*(offers[:1]), *([maker.price] if maker else [])]
            reached = [each for each in candidates if (each <= price if is_buy else each >= price)]
            if not reached:
                break
            at = min(reached) if is_buy else max(reached)
            turn = maker if maker and maker.price == at else None
            offered = self.left(not is_buy, at)
            quantity = min(left, offered, turn.ahead) if turn else min(left, offered)
            if quantity:
                self.taken[not is_buy][at] = self.taken[not is_buy].get(at, 0) + quantity
                self.trades.append((name, quantity, at))
                self.pass_by(not is_buy, at, quantity)
                left -= quantity
            elif turn:
                quantity = min(left, turn.shown)
                self.trades.append((name, quantity, at))
                left -= quantity
                self.fill(turn, quantity, at)
        if left and not is_ioc:
            ahead = self.ahead_of_new(is_buy, price)
            self.orders.append(Stand(name, is_buy, price, left, peak, min(peak, left), ahead))

    def fill(self, order: Stand, quantity: int, price: int) -> None:
        self.trades.append((order.name, quantity, price))
        order.left -= quantity
        order.shown -= quantity
        if not order.left:
            self.orders.remove(order)
        elif not order.shown:
            self.orders.remove(order)
            self.orders.append(order)
            order.shown = min(order.peak, order.left)
            order.ahead = self.ahead_of_new(order.is_buy, order.price)

    def pass_by(self, is_bid: Flag, price: int, quantity: int) -> None:
        for order in self.orders:
            if order.is_buy is is_bid and order.price == price:
                order.ahead = max(0, order.ahead - quantity)

    def cancel(self, name: str) -> None:
        self.orders = [order for order in self.orders if order.name != name]

    def row(self, ltp: int, volume: int, bids: dict[int, int], asks: dict[int, int]) -> None:
        traded = max(0, volume - self.volume) if self.volume >= 0 else 0
        self.volume = max(self.volume, volume)
        printed = self.print_trades(ltp, traded)
        for is_bid, levels in ((True, bids), (False, asks)):
            self.show(is_bid, levels, printed if is_bid in printed else {})
        for is_buy in (True, False):
            while (order := self.best(is_buy)) is not None:
                offers = self.prices(not is_buy)
                if not offers or (offers[0] > order.price if is_buy else offers[0] < order.price):
                    break
                quantity = min(order.shown, self.left(not is_buy, offers[0]))
                self.taken[not is_buy][offers[0]] = self.taken[not is_buy].get(offers[0], 0) + quantity
                self.fill(order, quantity, order.price)

    def print_trades(self, ltp: int, traded: int) -> dict[bool, int]:
        """Fill who was in the way; return what passed in front of our orders at the last price, by side."""
        printed = {True: 0, False: 0}
        for is_buy in (True, False):
            while traded and (order := self.best(is_buy)) is not None:
                if order.price < ltp if is_buy else order.price > ltp:
                    break
                if order.price == ltp:
                    passing = min(traded, order.ahead)
                    traded -= passing
                    printed[is_buy] += passing
                    self.pass_by(is_buy, ltp, passing)
                quantity = min(traded, order.shown)
                if quantity:
                    traded -= quantity
                    self.fill(order, quantity, order.price)
        return {side: quantity for side, quantity in printed.items() if quantity} | {"at": ltp}

    def show(self, is_bid: Flag, levels: dict[int, int], printed: dict) -> None:
        mine = {order.price for order in self.orders if order.is_buy is is_bid}
        before = {price: 0 if self.is_beyond(is_bid, price) else self.quantity(is_bid, price) for price in mine}
        taken = {price: (self.quantity(is_bid, price), gone) for price, gone in self.taken[is_bid].items()}
        self.levels[is_bid] = dict(levels)
        self.taken[is_bid] = {}
        for price, (old, gone) in taken.items():
            new = self.quantity(is_bid, price)
            left = min(new, (old - gone) + max(0, new - old))
            if left < new:
                self.taken[is_bid][price] = new - left
        for order in self.orders:
            if order.is_buy is not is_bid or self.is_beyond(is_bid, order.price):
                continue
            was = before[order.price] - (printed.get(is_bid, 0) if printed.get("at") == order.price else 0)
            was, now = max(was, 0), self.quantity(is_bid, order.price)
            if was > now:
                order.ahead -= order.ahead * (was - now) // was
            order.ahead = min(order.ahead, now)
