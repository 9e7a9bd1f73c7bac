"""Volatility: Bollinger bands and Wilder's average true range, for all symbols in one call.

A state row holds the parameters, then what the indicator remembers. A bar with an input that is not finite leaves the
row as it is and writes NaN. Windows and exponential averages are kept as `averages.py` explains.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

(BOLLINGER_PERIOD, BOLLINGER_DEVIATIONS, BOLLINGER_IS_FULL, BOLLINGER_AT, BOLLINGER_ORIGIN, BOLLINGER_TOTAL,
 BOLLINGER_SQUARES, BOLLINGER_PEAK, BOLLINGER_REFERENCE, BOLLINGER_FRESH, BOLLINGER_FRESH_SQUARES,
 BOLLINGER_FRESH_PEAK, BOLLINGER_RING) = range(13)  # fmt: skip
ATR_PERIOD, ATR_SEEN, ATR_CLOSE, ATR_START, ATR_HALF, ATR_HAS_HALF, ATR_WIDTH = range(7)

BLOCK = np.uint64(64)
"""Bars of a block of history; even, for they are taken in pairs."""
BLOCK_NUMBERS = 3 * 64
EXPONENT = np.uint64(0x7FF0_0000_0000_0000)

CANCELLED = 1e-6
"""A variance below this share of the largest square that passed through its sum has lost digits, and is taken anew."""


@njit(cache=True, error_model="numpy")
def _variance(ring, period, near):
    """Return the population variance of a ring in two passes, of values less `near`."""
    mean = 0.0
    for i in range(period):
        mean += ring[i] - near
    mean /= period
    squares = 0.0
    for i in range(period):
        squares += (ring[i] - near - mean) ** 2
    return squares / period


@njit(cache=True, error_model="numpy")
def bollinger_advance(state, x, out):
    """Advance the mean and its bands of `deviations` population deviations: x (close), out (upper, middle, lower)."""
    if x.shape != (state.shape[0], out.shape[1], 1) or out.shape != (state.shape[0], x.shape[1], 3):
        raise ValueError("bollinger needs x (symbols, time, 1) and out (symbols, time, 3)")
    for s in range(state.shape[0]):
        row = state[s]
        period, deviations = int(row[BOLLINGER_PERIOD]), row[BOLLINGER_DEVIATIONS]
        is_full, at = row[BOLLINGER_IS_FULL] != 0.0, int(row[BOLLINGER_AT])
        origin, total, squares = row[BOLLINGER_ORIGIN], row[BOLLINGER_TOTAL], row[BOLLINGER_SQUARES]
        peak, reference, fresh = row[BOLLINGER_PEAK], row[BOLLINGER_REFERENCE], row[BOLLINGER_FRESH]
        fresh_squares, fresh_peak = row[BOLLINGER_FRESH_SQUARES], row[BOLLINGER_FRESH_PEAK]
        ring = row[BOLLINGER_RING:]
        share = 1.0 / period
        for t in range(x.shape[1]):
            close = x[s, t, 0]
            if not abs(close) < np.inf:
                out[s, t, 0] = out[s, t, 1] = out[s, t, 2] = np.nan
                continue
            if at == 0:
                reference, fresh, fresh_squares, fresh_peak = close, 0.0, 0.0, 0.0
            coming, leaving, distance = close - origin, ring[at] - origin, close - reference
            ring[at] = close
            total += coming - leaving
            squares += coming * coming - leaving * leaving
            peak = max(peak, coming * coming)
            fresh += distance
            fresh_squares += distance * distance
            fresh_peak = max(fresh_peak, distance * distance)
            at += 1
            if at == period:
                origin, total, squares, peak = reference, fresh, fresh_squares, fresh_peak
                at, is_full = 0, True
            if not is_full:
                out[s, t, 0] = out[s, t, 1] = out[s, t, 2] = np.nan
                continue
            mean = total * share
            variance = squares * share - mean * mean
            if variance < CANCELLED * peak:
                variance = _variance(ring, period, close)
            middle = origin + mean
            width = deviations * math.sqrt(variance)
            out[s, t, 0] = middle + width
            out[s, t, 1] = middle
            out[s, t, 2] = middle - width
        row[BOLLINGER_IS_FULL], row[BOLLINGER_AT] = is_full, at
        row[BOLLINGER_ORIGIN], row[BOLLINGER_TOTAL], row[BOLLINGER_SQUARES] = origin, total, squares
        row[BOLLINGER_PEAK], row[BOLLINGER_REFERENCE], row[BOLLINGER_FRESH] = peak, reference, fresh
        row[BOLLINGER_FRESH_SQUARES], row[BOLLINGER_FRESH_PEAK] = fresh_squares, fresh_peak


@njit(cache=True, error_model="numpy")
def _atr_blocks(bars, out, at, start, close, weight):
    """Take seeded bars from `at` on in blocks while all of one is finite; return the place, the average and the close.

    A number that is not finite has all bits of its exponent set: asking a whole block that costs a third of asking each
    bar. Unsigned places spare the question whether one counts from the end.
    """
    keep = 1.0 - weight
    keep_pair = keep * keep
    bits = bars.reshape(-1).view(np.uint64)
    t, length = np.uint64(at), np.uint64(out.shape[0])
    while t + BLOCK <= length:
        is_broken = np.uint64(0)
        first = t * np.uint64(3)
        for i in range(BLOCK_NUMBERS):
            is_broken |= np.uint64((bits[first + np.uint64(i)] & EXPONENT) == EXPONENT)
        if is_broken:
            break
        end = t + BLOCK
        while t < end:
            u = t + np.uint64(1)
            middle = bars[t, 2]
            half = (max(bars[t, 0], close) - min(bars[t, 1], close)) * weight
            part = (max(bars[u, 0], middle) - min(bars[u, 1], middle)) * weight
            out[t, 0] = start * keep + half
            start = start * keep_pair + (half * keep + part)
            out[u, 0] = start
            close = bars[u, 2]
            t = u + np.uint64(1)
    return np.int64(t), start, close


@njit(cache=True, error_model="numpy")
def atr_advance(state, x, out):
    """Advance the average true range, seeded by the mean of its first `period`: x (high, low, close), out (value).

    The first bar has no close before it, hence no true range. Bars are taken in pairs, both from the value before the
    pair, so that there is half as much to wait for.
    """
    if x.shape != (state.shape[0], out.shape[1], 3) or out.shape != (state.shape[0], x.shape[1], 1):
        raise ValueError("atr needs x (symbols, time, 3) and out (symbols, time, 1)")
    for s in range(state.shape[0]):
        row = state[s]
        period, seen = int(row[ATR_PERIOD]), int(row[ATR_SEEN])
        previous, start, half, has_half = row[ATR_CLOSE], row[ATR_START], row[ATR_HALF], row[ATR_HAS_HALF] != 0.0
        weight = 1.0 / period
        keep = 1.0 - weight
        keep_pair = keep * keep
        t = 0
        while t < x.shape[1]:
            if seen > period and not has_half:
                t, start, previous = _atr_blocks(x[s], out[s], t, start, previous, weight)
                if t == x.shape[1]:
                    break
            high, low, close = x[s, t, 0], x[s, t, 1], x[s, t, 2]
            t += 1
            if not abs(high - low + close) < np.inf:
                out[s, t - 1, 0] = np.nan
                continue
            true_range = max(high, previous) - min(low, previous)
            previous = close
            if seen > period:
                part = true_range * weight
                if has_half:
                    start = start * keep_pair + (half * keep + part)
                    half, has_half = 0.0, False
                    out[s, t - 1, 0] = start
                else:
                    half, has_half = part, True
                    out[s, t - 1, 0] = start * keep + part
                continue
            if seen > 0:
                start += true_range
            seen += 1
            out[s, t - 1, 0] = np.nan
            if seen > period:
                start /= period
                out[s, t - 1, 0] = start
        row[ATR_SEEN], row[ATR_CLOSE], row[ATR_START] = seen, previous, start
        row[ATR_HALF], row[ATR_HAS_HALF] = half, has_half
