"""The call auction: one price at which most can be traded, and who trades at it.

Pure functions on orders and levels. Market orders count at every price. The order of eligibility follows the exchange:
in the pre-open limit orders before market orders, in the closing auction market orders first (SEBI, 2026-01-16).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from niftyflow.brokers.matching.working import AT_ANY_PRICE, Working


class Interest(NamedTuple):
    """Quantity of one side: an order of ours, or a level of the market (`own` is None); keys as in `Working`."""

    key: int
    quantity: int
    own: Working | None = None


class Match(NamedTuple):
    """Quantity that changes hands at the auction's price; None is the market."""

    buyer: Working | None
    seller: Working | None
    quantity: int


def equilibrium(buys: Sequence[Interest], sells: Sequence[Interest], reference: int) -> int:
    """Return the auction's price in 1/10,000 rupee, or 0 when nothing can be traded.

    The price with the most executable quantity; among those the one with the least left over, then the one nearest to
    `reference` (the previous close, or the closing auction's reference price), then the lower. Where market orders
    alone meet, the reference is the price.
    """
    prices = {abs(one.key) for one in (*buys, *sells) if one.key != AT_ANY_PRICE}
    if reference > 0:
        prices.add(reference)
    best: tuple[int, int, int, int] | None = None
    for price in sorted(prices):
        bought = sum(one.quantity for one in buys if one.key <= -price)
        sold = sum(one.quantity for one in sells if one.key <= price)
        rank = (-min(bought, sold), abs(bought - sold), abs(price - reference), price)
        if min(bought, sold) and (best is None or rank < best):
            best = rank
    return best[3] if best is not None else 0


def allocate(buys: Sequence[Interest], sells: Sequence[Interest], price: int, *, market_first: bool) -> list[Match]:
    """Return who trades at the price, in order of priority; what only the market trades with itself is left out."""
    buyers = _eligible(buys, -price, market_first=market_first)
    sellers = _eligible(sells, price, market_first=market_first)
    found: list[Match] = []
    left_to_buy, left_to_sell = [one.quantity for one in buyers], [one.quantity for one in sellers]
    i = j = 0
    while i < len(buyers) and j < len(sellers):
        quantity = min(left_to_buy[i], left_to_sell[j])
        if quantity and (buyers[i].own is not None or sellers[j].own is not None):
            found.append(Match(buyers[i].own, sellers[j].own, quantity))
        left_to_buy[i] -= quantity
        left_to_sell[j] -= quantity
        if not left_to_buy[i]:
            i += 1
        if not left_to_sell[j]:
            j += 1
    return found


def _eligible(side: Sequence[Interest], limit: int, *, market_first: bool) -> list[Interest]:
    """Return those who would trade at the price: by price, then the market's level before ours, then by time.

    When our orders came among the market's is not known; they stand behind the quantity shown.
    """

    def priority(one: Interest) -> tuple[bool, int, int]:
        is_last = one.key == AT_ANY_PRICE and not market_first
        return is_last, one.key, -1 if one.own is None else one.own.number

    return sorted((one for one in side if one.key <= limit), key=priority)
