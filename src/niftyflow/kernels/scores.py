"""A symbol's session, and the scores of its indicators with their recommendation, for all symbols in one call.

A state row holds what must be remembered. A bar whose time (or close) is NaN leaves the row as it is and writes NaN.
The formulas are stated in docs/explanation/scorecards.md; Numba's disk cache watches only this file, so it calls none.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

(SESSION_BARS, SESSION_TIME, SESSION_NUMBER, SESSION_PREVIOUS_CLOSE, SESSION_OPEN, SESSION_HIGH, SESSION_LOW,
 SESSION_CLOSE, SESSION_WIDTH) = range(9)  # fmt: skip
BARS, CHANGE_PERCENT, FROM_PREVIOUS, DAY_HIGH, DAY_LOW, MAKES, SESSION_OUTPUTS = range(7)

SCORES_LEVEL, SCORES_WIDTH = range(2)
(EMA_9_21, EMA_50_200, PRICE_EMA_50, SUPERTREND, ADX, RSI, MACD, MACD_HISTOGRAM, STOCHASTIC, VWAP, TREND, MOMENTUM,
 COMPOSITE, VOLATILITY, VOLUME, VOLUME_RATIO, LEVEL, SCORES_OUTPUTS) = range(18)  # fmt: skip

LARGEST = 5.0
PARTS_NEEDED = 3
TRENDING = 25.0
RSI_REACH = 20.0
STRONG_FROM, STRONG_UNTIL = 3.5, 3.0
PLAIN_FROM, PLAIN_UNTIL = 1.5, 1.0


@njit(cache=True, error_model="numpy")
def session_advance(state, x, out):
    """Advance the session: x (time ms, open, high, low, close, session number), out as numbered above.

    The change is against the close of the session before; while that is not known, against this session's open.
    """
    if x.shape != (state.shape[0], out.shape[1], 6) or out.shape != (state.shape[0], x.shape[1], SESSION_OUTPUTS):
        raise ValueError("session needs x (symbols, time, 6) and out (symbols, time, 6)")
    for s in range(state.shape[0]):
        row = state[s]
        for t in range(x.shape[1]):
            time, open_, high = x[s, t, 0], x[s, t, 1], x[s, t, 2]
            low, close, number = x[s, t, 3], x[s, t, 4], x[s, t, 5]
            if math.isnan(time):
                out[s, t, :] = np.nan
                continue
            makes = 0.0
            if row[SESSION_BARS] == 0.0 or number != row[SESSION_NUMBER]:
                row[SESSION_PREVIOUS_CLOSE] = row[SESSION_CLOSE]
                row[SESSION_NUMBER] = number
                row[SESSION_OPEN], row[SESSION_HIGH], row[SESSION_LOW] = open_, high, low
            else:
                is_high, is_low = high > row[SESSION_HIGH], low < row[SESSION_LOW]
                if is_high and is_low:  # both at once: the way it closed decides
                    makes = 1.0 if close > open_ else (-1.0 if close < open_ else 0.0)
                elif is_high:
                    makes = 1.0
                elif is_low:
                    makes = -1.0
                if is_high:
                    row[SESSION_HIGH] = high
                if is_low:
                    row[SESSION_LOW] = low
            row[SESSION_BARS] += 1.0
            row[SESSION_TIME] = time
            row[SESSION_CLOSE] = close
            known = row[SESSION_PREVIOUS_CLOSE] > 0.0
            reference = row[SESSION_PREVIOUS_CLOSE] if known else row[SESSION_OPEN]
            out[s, t, BARS] = row[SESSION_BARS]
            out[s, t, CHANGE_PERCENT] = (close - reference) / reference * 100.0
            out[s, t, FROM_PREVIOUS] = 1.0 if known else 0.0
            out[s, t, DAY_HIGH] = row[SESSION_HIGH]
            out[s, t, DAY_LOW] = row[SESSION_LOW]
            out[s, t, MAKES] = makes


@njit(cache=True, error_model="numpy")
def next_level(level, composite):
    """Return the recommendation after one with `level`: a band is left later than it is entered; NaN is a hold."""
    if composite >= STRONG_FROM or (level == 2.0 and composite >= STRONG_UNTIL):
        return 2.0
    if composite <= -STRONG_FROM or (level == -2.0 and composite <= -STRONG_UNTIL):
        return -2.0
    if composite >= PLAIN_FROM or (level > 0.0 and composite >= PLAIN_UNTIL):
        return 1.0
    if composite <= -PLAIN_FROM or (level < 0.0 and composite <= -PLAIN_UNTIL):
        return -1.0
    return 0.0


@njit(cache=True, error_model="numpy")
def scores_advance(
    state, bars, volume, ema_9, ema_21, ema_50, ema_200, supertrend, adx, rsi, macd, stochastic, vwap, bandwidth,
    usual_bandwidth, usual_volume, out,
):  # fmt: skip
    """Score a bar: `bars` is (high, low, close), each other input an indicator's own output; out as numbered above.

    A part is between -1 and 1, NaN where its indicator is not defined; a score between -5 and 5, NaN where fewer than
    three of its parts are known. The level is the recommendation, kept until the composite leaves its band.
    """
    for s in range(state.shape[0]):
        level = state[s, SCORES_LEVEL]
        for t in range(out.shape[1]):
            close = bars[s, t, 2]
            row = out[s, t]
            row[:] = np.nan
            if math.isnan(close):
                continue
            row[EMA_9_21] = np.sign(ema_9[s, t, 0] - ema_21[s, t, 0])
            row[EMA_50_200] = np.sign(ema_50[s, t, 0] - ema_200[s, t, 0])
            row[PRICE_EMA_50] = np.sign(close - ema_50[s, t, 0])
            row[SUPERTREND] = supertrend[s, t, 1]
            strength = adx[s, t, 0]
            if strength >= TRENDING:
                row[ADX] = np.sign(adx[s, t, 1] - adx[s, t, 2])
            elif not math.isnan(strength):
                row[ADX] = 0.0
            if not math.isnan(rsi[s, t, 0]):
                row[RSI] = min(max((rsi[s, t, 0] - 50.0) / RSI_REACH, -1.0), 1.0)
            row[MACD] = np.sign(macd[s, t, 0])
            row[MACD_HISTOGRAM] = np.sign(macd[s, t, 2])
            row[STOCHASTIC] = np.sign(stochastic[s, t, 0] - stochastic[s, t, 1])
            row[VWAP] = np.sign(close - vwap[s, t, 0])

            for first, last, score in ((EMA_9_21, ADX, TREND), (RSI, VWAP, MOMENTUM)):
                total, known = 0.0, 0
                for part in range(first, last + 1):
                    if not math.isnan(row[part]):
                        total += row[part]
                        known += 1
                if known >= PARTS_NEEDED:
                    row[score] = LARGEST * (total / known)
            composite = (row[TREND] + row[MOMENTUM]) / 2.0
            row[COMPOSITE] = composite

            wide, usual = bandwidth[s, t, 0], usual_bandwidth[s, t, 0]
            if usual > 0.0:
                row[VOLATILITY] = LARGEST * min(max(math.log2(wide / usual), -1.0), 1.0) if wide > 0.0 else -LARGEST
            elif usual == 0.0:  # the price has never moved: as wide as ever
                row[VOLATILITY] = 0.0
            if usual_volume[s, t, 0] > 0.0:
                ratio = volume[s, t, 0] / usual_volume[s, t, 0]
                row[VOLUME_RATIO] = ratio
                row[VOLUME] = LARGEST * min(max(math.log2(ratio) / 2.0, -1.0), 1.0) if ratio > 0.0 else -LARGEST

            level = next_level(level, composite)
            row[LEVEL] = level
        state[s, SCORES_LEVEL] = level
