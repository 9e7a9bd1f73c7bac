"""Scorecards as columns: one row an instrument, one batch a closed minute; and back to records without loss.

A number that could not be computed is NaN here and null in the record, which then says why. Rows share a name table;
a name's `source` is the version of the model that gave the prediction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from niftyflow.model.batches import Columns, Floats, Ints, Name, NameTable, milliseconds, moment
from niftyflow.model.decisions import (
    Bollinger,
    DirectionalMovement,
    Macd,
    Scorecard,
    Stochastic,
    Supertrend,
)
from niftyflow.model.enums import Interval, Recommendation
from niftyflow.model.errors import InvalidValue
from niftyflow.model.ids import split_key

EMA_PERIODS: Final = (9, 21, 50, 100, 200)
TREND_PARTS: Final = ("ema_9_21", "ema_50_200", "price_ema_50", "supertrend", "adx")
MOMENTUM_PARTS: Final = ("rsi", "macd", "macd_histogram", "stochastic", "vwap")
PARTS: Final = (*TREND_PARTS, *MOMENTUM_PARTS)

DEFINED_AFTER: Final = {
    "rsi": 15, "macd": 34, "ema_9": 9, "ema_21": 21, "ema_50": 50, "ema_100": 100, "ema_200": 200,
    "sma_20": 20, "bollinger": 20, "atr": 15, "supertrend": 11, "stochastic": 18, "adx": 28, "plus_di": 15,
    "minus_di": 15, "volume_ratio": 20, "volume_score": 20, "volatility_score": 119,
}  # fmt: skip
"""Candles until an indicator of the scorecard is defined; a test compares it with the registry's own."""

_PLAIN: Final = (
    "rsi", "macd", "macd_signal", "macd_histogram", *(f"ema_{period}" for period in EMA_PERIODS), "sma_20",
    "bollinger_upper", "bollinger_middle", "bollinger_lower", "atr", "vwap", "supertrend", "stochastic_k",
    "stochastic_d", "adx", "plus_di", "minus_di",
)  # fmt: skip
_SCORES: Final = ("trend_score", "momentum_score", "composite_score", "volatility_score", "volume_score")
CHANGE_FROM: Final = ("open", "previous_close")


class ScorecardBatch(Columns):
    """Scorecards of one interval. `time` is the candle's end, ms UTC; `from_previous` says what the change is against.

    Indicator and score columns are named as in `INDICATORS` and `SCORES`, each part as `part_NAME`.
    """

    INDICATORS: ClassVar[tuple[str, ...]] = _PLAIN
    SCORES: ClassVar[tuple[str, ...]] = _SCORES
    COLUMNS: ClassVar[dict[str, Any]] = {
        "name": np.int32,
        "time": np.int64,
        "candle_revision": np.int32,
        "ltp": np.float64,
        "change_percent": np.float64,
        "from_previous": np.bool_,
        "volume": np.int64,
        "volume_ratio": np.float64,
        "day_high": np.float64,
        "day_low": np.float64,
        "makes": np.int8,
        "bars": np.int64,
        **dict.fromkeys(_PLAIN, np.float64),
        "supertrend_direction": np.int8,
        **dict.fromkeys(_SCORES, np.float64),
        **{f"part_{part}": np.float64 for part in PARTS},
        "ai_prediction": np.float64,
        "ai_confidence": np.float64,
        "recommendation": np.int8,
    }
    SHARED = ("names", "interval")
    __slots__ = (*(field for field in COLUMNS if field != "name"), "interval")

    interval: Interval
    time: Ints
    candle_revision: NDArray[np.int32]
    ltp: Floats
    change_percent: Floats
    from_previous: NDArray[np.bool_]
    volume: Ints
    volume_ratio: Floats
    day_high: Floats
    day_low: Floats
    makes: NDArray[np.int8]
    bars: Ints
    rsi: Floats
    macd: Floats
    macd_signal: Floats
    macd_histogram: Floats
    ema_9: Floats
    ema_21: Floats
    ema_50: Floats
    ema_100: Floats
    ema_200: Floats
    sma_20: Floats
    bollinger_upper: Floats
    bollinger_middle: Floats
    bollinger_lower: Floats
    atr: Floats
    vwap: Floats
    supertrend: Floats
    supertrend_direction: NDArray[np.int8]
    stochastic_k: Floats
    stochastic_d: Floats
    adx: Floats
    plus_di: Floats
    minus_di: Floats
    trend_score: Floats
    momentum_score: Floats
    composite_score: Floats
    volatility_score: Floats
    volume_score: Floats
    ai_prediction: Floats
    ai_confidence: Floats
    recommendation: NDArray[np.int8]

    def __init__(self, names: NameTable, interval: Interval, **columns: Any) -> None:
        self.interval = interval
        self._set(names, columns)

    @classmethod
    def from_records(cls, cards: Sequence[Scorecard], names: NameTable | None = None) -> ScorecardBatch:
        """Build a batch from records of one interval.

        Raises:
            InvalidValue: two intervals in one batch, or a value that no scorecard has.
        """
        names = NameTable() if names is None else names
        intervals = {card.interval for card in cards} or {Interval.M1}
        if len(intervals) > 1:
            raise InvalidValue("interval", sorted(intervals), "a batch holds scorecards of one interval")
        rows = [_row(card, names) for card in cards]
        columns = {field: [row[field] for row in rows] for field in cls.COLUMNS}
        return cls(names, intervals.pop(), **columns)

    def to_records(self) -> list[Scorecard]:
        """Return the rows as `Scorecard` records."""
        columns = {field: getattr(self, field).tolist() for field in self.COLUMNS}
        return [
            _card(self.names[columns["name"][at]], self.interval, {field: columns[field][at] for field in columns})
            for at in range(len(self))
        ]


def _row(card: Scorecard, names: NameTable) -> dict[str, Any]:
    if card.recommendation not in Recommendation.__members__:
        raise InvalidValue("recommendation", card.recommendation, f"use one of {', '.join(Recommendation.__members__)}")
    row: dict[str, Any] = {
        "name": names.intern(Name(card.instrument, "", card.ai_model_version)),
        "time": milliseconds(card.timestamp),
        "from_previous": card.change_from == CHANGE_FROM[1],
        "macd": card.macd.value,
        "macd_signal": card.macd.signal,
        "macd_histogram": card.macd.histogram,
        **{f"ema_{period}": card.emas.get(str(period)) for period in EMA_PERIODS},
        "sma_20": card.sma,
        "bollinger_upper": card.bollinger.upper,
        "bollinger_middle": card.bollinger.middle,
        "bollinger_lower": card.bollinger.lower,
        "supertrend": card.supertrend.value,
        "supertrend_direction": card.supertrend.direction or 0,
        "stochastic_k": card.stochastic.k,
        "stochastic_d": card.stochastic.d,
        "adx": card.adx.adx,
        "plus_di": card.adx.plus_di,
        "minus_di": card.adx.minus_di,
        **{f"part_{part}": card.parts.get(part) for part in PARTS},
        "recommendation": Recommendation[card.recommendation],
    }
    for field in ScorecardBatch.COLUMNS:
        if field not in row:
            row[field] = getattr(card, field)
    return {field: math.nan if value is None else value for field, value in row.items()}


def _card(name: Name, interval: Interval, row: dict[str, Any]) -> Scorecard:
    exchange, symbol = split_key(name.key)
    value = {field: None if isinstance(each, float) and math.isnan(each) else each for field, each in row.items()}
    return Scorecard(
        symbol=symbol,
        exchange=exchange,
        interval=interval,
        timestamp=moment(row["time"]),
        candle_revision=row["candle_revision"],
        ltp=row["ltp"],
        change_percent=value["change_percent"],
        change_from=CHANGE_FROM[row["from_previous"]],
        volume=row["volume"],
        volume_ratio=value["volume_ratio"],
        day_high=row["day_high"],
        day_low=row["day_low"],
        makes=row["makes"],
        bars=row["bars"],
        rsi=value["rsi"],
        macd=Macd(value=value["macd"], signal=value["macd_signal"], histogram=value["macd_histogram"]),
        emas={str(period): value[f"ema_{period}"] for period in EMA_PERIODS},
        sma=value["sma_20"],
        bollinger=Bollinger(
            upper=value["bollinger_upper"], middle=value["bollinger_middle"], lower=value["bollinger_lower"]
        ),
        atr=value["atr"],
        vwap=value["vwap"],
        supertrend=Supertrend(value=value["supertrend"], direction=row["supertrend_direction"] or None),
        stochastic=Stochastic(k=value["stochastic_k"], d=value["stochastic_d"]),
        adx=DirectionalMovement(adx=value["adx"], plus_di=value["plus_di"], minus_di=value["minus_di"]),
        **{score: value[score] for score in _SCORES},
        parts={part: row[f"part_{part}"] for part in PARTS if value[f"part_{part}"] is not None},
        ai_prediction=value["ai_prediction"],
        ai_confidence=value["ai_confidence"],
        ai_model_version=name.source,
        recommendation=Recommendation(row["recommendation"]).name,
        missing=missing(value, row["bars"]),
    )


def missing(value: dict[str, Any], bars: int) -> dict[str, str]:
    """Return why each null indicator of a scorecard's values is null."""
    reasons = {}
    for field in (*_PLAIN, "volume_ratio", *_SCORES):
        if value[field] is None:
            needed = DEFINED_AFTER.get(field, DEFINED_AFTER.get(_group(field), 0))
            if bars < needed:
                reasons[field] = f"needs {needed} candles, has {bars}"
            elif field in {"vwap", "volume_ratio", "volume_score"}:
                reasons[field] = "nothing was traded in volume yet"
            else:
                reasons[field] = "too few of its parts are known"
    return reasons


def _group(field: str) -> str:
    return field.partition("_")[0]
