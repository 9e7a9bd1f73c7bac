"""The predict call with engines that are right, slow, failing and lying: it always answers, and says who did."""

from __future__ import annotations

import asyncio
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from pydantic import ValidationError

from niftyflow.ai.heuristic import FALLBACK_VERSION, Heuristic
from niftyflow.ai.service import PredictService
from niftyflow.ai.settings import AiSettings
from niftyflow.model import Answers, Unavailable
from support.models import Oracle, Troubled, holds_the_loop, never, question, raises
from support.stores import SecondsClock
from support.waiting import until

PATIENT = AiSettings(budget_ms=10_000)
HASTY = AiSettings(budget_ms=5)
ASKED = question(2, rsi=[20.0, 80.0], macd=[1.0, math.nan])
BY_HAND = [0.85, 0.3]


def is_by_hand(answers: Answers, outcome: str) -> bool:
    """Return whether the heuristic stood in, with its confidence cut, for this reason."""
    return (
        answers.prediction.tolist() == BY_HAND
        and np.allclose(answers.confidence, [0.7 * 0.7, 0.4 * 0.7], rtol=0, atol=1e-12)
        and (answers.model_version, answers.outcome) == (FALLBACK_VERSION, outcome)
    )


async def test_an_engine_in_time_is_believed():
    """Its numbers and its version are the answer."""
    answers = await PredictService(Oracle(), PATIENT).predict(ASKED)
    assert answers.prediction.tolist() == [0.9, 0.9]
    assert answers.confidence.tolist() == [0.8, 0.8]
    assert (answers.model_version, answers.outcome) == ("v2-oracle", "answered")


async def test_a_slow_engine_is_not_waited_for():
    """It is cancelled at the end of its budget, and the outcome names the budget."""
    engine = Troubled(never)
    assert is_by_hand(await PredictService(engine, HASTY).predict(ASKED), "timed out after 5 ms")


async def test_an_engine_that_holds_the_event_loop_is_late_all_the_same():
    """No time-out can interrupt it, yet what comes after the budget is not used."""
    clock = SecondsClock()
    service = PredictService(Troubled(holds_the_loop(clock, 10.5)), PATIENT, clock)
    assert is_by_hand(await service.predict(ASKED), "timed out after 10000 ms")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Unavailable("model", "no answer"), "failed: model is unavailable: no answer"),
        (ZeroDivisionError("float division by zero"), "failed: float division by zero"),
        (TimeoutError(), "failed: TimeoutError"),
        (RuntimeError("x" * 500), "failed: " + "x" * 192),
        (asyncio.CancelledError(), "failed: the engine cancelled itself"),
    ],
)
async def test_a_failing_engine_is_stood_in_for(error, outcome):
    """Whatever it raises, its own time-out or cancellation too; the reason is kept short."""
    assert is_by_hand(await PredictService(Troubled(raises(error)), PATIENT).predict(ASKED), outcome)


@pytest.mark.parametrize(
    ("prediction", "confidence", "outcome"),
    [
        (np.array([0.9]), 0.8, "failed: prediction is (1,): one value a row, here 2"),
        (0.9, np.array([[0.8, 0.8]]), "failed: confidence is (1, 2): one value a row, here 2"),
        (np.array([0.9, 1.5]), 0.8, "failed: prediction is 1.5: it runs from 0 to 1"),
        (np.array([-0.1, 0.9]), 0.8, "failed: prediction is -0.1: it runs from 0 to 1"),
        (np.array([0.9, math.inf]), 0.8, "failed: prediction is inf: it runs from 0 to 1"),
        (0.9, np.array([-math.inf, 0.5]), "failed: confidence is -inf: it runs from 0 to 1"),
        (
            np.array([math.nan, 0.9]),
            0.8,
            "failed: confidence is 'NaN': a row has prediction and confidence, or neither",
        ),
        (["bullish", "bearish"], 0.8, "failed: could not convert string to float: 'bullish'"),
    ],
)
async def test_a_lying_engine_is_not_believed(prediction, confidence, outcome):
    """Answers that cannot be are failures, and all of the question goes to the heuristic."""
    answers = await PredictService(Oracle(prediction, confidence), PATIENT).predict(ASKED)
    assert is_by_hand(answers, outcome)


async def test_an_engine_may_leave_a_row_open():
    """A row without prediction and confidence is an answer: nothing is put in its place."""
    open_row = np.array([0.9, math.nan])
    answers = await PredictService(Oracle(open_row, open_row), PATIENT).predict(ASKED)
    assert np.isnan(answers.prediction).tolist() == [False, True]
    assert answers.outcome == "answered"


async def test_after_five_failures_the_engine_is_left_alone_for_a_minute():
    """Then one trial, and when that is answered, all goes on as before."""
    clock, engine = SecondsClock(), Troubled(raises(Unavailable("model", "away")))
    service = PredictService(engine, PATIENT, clock)
    outcomes = [(await service.predict(ASKED)).outcome for _ in range(7)]
    assert outcomes == ["failed: model is unavailable: away"] * 5 + ["circuit open"] * 2
    engine.trouble = None
    assert is_by_hand(await service.predict(ASKED), "circuit open")
    assert engine.asked == 5
    clock.now += 60
    assert (await service.predict(ASKED)).outcome == "answered"
    assert (await service.predict(ASKED)).model_version == "v2-oracle"


async def test_lies_and_lateness_open_the_circuit_too():
    """A failure is a failure, whatever its kind."""
    service = PredictService(Oracle(2.0), AiSettings(budget_ms=10_000, failures=2))
    assert [(await service.predict(ASKED)).outcome[:6] for _ in range(3)] == ["failed", "failed", "circui"]
    late = PredictService(Troubled(never), AiSettings(budget_ms=1, failures=1))
    assert [(await late.predict(ASKED)).outcome for _ in range(2)] == ["timed out after 1 ms", "circuit open"]


async def test_a_cancelled_caller_is_cancelled_and_the_trial_is_free_again():
    """Cancellation goes through, and is no failure of the engine."""
    clock, engine = SecondsClock(), Troubled(raises(Unavailable("model", "away")))
    service = PredictService(engine, AiSettings(budget_ms=10_000, failures=1), clock)
    await service.predict(ASKED)
    clock.now += 60
    engine.trouble = never
    trying = asyncio.create_task(service.predict(ASKED))
    await until(lambda: engine.asked == 2)
    assert (await service.predict(ASKED)).outcome == "circuit open"
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    engine.trouble = None
    assert (await service.predict(ASKED)).outcome == "answered"


async def test_the_heuristic_as_engine_answers_at_once_and_is_never_late():
    """No budget, no breaker, no turn of the event loop: the same question has the same answer on any machine."""
    clock = SecondsClock()

    def runs_away() -> float:
        clock.now += 1000
        return clock.now

    service = PredictService(Heuristic(), HASTY, runs_away)
    answering = service.predict(ASKED)
    with pytest.raises(StopIteration) as done:
        answering.send(None)
    answers: Answers = done.value.value
    assert answers.prediction.tolist() == BY_HAND
    assert (answers.model_version, answers.outcome) == ("v1-heuristic", "answered")


async def test_each_call_of_an_engine_is_timed():
    """The histogram counts calls, not those that the open circuit kept back."""

    def calls() -> float:
        return REGISTRY.get_sample_value("external_request_duration_seconds_count", {"service": "model"}) or 0

    before = calls()
    service = PredictService(Troubled(raises(OSError("gone"))), AiSettings(budget_ms=10_000, failures=2))
    for _ in range(4):
        await service.predict(ASKED)
    assert calls() - before == 2


VALUES = st.floats() | st.floats(0, 1)


@given(st.lists(VALUES, max_size=4), st.lists(VALUES, max_size=4))
def test_what_is_answered_is_in_range_whatever_an_engine_says(prediction, confidence):
    """One value a row, from 0 to 1 or missing, from any engine."""
    service = PredictService(Oracle(np.array(prediction), np.array(confidence)), PATIENT)
    answers = asyncio.run(service.predict(ASKED))
    for column in (answers.prediction, answers.confidence):
        assert column.shape == (2,)
        assert all(math.isnan(value) or 0 <= value <= 1 for value in column.tolist())


@pytest.mark.parametrize(
    "settings", [{"budget_ms": 0}, {"failures": 0}, {"open_seconds": 0}, {"engine": "magic"}, {"budget": 5}]
)
def test_impossible_settings_are_refused(settings):
    """Nothing starts with a budget of nothing, or with an engine that is not there."""
    with pytest.raises(ValidationError):
        AiSettings(**settings)
