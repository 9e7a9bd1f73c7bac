"""Ticks as JSON, written and read in one pass over contiguous bytes: what the contract spells, and nothing else.

A row is what msgspec makes of a `Tick`, to the byte. The reader takes rows of exactly that shape and stops at the first
that is not: whoever calls then reads them the general way, which also says what is wrong with them.
"""

from __future__ import annotations

import numpy as np
from numba import njit

UNITS = 10_000.0
"""Prices are written as whole units of 1/10,000; one that is no such number is not for this writer."""
MOST_UNITS = 1e15
NUMBER_BYTES = 20
"""No number takes more: 19 digits, or 11 before the point and 4 behind it."""

VOLUME, DAY_VOLUME, INTEREST, TIMESTAMP, TRADED_AT, RECEIVED, SEQUENCE = 0, 1, 2, 3, 4, 5, 6
"""Rows of the integer matrix."""
LTP, BID, ASK = 0, 1, 2
"""Rows of the price matrix."""

_QUOTE, _BACKSLASH, _DOT, _ZERO, _NINE, _NEWLINE = 34, 92, 46, 48, 57, 10
_FIRST_PLAIN, _LAST_PLAIN = 32, 126
_MOST_DIGITS_OF_PRICE = 15  # up to here a digit string over a power of ten is rounded once, so exactly
_MOST_DIGITS = 18


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


# What stands before each field that is no part of a name; a name begins the row and ends it.
AFTER_LTP = _bytes(',"volume":')
AFTER_VOLUME = _bytes(',"day_volume":')
AFTER_DAY_VOLUME = _bytes(',"bid":')
AFTER_BID = _bytes(',"ask":')
AFTER_ASK = _bytes(',"open_interest":')
AFTER_INTEREST = _bytes(',"timestamp":')
AFTER_TIMESTAMP = _bytes(',"traded_at":')
AFTER_TRADED_AT = _bytes(',"received":')
AFTER_RECEIVED = _bytes(',"sequence":')
BEFORE_TOKEN = _bytes('{"token":"')
BEFORE_SYMBOL = _bytes(',"symbol":"')
BEFORE_EXCHANGE = _bytes(',"exchange":"')
BEFORE_LTP = _bytes(',"ltp":')
BEFORE_SOURCE = _bytes(',"source":"')
FIXED_BYTES = sum(
    len(each)
    for each in (
        AFTER_LTP, AFTER_VOLUME, AFTER_DAY_VOLUME, AFTER_BID, AFTER_ASK, AFTER_INTEREST, AFTER_TIMESTAMP,
        AFTER_TRADED_AT, AFTER_RECEIVED,
    )
)  # fmt: skip
"""Bytes of a row that are neither name nor number."""


# -- writing -------------------------------------------------------------------------------------------------------


@njit(cache=True, inline="always")
def _put(out, at, text):
    for place in range(len(text)):
        out[at + place] = text[place]
    return at + len(text)


@njit(cache=True)
def _put_whole(out, at, value):
    digits, rest = 1, value
    while rest >= 10:
        rest //= 10
        digits += 1
    for place in range(at + digits - 1, at - 1, -1):
        out[place] = np.uint8(_ZERO + value % 10)
        value //= 10
    return at + digits


@njit(cache=True)
def _put_price(out, at, units):
    at = _put_whole(out, at, units // 10_000)
    out[at] = np.uint8(_DOT)
    at += 1
    rest, scale = units % 10_000, 1_000
    out[at] = np.uint8(_ZERO + rest // scale)
    at += 1
    rest %= scale
    while rest:
        scale //= 10
        out[at] = np.uint8(_ZERO + rest // scale)
        at += 1
        rest %= scale
    return at


@njit(cache=True, nogil=True)
def write_ticks(name, prices, numbers, heads, heads_at, tails, tails_at, out):
    """Write a row for each tick, a newline behind it; return the number of bytes.

    `prices` are int64 units[3, n], `numbers` int64[7, n], none below 0. The row of a name n begins with
    heads[heads_at[n]:heads_at[n + 1]] (up to the ltp) and ends with the same of `tails`.
    """
    at = 0
    for row in range(len(name)):
        of = name[row]
        at = _put(out, at, heads[heads_at[of] : heads_at[of + 1]])
        at = _put_price(out, at, prices[LTP, row])
        at = _put_whole(out, _put(out, at, AFTER_LTP), numbers[VOLUME, row])
        at = _put_whole(out, _put(out, at, AFTER_VOLUME), numbers[DAY_VOLUME, row])
        at = _put_price(out, _put(out, at, AFTER_DAY_VOLUME), prices[BID, row])
        at = _put_price(out, _put(out, at, AFTER_BID), prices[ASK, row])
        at = _put_whole(out, _put(out, at, AFTER_ASK), numbers[INTEREST, row])
        at = _put_whole(out, _put(out, at, AFTER_INTEREST), numbers[TIMESTAMP, row])
        at = _put_whole(out, _put(out, at, AFTER_TIMESTAMP), numbers[TRADED_AT, row])
        at = _put_whole(out, _put(out, at, AFTER_TRADED_AT), numbers[RECEIVED, row])
        at = _put_whole(out, _put(out, at, AFTER_RECEIVED), numbers[SEQUENCE, row])
        at = _put(out, at, tails[tails_at[of] : tails_at[of + 1]])
        out[at] = np.uint8(_NEWLINE)
        at += 1
    return at


# -- reading: every reader returns the place behind what it read, or -1 ---------------------------------------------


@njit(cache=True, inline="always")
def _skip(data, at, end, text):
    if at < 0 or at + len(text) > end:
        return -1
    for place in range(len(text)):
        if data[at + place] != text[place]:
            return -1
    return at + len(text)


@njit(cache=True, inline="always")
def _skip_text(data, at, end):
    """Pass over a text of plain ASCII and its closing quote."""
    if at < 0:
        return -1
    while at < end:
        byte = data[at]
        if byte == _QUOTE:
            return at + 1
        if byte == _BACKSLASH or byte < _FIRST_PLAIN or byte > _LAST_PLAIN:
            return -1
        at += 1
    return -1


@njit(cache=True)
def _read_whole(data, at, end, numbers, field, row):
    if at < 0:
        return -1
    begin, value = at, np.int64(0)
    while at < end and _ZERO <= data[at] <= _NINE:
        value = value * 10 + np.int64(data[at]) - _ZERO
        at += 1
        if at - begin > _MOST_DIGITS:
            return -1
    if at == begin or (data[begin] == _ZERO and at - begin > 1):
        return -1
    numbers[field, row] = value
    return at


@njit(cache=True)
def _read_price(data, at, end, prices, field, row):
    if at < 0:
        return -1
    begin, digits, value, scale = at, 0, np.int64(0), 1.0
    while at < end and _ZERO <= data[at] <= _NINE:
        value = value * 10 + np.int64(data[at]) - _ZERO
        at += 1
        digits += 1
        if digits > _MOST_DIGITS_OF_PRICE:
            return -1
    if at == begin or (data[begin] == _ZERO and at - begin > 1):
        return -1
    if at < end and data[at] == _DOT:
        at += 1
        point = at
        while at < end and _ZERO <= data[at] <= _NINE:
            value = value * 10 + np.int64(data[at]) - _ZERO
            scale *= 10.0
            at += 1
            digits += 1
            if digits > _MOST_DIGITS_OF_PRICE:
                return -1
        if at == point:
            return -1
    prices[field, row] = value / scale
    return at


@njit(cache=True, inline="always")
def _mix(code, data, begin, end):
    for place in range(begin, end):
        code = (code ^ np.uint64(data[place])) * np.uint64(0x100000001B3)
    return code


@njit(cache=True, inline="always")
def _is_same(data, at, known, begin, end):
    place = begin
    while place < end and data[at] == known[place]:
        at += 1
        place += 1
    return place == end


@njit(cache=True, nogil=True)
def read_ticks(data, ends, name, prices, numbers, table, known, known_at, state):
    """Read rows that end at `ends` in `data`; return how many were of the shape, up to the first that was not.

    `name` gets each row's place among the names met: the name of a place p is known[known_at[2p]:known_at[2p + 2]], its
    part up to the ltp and then that from the source on, parted at known_at[2p + 1]. `table` (int32, a power of two
    long, -1 where free) finds them; `state[0]` counts them. A new name that has no room ends the reading as well, and
    `state[1]` is then 1.
    """
    begin, mask = 0, np.uint64(len(table) - 1)
    state[1] = 0
    for row in range(len(ends)):
        end = ends[row]
        at = _skip_text(data, _skip(data, begin, end, BEFORE_TOKEN), end)
        at = _skip_text(data, _skip(data, at, end, BEFORE_SYMBOL), end)
        at = _skip_text(data, _skip(data, at, end, BEFORE_EXCHANGE), end)
        head_end = _skip(data, at, end, BEFORE_LTP)
        at = _read_price(data, head_end, end, prices, LTP, row)
        at = _read_whole(data, _skip(data, at, end, AFTER_LTP), end, numbers, VOLUME, row)
        at = _read_whole(data, _skip(data, at, end, AFTER_VOLUME), end, numbers, DAY_VOLUME, row)
        at = _read_price(data, _skip(data, at, end, AFTER_DAY_VOLUME), end, prices, BID, row)
        at = _read_price(data, _skip(data, at, end, AFTER_BID), end, prices, ASK, row)
        at = _read_whole(data, _skip(data, at, end, AFTER_ASK), end, numbers, INTEREST, row)
        at = _read_whole(data, _skip(data, at, end, AFTER_INTEREST), end, numbers, TIMESTAMP, row)
        at = _read_whole(data, _skip(data, at, end, AFTER_TIMESTAMP), end, numbers, TRADED_AT, row)
        at = _read_whole(data, _skip(data, at, end, AFTER_TRADED_AT), end, numbers, RECEIVED, row)
        tail = _read_whole(data, _skip(data, at, end, AFTER_RECEIVED), end, numbers, SEQUENCE, row)
        at = _skip_text(data, _skip(data, tail, end, BEFORE_SOURCE), end)
        if at != end - 1 or data[at] != 125 or prices[LTP, row] == 0.0:  # the closing brace, and nothing behind it
            return row
        head_size, tail_size = head_end - begin, end - tail
        code = _mix(_mix(np.uint64(0xCBF29CE484222325), data, begin, head_end), data, tail, end)
        slot = (code ^ (code >> np.uint64(32))) & mask
        while True:
            place = table[slot]
            if place < 0:
                count = state[0]
                start = known_at[2 * count]
                if (
                    2 * count + 2 >= len(known_at)
                    or 2 * (count + 1) > len(table)
                    or (start + head_size + tail_size > len(known))
                ):
                    state[1] = 1
                    return row
                known[start : start + head_size] = data[begin:head_end]
                known[start + head_size : start + head_size + tail_size] = data[tail:end]
                known_at[2 * count + 1] = start + head_size
                known_at[2 * count + 2] = start + head_size + tail_size
                table[slot] = place = count
                state[0] = count + 1
                break
            start, middle, stop = known_at[2 * place], known_at[2 * place + 1], known_at[2 * place + 2]
            if (
                middle - start == head_size
                and stop - middle == tail_size
                and _is_same(data, begin, known, start, middle)
                and _is_same(data, tail, known, middle, stop)
            ):
                break
            slot = (slot + np.uint64(1)) & mask
        name[row] = place
        begin = end
    return len(ends)
