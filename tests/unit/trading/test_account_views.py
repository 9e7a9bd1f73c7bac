"""An account as people look at it."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from niftyflow.model import Side, from_e4
from niftyflow.model.account_views import totals_of
from niftyflow.trading.account_view import account_view, fields_of, kill_switch_of
from support.trading_accounts import NOON, SECOND, a_holder, a_play


def test_an_empty_account_has_its_capital():
    """And nothing else."""
    view = account_view(a_play().account)
    assert view.positions == []
    assert view.portfolio.capital == Decimal("1000000.0000")
    assert (view.portfolio.profit, view.portfolio.gross_exposure) == (Decimal("0.0000"), Decimal("0.0000"))
    assert (view.portfolio.open_positions, view.portfolio.working_orders) == (0, 0)


def test_a_position_is_valued_at_the_last_price():
    """Net is after charges; the portfolio is the sum; the time is that of the fill."""
    play = a_holder(10)
    play.step(NOON + 5 * SECOND, {"INFY": 1512.5})
    view = account_view(play.account)
    (position,) = view.positions
    assert (position.net_quantity, position.last_price) == (10, Decimal("1512.5000"))
    assert position.unrealised == 10 * (Decimal("1512.5") - position.average_price)
    assert position.net == position.unrealised - position.charges
    assert position.updated_at == play.fills[0].at
    totals = totals_of(view.positions)
    assert view.portfolio.profit == view.portfolio.profit_today == totals.net
    assert view.portfolio.gross_exposure == Decimal("15125.0000")
    assert view.portfolio.profit == from_e4(play.account.portfolio.profit())
    assert view.portfolio.orders_today == 1
    assert view.portfolio.at == NOON + 5 * SECOND


def test_a_flat_position_needs_no_price():
    """What it made stays."""
    play = a_holder(10)
    play.order("INFY", Side.SELL, 10)
    play.step(NOON + 2 * SECOND, {"INFY": 1510.0})
    (position,) = account_view(play.account).positions
    assert (position.net_quantity, position.last_price, position.unrealised) == (0, None, Decimal("0.0000"))
    assert position.net == position.realised - position.charges
    assert account_view(play.account).portfolio.open_positions == 0


def test_without_a_price_nothing_is_made_up():
    """Unrealised is null, and so is the exposure."""
    play = a_holder(10)
    play.account.portfolio.marks.clear()
    view = account_view(play.account)
    assert (view.positions[0].last_price, view.positions[0].unrealised) == (None, None)
    assert view.portfolio.gross_exposure is None
    assert view.positions[0].net == -view.positions[0].charges


def test_a_restart_keeps_when_a_position_moved():
    """From the book."""
    play = a_holder(10)
    moved = play.fills[0].at
    play.restart()
    play.step(NOON + 9 * SECOND, {"INFY": 1500.0})
    assert account_view(play.account).positions[0].updated_at == moved


def test_the_kill_switch_as_it_stands():
    """On, and why; closing while exits are due."""
    play = a_holder(10)
    play.account.set_kill_switch(is_on=True, reason="drill", squares_off=True)
    switch = kill_switch_of(play.account)
    assert (switch.is_on, switch.is_closing, switch.reason, switch.exits_due) == (False, True, "drill", 1)
    play.settle()
    play.step(NOON + 2 * SECOND, {"INFY": 1500.0})
    switch = account_view(play.account).portfolio.kill_switch
    assert (switch.is_on, switch.is_closing, switch.open_positions) == (True, False, 0)


def test_the_hot_store_gets_each_field_as_json():
    """Open positions alone; the switch as a word of yes or no."""
    play = a_holder(10)
    play.order("TCS", Side.BUY, 1)
    play.step(NOON + 2 * SECOND, {"TCS": 3800.0})
    play.order("TCS", Side.SELL, 1)
    play.step(NOON + 3 * SECOND, {"TCS": 3800.0})
    fields = {name: msgspec.json.decode(value) for name, value in fields_of(account_view(play.account)).items()}
    assert fields["kill_switch"] is False
    assert [(each["instrument"], each["net_quantity"]) for each in fields["positions"]] == [("NSE:INFY", 10)]
    assert fields["profit"] == str(account_view(play.account).portfolio.profit)
