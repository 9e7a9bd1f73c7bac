"""The predict call: asks the engine within its budget, behind a breaker, and always answers.

Whatever the engine does, the caller gets an answer of the right form: the engine's, or the heuristic's with the reason.
It keeps no answers: whoever asks records them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from niftyflow.ai.engine import Engine, InstantEngine
from niftyflow.ai.heuristic import fallback
from niftyflow.ai.settings import AiSettings
from niftyflow.kit import metrics
from niftyflow.kit.breaker import Breaker
from niftyflow.kit.clock import monotonic
from niftyflow.kit.log import get_logger
from niftyflow.model import Answers, Features, InvalidValue

log = get_logger(__name__)

SERVICE = "model"
LONGEST_REASON = 200


class PredictService:
    """Answers questions by one engine. `seconds` measures the budget and the breaker's time."""

    def __init__(
        self, engine: Engine | InstantEngine, settings: AiSettings, seconds: Callable[[], float] = monotonic
    ) -> None:
        self._engine = engine
        self._budget_ms = settings.budget_ms
        self._seconds = seconds
        self._breaker = Breaker(
            SERVICE, failures=settings.failures, open_seconds=settings.open_seconds, seconds=seconds
        )

    async def predict(self, features: Features) -> Answers:
        """Answer every row; never raises but for cancellation.

        An instant engine is asked in place: no budget is measured, so the same question gets the same answer on any
        machine, however busy.
        """
        if isinstance(self._engine, InstantEngine):
            return self._engine.answer(features)
        term = self._breaker.admit()
        if term is None:
            return fallback(features, "circuit open")
        began = self._seconds()
        try:
            answers, reason = await self._asked(features)
        except asyncio.CancelledError:
            self._breaker.abandoned(term)
            raise
        metrics.EXTERNAL_REQUEST.labels(SERVICE).observe(self._seconds() - began)
        if answers is None:
            self._breaker.failed(term)
            log.warning("prediction_failed", version=self._engine.version, reason=reason)
            return fallback(features, reason)
        self._breaker.succeeded(term)
        return answers

    async def _asked(self, features: Features) -> tuple[Answers | None, str]:
        """Return the engine's answer, or None and why there is none."""
        began = self._seconds()
        try:
            async with asyncio.timeout(self._budget_ms / 1000) as budget:
                answers = checked(await self._engine.predict(features), len(features.instruments))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return None, "failed: the engine cancelled itself"
        except Exception as error:  # noqa: BLE001  # supervisor: a model's code is not ours, and must stop no decision
            if budget.expired():
                return None, self._late
            return None, f"failed: {str(error) or type(error).__name__}"[:LONGEST_REASON]
        if (self._seconds() - began) * 1000 > self._budget_ms:
            return None, self._late  # it held the event loop, so that the time-out could not interrupt it
        return answers, ""

    @property
    def _late(self) -> str:
        return f"timed out after {self._budget_ms} ms"


def checked(answers: Answers, rows: int) -> Answers:
    """Return the answers as float64 columns when they are what an engine may say about so many rows.

    Raises:
        InvalidValue: a column is of another length, a value lies outside 0 to 1, or one of a pair is missing.
    """
    prediction = _column("prediction", answers.prediction, rows)
    confidence = _column("confidence", answers.confidence, rows)
    if (np.isnan(prediction) != np.isnan(confidence)).any():
        raise InvalidValue("confidence", "NaN", "a row has prediction and confidence, or neither")
    return answers._replace(prediction=prediction, confidence=confidence)


def _column(field: str, values: object, rows: int) -> NDArray[np.float64]:
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (rows,):
        raise InvalidValue(field, column.shape, f"one value a row, here {rows}")
    outside = (column < 0) | (column > 1)
    if outside.any():
        raise InvalidValue(field, float(column[outside][0]), "it runs from 0 to 1")
    return column
