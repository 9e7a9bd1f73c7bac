"""Trend: Supertrend, and Wilder's directional movement (ADX, +DI, -DI), for all symbols in one call.

A state row holds the parameters, then what the indicator remembers. A bar with an input that is not finite leaves the
row as it is and writes NaN.
"""

from __future__ import annotations

import numpy as np
from numba import njit

(SUPERTREND_PERIOD, SUPERTREND_MULTIPLIER, SUPERTREND_SEEN, SUPERTREND_CLOSE, SUPERTREND_ATR, SUPERTREND_UPPER,
 SUPERTREND_LOWER, SUPERTREND_DIRECTION, SUPERTREND_WIDTH) = range(9)  # fmt: skip
(ADX_PERIOD, ADX_SEEN, ADX_HIGH, ADX_LOW, ADX_CLOSE, ADX_PLUS, ADX_MINUS, ADX_RANGE, ADX_VALUE,
 ADX_WIDTH) = range(10)  # fmt: skip


@njit(cache=True, error_model="numpy")
def supertrend_advance(state, x, out):
    """Advance the band that follows the trend: x (high, low, close), out (value, direction: 1 up, -1 down).

    The bands are the bar's middle plus and minus `multiplier` average true ranges. The upper one only falls while
    closes stay below it, the lower one only rises while closes stay above it. A close beyond the band turns the trend.
    The first defined bar counts as a falling one, unless it closes above its band.
    """
    if x.shape != (state.shape[0], out.shape[1], 3) or out.shape != (state.shape[0], x.shape[1], 2):
        raise ValueError("supertrend needs x (symbols, time, 3) and out (symbols, time, 2)")
    for s in range(state.shape[0]):
        row = state[s]
        period, multiplier, seen = int(row[SUPERTREND_PERIOD]), row[SUPERTREND_MULTIPLIER], int(row[SUPERTREND_SEEN])
        previous, atr = row[SUPERTREND_CLOSE], row[SUPERTREND_ATR]
        upper, lower, direction = row[SUPERTREND_UPPER], row[SUPERTREND_LOWER], row[SUPERTREND_DIRECTION]
        weight = 1.0 / period
        keep = 1.0 - weight
        for t in range(x.shape[1]):
            high, low, close = x[s, t, 0], x[s, t, 1], x[s, t, 2]
            if not abs(high - low + close) < np.inf:
                out[s, t, 0] = out[s, t, 1] = np.nan
                continue
            true_range = max(high, previous) - min(low, previous)
            before, previous = previous, close
            if seen > period:
                atr = atr * keep + true_range * weight
            else:
                if seen > 0:
                    atr += true_range
                seen += 1
                if seen <= period:
                    out[s, t, 0] = out[s, t, 1] = np.nan
                    continue
                atr /= period
            middle = (high + low) / 2.0
            reach = multiplier * atr
            is_first = direction == 0.0
            if is_first or middle + reach < upper or before > upper:
                upper = middle + reach
            if is_first or middle - reach > lower or before < lower:
                lower = middle - reach
            was_up = direction > 0.0
            direction = 1.0 if (was_up and close >= lower) or (not was_up and close > upper) else -1.0
            out[s, t, 0] = lower if direction > 0.0 else upper
            out[s, t, 1] = direction
        row[SUPERTREND_SEEN], row[SUPERTREND_CLOSE], row[SUPERTREND_ATR] = seen, previous, atr
        row[SUPERTREND_UPPER], row[SUPERTREND_LOWER], row[SUPERTREND_DIRECTION] = upper, lower, direction


@njit(cache=True, error_model="numpy")
def adx_advance(state, x, out):
    """Advance the directional movement: x (high, low, close), out (adx, plus_di, minus_di), all 0 to 100.

    Movements and true ranges are summed over `period` - 1 bars, then smoothed; both DI are defined a bar later, and
    `adx` when it has the mean of `period` indices. Without any true range both DI are 0; without any movement the index
    is 0 in that first mean, and afterwards leaves `adx` as it is, as TA-Lib says.
    """
    if x.shape != (state.shape[0], out.shape[1], 3) or out.shape != (state.shape[0], x.shape[1], 3):
        raise ValueError("adx needs x (symbols, time, 3) and out (symbols, time, 3)")
    for s in range(state.shape[0]):
        row = state[s]
        period, seen = int(row[ADX_PERIOD]), int(row[ADX_SEEN])
        last_high, last_low, last_close = row[ADX_HIGH], row[ADX_LOW], row[ADX_CLOSE]
        plus, minus, ranges, adx = row[ADX_PLUS], row[ADX_MINUS], row[ADX_RANGE], row[ADX_VALUE]
        weight = 1.0 / period
        ready = 2 * period
        for t in range(x.shape[1]):
            high, low, close = x[s, t, 0], x[s, t, 1], x[s, t, 2]
            if not abs(high - low + close) < np.inf:
                out[s, t, 0] = out[s, t, 1] = out[s, t, 2] = np.nan
                continue
            rise, fall = high - last_high, last_low - low
            up = rise if rise > 0.0 and rise > fall else 0.0
            down = fall if fall > 0.0 and fall > rise else 0.0
            true_range = max(high, last_close) - min(low, last_close)
            last_high, last_low, last_close = high, low, close
            if seen <= ready:
                seen += 1
                if seen == 1:
                    up = down = true_range = 0.0
            if seen > period:
                plus -= plus * weight
                minus -= minus * weight
                ranges -= ranges * weight
            plus += up
            minus += down
            ranges += true_range
            if seen <= period:
                out[s, t, 0] = out[s, t, 1] = out[s, t, 2] = np.nan
                continue
            plus_di = 100.0 * (plus / ranges) if ranges != 0.0 else 0.0
            minus_di = 100.0 * (minus / ranges) if ranges != 0.0 else 0.0
            both = plus_di + minus_di
            if both != 0.0:
                index = 100.0 * (abs(plus_di - minus_di) / both)
                adx += (index - adx) * weight if seen > ready else index
            if seen == ready:
                adx /= period
            out[s, t, 0] = adx if seen >= ready else np.nan
            out[s, t, 1] = plus_di
            out[s, t, 2] = minus_di
        row[ADX_SEEN], row[ADX_HIGH], row[ADX_LOW], row[ADX_CLOSE] = seen, last_high, last_low, last_close
        row[ADX_PLUS], row[ADX_MINUS], row[ADX_RANGE], row[ADX_VALUE] = plus, minus, ranges, adx
