"""A record with a value that cannot be is refused, and the refusal names the field."""

from __future__ import annotations

import math
from datetime import datetime

import pytest
from hypothesis import given

from niftyflow.model import Candle, CandleBatch, InvalidValue, Tick, TickBatch
from support.records import a_candle, a_tick, candles, ticks

BAD_PRICES = [math.nan, math.inf, -math.inf, -0.05]
TICK_COUNTS = ["volume", "day_volume", "open_interest", "timestamp", "traded_at", "received", "sequence"]
CANDLE_COUNTS = ["volume", "trades", "open_interest", "revision", "day_volume", "traded_at"]


@pytest.mark.parametrize("field", ["ltp", "bid", "ask"])
@pytest.mark.parametrize("price", BAD_PRICES)
def test_an_impossible_price_of_a_tick_is_refused(field: str, price: float) -> None:
    """NaN, infinity and prices below zero are no prices."""
    with pytest.raises(InvalidValue) as refused:
        a_tick(**{field: price}).check()
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field} is {price!r}: ")


def test_the_last_price_must_be_above_zero_while_a_side_of_the_book_may_be_empty() -> None:
    """An empty side is spelled 0; a trade at 0 does not exist."""
    tick = a_tick(bid=0.0, ask=0.0)
    assert tick.check() is tick
    with pytest.raises(InvalidValue, match="ltp is 0"):
        a_tick(ltp=0.0).check()


@pytest.mark.parametrize("field", TICK_COUNTS)
def test_a_negative_count_or_time_of_a_tick_is_refused(field: str) -> None:
    """Quantities and times start at 0."""
    with pytest.raises(InvalidValue) as refused:
        a_tick(**{field: -1}).check()
    assert refused.value.field == field
    assert refused.value.value == -1


@pytest.mark.parametrize("field", ["open", "high", "low", "close", "vwap"])
@pytest.mark.parametrize("price", [*BAD_PRICES, 0.0])
def test_an_impossible_price_of_a_candle_is_refused(field: str, price: float) -> None:
    """All five prices are finite and above zero."""
    with pytest.raises(InvalidValue) as refused:
        a_candle(**{field: price}).check()
    assert refused.value.field == field


@pytest.mark.parametrize("field", CANDLE_COUNTS)
def test_a_negative_count_of_a_candle_is_refused(field: str) -> None:
    """Quantities and revisions start at 0."""
    with pytest.raises(InvalidValue) as refused:
        a_candle(**{field: -1}).check()
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"low": 2845.5}, "low"),
        ({"close": 2843.0}, "low"),
        ({"high": 2850.0}, "high"),
        ({"open": 2852.0}, "high"),
        ({"time": datetime(2024, 1, 25, 10, 30)}, "time"),  # noqa: DTZ001
    ],
)
def test_a_candle_that_contradicts_itself_is_refused(changes: dict, field: str) -> None:
    """The extremes enclose open and close, and the time has a zone."""
    with pytest.raises(InvalidValue) as refused:
        a_candle(**changes).check()
    assert refused.value.field == field


@pytest.mark.parametrize("record", [a_tick, a_candle])
@pytest.mark.parametrize(("changes", "field"), [({"exchange": "NYSE"}, "exchange"), ({"symbol": ""}, "symbol")])
def test_a_record_of_no_instrument_is_refused(record: type, changes: dict, field: str) -> None:
    """The exchange is one we know and the symbol says something."""
    with pytest.raises(InvalidValue) as refused:
        record(**changes).check()
    assert refused.value.field == field


def test_a_batch_refuses_what_its_records_refuse() -> None:
    """One bad record in the middle refuses the batch: nothing is half-built."""
    with pytest.raises(InvalidValue, match="ltp"):
        TickBatch.from_records([a_tick(), a_tick(ltp=math.nan), a_tick()])
    with pytest.raises(InvalidValue, match="high"):
        CandleBatch.from_records([a_candle(), a_candle(high=1.0)])


@given(ticks())
def test_every_possible_tick_passes(tick: Tick) -> None:
    """The check refuses nothing that can be."""
    assert tick.check() is tick


@given(candles())
def test_every_possible_candle_passes(candle: Candle) -> None:
    """The check refuses nothing that can be."""
    assert candle.check() is candle
