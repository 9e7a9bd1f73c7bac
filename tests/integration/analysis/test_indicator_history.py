"""An indicator over stored candles: what the kernels say of the whole history, for as many candles as are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from niftyflow.analysis import indicator_history as module
from niftyflow.analysis.indicator_history import indicator_history
from niftyflow.kernels.indicators.registry import REGISTRY, history
from niftyflow.market.calendar import IST_OFFSET_MS
from niftyflow.model import Interval, InvalidValue, UnknownInstrument
from support.analysis_floors import DAY, MINUTE, OPENED, floor, walk

KEY = "NSE:ALPHA"


@pytest.mark.parametrize("name", list(REGISTRY))
async def test_it_is_what_the_kernel_makes_of_all_candles(tmp_path, name: str):
    """To a millionth, though it begins later; two sessions, so that the session's average begins anew."""
    candles = walk([KEY], 375 + 200, first=OPENED - DAY, seed=3)
    async with floor(tmp_path) as ground:
        await ground.market.upsert_candles(candles)
        told = await indicator_history(ground.market, name, "alpha", limit=150)
    columns = {
        "close": candles.close, "high": candles.high, "low": candles.low, "volume": candles.volume,
        "price": candles.vwap, "session": (candles.time + IST_OFFSET_MS) // DAY,
    }  # fmt: skip
    whole = history(name, columns)[-150:]
    assert told["time"] == candles.time[-150:].tolist()
    assert list(told["values"]) == list(REGISTRY[name].outputs)
    for place, output in enumerate(REGISTRY[name].outputs):
        assert np.allclose(np.array(told["values"][output], float), whole[:, place], rtol=1e-5, atol=1e-6)
    assert told["parameters"] == REGISTRY[name].resolve({})
    assert told["defined_after"] == REGISTRY[name].defined_after({})


async def test_before_it_is_defined_there_is_null(tmp_path):
    """Not zero, and not a number that JSON has none of."""
    async with floor(tmp_path) as ground:
        await ground.market.upsert_candles(walk([KEY], 30))
        told = await indicator_history(ground.market, "sma", KEY, parameters={"period": 21})
    assert told["values"]["value"][:20] == [None] * 20
    assert all(isinstance(value, float) for value in told["values"]["value"][20:])
    assert len(told["time"]) == 30


async def test_stored_days_go_on_into_days_made_of_minutes(tmp_path):
    """A daily average needs no year of minutes."""
    minutes = walk([KEY], 2 * 375, seed=9)
    async with floor(tmp_path) as ground:
        await ground.market.upsert_candles(minutes)
        made = await indicator_history(
            ground.market, "sma", KEY, interval=Interval.D1, limit=10, parameters={"period": 1}
        )
        days = minutes.take(slice(0, 3)).replace(
            time=np.array([made["time"][0] - 3 * DAY, made["time"][0] - 2 * DAY, made["time"][0]]),
            close=np.array([100.0, 101.0, 102.0]), open=np.full(3, 100.0), low=np.full(3, 99.0), high=np.full(3, 103.0),
        )  # fmt: skip
        days.interval = Interval.D1
        await ground.market.upsert_candles(days)
        told = await indicator_history(
            ground.market, "sma", KEY, interval=Interval.D1, limit=10, parameters={"period": 1}
        )
    assert len(made["time"]) == 2
    assert told["values"]["value"] == [100.0, 101.0, 102.0, made["values"]["value"][1]]
    assert told["time"][-2:] == made["time"]


async def test_a_very_long_period_reads_no_more_than_there_may_be(tmp_path, monkeypatch):
    """It is then still settling, and answers all the same."""
    monkeypatch.setattr(module, "MOST_MINUTES", 100)
    async with floor(tmp_path) as ground:
        await ground.market.upsert_candles(walk([KEY], 300))
        told = await indicator_history(ground.market, "ema", KEY, limit=300, parameters={"period": 90})
    assert len(told["time"]) == 100
    assert [value is None for value in told["values"]["value"]] == [True] * 89 + [False] * 11
    assert told["time"][-1] == OPENED + 299 * MINUTE


async def test_what_cannot_be_is_refused(tmp_path):
    """Names, parameters, limits; an instrument without a candle."""
    async with floor(tmp_path) as ground:
        for wrong in (
            {"name": "magic"}, {"limit": 0}, {"limit": 5001}, {"parameters": {"period": 0}},
            {"parameters": {"pace": 1}}, {"instrument": "NYSE:IBM"},
        ):  # fmt: skip
            asked = {"name": "rsi", "instrument": KEY} | wrong
            with pytest.raises(InvalidValue):
                await indicator_history(ground.market, **asked)
        with pytest.raises(UnknownInstrument):
            await indicator_history(ground.market, "rsi", KEY)
