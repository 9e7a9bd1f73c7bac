"""What is concluded from candles: scorecards, the view of the market, predictions and signals, as records of topics.

A value that could not be computed is null, and `missing` says why. Scores run from -5 to +5. Every record's identity is
a pure function of what it is about, so that saying it again changes nothing.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from niftyflow.model.enums import Interval, Sentiment, Side
from niftyflow.model.ids import InstrumentKey, instrument_key

Number = float | None


def identity(*parts: object) -> str:
    """Return the 16-character id of what the parts name, the same in every process."""
    return hashlib.blake2b("\x1f".join(str(part) for part in parts).encode(), digest_size=8).hexdigest()


class Macd(msgspec.Struct, frozen=True, kw_only=True):
    """Moving average convergence divergence, in rupees."""

    value: Number
    signal: Number
    histogram: Number


class Bollinger(msgspec.Struct, frozen=True, kw_only=True):
    """Bollinger bands, in rupees."""

    upper: Number
    middle: Number
    lower: Number


class Supertrend(msgspec.Struct, frozen=True, kw_only=True):
    """The trailing stop in rupees, and the side it stands for: 1 up, -1 down."""

    value: Number
    direction: int | None


class Stochastic(msgspec.Struct, frozen=True, kw_only=True):
    """Slow stochastic, 0 to 100."""

    k: Number
    d: Number


class DirectionalMovement(msgspec.Struct, frozen=True, kw_only=True):
    """ADX with its two directional indicators, 0 to 100."""

    adx: Number
    plus_di: Number
    minus_di: Number


class Scorecard(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument after one closed candle. `timestamp` is the candle's end: the moment it could be known.

    `change_percent` is against the previous session's close (against today's open when that is not known, and
    `change_from` says which); `volume_ratio` is the candle's volume over the mean of the last 20. `makes` is 1 when the
    candle made a new high of the session, -1 a new low, else 0. `bars` counts the candles folded so far.
    """

    symbol: str
    exchange: str
    interval: Interval
    timestamp: datetime
    candle_revision: int
    ltp: float
    change_percent: Number
    change_from: str
    volume: int
    volume_ratio: Number
    day_high: float
    day_low: float
    makes: int
    bars: int
    rsi: Number
    macd: Macd
    emas: dict[str, Number]
    sma: Number
    bollinger: Bollinger
    atr: Number
    vwap: Number
    supertrend: Supertrend
    stochastic: Stochastic
    adx: DirectionalMovement
    trend_score: Number
    momentum_score: Number
    composite_score: Number
    volatility_score: Number
    volume_score: Number
    parts: dict[str, float]
    ai_prediction: Number
    ai_confidence: Number
    ai_model_version: str
    recommendation: str
    missing: dict[str, str] = {}
    latency_ms: Number = None

    @property
    def instrument(self) -> InstrumentKey:
        """The instrument's key."""
        return instrument_key(self.exchange, self.symbol)

    @property
    def id(self) -> str:
        """The scorecard's identity."""
        return scorecard_id(self.instrument, self.interval, self.timestamp)


def trace_id(instrument: str, interval: Interval, time: datetime) -> str:
    """Return the id of everything that follows from the candle that begins at `time`: its identity, hashed."""
    return identity("candle", instrument, interval, time.isoformat())


def scorecard_id(instrument: str, interval: Interval, time: datetime) -> str:
    """Return the identity of the scorecard of an instrument at a moment."""
    return identity("scorecard", instrument, interval, time.isoformat())


class Mover(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument (`symbol` is its key) that stands out by its percent change, or by its ratio of volumes."""

    symbol: str
    change_percent: Number = None
    volume_ratio: Number = None


class MarketView(msgspec.Struct, frozen=True, kw_only=True):
    """All instruments of a universe at one minute; percentages count those whose average is defined.

    `cache_hits` are instruments whose indicators of this minute were at hand, `cache_misses` those without.
    """

    timestamp: datetime
    universe: str
    advances: int
    declines: int
    unchanged: int
    above_ema50_percent: Number
    above_ema200_percent: Number
    new_highs: int
    new_lows: int
    gainers: list[Mover]
    losers: list[Mover]
    volume_shockers: list[Mover]
    breadth: float
    sentiment: Sentiment
    sentiment_score: float
    cache_hits: int
    cache_misses: int

    @property
    def id(self) -> str:
        """The view's identity."""
        return identity("market_view", self.universe, self.timestamp.isoformat())


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """A model's answer: 0 bearish to 1 bullish. `outcome` is answered, or why the heuristic stood in for the model."""

    symbol: str
    exchange: str
    interval: Interval
    timestamp: datetime
    prediction: float
    confidence: float
    model_version: str
    outcome: str = "answered"

    @property
    def instrument(self) -> InstrumentKey:
        """The instrument's key."""
        return instrument_key(self.exchange, self.symbol)

    @property
    def id(self) -> str:
        """The prediction's identity: one answer for each instrument and moment."""
        return identity("prediction", self.instrument, self.interval, self.timestamp.isoformat())


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """A condition that held, with the value it held for."""

    rule: str
    value: Number


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule concluded. It may be acted upon until `valid_until`; `saw` names the records it came from."""

    id: str
    strategy: str
    symbol: str
    exchange: str
    interval: Interval
    timestamp: datetime
    valid_until: datetime
    action: Side
    strength: float
    price: float
    stop: Number
    target: Number
    reason: list[Reason]
    saw: dict[str, Any]

    @property
    def instrument(self) -> InstrumentKey:
        """The instrument's key."""
        return instrument_key(self.exchange, self.symbol)


def signal_id(strategy: str, instrument: str, interval: Interval, time: datetime) -> str:
    """Return the identity of the signal a rule may give for an instrument at a moment."""
    return identity("signal", strategy, instrument, interval, time.isoformat())
