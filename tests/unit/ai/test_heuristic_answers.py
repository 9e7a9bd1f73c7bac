"""The heuristic's terms, its bounds, and what it says when it knows little."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.ai.heuristic import FALLBACK_VERSION, Heuristic, fallback
from support.models import question

NAN = math.nan
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


@pytest.mark.parametrize(
    ("rsi", "macd", "ema_50", "ema_200", "prediction"),
    [
        (50.0, NAN, NAN, NAN, 0.5),
        (29.9, NAN, NAN, NAN, 0.7),
        (30.0, NAN, NAN, NAN, 0.5),
        (70.0, NAN, NAN, NAN, 0.5),
        (70.1, NAN, NAN, NAN, 0.3),
        (NAN, 0.01, NAN, NAN, 0.65),
        (NAN, 0.0, NAN, NAN, 0.35),
        (NAN, -2.0, NAN, NAN, 0.35),
        (NAN, NAN, 101.0, 100.0, 0.65),
        (NAN, NAN, 100.0, 100.0, 0.35),
        (50.0, 1.0, 101.0, 100.0, 0.8),
        (20.0, 1.0, 101.0, 100.0, 1.0),
        (80.0, -1.0, 99.0, 100.0, 0.0),
        (20.0, -1.0, 99.0, 100.0, 0.4),
        (80.0, 1.0, 101.0, NAN, 0.45),
    ],
)
def test_each_term_adds_what_the_design_says(rsi, macd, ema_50, ema_200, prediction):
    """The prediction is the very decimal, and confidence is its distance from the middle, doubled."""
    answers = Heuristic().answer(question(rsi=rsi, macd=macd, ema_50=ema_50, ema_200=ema_200))
    assert answers.prediction.tolist() == [prediction]
    assert answers.confidence[0] == pytest.approx(abs(prediction - 0.5) * 2, abs=1e-12)
    assert (answers.model_version, answers.outcome) == ("v1-heuristic", "answered")


@pytest.mark.parametrize("known", [{}, {"close": 100.0, "volume": 5.0}, {"ema_50": 100.0}, {"ema_200": 100.0}])
def test_a_row_of_which_no_term_is_known_has_no_answer(known):
    """Nothing known is not the same as the middle."""
    answers = Heuristic().answer(question(**known))
    assert np.isnan(answers.prediction).all()
    assert np.isnan(answers.confidence).all()


def test_as_fallback_it_is_less_sure_and_says_why():
    """The number stays, its confidence is seven tenths, and version and outcome tell."""
    asked = question(3, rsi=[20.0, 80.0, NAN], macd=[1.0, -1.0, NAN], ema_50=NAN)
    own, instead = Heuristic().answer(asked), fallback(asked, "circuit open")
    assert instead.prediction.tolist()[:2] == own.prediction.tolist()[:2]
    assert instead.confidence.tolist()[:2] == [own.confidence[0] * 0.7, own.confidence[1] * 0.7]
    assert np.isnan(instead.prediction[2])
    assert (instead.model_version, instead.outcome) == (FALLBACK_VERSION, "circuit open")


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), max_size=20))
def test_answers_stay_in_range_whatever_is_asked(rows):
    """Prediction and confidence run from 0 to 1, or are both missing; a row's answer is its own."""
    table = np.array(rows, dtype=np.float64).reshape(len(rows), 4)
    columns = dict(zip(("rsi", "macd", "ema_50", "ema_200"), table.T, strict=True))
    answers = Heuristic().answer(question(len(rows), **columns))
    given_ = ~np.isnan(answers.prediction)
    assert given_.tolist() == (~np.isnan(answers.confidence)).tolist()
    assert ((answers.prediction[given_] >= 0) & (answers.prediction[given_] <= 1)).all()
    assert ((answers.confidence[given_] >= 0) & (answers.confidence[given_] <= 1)).all()
    for row in range(len(rows)):
        alone = Heuristic().answer(question(1, **{field: column[row] for field, column in columns.items()}))
        assert np.array_equal(alone.prediction, answers.prediction[row : row + 1], equal_nan=True)


async def test_asked_as_an_engine_it_answers_the_same():
    """The port's call is the instant one."""
    asked = question(2, rsi=[20.0, 80.0])
    assert (await Heuristic().predict(asked)).prediction.tolist() == [0.7, 0.3]
