"""Batches hold what the records held, in order, whatever the values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.model import (
    CandleBatch,
    Interval,
    InvalidValue,
    Name,
    NameTable,
    TickBatch,
    milliseconds,
    moment,
)
from support.records import LAST_MS, a_candle, a_tick, candles, ticks


@given(st.lists(ticks(), max_size=30))
def test_ticks_go_into_a_batch_and_come_back_equal(records: list) -> None:
    """No field of any tick changes on the way through the columns."""
    assert TickBatch.from_records(records).to_records() == records


@given(st.sampled_from(Interval).flatmap(lambda interval: st.lists(candles(interval), max_size=30)))
def test_candles_go_into_a_batch_and_come_back_equal(records: list) -> None:
    """No field of any candle changes on the way through the columns."""
    assert CandleBatch.from_records(records).to_records() == records


@given(st.lists(ticks(), min_size=1, max_size=30), st.data())
def test_taking_rows_is_taking_records(records: list, data: st.DataObject) -> None:
    """A slice, a mask and an index array choose the same rows as they do from the list of records."""
    batch = TickBatch.from_records(records)
    rows = data.draw(st.lists(st.integers(0, len(records) - 1), max_size=40))
    mask = data.draw(st.lists(st.booleans(), min_size=len(records), max_size=len(records)))
    start, stop = sorted(data.draw(st.tuples(st.integers(0, 30), st.integers(0, 30))))
    assert batch.take(np.array(rows, dtype=np.int64)).to_records() == [records[row] for row in rows]
    assert batch.take(np.array(mask)).to_records() == [tick for tick, kept in zip(records, mask, strict=True) if kept]
    assert batch.take(slice(start, stop)).to_records() == records[start:stop]


@given(st.lists(ticks(), max_size=30))
def test_the_last_tick_of_each_name_is_found(records: list) -> None:
    """One row for each (instrument, token, source), the latest, in row order."""
    batch = TickBatch.from_records(records)
    expected = {(tick.instrument, tick.token, tick.source): row for row, tick in enumerate(records)}
    assert batch.last_of_each().tolist() == sorted(expected.values())


@given(st.lists(candles(), max_size=20), st.lists(candles(), max_size=20))
def test_batches_that_share_a_name_table_keep_their_own_rows(first: list, second: list) -> None:
    """Names interned later do not move the names of an earlier batch."""
    names = NameTable()
    one, two = CandleBatch.from_records(first, names), CandleBatch.from_records(second, names)
    assert one.to_records() == first
    assert two.to_records() == second
    assert [*one.keys(), *two.keys()] == [candle.instrument for candle in first + second]


@given(st.lists(st.lists(ticks(), max_size=5), min_size=1, max_size=4))
def test_joined_batches_hold_all_rows_in_order(lists: list) -> None:
    """Batches of one name table are joined by their columns alone."""
    names = NameTable()
    joined = TickBatch.concat([TickBatch.from_records(records, names) for records in lists])
    assert joined.to_records() == [tick for records in lists for tick in records]
    assert joined.names is names


def test_batches_of_different_name_tables_are_not_joined() -> None:
    """Their indices mean different names."""
    with pytest.raises(InvalidValue, match="one name table"):
        TickBatch.concat([TickBatch.from_records([a_tick()]), TickBatch.from_records([a_tick()])])
    with pytest.raises(InvalidValue, match="one name table"):
        TickBatch.concat([])


def test_a_name_keeps_its_index() -> None:
    """The same name is interned once; another token is another name."""
    names = NameTable([Name("NSE:TCS", "1")])
    assert names.intern(Name("NSE:TCS", "1")) == 0
    assert names.intern(Name("NSE:TCS", "2")) == 1
    assert len(names) == 2
    assert names[1] == Name("NSE:TCS", "2", "")


def test_batches_are_equal_by_their_records() -> None:
    """Equality looks at values, not at how names happen to be numbered."""
    first = TickBatch.from_records([a_tick(), a_tick(symbol="TCS")])
    second = TickBatch.from_records(
        [a_tick(), a_tick(symbol="TCS")], NameTable([Name("NSE:TCS", "738561", "kite"), Name("NSE:INFY")])
    )
    assert first.name.tolist() != second.name.tolist()
    assert first == second
    assert first != TickBatch.from_records([a_tick(), a_tick(symbol="TCS", ltp=1.0)])
    assert first != CandleBatch.from_records([a_candle()])


def test_columns_are_contiguous_arrays_of_the_declared_types() -> None:
    """Kernels may rely on the type and the layout of each column, also of a part of a batch."""
    for batch in (TickBatch.from_records([a_tick()] * 3), CandleBatch.from_records([a_candle()] * 3)):
        for part in (batch, batch.take(slice(1, None)), batch.take(np.array([True, True, False]))):
            for field, column in part.columns().items():
                assert column.dtype == batch.COLUMNS[field]
                assert column.flags.c_contiguous
                assert len(column) == len(part)


def test_replaced_columns_take_the_place_of_the_old_ones() -> None:
    """The rest is the same, and the batch it came from is not touched."""
    batch = CandleBatch.from_records([a_candle(), a_candle()])
    other = batch.replace(revision=np.array([1, 2], dtype=np.int32))
    assert [candle.revision for candle in other.to_records()] == [1, 2]
    assert [candle.revision for candle in batch.to_records()] == [0, 0]
    assert other.names is batch.names
    assert other.interval is batch.interval


def test_columns_of_different_lengths_are_refused() -> None:
    """The message names the column that does not fit."""
    columns = TickBatch.from_records([a_tick()] * 2).columns()
    with pytest.raises(InvalidValue, match="bid") as refused:
        TickBatch(NameTable(), **(columns | {"bid": [1.0]}))
    assert refused.value.field == "bid"


def test_candles_of_two_intervals_are_refused() -> None:
    """A batch has one interval."""
    with pytest.raises(InvalidValue, match="one interval") as refused:
        CandleBatch.from_records([a_candle(), a_candle(interval=Interval.M5)])
    assert refused.value.field == "interval"


def test_a_candle_from_two_partitions_is_refused_in_columns() -> None:
    """The columns hold one position; a merged candle travels as a record."""
    with pytest.raises(InvalidValue, match="one partition") as refused:
        CandleBatch.from_records([a_candle(through={"1": 5, "2": 6})])
    assert refused.value.field == "through"


def test_an_empty_batch_is_a_batch() -> None:
    """No rows, all columns, and nothing to take."""
    batch = CandleBatch.from_records([])
    assert len(batch) == 0
    assert batch.interval is Interval.M1
    assert batch.take(slice(0, 5)) == batch
    assert repr(batch) == "CandleBatch(0 rows)"


@given(st.integers(-LAST_MS, LAST_MS))
def test_milliseconds_and_moments_are_each_other_s_inverse(ms: int) -> None:
    """Times before 1970 included, to the millisecond."""
    assert milliseconds(moment(ms)) == ms
    assert moment(ms).tzinfo is UTC


def test_a_time_in_another_zone_is_the_same_moment() -> None:
    """09:15 in India is 03:45 UTC."""
    india = timezone(timedelta(hours=5, minutes=30))
    opening = datetime(2024, 1, 25, 9, 15, tzinfo=india)
    batch = CandleBatch.from_records([a_candle(time=opening)])
    assert moment(int(batch.time[0])) == opening
    assert batch.to_records()[0].time.hour == 3


def test_a_naive_time_has_no_milliseconds() -> None:
    """A time without a zone means nothing here."""
    with pytest.raises(InvalidValue, match="zone"):
        milliseconds(datetime(2024, 1, 25, 9, 15))  # noqa: DTZ001
