"""What the routes of analysis answer, for OpenAPI: scorecards, indicators, signals, the view of the market."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import Field

from niftyflow.gateway.schemas_common import Described
from niftyflow.gateway.schemas_market import Ms, Rupees, Symbol

Score = float | None
Recommended = Literal["STRONG_BUY", "BUY", "HOLD", "SELL", "STRONG_SELL"]


class MoverAnswer(Described):
    """An instrument that stands out."""

    symbol: Symbol
    change_percent: float | None
    volume_ratio: float | None = Field(description="Of the last minute to the mean of the last 20")


class MarketViewAnswer(Described):
    """All instruments of a universe at one minute; percentages count those whose average is defined."""

    timestamp: datetime
    universe: str
    advances: int
    declines: int
    unchanged: int
    above_ema50_percent: float | None
    above_ema200_percent: float | None
    new_highs: int
    new_lows: int
    gainers: list[MoverAnswer]
    losers: list[MoverAnswer]
    volume_shockers: list[MoverAnswer]
    breadth: float = Field(description="-5 to +5")
    sentiment: Literal["BULLISH", "NEUTRAL", "BEARISH"]
    sentiment_score: float = Field(description="-5 to +5")
    cache_hits: int
    cache_misses: int


class ScoresAnswer(Described):
    """Scores from -5 to +5; null when too few of their parts are known."""

    trend: Score
    momentum: Score
    composite: Score
    volatility: Score
    volume: Score


class AiAnswer(Described):
    """What the model said of that minute: 0 bearish to 1 bullish; null when it was not asked."""

    prediction: float | None
    confidence: float | None
    model_version: str


class MetaAnswer(Described):
    """About this answer."""

    latency_ms: float = Field(description="What finding it took")
    data_age_seconds: float = Field(description="From the candle's end to now, in the data's own time")


class AnalysisAnswer(Described):
    """One instrument after one closed candle; `timestamp` is the candle's end."""

    symbol: Symbol
    exchange: str
    interval: str
    timestamp: datetime
    candle_revision: int
    ltp: Rupees
    change: float | None = Field(description="Rupees, against the previous close or, as `change_from` says, the open")
    change_percent: float | None
    change_from: Literal["previous_close", "open"]
    volume: int
    volume_ratio: float | None
    day_high: Rupees
    day_low: Rupees
    makes: int = Field(description="1: a new high of the session, -1: a new low, else 0")
    bars: int = Field(description="Candles folded so far")
    scores: ScoresAnswer
    indicators: dict[str, float | None]
    ai: AiAnswer
    parts: dict[str, float] = Field(description="What each part gave to the scores")
    recommendation: Recommended
    missing: dict[str, str] = Field(description="Why a number is null")
    meta: MetaAnswer


class SummaryAnswer(Described):
    """An instrument's newest scorecard in short."""

    symbol: Symbol
    ltp: Rupees
    change_percent: float | None
    trend_score: Score
    momentum_score: Score
    composite_score: Score
    recommendation: Recommended
    rsi: float | None
    time: Ms


class ParameterAnswer(Described):
    """One setting of an indicator, with its bounds."""

    name: str
    default: float
    minimum: float
    maximum: float
    meaning: str
    is_whole: bool


class IndicatorAnswer(Described):
    """An indicator there is."""

    name: str
    title: str
    inputs: list[str]
    outputs: list[str]
    parameters: list[ParameterAnswer]
    formula: str
    source: str


class IndicatorValuesAnswer(Described):
    """An indicator over candles as columns, oldest first; null before it is defined."""

    name: str
    symbol: Symbol
    interval: Literal["1m", "3m", "5m", "10m", "15m", "30m", "1h", "1d"]
    parameters: dict[str, float]
    time: list[int] = Field(description="Each candle's start, ms UTC")
    values: dict[str, list[float | None]]
    defined_after: int = Field(description="Candles until every output is there")


class ReasonAnswer(Described):
    """A condition that held."""

    rule: str
    value: float | None


class SignalAnswer(Described):
    """What a rule concluded; it may be acted upon until `valid_until`."""

    id: str
    strategy: str = Field(description="The rule's name")
    symbol: Symbol
    exchange: str
    interval: str
    timestamp: datetime
    valid_until: datetime
    action: Literal["BUY", "SELL"]
    strength: float
    price: Rupees
    stop: Rupees | None
    target: Rupees | None
    reason: list[ReasonAnswer]
    saw: dict[str, Any] = Field(description="The records it came from")


EXAMPLES: Final[dict[str, Any]] = {
    "market_view": {
        "timestamp": "2026-11-20T06:30:00Z", "universe": "NIFTY50", "advances": 31, "declines": 18, "unchanged": 1,
        "above_ema50_percent": 62.0, "above_ema200_percent": 70.0, "new_highs": 4, "new_lows": 1,
        "gainers": [{"symbol": "NSE:RELIANCE", "change_percent": 1.4, "volume_ratio": None}], "losers": [],
        "volume_shockers": [], "breadth": 1.3, "sentiment": "BULLISH", "sentiment_score": 1.8, "cache_hits": 50,
        "cache_misses": 0,
    },
    "analysis": {
        "symbol": "NSE:RELIANCE", "exchange": "NSE", "interval": "1m", "timestamp": "2026-11-20T06:30:00Z",
        "candle_revision": 0, "ltp": 2850.5, "change": 12.35, "change_percent": 0.4351,
        "change_from": "previous_close", "volume": 15000, "volume_ratio": 1.2, "day_high": 2856.0, "day_low": 2831.1,
        "makes": 0, "bars": 1980,
        "scores": {"trend": 3.5, "momentum": 4.0, "composite": 3.75, "volatility": -0.4, "volume": 0.6},
        "indicators": {"rsi": 65.2, "macd": 2.5, "ema_50": 2840.0},
        "ai": {"prediction": 0.82, "confidence": 0.64, "model_version": "heuristic-1"},
        "parts": {"ema_50_200": 1.0, "macd": 1.0}, "recommendation": "STRONG_BUY", "missing": {},
        "meta": {"latency_ms": 0.05, "data_age_seconds": 12.0},
    },
    "summary": [
        {"symbol": "NSE:RELIANCE", "ltp": 2850.5, "change_percent": 0.4351, "trend_score": 3.5, "momentum_score": 4.0,
         "composite_score": 3.75, "recommendation": "STRONG_BUY", "rsi": 65.2, "time": 1795156200000}
    ],
    "indicators": [
        {"name": "rsi", "title": "Relative strength index", "inputs": ["close"], "outputs": ["value"],
         "parameters": [{"name": "period", "default": 14, "minimum": 2, "maximum": 10000, "meaning": "bars",
                         "is_whole": True}],
         "formula": "100 * gain / (gain + loss)", "source": "TA-Lib, RSI"}
    ],
    "indicator": {
        "name": "rsi", "symbol": "NSE:RELIANCE", "interval": "1m", "parameters": {"period": 14},
        "time": [1795156080000, 1795156140000], "values": {"value": [64.1, 65.2]}, "defined_after": 15,
    },
    "signals": [
        {"id": "9d1e63f0a2c4b587", "strategy": "composite-v1", "symbol": "NSE:RELIANCE", "exchange": "NSE",
         "interval": "1m", "timestamp": "2026-11-20T06:30:00Z", "valid_until": "2026-11-20T06:33:00Z", "action": "BUY",
         "strength": 0.75, "price": 2850.5, "stop": 2838.0, "target": 2874.0,
         "reason": [{"rule": "composite >= 3.5", "value": 3.75}], "saw": {"scorecard": "41c3b5a7d9e80f62"}}
    ],
}  # fmt: skip
"""One answer of each route."""
