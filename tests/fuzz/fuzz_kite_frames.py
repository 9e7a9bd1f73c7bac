"""Throw random and harmed Kite frames at the decoders and hold them against the plain reading of the protocol.

Run `python tests/fuzz/fuzz_kite_frames.py --cases 1000000 [--seed 7]`; one case is one frame. The first difference is
printed with its frames and ends the run with status 1.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests' own modules: pytest is not here to find them

from niftyflow.brokers.kite.wire import PACKET, TokenIndex, decode_packets, decode_ticks
from niftyflow.model import Exchange, Instrument, Kind
from support.kite_reference import Reference, frame_of, packet_of, read_frames

TOKENS = [738561, 256265, 412675, 5 << 8 | 6, 9 << 8 | 12]
STRANGER = 999_937
FRAMES_PER_CALL = 64


def main() -> int:
    """Run the cases asked for and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    source = random.Random(options.seed)
    index = TokenIndex(
        [Instrument(exchange=Exchange.NSE, symbol=str(token), kind=Kind.EQUITY, token=str(token)) for token in TOKENS],
        "fuzz",
    )
    started, done, packets, damaged = time.perf_counter(), 0, 0, 0
    while done < options.cases:
        frames = [_frame(source) for _ in range(min(FRAMES_PER_CALL, options.cases - done))]
        expected = read_frames(frames)
        difference = _difference(frames, expected, index)
        if difference:
            shown = [frame.hex() for frame in frames]
            sys.stdout.write(f"seed {options.seed}, after {done} cases: {difference}\n{shown}\n")
            return 1
        done += len(frames)
        packets += len(expected.packets)
        damaged += len(expected.damaged)
    seconds = time.perf_counter() - started
    sys.stdout.write(
        f"{done:,} frames, {damaged:,} of them damaged, {packets:,} packets in {seconds:.1f} s: "
        f"{done / seconds:,.0f} frames/s, no difference (seed {options.seed})\n"
    )
    return 0


def _frame(source: random.Random) -> bytes:
    kind = source.random()
    if kind < 0.1:
        return source.randbytes(source.randint(0, 64))
    packets = [packet_of(source, [*TOKENS, STRANGER]) for _ in range(source.choice((0, 1, 1, 2, 3)))]
    if kind < 0.2:
        packets.insert(source.randint(0, len(packets)), source.randbytes(source.randint(0, 200)))
    frame = frame_of(packets)
    return frame if kind < 0.4 else _harmed(source, frame)


def _harmed(source: random.Random, frame: bytes) -> bytes:
    harm = source.randrange(6)
    at = source.randint(0, len(frame))
    if harm == 0:
        return frame[:at]
    if harm == 1:
        return frame + frame
    if harm == 2:
        return frame[:at] + source.randbytes(source.randint(1, 4)) + frame[at:]
    if harm == 3:
        return frame[:at] + frame[at + source.randint(1, 4) :]
    if harm == 4:
        return source.choice((b"\xff\xff", b"\x80\x00", b"\x00\x00")) + frame[2:]
    return frame[:at] + bytes([source.getrandbits(8)]) + frame[at + 1 :]


def _difference(frames: list[bytes], expected: Reference, index: TokenIndex) -> str:
    """Return what differs between the plain reading and the kernels, or nothing."""
    decoded = decode_packets(frames)
    if [damage.frame for damage in decoded.damage] != expected.damaged:
        return "other frames are called damaged"
    if decoded.outcomes.unknown_length != expected.unknown_lengths:
        return "other counts of unknown lengths"
    if decoded.frame.tolist() != [frame for frame, _ in expected.packets]:
        return "packets of other frames"
    if decoded.packets.tobytes() != _as_array(expected).tobytes():
        return "packets with other fields"
    return _ticks_difference(frames, expected, index)


def _ticks_difference(frames: list[bytes], expected: Reference, index: TokenIndex) -> str:
    decoded = decode_ticks(frames, range(len(frames)), index)
    full = [(frame, packet) for frame, packet in expected.packets if packet["length"] in (32, 184)]
    ticks = [(frame, packet) for frame, packet in full if packet["token"] in TOKENS]
    batch, outcomes = decoded.batch, decoded.outcomes
    if batch.received.tolist() != [frame for frame, _ in ticks]:
        return "ticks of other frames"
    if [TOKENS[name] for name in batch.name.tolist()] != [packet["token"] for _, packet in ticks]:
        return "ticks of other instruments"
    if batch.day_volume.tolist() != [packet.get("volume", 0) for _, packet in ticks]:
        return "ticks with other volumes"
    if batch.traded_at.tolist() != [packet.get("traded_at", packet["timestamp"]) * 1000 for _, packet in ticks]:
        return "ticks with other trade times"
    if outcomes.unknown_token != len(full) - len(ticks) or outcomes.no_trade_time != len(expected.packets) - len(full):
        return "other outcomes"
    return ""


def _as_array(expected: Reference) -> np.ndarray:
    rows = np.zeros(len(expected.packets), dtype=PACKET)
    for row, (_, packet) in zip(rows, expected.packets, strict=True):
        for name, value in packet.items():
            row[name] = value
    return rows


if __name__ == "__main__":
    sys.exit(main())
