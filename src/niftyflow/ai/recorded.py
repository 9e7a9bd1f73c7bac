"""Answers from a record, for replays: each question gets what was answered then, time-outs included.

Owns the record it is given and nothing else. It never asks a model: what was not recorded the heuristic answers, and
the outcome says so.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from niftyflow.ai.engine import InstantEngine
from niftyflow.ai.heuristic import fallback
from niftyflow.model import Answers, Features, Interval, Prediction, milliseconds

NOT_RECORDED = "not recorded"

Question = tuple[str, Interval, int]
"""(instrument, interval, ms UTC)."""


class RecordedEngine(InstantEngine):
    """Says again what was said. Of two answers to one question the first stands, as in the store.

    A call is recorded whole. So, when some rows of a question have a record and others none, those others had no
    answer then, and have none now; only a question of which no row is recorded goes to the heuristic.
    """

    version = "recorded"

    def __init__(self, predictions: Iterable[Prediction]) -> None:
        self._answers: dict[Question, Prediction] = {}
        for each in predictions:
            self._answers.setdefault((each.instrument, each.interval, milliseconds(each.timestamp)), each)

    def __len__(self) -> int:
        return len(self._answers)

    def answer(self, features: Features) -> Answers:
        """Answer every row from the record.

        Rows that were answered by several calls (of several partitions) carry the versions and outcomes of all of
        them, by name; the numbers are each row's own.
        """
        rows = [self._answers.get((key, features.interval, features.time)) for key in features.instruments]
        known = [row for row in rows if row is not None]
        if not known:
            return fallback(features, NOT_RECORDED)
        return Answers(
            np.array([np.nan if row is None else row.prediction for row in rows], dtype=np.float64),
            np.array([np.nan if row is None else row.confidence for row in rows], dtype=np.float64),
            ", ".join(sorted({row.model_version for row in known})),
            "; ".join(sorted({row.outcome for row in known})),
        )
