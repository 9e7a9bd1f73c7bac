"""`niftyflow orders`, `positions`, `signals`, `strategy list|kinds`, `kill status` on a session that was played."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from niftyflow.cli.app import app
from niftyflow.model import Order, OrderState, Signal, StrategyState
from niftyflow.model.account_views import PositionView, Totals
from support.decided_days import decided_workspace


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with orders in many states, open positions and signals."""
    return decided_workspace(tmp_path_factory.mktemp("decided"))


def niftyflow(workspace: Path, *arguments: str, columns: int | None = None) -> Result:
    """Run a command on a workspace, in this process."""
    width = {"COLUMNS": str(columns), "FORCE_COLOR": "1", "TERM": "dumb"} if columns else {}
    return CliRunner().invoke(app, ["--workspace", str(workspace), *arguments], env=width)


def orders_of(workspace: Path, *arguments: str) -> list[Order]:
    """Return orders as `--json` gives them."""
    ran = niftyflow(workspace, "orders", "--last", "10000", "--json", *arguments)
    assert ran.exit_code == 0, ran.stderr
    return msgspec.json.decode(ran.stdout, type=list[Order])


# -- orders --------------------------------------------------------------------------------------------------------


def test_refused_orders_are_left_out_unless_asked_for(played: Path):
    """And how many they are is said on standard error."""
    every, shown = orders_of(played, "--all-states"), orders_of(played)
    refused = [order for order in every if order.state is OrderState.REJECTED]
    assert refused
    assert shown == [order for order in every if order.state is not OrderState.REJECTED]
    ran = niftyflow(played, "orders")
    assert f"{len(refused)} that were refused (--all-states)" in ran.stderr
    assert "rejected" not in ran.stdout


def test_orders_are_chosen_by_state_strategy_instrument_and_account(played: Path):
    """Choices add up; the newest N are of what was chosen."""
    every = orders_of(played, "--all-states")
    cancelled = orders_of(played, "--state", "cancelled", "--state", "open")
    assert Counter(order.state.value for order in cancelled).keys() == {"cancelled", "open"}
    mine = orders_of(played, "--all-states", "--strategy", "signal-follower", "--instrument", "tcs")
    assert mine == [each for each in every if (each.strategy, each.symbol) == ("signal-follower", "TCS")] != []
    assert orders_of(played, "--all-states", "--account", "paper-1") == every
    ran = niftyflow(played, "orders", "--strategy", "ema-cross", "--last", "2", "--json")
    newest = [each for each in every if each.strategy == "ema-cross" and each.state is not OrderState.REJECTED][-2:]
    assert msgspec.json.decode(ran.stdout, type=list[Order]) == newest


def test_the_table_of_orders_says_what_became_of_each(played: Path):
    """Time, id, what was asked, at which price it filled, and in a few words why it did not."""
    filled = next(order for order in orders_of(played) if order.state is OrderState.FILLED)
    stop = next(order for order in orders_of(played) if order.trigger is not None)
    refused = orders_of(played, "--state", "rejected")[0]
    out = niftyflow(played, "orders", "--all-states", "--last", "1000").stdout
    lines = {line.split()[2]: line for line in out.splitlines() if " nf" in line}
    average = filled.filled_value / filled.filled
    assert lines[filled.client_order_id].split()[:5] == [
        "2016-08-16", "09:30:00", filled.client_order_id, filled.strategy, filled.instrument,
    ]  # fmt: skip
    assert lines[filled.client_order_id].split()[5:] == [
        filled.side, str(filled.quantity), "MARKET", "filled", str(filled.filled), f"{average:,.2f}",
    ]  # fmt: skip
    assert lines[stop.client_order_id].split()[7:9] == ["SL-M", f"{stop.trigger:,.2f}"]
    failed = [check.name for check in refused.risk.checks if not check.is_passed]
    assert re.search(rf" rejected  +{', '.join(failed)} *$", lines[refused.client_order_id])


@pytest.mark.parametrize("command", [("orders", "--all-states", "--last", "99"), ("positions", "--all"), ("signals",),
                                     ("strategy", "list"), ("strategy", "kinds")])  # fmt: skip
def test_in_a_terminal_of_80_columns_no_word_is_cut(played: Path, command: tuple[str, ...]):
    """x; every id is whole."""
    ran = niftyflow(played, *command, columns=80)
    assert ran.exit_code == 0
    assert max(map(len, ran.stdout.splitlines())) <= 80
    assert "…" not in ran.stdout
    if command[0] == "orders":
        assert all(order.client_order_id in ran.stdout for order in orders_of(played, "--all-states"))
        assert "opening-range-breakout" in ran.stdout
    if command[0] == "positions":
        totals = msgspec.json.decode(niftyflow(played, "positions", "--json").stdout)["totals"]
        assert f"{Decimal(totals['net']):,.2f}" in ran.stdout


# -- positions -----------------------------------------------------------------------------------------------------


def test_positions_add_up_to_the_totals(played: Path):
    """Open ones at the last candle's close, flat ones as well with --all; net is what is left after charges."""
    whole = msgspec.json.decode(niftyflow(played, "positions", "--all", "--json").stdout)
    every = msgspec.convert(whole["positions"], list[PositionView])
    totals = msgspec.convert(whole["totals"], Totals)
    assert (totals.positions, totals.flat) == (len(every), sum(not each.net_quantity for each in every))
    assert totals.net == sum(each.realised + each.unrealised - each.charges for each in every)
    assert totals.realised == sum(each.realised for each in every) != 0
    assert totals.is_complete
    shown = msgspec.json.decode(niftyflow(played, "positions", "--json").stdout)
    assert msgspec.convert(shown["positions"], list[PositionView]) == [each for each in every if each.net_quantity]
    assert shown["totals"] == whole["totals"]


def test_profit_is_the_cash_of_the_fills_and_the_worth_of_what_is_open(played: Path):
    """Realised and unrealised together, reckoned anew from the orders and the last candle's close."""
    every = msgspec.json.decode(niftyflow(played, "positions", "--json").stdout)["positions"]
    assert every
    for each in every:
        candles = niftyflow(played, "candles", each["instrument"], "--last", "1", "--json").stdout
        close = Decimal(str(msgspec.json.decode(candles)[0]["close"]))
        orders = orders_of(played, "--strategy", each["strategy"], "--instrument", each["instrument"])
        cash = -sum(order.side.sign * order.filled_value for order in orders)
        assert Decimal(each["last_price"]) == close
        assert Decimal(each["realised"]) + Decimal(each["unrealised"]) == each["net_quantity"] * close + cash


def test_flat_positions_are_one_row_and_the_totals_another(played: Path):
    """Indian rupees with two decimals."""
    lines = niftyflow(played, "positions").stdout.splitlines()
    totals = msgspec.json.decode(niftyflow(played, "positions", "--json").stdout)["totals"]
    (flat,) = [line for line in lines if line.startswith(f"{totals['flat']} flat")]
    (total,) = [line for line in lines if line.startswith("total")]
    assert len(flat.split()) == 7
    assert total.split() == ["total", *(f"{Decimal(totals[name]):,.2f}" for name in
                                        ("realised", "realised_fifo", "unrealised", "charges", "net"))]  # fmt: skip


# -- signals and strategies ----------------------------------------------------------------------------------------


def test_signals_are_chosen_by_instrument_rule_and_day(played: Path):
    """JSON records are those of the topic."""
    ran = niftyflow(played, "signals", "--json")
    every = msgspec.json.decode(ran.stdout, type=list[Signal])
    assert {signal.strategy for signal in every} == {"rsi-turn"}
    ran = niftyflow(
        played, "signals", "--instrument", "SBIN", "--strategy", "rsi-turn", "--day", "2016-08-16", "--json"
    )
    assert msgspec.json.decode(ran.stdout, type=list[Signal]) == [each for each in every if each.symbol == "SBIN"] != []
    ran = niftyflow(played, "signals", "--last", "1")
    assert f"{every[-1].reason[0].rule} ({every[-1].reason[0].value:.2f})" in ran.stdout
    assert niftyflow(played, "signals", "--day", "2016-08-17").exit_code == 3


def test_strategies_are_those_of_the_book(played: Path):
    """With what each runs on; kinds tell their parameters."""
    found = msgspec.json.decode(niftyflow(played, "strategy", "list", "--json").stdout, type=list[StrategyState])
    assert [state.name for state in found] == ["ema-cross", "opening-range-breakout", "signal-follower"]
    assert "running" in niftyflow(played, "strategy", "list").stdout
    kinds = niftyflow(played, "strategy", "kinds").stdout
    assert "max_positions" in kinds
    assert "Period of the fast average" in kinds


def test_the_kill_switch_tells_how_it_stands(played: Path):
    """Off, with what is open beside it."""
    said = niftyflow(played, "kill", "status").stdout
    assert said.splitlines()[0] == "kill switch     off"
    state = msgspec.json.decode(niftyflow(played, "kill", "status", "--json").stdout)
    shown = msgspec.json.decode(niftyflow(played, "positions", "--json").stdout)["positions"]
    assert (state["is_on"], state["open_positions"]) == (False, len(shown))


# -- nothing, and wrong usage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("orders", "--strategy", "nobody"), "there are no such orders"),
        (("orders", "--state", "unknown"), "in others (--all-states)"),
        (("orders", "--account", "paper-2"), "there are no such orders"),
        (("positions", "--account", "paper-2"), "no positions of account paper-2"),
        (("signals", "--instrument", "RELIANCE"), "no such signals"),
        (("why", "nf0000000"), "no order nf0000000 is in the book"),
    ],
)
def test_nothing_found_is_a_sentence_and_code_3(played: Path, arguments: tuple[str, ...], says: str):
    """Standard output stays empty."""
    ran = niftyflow(played, *arguments)
    assert (ran.exit_code, ran.stdout) == (3, "")
    assert says in ran.stderr


@pytest.mark.parametrize("arguments", [("orders",), ("positions",), ("signals",), ("strategy", "list"),
                                       ("kill", "status"), ("why", "nf000000")])  # fmt: skip
def test_a_workspace_without_anything_has_nothing_and_stays_empty(tmp_path: Path, arguments: tuple[str, ...]):
    """Looking makes no file."""
    ran = niftyflow(tmp_path / "none", *arguments)
    assert ran.exit_code == 3
    assert "niftyflow" in ran.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        ("orders", "--state", "lost"),
        ("orders", "--all-states", "--state", "open"),
        ("orders", "--last", "0"),
        ("signals", "--day", "today"),
        ("why", "nf00"),
    ],
)
def test_a_command_line_that_cannot_be_is_refused(played: Path, wrong: tuple[str, ...]):
    """2, before anything is read."""
    assert niftyflow(played, *wrong).exit_code == 2
