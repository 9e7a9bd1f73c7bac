"""The call auction's price, and who trades at it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from niftyflow.brokers.matching.auction import Interest, allocate, equilibrium
from niftyflow.brokers.matching.working import AT_ANY_PRICE

levels = st.lists(st.tuples(st.integers(95, 105), st.integers(1, 50)), max_size=6)


def buys(*of: tuple[int, int]) -> list[Interest]:
    """Return interest to buy as (price, quantity)."""
    return [Interest(-price, quantity) for price, quantity in of]


def sells(*of: tuple[int, int]) -> list[Interest]:
    """Return interest to sell as (price, quantity)."""
    return [Interest(price, quantity) for price, quantity in of]


def test_the_price_is_the_one_at_which_most_can_be_traded():
    """At 101 ten meet, at 100 thirty, at 99 twenty."""
    assert equilibrium(buys((101, 10), (100, 20), (99, 20)), sells((99, 20), (100, 10), (101, 50)), 99) == 100


def test_of_prices_that_trade_as_much_the_one_with_the_least_left_over():
    """Ten trade at 100 and at 102; at 102 nothing is left over, though 100 is the reference."""
    assert equilibrium(buys((102, 10), (100, 30)), sells((100, 10)), 100) == 102


def test_of_those_the_one_nearest_to_the_reference_and_then_the_lower():
    """From 98 to 102 ten trade with nothing left."""
    assert equilibrium(buys((102, 10)), sells((98, 10)), 100) == 100
    assert equilibrium(buys((102, 10)), sells((98, 10)), 120) == 102
    assert equilibrium(buys((102, 10)), sells((98, 10)), 0) == 98


def test_market_orders_alone_meet_at_the_reference_and_nobody_meets_nobody():
    """Without any price and without a reference there is no auction."""
    market = [Interest(AT_ANY_PRICE, 10)]
    assert equilibrium(market, market, 100) == 100
    assert equilibrium(market, market, 0) == 0
    assert equilibrium(buys((99, 10)), sells((101, 10)), 100) == 0
    assert equilibrium(buys((99, 10)), [], 100) == 0


@given(levels, levels, st.integers(90, 110))
def test_no_other_price_trades_more(bids: list[tuple[int, int]], asks: list[tuple[int, int]], reference: int):
    """Every price in reach is tried by hand."""

    def executable(price: int) -> int:
        bought = sum(quantity for limit, quantity in bids if limit >= price)
        return min(bought, sum(quantity for limit, quantity in asks if limit <= price))

    price = equilibrium(buys(*bids), sells(*asks), reference)
    most = max(executable(each) for each in range(90, 111))
    assert (executable(price) if price else 0) == most


def test_what_the_market_trades_with_itself_is_not_told():
    """Only our orders' trades are of interest."""
    assert allocate(buys((100, 10)), sells((100, 10)), 100, market_first=False) == []
