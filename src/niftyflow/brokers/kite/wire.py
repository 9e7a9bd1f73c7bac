"""The Kite WebSocket dialect in both directions: binary frames, as arrays, and the JSON text messages.

Prices and times stay the raw integers of the wire in `PACKET` rows; `decode_ticks` alone turns them into rupees and
milliseconds. It holds no socket and no clock. Source: Kite Connect v3 docs and the official Python client 5.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from niftyflow.kernels import kite_frames as kernel
from niftyflow.model import Instrument, InvalidValue, Misconfigured, Name, NameTable, TickBatch

PACKET = np.dtype(
    [
        ("token", np.uint32),
        ("ltp", np.uint32),
        ("last_quantity", np.uint32),
        ("average", np.uint32),
        ("volume", np.uint32),
        ("buy_quantity", np.uint32),
        ("sell_quantity", np.uint32),
        ("open", np.uint32),
        ("high", np.uint32),
        ("low", np.uint32),
        ("close", np.uint32),
        ("traded_at", np.uint32),
        ("oi", np.uint32),
        ("oi_high", np.uint32),
        ("oi_low", np.uint32),
        ("timestamp", np.uint32),
        ("depth", [("quantity", np.uint32), ("price", np.uint32), ("orders", np.uint32)], (10,)),
        ("change", np.int32),
        ("length", np.uint32),
    ]
)
"""One packet as the raw integers of the wire: prices times the divisor, times in unix seconds, depth 0-4 buy, 5-9 sell.

`length` (8, 28, 32, 44 or 184) says which fields the wire has; the others are 0. `change` is only in index packets.
"""

Packets = NDArray[np.void]
"""A one-dimensional array of `PACKET`; its columns are `packets["ltp"]`, `packets["depth"]["price"][:, 0]`, …"""

LENGTHS = (8, 28, 32, 44, 184)
INDICES = 9
MAXIMUM_PACKETS = 65_535
COUNT_BYTES = 2
"""Bytes of a frame's packet count; shorter frames are heartbeats."""

_LENGTH_BY_MODE = np.array([[0, 8, 44, 184], [0, 8, 28, 32]], dtype=np.uint32)
_IS_LENGTH = np.isin(np.arange(LENGTHS[-1] + 1), LENGTHS)
_DAMAGE = {
    kernel.CUT_IN_LENGTH: "the frame ends inside the length of a packet",
    kernel.CUT_IN_PACKET: "the frame ends inside a packet",
    kernel.LEFT_OVER: "bytes follow the last packet of the frame",
}


class Mode(IntEnum):
    """What a subscription sends; `label` is its name on the wire."""

    LTP = 1
    QUOTE = 2
    FULL = 3

    @property
    def label(self) -> str:
        """The lower-case name used in messages."""
        return self.name.lower()


def new_packets(tokens: Any, modes: Any = Mode.FULL) -> Packets:
    """Return zeroed packets of these instrument tokens, with the length that each one's mode (1, 2 or 3) gives it.

    Tokens of segment 9 (the low byte) are indices and get index packets.
    """
    packets = np.zeros(len(tokens), dtype=PACKET)
    packets["token"] = tokens
    is_index = (packets["token"] & 0xFF == INDICES).astype(np.intp)
    packets["length"] = _LENGTH_BY_MODE[is_index, modes]
    return packets


def encode_frames(packets: Packets, max_packets_per_frame: int = MAXIMUM_PACKETS) -> list[bytes]:
    """Return the packets as binary frames, in order; the wire form of each row is chosen by its `length`.

    Raises:
        InvalidValue: a row has a length that the protocol does not know, or the frame limit is out of 1 to 65,535.
    """
    if not 1 <= max_packets_per_frame <= MAXIMUM_PACKETS:
        raise InvalidValue("max_packets_per_frame", max_packets_per_frame, "a frame counts its packets in 16 bits")
    if not len(packets):
        return []
    data, begins = encode_spaced(packets, np.append(np.arange(0, len(packets), max_packets_per_frame), len(packets)), 0)
    return [data[begin:end].tobytes() for begin, end in pairwise(begins.tolist())]


def encode_spaced(
    packets: Packets, packet_starts: NDArray[np.int64], lead: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Encode many frames into one buffer with `lead` free bytes before each, for a server to write its headers into.

    Frame `f` holds the packets `packet_starts[f]` up to `packet_starts[f + 1]` (the last entry is their number). Return
    the buffer and where each frame begins in it, with one more entry: where the next frame would.

    Raises:
        InvalidValue: a row has a length that the protocol does not know.
    """
    words = _words(packets)
    lengths = words[:, kernel.LENGTH].astype(np.int64)
    if len(lengths) and (lengths.max() > LENGTHS[-1] or not _IS_LENGTH[lengths].all()):
        raise InvalidValue("length", sorted(set(lengths.tolist()) - set(LENGTHS)), f"a packet has one of {LENGTHS}")
    written = np.concatenate(([0], np.cumsum(lengths + 2)))
    frame_starts = written[packet_starts] + (2 + lead) * np.arange(len(packet_starts)) + lead
    data = np.empty(int(frame_starts[-1]), dtype=np.uint8)
    kernel.write_frames(words, frame_starts, packet_starts, data)
    return data, frame_starts


@dataclass(frozen=True)
class Damage:
    """A frame that is not what the protocol promises; the packets before `reason` were taken."""

    frame: int
    reason: str


@dataclass(frozen=True)
class Outcomes:
    """How many packets were taken or not, and why; `heartbeats` counts frames."""

    taken: int
    unknown_length: int
    heartbeats: int
    no_trade_time: int
    unknown_token: int

    @property
    def packets(self) -> int:
        """Whole packets seen."""
        return self.taken + self.unknown_length + self.no_trade_time + self.unknown_token


@dataclass(frozen=True)
class DecodedPackets:
    """All fields of all known packets; `frame` is the place of each one's frame in the list decoded."""

    packets: Packets
    frame: NDArray[np.int32]
    outcomes: Outcomes
    damage: list[Damage]

    def rupees(self, field: str) -> NDArray[np.float64]:
        """Return a price field in rupees."""
        return np.asarray(self.packets[field] / divisors(self.packets["token"]), dtype=np.float64)


def divisors(tokens: Any) -> NDArray[np.float64]:
    """Return what the prices of each token's segment are divided by to give rupees."""
    segment = np.asarray(tokens, dtype=np.int64) & 0xFF
    four_decimals = (segment == kernel.BCD) | (segment == kernel.NCO)
    return np.where(segment == kernel.CDS, 10_000_000.0, np.where(four_decimals, 10_000.0, 100.0))


def decode_packets(frames: Sequence[bytes]) -> DecodedPackets:
    """Decode every field of every whole packet; packets of unknown length are counted and skipped."""
    data, starts = _joined(frames)
    bound = kernel.rows_bound(data, starts)
    packets = np.zeros(bound, dtype=PACKET)
    frame = np.empty(bound, dtype=np.int32)
    damage, counts = np.zeros(len(frames), dtype=np.uint8), np.zeros(kernel.OUTCOMES, dtype=np.int64)
    rows = kernel.read_packets(data, starts, _words(packets), frame, damage, counts)
    return DecodedPackets(packets[:rows], frame[:rows], Outcomes(*counts.tolist()), _damages(damage))


def is_heartbeat(frame: bytes) -> bool:
    """Whether a binary frame is a heartbeat: too short to count packets."""
    return len(frame) < COUNT_BYTES


class TokenIndex:
    """The instruments of a feed: which token is which name of the batches it makes."""

    def __init__(self, instruments: Sequence[Instrument], source: str) -> None:
        """Index the instruments by token.

        Raises:
            Misconfigured: an instrument has no numeric token, or two share one.
        """
        self.names = NameTable(Name(each.key, each.token, source) for each in instruments)
        self.tokens = np.array([_token(each) for each in instruments], dtype=np.uint32)
        if len(set(self.tokens.tolist())) < len(instruments) or len(self.names) < len(instruments):
            raise Misconfigured("two subscribed instruments share a Kite token; check the instrument master")
        slots = 1 << max(4, (4 * len(instruments)).bit_length())
        self.table = np.zeros((slots, 2), dtype=np.uint32)
        kernel.fill_table(self.tokens, self.table)


@dataclass(frozen=True)
class DecodedTicks:
    """The ticks of some frames, and what became of everything else in them."""

    batch: TickBatch
    outcomes: Outcomes
    damage: list[Damage]


def decode_ticks(frames: Sequence[bytes], received: Sequence[int], index: TokenIndex) -> DecodedTicks:
    """Decode frames into ticks, `received` (ms UTC) being when each frame came; prices become rupees, times ms UTC.

    Only full-mode packets are ticks: the others carry no trade time and are counted as such. An index has no trades of
    its own, so the time of its value stands for the trade time. `sequence` is 0.
    """
    data, starts = _joined(frames)
    bound = kernel.rows_bound(data, starts)
    ints = np.empty((7, bound), dtype=np.int64)
    prices = np.empty((3, bound), dtype=np.float64)
    damage, counts = np.zeros(len(frames), dtype=np.uint8), np.zeros(kernel.OUTCOMES, dtype=np.int64)
    times = np.asarray(received, dtype=np.int64)
    rows = kernel.read_ticks(data, starts, times, index.table, ints, prices, damage, counts)
    batch = TickBatch(
        index.names,
        name=ints[kernel.NAME, :rows],
        ltp=prices[kernel.LTP, :rows],
        volume=ints[kernel.LAST_QUANTITY, :rows],
        day_volume=ints[kernel.VOLUME, :rows],
        bid=prices[kernel.BID, :rows],
        ask=prices[kernel.ASK, :rows],
        open_interest=ints[kernel.INTEREST, :rows],
        timestamp=ints[kernel.TIMESTAMP, :rows],
        traded_at=ints[kernel.TRADED_AT, :rows],
        received=ints[kernel.RECEIVED, :rows],
        sequence=np.zeros(rows, dtype=np.int64),
    )
    return DecodedTicks(batch, Outcomes(*counts.tolist()), _damages(damage))


def _token(instrument: Instrument) -> int:
    text = instrument.token
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 32):
        raise Misconfigured(f"{instrument.key} has no Kite token ({text!r}); import the instrument master")
    return int(text)


def _words(packets: Packets) -> NDArray[np.uint32]:
    return np.ascontiguousarray(packets).view(np.uint32).reshape(len(packets), kernel.WORDS)


def _joined(frames: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    starts = np.zeros(len(frames) + 1, dtype=np.int64)
    np.cumsum([len(frame) for frame in frames], out=starts[1:])
    return np.frombuffer(b"".join(frames), dtype=np.uint8), starts


def _damages(damage: NDArray[np.uint8]) -> list[Damage]:
    return [Damage(int(frame), _DAMAGE[int(damage[frame])]) for frame in np.flatnonzero(damage)]
