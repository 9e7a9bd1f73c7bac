"""Scorecards for views of the market, with only the columns a view reads; the rest is not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from niftyflow.model import Interval, Name, NameTable, ScorecardBatch

OPENED = 1_453_866_300_000
"""2016-01-27 09:15 IST, ms UTC."""
MINUTE = 60_000
Card = Mapping[str, Any]


def cards(
    rows: Sequence[tuple[str, Card]] | Mapping[str, Card],
    time: int = OPENED + MINUTE,
    *,
    interval: Interval = Interval.M1,
    names: NameTable | None = None,
) -> ScorecardBatch:
    """Return scorecards of a minute, by key; `time` in a card is its own."""
    rows = list(rows.items()) if isinstance(rows, Mapping) else rows
    names = NameTable() if names is None else names
    columns: dict[str, list[Any]] = {field: [] for field in ScorecardBatch.COLUMNS}
    for key, card in rows:
        known = {"name": names.intern(Name(key)), "time": time, "ltp": 100.0} | card
        for field, dtype in ScorecardBatch.COLUMNS.items():
            columns[field].append(known.get(field, np.nan if dtype is np.float64 else 0))
    return ScorecardBatch(names, interval, **columns)
