"""The heuristic: RSI, MACD and the trend of two averages put together by hand. One rule, as engine and as fallback.

The terms and their weights are those of the platform's design; it learns nothing, keeps nothing and never fails.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from niftyflow.ai.engine import InstantEngine
from niftyflow.model import Answers, Features

OVERSOLD: Final = 30.0
OVERBOUGHT: Final = 70.0
NEUTRAL_POINTS: Final = 50
RSI_POINTS: Final = 20
MACD_POINTS: Final = 15
TREND_POINTS: Final = 15
FALLBACK_CONFIDENCE: Final = 0.7
FALLBACK_VERSION: Final = "fallback-heuristic"


class Heuristic(InstantEngine):
    """From 0.5: RSI under 30 +0.2, over 70 -0.2; MACD above 0, and EMA 50 above EMA 200, +0.15 each, else -0.15 each.

    The sum is held within 0 to 1; confidence is its distance from 0.5, doubled. A term whose feature is not known adds
    nothing, and a row of which no term is known has no answer.
    """

    version = "v1-heuristic"

    def answer(self, features: Features) -> Answers:
        """Answer every row."""
        points, is_known = _points(features)
        # Whole hundredths until the end: 0.5 + 0.15 + 0.15 is then the 0.8 that a rule compares with, on any machine.
        prediction = np.where(is_known, points / 100, np.nan)
        confidence = np.where(is_known, np.abs(points - NEUTRAL_POINTS) / 50, np.nan)
        return Answers(prediction, confidence, self.version)


def fallback(features: Features, outcome: str) -> Answers:
    """Answer for a model that did not: the heuristic, less sure of itself, and `outcome` says what was wrong."""
    answers = Heuristic().answer(features)
    return Answers(answers.prediction, answers.confidence * FALLBACK_CONFIDENCE, FALLBACK_VERSION, outcome)


def _points(features: Features) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    rsi, macd, fast, slow = features.rsi, features.macd, features.ema_50, features.ema_200
    has_rsi, has_macd, has_trend = ~np.isnan(rsi), ~np.isnan(macd), ~(np.isnan(fast) | np.isnan(slow))
    points = (
        NEUTRAL_POINTS
        + RSI_POINTS * ((rsi < OVERSOLD).astype(np.int64) - (rsi > OVERBOUGHT))
        + MACD_POINTS * has_macd * np.where(macd > 0, 1, -1)
        + TREND_POINTS * has_trend * np.where(fast > slow, 1, -1)
    )
    return np.clip(points, 0, 100), has_rsi | has_macd | has_trend
