"""One side of the replayed book: what the rest of the market shows, less what our own orders took of it.

Owns the rule of what is still there after we traded: a level gives again only what the replay adds to it. Keys order
prices best first: the price itself for asks, minus the price for bids.
"""

from __future__ import annotations

from itertools import pairwise

from niftyflow.brokers.matching.quotes import NOT_TOLD


class MarketSide:
    """Levels best first, then levels beyond the last one at every tick.

    The replay knows nothing of our trades. So a level that we took from has, at the next row, what was left plus what
    its quantity grew, and never more than is shown; a level that was gone starts anew. Where the source tells no
    quantities, every row shows the synthetic depth anew.
    """

    __slots__ = ("_beyond_percent", "_levels_beyond", "keys", "quantities", "taken", "tick")

    def __init__(self, beyond_percent: int, levels_beyond: int) -> None:
        self.tick = 1
        self._beyond_percent = beyond_percent
        self._levels_beyond = levels_beyond
        self.keys: list[int] = []
        self.quantities: list[int] = []
        self.taken: dict[int, int] = {}

    def is_beyond(self, key: int) -> bool:
        """Whether a price lies beyond the last level shown, where nobody knows what stands."""
        return bool(self.keys) and key > self.keys[-1]

    def shown(self, key: int) -> int:
        """Return the quantity at a price before anything we took; beyond the last level a share of that level."""
        if not self.keys:
            return 0
        last = self.keys[-1]
        if key > last:
            steps, off_tick = divmod(key - last, self.tick)
            is_there = not off_tick and steps <= self._levels_beyond and key * last > 0
            return self.quantities[-1] * self._beyond_percent // 100 if is_there else 0
        for place, one in enumerate(self.keys):
            if one == key:
                return self.quantities[place]
        return 0

    def available(self, key: int) -> int:
        """Return what is left at a price."""
        return self.shown(key) - self.taken.get(key, 0) if self.taken else self.shown(key)

    def ahead_of_new(self, key: int) -> int:
        """Return the quantity that an order joining at a price stands behind.

        At a level it is what is left there, at a better or an empty price nothing; beyond the levels shown, the
        quantity of the last one is taken for what nobody can see.
        """
        return self.quantities[-1] if self.is_beyond(key) else self.available(key)

    def best(self, limit: int) -> int | None:
        """Return the best price with anything left that is no worse than `limit`, or None."""
        for key, quantity in zip(self.keys, self.quantities, strict=True):
            if key > limit:
                return None
            if quantity > self.taken.get(key, 0):
                return key
        if not self.keys or not self._beyond_percent:
            return None
        key, tick = self.keys[-1], self.tick
        for _ in range(self._levels_beyond):
            key += tick
            if key > limit or key * self.keys[-1] <= 0:
                return None
            if self.available(key) > 0:
                return key
        return None

    def take(self, key: int, quantity: int) -> None:
        """Take some of what is left at a price."""
        self.taken[key] = self.taken.get(key, 0) + quantity

    def replace(self, keys: list[int], quantities: list[int], *, is_told: bool) -> None:
        """Show new levels, and carry over what we took by the rule of the class."""
        if not self.taken:
            self.keys, self.quantities = keys, quantities
            return
        before = [(key, self.shown(key), taken) for key, taken in self.taken.items()]
        self.keys, self.quantities, self.taken = keys, quantities, {}
        if not is_told:
            return
        for key, old, taken in before:
            new = self.shown(key)
            left = min(new, old - taken + max(0, new - old))
            if new > left:
                self.taken[key] = new - left


def levels_of(
    prices: list[int], quantities: list[int], sign: int, synthetic: int, lot: int
) -> tuple[list[int], list[int], bool]:
    """Return keys, quantities and whether the source told them; levels without a price or quantity are left out.

    `synthetic` is the value of a level in 1/10,000 rupee where no quantity is told: as many whole lots as it buys.
    """
    keys: list[int] = []
    shown: list[int] = []
    is_told = True
    for price, quantity in zip(prices, quantities, strict=True):
        if price <= 0 or quantity == 0:
            continue
        if quantity == NOT_TOLD:
            is_told = False
            shown.append(max(synthetic // (price * lot), 1) * lot)
        else:
            shown.append(quantity)
        keys.append(sign * price)
    if any(one >= other for one, other in pairwise(keys)):
        return *_in_order(keys, shown), is_told
    return keys, shown, is_told


def _in_order(keys: list[int], quantities: list[int]) -> tuple[list[int], list[int]]:
    """Sort levels that a source gives out of order, and join those of one price."""
    joined: dict[int, int] = {}
    for key, quantity in sorted(zip(keys, quantities, strict=True)):
        joined[key] = joined.get(key, 0) + quantity
    return list(joined), list(joined.values())
