"""What every decision store does with signals, predictions and indicator states."""

from __future__ import annotations

import math

import msgspec
import pytest

from niftyflow.model import Interval, InvalidValue, Side
from niftyflow.storage.book_ports import DecisionStore, IndicatorState
from support.books import MINUTE, OPENED, a_prediction, a_signal

ALWAYS = (0, 1 << 60)
STATE = IndicatorState(
    instrument="NSE:M&M", interval=Interval.M1, anchor=OPENED, time=OPENED + 5 * MINUTE, version="1", values=b"\x00\x7f"
)


async def test_a_signal_comes_back_as_it_went_in(decisions: DecisionStore):
    """Floats to the last bit, nulls as nulls, times in UTC."""
    assert await decisions.save_signals([a_signal()]) == 1
    assert await decisions.signal(a_signal().id) == a_signal()
    assert await decisions.signals(*ALWAYS) == [a_signal()]
    assert await decisions.signal("another") is None


async def test_the_first_word_on_a_signal_stands(decisions: DecisionStore):
    """A stage that is restarted says it again, and nothing changes."""
    assert await decisions.save_signals([a_signal(), a_signal(1)]) == 2
    assert await decisions.save_signals([a_signal(action=Side.SELL), a_signal(2)]) == 1
    assert await decisions.signals(*ALWAYS) == [a_signal(), a_signal(1), a_signal(2)]
    assert await decisions.save_signals([]) == 0


async def test_signals_are_chosen_by_span_instrument_and_rule(decisions: DecisionStore):
    """Oldest first, then by instrument and rule; `limit` keeps the newest."""
    told = [
        a_signal(minute, symbol, strategy) for minute in (0, 1) for symbol in ("INFY", "TCS") for strategy in ("a", "b")
    ]
    await decisions.save_signals(told[::-1])
    assert await decisions.signals(*ALWAYS) == told
    assert await decisions.signals(OPENED, OPENED + MINUTE) == told[:4]
    assert await decisions.signals(*ALWAYS, limit=3) == told[-3:]
    assert await decisions.signals(*ALWAYS, instrument="NSE:TCS", strategy="b") == [told[3], told[7]]


@pytest.mark.parametrize("field", ["strength", "price", "stop", "target"])
async def test_a_number_that_is_none_is_refused(decisions: DecisionStore, field: str):
    """It would come back as nothing at all; the signals beside it are not stored either."""
    with pytest.raises(InvalidValue, match=field):
        await decisions.save_signals([a_signal(), a_signal(1, **{field: math.nan})])
    with pytest.raises(InvalidValue, match="confidence"):
        await decisions.save_predictions([a_prediction(), a_prediction(1, confidence=math.inf)])
    assert await decisions.signals(*ALWAYS) == []
    assert await decisions.predictions(Interval.M1, *ALWAYS) == []


async def test_the_first_answer_of_a_moment_stands(decisions: DecisionStore):
    """Also where a later one comes from another model."""
    told = [a_prediction(minute, symbol) for minute in (0, 1) for symbol in ("INFY", "TCS")]
    assert await decisions.save_predictions(told[::-1]) == 4
    assert await decisions.save_predictions([a_prediction(0, "TCS", model_version="v3"), a_prediction(2, "TCS")]) == 1
    assert await decisions.predictions(Interval.M1, *ALWAYS) == [*told, a_prediction(2, "TCS")]
    assert await decisions.predictions(Interval.M1, OPENED, OPENED + MINUTE) == told[:2]
    assert await decisions.predictions(Interval.M5, *ALWAYS) == []
    assert await decisions.save_predictions([]) == 0


async def test_a_state_replaces_an_older_one(decisions: DecisionStore):
    """One for each instrument and interval, listed by instrument."""
    later = msgspec.structs.replace(STATE, time=STATE.time + MINUTE, values=b"later")
    other = msgspec.structs.replace(STATE, instrument="NSE:INFY")
    daily = msgspec.structs.replace(STATE, interval=Interval.D1)
    await decisions.save_states([STATE, other, daily])
    await decisions.save_states([later])
    assert await decisions.states(Interval.M1) == [other, later]
    assert await decisions.states(Interval.D1) == [daily]
    await decisions.save_states([])


async def test_an_older_state_replaces_only_what_was_folded_otherwise(decisions: DecisionStore):
    """Steps read again after a restart do not set the state back; another anchor or form begins anew."""
    earlier = msgspec.structs.replace(STATE, time=STATE.time - MINUTE, values=b"earlier")
    await decisions.save_states([STATE])
    await decisions.save_states([earlier])
    assert await decisions.states(Interval.M1) == [STATE]
    for change in ({"anchor": OPENED - MINUTE}, {"version": "2"}):
        anew = msgspec.structs.replace(earlier, **change)
        await decisions.save_states([anew])
        assert await decisions.states(Interval.M1) == [anew]
        await decisions.save_states([STATE])
        assert await decisions.states(Interval.M1) == [STATE]
