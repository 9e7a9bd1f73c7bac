"""Charges: every change pinned to its day, the worked example, the rounding, and what is refused."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.market import (
    ZERODHA,
    BrokerPlan,
    ChargePart,
    Charges,
    ChargesUnknown,
    PlanTerms,
    charges_of,
    known_charges,
    known_terms,
    plan,
)
from niftyflow.market.charges import _by_key, _by_name, _charge_rows, _in_force
from niftyflow.model import Broken, Exchange, InvalidValue, Kind, Misconfigured, Product, Refused, Side, to_e4

NSE, BSE = Exchange.NSE, Exchange.BSE
MIS, CNC = Product.MIS, Product.CNC
BUY, SELL = Side.BUY, Side.SELL
ON_2026 = date(2026, 4, 1)
DAY = timedelta(days=1)
LAKH = Decimal(100_000)
FREE = BrokerPlan("free", (PlanTerms(Decimal(0), Decimal(0), verified=True),))
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "charges.md"


def fill(day=ON_2026, *, exchange=NSE, product=MIS, side=SELL, quantity=1000, price=LAKH, by=FREE, **more) -> Charges:
    """Return the charges of a fill, by default ten crore of value sold within the day, without brokerage."""
    return charges_of(
        exchange=exchange, product=product, side=side, quantity=quantity, price=Decimal(price), day=day, plan=by, **more
    )


def test_the_worked_example_costs_53_78():
    """Buy 100 at 500, sell at 510, intraday, NSE, from 2026-04-01, leg by leg and in sum."""
    bought = fill(side=BUY, quantity=100, price=500, by=ZERODHA)
    sold = fill(side=SELL, quantity=100, price=510, by=ZERODHA)
    both = bought + sold
    assert {
        part: str(getattr(both, part)) for part in ("brokerage", "stt", "exchange", "sebi", "stamp", "gst", "dp")
    } == {
        "brokerage": "30.3000",
        "stt": "12.7500",
        "exchange": "3.1007",
        "sebi": "0.1010",
        "stamp": "1.5000",
        "gst": "6.0303",
        "dp": "0.0000",
    }
    assert (bought.total, sold.total, both.total) == (Decimal("21.0703"), Decimal("32.7117"), Decimal("53.7820"))
    assert f"{both.total:.2f}" == "53.78"
    assert both.is_verified


CRORE_AND_MORE = [  # part, exchange, product, side, first day of the new rate, rupees on ten crore before and from then
    ("stt", NSE, CNC, BUY, None, "100000"),
    ("stt", NSE, MIS, SELL, None, "25000"),
    ("stt", BSE, MIS, BUY, None, "0"),
    ("exchange", NSE, MIS, BUY, date(2021, 1, 1), "3250 3450"),
    ("exchange", NSE, CNC, SELL, date(2023, 4, 1), "3450 3350"),
    ("exchange", NSE, MIS, SELL, date(2024, 4, 1), "3350 3320"),
    ("exchange", NSE, MIS, SELL, date(2024, 10, 1), "3320 3070"),
    ("exchange", NSE, MIS, SELL, date(2026, 3, 1), "3070 3070"),
    ("exchange", BSE, MIS, BUY, date(2014, 8, 18), "2750 2750"),
    ("exchange", BSE, MIS, BUY, date(2017, 4, 1), "2750 1"),
    ("exchange", BSE, CNC, SELL, date(2017, 8, 1), "1 1.5"),
    ("exchange", BSE, CNC, SELL, date(2018, 8, 1), "1.5 3000"),
    ("exchange", BSE, MIS, SELL, date(2021, 1, 1), "3000 3450"),
    ("exchange", BSE, MIS, SELL, date(2022, 12, 1), "3450 3750"),
    ("sebi", NSE, MIS, BUY, date(2014, 5, 23), "200 200"),
    ("sebi", NSE, MIS, BUY, date(2017, 4, 1), "200 150"),
    ("sebi", BSE, CNC, SELL, date(2019, 4, 1), "150 100"),
    ("sebi", NSE, CNC, SELL, date(2020, 6, 1), "100 50"),
    ("sebi", NSE, MIS, BUY, date(2021, 4, 1), "50 100"),
    ("stamp", NSE, CNC, BUY, date(2020, 7, 1), "10000 15000"),
    ("stamp", NSE, MIS, BUY, date(2020, 7, 1), "2000 3000"),
    ("stamp", BSE, CNC, SELL, date(2020, 7, 1), "10000 0"),
    ("stamp", BSE, MIS, SELL, date(2020, 7, 1), "2000 0"),
]


@pytest.mark.parametrize(("part", "exchange", "product", "side", "day", "rupees"), CRORE_AND_MORE)
def test_each_change_holds_from_its_day(part, exchange, product, side, day, rupees):
    """The day before has the old amount, the day itself the new one; what never changed is the same throughout."""
    days = (date(2013, 7, 1), date(2026, 12, 31)) if day is None else (day - DAY, day)
    amounts = [getattr(fill(one, exchange=exchange, product=product, side=side), part) for one in days]
    assert amounts == [Decimal(text) for text in (rupees.split() * 2)[:2]]


@pytest.mark.parametrize(
    ("day", "before", "since"),
    [
        (date(2015, 6, 1), "12.36", "14"),
        (date(2015, 11, 15), "14", "14.5"),
        (date(2016, 6, 1), "14.5", "15"),
        (date(2017, 7, 1), "15", "18"),
    ],
)
def test_service_tax_and_gst_hold_from_their_days(day, before, since):
    """A hundredth of the brokerage and the exchange's charge, the percentages of their time; not of the SEBI fee."""
    for one, percent in ((day - DAY, before), (day, since)):
        charges = fill(one)
        assert charges.sebi > 0
        assert charges.gst == charges.exchange * Decimal(percent) / 100


def test_the_sebi_fee_is_taxed_from_2022_07_18():
    """The exemption ended that day; before it, 18 % of brokerage and the exchange's charge only."""
    before, since = fill(date(2022, 7, 17)), fill(date(2022, 7, 18))
    assert before.gst == before.exchange * Decimal("0.18")
    assert since.gst == (since.exchange + since.sebi) * Decimal("0.18")


@pytest.mark.parametrize(
    ("day", "product", "before", "since"),
    [
        (date(2015, 12, 1), CNC, "20", "0"),
        (date(2020, 4, 1), MIS, "1", "3"),
        (date(2020, 7, 1), MIS, "3", "3"),
        (date(2026, 4, 1), MIS, "3", "3"),
        (date(2026, 4, 1), CNC, "0", "0"),
    ],
)
def test_the_brokerage_of_zerodha_holds_from_its_days(day, product, before, since):
    """Of an order of 1,00,000 before delivery was free; of 10,000 within the day."""
    quantity = 10 if product is CNC else 1
    amounts = [
        fill(one, product=product, quantity=quantity, price=10_000, by=ZERODHA).brokerage for one in (day - DAY, day)
    ]
    assert amounts == [Decimal(before), Decimal(since)]


@pytest.mark.parametrize(
    ("day", "rupees"),
    [
        (date(2013, 7, 1), "15.1686"),
        (date(2016, 8, 1), "15.525"),
        (date(2024, 9, 30), "15.93"),
        (date(2024, 10, 1), "15.34"),
        (ON_2026, "15.34"),
    ],
)
def test_the_depository_fee_with_its_tax_is_charged_on_the_first_delivery_sale(day, rupees):
    """Once a scrip and day, whatever the quantity, with the tax of the day inside; never on a buy or within the day."""
    sold = fill(day, product=CNC, by=ZERODHA, first_sale_of_day=True)
    assert sold.dp == Decimal(rupees)
    assert sold.gst == fill(day, product=CNC, by=ZERODHA).gst
    assert fill(day, product=CNC, by=ZERODHA).dp == 0
    assert fill(day, product=CNC, side=BUY, by=ZERODHA, first_sale_of_day=True).dp == 0
    assert fill(day, product=MIS, by=ZERODHA, first_sale_of_day=True).dp == 0


def test_brokerage_is_capped_once_an_order():
    """40,000, 40,000 and 40,000 of one order cost 12, then what is left to 20, then nothing."""
    paid = [
        fill(quantity=80, price=500, by=ZERODHA, order_value_before=Decimal(before)).brokerage
        for before in (0, 40_000, 80_000)
    ]
    assert paid == [Decimal(12), Decimal(8), Decimal(0)]


@pytest.mark.parametrize(("price", "stt"), [("0.2", "0"), ("0.6", "0.0002"), ("1.0", "0.0002"), ("1.01", "0.0003")])
def test_a_part_is_rounded_half_to_even(price, stt):
    """0.025 % of 0.20, 0.60 and 1.00 are halves of 1/10,000 rupee, of 1.01 a little more."""
    assert fill(quantity=1, price=price).stt == Decimal(stt)


PRICES = st.integers(1, 10_000_000).map(lambda e2: Decimal(e2) / 100)
DAYS = st.dates(date(2013, 7, 1), date(2026, 12, 31))
PER_TRADE = (date(2017, 4, 1), date(2018, 7, 31))  # BSE charged a trade, not its value


@given(
    day=DAYS,
    exchange=st.sampled_from((NSE, BSE)),
    product=st.sampled_from((MIS, CNC)),
    side=st.sampled_from(Side),
    price=PRICES,
    parts=st.lists(st.integers(1, 5000), min_size=1, max_size=8),
)
def test_splitting_an_order_into_fills_moves_the_total_by_roundings_only(day, exchange, product, side, price, parts):
    """Brokerage not at all, another part half of 1/10,000 rupee a fill, and its share in the tax."""
    whole = fill(day, exchange=exchange, product=product, side=side, quantity=sum(parts), price=price, by=ZERODHA)
    split, value = Charges.zero(), Decimal(0)
    for quantity in parts:
        split += fill(
            day,
            exchange=exchange,
            product=product,
            side=side,
            quantity=quantity,
            price=price,
            by=ZERODHA,
            order_value_before=value,
        )
        value += quantity * price
    assert split.brokerage == whole.brokerage
    per_trade = exchange is BSE and PER_TRADE[0] <= day <= PER_TRADE[1]
    fees = Decimal("1.5") * (len(parts) - 1) * Decimal("1.18") if per_trade else Decimal(0)
    roundings = (len(parts) + 1) * Decimal("0.00005")
    assert abs(split.total - whole.total) <= roundings * (5 + 2 * Decimal("0.18")) + fees
    assert split.is_verified == whole.is_verified


@given(day=DAYS, exchange=st.sampled_from((NSE, BSE)), product=st.sampled_from((MIS, CNC)), side=st.sampled_from(Side))
def test_every_day_since_2013_07_01_has_rates(day, exchange, product, side):
    """All parts are known, none is below zero, and each fits the book's 1/10,000 rupee."""
    charges = fill(day, exchange=exchange, product=product, side=side, price=123, quantity=7, by=ZERODHA)
    parts = [charges.brokerage, charges.stt, charges.exchange, charges.sebi, charges.stamp, charges.gst, charges.dp]
    assert all(to_e4(part) >= 0 for part in parts)
    assert sum(parts) == charges.total > 0


@pytest.mark.parametrize(
    ("product", "exchange", "day"),
    [(MIS, NSE, date(2013, 6, 30)), (CNC, BSE, date(2013, 6, 30)), (MIS, NSE, date(1999, 1, 1))],
)
def test_a_day_before_the_first_row_is_refused(product, exchange, day):
    """With the part and the day in the message, and no amount guessed."""
    with pytest.raises(
        ChargesUnknown, match=rf"no (stt|exchange|sebi|stamp) charge of {product} .* on {day}: it is known"
    ):
        fill(day, product=product, exchange=exchange)
    assert issubclass(ChargesUnknown, Refused)


def test_a_day_before_the_first_terms_of_a_broker_is_refused():
    """The tables do not reach back beyond 2013-07-01, so neither does the plan."""
    with pytest.raises(ChargesUnknown, match="no brokerage of zerodha is known on 2013-06-30"):
        fill(date(2013, 6, 30), by=ZERODHA)


def test_a_part_without_any_row_is_refused():
    """A missing row is unknown, not free."""
    with pytest.raises(ChargesUnknown, match="no stt charge on 2026-04-01: it is not known at all"):
        _in_force((), "stt charge", ON_2026)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"product": Product.NRML}, "product"),
        ({"exchange": Exchange.NFO}, "product"),
        ({"quantity": 0}, "quantity"),
        ({"price": "0"}, "price"),
        ({"price": "NaN"}, "price"),
        ({"order_value_before": Decimal(-1)}, "order_value_before"),
        ({"order_value_before": Decimal("Infinity")}, "order_value_before"),
    ],
)
def test_what_cannot_be_charged_is_refused(change, field):
    """Futures and options, other exchanges, and numbers that cannot be."""
    with pytest.raises(InvalidValue, match=f"^{field} is"):
        fill(**change)


def test_an_unverified_rate_shows_in_the_answer():
    """A replay of 2016 rests on Maharashtra's stamp duty, one of 2021 on NSE on nothing doubtful; a sum shows both."""
    of_2016, of_2021 = fill(date(2016, 8, 4), by=ZERODHA), fill(date(2021, 2, 24), by=ZERODHA)
    assert (of_2016.is_verified, of_2021.is_verified) == (False, True)
    assert not (of_2016 + of_2021).is_verified
    delivered = fill(date(2025, 11, 20), product=CNC, by=ZERODHA)
    with_fee = fill(date(2025, 11, 20), product=CNC, by=ZERODHA, first_sale_of_day=True)
    assert (delivered.is_verified, with_fee.is_verified) == (True, False)
    assert Charges.zero().is_verified
    assert Charges.zero().total == 0


def test_a_plan_is_found_by_its_name():
    """However it is written; it is the same plan."""
    assert plan(" Zerodha ") == ZERODHA


@pytest.mark.parametrize("name", ["flattrade", "mStock", "somebody"])
def test_a_broker_without_verified_numbers_needs_own_ones(name):
    """Nothing is assumed of it; with numbers of one's own it is a plan as any other."""
    with pytest.raises(Misconfigured, match="not verified: give the plan's own numbers"):
        plan(name)
    own = plan(name, PlanTerms(Decimal("0.05"), Decimal("0.1"), Decimal(15), None, Decimal(10)))
    assert own.name == name.lower()
    assert fill(product=CNC, quantity=1, price=20_000, by=own).brokerage == Decimal(10)
    assert fill(product=CNC, quantity=1, price=40_000, by=own).brokerage == Decimal(15)
    assert fill(product=MIS, quantity=1, price=40_000, by=own).brokerage == Decimal(40)
    assert fill(product=CNC, by=own, first_sale_of_day=True).dp == Decimal("11.8")
    assert not fill(by=own).is_verified


@pytest.mark.parametrize("amount", ["-0.01", "NaN", "Infinity"])
def test_terms_with_impossible_numbers_are_refused(amount):
    """A negative brokerage or one that is no number."""
    with pytest.raises(InvalidValue, match="intraday_percent"):
        PlanTerms(Decimal(0), Decimal(amount))
    with pytest.raises(InvalidValue, match="dp_rupees"):
        PlanTerms(Decimal(0), Decimal(0), dp_rupees=Decimal(amount))


def row(**more):
    """Return a row as the file writes it."""
    return {"part": "stt", "percent": "0.05", "valid_from": date(2024, 10, 1), "source": "x", "verified": True} | more


def test_the_table_can_hold_futures_and_options():
    """A row of kind future holds for the carried product on the exchanges it names."""
    future = _charge_rows(row(kind="future", exchanges=["NFO"], sides=["SELL"]))
    assert [(one.exchange, one.kind, one.product, one.side) for one in future] == [
        (Exchange.NFO, Kind.FUTURE, Product.NRML, SELL)
    ]


@pytest.mark.parametrize("start", [date(2024, 11, 1), date(2024, 11, 3)])
def test_rows_that_overlap_or_leave_a_gap_are_refused(start):
    """Two rates on one day, or none: the message names both days."""
    told = f"2024-11-01 and {start} overlap or leave a gap"
    with pytest.raises(Broken, match=told):
        _by_key([row(valid_from=start), row(valid_to=date(2024, 11, 1))])
    terms = {"name": "x", "delivery_percent": "0", "intraday_percent": "0"}
    with pytest.raises(Broken, match=told):
        _by_name([terms | {"valid_from": start}, terms | {"valid_to": date(2024, 11, 1)}])


def test_every_row_has_a_source():
    """No rate without a place it comes from."""
    assert all(one.source for one in (*known_charges(), *known_terms("zerodha")))
    assert {one.part for one in known_charges()} == set(ChargePart)
    assert known_terms("flattrade") == ()


def test_the_page_shows_every_rate_with_its_dates_and_source():
    """What the table says and what the page says is the same, row by row."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    shown = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    for one in known_charges():
        rate = f"₹{one.rupees_per_trade} a trade" if one.rupees_per_trade else f"{one.percent} %"
        until = "" if one.valid_to == date.max else str(one.valid_to)
        status = "verified" if one.verified else "unverified"
        said = [
            [cells[1].split(", "), cells[2].split(", "), cells[3].split(", ")]
            for cells in shown
            if cells[0] == one.part and cells[4:] == (rate, str(one.valid_from), until, status, one.source)
        ]
        assert any(one.exchange in at and one.product in of and one.side in on for at, of, on in said), one
    for terms in known_terms("zerodha"):
        numbers = (f"{terms.delivery_percent} %", f"{terms.intraday_percent} %", f"₹{terms.dp_rupees}")
        assert any(
            cells[:3] == numbers and str(terms.valid_from) in cells and cells[-1] == terms.source for cells in shown
        )
