"""The risk gate: each check at its edge, what exits are spared, what is missing, and any facts at all by property."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.market import Phase
from niftyflow.model import Check, Instrument, Kind, OrderType, Product, Side, Validity, Verdict
from niftyflow.trading.requests import OrderRequest
from niftyflow.trading.risk import Facts, RiskLimits, judge
from support.trading_orders import CLOSE, INFY, INSTRUMENT, NOW, TCS, a_request, facts

NAMES = [
    "kill_switch", "instrument", "session_phase", "quantity", "price", "order_value", "position", "exposure",
    "daily_loss", "order_rate", "duplicate", "entries_end",
]  # fmt: skip
SPARED = {"order_value", "position", "exposure", "daily_loss", "entries_end"}
LIMITS = RiskLimits()
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "risk-checks.md"
REQUEST_FIELDS = set(OrderRequest.__struct_fields__)


def asked(**changes: Any) -> Verdict:
    """Judge the plain request, with changes to it and to the facts."""
    of_request = {name: value for name, value in changes.items() if name in REQUEST_FIELDS - {"instrument"}}
    of_facts = {name: value for name, value in changes.items() if name not in of_request}
    return judge(a_request(**of_request), facts(**of_facts), LIMITS)


def refused(verdict: Verdict) -> list[str]:
    """Return the names of the checks that did not pass."""
    return [check.name for check in verdict.checks if not check.is_passed]


def the(name: str, verdict: Verdict) -> Check:
    """Return the check of a name."""
    return next(check for check in verdict.checks if check.name == name)


def test_a_plain_order_on_a_quiet_account_passes():
    """Every check is there, in its order, with what was measured and its limit."""
    verdict = asked()
    assert verdict.is_passed
    assert [check.name for check in verdict.checks] == NAMES
    assert all(check.value and check.limit for check in verdict.checks)
    assert the("order_value", verdict) == Check(
        name="order_value", is_passed=True, value="15000.0000", limit="200000"
    )  # fmt: skip


def test_the_page_names_every_check_in_order_and_every_limit_with_its_default():
    """The reference page is what people set limits by."""
    text = PAGE.read_text()
    assert re.findall(r"^\| \d+ \| `([a-z_]+)` \|", text, re.MULTILINE) == NAMES
    for name, field in RiskLimits.model_fields.items():
        assert f"| `{name}` | {field.default:,} |" in text


REFUSALS: list[tuple[str, dict[str, Any]]] = [
    ("kill_switch", {"kill_switch": True}),
    ("kill_switch", {"kill_switch": None}),
    ("instrument", {"instrument": msgspec.structs.replace(INSTRUMENT, symbol="TCS")}),
    ("instrument", {"instrument": msgspec.structs.replace(INSTRUMENT, kind=Kind.INDEX)}),
    ("instrument", {"instrument": msgspec.structs.replace(INSTRUMENT, kind=Kind.FUTURE), "product": Product.CNC}),
    ("instrument", {"product": Product.NRML}),
    *[("session_phase", {"phase": phase}) for phase in (None, *Phase) if phase is not Phase.CONTINUOUS],
    ("quantity", {"quantity": 0}),
    ("quantity", {"quantity": -10}),
    ("quantity", {"quantity": 100_001, "last_price": Decimal("0.05")}),
    ("quantity", {"quantity": 10, "instrument": msgspec.structs.replace(INSTRUMENT, freeze_quantity=9)}),
    ("quantity", {"quantity": 10, "instrument": msgspec.structs.replace(INSTRUMENT, lot_size=4)}),
    ("quantity", {"quantity": 10, "instrument": msgspec.structs.replace(INSTRUMENT, lot_size=0)}),
    ("price", {"price_age_ms": None}),
    ("price", {"price_age_ms": 120_001}),
    ("price", {"price": Decimal(1500)}),
    ("price", {"trigger": Decimal(1500)}),
    ("price", {"order_type": OrderType.LIMIT}),
    ("price", {"order_type": OrderType.LIMIT, "price": Decimal(1500), "trigger": Decimal(1500)}),
    ("price", {"order_type": OrderType.LIMIT, "price": Decimal("1500.02")}),
    ("price", {"order_type": OrderType.LIMIT, "price": Decimal("1500.00001")}),
    ("price", {"order_type": OrderType.LIMIT, "price": Decimal(0)}),
    ("price", {"order_type": OrderType.LIMIT, "price": Decimal("NaN")}),
    ("price", {"order_type": OrderType.LIMIT, "price": Decimal("1800.05")}),
    ("price", {"order_type": OrderType.LIMIT, "price": Decimal("1199.95")}),
    ("price", {"order_type": OrderType.SL, "price": Decimal(1500)}),
    ("price", {"order_type": OrderType.SL, "trigger": Decimal(1500)}),
    ("price", {"order_type": OrderType.SL, "price": Decimal(1510), "trigger": Decimal(1511)}),
    ("price", {"order_type": OrderType.SL, "side": Side.SELL, "price": Decimal(1490), "trigger": Decimal(1489)}),
    ("price", {"order_type": OrderType.SL_M}),
    ("price", {"order_type": OrderType.SL_M, "trigger": Decimal("1800.05")}),
    ("order_value", {"quantity": 134, "last_price": Decimal("1492.55"), "net_quantity": -134}),
    ("position", {"quantity": 10, "net_quantity": 124}),
    ("position", {"quantity": 10, "net_quantity": 100, "open_buy_quantity": 24}),
    ("position", {"quantity": 10, "side": Side.SELL, "net_quantity": -100, "open_sell_quantity": 24}),
    ("position", {"product": Product.CNC, "side": Side.SELL, "held_quantity": 9}),
    ("position", {"product": Product.CNC, "side": Side.SELL, "held_quantity": 15, "exiting_quantity": 6}),
    ("exposure", {"gross_exposure": None}),
    ("exposure", {"gross_exposure": Decimal("985000.0001")}),
    ("daily_loss", {"day_pnl": None}),
    ("daily_loss", {"day_pnl": Decimal(-20_000)}),
    ("order_rate", {"orders_in_second": 8}),
    ("order_rate", {"orders_in_minute": 200}),
    ("order_rate", {"orders_in_day": 2_000}),
    ("duplicate", {"has_same_id": True}),
    ("duplicate", {"same_intent_at": NOW - 4_999}),
    ("duplicate", {"same_intent_at": NOW + 1}),
    ("entries_end", {"closes_at": None}),
    ("entries_end", {"time": CLOSE - 15 * 60_000}),
    ("entries_end", {"time": CLOSE + 1}),
]


@pytest.mark.parametrize(("name", "changes"), REFUSALS)
def test_a_breach_is_refused_by_its_own_check_alone(name: str, changes: dict[str, Any]):
    """One step over one limit; the reason names the check with value and limit."""
    verdict = asked(**changes)
    assert refused(verdict) == [name]
    assert verdict.verdict == "reject"
    check = the(name, verdict)
    assert verdict.reason == f"{name}: {check.value}, limit {check.limit}"


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": 133, "last_price": Decimal(1500)},
        {"quantity": 100_000, "last_price": Decimal("0.05")},
        {"quantity": 10, "instrument": msgspec.structs.replace(INSTRUMENT, freeze_quantity=10, lot_size=5)},
        {"price_age_ms": 120_000},
        {"order_type": OrderType.LIMIT, "price": Decimal(1800)},
        {"order_type": OrderType.LIMIT, "price": Decimal(1200)},
        {"order_type": OrderType.SL, "price": Decimal(1510), "trigger": Decimal(1510)},
        {"order_type": OrderType.SL, "side": Side.SELL, "price": Decimal(1489), "trigger": Decimal(1490)},
        {"order_type": OrderType.SL_M, "trigger": Decimal(1200), "side": Side.SELL},
        {"net_quantity": 123},
        {"net_quantity": -100, "side": Side.BUY, "open_buy_quantity": 200},
        {"product": Product.CNC, "side": Side.SELL, "held_quantity": 10, "net_quantity": 10},
        {"product": Product.CNC, "time": CLOSE - 1},
        {"gross_exposure": Decimal(985_000)},
        {"day_pnl": Decimal("-19999.9999")},
        {"orders_in_second": 7, "orders_in_minute": 199, "orders_in_day": 1_999},
        {"same_intent_at": NOW - 5_000},
        {"time": CLOSE - 15 * 60_000 - 1},
        {"instrument": msgspec.structs.replace(INSTRUMENT, kind=Kind.OPTION), "product": Product.NRML},
    ],
)
def test_an_order_exactly_at_a_limit_passes(changes: dict[str, Any]):
    """The limit itself is allowed."""
    verdict = asked(**changes)
    assert refused(verdict) == []


def test_an_exit_leaves_beyond_the_number_of_a_day_but_not_of_a_minute():
    """The day's number is a budget; a position must not stay open for it."""
    held = {"side": Side.SELL, "quantity": 10, "held_quantity": 10, "net_quantity": 10, "is_exit": True}
    assert refused(asked(**held, orders_in_day=2_000)) == []
    assert refused(asked(**held, orders_in_minute=200)) == ["order_rate"]
    assert refused(asked(**held | {"is_exit": False}, orders_in_day=2_000)) == ["order_rate"]


@pytest.mark.parametrize("price", [None, Decimal(0), Decimal(-5), Decimal("NaN"), Decimal("0.00001")])
def test_without_a_last_price_nothing_is_reckoned_and_all_that_needs_it_fails(price: Decimal | None):
    """Neither value, position nor exposure can be known; each of them says so."""
    verdict = asked(last_price=price)
    assert refused(verdict) == ["price", "order_value", "position", "exposure"]
    assert the("order_value", verdict).value == "unknown"
    assert "no last price" in the("price", verdict).value


def test_an_unknown_instrument_fails_every_check_that_needs_it():
    """Its lot and its tick size are not known, so neither quantity nor price can be right."""
    verdict = asked(instrument=None, order_type=OrderType.LIMIT, price=Decimal(1500))
    assert refused(verdict) == ["instrument", "quantity", "price"]
    assert the("instrument", verdict).value == f"{INFY} is not known"
    assert refused(judge(a_request(instrument=TCS), facts(), LIMITS)) == ["instrument"]


def test_a_price_above_the_last_counts_for_the_value_of_the_order():
    """A limit or a trigger above the last price is what it may cost; one below it is not believed."""
    above = asked(order_type=OrderType.LIMIT, price=Decimal(1600))
    below = asked(order_type=OrderType.SL_M, trigger=Decimal(1400))
    assert the("order_value", above).value == "16000.0000"
    assert the("order_value", below).value == "15000.0000"


EXIT = {"side": Side.SELL, "is_exit": True, "held_quantity": 10, "net_quantity": 10}


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": 500, "held_quantity": 500},
        {"quantity": 500, "held_quantity": 700, "exiting_quantity": 200},
        {"net_quantity": -500},
        {"open_sell_quantity": 500},
        {"gross_exposure": Decimal(2_000_000)},
        {"gross_exposure": None},
        {"day_pnl": Decimal(-50_000)},
        {"day_pnl": None},
        {"time": CLOSE - 60_000},
        {"closes_at": None},
        {"price_age_ms": 3_600_000},
        {"side": Side.BUY, "held_quantity": -10, "net_quantity": -500, "day_pnl": Decimal(-50_000)},
        {"product": Product.CNC},
    ],
)
def test_an_exit_is_spared_the_limits_that_would_keep_the_risk_open(changes: dict[str, Any]):
    """The way out of a position stays open; what was measured is stored all the same."""
    verdict = asked(**(EXIT | changes))
    assert refused(verdict) == []
    assert all(the(name, verdict).limit.endswith(", not for an exit") for name in SPARED)


@pytest.mark.parametrize(
    ("name", "changes"),
    [one for one in REFUSALS if one[0] not in SPARED and not {"price_age_ms", "orders_in_day"} & one[1].keys()],
)
def test_an_exit_is_not_spared_anything_else(name: str, changes: dict[str, Any]):
    """The kill switch, the market's hours, the instrument's rules and our own rate bind exits too."""
    quantity = changes.get("quantity", 10)
    is_buy = changes.get("side") is None and changes.get("order_type") is OrderType.SL
    held = {"side": Side.BUY, "held_quantity": -quantity} if is_buy else {"held_quantity": max(quantity, 10)}
    verdict = asked(**(EXIT | held | changes))
    assert name in refused(verdict)


@pytest.mark.parametrize(
    "changes",
    [
        {"held_quantity": 9},
        {"exiting_quantity": 1},
        {"held_quantity": -10},
        {"held_quantity": 0},
        {"is_exit": False},
        {"side": Side.BUY},
    ],
)
def test_an_exit_that_would_not_reduce_is_judged_as_an_entry(changes: dict[str, Any]):
    """What is held, less what is being taken back already, is all that an exit may be."""
    verdict = asked(**(EXIT | {"day_pnl": Decimal(-50_000), "time": CLOSE - 60_000} | changes))
    assert refused(verdict) == ["daily_loss", "entries_end"]


def test_the_daily_loss_is_told_with_its_limit():
    """People read this line when their strategies stop."""
    check = the("daily_loss", asked(day_pnl=Decimal("-20000.5000")))
    assert (check.value, check.limit) == ("-20000.5000", "above -20000")


def test_a_limit_that_cannot_be_is_not_taken():
    """More than the regulator's ten orders a second needs a registration that this program does not have."""
    with pytest.raises(ValueError, match="less than or equal to 10"):
        RiskLimits(max_orders_per_second=11)


AMOUNTS = st.none() | st.decimals(allow_nan=True, allow_infinity=True) | st.integers(-10, 10**12).map(
    lambda e4: Decimal(e4).scaleb(-4)
)  # fmt: skip
COUNTS = st.integers(-10, 3_000)
QUANTITIES = st.integers(-(10**9), 10**9) | st.integers(-20, 20)
INSTRUMENTS = st.none() | st.builds(
    Instrument,
    exchange=st.just(INSTRUMENT.exchange),
    symbol=st.sampled_from(["INFY", "TCS"]),
    kind=st.sampled_from(Kind),
    tick_size=st.sampled_from([Decimal("0.05"), Decimal("0.0025"), Decimal(0), Decimal(-1), Decimal("0.00001")]),
    lot_size=st.integers(-1, 75),
    freeze_quantity=st.none() | st.integers(-1, 2_000),
)
ANY_FACTS = st.builds(
    Facts,
    time=st.integers(0, 2 * NOW),
    kill_switch=st.sampled_from([True, False, False, None]),
    instrument=INSTRUMENTS,
    phase=st.none() | st.sampled_from(Phase),
    closes_at=st.none() | st.integers(0, 2 * NOW),
    last_price=AMOUNTS,
    price_age_ms=st.none() | st.integers(-10, 10**7),
    net_quantity=QUANTITIES,
    open_buy_quantity=QUANTITIES,
    open_sell_quantity=QUANTITIES,
    held_quantity=QUANTITIES,
    exiting_quantity=st.integers(0, 10**9),
    gross_exposure=AMOUNTS,
    day_pnl=AMOUNTS,
    orders_in_second=COUNTS,
    orders_in_minute=COUNTS,
    orders_in_day=COUNTS,
    same_intent_at=st.none() | st.integers(0, 2 * NOW),
    has_same_id=st.booleans(),
)
ANY_REQUEST = st.builds(
    OrderRequest,
    strategy=st.just("s"),
    instrument=st.sampled_from([INFY, TCS]),
    side=st.sampled_from(Side),
    quantity=QUANTITIES,
    cause=st.just("c"),
    order_type=st.sampled_from(OrderType),
    product=st.sampled_from(Product),
    validity=st.sampled_from(Validity),
    price=AMOUNTS,
    trigger=AMOUNTS,
    is_exit=st.booleans(),
)


@given(ANY_REQUEST, ANY_FACTS)
def test_whatever_the_facts_every_check_answers_and_one_refusal_refuses(request_: OrderRequest, found: Facts):
    """No input makes the gate fail, skip a check or answer differently, and none passes that a check refused."""
    verdict = judge(request_, found, LIMITS)
    assert [check.name for check in verdict.checks] == NAMES
    assert verdict.is_passed == (refused(verdict) == [])
    assert judge(request_, found, LIMITS) == verdict
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict


REASONABLE = st.fixed_dictionaries(
    {
        "quantity": st.integers(1, 100),
        "side": st.sampled_from(Side),
        "is_exit": st.booleans(),
        "held_quantity": st.integers(-200, 200),
        "net_quantity": st.integers(-200, 200),
        "day_pnl": st.integers(-30_000, 30_000).map(Decimal),
        "orders_in_second": st.integers(0, 10),
    }
)


@given(REASONABLE, st.sampled_from([True, None]))
def test_no_order_passes_with_the_kill_switch_on(changes: dict[str, Any], switch: bool | None):  # noqa: FBT001
    """Neither entry nor exit, and not when it is unknown; switching it off changes no other answer."""
    on, off = asked(**changes, kill_switch=switch), asked(**changes)
    assert not on.is_passed
    assert refused(on) == ["kill_switch", *refused(off)]


@given(ANY_REQUEST, ANY_FACTS.filter(lambda found: found.kill_switch is not False))
def test_no_order_passes_with_the_kill_switch_on_whatever_else_holds(request_: OrderRequest, found: Facts):
    """Any request, any facts."""
    assert not judge(request_, found, LIMITS).is_passed


@given(REASONABLE)
def test_what_passes_after_the_loss_limit_only_reduces(changes: dict[str, Any]):
    """An order that leaves once the day's loss is reached takes a position of its strategy back, never beyond zero."""
    verdict = asked(**(changes | {"day_pnl": Decimal(-20_000)}))
    if verdict.is_passed:
        sign, held = changes["side"].sign, changes["held_quantity"]
        assert changes["is_exit"]
        assert held * sign < 0
        assert changes["quantity"] <= abs(held)
