"""The values that a rule may look at: every name gives a column, and what is not known is NaN."""

from __future__ import annotations

import math

import numpy as np
import pytest

from niftyflow.model import Recommendation
from niftyflow.signals.values import COLUMNS, LEVELS, MARKET_NAMES, NAMES, MomentValues, minutes_since_open
from support.signal_rules import DAY, MINUTE, OPENED, at, cards, view


def test_every_name_gives_a_column_of_float64():
    """One number a row, whatever the type beneath."""
    values = MomentValues(cards(at(1), {"NSE:A": 1.0, "NSE:B": 2.0}), view(at(1)), at(1))
    assert len(NAMES) == len(set(NAMES))
    for name in NAMES:
        assert (values[name].dtype, values[name].shape) == (np.float64, (2,))
    assert values["composite_score"].tolist() == [1.0, 2.0]


def test_the_names_are_numbers_and_nothing_else():
    """No key, no time, no flag, no word."""
    assert {"ltp", "recommendation", "part_macd", "bars", "makes"} <= set(COLUMNS)
    assert not {"name", "time", "from_previous"} & set(COLUMNS)
    assert {"market.advances", "market.above_ema50_percent", "market.sentiment_score"} <= set(MARKET_NAMES)
    assert not {"market.timestamp", "market.universe", "market.sentiment", "market.gainers"} & set(MARKET_NAMES)
    assert LEVELS["STRONG_SELL"] == Recommendation.STRONG_SELL == -2


def test_prediction_and_confidence_are_short_names():
    """For the model's answer in the scorecard."""
    values = MomentValues(cards(at(1), {"NSE:A": {"ai_prediction": 0.7, "ai_confidence": 0.4}}), None, at(1))
    assert (values["prediction"].tolist(), values["confidence"].tolist()) == ([0.7], [0.4])


def test_a_direction_of_zero_is_not_known():
    """The supertrend says up, down, or nothing yet; a zero elsewhere is a number."""
    rows = {"NSE:A": {"supertrend_direction": 1}, "NSE:B": {"supertrend_direction": -1}, "NSE:C": {}}
    values = MomentValues(cards(at(1), rows), None, at(1))
    np.testing.assert_array_equal(values["supertrend_direction"], [1.0, -1.0, math.nan])
    assert values["makes"].tolist() == [0.0, 0.0, 0.0]


def test_without_a_view_every_number_of_the_market_is_unknown():
    """And so is one that the view itself does not know."""
    some = cards(at(1), {"NSE:A": 1.0})
    without = MomentValues(some, None, at(1))
    assert all(np.isnan(without[name]).all() for name in MARKET_NAMES)
    assert np.isnan(MomentValues(some, view(at(1)), at(1))["market.above_ema50_percent"]).all()


@pytest.mark.parametrize(
    ("exchange", "time", "expected"),
    [
        ("NSE", OPENED + MINUTE, 1.0),
        ("BSE", OPENED + 375 * MINUTE, 375.0),
        ("NFO", OPENED + 30_000, 0.5),
        ("BFO", OPENED - 5 * MINUTE, -5.0),
        ("MCX", OPENED, None),
        ("LSE", OPENED, None),
        ("NSE", OPENED + 3 * DAY, None),
        ("NSE", OPENED - 40_000 * DAY // 2, None),
        ("NSE", 1_699_794_000_000, 15.0),
    ],
)
def test_minutes_since_open_follow_the_days_calendar(exchange, time, expected):
    """The evening session of 12 November 2023 opened at 18:15; a Sunday, an unknown house and 1969 have no open."""
    minutes = minutes_since_open(exchange, time)
    assert math.isnan(minutes) if expected is None else minutes == expected


def test_each_row_has_the_open_of_its_own_exchange():
    """A contract's hours need not be those of a share."""
    values = MomentValues(cards(at(10), {"NSE:A": 1.0, "MCX:GOLD": 1.0, "NFO:B": 1.0}), None, at(10))
    np.testing.assert_array_equal(values["minutes_since_open"], [10.0, math.nan, 10.0])
