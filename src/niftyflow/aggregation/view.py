"""The view of the market at one minute, as a pure function of its scorecards and of who is counted.

It reads indicators, and never computes one: the scorecards are the cache. The same scorecards give the same view bit
for bit, in whatever order and batches they come: every sum is over the members by name, and exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from niftyflow.model import Interval, MarketView, Mover, NameTable, ScorecardBatch, Sentiment, moment

DECIMALS: Final = 4
"""Of a percent change: closer together than this two instruments stand level, and below it a price has not moved."""
MOVERS: Final = 5
SHOCK_RATIO: Final = 3.0
FULL_SCORE: Final = 5.0
BULLISH_FROM: Final = 1.0
BEARISH_FROM: Final = -1.0
READ: Final = ("change_percent", "ltp", "ema_50", "ema_200", "volume_ratio", "composite_score")
TABLES_KEPT: Final = 128

Floats = NDArray[np.float64]


class Universe:
    """The instruments that a view counts, by key. Their order is that of their names."""

    __slots__ = ("_places", "_tables", "keys", "name")

    def __init__(self, name: str, keys: Iterable[str]) -> None:
        self.name = name
        self.keys = tuple(sorted(set(keys)))
        self._places = {key: place for place, key in enumerate(self.keys)}
        self._tables: dict[int, tuple[NameTable, NDArray[np.int64]]] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def places(self, names: NameTable) -> NDArray[np.int64]:
        """Return the place among the members of each name of a table, -1 for those not counted."""
        table, places = self._tables.get(id(names), (None, None))
        if table is not names or places is None or len(places) != len(names):
            places = np.array([self._places.get(name.key, -1) for name in names.names], dtype=np.int64)
            if len(self._tables) >= TABLES_KEPT:
                self._tables.clear()  # tables read back from the log are new ones each time
            self._tables[id(names)] = (names, places)
        return places


def market_view(time: int, cards: Sequence[ScorecardBatch], universe: Universe) -> MarketView:
    """Return the view of `universe` at `time` (ms UTC) from one-minute scorecards of that very minute.

    Others among `cards` are passed over. A change that is not known counts neither as advance nor as decline nor as
    unchanged. Breadth is 5 x (advances - declines) over those whose change is known; the sentiment score is the mean
    of breadth and of the mean composite score (0 where none is known). Both run from -5 to 5.
    """
    found = _Columns(time, [batch for batch in cards if batch.interval is Interval.M1], universe)
    change = np.round(found.change, DECIMALS)
    advances, declines = int((change > 0).sum()), int((change < 0).sum())
    known = int((~np.isnan(change)).sum())
    breadth = FULL_SCORE * (advances - declines) / known if known else 0.0
    score = 0.5 * breadth + 0.5 * _mean(found.composite)
    hits = int(found.is_here.sum())
    return MarketView(
        timestamp=moment(time),
        universe=universe.name,
        advances=advances,
        declines=declines,
        unchanged=known - advances - declines,
        above_ema50_percent=_percent_above(found.ltp, found.ema_50),
        above_ema200_percent=_percent_above(found.ltp, found.ema_200),
        new_highs=int((found.makes == 1).sum()),
        new_lows=int((found.makes == -1).sum()),
        gainers=_changes(universe, change, _leading(change, change > 0)),
        losers=_changes(universe, change, _leading(-change, change < 0)),
        volume_shockers=[
            Mover(symbol=universe.keys[place], volume_ratio=float(found.volume_ratio[place]))
            for place in _leading(found.volume_ratio, found.volume_ratio >= SHOCK_RATIO)
        ],
        breadth=breadth,
        sentiment=_sentiment(score),
        sentiment_score=score,
        cache_hits=hits,
        cache_misses=len(universe) - hits,
    )


class _Columns:
    """What a view needs of each member, NaN where it is not known; rows by the members' order."""

    def __init__(self, time: int, batches: Sequence[ScorecardBatch], universe: Universe) -> None:
        places = _joined([universe.places(batch.names)[batch.name] for batch in batches], np.int64)
        counted = (places >= 0) & (_joined([batch.time for batch in batches], np.int64) == time)
        at = places[counted]
        numbers = np.full((len(READ), len(universe)), np.nan)
        for row, field in zip(numbers, READ, strict=True):
            row[at] = _joined([getattr(batch, field) for batch in batches], np.float64)[counted]
        numbers[np.isinf(numbers)] = np.nan  # no number: it would leave every sum it enters without one
        self.change, self.ltp, self.ema_50, self.ema_200, self.volume_ratio, self.composite = numbers
        self.is_here = np.zeros(len(universe), dtype=np.bool_)
        self.is_here[at] = True
        self.makes = np.zeros(len(universe), dtype=np.int8)
        self.makes[at] = _joined([batch.makes for batch in batches], np.int8)[counted]


def _joined(arrays: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=dtype)


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return math.fsum(known.tolist()) / len(known) if len(known) else 0.0


def _percent_above(prices: Floats, averages: Floats) -> float | None:
    known = int((~np.isnan(averages)).sum())
    return 100.0 * int((prices > averages).sum()) / known if known else None


def _leading(values: Floats, among: NDArray[np.bool_]) -> list[int]:
    """Return the places of the greatest values among some, greatest first; equal ones by name."""
    places = np.flatnonzero(among)
    order = np.argsort(-values[places], kind="stable")[:MOVERS]
    leading: list[int] = places[order].tolist()
    return leading


def _changes(universe: Universe, change: Floats, places: Sequence[int]) -> list[Mover]:
    return [Mover(symbol=universe.keys[place], change_percent=float(change[place])) for place in places]


def _sentiment(score: float) -> Sentiment:
    if score >= BULLISH_FROM:
        return Sentiment.BULLISH
    return Sentiment.BEARISH if score <= BEARISH_FROM else Sentiment.NEUTRAL
