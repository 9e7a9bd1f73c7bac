"""Kite's instruments file: what is read of it, and what of it is refused with line and column."""

from __future__ import annotations

import contextlib
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.brokers.kite.instruments import choose, parse_instruments
from niftyflow.brokers.simulator.instruments import instruments_csv
from niftyflow.model import DecodeError, Exchange, Instrument, Kind

DAY = date(2026, 1, 5)
HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,"
    "segment,exchange"
)
ROWS = [
    "408065,1594,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE",
    "738561,2885,RELIANCE,RELIANCE INDUSTRIES,0,,0,0.05,1,EQ,NSE,NSE",
    "128083204,500325,RELIANCE,RELIANCE INDUSTRIES,0,,0,0.05,1,EQ,BSE,BSE",
    "99,1,SMALLCO,SMALL COMPANY,0,,0,0.01,1,EQ,NSE,NSE",
    "256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE",
    "265,1,SENSEX,SENSEX,0,,0,0,0,EQ,INDICES,BSE",
    "270857,1058,NIFTY MIDCAP 150,NIFTY MIDCAP 150,0,,0,0,0,EQ,INDICES,NSE",
    '12345602,48225,NIFTY26JANFUT,"NIFTY",0,2026-01-27,0,0.1,65,FUT,NFO-FUT,NFO',
    '12345858,48226,NIFTY26JAN26000CE,"NIFTY",0,2026-01-27,26000,0.05,65,CE,NFO-OPT,NFO',
    '12346114,48227,RELIANCE26JAN1400.5PE,"RELIANCE",0,2026-01-27,1400.5,0.05,500,PE,NFO-OPT,NFO',
    '12346370,48228,SENSEX26JANFUT,"SENSEX",0,2026-01-29,0,0.05,20,FUT,BFO-FUT,BFO',
    "53,1,SOMETHING,SOMETHING,0,,0,0.01,1,EQ,NSEIX,NSEIX",
]


def the_file(*rows: str) -> str:
    """Return a file with these rows."""
    return "\n".join([HEADER, *(rows or ROWS)]) + "\n"


def by_key(text: str) -> dict[str, Instrument]:
    """Return the instruments of a file by key."""
    return {str(each.key): each for each in parse_instruments(text, DAY)}


def test_each_kind_is_read_as_what_it_is():
    """Shares, indices, futures and options, with the token as text."""
    found = by_key(the_file())
    assert found["NSE:INFY"] == Instrument(
        exchange=Exchange.NSE, symbol="INFY", kind=Kind.EQUITY, token="408065", name="INFOSYS",
        tick_size=Decimal("0.05"), lot_size=1, valid_from=DAY,
    )  # fmt: skip
    assert found["NFO:RELIANCE26JAN1400.5PE"] == Instrument(
        exchange=Exchange.NFO, symbol="RELIANCE26JAN1400.5PE", kind=Kind.OPTION, token="12346114", name="RELIANCE",
        tick_size=Decimal("0.05"), lot_size=500, underlying="RELIANCE", expiry=date(2026, 1, 27),
        strike=Decimal("1400.5"), right="PE", valid_from=DAY,
    )  # fmt: skip
    future = found["NFO:NIFTY26JANFUT"]
    assert (future.kind, future.lot_size, future.strike, future.right) == (Kind.FUTURE, 65, None, None)
    assert found["NSE:NIFTY 50"].kind is Kind.INDEX


def test_rows_of_exchanges_we_do_not_know_are_left_out():
    """An exchange the vendor adds stops nobody."""
    assert not any("SOMETHING" in key for key in by_key(the_file()))
    assert len(by_key(the_file())) == len(ROWS) - 1


def test_what_has_derivatives_is_told_by_the_contracts():
    """By symbol, or by the short name the contracts use of an index; it decides the session's hours."""
    found = by_key(the_file())
    assert {key for key, each in found.items() if each.has_derivatives} == {
        "NSE:RELIANCE", "BSE:RELIANCE", "NSE:NIFTY 50", "BSE:SENSEX"
    }  # fmt: skip


def test_the_file_that_the_simulator_serves_is_read_back():
    """Both halves of the wire agree."""
    served = instruments_csv(parse_instruments(the_file(), DAY))
    again = by_key(served)
    assert again.keys() == by_key(the_file()).keys()
    assert again["NFO:NIFTY26JAN26000CE"].strike == 26000
    assert again["NSE:INFY"] == by_key(the_file())["NSE:INFY"]


def test_columns_may_come_in_another_order_and_with_others_between():
    """They are found by name."""
    order = [*reversed(HEADER.split(",")), "new_column"]
    rows = [[*reversed(row.split(",")), "x"] for row in (ROWS[0], ROWS[4])]
    text = "\r\n".join(",".join(row) for row in [order, *rows])
    assert by_key(text) == by_key(the_file(ROWS[0], ROWS[4]))


@pytest.mark.parametrize(("text", "missing"), [("", "exchange, expiry"), ("instrument_token,name\n1,x", "exchange")])
def test_a_missing_column_is_named(text, missing):
    """An answer that is no instruments file, such as an error page."""
    with pytest.raises(DecodeError, match=f"no column {missing}"):
        parse_instruments(text, DAY)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (ROWS[0].replace("408065", "many"), "line 3 of the instruments file: instrument_token is 'many'"),
        (ROWS[0].replace("0.05", "cheap"), "line 3 of the instruments file: tick_size is 'cheap'"),
        (ROWS[0].replace("0.05", "NaN"), "tick_size is 'NaN'"),
        (ROWS[0].replace("0.05", "-1"), "tick_size is '-1'"),
        (ROWS[0].replace(",1,EQ", ",inf,EQ"), "lot_size is 'inf'"),
        (ROWS[7].replace("2026-01-27", "27-01-2026"), "expiry is '27-01-2026'"),
        (ROWS[8].replace("26000,", "high,"), "strike is 'high'"),
        (ROWS[0].replace("INFY", "", 1), "tradingsymbol is ''"),
        ("408065,1594,INFY,INFOSYS,0,,0,0.05", "line 3 of the instruments file: it has more or fewer values"),
        (ROWS[0] + ",more,and,more", "line 3 of the instruments file: it has more or fewer values"),
        (ROWS[0].replace("INFOSYS", "x" * 200_000), "field larger than field limit"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_line_and_column(row, says):
    """The whole file is refused: half of the instruments would be worse than none."""
    with pytest.raises(DecodeError) as refused:
        parse_instruments(the_file(ROWS[1], row), DAY)
    assert says in str(refused.value)


def test_a_quoted_name_may_hold_commas_and_line_breaks():
    """Line numbers then count the file's lines."""
    odd = '7,1,ODD,"ODD, AND\nLONG",0,,0,0.05,1,EQ,NSE,NSE'
    assert by_key(the_file(odd))["NSE:ODD"].name == "ODD, AND\nLONG"
    with pytest.raises(DecodeError, match="line 4"):
        parse_instruments(the_file(odd, ROWS[0].replace("0.05", "x")), DAY)


@given(st.text(max_size=300) | st.lists(st.text(max_size=9), max_size=14).map(lambda row: the_file(",".join(row))))
def test_nothing_but_a_decode_error_comes_of_damaged_text(text):
    """Whatever is served, the answer is instruments or one line that says why not."""
    found: list[Instrument] = []
    with contextlib.suppress(DecodeError):
        found = parse_instruments(text, DAY)
    assert all(isinstance(each, Instrument) and each.symbol for each in found)


@given(st.integers(0, 2000), st.sampled_from(["", "\x00", '"', ",", "\n", "9" * 50, "é"]))
def test_a_file_with_one_spot_damaged_is_read_or_refused(place, put):
    """At any place of a good file."""
    text = the_file()
    place %= len(text)
    found: list[Instrument] = []
    with contextlib.suppress(DecodeError):
        found = parse_instruments(text[:place] + put + text[place + 1 :], DAY)
    assert len(found) <= len(ROWS) + 1


def test_chosen_keys_come_in_the_order_asked_and_the_missing_are_told():
    """All, when none is asked for."""
    offered = parse_instruments(the_file(), DAY)
    found, missing = choose(offered, ["NSE:RELIANCE", "NSE:NOBODY", "NSE:INFY"])
    assert ([each.symbol for each in found], missing) == (["RELIANCE", "INFY"], ["NSE:NOBODY"])
    assert choose(offered, []) == (offered, [])
