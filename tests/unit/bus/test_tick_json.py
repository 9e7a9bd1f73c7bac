"""Ticks written and read by compiled loops: to the byte what the general way does, or left to it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.bus.json_records import RowDecoder, RowEncoder, encode_rows
from niftyflow.bus.tick_json import TickReader, TickWriter
from niftyflow.model import Name, NameTable, Tick, TickBatch
from support.buses import ticks

WHOLE = st.integers(0, 2**63 - 1)
SMALL = st.integers(0, 10**7)
PRICE = st.one_of(
    st.integers(1, 10**10).map(lambda paise: paise / 100),
    st.integers(1, 10**14).map(lambda units: units / 10_000),
    st.floats(min_value=0, exclude_min=True, allow_infinity=False),
)
TEXT = st.one_of(st.sampled_from(["RELIANCE", "M&M", "NIFTY 50"]), st.text(min_size=1, max_size=8))
NAME = st.builds(
    lambda exchange, symbol, token, source: Name(f"{exchange}:{symbol}", token, source),
    st.sampled_from(["NSE", "BFO"]), TEXT, st.text(max_size=6), TEXT,
)  # fmt: skip


@st.composite
def batches(draw: st.DrawFn) -> TickBatch:
    """Batches of a few ticks of a few names."""
    names = NameTable(draw(st.lists(NAME, min_size=1, max_size=4)))
    rows = draw(st.integers(1, 12))
    columns = {
        field: draw(st.lists(PRICE if dtype is np.float64 else st.one_of(SMALL, WHOLE), min_size=rows, max_size=rows))
        for field, dtype in TickBatch.COLUMNS.items()
        if field != "name"
    }
    name = draw(st.lists(st.integers(0, len(names) - 1), min_size=rows, max_size=rows))
    return TickBatch(names, name=name, **columns)


@given(batches())
def test_what_is_written_is_what_the_general_way_writes(batch):
    """To the byte, or not at all."""
    rows = TickWriter().rows(batch)
    assert rows is None or rows == encode_rows(batch)
    assert RowEncoder().encode(batch) == encode_rows(batch)


@given(batches())
def test_what_is_read_is_what_the_general_way_reads(batch):
    """The same ticks, whichever way they took."""
    found = TickReader(NameTable()).batch(encode_rows(batch))
    assert found is None or found == batch


def test_what_a_market_sends_takes_the_quick_way():
    """Prices of up to four decimals, plain names."""
    names = NameTable([Name("NSE:RELIANCE", "1", "kite"), Name("NFO:NIFTY26DEC25000CE", "2", "kite")])
    ltp = np.array([2850.5, 0.05, 83.4525, 24_999.95])
    batch = ticks(4).replace(name=np.array([0, 1, 1, 0], np.int32), ltp=ltp)
    batch = TickBatch(names, **batch.columns())
    rows = TickWriter().rows(batch)
    assert rows == encode_rows(batch)
    assert TickReader(NameTable()).batch(rows) == batch


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ltp", float("nan")), ("bid", float("inf")), ("ask", -0.0), ("ltp", 0.000_01), ("ltp", 1e12), ("bid", -1.0),
        ("volume", -1),
    ],
)  # fmt: skip
def test_a_number_beyond_the_writer_is_left_to_the_general_way(field, value):
    """It says so, and writes nothing."""
    column = getattr(ticks(10), field).copy()
    column[7] = value
    assert TickWriter().rows(ticks(10).replace(**{field: column})) is None


ROW = encode_rows(ticks(1, 40))[0]


@given(st.integers(0, len(ROW)), st.binary(max_size=3), st.integers(0, 3))
def test_a_damaged_row_is_read_rightly_or_left_to_the_general_way(at, put_in, cut_out):
    """Whatever is changed in a row: if it is taken, it is what the general way takes."""
    damaged = ROW[:at] + put_in + ROW[at + cut_out :]
    rows = [ROW, damaged, ROW]
    found = TickReader(NameTable()).batch(rows)
    general = RowDecoder(Tick).decode(rows)  # too few rows for the quick way
    if found is not None:
        assert general.error is None
        assert [found] == general.bodies


@pytest.mark.parametrize(
    "change",
    [
        (b'"ltp":2802.0', b'"ltp":2802.0e0'), (b'"ltp":2802.0', b'"ltp":0'), (b'"ltp":2802.0', b'"ltp":02802.0'),
        (b'"NSE"', b'"NYSE"'), (b'"RELIANCE"', b'""'), (b'"volume":5', b'"volume": 5'), (b'"volume":5', b'"volume":-5'),
        (b'"volume":5', b'"volume":05'), (b'"volume":5', b'"volume":1234567890123456789'), (b"}", b"}}"),
        (b'"bid":2801.5', b'"bid":1234567890.123456'), (b'"test"}', b'"test","colour":"new"}'),
        (b'"RELIANCE"', b'"REL\\u0049ANCE"'), (b'"RELIANCE"', '"RÉLIANCE"'.encode()), (ROW, b""),
    ],
)  # fmt: skip
def test_a_row_of_another_shape_is_left_to_the_general_way(change):
    """Spaces, exponents, escapes, unknown fields, impossible values: none is judged here."""
    assert TickReader(NameTable()).batch([ROW, ROW.replace(*change)]) is None
    assert TickReader(NameTable()).batch([ROW.replace(*change)]) is None


def test_more_names_than_there_is_room_for_make_room():
    """Names are met by the thousand, in one batch or in many, and keep their ticks."""
    names = NameTable([Name(f"NFO:NIFTY26DEC{strike}CE", str(strike), "kite") for strike in range(5_000)])
    whole = ticks(5_000)
    whole = TickBatch(names, **(whole.columns() | {"name": np.arange(5_000, dtype=np.int32)}))
    writer, reader = TickWriter(), TickReader(NameTable())
    for first in range(0, 5_000, 400):
        part = whole.take(slice(first, first + 400))
        rows = writer.rows(part)
        assert rows == encode_rows(part)
        assert reader.batch(rows) == part
    assert reader.batch(encode_rows(whole)) == whole


def test_a_name_table_that_grows_is_spelled_again():
    """A feed learns names while it runs."""
    names, writer = NameTable([Name("NSE:A", "1", "x")]), TickWriter()
    batch = ticks(8)
    first = TickBatch(names, **(batch.columns() | {"name": np.zeros(8, np.int32)}))
    assert writer.rows(first) == encode_rows(first)
    names.intern(Name('NSE:"B"', "2", "y"))
    second = TickBatch(names, **(batch.columns() | {"name": np.ones(8, np.int32)}))
    rows = writer.rows(second)
    assert rows == encode_rows(second)
    assert msgspec.json.decode(rows[0])["symbol"] == '"B"'
