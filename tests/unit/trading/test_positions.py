"""Positions, each change by hand, and every sequence of fills by property."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.model import InstrumentKey, InvalidValue, PositionChange, Product, Side
from niftyflow.trading.positions import Lot, Position

BUY, SELL = Side.BUY, Side.SELL
MIRROR = {BUY: SELL, SELL: BUY}


@dataclass(frozen=True)
class Fill:
    """What `apply` takes."""

    side: Side
    quantity: int
    price: int
    charges: int


FILLS = st.lists(
    st.builds(
        Fill,
        st.sampled_from(Side),
        st.integers(1, 40) | st.integers(1, 100_000),
        st.integers(1, 50) | st.integers(1, 1_000_000_000),
        st.integers(0, 1_000_000),
    ),
    max_size=40,
)


def flat() -> Position:
    """Return a position nothing has happened to."""
    return Position(strategy="ema_cross", instrument=InstrumentKey("NSE:INFY"), product=Product.MIS)


def after(fills: list[Fill]) -> Position:
    """Return the position that fills make."""
    position = flat()
    for fill in fills:
        position.apply(fill.side, fill.quantity, fill.price, fill.charges)
    return position


def test_a_new_position_is_flat():
    """Nothing held, nothing owed, no average, no last change."""
    position = flat()
    assert (position.net_quantity, position.average_price, position.last_change) == (0, Decimal(0), None)
    assert position.unrealised(5_000_000) == position.unrealised_fifo(5_000_000) == position.imbalance == 0


def test_each_fill_says_what_it_did():
    """Opened, increased, reduced, flipped and closed, for a long position and its mirror."""
    for buy, sell in ((BUY, SELL), (SELL, BUY)):
        position = flat()
        changes = [
            position.apply(side, quantity, 1_000_000, 0)
            for side, quantity in ((buy, 10), (buy, 5), (sell, 4), (sell, 20), (buy, 9), (sell, 1), (buy, 1))
        ]
        assert changes == [
            PositionChange.OPENED,
            PositionChange.INCREASED,
            PositionChange.REDUCED,
            PositionChange.FLIPPED,
            PositionChange.CLOSED,
            PositionChange.OPENED,
            PositionChange.CLOSED,
        ]
        assert position.last_change is PositionChange.CLOSED


def test_average_and_first_in_first_out_differ_while_open_and_agree_when_flat():
    """100 at 500 and 100 at 510, half sold at 520: 1,500 by average, 2,000 by lots; then all sold at 515: 2,500."""
    position = flat()
    position.apply(BUY, 100, 5_000_000, 0)
    position.apply(BUY, 100, 5_100_000, 0)
    assert position.average_price == Decimal("505.0000")
    position.apply(SELL, 100, 5_200_000, 0)
    assert (position.realised, position.realised_fifo) == (1500_0000, 2000_0000)
    assert position.lots == [Lot(100, 5_100_000)]
    assert (position.unrealised(5_150_000), position.unrealised_fifo(5_150_000)) == (1000_0000, 500_0000)
    position.apply(SELL, 100, 5_150_000, 0)
    assert position.realised == position.realised_fifo == 2500_0000
    assert (position.cost, position.lots, position.average_price) == (0, [], Decimal(0))


def test_a_flip_closes_and_opens_the_rest_at_its_own_price():
    """10 bought at 100, 25 sold at 90: 100 rupees lost, 15 short at 90."""
    position = flat()
    position.apply(BUY, 10, 1_000_000, 0)
    assert position.apply(SELL, 25, 900_000, 0) is PositionChange.FLIPPED
    assert (position.net_quantity, position.realised, position.realised_fifo) == (-15, -1_000_000, -1_000_000)
    assert (position.average_price, position.lots) == (Decimal("90.0000"), [Lot(-15, 900_000)])
    assert position.unrealised(800_000) == 15 * 100_000


def test_the_cost_taken_out_is_rounded_half_to_even_and_the_rest_stays():
    """Three units cost 10: one takes out 3, the next half of 7, which is 4 by evenness, the last what is left."""
    position = flat()
    position.apply(BUY, 2, 3, 0)
    position.apply(BUY, 1, 4, 0)
    taken = []
    for _ in range(3):
        before = position.cost
        position.apply(SELL, 1, 5, 0)
        taken.append(before - position.cost)
    assert taken == [3, 4, 3]
    assert position.realised == 5


@pytest.mark.parametrize(("prices", "average"), [((1, 2), 2), ((2, 3), 2), ((3, 4), 4), ((1, 1, 2), 1), ((1, 2, 2), 2)])
def test_the_average_price_is_rounded_half_to_even(prices, average):
    """Halves go to the even 1/10,000 rupee, others to the nearest, for a short position too."""
    for side in Side:
        position = flat()
        for price in prices:
            position.apply(side, 1, price, 0)
        assert position.average_price == Decimal(average) / 10_000


def test_a_new_day_begins_the_totals_of_the_day_and_nothing_else():
    """Bought and sold go to zero; position, profit, cash and charges stay."""
    position = after([Fill(BUY, 10, 1_000_000, 7), Fill(SELL, 4, 1_100_000, 8)])
    assert (position.bought_quantity, position.bought_value) == (10, 10_000_000)
    assert (position.sold_quantity, position.sold_value) == (4, 4_400_000)
    kept = (position.net_quantity, position.cost, position.cash, position.realised, position.charges, position.lots)
    position.start_day()
    assert (position.bought_quantity, position.bought_value, position.sold_quantity, position.sold_value) == (
        0,
        0,
        0,
        0,
    )
    assert kept == (
        position.net_quantity,
        position.cost,
        position.cash,
        position.realised,
        position.charges,
        position.lots,
    )
    assert position.imbalance == 0


@pytest.mark.parametrize(
    ("quantity", "price", "charges", "field"),
    [(0, 1, 0, "quantity"), (-5, 1, 0, "quantity"), (1, 0, 0, "price_e4"), (1, 1, -1, "charges_e4")],
)
def test_an_impossible_fill_is_refused_and_changes_nothing(quantity, price, charges, field):
    """Quantity and price are above zero, charges are not below it."""
    position = after([Fill(BUY, 3, 5, 1)])
    before = msgspec.json.encode(position)
    with pytest.raises(InvalidValue, match=field):
        position.apply(SELL, quantity, price, charges)
    assert msgspec.json.encode(position) == before


def test_the_imbalance_shows_a_book_that_does_not_balance():
    """It is counted, not assumed: a unit lost on one side is seen."""
    position = after([Fill(BUY, 3, 5, 0)])
    position.cost += 1
    assert position.imbalance == 1
    position.cost -= 1
    position.lots[0] = Lot(3, 6)
    assert position.imbalance == 3


@given(FILLS, st.integers(1, 1_000_000_000))
def test_cash_position_and_charges_balance_after_every_fill(fills, price):
    """What was paid and received is profit plus the value of what is open, and charges are the sum of the fills'."""
    position = flat()
    for number, fill in enumerate(fills, 1):
        position.apply(fill.side, fill.quantity, fill.price, fill.charges)
        done = fills[:number]
        cash = sum(one.quantity * one.price * (1 if one.side is SELL else -1) for one in done)
        assert position.cash == cash == position.sold_value - position.bought_value
        assert position.net_quantity == position.bought_quantity - position.sold_quantity
        assert position.charges == sum(one.charges for one in done)
        assert position.imbalance == 0
        assert cash + position.net_quantity * price == position.realised + position.unrealised(price)


@given(FILLS, st.integers(1, 1_000_000_000))
def test_average_and_fifo_agree_in_total(fills, price):
    """Realised and unrealised together are equal at any price, and realised alone when nothing is open."""
    position = after(fills)
    assert position.realised + position.unrealised(price) == position.realised_fifo + position.unrealised_fifo(price)
    if position.net_quantity:
        position.apply(SELL if position.net_quantity > 0 else BUY, abs(position.net_quantity), price, 0)
    assert (position.net_quantity, position.cost, position.lots) == (0, 0, [])
    assert position.realised == position.realised_fifo == position.cash


@given(FILLS)
def test_lots_are_what_is_open(fills):
    """They add up to the net quantity, all of its sign, none empty, neighbours at different prices."""
    position = after(fills)
    assert sum(lot.quantity for lot in position.lots) == position.net_quantity
    assert all(lot.quantity * position.net_quantity > 0 for lot in position.lots)
    assert all(one.price != other.price for one, other in zip(position.lots, position.lots[1:], strict=False))
    assert (position.cost > 0) == (position.net_quantity > 0)


@given(FILLS, st.lists(st.integers(1, 9), max_size=12))
def test_splitting_a_fill_into_parts_keeps_the_totals(fills, cuts):
    """Quantity, cash, charges, lots and profit by lots are the same; by average, at most one unit a part moves."""
    split = []
    for place, fill in enumerate(fills):
        first = min(cuts[place % len(cuts)], fill.quantity - 1) if cuts else 0
        parts = [first, fill.quantity - first] if first else [fill.quantity]
        split += [
            Fill(fill.side, quantity, fill.price, fill.charges if number == 0 else 0)
            for number, quantity in enumerate(parts)
        ]
    whole, parts = after(fills), after(split)
    for name in ("net_quantity", "cash", "charges", "lots", "realised_fifo", "bought_value", "sold_value"):
        assert getattr(parts, name) == getattr(whole, name), name
    assert abs(parts.realised - whole.realised) <= len(split)
    assert parts.realised + parts.unrealised(7) == whole.realised + whole.unrealised(7)


@given(FILLS)
def test_a_mirrored_history_is_the_mirrored_position(fills):
    """Buys for sells: quantity, cost, cash and profit change their sign and nothing else."""
    position = after(fills)
    mirrored = after([Fill(MIRROR[fill.side], fill.quantity, fill.price, fill.charges) for fill in fills])
    for name in ("net_quantity", "cost", "cash", "realised", "realised_fifo"):
        assert getattr(mirrored, name) == -getattr(position, name), name
    assert mirrored.lots == [Lot(-lot.quantity, lot.price) for lot in position.lots]
    assert mirrored.average_price == position.average_price
    assert (mirrored.charges, mirrored.last_change) == (position.charges, position.last_change)


@given(FILLS, FILLS)
def test_a_stored_position_goes_on_where_it_was(fills, later):
    """Written and read back by msgspec, as JSON and as MessagePack, it is equal, and so is what follows."""
    position = after(fills)
    read = msgspec.json.decode(msgspec.json.encode(position), type=Position)
    packed = msgspec.msgpack.decode(msgspec.msgpack.encode(position), type=Position)
    assert read == packed == position
    for fill in later:
        for one in (read, position):
            one.apply(fill.side, fill.quantity, fill.price, fill.charges)
    assert read == position == after(fills + later)
