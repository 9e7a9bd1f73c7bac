"""Steps of the playback as bytes for a socket: Kite frames and the simulator's text messages, in order.

Headers of WebSocket frames are written here too, so that a step is one write however many messages it holds. A step is
encoded once for all clients that have the same subscriptions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from niftyflow.brokers.kite.wire import INDICES, Packets, divisors, encode_frames, encode_spaced, new_packets
from niftyflow.brokers.simulator.playback import Step
from niftyflow.brokers.simulator.tape import SECOND, Events
from niftyflow.model import Instrument

PACKETS_PER_FRAME = 200
HEARTBEAT = b"\x82\x01\x00"
"""A binary message of one byte, which Kite's clients ignore."""
BINARY, _TEXT = 0x82, 0x81
_SHORT, _MIDDLE = 126, 1 << 16
_LEAD = 4
_WIRE_MAXIMUM = (1 << 32) - 1
_NOMINAL_QUANTITY = 100


class PacketMaker:
    """Makes the packets of one source's instruments."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self.tokens = np.array([int(each.token) for each in instruments], dtype=np.uint32)
        self._divisors = divisors(self.tokens)
        self._is_index = (self.tokens & 0xFF) == INDICES

    def packets(self, events: Events, modes: NDArray[np.int8]) -> Packets:
        """Return a packet for each event, in the mode (1, 2 or 3) of its row.

        The book has one level a side: the source's bid and ask with a nominal quantity of 100. Times are whole
        seconds, as on the real wire.
        """
        place = events["instrument"]
        packets = new_packets(self.tokens[place], modes)
        scale = self._divisors[place]
        for name in ("ltp", "average", "open", "high", "low", "close"):
            packets[name] = np.rint(events[name] * scale)
        packets["last_quantity"] = events["last_quantity"]
        packets["volume"] = events["day_volume"]
        packets["oi"] = events["open_interest"]
        packets["traded_at"] = np.clip(events["traded_at"] // SECOND, 0, _WIRE_MAXIMUM)
        packets["timestamp"] = np.clip(events["timestamp"] // SECOND, 0, _WIRE_MAXIMUM)
        for level, name in ((0, "bid"), (5, "ask")):
            best = packets["depth"][:, level]
            best["price"] = np.rint(events[name] * scale)
            best["quantity"] = np.where(events[name] > 0, _NOMINAL_QUANTITY, 0)
            best["orders"] = events[name] > 0
        net = (events["ltp"] - events["close"]) * scale
        packets["change"] = np.where(self._is_index[place] & (events["close"] > 0), np.rint(net), 0)
        return packets


def clock_message(time: int, speed: float) -> bytes:
    """Return the text that says: everything before `time` (ms UTC) has been sent. Unlimited speed is written as 0."""
    return b'{"type":"clock","data":{"time":%d,"speed":%s}}' % (time, _number(speed))


def end_message(time: int) -> bytes:
    """Return the text that says that the session is over."""
    return b'{"type":"end","data":{"time":%d}}' % time


def error_message(reason: str) -> bytes:
    """Return Kite's text for a request that cannot be done."""
    return msgspec.json.encode({"type": "error", "data": reason})


def text_frame(message: bytes) -> bytes:
    """Return a text as a WebSocket message of a server."""
    return message_header(_TEXT, len(message)) + message


def binary_frames(packets: Packets) -> bytes:
    """Return packets as WebSocket messages of at most 200 each."""
    frames = encode_frames(packets, PACKETS_PER_FRAME)
    return b"".join(part for frame in frames for part in (message_header(BINARY, len(frame)), frame))


def encode_step(maker: PacketMaker, step: Step, modes: NDArray[np.int8], speed: float) -> bytes:
    """Return all WebSocket messages of a step for a client with these modes (by instrument; 0 is not subscribed)."""
    events, cuts = step.events, step.cuts
    chosen = modes[events["instrument"]]
    if not chosen.all():
        rows = np.flatnonzero(chosen)
        events, chosen, cuts = events[rows], chosen[rows], np.searchsorted(rows, cuts)
    starts, frames_before = frame_cuts(cuts.tolist(), len(events))
    data, places = encode_spaced(maker.packets(events, chosen), np.array(starts, dtype=np.int64), _LEAD)
    frames = _with_headers(data, places)
    pieces: list[bytes | memoryview] = []
    sent = 0
    clock = b'{"type":"clock","data":{"time":%%d,"speed":%s}}' % _number(speed)
    for mark, until in zip(step.marks.tolist(), frames_before, strict=True):
        pieces += frames[sent:until]
        sent = until
        pieces.append(text_frame(clock % mark))
    pieces += frames[sent:]
    return b"".join(pieces)


def frame_cuts(cuts: Sequence[int], count: int) -> tuple[list[int], list[int]]:
    """Return where frames begin (and the end), and how many frames come before each cut."""
    starts: list[int] = []
    frames_before = []
    at = 0
    for cut in cuts:
        starts += range(at, cut, PACKETS_PER_FRAME)
        frames_before.append(len(starts))
        at = cut
    starts += range(at, count, PACKETS_PER_FRAME)
    return [*starts, count], frames_before


def _with_headers(data: NDArray[np.uint8], places: NDArray[np.int64]) -> list[memoryview]:
    """Write the WebSocket header before each frame and return the messages."""
    begins, sizes = places[:-1], np.diff(places) - _LEAD
    is_short = sizes < _SHORT
    data[begins - 4] = BINARY
    data[begins - 3] = _SHORT
    data[begins - 2] = np.where(is_short, BINARY, sizes >> 8)
    data[begins - 1] = np.where(is_short, sizes, sizes & 0xFF)
    firsts = (begins - np.where(is_short, 2, 4)).tolist()
    view = data.data
    return [view[first:end] for first, end in zip(firsts, (begins + sizes).tolist(), strict=True)]


def message_header(kind: int, size: int) -> bytes:
    """Return the header of a server's WebSocket message of `size` bytes."""
    if size < _SHORT:
        return bytes((kind, size))
    if size < _MIDDLE:
        return bytes((kind, _SHORT)) + size.to_bytes(2, "big")
    return bytes((kind, _SHORT + 1)) + size.to_bytes(8, "big")


def _number(speed: float) -> bytes:
    return b"0" if math.isinf(speed) else f"{speed:g}".encode()
