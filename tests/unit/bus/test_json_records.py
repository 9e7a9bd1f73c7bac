"""JSON records as the contracts spell them, and what is said of those that are not."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.bus.json_records import RowDecoder, decode_watermark, encode_rows, encode_watermark
from niftyflow.model import Candle, DeadLetter, DecodeError, Interval, Tick
from support.buses import candles, letter, ticks, watermark

CONTRACT_TICK = (
    b'{"token":"738561","symbol":"RELIANCE","exchange":"NSE","ltp":2850.5,"volume":15,"day_volume":4211000,'
    b'"bid":2850.25,"ask":2850.75,"open_interest":0,"timestamp":1705560000000,"traded_at":1705559999000,'
    b'"received":1705560000004,"sequence":12345,"source":"kite"}'
)
CONTRACT_CANDLE = (
    b'{"time":"2024-01-25T10:30:00Z","symbol":"RELIANCE","exchange":"NSE","interval":"1m","open":2845.0,"high":2851.0,'
    b'"low":2844.0,"close":2850.5,"volume":150000,"trades":350,"vwap":2847.8,"open_interest":0,"provenance":"live",'
    b'"revision":0,"incomplete":false,"through":{"7":918273}}'
)


def test_the_examples_of_the_contract_are_read_and_written_as_they_stand():
    """The tick is reproduced to the byte; the candle with the fields added since."""
    tick = RowDecoder(Tick).decode([CONTRACT_TICK]).bodies[0]
    assert encode_rows(tick) == [CONTRACT_TICK]
    (body,) = RowDecoder(Candle).decode([CONTRACT_CANDLE]).bodies
    written = encode_rows(body)[0]
    assert b'"time":"2024-01-25T10:30:00Z"' in written
    values = msgspec.json.decode(written)
    assert {field: values[field] for field in msgspec.json.decode(CONTRACT_CANDLE)} == msgspec.json.decode(
        CONTRACT_CANDLE
    )


@pytest.mark.parametrize(("record", "body"), [(Tick, ticks(30)), (Candle, candles(30)), (DeadLetter, (letter(1),))])
def test_rows_survive(record, body):
    """What is decoded equals what was encoded."""
    decoded = RowDecoder(record).decode(encode_rows(body))
    assert (decoded.bodies, decoded.count, decoded.error) == ([body], len(body), None)


def test_a_watermark_survives_and_rubbish_is_none():
    """The control record in JSON."""
    assert encode_watermark(watermark(5, 7)) == b'{"time":5,"partition":7,"source":"test","healthy":true}'
    assert decode_watermark(encode_watermark(watermark(5, 7))) == watermark(5, 7)
    with pytest.raises(DecodeError, match="watermark"):
        decode_watermark(b'{"time":"noon"}')


def test_unknown_fields_are_ignored():
    """A newer writer does not stop an older reader."""
    decoded = RowDecoder(Tick).decode([CONTRACT_TICK.replace(b'"source"', b'"depth":[1,{}],"source"')])
    assert decoded.error is None
    assert encode_rows(decoded.bodies[0]) == [CONTRACT_TICK]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b"2850.5,", b"0,"), "ltp is 0"),
        ((b"2850.5,", b"-3.5,"), "ltp is -3.5"),
        ((b"2850.5,", b"NaN,"), "JSON is malformed"),
        ((b"2850.5,", b"1e999,"), "out of range"),
        ((b"2850.25", b"-1"), "bid is -1"),
        ((b'"volume":15', b'"volume":-15'), "volume is -15"),
        ((b'"volume":15', b'"volume":"15"'), "Expected `int`"),
        ((b'"volume":15', b'"volume":99999999999999999999'), "volume is 99999999999999999999|out of range|Expected"),
        ((b'"timestamp":1705560000000', b'"timestamp":-1'), "timestamp is -1"),
        ((b'"NSE"', b'"NYSE"'), "exchange is 'NYSE'"),
        ((b'"RELIANCE"', b'""'), "symbol is ''"),
        ((b'"sequence":12345,', b""), "missing required field `sequence`"),
        ((b'"kite"}', b'"kite"'), "truncated"),
    ],
)
def test_an_impossible_tick_is_named_and_those_before_it_are_kept(change, reason):
    """Reading stops at the bad record with the reason and its bytes."""
    bad = CONTRACT_TICK.replace(*change)
    decoded = RowDecoder(Tick).decode([CONTRACT_TICK, CONTRACT_TICK, bad, CONTRACT_TICK])
    assert decoded.count == 2
    assert encode_rows(decoded.bodies[0]) == [CONTRACT_TICK] * 2
    assert decoded.error.data == bad
    with pytest.raises(DecodeError, match=reason):
        raise decoded.error


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b"2844.0", b"2846.0"), "low is 2846"),
        ((b'"live"', b'"guessed"'), "provenance is 'guessed'"),
        ((b'"1m"', b'"7m"'), "Invalid enum value"),
        ((b"10:30:00Z", b"10:30:00"), "time is"),
        ((b'{"7":918273}', b'{"7":1,"8":2}'), "through is"),
        ((b'{"7":918273}', b'{"seven":1}'), "out of range"),
        ((b"150000", b"99999999999999999999"), "out of range|Expected"),
    ],
)
def test_an_impossible_candle_is_named(change, reason):
    """The field and its value are in the reason."""
    decoded = RowDecoder(Candle).decode([CONTRACT_CANDLE, CONTRACT_CANDLE.replace(*change)])
    assert decoded.count == 1
    with pytest.raises(DecodeError, match=reason):
        raise decoded.error


def test_a_batch_holds_candles_of_one_interval():
    """A change of interval begins another body; order is kept."""
    values = [CONTRACT_CANDLE, CONTRACT_CANDLE.replace(b'"1m"', b'"5m"'), CONTRACT_CANDLE.replace(b'"1m"', b'"5m"')]
    bodies = RowDecoder(Candle).decode(values).bodies
    assert [(body.interval, len(body)) for body in bodies] == [(Interval.M1, 1), (Interval.M5, 2)]


def test_two_halves_of_a_record_are_not_taken_for_one():
    """A message that ends inside an object is bad, even when the next one would complete it."""
    cut = CONTRACT_TICK.index(b'"ltp"')
    decoded = RowDecoder(Tick).decode([CONTRACT_TICK[: cut - 1], CONTRACT_TICK[cut:]])
    assert (decoded.bodies, decoded.count) == ([], 0)
    assert decoded.error is not None


def test_one_reader_keeps_its_indexes_over_batches():
    """The same name has the same index in every batch of a decoder."""
    decoder = RowDecoder(Tick)
    (one,) = decoder.decode([CONTRACT_TICK]).bodies
    (two,) = decoder.decode([CONTRACT_TICK.replace(b"RELIANCE", b"INFY"), CONTRACT_TICK]).bodies
    assert one.names is two.names
    assert one.name[0] == two.name[1]


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=4))
def test_no_bytes_break_the_reader(values: list[bytes]):
    """Whatever the messages hold, the answer is a count and a reason."""
    decoded = RowDecoder(Tick).decode(values)
    assert decoded.count < len(values)
    assert decoded.error is not None
