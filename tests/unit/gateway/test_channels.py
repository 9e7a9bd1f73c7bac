"""Channels: what stands, what came since, what is in the ring, and that each value is encoded once."""

from __future__ import annotations

from typing import Any

import msgspec

from niftyflow.gateway.channels import SNAPSHOT_EVENTS, CandleChannel, EventChannel, frame
from niftyflow.gateway.latest_values import MOST_ANSWERS, NEVER, LatestChannel, ValueChannel, Watchlist

A, B, C = "NSE:A", "NSE:B", "NSE:C"


def read(data: bytes | None) -> Any:
    """Return what JSON says, None for no data."""
    return None if data is None else msgspec.json.decode(data)


def numbered(channel: EventChannel, *keys: str) -> None:
    """Add events that carry their numbers."""
    first = channel.position[0] + 1
    channel.extend(keys, lambda row: msgspec.json.encode({"number": first + row}))


def test_the_latest_value_of_each_symbol_stands():
    """Changes between two looks are one: the newest value, of the symbols asked for."""
    channel = LatestChannel("prices")
    channel.put({A: 1, B: 1})
    channel.put({A: 2})
    assert read(channel.snapshot(None)) == {A: 2, B: 1}
    assert read(channel.snapshot(Watchlist({A, C}))) == {A: 2}
    assert read(channel.snapshot(Watchlist({C}))) == {}


def test_only_what_changed_since_a_position_is_told():
    """A symbol that stood still is left out, and no change is no data."""
    channel = LatestChannel("prices")
    channel.put({A: 1, B: 1})
    position = channel.position
    assert channel.since(None, position) is None
    channel.put({B: 2})
    assert read(channel.since(None, position)) == {B: 2}
    assert read(channel.since(Watchlist({B}), position)) == {B: 2}
    assert channel.since(Watchlist({A}), position) is None
    assert channel.since(Watchlist({A}), channel.position) is None


def test_many_symbols_asked_for_and_few_known_cost_what_is_known():
    """A long list of symbols and `all` give the same values."""
    channel = LatestChannel("prices")
    channel.put({A: 1})
    channel.put({B: 1})
    long = Watchlist({A, B, *(f"NSE:{number}" for number in range(100))})
    assert channel.since(long, (1,)) == channel.since(None, (1,)) == b'{"NSE:B":1}'


def test_a_value_is_encoded_once_a_change():
    """However many clients ask, a value becomes JSON once."""
    encoded: list[int] = []

    def encode(value: int) -> bytes:
        encoded.append(value)
        return b"%d" % value

    channel = LatestChannel("prices", encode)
    channel.put({A: 1, B: 2})
    for symbols in (None, Watchlist({A}), Watchlist({B}), Watchlist({A, B})):
        channel.snapshot(symbols)
        channel.since(symbols, (0,))
    assert sorted(encoded) == [1, 2]
    channel.put({A: 3})
    channel.snapshot(None)
    assert encoded[2:] == [3]


def test_equal_questions_share_one_answer_and_answers_are_bounded():
    """A thousand clients with one list share the bytes; a thousand lists do not pile up."""
    channel = LatestChannel("prices")
    channel.put({A: 1, B: 2})
    watchlist = Watchlist({A, B})
    told = channel.since(watchlist, (0,))
    assert channel.since(watchlist, (0,)) is told
    for position in range(-5 * MOST_ANSWERS, 0):
        channel.since(watchlist, (position,))
        assert len(watchlist.views[channel].answers) <= MOST_ANSWERS + 1
    channel.put({B: 3})
    assert read(channel.since(watchlist, (0,))) == {A: 1, B: 3}
    channel.put({"NSE:NEW": 4})
    assert read(channel.since(Watchlist({A, "NSE:NEW"}), (1,))) == {"NSE:NEW": 4}


def test_all_values_can_be_told_again():
    """When what is added to a value changes, everyone is told anew."""
    factor = 1
    channel = LatestChannel("prices", lambda value: b"%d" % (value * factor))
    channel.put({A: 2})
    position = channel.position
    assert read(channel.snapshot(None)) == {A: 2}
    factor = 10
    channel.again()
    assert read(channel.since(None, position)) == {A: 20}


def test_a_single_value_is_null_until_it_is_known_and_an_equal_one_is_no_change():
    """A channel without symbols holds the value itself."""
    channel = ValueChannel("clock")
    assert channel.snapshot(None) == b"null"
    assert channel.set({"time": 1})
    assert not channel.set({"time": 1})
    assert read(channel.snapshot(Watchlist({A}))) == {"time": 1}
    position = channel.position
    assert channel.since(None, position) is None
    assert channel.set(None)
    assert channel.since(None, position) == b"null"


def test_events_come_in_order_of_their_numbers():
    """Of all symbols, or of some; each once."""
    channel = EventChannel("signals")
    numbered(channel, A, B, A)
    numbered(channel, C)
    assert [event["number"] for event in read(channel.since(None, (0,)))] == [1, 2, 3, 4]
    assert [event["number"] for event in read(channel.since(Watchlist({A, C}), (0,)))] == [1, 3, 4]
    assert [event["number"] for event in read(channel.since(None, (2,)))] == [3, 4]
    assert channel.since(Watchlist({B}), (2,)) is None
    assert channel.since(None, (4,)) is None


def test_the_ring_keeps_the_newest_events_and_says_what_it_lost():
    """Beyond its limit the oldest go, and a position before them is not held."""
    channel = EventChannel("signals", limit=3)
    for _ in range(5):
        numbered(channel, A)
    assert not channel.holds((0,))
    assert not channel.holds((1,))
    assert channel.holds((2,))
    assert channel.holds((5,))
    assert not channel.holds((6,))
    assert [event["number"] for event in read(channel.since(None, (2,)))] == [3, 4, 5]


def test_a_run_longer_than_the_ring_is_kept_whole_until_the_next():
    """What came at once is told at once, whatever its length."""
    channel = EventChannel("candles", limit=2)
    numbered(channel, *[A] * 10)
    assert channel.holds((0,))
    assert len(read(channel.since(None, (0,)))) == 10
    numbered(channel, *[A] * 2)
    assert not channel.holds((0,))
    assert channel.holds((10,))


def test_a_snapshot_of_events_is_the_newest_hundred():
    """Across runs, in order, of the symbols asked for."""
    channel = EventChannel("signals")
    for _ in range(40):
        numbered(channel, A, A, A, B)
    newest = [event["number"] for event in read(channel.snapshot(None))]
    assert newest == list(range(161 - SNAPSHOT_EVENTS, 161))
    assert [event["number"] for event in read(channel.snapshot(Watchlist({B})))] == [4 * each for each in range(1, 41)]
    assert read(channel.snapshot(Watchlist({C}))) == []


def test_forgotten_events_are_not_held():
    """A channel that begins anew counts from one again."""
    channel = EventChannel("signals")
    numbered(channel, A, A)
    channel.forget()
    assert channel.position == (0,)
    assert not channel.holds((2,))
    assert read(channel.snapshot(None)) == []
    numbered(channel, B)
    assert read(channel.since(None, (0,))) == [{"number": 1}]


def test_candles_tell_closed_ones_as_events_and_forming_ones_as_they_stand():
    """A resume knows the closed ones by number; the forming ones are all told again."""
    channel = CandleChannel("candles")
    channel.closed.extend([A], lambda _: b'{"number":1}')
    channel.forming.put({A: {"symbol": A, "close": 5}, B: {"symbol": B, "close": 6}})
    both = [{"symbol": A, "close": 5}, {"symbol": B, "close": 6}]
    whole = read(channel.snapshot(Watchlist({A, B})))
    assert whole["closed"] == [{"number": 1}]
    assert sorted(whole["open"], key=lambda candle: candle["symbol"]) == both
    assert channel.since(Watchlist({A}), channel.position) is None
    resumed = read(channel.since(Watchlist({A, B}), channel.position_of(1)))
    assert resumed["closed"] == []
    assert sorted(resumed["open"], key=lambda candle: candle["symbol"]) == both
    position = channel.position
    channel.forming.put({B: {"symbol": B, "close": 7}})
    assert read(channel.since(Watchlist({A, B}), position)) == {"closed": [], "open": [{"symbol": B, "close": 7}]}
    assert read(channel.nothing()) == {"closed": [], "open": []}
    assert channel.position_of(NEVER) == (NEVER, NEVER)


def test_a_frame_names_its_channel_number_and_epoch():
    """Errors and pongs have no number."""
    text = frame("delta", "prices", b'{"NSE:A":1}', seq=7, epoch="e1")
    assert text == b'{"type":"delta","channel":"prices","seq":7,"epoch":"e1","data":{"NSE:A":1}}'
    assert read(frame("error", 'a"b', b"null")) == {"type": "error", "channel": 'a"b', "data": None}
