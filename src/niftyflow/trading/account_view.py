"""An account as people look at it, from the account that trades: every open position at its last price.

It reads what is in memory and changes nothing; the book alone lasts.
"""

from __future__ import annotations

from decimal import Decimal
from operator import itemgetter

import msgspec

from niftyflow.model import from_e4
from niftyflow.model.account_views import AccountView, KillSwitch, PortfolioView, PositionView, totals_of
from niftyflow.trading.account import TradingAccount
from niftyflow.trading.portfolio import Portfolio
from niftyflow.trading.positions import Position


def account_view(account: TradingAccount) -> AccountView:
    """Return how an account stands now."""
    portfolio = account.portfolio
    positions = [_position(portfolio, each) for _, each in sorted(portfolio.positions.items(), key=itemgetter(0))]
    totals = totals_of(positions)
    exposure = portfolio.gross_exposure()
    numbers = PortfolioView(
        account=portfolio.account, capital=from_e4(portfolio.state.capital), profit=from_e4(portfolio.profit()),
        profit_today=from_e4(portfolio.profit_today()), realised=totals.realised, unrealised=totals.unrealised,
        charges=totals.charges, gross_exposure=None if exposure is None else from_e4(exposure),
        orders_today=portfolio.state.day.orders, working_orders=len(portfolio.orders),
        open_positions=totals.positions - totals.flat, kill_switch=kill_switch_of(account), at=account.now,
    )  # fmt: skip
    return AccountView(portfolio=numbers, positions=positions)


def kill_switch_of(account: TradingAccount) -> KillSwitch:
    """Return how an account's kill switch stands now."""
    portfolio, state = account.portfolio, account.portfolio.state
    return KillSwitch(
        account=portfolio.account, is_on=state.kill_switch, is_closing=state.is_closing, reason=state.kill_reason,
        exits_due=len(state.exits), working_orders=len(portfolio.orders),
        open_positions=sum(bool(each.net_quantity) for each in portfolio.positions.values()), at=account.now,
    )  # fmt: skip


def fields_of(view: AccountView) -> dict[str, bytes]:
    """Return the view field by field as JSON, flat positions left out, as the hot store keeps it for screens."""
    numbers = msgspec.structs.asdict(view.portfolio)
    numbers["kill_switch"] = view.portfolio.kill_switch.is_on
    numbers["positions"] = [each for each in view.positions if each.net_quantity]
    return {name: msgspec.json.encode(value) for name, value in numbers.items()}


def _position(portfolio: Portfolio, position: Position) -> PositionView:
    unrealised: Decimal | None = Decimal("0.0000")
    mark = portfolio.last_price(position.instrument) if position.net_quantity else None
    if position.net_quantity:
        unrealised = None if mark is None else from_e4(position.unrealised(mark.price))
    realised, charges = from_e4(position.realised), from_e4(position.charges)
    return PositionView(
        account=portfolio.account, strategy=position.strategy, instrument=position.instrument,
        product=position.product, net_quantity=position.net_quantity, average_price=position.average_price,
        last_price=None if mark is None else from_e4(mark.price), realised=realised,
        realised_fifo=from_e4(position.realised_fifo), unrealised=unrealised, charges=charges,
        net=realised + (unrealised or Decimal(0)) - charges, updated_at=portfolio.moved_at.get(position.key, 0),
    )  # fmt: skip
