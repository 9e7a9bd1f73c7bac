"""The facts that the gate finds about an order; what is not known refuses it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from niftyflow.market import Phase
from niftyflow.model import Exchange, Instrument, Kind, OrderState, OrderType, Product, Side
from support.market import ist
from support.trading_accounts import NOON, PRICES, SECOND, Play, a_holder, a_play, key_of
from support.trading_days import CLOSES, MINUTE, SHARES

INFY = key_of("INFY")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep refused orders out of the output."""
    with capture_logs():
        yield


def failed(play: Play, **order: object) -> list[str]:
    """Return which checks an order to buy one INFY does not pass."""
    given = play.order(**({"symbol": "INFY", "side": Side.BUY, "quantity": 1} | order))
    return [check.name for check in given.risk.checks if not check.is_passed]


def test_a_plain_order_at_noon_passes_every_check() -> None:
    """All thirteen are asked and kept, the charges last."""
    play = a_play()
    order = play.order("INFY", Side.BUY, 1)
    assert order.risk.is_passed
    assert (len(order.risk.checks), order.risk.checks[-1].name) == (13, "charges")


def test_without_an_instrument_nothing_passes() -> None:
    """Neither its session nor its charges can be known."""
    play = a_play()
    play.account.set_instruments([])
    assert set(failed(play)) >= {"instrument", "session_phase", "quantity", "entries_end", "charges"}


def test_without_a_price_nothing_passes_and_an_old_one_is_none() -> None:
    """An exit may leave on an old price, an entry may not."""
    play = Play()
    play.step(NOON, {"TCS": 3800.0})
    assert set(failed(play)) == {"price", "order_value", "position", "exposure"}
    play = a_holder()
    play.step(NOON + 5 * MINUTE, {"TCS": 3800.0})
    assert failed(play) == ["price"]
    assert failed(play, side=Side.SELL, quantity=10, is_exit=True) == []


def test_without_a_calendar_nothing_passes() -> None:
    """A day that the tables do not know has no session."""
    play = Play()
    play.step(ist("2099-06-01", "12:00"), PRICES)
    assert {"session_phase", "entries_end"} <= set(failed(play))


def test_a_contract_on_its_last_day_without_underlying_has_no_hours() -> None:
    """On a day when index contracts end early the hours depend on it: not known is closed, and nothing throws."""
    day = date(2026, 12, 7)
    future = Instrument(exchange=Exchange.NFO, symbol="XFUT", kind=Kind.FUTURE, expiry=day)
    play = Play(None, [future])
    now = ist(str(day), "12:00")
    play.step(now, {})
    assert (play.account._gate.phase(future.key, now), play.account._gate.today(future.key, now)) == (None, None)


def test_a_holiday_has_no_session() -> None:
    """Republic Day: the market is closed, so is the gate, and today's trading is none."""
    play = Play()
    now = ist("2024-01-26", "12:00")
    play.step(now, PRICES)
    assert play.account._gate.today(INFY, now) is None
    assert play.account._gate.phase(INFY, now) is Phase.CLOSED
    assert "session_phase" in failed(play)


def test_entries_of_intraday_end_before_the_close_and_exits_do_not() -> None:
    """Fifteen minutes before; delivery may go on."""
    play = a_holder()
    play.step(CLOSES - 15 * MINUTE, PRICES)
    assert failed(play) == ["entries_end"]
    assert failed(play, product=Product.CNC) == []
    assert failed(play, side=Side.SELL, quantity=10, is_exit=True) == []


def test_repetition_is_by_intent_and_not_by_what_it_looks_like() -> None:
    """A stop beside a target of one quantity, or another product, is no repetition; the same again is."""
    play = a_play()
    assert failed(play) == []
    assert failed(play) == ["duplicate"]
    assert failed(play, product=Product.CNC) == []
    assert failed(play, order_type=OrderType.LIMIT, price=Decimal("1490.00")) == []
    assert failed(play, order_type=OrderType.SL_M, trigger=Decimal("1510.00")) == []
    play.step(NOON + 6 * SECOND, PRICES)
    assert failed(play) == []


def test_orders_are_counted_by_second_and_minute() -> None:
    """Refused ones do not count, and the window moves."""
    play = a_play({"limits": {"max_orders_per_second": 2, "max_orders_per_minute": 3}})
    quantities = iter(range(1, 100))
    results = []
    for second in (0, 0, 0, 1, 1, 61, 61):
        play.step(NOON + second * SECOND, PRICES)
        results.append(failed(play, quantity=next(quantities)))
    rate = ["order_rate"]
    assert results == [[], [], rate, [], rate, [], []]


def test_exposure_counts_positions_and_working_orders_both_ways() -> None:
    """An order that would only take a position back adds nothing."""
    play = a_holder()
    portfolio = play.account.portfolio
    assert portfolio.gross_exposure() == 10 * 15_000_000
    play.order("INFY", Side.SELL, 10, order_type=OrderType.LIMIT, price=Decimal("1550.00"), is_exit=True)
    assert portfolio.gross_exposure() == 10 * 15_000_000
    play.order("TCS", Side.BUY, 1, order_type=OrderType.LIMIT, price=Decimal("3700.00"))
    assert portfolio.gross_exposure() == 10 * 15_000_000 + 38_000_000
    portfolio.marks.pop(INFY)
    assert portfolio.gross_exposure() is None
    assert "exposure" in failed(play, symbol="SBIN")


def test_what_a_working_order_covers_cannot_be_sold_again_as_an_exit() -> None:
    """An exit beyond what is free is judged like an entry: while the switch closes, it does not pass."""
    play = a_holder()
    play.order("INFY", Side.SELL, 10, order_type=OrderType.SL_M, trigger=Decimal("1480.00"), is_exit=True)
    play.account.portfolio.state.is_closing = True
    assert failed(play, side=Side.SELL, quantity=10, is_exit=True) == ["kill_switch"]


def test_charges_that_are_not_known_refuse_the_order() -> None:
    """What cannot be accounted for is not sent."""
    currency = structs.replace(SHARES[0], exchange=Exchange.CDS, symbol="USDINR")
    play = Play(None, [*SHARES, currency])
    play.step(NOON, PRICES)
    order = play.account._gate._charges(
        structs.replace(_request(play), instrument=currency.key), NOON
    )  # fmt: skip
    assert not order.is_passed
    assert play.order("INFY", Side.BUY, 1).state is OrderState.OPEN


def _request(play: Play) -> object:
    from niftyflow.trading.requests import OrderRequest  # noqa: PLC0415 - beside its only use

    return OrderRequest(strategy="manual", instrument=INFY, side=Side.BUY, quantity=1, cause="test")
