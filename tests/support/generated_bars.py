"""A day of 1m candles of a few shares, walking at random from a seed, as the CSV that `niftyflow replay` reads."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

SYMBOLS = ("RELIANCE", "INFY", "TCS", "SBIN")


def write_bars(path: Path, *, seed: int = 7, minutes: int = 375, symbols: tuple[str, ...] = SYMBOLS) -> Path:
    """Write the candles of 2026-01-06 from 09:15 on, in steps of 0.05, with trends long enough to be traded."""
    chance = np.random.default_rng(seed)
    began = datetime(2026, 1, 6, 9, 15)  # noqa: DTZ001 - a file of candles holds local times
    lines = ["symbol,ts,open,high,low,close,volume"]
    for place, symbol in enumerate(symbols):
        drift = np.repeat(chance.normal(0, 0.0004, minutes // 25 + 1), 25)[:minutes]
        close = 1000.0 * (place + 1) * np.exp(np.cumsum(drift + chance.normal(0, 0.0006, minutes)))
        open_ = np.concatenate(([1000.0 * (place + 1)], close[:-1]))
        reach = np.abs(chance.normal(0, 0.0004, minutes)) * close
        high, low = np.maximum(open_, close) + reach, np.minimum(open_, close) - reach
        volume = chance.integers(100, 20_000, minutes)
        for minute in range(minutes):
            prices = ",".join(f"{round(float(each[minute]) * 20) / 20:.2f}" for each in (open_, high, low, close))
            lines.append(f"{symbol},{began + timedelta(minutes=minute):%Y-%m-%d %H:%M:%S},{prices},{volume[minute]}")
    path.write_text("\n".join(lines) + "\n")
    return path
