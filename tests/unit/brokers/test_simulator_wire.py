"""What goes to the socket: real WebSocket messages around real Kite frames, in order, as each client asked."""

from __future__ import annotations

import csv
import io
import json
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.brokers.kite.wire import Mode, TokenIndex, decode_packets, decode_ticks
from niftyflow.brokers.port import FeedClock, FeedEnd, FeedUp
from niftyflow.brokers.simulator.encoding import PACKETS_PER_FRAME, PacketMaker, binary_frames, encode_step, text_frame
from niftyflow.brokers.simulator.instruments import instruments_csv, named, with_tokens
from niftyflow.brokers.simulator.pace import UNLIMITED
from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.replay import ReplayFeed
from niftyflow.brokers.simulator.synthetic import SyntheticSession
from niftyflow.brokers.simulator.tape import MINUTE, SECOND
from niftyflow.kit.clock import VirtualClock
from niftyflow.model import Exchange, Instrument, Kind, Misconfigured, TickBatch
from support.simulator import OPENS, SmallTape, every


def messages(data: bytes) -> list[tuple[int, bytes]]:
    """Read a server's WebSocket bytes as RFC 6455 says: (opcode, payload), lengths in their shortest form."""
    found, at = [], 0
    while at < len(data):
        assert data[at] & 0x80
        size, start = data[at + 1], at + 2
        if size == 126:
            size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            assert size >= 126
        elif size == 127:
            size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            assert size >= 1 << 16
        found.append((data[at] & 0x0F, data[start : start + size]))
        at = start + size
    assert at == len(data)
    return found


@given(
    st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 2)), min_size=1, max_size=300),
    st.lists(st.integers(0, 3), min_size=3, max_size=3),
)
def test_a_step_is_sent_in_order_in_each_clients_modes(rows, modes):
    """Ticks before a second come before its clock text; unsubscribed instruments do not come at all."""
    times = np.minimum(np.cumsum([each[0] for each in rows]) // 4, 2 * MINUTE - 1).tolist()
    tape = SmallTape(
        [(after, each[1], 100 + row * 0.05, row) for row, (after, each) in enumerate(zip(times, rows, strict=True))],
        symbols=("INFY", "SBIN", "NIFTY 50"), indices=("NIFTY 50",),
    )  # fmt: skip
    maker = PacketMaker(tape.instruments)
    step = Playback(tape).advance(OPENS + 2 * MINUTE)
    sent = messages(encode_step(maker, step, np.array(modes, dtype=np.int8), 2.0))
    ltps, clocks = [], []
    for opcode, payload in sent:
        if opcode == 2:
            assert int.from_bytes(payload[:2], "big") <= PACKETS_PER_FRAME
            decoded = decode_packets([payload])
            assert not decoded.damage
            ltps += [
                (int(each["token"]), int(each["ltp"]), int(each["length"]), len(clocks)) for each in decoded.packets
            ]
        else:
            clocks.append(json.loads(payload))
    lengths = ((0, 8, 44, 184), (0, 8, 44, 184), (0, 8, 28, 32))
    assert ltps == [
        (int(maker.tokens[place]), 10000 + row * 5, lengths[place][modes[place]], after // 1000 + 1)
        for row, (after, (_, place)) in enumerate(zip(times, rows, strict=True))
        if modes[place]
    ]
    assert clocks == [{"type": "clock", "data": {"time": OPENS + each * SECOND, "speed": 2}} for each in range(121)]


def test_a_full_packet_carries_the_event_and_the_day():
    """Decoded by the feed's decoder, with times in whole seconds and prices in rupees."""
    tape = SmallTape([(1500, 0, 101.55, 40), (2700, 0, 101.05, 42)])
    playback = Playback(tape)
    events = playback.advance(OPENS + MINUTE).events
    events["last_quantity"], events["bid"], events["ask"], events["open_interest"] = 2, 101.0, 101.1, 9
    maker = PacketMaker(tape.instruments)
    ((_, frame),) = messages(binary_frames(maker.packets(events, np.full(2, Mode.FULL, dtype=np.int8))))
    ticks = decode_ticks([frame], [OPENS], TokenIndex(tape.instruments, "sim")).batch.to_records()
    fields = ("symbol", "ltp", "volume", "day_volume", "bid", "ask", "open_interest")
    assert [tuple(getattr(each, name) for name in fields) for each in ticks] == [
        ("INFY", 101.55, 2, 40, 101.0, 101.1, 9), ("INFY", 101.05, 2, 42, 101.0, 101.1, 9),
    ]  # fmt: skip
    assert [each.traded_at - OPENS for each in ticks] == [1000, 2000]
    packet = decode_packets([frame]).packets[1]
    assert [int(packet[name]) for name in ("open", "high", "low")] == [10155, 10155, 10105]
    assert packet["depth"]["price"][[0, 5]].tolist() == [10100, 10110]


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_text_headers_have_their_shortest_form(size):
    """A client may refuse any other."""
    assert messages(text_frame(b"x" * size)) == [(1, b"x" * size)]


def test_tokens_are_kite_like_stable_and_distinct():
    """Exchange token times 256 plus the segment; given ones are kept; order and repetition change nothing."""
    listed = named(["INFY", "NFO:NIFTY26JANFUT", "BSE:SBIN", "NIFTY 50"], ["NIFTY 50"])
    assert [int(each.token) & 0xFF for each in listed] == [1, 2, 4, 9]
    assert [each.kind for each in listed] == [Kind.EQUITY, Kind.FUTURE, Kind.EQUITY, Kind.INDEX]
    again = {each.key: each.token for each in named(["NIFTY 50", "BSE:SBIN", "INFY"], ["NIFTY 50"])}
    assert all(again[each.key] == each.token for each in listed if each.key in again)
    many = named([f"S{each}" for each in range(20_000)])
    assert len({each.token for each in many}) == 20_000
    given_token = Instrument(exchange=Exchange.NSE, symbol="X", kind=Kind.EQUITY, token="408065")
    assert with_tokens([given_token])[0].token == "408065"


def test_the_instruments_file_has_kites_columns():
    """Numbers as Kite writes them, indices in their own segment, derivatives in theirs."""
    listed = named(["INFY", "M&M", "NFO:NIFTY26JANFUT", "NIFTY 50"], ["NIFTY 50"])
    rows = list(csv.DictReader(io.StringIO(instruments_csv(listed))))
    assert [(each["tradingsymbol"], each["exchange"], each["segment"], each["instrument_type"]) for each in rows] == [
        ("INFY", "NSE", "NSE", "EQ"), ("M&M", "NSE", "NSE", "EQ"), ("NIFTY26JANFUT", "NFO", "NFO-FUT", "FUT"),
        ("NIFTY 50", "NSE", "INDICES", "EQ"),
    ]  # fmt: skip
    assert all(int(each["instrument_token"]) >> 8 == int(each["exchange_token"]) for each in rows)


async def everything(feed: ReplayFeed) -> list:
    """Read a feed to its end."""
    events = []
    while not events or not isinstance(events[-1], FeedEnd):
        events += await feed.read()
    return events


async def test_replay_hands_over_ticks_between_their_clock_marks():
    """Up first, then each second's ticks before its mark, the end last; the clock follows."""
    tape = SmallTape(every(400, 100), minutes=1)
    clock = VirtualClock()
    feed = ReplayFeed(Playback(tape), clock)
    await feed.start(tape.instruments)
    assert clock.now() == OPENS
    up, *events, end = await everything(feed)
    assert isinstance(up, FeedUp)
    assert end == FeedEnd(OPENS + MINUTE)
    marks, volumes = [], []
    for event in events:
        if isinstance(event, FeedClock):
            marks.append(event.time)
        else:
            assert (event.traded_at < marks[-1] + SECOND).all()
            assert (event.traded_at >= marks[-1]).all()
            assert (event.received < marks[-1] + SECOND).all()
            volumes += event.day_volume.tolist()
    assert marks == list(range(OPENS, OPENS + MINUTE + 1, SECOND))
    assert volumes == list(range(1, 101))
    assert clock.now() == OPENS + MINUTE


async def test_replay_of_the_same_tape_is_the_same_to_the_byte():
    """Two runs over the generated session, one for some of its instruments only."""

    async def run(count: int) -> list[object]:
        session = SyntheticSession(((OPENS, OPENS + 3 * MINUTE),), symbols=6)
        feed = ReplayFeed(Playback(session), VirtualClock())
        await feed.start(session.instruments[:count])
        return [
            {name: column.tobytes() for name, column in each.columns().items()} if isinstance(each, TickBatch) else each
            for each in await everything(feed)
        ]

    assert await run(7) == await run(7)
    assert await run(3) != await run(7)


async def test_replay_at_a_limited_speed_takes_its_time_and_loses_nothing():
    """A minute at 200 times takes about 0.3 seconds."""
    tape = SmallTape(every(400, 100), minutes=1)
    feed = ReplayFeed(Playback(tape), VirtualClock(), speed=200)
    await feed.start(tape.instruments)
    begun = time.monotonic()
    events = await everything(feed)
    assert time.monotonic() - begun > 0.25
    assert sum(len(each) for each in events if isinstance(each, TickBatch)) == 100


async def test_replay_of_other_instruments_is_refused():
    """Nothing would ever come; and before the start there is nothing to read."""
    tape = SmallTape(every(400, 4))
    feed = ReplayFeed(Playback(tape), VirtualClock(), speed=UNLIMITED)
    with pytest.raises(Misconfigured, match="before it is started"):
        await feed.read()
    with pytest.raises(Misconfigured, match="holds none of the instruments"):
        await feed.start(named(["TCS"]))
    await feed.start(tape.instruments)
    await feed.stop()
    assert await feed.read() == [FeedUp(at=OPENS, reason="replay")]
    assert await feed.read() == []
