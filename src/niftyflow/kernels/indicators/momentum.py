"""Momentum: RSI by Wilder, MACD, and the slow stochastic, for all symbols in one call.

A state row holds the parameters, then what the indicator remembers. A bar with an input that is not finite leaves the
row as it is and writes NaN. Windows and exponential averages are kept as `averages.py` explains.
"""

from __future__ import annotations

import numpy as np
from numba import njit

RSI_PERIOD, RSI_SEEN, RSI_CLOSE, RSI_GAIN, RSI_LOSS, RSI_WIDTH = range(6)
(MACD_FAST, MACD_SLOW, MACD_SIGNAL, MACD_SEEN, MACD_AT, MACD_REFERENCE, MACD_FAST_EXCESS, MACD_SLOW_EXCESS, MACD_LINE,
 MACD_WIDTH) = range(10)  # fmt: skip
(STOCHASTIC_PERIOD, STOCHASTIC_SMOOTHING, STOCHASTIC_D_PERIOD, STOCHASTIC_SEEN, STOCHASTIC_AT, STOCHASTIC_HIGHEST,
 STOCHASTIC_LOWEST, STOCHASTIC_K_AT, STOCHASTIC_K_TOTAL, STOCHASTIC_K_FRESH, STOCHASTIC_D_AT, STOCHASTIC_D_TOTAL,
 STOCHASTIC_D_FRESH, STOCHASTIC_RINGS) = range(14)  # fmt: skip

REFERENCE_BARS = 32
"""Bars between two closes that the exponential averages count from."""


@njit(cache=True, error_model="numpy")
def rsi_advance(state, x, out):
    """Advance the relative strength index: x (close), out (value, 0 to 100).

    Where nothing has moved since the start there is neither gain nor loss, and the value is 0, as TA-Lib says.
    """
    if x.shape != (state.shape[0], out.shape[1], 1) or out.shape != (state.shape[0], x.shape[1], 1):
        raise ValueError("rsi needs x (symbols, time, 1) and out (symbols, time, 1)")
    for s in range(state.shape[0]):
        row = state[s]
        period, seen = int(row[RSI_PERIOD]), int(row[RSI_SEEN])
        previous, gain, loss = row[RSI_CLOSE], row[RSI_GAIN], row[RSI_LOSS]
        weight = 1.0 / period
        keep = 1.0 - weight
        for t in range(x.shape[1]):
            close = x[s, t, 0]
            if not abs(close) < np.inf:
                out[s, t, 0] = np.nan
                continue
            up, down = max(close - previous, 0.0), max(previous - close, 0.0)
            previous = close
            if seen > period:
                gain = gain * keep + up * weight
                loss = loss * keep + down * weight
            else:
                if seen > 0:
                    gain += up
                    loss += down
                seen += 1
                if seen <= period:
                    out[s, t, 0] = np.nan
                    continue
                gain /= period
                loss /= period
            moved = gain + loss
            out[s, t, 0] = 100.0 * (gain / moved) if moved != 0.0 else 0.0
        row[RSI_SEEN], row[RSI_CLOSE], row[RSI_GAIN], row[RSI_LOSS] = seen, previous, gain, loss


@njit(cache=True, error_model="numpy")
def macd_advance(state, x, out):
    """Advance the convergence of two exponential averages: x (close), out (value, signal, histogram).

    Both averages start at the slow period: the fast one is seeded by the mean of the `fast` closes before it. All three
    outputs are defined when the signal is.
    """
    if x.shape != (state.shape[0], out.shape[1], 1) or out.shape != (state.shape[0], x.shape[1], 3):
        raise ValueError("macd needs x (symbols, time, 1) and out (symbols, time, 3)")
    for s in range(state.shape[0]):
        row = state[s]
        fast, slow, signal = int(row[MACD_FAST]), int(row[MACD_SLOW]), int(row[MACD_SIGNAL])
        seen, at, reference = int(row[MACD_SEEN]), int(row[MACD_AT]), row[MACD_REFERENCE]
        fast_excess, slow_excess, line = row[MACD_FAST_EXCESS], row[MACD_SLOW_EXCESS], row[MACD_LINE]
        fast_weight, slow_weight, line_weight = 2.0 / (fast + 1), 2.0 / (slow + 1), 2.0 / (signal + 1)
        fast_keep, slow_keep, line_keep = 1.0 - fast_weight, 1.0 - slow_weight, 1.0 - line_weight
        ready = slow + signal - 1
        for t in range(x.shape[1]):
            close = x[s, t, 0]
            if not abs(close) < np.inf:
                out[s, t, 0] = out[s, t, 1] = out[s, t, 2] = np.nan
                continue
            if seen == 0:
                reference = close
            distance = close - reference
            if seen == ready:
                fast_excess = fast_excess * fast_keep + distance * fast_weight
                slow_excess = slow_excess * slow_keep + distance * slow_weight
                value = fast_excess - slow_excess
                line = line * line_keep + value * line_weight
                at += 1
                if at == REFERENCE_BARS:
                    fast_excess -= distance
                    slow_excess -= distance
                    reference, at = close, 0
            else:
                seen += 1
                if seen > slow:
                    fast_excess = fast_excess * fast_keep + distance * fast_weight
                    slow_excess = slow_excess * slow_keep + distance * slow_weight
                else:
                    slow_excess += distance
                    if seen > slow - fast:
                        fast_excess += distance
                    if seen == slow:
                        fast_excess /= fast
                        slow_excess /= slow
                value = fast_excess - slow_excess
                if seen >= slow:
                    line += value
                if seen < ready:
                    out[s, t, 0] = out[s, t, 1] = out[s, t, 2] = np.nan
                    continue
                line /= signal
            out[s, t, 0] = value
            out[s, t, 1] = line
            out[s, t, 2] = value - line
        row[MACD_SEEN], row[MACD_AT], row[MACD_REFERENCE] = seen, at, reference
        row[MACD_FAST_EXCESS], row[MACD_SLOW_EXCESS], row[MACD_LINE] = fast_excess, slow_excess, line


@njit(cache=True, error_model="numpy")
def stochastic_advance(state, x, out):
    """Advance the slow stochastic: x (high, low, close), out (k, d), both 0 to 100.

    Where the window's range is zero the raw %K is 0, as TA-Lib says. The highest of a window is that of the new block
    so far and of what is left of the old one: the ring holds the old block's maxima from each place to its end.
    """
    if x.shape != (state.shape[0], out.shape[1], 3) or out.shape != (state.shape[0], x.shape[1], 2):
        raise ValueError("stochastic needs x (symbols, time, 3) and out (symbols, time, 2)")
    for s in range(state.shape[0]):
        row = state[s]
        period, smoothing = int(row[STOCHASTIC_PERIOD]), int(row[STOCHASTIC_SMOOTHING])
        d_period, seen = int(row[STOCHASTIC_D_PERIOD]), int(row[STOCHASTIC_SEEN])
        at, k_at, d_at = int(row[STOCHASTIC_AT]), int(row[STOCHASTIC_K_AT]), int(row[STOCHASTIC_D_AT])
        block_high, block_low = row[STOCHASTIC_HIGHEST], row[STOCHASTIC_LOWEST]
        k_total, k_fresh = row[STOCHASTIC_K_TOTAL], row[STOCHASTIC_K_FRESH]
        d_total, d_fresh = row[STOCHASTIC_D_TOTAL], row[STOCHASTIC_D_FRESH]
        highs = row[STOCHASTIC_RINGS:]
        lows = highs[period:]
        raws = lows[period:]
        ks = raws[smoothing:]
        k_share, d_share = 1.0 / smoothing, 1.0 / d_period
        has_k = period + smoothing - 1
        ready = has_k + d_period - 1
        for t in range(x.shape[1]):
            high, low, close = x[s, t, 0], x[s, t, 1], x[s, t, 2]
            if not abs(high - low + close) < np.inf:
                out[s, t, 0] = out[s, t, 1] = np.nan
                continue
            if at == 0:
                block_high, block_low = high, low
            block_high, block_low = max(block_high, high), min(block_low, low)
            highest, lowest = block_high, block_low
            highs[at], lows[at] = high, low
            at += 1
            if at < period:
                highest, lowest = max(highest, highs[at]), min(lowest, lows[at])
            else:
                for i in range(period - 2, -1, -1):
                    high, low = max(high, highs[i]), min(low, lows[i])
                    highs[i], lows[i] = high, low
                at = 0
            if seen < ready:
                seen += 1
                if seen < period:
                    out[s, t, 0] = out[s, t, 1] = np.nan
                    continue
            raw = 100.0 * ((close - lowest) / (highest - lowest)) if highest != lowest else 0.0
            k_total += raw - raws[k_at]
            k_fresh += raw
            raws[k_at] = raw
            k_at += 1
            if k_at == smoothing:
                k_total, k_fresh, k_at = k_fresh, 0.0, 0
            if seen < has_k:
                out[s, t, 0] = out[s, t, 1] = np.nan
                continue
            k = k_total * k_share
            d_total += k - ks[d_at]
            d_fresh += k
            ks[d_at] = k
            d_at += 1
            if d_at == d_period:
                d_total, d_fresh, d_at = d_fresh, 0.0, 0
            is_ready = seen >= ready
            # A running difference may end a rounding error outside
            out[s, t, 0] = min(max(k, 0.0), 100.0) if is_ready else np.nan
            out[s, t, 1] = min(max(d_total * d_share, 0.0), 100.0) if is_ready else np.nan
        row[STOCHASTIC_SEEN], row[STOCHASTIC_AT] = seen, at
        row[STOCHASTIC_HIGHEST], row[STOCHASTIC_LOWEST] = block_high, block_low
        row[STOCHASTIC_K_AT], row[STOCHASTIC_K_TOTAL], row[STOCHASTIC_K_FRESH] = k_at, k_total, k_fresh
        row[STOCHASTIC_D_AT], row[STOCHASTIC_D_TOTAL], row[STOCHASTIC_D_FRESH] = d_at, d_total, d_fresh
