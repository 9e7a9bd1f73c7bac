"""Asking in one process and asking another process are one thing: the same answers, and the same refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from niftyflow.kit.caller import Answer, Caller, JoinedCaller, LocalCaller
from niftyflow.market.tables import CalendarUnknown
from niftyflow.model import (
    Answers,
    Features,
    Interval,
    InvalidValue,
    LeaseHeld,
    Misconfigured,
    NiftyflowError,
    Refused,
    Retryable,
    Unavailable,
    UnknownInstrument,
)
from niftyflow.runtime.questions import QUESTIONS
from support.callers import answering_process, asker, values_of

Make = Callable[[dict[str, Answer]], Awaitable[Caller]]

MANY = settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)  # fmt: skip
"""A failure is told as it was found: making it small would take minutes over HTTP."""
TYPED = sorted(QUESTIONS.keys() - {"predict", "ready"})
"""`predict` has columns, which are compared in their own way; `ready` is what a process says of itself."""

MINIMAL: dict[str, dict[str, Any]] = {
    "analyze": {"symbol": "NSE:TCS"}, "indicator": {"name": "rsi", "symbol": "NSE:TCS"}, "why": {"order_id": "nf1"},
}  # fmt: skip

ERRORS = [
    Refused("no order nf1 is in the book"),
    InvalidValue("limit", -1, "must be from 1 to 5000"),
    InvalidValue("shape", (1, 2), "one value a row"),
    InvalidValue("symbol", "a\ud800", "no such letter"),
    InvalidValue("bytes", bytearray(b"x"), "not that"),
    InvalidValue("large", 2**70, "too large"),
    UnknownInstrument("NSE:XYZ has no stored candle"),
    LeaseHeld("account/paper-1", "another process"),
    Misconfigured("set it up"),
    Unavailable("trading", "the account is not open in this process"),
    Retryable("the disk is full"),
]


@pytest.fixture(params=["local", "http", "joined-here", "joined-elsewhere"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Make a caller of each kind that asks these answers."""
    async with AsyncExitStack() as stack:

        async def made(answers: dict[str, Answer]) -> Caller:
            local = LocalCaller(answers)
            if request.param == "local":
                return local
            address = await stack.enter_async_context(answering_process(answers))
            remote = await stack.enter_async_context(asker({name: [address] for name in answers}))
            if request.param == "http":
                return remote
            return JoinedCaller(local if request.param == "joined-here" else LocalCaller(), remote)

        yield made


class Told:
    """Answers every question with what it was given, or raises it; remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: Any = None
        self.asked: list[dict[str, Any]] = []

    async def __call__(self, **question: Any) -> Any:
        """Answer."""
        self.asked.append(question)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("make", ["local", "http"], indirect=True)
@pytest.mark.parametrize("name", TYPED)
async def test_every_answer_comes_back_as_it_was_given(make: Make, name: str):
    """The same types and the same values, to the last bit, whatever they are."""
    told = Told()
    caller = await make({name: told})

    @MANY
    @given(values_of(QUESTIONS[name].answer))
    async def check(answer: Any) -> None:
        told.answer = answer
        found = await caller.call(name, **MINIMAL.get(name, {}))
        if name == "system":  # a process adds which it is, so that one asked at two addresses counts once
            answer.pop("process", None)
            found.pop("process", None)
        assert type(found) is type(answer)
        assert found == answer
        assert repr(found) == repr(answer)

    await in_this_loop(check)
    assert told.asked


async def test_every_argument_arrives_as_it_was_asked(make: Make):
    """With its type; what is left out is as the function has it."""
    told = Told()
    told.answer = {}
    caller = await make({"indicator": told})

    @MANY
    @given(
        st.text(max_size=20), st.sampled_from(Interval), st.integers(-5, 2**60),
        st.none() | st.dictionaries(st.text(max_size=5), values_of(Any), max_size=3),
    )  # fmt: skip
    async def check(symbol: str, interval: Interval, limit: int, parameters: dict[str, Any] | None) -> None:
        question = {"name": "rsi", "symbol": symbol, "interval": interval, "limit": limit, "parameters": parameters}
        await caller.call("indicator", **question)
        assert told.asked[-1] == question
        assert type(told.asked[-1]["interval"]) is Interval

    await in_this_loop(check)
    assert told.asked


async def in_this_loop(check: Callable[[], Any]) -> None:
    """Run a property whose examples await: its examples are drawn on a thread, and awaited here."""
    loop = asyncio.get_running_loop()
    inner = check.hypothesis.inner_test  # type: ignore[attr-defined] # hypothesis' own way for asyncio

    def awaited(*arguments: Any, **named: Any) -> None:
        asyncio.run_coroutine_threadsafe(inner(*arguments, **named), loop).result(60)

    check.hypothesis.inner_test = awaited  # type: ignore[attr-defined]
    await asyncio.to_thread(check)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{type(error).__name__}-{getattr(error, 'field', '')}")
async def test_refusals_and_troubles_keep_kind_fields_and_message(make: Make, error: NiftyflowError):
    """Whoever asks does the same whoever answered."""
    told = Told()
    told.answer = error
    caller = await make({"scorecards": told})
    with pytest.raises(type(error)) as raised:
        await caller.call("scorecards")
    assert type(raised.value) is type(error)
    assert str(raised.value) == str(error)
    assert vars(raised.value).keys() == vars(error).keys()
    for field in vars(error).keys() - {"value"}:  # what cannot be sent of a value is described
        assert getattr(raised.value, field) == getattr(error, field)
    assert len(told.asked) == 1


async def test_any_text_of_a_refusal_arrives(make: Make):
    """Line ends, quotes, other scripts: over the wire as well."""
    told = Told()
    caller = await make({"scorecards": told})

    @MANY
    @given(st.text(), st.text())
    async def check(field: str, rule: str) -> None:
        told.answer = InvalidValue(field, rule, rule)
        with pytest.raises(InvalidValue) as raised:
            await caller.call("scorecards")
        assert (raised.value.field, raised.value.value, raised.value.rule) == (field, rule, rule)
        assert str(raised.value) == str(told.answer)

    await in_this_loop(check)
    assert told.asked


async def test_a_refusal_that_one_layer_alone_knows_is_a_refusal_everywhere(make: Make):
    """With its message."""
    told = Told()
    told.answer = CalendarUnknown("the calendar ends in 2027")
    caller = await make({"scorecards": told})
    with pytest.raises(Refused, match="the calendar ends in 2027"):
        await caller.call("scorecards")


async def test_what_nobody_answers_is_unavailable(make: Make):
    """Never a guess."""
    caller = await make({"scorecards": Told()})
    with pytest.raises(Unavailable, match="account is unavailable"):
        await caller.call("account")


async def test_questions_side_by_side_get_their_own_answers(make: Make):
    """However they overtake one another."""

    async def indicator(name: str, symbol: str, **_: Any) -> dict[str, Any]:
        await asyncio.sleep(int(symbol) % 7 / 1000)
        return {"name": name, "symbol": symbol}

    caller = await make({"indicator": indicator})
    found = await asyncio.gather(*(caller.call("indicator", name="rsi", symbol=str(at)) for at in range(60)))
    assert [each["symbol"] for each in found] == [str(at) for at in range(60)]


async def test_columns_cross_with_what_is_not_known(make: Make):
    """A question of columns and an answer of columns: NaN stays NaN, and both can be written to."""
    asked: list[Features] = []
    answer = Answers(np.array([0.25, np.nan]), np.array([0.5, np.nan]), "v2", "answered")

    async def predict(features: Features) -> Answers:
        asked.append(features)
        return answer

    caller = await make({"predict": predict})
    columns = {field: np.array([1.5, np.nan]) for field in Features._fields[3:]}
    found = await caller.call(
        "predict", features=Features(Interval.M1, 1_705_560_000_000, ["NSE:A", "NSE:B"], **columns)
    )
    assert (found.model_version, found.outcome) == ("v2", "answered")
    np.testing.assert_array_equal(found.prediction, answer.prediction)
    np.testing.assert_array_equal(found.confidence, answer.confidence)
    assert (asked[0].interval, asked[0].time, asked[0].instruments) == (
        Interval.M1, 1_705_560_000_000, ["NSE:A", "NSE:B"],
    )  # fmt: skip
    for field, column in columns.items():
        np.testing.assert_array_equal(getattr(asked[0], field), column)
        getattr(asked[0], field)[0] = 2.0
