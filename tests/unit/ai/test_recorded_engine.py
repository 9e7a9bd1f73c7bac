"""Answers said again from their record: the same numbers, time-outs included, whatever the batches are now."""

from __future__ import annotations

import math

import numpy as np

from niftyflow.ai.heuristic import FALLBACK_VERSION
from niftyflow.ai.recorded import RecordedEngine
from niftyflow.ai.service import PredictService
from niftyflow.ai.settings import AiSettings
from niftyflow.model import Answers, Features, Interval, Prediction, moment, split_key
from support.models import NOON, Oracle, Troubled, never, question

HASTY = AiSettings(budget_ms=5)
MINUTE = 60_000


def recorded(asked: Features, answers: Answers) -> list[Prediction]:
    """Return the records of an answer, as whoever asks keeps them: none for a row without an answer."""
    records = []
    for row, key in enumerate(asked.instruments):
        exchange, symbol = split_key(key)
        if not math.isnan(answers.prediction[row]):
            records.append(
                Prediction(
                    symbol=symbol, exchange=exchange, interval=asked.interval, timestamp=moment(asked.time),
                    prediction=float(answers.prediction[row]), confidence=float(answers.confidence[row]),
                    model_version=answers.model_version, outcome=answers.outcome,
                )
            )  # fmt: skip
    return records


def same(one: Answers, other: Answers) -> bool:
    """Return whether two answers are the same, bit for bit."""
    return (
        one[2:] == other[2:]
        and one.prediction.tobytes() == other.prediction.tobytes()
        and one.confidence.tobytes() == other.confidence.tobytes()
    )


async def test_a_replay_answers_as_the_day_did_time_outs_included():
    """A model that answers, is late, then is not asked: the record says all of it again, with no model there."""
    answered, engine = Oracle(0.1, 0.25), Troubled(never)
    asked = [question(3, NOON + minute * MINUTE, rsi=[20.0, 80.0, 50.0 + minute]) for minute in range(4)]
    told = [await PredictService(answered, AiSettings(budget_ms=10_000)).predict(asked[0])]
    live = PredictService(engine, AiSettings(budget_ms=1, failures=2))
    told += [await live.predict(each) for each in asked[1:]]
    assert [each.outcome for each in told] == [
        "answered",
        "timed out after 1 ms",
        "timed out after 1 ms",
        "circuit open",
    ]
    records = [record for each, answers in zip(asked, told, strict=True) for record in recorded(each, answers)]
    replay = PredictService(RecordedEngine(reversed(records)), HASTY)
    again = [await replay.predict(each) for each in asked]
    assert all(same(one, other) for one, other in zip(told, again, strict=True))


async def test_what_was_not_recorded_the_heuristic_answers_and_says_so():
    """Another minute, another interval or another instrument is another question."""
    known = question(1, rsi=20.0)
    engine = RecordedEngine(recorded(known, await Oracle().predict(known)))
    for other in (
        question(1, NOON + MINUTE, rsi=20.0),
        known._replace(interval=Interval.M5),
        known._replace(instruments=["NSE:ELSE"]),
    ):
        answers = await PredictService(engine, HASTY).predict(other)
        assert answers.prediction.tolist() == [0.7]
        assert (answers.model_version, answers.outcome) == (FALLBACK_VERSION, "not recorded")


async def test_a_row_that_had_no_answer_has_none_again():
    """The model left a row open; the replay does not fill it in, though the heuristic could."""
    asked = question(2, rsi=[20.0, 20.0])
    open_row = np.array([0.9, math.nan])
    told = await PredictService(Oracle(open_row, open_row), AiSettings(budget_ms=10_000)).predict(asked)
    again = await PredictService(RecordedEngine(recorded(asked, told)), HASTY).predict(asked)
    assert again.prediction.tolist()[0] == 0.9
    assert math.isnan(again.prediction[1])
    assert again.outcome == "answered"


async def test_rows_of_several_calls_keep_their_own_numbers():
    """Two partitions asked apart; the replay asks once and has both answers, and both reasons."""
    whole = question(2, rsi=[20.0, 80.0])
    first, second = whole.take(np.array([0])), whole.take(np.array([1]))
    one = await PredictService(Oracle(), AiSettings(budget_ms=10_000)).predict(first)
    other = await PredictService(Troubled(never), HASTY).predict(second)
    engine = RecordedEngine([*recorded(first, one), *recorded(second, other)])
    answers = await PredictService(engine, HASTY).predict(whole)
    assert answers.prediction.tolist() == [0.9, 0.3]
    assert answers.confidence.tolist() == [0.8, other.confidence[0]]
    assert answers.model_version == "fallback-heuristic, v2-oracle"
    assert answers.outcome == "answered; timed out after 5 ms"


async def test_of_two_records_of_one_question_the_first_stands():
    """As in the store."""
    asked = question(1, rsi=20.0)
    first, second = Answers(np.array([0.6]), np.array([0.2]), "a"), Answers(np.array([0.1]), np.array([0.8]), "b")
    engine = RecordedEngine([*recorded(asked, first), *recorded(asked, second)])
    assert len(engine) == 1
    assert same(engine.answer(asked), first)
