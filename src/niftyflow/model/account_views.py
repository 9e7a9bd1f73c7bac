"""An account as people look at it: positions with their profit, the portfolio, the kill switch. Money in rupees.

Whoever trades fills these in; screens and commands show them. Nothing here is computed but sums.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

import msgspec

from niftyflow.model.enums import Product


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """A position with its profit. `unrealised` is at `last_price`, the last one known to whoever filled this in.

    Both are null where a position is open and no price of it is known; `net` is realised and unrealised less charges.
    """

    account: str
    strategy: str
    instrument: str
    product: Product
    net_quantity: int
    average_price: Decimal
    last_price: Decimal | None
    realised: Decimal
    realised_fifo: Decimal
    unrealised: Decimal | None
    charges: Decimal
    net: Decimal
    updated_at: int


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What positions come to together; `is_complete` says whether every open one could be valued."""

    positions: int
    flat: int
    realised: Decimal
    realised_fifo: Decimal
    unrealised: Decimal
    charges: Decimal
    net: Decimal
    is_complete: bool


class KillSwitch(msgspec.Struct, frozen=True, kw_only=True):
    """The kill switch of an account. `is_closing`: it will be on as soon as `exits_due` positions are flat."""

    account: str
    is_on: bool
    is_closing: bool
    reason: str
    exits_due: int
    working_orders: int
    open_positions: int
    at: int
    """The latest moment of the account's data, ms UTC."""


class PortfolioView(msgspec.Struct, frozen=True, kw_only=True):
    """An account in numbers. `profit` is realised and unrealised less charges; `profit_today` since the day began.

    `gross_exposure` is what is held, or would be when every working order filled, at last prices; null when one of them
    is not known. `at` is the latest moment of the account's data, ms UTC.
    """

    account: str
    capital: Decimal
    profit: Decimal
    profit_today: Decimal
    realised: Decimal
    unrealised: Decimal
    charges: Decimal
    gross_exposure: Decimal | None
    orders_today: int
    working_orders: int
    open_positions: int
    kill_switch: KillSwitch
    at: int


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """An account as it stands: its numbers, and every position it has had, flat ones included."""

    portfolio: PortfolioView
    positions: list[PositionView]


def totals_of(positions: Collection[PositionView]) -> Totals:
    """Return what positions come to together."""
    nothing = Decimal("0.0000")
    return Totals(
        positions=len(positions),
        flat=sum(not each.net_quantity for each in positions),
        realised=sum((each.realised for each in positions), nothing),
        realised_fifo=sum((each.realised_fifo for each in positions), nothing),
        unrealised=sum((each.unrealised or nothing for each in positions), nothing),
        charges=sum((each.charges for each in positions), nothing),
        net=sum((each.net for each in positions), nothing),
        is_complete=all(each.unrealised is not None for each in positions),
    )
