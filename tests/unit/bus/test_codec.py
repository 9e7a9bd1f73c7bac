"""Bodies survive the log's bytes to the last bit, and no changed byte goes unseen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.bus.codec import Decoder, EntryKind, encode, kind_of
from niftyflow.model import Candle, DeadLetter, DecodeError, Name, NameTable, Tick, TickBatch
from support.buses import candles, letter, ticks, watermark

WHOLE = st.integers(-(2**63), 2**63 - 1)
PRICES = st.one_of(st.floats(width=64), st.integers(0, 10**7).map(lambda paise: paise / 100))


@given(st.data(), st.integers(0, 8))
def test_any_numbers_survive(data: st.DataObject, rows: int):
    """Every integer and every float, NaN and minus zero included, comes back with the same bits."""
    names = NameTable([Name(f"NSE:S{number}", str(number), "x") for number in range(300)])
    columns = {
        field: data.draw(st.lists(PRICES if dtype is np.float64 else WHOLE, min_size=rows, max_size=rows))
        for field, dtype in TickBatch.COLUMNS.items()
    }
    columns["name"] = data.draw(st.lists(st.integers(0, 299), min_size=rows, max_size=rows))
    sent = TickBatch(names, **columns)
    got = Decoder(Tick).decode(encode(sent))
    assert [got.names[index] for index in got.name] == [names[index] for index in sent.name]
    for field in TickBatch.COLUMNS:
        if field != "name":
            assert getattr(got, field).tobytes() == getattr(sent, field).tobytes()


def test_decoded_columns_are_what_kernels_are_compiled_for():
    """Owned, writable, aligned arrays of the declared types, as in a batch made in memory."""
    for sent, record in ((ticks(100), Tick), (candles(100), Candle)):
        got = Decoder(record).decode(encode(sent))
        for field, dtype in sent.COLUMNS.items():
            column = getattr(got, field)
            assert column.dtype == dtype
            assert column.flags.writeable
            assert column.flags.aligned
            assert column.flags.c_contiguous


@pytest.mark.parametrize(
    ("body", "record", "kind"),
    [
        (ticks(50), Tick, EntryKind.TICKS),
        (candles(50), Candle, EntryKind.CANDLES),
        (watermark(7), Tick, EntryKind.WATERMARK),
        ((letter(1), letter(2)), DeadLetter, EntryKind.RECORDS),
    ],
)
def test_every_kind_of_body_survives(body, record, kind):
    """What is decoded equals what was encoded."""
    assert kind_of(body) is kind
    assert Decoder(record).decode(encode(body)) == body


def test_an_entry_holds_only_the_names_it_uses_and_is_small():
    """Names of other instruments cost nothing; a tick of a live session takes a fraction of its 84 bytes."""
    names = NameTable([Name(f"NSE:SYMBOL{number}", str(number), "kite") for number in range(9000)])
    few = TickBatch(names, **(ticks(1000).columns() | {"name": np.full(1000, 8999)}))
    data = encode(few)
    assert b"SYMBOL8999" in data
    assert b"SYMBOL8998" not in data
    assert len(data) < 30 * 1000


def test_one_reader_keeps_its_indexes_over_batches():
    """The same instrument has the same index in every batch of a decoder."""
    decoder = Decoder(Tick)
    one = decoder.decode(encode(ticks(8, symbols=("INFY", "TCS"))))
    two = decoder.decode(encode(ticks(8, symbols=("SBIN", "TCS"))))
    assert one.names is two.names
    assert one.names.names.index(Name("NSE:TCS", "101", "test")) == one.name[1] == two.name[1]


def test_an_entry_from_before_a_column_was_added_is_read_with_zeros(monkeypatch: pytest.MonkeyPatch):
    """And one from after it, with a column this version does not know, is read without."""
    older = {field: dtype for field, dtype in TickBatch.COLUMNS.items() if field != "open_interest"}
    whole = encode(ticks(20))
    with monkeypatch.context() as patch:
        patch.setattr(TickBatch, "COLUMNS", older)
        stored = encode(ticks(20))
        assert Decoder(Tick).decode(whole).sequence.tolist() == list(range(20))
    got = Decoder(Tick).decode(stored)
    assert got.open_interest.tolist() == [0] * 20
    assert got.sequence.tolist() == list(range(20))


@given(st.data())
def test_no_changed_or_cut_entry_is_taken_for_good(data: st.DataObject):
    """Any flipped byte and any cut is a DecodeError that keeps the bytes."""
    good = encode(ticks(20))
    at = data.draw(st.integers(0, len(good) - 1))
    flipped = bytearray(good)
    flipped[at] ^= data.draw(st.integers(1, 255))
    for bad in (bytes(flipped), good[:at]):
        with pytest.raises(DecodeError) as caught:
            Decoder(Tick).decode(bad)
        assert caught.value.data == bad
