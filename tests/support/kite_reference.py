"""A slow, plain reading of Kite frames to hold the kernels against, and random frames to feed both."""

from __future__ import annotations

import random
import struct
from typing import Any, NamedTuple

LENGTHS = (8, 28, 32, 44, 184)
FIELDS = {
    8: ("token", "ltp"),
    28: ("token", "ltp", "high", "low", "open", "close", "change"),
    32: ("token", "ltp", "high", "low", "open", "close", "change", "timestamp"),
    44: (
        "token", "ltp", "last_quantity", "average", "volume", "buy_quantity", "sell_quantity",
        "open", "high", "low", "close",
    ),
}  # fmt: skip
FIELDS[184] = (*FIELDS[44], "traded_at", "oi", "oi_high", "oi_low", "timestamp")


class Reference(NamedTuple):
    """What a reader has to find in some frames: packets with their frame, and the frames that are damaged."""

    packets: list[tuple[int, dict[str, Any]]]
    unknown_lengths: int
    damaged: list[int]


def read_frames(frames: list[bytes]) -> Reference:
    """Read frames one field at a time, with bounds checked by slicing."""
    packets: list[tuple[int, dict[str, Any]]] = []
    unknown, damaged = 0, []
    for number, frame in enumerate(frames):
        if len(frame) < 2:
            continue
        (claimed,) = struct.unpack(">H", frame[:2])
        rest = frame[2:]
        for _ in range(claimed):
            length = struct.unpack(">H", rest[:2])[0] if len(rest) >= 2 else None
            if length is None or len(rest) < 2 + length:
                damaged.append(number)
                break
            packet, rest = rest[2 : 2 + length], rest[2 + length :]
            if length in LENGTHS:
                packets.append((number, read_packet(packet)))
            else:
                unknown += 1
        else:
            if rest:
                damaged.append(number)
    return Reference(packets, unknown, damaged)


def read_packet(packet: bytes) -> dict[str, Any]:
    """Read one packet of a known length into its raw integers."""
    names = FIELDS[len(packet)]
    values: dict[str, Any] = dict(zip(names, struct.unpack(f">{len(names)}I", packet[: 4 * len(names)]), strict=True))
    if "change" in values:
        (values["change"],) = struct.unpack(">i", packet[24:28])
    if len(packet) == 184:
        values["depth"] = [struct.unpack(">IIHxx", packet[at : at + 12]) for at in range(64, 184, 12)]
    return {"length": len(packet), **values}


def packet_of(source: random.Random, tokens: list[int] | None = None) -> bytes:
    """Return a random packet of a known length, of one of the tokens where there are any."""
    length = source.choice(LENGTHS)
    packet = bytearray(source.randbytes(length))
    if tokens:
        packet[:4] = source.choice(tokens).to_bytes(4, "big")
    if length == 184:
        for at in range(74, 184, 12):
            packet[at : at + 2] = b"\0\0"
    return bytes(packet)


def frame_of(packets: list[bytes]) -> bytes:
    """Return the frame that carries the packets."""
    return struct.pack(">H", len(packets)) + b"".join(struct.pack(">H", len(each)) + each for each in packets)
