"""The JSON of the records is public: it is that of the contracts' page, letter for letter."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given

from niftyflow.model import Candle, DeadLetter, Exchange, FeedGap, Instrument, Interval, Kind, Tick, Watermark
from support.records import a_candle, a_tick, candles, ticks

TICK = (
    '{"token":"738561","symbol":"RELIANCE","exchange":"NSE","ltp":2850.5,"volume":15,"day_volume":4211000,'
    '"bid":2850.25,"ask":2850.75,"open_interest":0,"timestamp":1705560000000,"traded_at":1705559999000,'
    '"received":1705560000004,"sequence":12345,"source":"kite"}'
)
WATERMARK = '{"time":1705560060000,"partition":7,"source":"ingestion-1","healthy":true}'
CANDLE = (
    '{"time":"2024-01-25T10:30:00Z","symbol":"RELIANCE","exchange":"NSE","interval":"1m","open":2845.0,"high":2851.0,'
    '"low":2844.0,"close":2850.5,"volume":150000,"trades":350,"vwap":2847.8,"open_interest":0,"provenance":"live",'
    '"revision":0,"incomplete":false,"day_volume":4211000,'
    '"traded_at":1706178659000,"through":{"7":918273}}'
)


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (a_tick(), TICK),
        (Watermark(time=1705560060000, partition=7, source="ingestion-1", healthy=True), WATERMARK),
        (a_candle(), CANDLE),
    ],
)
def test_a_record_is_written_as_the_contracts_say(record: msgspec.Struct, text: str) -> None:
    """Same fields, same order, same spelling; and it is read back equal."""
    assert msgspec.json.encode(record).decode() == text
    assert msgspec.json.decode(text, type=type(record)) == record


@given(ticks())
def test_every_tick_survives_json(tick: Tick) -> None:
    """A float64 price comes back to the last bit."""
    assert msgspec.json.decode(msgspec.json.encode(tick), type=Tick) == tick


@given(candles(Interval.D1))
def test_every_candle_survives_json(candle: Candle) -> None:
    """Times, provenance and position too."""
    assert msgspec.json.decode(msgspec.json.encode(candle), type=Candle) == candle


def test_a_field_not_known_is_ignored() -> None:
    """A reader of yesterday takes the records of tomorrow, so that an upgrade can roll."""
    text = json.dumps(json.loads(TICK) | {"depth": [1, 2, 3]})
    assert msgspec.json.decode(text, type=Tick) == a_tick()


@pytest.mark.parametrize("field", sorted(json.loads(TICK)))
def test_a_missing_field_of_a_tick_is_named(field: str) -> None:
    """Nothing of a tick has a default."""
    cut = {name: value for name, value in json.loads(TICK).items() if name != field}
    with pytest.raises(msgspec.ValidationError, match=f"`{field}`"):
        msgspec.json.decode(json.dumps(cut), type=Tick)


@pytest.mark.parametrize(
    ("field", "value"), [("ltp", "2850"), ("volume", 1.5), ("timestamp", None), ("symbol", 7), ("sequence", "1")]
)
def test_a_value_of_the_wrong_type_is_named(field: str, value: object) -> None:
    """The reader says which field is wrong."""
    wrong = json.loads(TICK) | {field: value}
    with pytest.raises(msgspec.ValidationError, match=rf"\$\.{field}"):
        msgspec.json.decode(json.dumps(wrong), type=Tick)


def test_an_interval_not_known_is_refused() -> None:
    """A closed vocabulary stays closed."""
    wrong = json.loads(CANDLE) | {"interval": "7m"}
    with pytest.raises(msgspec.ValidationError, match="interval"):
        msgspec.json.decode(json.dumps(wrong), type=Candle)


def test_older_candles_without_the_added_fields_are_read() -> None:
    """Fields added later have a default."""
    old = json.loads(CANDLE)
    for field in ("open_interest", "provenance", "revision", "incomplete", "day_volume", "traded_at", "through"):
        del old[field]
    candle = msgspec.json.decode(json.dumps(old), type=Candle)
    assert (candle.revision, candle.provenance, candle.incomplete, candle.through) == (0, "live", False, {})


def test_an_instrument_survives_json() -> None:
    """Decimals are spelled as text, dates as ISO days."""
    option = Instrument(
        exchange=Exchange.NFO,
        symbol="NIFTY25NOV26000CE",
        kind=Kind.OPTION,
        tick_size=Decimal("0.05"),
        lot_size=75,
        expiry=date(2025, 11, 25),
        strike=Decimal(26000),
        right="CE",
        underlying="NSE:NIFTY 50",
    )
    text = msgspec.json.encode(option)
    assert json.loads(text)["tick_size"] == "0.05"
    assert json.loads(text)["expiry"] == "2025-11-25"
    assert msgspec.json.decode(text, type=Instrument) == option


def test_gaps_and_dead_letters_survive_json() -> None:
    """A dead letter keeps everything needed to send its record again."""
    gap = FeedGap(source="kite", since=1, until=2, reason="socket closed")
    letter = DeadLetter(
        topic="raw-ticks", partition=0, offset=9, key="NSE:TCS", record="{}", error="ltp is 0", stage="ingestion", at=3
    )
    assert msgspec.json.decode(msgspec.json.encode(gap), type=FeedGap) == gap
    assert msgspec.json.decode(msgspec.json.encode(letter), type=DeadLetter) == letter


def test_records_are_never_changed() -> None:
    """A record that was published cannot be edited in place."""
    with pytest.raises(AttributeError):
        a_tick().ltp = 1.0
    with pytest.raises(AttributeError):
        a_candle().time = datetime(2024, 1, 1, tzinfo=UTC)
