"""Kite's binary frames, read and written in one pass over contiguous bytes.

A frame is `uint16 n`, then n times `uint16 length, packet`; all integers are big-endian and unsigned. The readers take
whole packets up to the first damage of a frame, never look outside its bytes, and never trust a count in it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

WORDS = 48
"""32-bit words of one packet in memory: the 46 of a full packet in wire order, then index change, then length."""
CHANGE = 46
LENGTH = 47

INTACT, CUT_IN_LENGTH, CUT_IN_PACKET, LEFT_OVER = 0, 1, 2, 3
"""What was wrong with a frame."""

TAKEN, UNKNOWN_LENGTH, HEARTBEAT, NO_TRADE_TIME, UNKNOWN_TOKEN = 0, 1, 2, 3, 4
"""What became of packets (and of heartbeat frames): places in the `counts` array."""
OUTCOMES = 5

NAME, LAST_QUANTITY, VOLUME, INTEREST, TIMESTAMP, TRADED_AT, RECEIVED = 0, 1, 2, 3, 4, 5, 6
"""Rows of the integer matrix that `read_ticks` fills."""
LTP, BID, ASK = 0, 1, 2
"""Rows of the price matrix that `read_ticks` fills."""

_GOLDEN = 0x9E3779B97F4A7C15
CDS, BCD, NCO = 3, 6, 12
"""Segments (low byte of a token) whose prices are not in paise."""


@njit(cache=True, inline="always")
def _half(data, at):
    return (np.uint32(data[at]) << np.uint32(8)) | np.uint32(data[at + 1])


@njit(cache=True, inline="always")
def _word(data, at):
    return (
        (np.uint32(data[at]) << np.uint32(24))
        | (np.uint32(data[at + 1]) << np.uint32(16))
        | (np.uint32(data[at + 2]) << np.uint32(8))
        | np.uint32(data[at + 3])
    )


@njit(cache=True, inline="always")
def _put_word(data, at, value):
    data[at] = np.uint8(value >> np.uint32(24))
    data[at + 1] = np.uint8((value >> np.uint32(16)) & np.uint32(255))
    data[at + 2] = np.uint8((value >> np.uint32(8)) & np.uint32(255))
    data[at + 3] = np.uint8(value & np.uint32(255))


@njit(cache=True, inline="always")
def _put_half(data, at, value):
    data[at] = np.uint8((value >> np.uint32(8)) & np.uint32(255))
    data[at + 1] = np.uint8(value & np.uint32(255))


@njit(cache=True)
def rows_bound(data, starts):
    """Return how many known packets the frames can hold at most: what they claim, bounded by their bytes."""
    total = 0
    for frame in range(len(starts) - 1):
        size = starts[frame + 1] - starts[frame]
        if size >= 2:
            claimed = np.int64(_half(data, starts[frame]))
            total += min(claimed, (size - 2) // 10)
    return total


@njit(cache=True)
def read_packets(data, starts, words, frames, damage, counts):
    """Write every known packet to a row of `words`, its frame to `frames`, and return how many there were."""
    row = 0
    for frame in range(len(starts) - 1):
        at = starts[frame]
        end = starts[frame + 1]
        if end - at < 2:
            counts[HEARTBEAT] += 1
            continue
        claimed = np.int64(_half(data, at))
        at += 2
        for _ in range(claimed):
            if at + 2 > end:
                damage[frame] = CUT_IN_LENGTH
                break
            length = np.int64(_half(data, at))
            at += 2
            if at + length > end:
                damage[frame] = CUT_IN_PACKET
                break
            if length in (8, 44, 184):
                for word in range(min(int(length // 4), 16)):
                    words[row, word] = _word(data, at + 4 * word)
                if length == 184:
                    for word in range(16, 46, 3):
                        words[row, word] = _word(data, at + 4 * word)
                        words[row, word + 1] = _word(data, at + 4 * word + 4)
                        words[row, word + 2] = _half(data, at + 4 * word + 8)
            elif length in (28, 32):
                words[row, 0] = _word(data, at)
                words[row, 1] = _word(data, at + 4)
                words[row, 8] = _word(data, at + 8)
                words[row, 9] = _word(data, at + 12)
                words[row, 7] = _word(data, at + 16)
                words[row, 10] = _word(data, at + 20)
                words[row, CHANGE] = _word(data, at + 24)
                if length == 32:
                    words[row, 15] = _word(data, at + 28)
            else:
                counts[UNKNOWN_LENGTH] += 1
                at += length
                continue
            words[row, LENGTH] = length
            frames[row] = frame
            row += 1
            at += length
        else:
            if at < end:
                damage[frame] = LEFT_OVER
    counts[TAKEN] += row
    return row


@njit(cache=True)
def write_frames(words, frame_starts, packet_starts, data):
    """Write rows `packet_starts[f]` up to `packet_starts[f + 1]` of `words` as the frame at `frame_starts[f]`."""
    for frame in range(len(frame_starts) - 1):
        at = frame_starts[frame]
        first = packet_starts[frame]
        last = packet_starts[frame + 1]
        _put_half(data, at, np.uint32(last - first))
        at += 2
        for row in range(first, last):
            length = words[row, LENGTH]
            _put_half(data, at, length)
            at += 2
            if length in (28, 32):
                _put_word(data, at, words[row, 0])
                _put_word(data, at + 4, words[row, 1])
                _put_word(data, at + 8, words[row, 8])
                _put_word(data, at + 12, words[row, 9])
                _put_word(data, at + 16, words[row, 7])
                _put_word(data, at + 20, words[row, 10])
                _put_word(data, at + 24, words[row, CHANGE])
                if length == 32:
                    _put_word(data, at + 28, words[row, 15])
            else:
                for word in range(min(int(length // 4), 16)):
                    _put_word(data, at + 4 * word, words[row, word])
                if length == 184:
                    for word in range(16, 46, 3):
                        _put_word(data, at + 4 * word, words[row, word])
                        _put_word(data, at + 4 * word + 4, words[row, word + 1])
                        _put_word(data, at + 4 * word + 8, words[row, word + 2] << np.uint32(16))
            at += np.int64(length)


@njit(cache=True)
def fill_table(tokens, table):
    """Put token -> place into the open-addressing `table` of (token, place + 1); its length is a power of two."""
    mask = len(table) - 1
    for place in range(len(tokens)):
        token = np.uint64(tokens[place])
        slot = np.int64((token * np.uint64(_GOLDEN)) >> np.uint64(40)) & mask
        while table[slot, 1] != 0 and table[slot, 0] != tokens[place]:
            slot = (slot + 1) & mask
        table[slot, 0] = tokens[place]
        table[slot, 1] = place + 1


@njit(cache=True)
def find_place(token, table):
    """Return the place of a token in the table, or -1; the table always has a free slot."""
    mask = len(table) - 1
    slot = np.int64((np.uint64(token) * np.uint64(_GOLDEN)) >> np.uint64(40)) & mask
    while table[slot, 1] != 0:
        if table[slot, 0] == token:
            return np.int64(table[slot, 1]) - 1
        slot = (slot + 1) & mask
    return np.int64(-1)


@njit(cache=True)
def divisor_of(token):
    """Return what a price of this token's segment is divided by to give rupees."""
    segment = token & np.uint32(255)
    if segment == CDS:
        return 10_000_000.0
    if segment in (BCD, NCO):
        return 10_000.0
    return 100.0


@njit(cache=True)
def read_ticks(data, starts, received, table, ints, prices, damage, counts):
    """Write the packets that are ticks (full mode, subscribed token) to the columns; return how many there were."""
    row = 0
    for frame in range(len(starts) - 1):
        at = starts[frame]
        end = starts[frame + 1]
        if end - at < 2:
            counts[HEARTBEAT] += 1
            continue
        claimed = np.int64(_half(data, at))
        at += 2
        for _ in range(claimed):
            if at + 2 > end:
                damage[frame] = CUT_IN_LENGTH
                break
            length = np.int64(_half(data, at))
            at += 2
            if at + length > end:
                damage[frame] = CUT_IN_PACKET
                break
            if length in (32, 184):
                token = _word(data, at)
                place = find_place(token, table)
                if place < 0:
                    counts[UNKNOWN_TOKEN] += 1
                else:
                    divisor = divisor_of(token)
                    ints[NAME, row] = place
                    ints[RECEIVED, row] = received[frame]
                    prices[LTP, row] = _word(data, at + 4) / divisor
                    if length == 184:
                        ints[LAST_QUANTITY, row] = _word(data, at + 8)
                        ints[VOLUME, row] = _word(data, at + 16)
                        ints[TRADED_AT, row] = np.int64(_word(data, at + 44)) * 1000
                        ints[INTEREST, row] = _word(data, at + 48)
                        ints[TIMESTAMP, row] = np.int64(_word(data, at + 60)) * 1000
                        prices[BID, row] = _word(data, at + 68) / divisor
                        prices[ASK, row] = _word(data, at + 128) / divisor
                    else:
                        moment = np.int64(_word(data, at + 28)) * 1000
                        ints[LAST_QUANTITY, row] = 0
                        ints[VOLUME, row] = 0
                        ints[TRADED_AT, row] = moment
                        ints[INTEREST, row] = 0
                        ints[TIMESTAMP, row] = moment
                        prices[BID, row] = 0.0
                        prices[ASK, row] = 0.0
                    row += 1
            elif length in (8, 28, 44):
                counts[NO_TRADE_TIME] += 1
            else:
                counts[UNKNOWN_LENGTH] += 1
            at += length
        else:
            if at < end:
                damage[frame] = LEFT_OVER
    counts[TAKEN] += row
    return row
