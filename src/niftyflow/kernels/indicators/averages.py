"""Averages of the close: simple and exponential, for all symbols in one call.

A state row holds the parameters, then what the indicator remembers. A bar with an input that is not finite leaves the
row as it is and writes NaN. Numba's disk cache watches only the file a function stands in, so no file calls another.

Every file here keeps its averages in these two ways; both follow from the row alone, so that a series cut anyhow into
calls gives the same bits:

A window's sum is a running difference. Each time the ring is full it is replaced by the sum of the ring, gathered on
the way, so that it never drifts. Prices count from a close inside the window: a flat series gives that close.

An exponential average is `value * keep + price * weight`, one multiplication shorter to wait for than the usual form.
Prices count from a recent close there too.
"""

from __future__ import annotations

import numpy as np
from numba import njit

SMA_PERIOD, SMA_IS_FULL, SMA_AT, SMA_ORIGIN, SMA_TOTAL, SMA_REFERENCE, SMA_FRESH, SMA_RING = range(8)
EMA_PERIOD, EMA_SEEN, EMA_AT, EMA_REFERENCE, EMA_EXCESS, EMA_WIDTH = range(6)

REFERENCE_BARS = 32
"""Bars between two closes that an exponential average counts from."""


@njit(cache=True, error_model="numpy")
def sma_advance(state, x, out):
    """Advance the mean of the last `period` closes: x (close), out (value)."""
    if x.shape != (state.shape[0], out.shape[1], 1) or out.shape != (state.shape[0], x.shape[1], 1):
        raise ValueError("sma needs x (symbols, time, 1) and out (symbols, time, 1)")
    for s in range(state.shape[0]):
        row = state[s]
        period, is_full, at = int(row[SMA_PERIOD]), row[SMA_IS_FULL] != 0.0, int(row[SMA_AT])
        origin, total, reference, fresh = row[SMA_ORIGIN], row[SMA_TOTAL], row[SMA_REFERENCE], row[SMA_FRESH]
        ring = row[SMA_RING:]
        for t in range(x.shape[1]):
            close = x[s, t, 0]
            if not abs(close) < np.inf:
                out[s, t, 0] = np.nan
                continue
            if at == 0:
                reference, fresh = close, 0.0
            total += close - ring[at]
            fresh += close - reference
            ring[at] = close
            at += 1
            if at == period:
                origin, total, at, is_full = reference, fresh, 0, True
            out[s, t, 0] = origin + total / period if is_full else np.nan
        row[SMA_IS_FULL], row[SMA_AT], row[SMA_ORIGIN], row[SMA_TOTAL] = is_full, at, origin, total
        row[SMA_REFERENCE], row[SMA_FRESH] = reference, fresh


@njit(cache=True, error_model="numpy")
def ema_advance(state, x, out):
    """Advance the exponential average, seeded by the mean of its first `period` closes: x (close), out (value)."""
    if x.shape != (state.shape[0], out.shape[1], 1) or out.shape != (state.shape[0], x.shape[1], 1):
        raise ValueError("ema needs x (symbols, time, 1) and out (symbols, time, 1)")
    for s in range(state.shape[0]):
        row = state[s]
        period, seen, at = int(row[EMA_PERIOD]), int(row[EMA_SEEN]), int(row[EMA_AT])
        reference, excess = row[EMA_REFERENCE], row[EMA_EXCESS]
        weight = 2.0 / (period + 1)
        keep = 1.0 - weight
        for t in range(x.shape[1]):
            close = x[s, t, 0]
            if not abs(close) < np.inf:
                out[s, t, 0] = np.nan
                continue
            if seen == period:
                excess = excess * keep + (close - reference) * weight
                out[s, t, 0] = reference + excess
                at += 1
                if at == REFERENCE_BARS:
                    excess += reference - close
                    reference, at = close, 0
                continue
            if seen == 0:
                reference = close
            excess += close - reference
            seen += 1
            out[s, t, 0] = np.nan
            if seen == period:
                excess /= period
                out[s, t, 0] = reference + excess
        row[EMA_SEEN], row[EMA_AT], row[EMA_REFERENCE], row[EMA_EXCESS] = seen, at, reference, excess
