"""The Kite dialect against recorded packets, the official client, and a plain reading of the protocol."""

from __future__ import annotations

import json
import random
import struct
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kiteconnect import KiteTicker

from niftyflow.brokers.kite.wire import (
    PACKET,
    DecodedPackets,
    Mode,
    TokenIndex,
    decode_packets,
    decode_ticks,
    encode_frames,
    encode_spaced,
    new_packets,
)
from niftyflow.model import Exchange, Instrument, InvalidValue, Kind, Misconfigured
from support.data import shared_data
from support.kite_reference import LENGTHS, frame_of, packet_of, read_frames

RELIANCE, NIFTY, USDINR = 738561, 256265, 412675

seeds = st.integers(0, 2**32).map(random.Random)


def instrument(token: int, symbol: str | None = None) -> Instrument:
    """Return a share with this token."""
    return Instrument(exchange=Exchange.NSE, symbol=symbol or f"S{token}", kind=Kind.EQUITY, token=str(token))


def official(frames: list[bytes]) -> list[dict]:
    """What the official client makes of the frames."""
    ticker = KiteTicker("key", "token")
    return [tick for frame in frames for tick in ticker._parse_binary(frame)]


def in_official_form(decoded: DecodedPackets) -> list[dict]:
    """Our decoded packets as the dicts that the official client makes."""
    prices = {name: decoded.rupees(name).tolist() for name in ("ltp", "average", "open", "high", "low", "close")}
    return [_official_tick(decoded, prices, row) for row in range(len(decoded.packets))]


def _official_tick(decoded: DecodedPackets, prices: dict[str, list[float]], row: int) -> dict:
    packet = decoded.packets[row]
    token, length = int(packet["token"]), int(packet["length"])
    ltp, close = prices["ltp"][row], prices["close"][row]
    mode = {8: "ltp", 28: "quote", 44: "quote", 32: "full", 184: "full"}[length]
    tick = {"tradable": token & 0xFF != 9, "mode": mode, "instrument_token": token, "last_price": ltp}
    if length == 8:
        return tick
    tick["ohlc"] = {name: prices[name][row] for name in ("open", "high", "low", "close")}
    tick["change"] = (ltp - close) * 100 / close if close else 0
    if length == 32:
        tick["exchange_timestamp"] = datetime.fromtimestamp(int(packet["timestamp"]))  # noqa: DTZ006 - as the client
    if length in (44, 184):
        tick |= {
            "last_traded_quantity": int(packet["last_quantity"]),
            "average_traded_price": prices["average"][row],
            "volume_traded": int(packet["volume"]),
            "total_buy_quantity": int(packet["buy_quantity"]),
            "total_sell_quantity": int(packet["sell_quantity"]),
        }
    if length == 184:
        levels = [
            {"quantity": int(level["quantity"]), "price": int(level["price"]) / divisor_of(token),
             "orders": int(level["orders"])}
            for level in packet["depth"]
        ]  # fmt: skip
        tick |= {
            "last_trade_time": datetime.fromtimestamp(int(packet["traded_at"])),  # noqa: DTZ006 - as the client
            "oi": int(packet["oi"]),
            "oi_day_high": int(packet["oi_high"]),
            "oi_day_low": int(packet["oi_low"]),
            "exchange_timestamp": datetime.fromtimestamp(int(packet["timestamp"])),  # noqa: DTZ006 - as the client
            "depth": {"buy": levels[:5], "sell": levels[5:]},
        }
    return tick


def divisor_of(token: int) -> float:
    """Return what prices of the token's segment are divided by, as documented."""
    return {3: 1e7, 6: 1e4, 12: 1e4}.get(token & 0xFF, 100.0)


def test_recorded_packets_decode_to_the_recorded_values() -> None:
    """Every field of the recorded ltp, quote and full packets equals what was recorded beside them."""
    folder = shared_data("kite/packets")
    expected = json.loads((folder / "expected.json").read_text())["packets"]
    for mode in ("ltp", "quote", "full"):
        decoded = decode_packets([(folder / f"{mode}Mode_binary.packet").read_bytes()])
        assert decoded.damage == []
        ticks = in_official_form(decoded)
        for tick in ticks:
            for name in ("last_trade_time", "exchange_timestamp"):
                if name in tick:
                    tick[name] = int(tick[name].timestamp())
        assert ticks == expected[mode]


@given(seeds)
def test_full_decode_equals_the_official_client(source: random.Random) -> None:
    """Random packets of all lengths and segments mean the same to the official client and to us."""
    tokens = [source.getrandbits(24) << 8 | segment for segment in range(1, 13)]
    frames = [
        frame_of([packet_of(source, tokens) for _ in range(source.randint(0, 6))]) for _ in range(source.randint(0, 4))
    ]
    decoded = decode_packets(frames)
    assert in_official_form(decoded) == official(frames)


@given(seeds, st.integers(1, 40), st.integers(1, 9))
def test_what_is_encoded_decodes_to_the_same_packets(source: random.Random, count: int, per_frame: int) -> None:
    """Packets of all modes and segments come back equal, in order, spread over the frames asked for."""
    tokens = [source.getrandbits(24) << 8 | source.randint(1, 12) for _ in range(count)]
    packets = new_packets(tokens, [source.randint(1, 3) for _ in tokens])
    raw = decode_packets([frame_of([packet_of_length(source, packet) for packet in packets])]).packets
    frames = encode_frames(raw, per_frame)
    decoded = decode_packets(frames)
    assert len(frames) == -(-count // per_frame)
    assert decoded.packets.tobytes() == raw.tobytes()
    assert decoded.frame.tolist() == [row // per_frame for row in range(count)]
    assert decoded.packets["token"].tolist() == tokens


def packet_of_length(source: random.Random, packet: np.void) -> bytes:
    """Return a random packet of the token and length of this one."""
    made = packet_of(source, [int(packet["token"])])
    while len(made) != packet["length"]:
        made = packet_of(source, [int(packet["token"])])
    return made


@given(
    st.lists(st.tuples(st.sampled_from([RELIANCE, NIFTY, USDINR]), st.integers(1, 3)), max_size=9), st.integers(0, 8)
)
def test_spaced_frames_are_the_same_frames_with_room_before_each(chosen: list[tuple[int, int]], lead: int) -> None:
    """A server that writes its own headers gets the very bytes, frames of no packets included."""
    tokens, modes = [token for token, _ in chosen], [mode for _, mode in chosen]
    packets = new_packets(tokens, np.array(modes, dtype=np.intp))
    middle = len(packets) // 2
    data, begins = encode_spaced(packets, np.array([0, middle, len(packets)]), lead)
    first, second = (b"".join(encode_frames(part)) or b"\0\0" for part in (packets[:middle], packets[middle:]))
    assert data[begins[0] : begins[1] - lead].tobytes() == first
    assert data[begins[1] : begins[2] - lead].tobytes() == second
    assert begins[0] == lead


@pytest.mark.parametrize("token", [RELIANCE, NIFTY, USDINR])
@pytest.mark.parametrize(("mode", "lengths"), [(Mode.LTP, (8, 8)), (Mode.QUOTE, (44, 28)), (Mode.FULL, (184, 32))])
def test_mode_and_segment_decide_the_length(token: int, mode: Mode, lengths: tuple[int, int]) -> None:
    """An index gets index packets, everything else the others."""
    frame = encode_frames(new_packets([token], mode))[0]
    length = lengths[token & 0xFF == 9]
    assert len(frame) == 4 + length
    assert struct.unpack(">HH", frame[:4]) == (1, length)


def test_encoding_refuses_a_length_the_protocol_does_not_know() -> None:
    """A row whose form is unknown, or a frame limit beyond 16 bits, is refused before a byte is written."""
    packets = new_packets([RELIANCE])
    with pytest.raises(InvalidValue, match="max_packets_per_frame"):
        encode_frames(packets, 65_536)
    for length in (12, 4_000_000_000):
        packets["length"] = length
        with pytest.raises(InvalidValue, match="length"):
            encode_frames(packets)


def test_encoding_nothing_makes_no_frames() -> None:
    """No packets, no frames."""
    assert encode_frames(np.zeros(0, dtype=PACKET)) == []


def test_a_full_packet_becomes_a_tick_in_rupees_and_milliseconds() -> None:
    """Each field of a tick comes from its place in the packet."""
    packets = new_packets([RELIANCE])
    packets["ltp"], packets["last_quantity"], packets["volume"], packets["oi"] = 285050, 15, 4_000_000_000, 77
    packets["timestamp"], packets["traded_at"] = 1_705_560_000, 1_705_559_999
    packets["depth"]["price"][0, [0, 5]] = 285025, 285075
    index = TokenIndex([instrument(NIFTY), instrument(RELIANCE, "RELIANCE")], "kite")
    decoded = decode_ticks(encode_frames(packets), [1_705_560_000_004], index)
    (tick,) = decoded.batch.to_records()
    assert (tick.token, tick.symbol, tick.exchange, tick.source) == (str(RELIANCE), "RELIANCE", "NSE", "kite")
    assert (tick.ltp, tick.bid, tick.ask) == (2850.5, 2850.25, 2850.75)
    assert (tick.volume, tick.day_volume, tick.open_interest) == (15, 4_000_000_000, 77)
    assert (tick.timestamp, tick.traded_at) == (1_705_560_000_000, 1_705_559_999_000)
    assert (tick.received, tick.sequence) == (1_705_560_000_004, 0)


def test_an_index_packet_becomes_a_tick_without_volume_or_book() -> None:
    """The time of an index value stands for its trade time."""
    packets = new_packets([NIFTY])
    packets["ltp"], packets["timestamp"] = 2_200_005, 1_705_560_000
    decoded = decode_ticks(encode_frames(packets), [5], TokenIndex([instrument(NIFTY)], "kite"))
    (tick,) = decoded.batch.to_records()
    assert (tick.ltp, tick.bid, tick.ask, tick.volume, tick.day_volume) == (22000.05, 0, 0, 0, 0)
    assert tick.traded_at == tick.timestamp == 1_705_560_000_000


def test_packets_that_are_no_ticks_are_counted_by_reason() -> None:
    """Packets without trade time, of unknown tokens or lengths, and heartbeats are counted and delivered nowhere."""
    packets = new_packets([RELIANCE, RELIANCE, NIFTY, USDINR, RELIANCE], [1, 2, 2, 3, 3])
    frames = [*encode_frames(packets), b"\0", b"", frame_of([b"", b"abc", b"x" * 185])]
    decoded = decode_ticks(frames, [1] * len(frames), TokenIndex([instrument(RELIANCE), instrument(NIFTY)], "kite"))
    assert decoded.batch.name.tolist() == [0]
    outcomes = decoded.outcomes
    assert (outcomes.taken, outcomes.no_trade_time, outcomes.unknown_token, outcomes.unknown_length) == (1, 3, 1, 3)
    assert (outcomes.heartbeats, outcomes.packets, decoded.damage) == (2, 8, [])


@pytest.mark.parametrize("count", [1, 2, 50, 3000, 9000])
def test_every_token_finds_its_own_name(count: int) -> None:
    """The token table finds each instrument, neighbours and high tokens included, and no stranger."""
    source = random.Random(count)
    tokens = [*source.sample(range(1, (1 << 32) - 1), count - 1), (1 << 32) - 1]
    packets = new_packets(tokens)
    packets["length"] = 184
    strangers = packets.copy()
    strangers["token"] ^= 1
    index = TokenIndex([instrument(token) for token in tokens], "kite")
    decoded = decode_ticks(encode_frames(packets), [0], index)
    assert decoded.batch.name.tolist() == list(range(count))
    known = set(tokens)
    expected = sum(1 for token in strangers["token"].tolist() if token not in known)
    assert decode_ticks(encode_frames(strangers), [0], index).outcomes.unknown_token == expected


@pytest.mark.parametrize("token", ["", "abc", "-5", "0", str(1 << 32), "\u0663\u0664"])
def test_an_instrument_without_a_token_is_refused(token: str) -> None:
    """A token that is no 32-bit number stops the start."""
    wrong = Instrument(exchange=Exchange.NSE, symbol="INFY", kind=Kind.EQUITY, token=token)
    with pytest.raises(Misconfigured, match="NSE:INFY"):
        TokenIndex([wrong], "kite")


def test_two_instruments_cannot_share_a_token() -> None:
    """A master that gives one token to two instruments stops the start."""
    with pytest.raises(Misconfigured, match="share"):
        TokenIndex([instrument(5, "A"), instrument(5, "B")], "kite")


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda frame: frame[:-1], "inside a packet"),
        (lambda frame: frame[: 2 + 10 + 1], "inside the length"),
        (lambda frame: frame + frame, "bytes follow"),
        (lambda frame: b"\xff\xff" + frame[2:], "inside the length"),
    ],
)
def test_whole_packets_before_the_damage_are_taken(harm, reason: str) -> None:
    """A cut, joined or lying frame gives what is whole in it, and says what is wrong."""
    good = encode_frames(new_packets([RELIANCE, NIFTY], [1, 3]))[0]
    expected = read_frames([good, harm(good), good])
    decoded = decode_packets([good, harm(good), good])
    assert decoded.packets["token"].tolist() == [packet["token"] for _, packet in expected.packets]
    ((damaged, said),) = [(damage.frame, damage.reason) for damage in decoded.damage]
    assert damaged == 1
    assert reason in said


@given(st.lists(st.binary(max_size=600), max_size=8))
def test_arbitrary_bytes_never_raise_and_never_give_more_than_fits(frames: list[bytes]) -> None:
    """Random bytes decode to what the plain reading finds, and no more."""
    assert_equal_to_the_reference(frames)


@given(seeds)
def test_harmed_frames_decode_to_what_the_plain_reading_finds(source: random.Random) -> None:
    """Cut, joined, flipped and lying frames, in any mixture, decode to what the plain reading finds."""
    frames = []
    for _ in range(source.randint(1, 6)):
        frame = bytearray(frame_of([packet_of(source) for _ in range(source.randint(0, 5))]))
        for _ in range(source.randint(0, 3)):
            at = source.randrange(len(frame) + 1)
            frame[at : at + source.randint(0, 4)] = source.randbytes(source.randint(0, 4))
        frames.append(bytes(frame))
    assert_equal_to_the_reference(frames)


def test_a_frame_that_claims_65535_packets_is_bounded_by_its_bytes() -> None:
    """A huge count costs no memory beyond what its bytes could hold."""
    decoded = decode_packets([b"\xff\xff" + b"\0\0" * 300])
    assert decoded.outcomes.unknown_length == 300
    base = decoded.packets.base
    assert base is not None
    assert len(base) <= 600 // 10


def assert_equal_to_the_reference(frames: list[bytes]) -> None:
    """Decode the frames and compare everything with the plain reading."""
    expected = read_frames(frames)
    decoded = decode_packets(frames)
    ours = [{name: packet[name] for name in PACKET.names if name != "depth"} for packet in decoded.packets]
    zero = dict.fromkeys(ours[0], 0) if ours else {}
    theirs = [{**zero, **packet} for _, packet in expected.packets]
    depths = [packet.pop("depth", [(0, 0, 0)] * 10) for packet in theirs]
    assert ours == theirs
    assert [[tuple(level) for level in levels.tolist()] for levels in decoded.packets["depth"]] == depths
    assert decoded.frame.tolist() == [frame for frame, _ in expected.packets]
    assert [damage.frame for damage in decoded.damage] == expected.damaged
    assert decoded.outcomes.unknown_length == expected.unknown_lengths
    assert set(decoded.packets["length"].tolist()) <= set(LENGTHS)
