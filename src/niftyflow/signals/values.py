"""What a rule may look at, by name: scorecards, the view of the market and the time of day, as float64 columns.

A value that is not known is NaN. Nothing here looks beyond the moment it is given.
"""

from __future__ import annotations

import math
from typing import Final, Protocol

import msgspec
import numpy as np

from niftyflow.market import CalendarUnknown, SessionClass, ist_day, session
from niftyflow.market.calendar import MINUTE_MS
from niftyflow.market.tables import Segment
from niftyflow.model import Exchange, MarketView, Recommendation, ScorecardBatch, split_key
from niftyflow.model.batches import Floats
from niftyflow.model.decisions import Number

COLUMNS: Final = tuple(
    field
    for field, dtype in ScorecardBatch.COLUMNS.items()
    if field not in {"name", "time"} and issubclass(dtype, np.number)
)
"""Numeric columns of a scorecard, in its order."""

ALIASES: Final = {"prediction": "ai_prediction", "confidence": "ai_confidence"}
MARKET: Final = "market."
MARKET_NAMES: Final = tuple(
    MARKET + field.name for field in msgspec.structs.fields(MarketView) if field.type in (int, float, Number)
)
"""Numbers of the market view, in its order."""

MINUTES_SINCE_OPEN: Final = "minutes_since_open"
NAMES: Final = (*COLUMNS, *ALIASES, MINUTES_SINCE_OPEN, *MARKET_NAMES)
LEVELS: Final = {level.name: float(level) for level in Recommendation}
"""Names that stand for a number: the recommendations."""

UNKNOWN_AS_ZERO: Final = frozenset({"supertrend_direction"})
_HOURS: Final = {
    Exchange.NSE: SessionClass(Exchange.NSE, Segment.CASH),
    Exchange.BSE: SessionClass(Exchange.BSE, Segment.CASH),
    Exchange.NFO: SessionClass(Exchange.NSE, Segment.DERIVATIVE),
    Exchange.BFO: SessionClass(Exchange.BSE, Segment.DERIVATIVE),
}


class Values(Protocol):
    """Columns by name, one number a row."""

    def __getitem__(self, name: str) -> Floats:
        """Return the column of one of `NAMES`."""
        ...


class MomentValues:
    """The values of one moment's scorecards, each column made when it is first asked for."""

    def __init__(self, cards: ScorecardBatch, view: MarketView | None, time: int) -> None:
        """Look at `cards`, all of `time` (ms UTC), and at the view of that minute (None: every number is unknown)."""
        self._cards = cards
        self._view = view
        self._time = time
        self._made: dict[str, Floats] = {}

    def __getitem__(self, name: str) -> Floats:
        """Return the column of one of `NAMES`."""
        column = self._made.get(name)
        if column is None:
            column = self._made[name] = self._make(ALIASES.get(name, name))
        return column

    def _make(self, name: str) -> Floats:
        if name.startswith(MARKET):
            value = None if self._view is None else getattr(self._view, name.removeprefix(MARKET))
            return np.full(len(self._cards), math.nan if value is None else float(value))
        if name == MINUTES_SINCE_OPEN:
            keys = self._cards.keys()
            exchanges = [split_key(key)[0] for key in keys]
            minutes = {exchange: minutes_since_open(exchange, self._time) for exchange in dict.fromkeys(exchanges)}
            return np.array([minutes[exchange] for exchange in exchanges], dtype=np.float64)
        column: Floats = getattr(self._cards, name).astype(np.float64)
        return np.where(column == 0, np.nan, column) if name in UNKNOWN_AS_ZERO else column


def minutes_since_open(exchange: str, time: int) -> float:
    """Return the minutes from the session's open to a moment (ms UTC); NaN without a session or a calendar."""
    hours = _HOURS.get(Exchange(exchange)) if exchange in Exchange.__members__ else None
    if hours is None:
        return math.nan
    try:
        found = session(hours, ist_day(time))
    except CalendarUnknown:
        return math.nan
    return math.nan if found is None else (time - found.open) / MINUTE_MS
