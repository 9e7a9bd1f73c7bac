"""Volume-weighted average price, anchored at the session, for all symbols in one call.

A bar with an input that is not finite leaves the state row as it is and writes NaN.
"""

from __future__ import annotations

import numpy as np
from numba import njit

VWAP_SESSION, VWAP_TURNOVER, VWAP_VOLUME, VWAP_WIDTH = range(4)


@njit(cache=True, error_model="numpy")
def vwap_advance(state, x, out):
    """Advance the session's mean price weighted by volume: x (price, volume, session), out (value).

    `price` is the bar's own vwap; `session` is any number that is another one in the next session. A volume of zero
    or below adds nothing; while the session has no volume, the value is NaN.
    """
    if x.shape != (state.shape[0], out.shape[1], 3) or out.shape != (state.shape[0], x.shape[1], 1):
        raise ValueError("vwap needs x (symbols, time, 3) and out (symbols, time, 1)")
    for s in range(state.shape[0]):
        row = state[s]
        current, turnover, traded = row[VWAP_SESSION], row[VWAP_TURNOVER], row[VWAP_VOLUME]
        for t in range(x.shape[1]):
            price, volume, session = x[s, t, 0], x[s, t, 1], x[s, t, 2]
            if not abs(price + volume + session) < np.inf:
                out[s, t, 0] = np.nan
                continue
            if session != current:
                current, turnover, traded = session, 0.0, 0.0
            if volume > 0.0:
                turnover += price * volume
                traded += volume
            out[s, t, 0] = turnover / traded if traded > 0.0 else np.nan
        row[VWAP_SESSION], row[VWAP_TURNOVER], row[VWAP_VOLUME] = current, turnover, traded
