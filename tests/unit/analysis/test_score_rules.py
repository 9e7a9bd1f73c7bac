"""Scores and recommendation, against the rules of docs/explanation/scorecards.md written once more, the slow way."""

from __future__ import annotations

import math
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from niftyflow.kernels import scores
from niftyflow.model import Recommendation
from niftyflow.model.scorecards import MOMENTUM_PARTS, PARTS, TREND_PARTS

NAN = math.nan
WIDTHS = {
    "bars": 3, "volume": 1, "ema_9": 1, "ema_21": 1, "ema_50": 1, "ema_200": 1, "supertrend": 2, "adx": 3, "rsi": 1,
    "macd": 3, "stochastic": 2, "vwap": 1, "bandwidth": 1, "usual_bandwidth": 1, "usual_volume": 1,
}  # fmt: skip
"""The kernel's inputs, in its order."""


def scored(level: float = 0.0, **values: tuple[float, ...]) -> tuple[dict[str, float], float]:
    """Return the kernel's numbers of one bar by name, and the level it keeps; what is not given is NaN."""
    inputs = [np.array([[values.get(name, (NAN,) * width)]], dtype=np.float64) for name, width in WIDTHS.items()]
    state, out = np.full((1, scores.SCORES_WIDTH), level), np.empty((1, 1, scores.SCORES_OUTPUTS))
    scores.scores_advance(state, *inputs, out)
    names = (*PARTS, "trend", "momentum", "composite", "volatility", "volume", "volume_ratio", "level")
    return dict(zip(names, out[0, 0].tolist(), strict=True)), float(state[0, 0])


def sign(value: float) -> float:
    """Return -1, 0 or 1; NaN for NaN."""
    return value if math.isnan(value) else float((value > 0) - (value < 0))


def clip(value: float) -> float:
    """Return a value held within -1 to 1."""
    return value if math.isnan(value) else max(-1.0, min(1.0, value))


def by_the_rules(given_: dict[str, tuple[float, ...]]) -> dict[str, float]:
    """Return the parts and scores of one bar, from the page alone."""
    close, adx = given_["bars"][2], given_["adx"]
    parts = {
        "ema_9_21": sign(given_["ema_9"][0] - given_["ema_21"][0]),
        "ema_50_200": sign(given_["ema_50"][0] - given_["ema_200"][0]),
        "price_ema_50": sign(close - given_["ema_50"][0]),
        "supertrend": given_["supertrend"][1],
        "adx": NAN if math.isnan(adx[0]) else sign(adx[1] - adx[2]) if adx[0] >= 25 else 0.0,
        "rsi": clip((given_["rsi"][0] - 50) / 20),
        "macd": sign(given_["macd"][0]),
        "macd_histogram": sign(given_["macd"][2]),
        "stochastic": sign(given_["stochastic"][0] - given_["stochastic"][1]),
        "vwap": sign(close - given_["vwap"][0]),
    }

    def mean(names: tuple[str, ...]) -> float:
        known = [parts[name] for name in names if not math.isnan(parts[name])]
        return 5 * fmean(known) if len(known) >= 3 else NAN

    trend, momentum = mean(TREND_PARTS), mean(MOMENTUM_PARTS)
    return parts | {"trend": trend, "momentum": momentum, "composite": (trend + momentum) / 2}


PRICES = st.sampled_from([99.0, 100.0, 101.0, NAN])
PERCENTS = st.sampled_from([0.0, 12.5, 24.9, 25.0, 45.0, 55.0, 69.0, 71.0, 100.0, NAN])
DIRECTIONS = st.sampled_from([-1.0, 1.0, NAN])


@settings(max_examples=300, deadline=None)
@given(
    bars=st.tuples(PRICES, PRICES, st.sampled_from([99.0, 100.0, 101.0])),
    emas=st.tuples(PRICES, PRICES, PRICES, PRICES, PRICES),
    supertrend=DIRECTIONS,
    adx=st.tuples(PERCENTS, PERCENTS, PERCENTS),
    rsi=PERCENTS,
    macd=st.tuples(st.sampled_from([-1.0, 0.0, 2.0, NAN]), st.just(0.0), st.sampled_from([-1.0, 0.0, 2.0, NAN])),
    stochastic=st.tuples(PERCENTS, PERCENTS),
)
def test_parts_and_scores_follow_the_page(bars, emas, supertrend, adx, rsi, macd, stochastic):
    """Every mixture of known and unknown indicators."""
    names = ("ema_9", "ema_21", "ema_50", "ema_200", "vwap")
    values = {name: (value,) for name, value in zip(names, emas, strict=True)}
    values |= {"bars": bars, "supertrend": (100.0, supertrend), "adx": adx, "rsi": (rsi,), "macd": macd}
    values |= {"stochastic": stochastic}
    got, level = scored(**values)
    for name, wanted in by_the_rules(values).items():
        assert got[name] == pytest.approx(wanted, nan_ok=True, abs=1e-12), name
        assert math.isnan(wanted) or abs(wanted) <= (1 if name in PARTS else 5)
    assert got["level"] == level


def test_the_columns_stand_in_the_order_of_the_parts():
    """The kernel's places are those of the model's names, which the engine relies on."""
    for place, part in enumerate(PARTS):
        assert getattr(scores, part.upper()) == place
    assert (scores.TREND, scores.MOMENTUM, scores.COMPOSITE) == (10, 11, 12)


HYSTERESIS = [
    (0, 0.0, 0), (0, 1.49, 0), (0, 1.5, 1), (0, 3.49, 1), (0, 3.5, 2), (0, 5.0, 2),
    (1, 3.5, 2), (1, 3.49, 1), (1, 1.2, 1), (1, 1.0, 1), (1, 0.99, 0), (1, -1.49, 0), (1, -1.5, -1), (1, -3.5, -2),
    (2, 5.0, 2), (2, 3.2, 2), (2, 3.0, 2), (2, 2.99, 1), (2, 1.0, 1), (2, 0.99, 0), (2, -1.2, 0), (2, -3.5, -2),
    (0, NAN, 0), (1, NAN, 0), (2, NAN, 0),
]  # fmt: skip
"""(recommendation before, composite, recommendation after)."""


@pytest.mark.parametrize(("before", "composite", "after"), HYSTERESIS)
@pytest.mark.parametrize("mirror", [1, -1])
def test_a_recommendation_is_left_later_than_it_is_taken(before, composite, after, mirror):
    """The whole table, and its mirror image for selling."""
    level = scores.next_level(float(before * mirror), composite * mirror)
    assert Recommendation(int(level)) == Recommendation(after * mirror)


BULL = {
    "bars": (101.0, 100.0, 101.0), "ema_9": (2.0,), "ema_21": (1.0,), "ema_50": (100.0,), "supertrend": (99.0, 1.0),
    "rsi": (80.0,), "macd": (1.0, 0.5, 0.5), "vwap": (100.0,),
}  # fmt: skip


def test_the_recommendation_is_kept_from_bar_to_bar():
    """A bar without a candle leaves it; one whose composite is not known is a hold and forgets it."""
    numbers, level = scored(**BULL)
    assert (numbers["composite"], numbers["level"], level) == (5.0, 2.0, 2.0)
    weaker = BULL | {"rsi": (50.0,), "vwap": (102.0,), "macd": (1.0, 0.5, -0.5)}
    numbers, level = scored(level, **weaker)
    assert (numbers["trend"], numbers["momentum"], level) == (5.0, -1.25, 1.0)
    silent, level = scored(level, rsi=(80.0,))
    assert (math.isnan(silent["level"]), level) == (True, 1.0)
    unknown, level = scored(level, **(BULL | {"rsi": (NAN,), "vwap": (NAN,), "macd": (NAN, NAN, NAN)}))
    assert (math.isnan(unknown["composite"]), unknown["level"], level) == (True, 0.0, 0.0)


@pytest.mark.parametrize(
    ("now", "usual", "volatility", "volume"),
    [
        (8.0, 8.0, 0.0, 0.0), (16.0, 8.0, 5.0, 2.5), (32.0, 8.0, 5.0, 5.0), (99.0, 1.0, 5.0, 5.0),
        (4.0, 8.0, -5.0, -2.5), (1.0, 8.0, -5.0, -5.0), (0.0, 8.0, -5.0, -5.0), (0.0, 0.0, 0.0, NAN),
        (NAN, NAN, NAN, NAN),
    ],
)  # fmt: skip
def test_volatility_and_volume_are_measured_against_the_usual(now, usual, volatility, volume):
    """Twice as wide is the most, four times the volume is; what never moved is as usual, what never traded unknown."""
    got, _ = scored(
        bars=(100.0, 100.0, 100.0), bandwidth=(now,), usual_bandwidth=(usual,), volume=(now,), usual_volume=(usual,)
    )
    assert got["volatility"] == pytest.approx(volatility, nan_ok=True)
    assert got["volume"] == pytest.approx(volume, nan_ok=True)
    assert got["volume_ratio"] == pytest.approx(now / usual if usual > 0 else NAN, nan_ok=True)
