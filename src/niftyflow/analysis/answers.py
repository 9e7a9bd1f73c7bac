"""What a model says of a minute's scorecards: asked once, kept as records, and put beside the scores.

A row of which the model says nothing stays null. A minute with recorded answers is never asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np

from niftyflow.analysis.engine import features_of
from niftyflow.model import Name, Prediction, ScorecardBatch, milliseconds, moment
from niftyflow.model.features import Answers, Features
from niftyflow.model.ids import split_key


class Predictor(Protocol):
    """A model behind whatever guards it: it answers within its own budget, or its stand-in does."""

    async def predict(self, features: Features) -> Answers:
        """Answer every row of the question."""
        ...


Recorded = Mapping[str, Prediction]
"""The answers of one minute, by instrument."""


def by_minute(predictions: Iterable[Prediction]) -> dict[int, dict[str, Prediction]]:
    """Return recorded answers by minute (ms UTC) and instrument."""
    minutes: dict[int, dict[str, Prediction]] = {}
    for prediction in predictions:
        minutes.setdefault(milliseconds(prediction.timestamp), {})[prediction.instrument] = prediction
    return minutes


async def ask(predictor: Predictor, cards: ScorecardBatch) -> dict[str, Prediction]:
    """Ask about the scorecards of one minute; rows without an answer are left out."""
    features = features_of(cards)
    answers = await predictor.predict(features)
    at = moment(features.time)
    said: dict[str, Prediction] = {}
    known = np.isfinite(answers.prediction) & np.isfinite(answers.confidence)
    rows = zip(
        features.instruments, answers.prediction.tolist(), answers.confidence.tolist(), known.tolist(), strict=True
    )
    for key, prediction, confidence, is_known in rows:
        if is_known:
            exchange, symbol = split_key(key)
            said[key] = Prediction(
                symbol=symbol, exchange=exchange, interval=cards.interval, timestamp=at, prediction=prediction,
                confidence=confidence, model_version=answers.model_version, outcome=answers.outcome,
            )  # fmt: skip
    return said


def with_answers(cards: ScorecardBatch, answers: Recorded) -> ScorecardBatch:
    """Return the scorecards with the answers beside them."""
    size = len(cards)
    prediction, confidence = np.full(size, np.nan), np.full(size, np.nan)
    name = cards.name.copy()
    for row, key in enumerate(cards.keys()):
        answer = answers.get(key)
        if answer is not None:
            prediction[row], confidence[row] = answer.prediction, answer.confidence
            name[row] = cards.names.intern(Name(key, "", answer.model_version))
    return cards.replace(name=name, ai_prediction=prediction, ai_confidence=confidence)
