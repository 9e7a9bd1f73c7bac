"""The pure parts of the simulated broker: tokens, limits, money, faults in time, and what accounts are written as."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.brokers.kite.capabilities import KITE
from niftyflow.brokers.kite.login_rules import checksum_of, token_dies_at
from niftyflow.brokers.kite.reading import time_text
from niftyflow.brokers.simulator.accounts import Account, Accounts, Holding, demo_account, parse_account
from niftyflow.brokers.simulator.faults import FaultName, Faults, parse_fault
from niftyflow.brokers.simulator.instruments import named
from niftyflow.brokers.simulator.kite_errors import KiteError
from niftyflow.brokers.simulator.ledger import Ledger
from niftyflow.brokers.simulator.limits import Group, RateLimits, group_of
from niftyflow.brokers.simulator.listings import Listings
from niftyflow.brokers.simulator.order_parameters import in_parts, parse_change, parse_order
from niftyflow.brokers.simulator.sessions import Sessions
from niftyflow.brokers.simulator.tape import DAY, MINUTE
from niftyflow.model import InstrumentKey, InvalidValue, Product, Side
from support.simulator import OPENS

_FIELDS = [
    "exchange",
    "tradingsymbol",
    "transaction_type",
    "quantity",
    "product",
    "order_type",
    "price",
    "tag",
    "trigger_price",
    "validity",
    "validity_ttl",
    "disclosed_quantity",
    "iceberg_legs",
    "market_protection",
]
ACCOUNT = Account(user_id="AB1234", api_key="key", api_secret="secret")
HOLDING = Holding(key=InstrumentKey("NSE:INFY"), quantity=10, average=Decimal(1500))


def test_accounts_are_a_function_of_the_seed_and_can_be_written():
    """The demo account is the same each time; a written one keeps what it does not say."""
    assert demo_account(1) == demo_account(1)
    assert demo_account(1) != demo_account(2)
    text = "user=AB1234,secret=s,cash=2500.50,postback=http://127.0.0.1:1/p,holding=NSE:INFY*10@1500,refresh=yes"
    account = parse_account(text)
    assert (account.user_id, account.api_key, account.cash) == ("AB1234", demo_account().api_key, Decimal("2500.50"))
    assert (account.holdings[0].quantity, account.holdings[0].average) == (10, Decimal(1500))
    assert account.has_refresh_token
    for wrong in ("AB1234", "name", "cash=much", "holding=NSE:INFY", "cash=-1", "holding=NSE:INFY*0@1"):
        with pytest.raises(InvalidValue):
            parse_account(wrong)
    with pytest.raises(InvalidValue):
        Accounts([ACCOUNT, ACCOUNT])
    with pytest.raises(InvalidValue):
        Accounts([])


def test_a_token_dies_at_six_the_next_morning_and_a_request_token_after_five_minutes():
    """A session begun before six dies the same day."""
    assert time_text(token_dies_at(OPENS)) == "2026-01-06 06:00:00"
    assert time_text(token_dies_at(OPENS - 4 * 60 * MINUTE)) == "2026-01-05 06:00:00"
    sessions = Sessions(Accounts([ACCOUNT]))
    _, token = sessions.request("key", 0)
    checksum = checksum_of("key", token, "secret")
    with pytest.raises(KiteError) as refused:
        sessions.exchange("key", token, checksum, now=5 * MINUTE, at=OPENS)
    assert refused.value.error_type == "TokenException"
    _, token = sessions.request("key", 0)
    login = sessions.exchange("key", token, checksum_of("key", token, "secret"), now=1, at=OPENS)
    assert sessions.account_of("key", login.access_token, OPENS + DAY // 2) is ACCOUNT
    with pytest.raises(KiteError):
        sessions.account_of("key", login.access_token, token_dies_at(OPENS))
    with pytest.raises(KiteError):
        sessions.account_of("other", login.access_token, OPENS)


@given(st.lists(st.integers(0, 3000), max_size=60).map(sorted))
def test_no_window_holds_more_than_the_limit(times: list[int]):
    """Of any calls at any times, each second has at most ten, and one is refused only when ten came before it."""
    limits = RateLimits()
    taken: list[int] = []
    statuses: list[tuple[int, int]] = []
    for now in times:
        before = sum(1 for each in taken if each > now - 1000)
        try:
            limits.take("AB1234", Group.OTHER, now)
            taken.append(now)
        except KiteError as error:
            statuses.append((error.status, before))
        else:
            assert before < 10
    assert set(statuses) <= {(429, 10)}


def test_order_limits_hold_for_the_second_the_minute_and_the_day():
    """10, 400 and 5,000; another account has its own, and a switch turns them off."""
    limits = RateLimits()
    counts = {}
    for span, step in (("minute", 140), ("day", 160)):
        taken = 0
        for number in range(6000):
            try:
                limits.take(span, Group.ORDERS, number * step)
                taken += 1
            except KiteError as error:
                counts.setdefault(span, (taken, error.message))
                break
    assert counts == {
        "minute": (400, "Too many requests"),
        "day": (5000, "Maximum allowed order requests exceeded."),
    }
    off = RateLimits(is_on=False)
    for _ in range(100):
        off.take("AB1234", Group.ORDERS, 0)


def test_every_limit_that_the_adapter_declares_is_kept_at_its_number():
    """One call more than declared is refused within each window, and no sooner; one of another kind is not."""
    assert {each.kind for each in KITE.rate_limits} == set(Group) - {Group.FREE}
    for declared in KITE.rate_limits:
        limits = RateLimits()
        span = round(declared.seconds * 1000)
        for number in range(declared.count):
            limits.take("AB1234", Group(declared.kind), number * span // declared.count)
        with pytest.raises(KiteError):
            limits.take("AB1234", Group(declared.kind), span - 1)
        limits.take("AB1234", Group.FREE, span - 1)


def test_routes_count_as_what_kite_counts_them():
    """Reading the order book is no order."""
    assert group_of("POST", "/orders/regular") is Group.ORDERS
    assert group_of("DELETE", "/orders/regular/1") is Group.ORDERS
    assert group_of("GET", "/orders") is Group.OTHER
    assert group_of("GET", "/quote/ltp") is Group.QUOTES
    assert group_of("GET", "/instruments/historical/1/day") is Group.HISTORY
    assert group_of("GET", "/instruments/NSE") is Group.FREE
    assert group_of("POST", "/session/token") is Group.OTHER


def test_faults_begin_end_and_are_used_up():
    """After a second, for two seconds, three times, for one account and route."""
    faults = Faults()
    faults.ask(parse_fault("rate-storm:after=1,seconds=2,count=3,account=AB1234,route=/orders"), 0)
    name = FaultName.RATE_STORM
    assert faults.take(name, 500, "AB1234", "/orders/regular") is None
    assert faults.take(name, 1000, "CD5678", "/orders/regular") is None
    assert faults.take(name, 1000, "AB1234", "/quote") is None
    assert all(faults.take(name, 1000, "AB1234", "/orders") for _ in range(3))
    assert faults.take(name, 1000, "AB1234", "/orders") is None
    faults.ask(parse_fault("rate-storm:seconds=2"), 0)
    assert faults.in_force(name, 1999)
    assert not faults.in_force(name, 2000)
    asked = faults.ask(parse_fault("rate-storm"), 0)
    assert faults.end(asked.number) == 1
    assert faults.standing(3000) == []


@given(
    st.lists(st.tuples(st.sampled_from(list(Side)), st.integers(1, 50), st.integers(1, 10**7)), max_size=30),
    st.integers(1, 10**7),
)
def test_profit_is_what_was_received_less_what_was_paid_and_what_is_left(
    trades: list[tuple[Side, int, int]], price: int
):
    """Realised and unrealised together, however the trades came; and the day's end puts it into the cash."""
    ledger = Ledger.open(ACCOUNT)
    cash, held = 0, 0
    for side, quantity, paid in trades:
        ledger.trade("NSE:X", Product.MIS, side, quantity, paid)
        cash -= side.sign * quantity * paid
        held += side.sign * quantity
    realised, unrealised = ledger.profit(lambda _key: price)
    assert realised + unrealised == cash + held * price
    opening = ledger.opening_cash
    ledger.next_day(lambda _key: price)
    assert ledger.opening_cash == opening + cash + held * price
    assert sum(each.quantity for each in ledger.positions.values()) == held
    assert ledger.profit(lambda _key: price) == (0, 0)


_TEXTS = st.sampled_from(
    [
        "",
        "0",
        "-1",
        "1",
        "10",
        "1e3",
        "1e-9",
        "1e999999",
        "NaN",
        "inf",
        "٣",
        "NSE",
        "INFY",
        "BUY",
        "MIS",
        "LIMIT",
        "SL",
        "IOC",
    ]
) | st.text(max_size=8)


def test_holdings_that_are_sold_and_bought_back_are_still_there_tomorrow():
    """Only what is sold in the end leaves; the difference in price is the account's."""
    ledger = Ledger.open(msgspec.structs.replace(ACCOUNT, holdings=(HOLDING,)))
    opening = ledger.opening_cash
    ledger.trade("NSE:INFY", Product.CNC, Side.SELL, 10, 16_000_000)
    assert ledger.holdings["NSE:INFY"].used == 10
    ledger.trade("NSE:INFY", Product.CNC, Side.BUY, 7, 15_900_000)
    assert ledger.holdings["NSE:INFY"].used == 3
    ledger.next_day(lambda _key: 15_000_000)
    held = ledger.holdings["NSE:INFY"]
    assert (held.quantity, held.value) == (7, 7 * 15_000_000)
    assert ledger.opening_cash == opening + 10 * 16_000_000 - 7 * 15_900_000


@given(st.integers(1, 10**6), st.none() | st.integers(1, 5000))
def test_parts_are_the_whole_and_none_is_above_the_freeze_limit(quantity: int, freeze: int | None):
    """Only the last one may be smaller."""
    parts = in_parts(quantity, freeze)
    assert sum(parts) == quantity
    assert set(parts[:-1]) <= {freeze}
    assert 0 < parts[-1] <= (freeze or quantity)


@given(st.dictionaries(st.sampled_from(_FIELDS), _TEXTS), st.sampled_from(["regular", "amo", "iceberg", "co", "x"]))
def test_a_form_becomes_an_order_or_a_refusal_of_kites(form: dict[str, str], variety: str):
    """Whatever a client sends, nothing else comes of it."""
    listings = Listings(named(["INFY"]))
    base = {
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "quantity": "1",
        "product": "MIS",
        "order_type": "LIMIT",
        "price": "100",
    }
    for each in (form, base | form):
        try:
            order = parse_order(each, variety, "AB1234", listings).order
        except KiteError as error:
            assert error.status == 400  # noqa: PT017  both ends are allowed
        else:
            assert order.quantity > 0
            assert (order.instrument, order.order_id) == ("NSE:INFY", "")
        with contextlib.suppress(KiteError):
            assert parse_change(each, "1").order_id == "1"


def test_a_position_is_converted_at_its_average_and_no_more_than_is_open():
    """The value moves with the quantity."""
    ledger = Ledger.open(ACCOUNT)
    ledger.trade("NSE:X", Product.MIS, Side.BUY, 10, 1_000_000)
    ledger.trade("NSE:X", Product.MIS, Side.BUY, 10, 2_000_000)
    ledger.convert("NSE:X", Side.BUY, 5, Product.MIS, Product.CNC)
    assert ledger.positions["NSE:X", Product.CNC].bought_value == 5 * 1_500_000
    assert ledger.positions["NSE:X", Product.MIS].quantity == 15
    for side, quantity in ((Side.BUY, 16), (Side.SELL, 1)):
        with pytest.raises(KiteError):
            ledger.convert("NSE:X", side, quantity, Product.MIS, Product.CNC)
