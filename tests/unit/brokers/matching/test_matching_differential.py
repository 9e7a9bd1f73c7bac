"""The real book against a slow one that was written from the rules alone."""

from __future__ import annotations

from random import Random

import pytest

from niftyflow.brokers.matching import Quotes, TimeInForce
from support.matching import SHARE, TICK, Trial
from support.naive_matching import Naive

MIDDLE = 2000
STEPS = 150
Levels = dict[int, int]


class Market:
    """A market whose levels live on: they grow, shrink, vanish, and its middle wanders a little."""

    def __init__(self, drawn: Random) -> None:
        self.drawn = drawn
        self.middle = MIDDLE
        self.volume = 0
        self.levels: tuple[Levels, Levels] = ({}, {})

    def step(self) -> tuple[int, int, Levels, Levels]:
        """Return the next row: last price, day's volume, bids and asks by price in ticks."""
        drawn = self.drawn
        self.middle += drawn.choice([0, 0, 0, 0, 1, -1])
        self.volume += drawn.choice([0, 0, drawn.randint(1, 40), drawn.randint(1, 150)])
        for sign, levels in zip((-1, 1), self.levels, strict=True):
            wanted = [self.middle + sign * (far if sign > 0 else far + 1) for far in range(drawn.choice([3, 4, 5]))]
            for price in list(levels):
                if price not in wanted:
                    del levels[price]
            for price in wanted:
                now = levels.get(price, drawn.randint(0, 60))
                levels[price] = max(0, now + drawn.choice([0, 0, drawn.randint(-30, 30), drawn.randint(-60, 60)]))
        ltp = self.middle + drawn.choice([0, -1, 0, -1, 1, -2])
        bids, asks = ({price: left for price, left in levels.items() if left} for levels in self.levels)
        return ltp, self.volume, bids, asks


def columns(ltp: int, volume: int, bids: Levels, asks: Levels) -> Quotes:
    """Return a row as the exchange takes it."""
    sides = []
    for levels, is_bid in ((bids, True), (asks, False)):
        best = sorted(levels.items(), reverse=is_bid)
        padded = [*best, *[(0, 0)] * (5 - len(best))]
        sides += [[[price * TICK / 10_000 for price, _ in padded]], [[quantity for _, quantity in padded]]]
    return Quotes.of_rupees([SHARE], [ltp * TICK / 10_000], [volume], sides[0], sides[2], sides[1], sides[3])


def test_the_market_of_this_test_meets_our_orders_often():
    """The comparison below would prove little if orders seldom traded."""
    trades = sum(len(played(seed, (50, 3))[1].trades) for seed in range(10))
    assert trades > 10 * STEPS / 3


def played(seed: int, beyond: tuple[int, int]) -> tuple[Trial, Naive]:
    """Play a drawn session on both books, comparing them after every step."""
    drawn = Random(seed)
    trial = Trial(depth_beyond_percent=beyond[0], levels_beyond=beyond[1], self_trade="allow")
    trial.go("10:00")
    naive, market, names = Naive(*beyond), Market(drawn), list[str]()
    compared = 0
    for _ in range(STEPS):
        kind = drawn.choice(["row", "row", "row", "order", "order", "cancel"])
        if kind == "order":
            side, price, quantity = (
                drawn.choice(["BUY", "SELL"]),
                market.middle + drawn.randint(-4, 4),
                drawn.randint(1, 50),
            )
            peak = -(-quantity // drawn.choice([1, 1, 2, 4]))
            is_ioc = peak == quantity and drawn.random() < 0.2
            terms = {"validity": TimeInForce.IOC} if is_ioc else {"disclosed_quantity": peak if peak < quantity else 0}
            names.append(trial.place(side, quantity, price * TICK / 10_000, **terms))
            naive.place(names[-1], side == "BUY", price, quantity, peak, is_ioc)
        elif kind == "cancel" and names:
            name = drawn.choice(names)
            trial.cancel(name)
            naive.cancel(name)
        else:
            row = market.step()
            if row[2] or row[3]:
                trial.events += trial.exchange.market(columns(*row), trial.now)
                naive.row(*row)
        ours = [event.trade for event in trial.events if event.trade]
        new = [(trade.order_id, trade.quantity, trade.price // TICK) for trade in ours[compared:]]
        assert new == naive.trades[compared:]
        compared = len(ours)
    return trial, naive


@pytest.mark.parametrize("beyond", [(0, 0), (50, 3), (100, 40)])
@pytest.mark.parametrize("seed", range(25))
def test_the_book_trades_as_the_slow_reference_does(seed: int, beyond: tuple[int, int]):
    """Every trade: whose, how much, at which price, in which order; and what stands at the end."""
    trial, naive = played(seed, beyond)
    standing = {view.order.order_id: view.pending for view in trial.exchange.orders("one") if view.pending}
    assert standing == {order.name: order.left for order in naive.orders}
