"""Generated days one after another, and their candles made without playing them: the same that playing makes."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.synthetic import SyntheticSession
from niftyflow.brokers.simulator.synthetic_candles import session_candles
from niftyflow.brokers.simulator.synthetic_days import SyntheticDays
from niftyflow.brokers.simulator.tape import MINUTE
from niftyflow.model import InvalidValue
from support.replays import replay
from support.simulator import OPENS

DAY_MS = 86_400_000
HALF_HOUR = ((OPENS, OPENS + 30 * MINUTE),)
NEXT = ((OPENS + DAY_MS, OPENS + DAY_MS + 30 * MINUTE),)
DAYS = [(date(2026, 1, 5), HALF_HOUR), (date(2026, 1, 6), NEXT)]
SAME = ("time", "open", "high", "low", "close", "volume", "trades", "day_volume", "traded_at", "provenance",
        "incomplete", "revision", "open_interest")  # fmt: skip


async def test_the_candles_are_those_that_processing_makes_of_the_ticks(tmp_path):
    """Of every share, the illiquid one and the index; also the flat minutes."""
    session = SyntheticSession(HALF_HOUR, seed=3)
    played = await replay(session, tmp_path, source="synthetic")
    made, closes = session_candles(session)
    keys = np.array(made.keys())
    assert (made.trades == 0).any()
    for key, all_candles in played.candles.items():
        candles = all_candles.take(np.flatnonzero(all_candles.time < HALF_HOUR[0][1]))  # a real market goes on
        mine = made.take(np.flatnonzero(keys == key))
        assert len(mine)
        for column in SAME:
            assert getattr(mine, column).tolist() == getattr(candles, column).tolist(), (key, column)
        assert mine.vwap.tolist() == pytest.approx(candles.vwap.tolist())
    assert closes[:50] == [float(made.take(np.flatnonzero(keys == str(each.key))).close[-1])
                           for each in session.instruments[:50]]  # fmt: skip


def test_candles_until_a_moment_are_the_first_of_the_whole_session():
    """Nothing of the minutes after it is in them."""
    session = SyntheticSession(HALF_HOUR)
    whole, _ = session_candles(session)
    some, _ = session_candles(session, OPENS + 10 * MINUTE)
    assert some.time.max() == OPENS + 9 * MINUTE
    assert len(some) == (whole.time < OPENS + 10 * MINUTE).sum()
    none, _ = session_candles(session, OPENS)
    assert len(none) == 0


def test_each_day_goes_on_from_the_closes_before_it():
    """Prices gap by a little and never jump back to where the first day began; who keeps the closes is told first."""
    told = []
    days = SyntheticDays(DAYS, seed=2, begins=lambda day, closes: told.append((day, closes)))
    _, closes = session_candles(SyntheticSession(HALF_HOUR, seed=2))
    chunks = list(days.chunks())
    assert told == [(date(2026, 1, 6), closes)]
    first = next(chunk for chunk in chunks if len(chunk) and chunk["arrival"][0] >= NEXT[0][0] - MINUTE)
    before = np.zeros(51)
    before[first["instrument"]] = first["ltp"]
    assert before.tolist() == pytest.approx(closes)
    second = chunks[-1]
    last = np.zeros(51)
    last[second["instrument"]] = second["ltp"]
    traded = last > 0
    assert np.abs(last[traded] / before[traded] - 1).max() < 0.15


def test_a_day_that_was_cut_off_is_played_again_the_same():
    """From its closes alone, without the days before it."""
    whole = np.concatenate(list(SyntheticDays(DAYS).chunks()))
    _, closes = session_candles(SyntheticSession(HALF_HOUR))
    again = np.concatenate(list(SyntheticDays(DAYS[1:], closes=closes).chunks()))
    assert np.array_equal(whole[whole["arrival"] >= again["arrival"][0]], again)


def test_a_playback_goes_from_day_to_day():
    """The exchange's clock jumps over the night."""
    playback = Playback(SyntheticDays(DAYS))
    while playback.position < NEXT[0][0] - MINUTE:
        playback.advance_block(100_000)
    assert playback.session.opens == NEXT[0][0]
    assert not playback.is_finished


def test_days_and_closes_that_cannot_be_are_refused():
    """Naming what is wrong."""
    with pytest.raises(InvalidValue, match="days"):
        SyntheticDays([])
    with pytest.raises(InvalidValue, match="closes"):
        SyntheticDays(DAYS, closes=[1.0])
