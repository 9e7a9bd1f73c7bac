"""What came of a span of trading: signals, orders, fills, charges and profit, by strategy. Only reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from niftyflow.model import FillEvent, Order, OrderState
from niftyflow.storage.book_ports import BookStore, DecisionStore, PositionRow

EVER = 1 << 60


class StrategyReport(NamedTuple):
    """One strategy's orders and money; amounts in rupees, `profit` after charges and of closed quantities only."""

    strategy: str
    orders: int
    refused: int
    filled: int
    turnover: Decimal
    realised: Decimal
    charges: Decimal
    open_positions: int

    @property
    def profit(self) -> Decimal:
        """What was realised, charges taken off."""
        return self.realised - self.charges


class DayReport(NamedTuple):
    """Everything together; `charges` by part, `refusals` by the check that refused, most frequent first."""

    signals: dict[str, int]
    strategies: list[StrategyReport]
    charges: dict[str, Decimal]
    refusals: list[tuple[str, int]]

    @property
    def total(self) -> StrategyReport:
        """All strategies together."""
        columns = list(zip(*self.strategies, strict=True))[1:] or [()] * 7
        return StrategyReport("all", *(sum(column) for column in columns))


async def report(book: BookStore, decisions: DecisionStore, account: str) -> DayReport:
    """Return what an account did, from the beginning of its book."""
    signals = await decisions.signals(0, EVER)
    orders = await book.orders(account)
    fills = await book.fills(account)
    positions = await book.positions(account)
    names = sorted({each.strategy for each in orders} | {each.strategy for each in positions})
    charges: dict[str, Decimal] = {}
    for fill in fills:
        for part, amount in fill.charges.items():
            charges[part] = charges.get(part, Decimal(0)) + amount
    refusals = Counter(check.name for order in orders for check in order.risk.checks if not check.is_passed)
    return DayReport(
        signals=dict(sorted(Counter(f"{each.strategy} {each.action}" for each in signals).items())),
        strategies=[_of(name, orders, fills, positions) for name in names],
        charges=charges,
        refusals=refusals.most_common(),
    )


def _of(
    name: str, orders: Sequence[Order], fills: Sequence[FillEvent], positions: Sequence[PositionRow]
) -> StrategyReport:
    mine = [each for each in orders if each.strategy == name]
    held = [each for each in positions if each.strategy == name]
    return StrategyReport(
        strategy=name,
        orders=len(mine),
        refused=sum(not each.risk.is_passed for each in mine),
        filled=sum(each.state is OrderState.FILLED for each in mine),
        turnover=sum((each.quantity * each.price for each in fills if each.strategy == name), Decimal(0)),
        realised=sum((each.realised for each in held), Decimal(0)),
        charges=sum((each.charges for each in held), Decimal(0)),
        open_positions=sum(bool(each.net_quantity) for each in held),
    )
