"""The trades every benchmark and every peer gets: deterministic, in columns, and as the frames Kite sends.

The frame encoder here is the benchmarks' own, so that a mistake in ours cannot make a benchmark faster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OPENING_MS = 1_706_154_300_000
"""09:15 in India on 2024-01-25, ms UTC."""
FIRST_TOKEN = 256
FULL_PACKET = np.dtype(
    {
        "names": ["length", "token", "ltp", "quantity", "volume", "traded_at", "interest", "at", "bid", "ask"],
        "formats": [">u2", ">u4", ">i4", ">i4", ">i4", ">i4", ">i4", ">i4", ">i4", ">i4"],
        "offsets": [0, 2, 6, 10, 18, 46, 50, 62, 70, 130],
        "itemsize": 186,
    }
)
"""A full-mode packet of 184 bytes with its two bytes of length in front; what is left out is 0."""


@dataclass(frozen=True)
class Trades:
    """Trades in the order in which they happened: one row each, `day_volume` running for each instrument."""

    instruments: int
    instrument: NDArray[np.int32]
    traded_at: NDArray[np.int64]
    price: NDArray[np.float64]
    quantity: NDArray[np.int64]
    day_volume: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.instrument)


def random_trades(count: int, instruments: int = 50, minutes: int = 10, seed: int = 7) -> Trades:
    """Return `count` trades spread evenly over the minutes, at random over the instruments."""
    random = np.random.default_rng(seed)
    instrument = random.integers(0, instruments, count, dtype=np.int32)
    # Whole seconds, as Kite's last trade time.
    traded_at = OPENING_MS + np.sort(random.integers(0, minutes * 60, count, dtype=np.int64)) * 1000
    steps = random.integers(-2, 3, count) * 0.05
    price = np.round(np.maximum(100.0 + instrument + steps * 5, 0.05), 2)
    quantity = random.integers(1, 200, count, dtype=np.int64)
    day_volume = np.empty(count, dtype=np.int64)
    for one in range(instruments):
        rows = instrument == one
        day_volume[rows] = np.cumsum(quantity[rows])
    return Trades(instruments, instrument, traded_at, price, quantity, day_volume)


def kite_frames(trades: Trades, packets: int = 50) -> list[bytes]:
    """Return the trades as binary frames of full-mode packets, `packets` to a frame."""
    rows = np.zeros(len(trades), dtype=FULL_PACKET)
    rows["length"] = FULL_PACKET.itemsize - 2
    # The last byte of a token is its segment: 1 is NSE.
    rows["token"] = (FIRST_TOKEN + trades.instrument.astype(np.int64)) << 8 | 1
    rows["ltp"] = np.rint(trades.price * 100)
    rows["quantity"] = trades.quantity
    rows["volume"] = trades.day_volume
    rows["traded_at"] = rows["at"] = trades.traded_at // 1000
    rows["bid"], rows["ask"] = rows["ltp"] - 5, rows["ltp"] + 5
    return [
        len(part).to_bytes(2, "big") + part.tobytes()
        for part in (rows[first : first + packets] for first in range(0, len(rows), packets))
    ]
