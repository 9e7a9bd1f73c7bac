"""The last state of instruments as Kite's quote routes tell it: full quotes, prices of the day, last prices.

What was never quoted is left out, as Kite leaves out what it does not know. The book comes from whoever keeps one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from niftyflow.brokers.kite.capabilities import KITE
from niftyflow.brokers.kite.reading import time_text
from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.tape import Events
from niftyflow.model import Kind

LEVELS: Final = 5
MOST_FULL, MOST_SHORT = KITE.quote_instruments, KITE.ltp_instruments
"""How many instruments one call may ask for: full quotes; prices of the day and last prices."""


class Level(NamedTuple):
    """One price of the book; `price` in rupees."""

    price: float
    quantity: int
    orders: int


Depth = tuple[Sequence[Level], Sequence[Level]]
"""The best bids and the best asks, best first."""
Limits = tuple[float, float]
"""The lowest and the highest price the exchange takes today, rupees; zeros where it has no limits."""


def last_state(playback: Playback, place: int) -> np.void | None:
    """Return the last event of an instrument, where there is one."""
    state: Events = playback.snapshot(np.array([place], dtype=np.int64))
    return state[0] if len(state) else None


def last_price_quote(token: int, state: np.void) -> dict[str, Any]:
    """Return what /quote/ltp says."""
    return {"instrument_token": token, "last_price": float(state["ltp"])}


def day_quote(token: int, state: np.void) -> dict[str, Any]:
    """Return what /quote/ohlc says."""
    return {**last_price_quote(token, state), "ohlc": _prices_of_day(state)}


def full_quote(token: int, kind: Kind, state: np.void, depth: Depth, limits: Limits, shift: int = 0) -> dict[str, Any]:
    """Return what /quote says; `shift` ms are added to its times."""
    bids, asks = depth
    ltp, close = float(state["ltp"]), float(state["close"])
    quote: dict[str, Any] = {
        "instrument_token": token,
        "timestamp": time_text(int(state["timestamp"]) + shift),
        "last_price": ltp,
        "ohlc": _prices_of_day(state),
        "net_change": round(ltp - close, 4) if close else 0,
    }
    if kind is Kind.INDEX:
        return quote
    return {
        **quote,
        "last_trade_time": time_text(int(state["traded_at"]) + shift),
        "last_quantity": int(state["last_quantity"]),
        "buy_quantity": sum(each.quantity for each in bids),
        "sell_quantity": sum(each.quantity for each in asks),
        "volume": int(state["day_volume"]),
        "average_price": round(float(state["average"]), 4),
        "oi": int(state["open_interest"]),
        "oi_day_high": int(state["open_interest"]),
        "oi_day_low": int(state["open_interest"]),
        "lower_circuit_limit": limits[0],
        "upper_circuit_limit": limits[1],
        "depth": {"buy": _levels(bids), "sell": _levels(asks)},
    }


def _prices_of_day(state: np.void) -> dict[str, float]:
    return {name: float(state[name]) for name in ("open", "high", "low", "close")}


def _levels(levels: Sequence[Level]) -> list[dict[str, Any]]:
    known = [{"price": each.price, "quantity": each.quantity, "orders": each.orders} for each in levels[:LEVELS]]
    return known + [{"price": 0, "quantity": 0, "orders": 0}] * (LEVELS - len(known))
