"""The view of the market, number by number, and the same for any order and batching of its scorecards."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.aggregation.view import Universe, market_view
from niftyflow.model import Interval, MarketView, Mover, NameTable, ScorecardBatch, Sentiment, moment
from support.market_views import MINUTE, OPENED, cards

TIME = OPENED + MINUTE


def view_of(rows: dict[str, dict[str, Any]], *absent: str) -> MarketView:
    """Return the view of these instruments, and of those that are counted but said nothing."""
    return market_view(TIME, [cards(rows)], Universe("TEST", [*rows, *absent]))


def test_a_view_of_the_market_by_hand():
    """Every number of a small market, as one would count it on paper."""
    view = view_of(
        {
            "NSE:A": {"change_percent": 2.0, "ltp": 102.0, "ema_50": 100.0, "ema_200": 103.0, "makes": 1,
                      "volume_ratio": 4.5, "composite_score": 3.0},
            "NSE:B": {"change_percent": -1.0, "ltp": 99.0, "ema_50": 100.0, "makes": -1, "volume_ratio": 2.9,
                      "composite_score": -1.0},
            "NSE:C": {"change_percent": 0.00004, "ltp": 50.0, "ema_50": 49.0, "ema_200": 48.0, "makes": 1,
                      "volume_ratio": 3.0},
            "NSE:D": {"change_percent": 0.5},
            "NSE:E": {},
        },
        "NSE:F",
    )  # fmt: skip
    assert view == MarketView(
        timestamp=moment(TIME),
        universe="TEST",
        advances=2,
        declines=1,
        unchanged=1,
        above_ema50_percent=100 * 2 / 3,
        above_ema200_percent=50.0,
        new_highs=2,
        new_lows=1,
        gainers=[Mover(symbol="NSE:A", change_percent=2.0), Mover(symbol="NSE:D", change_percent=0.5)],
        losers=[Mover(symbol="NSE:B", change_percent=-1.0)],
        volume_shockers=[Mover(symbol="NSE:A", volume_ratio=4.5), Mover(symbol="NSE:C", volume_ratio=3.0)],
        breadth=5 * (2 - 1) / 4,
        sentiment=Sentiment.BULLISH,
        sentiment_score=0.5 * 1.25 + 0.5 * 1.0,
        cache_hits=5,
        cache_misses=1,
    )


@pytest.mark.parametrize("counted", [[], ["NSE:A", "NSE:B"]])
@pytest.mark.parametrize("batches", [[], [cards({})], [cards({"NSE:A": {}}, TIME - MINUTE)]])
def test_a_minute_without_scorecards_or_without_members_has_a_view(counted, batches):
    """Nothing moved, nothing is known, the mood is neutral, and everybody counted is missing."""
    view = market_view(TIME, batches, Universe("TEST", counted))
    assert (view.advances, view.declines, view.unchanged, view.breadth, view.sentiment_score) == (0, 0, 0, 0.0, 0.0)
    assert (view.above_ema50_percent, view.above_ema200_percent) == (None, None)
    assert (view.gainers, view.losers, view.volume_shockers) == ([], [], [])
    assert (view.sentiment, view.cache_hits, view.cache_misses) == (Sentiment.NEUTRAL, 0, len(counted))


def test_five_lead_and_equal_ones_stand_by_name():
    """Gainers only gained, losers only lost; four decimals decide who is level."""
    changes = {"B": 1.0, "A": 1.00004, "G": 3.0, "H": 2.0, "C": 1.0, "D": 1.0, "E": -1.0, "F": -1.0, "I": 0.0}
    view = view_of({f"NSE:{key}": {"change_percent": change} for key, change in changes.items()})
    assert [mover.symbol[-1] for mover in view.gainers] == ["G", "H", "A", "B", "C"]
    assert [mover.change_percent for mover in view.gainers] == [3.0, 2.0, 1.0, 1.0, 1.0]
    assert [mover.symbol[-1] for mover in view.losers] == ["E", "F"]
    assert (view.advances, view.declines, view.unchanged) == (6, 2, 1)


def test_who_trades_three_times_the_usual_volume_stands_out():
    """Greatest first, five at most, and none for a ratio that is not known."""
    ratios = {"A": 2.999, "B": 3.0, "C": 9.0, "D": math.nan, "E": 4.0, "F": 4.0, "G": 5.0, "H": 3.5}
    view = view_of({f"NSE:{key}": {"volume_ratio": ratio} for key, ratio in ratios.items()})
    assert [(mover.symbol[-1], mover.volume_ratio) for mover in view.volume_shockers] == [
        ("C", 9.0), ("G", 5.0), ("E", 4.0), ("F", 4.0), ("H", 3.5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "composite", "sentiment"),
    [
        (1.0, -3.0, Sentiment.BULLISH),
        (1.0, -3.001, Sentiment.NEUTRAL),
        (-1.0, 3.0, Sentiment.BEARISH),
        (-1.0, 3.001, Sentiment.NEUTRAL),
        (0.0, 0.0, Sentiment.NEUTRAL),
        (1.0, math.nan, Sentiment.BULLISH),
        (math.nan, -2.0, Sentiment.BEARISH),
    ],
)
def test_the_mood_is_half_breadth_and_half_the_mean_score(change, composite, sentiment):
    """Bullish from 1 on, bearish from -1 down; what is not known adds nothing."""
    assert view_of({"NSE:A": {"change_percent": change, "composite_score": composite}}).sentiment is sentiment


def test_others_than_the_members_minute_and_interval_are_passed_over():
    """An index, a card of the minute before, and a five-minute card change nothing; the cards of the minute do."""
    told = {"change_percent": 1.0, "composite_score": 2.0}
    universe = Universe("TEST", ["NSE:A", "NSE:B"])
    alone = market_view(TIME, [cards({"NSE:A": told})], universe)
    others = [
        cards({"NSE:NIFTY 50": told, "NSE:A": told}),
        cards({"NSE:B": told}, TIME - MINUTE),
        cards({"NSE:B": told}, interval=Interval.M5),
    ]
    assert market_view(TIME, others, universe) == alone
    assert (alone.cache_hits, alone.cache_misses, alone.advances) == (1, 1, 1)


def test_an_infinite_value_is_not_known():
    """It moves no count, and the record stays one that JSON can hold."""
    infinite = dict.fromkeys(("change_percent", "composite_score", "volume_ratio", "ema_50"), math.inf)
    view = view_of({"NSE:A": infinite, "NSE:B": dict.fromkeys(infinite, -math.inf)})
    assert (view.advances, view.declines, view.sentiment_score, view.volume_shockers) == (0, 0, 0.0, [])
    assert view.above_ema50_percent is None


def test_a_table_of_names_that_grows_is_read_again():
    """A live stage's table is the same object with more names each day."""
    universe, names = Universe("TEST", ["NSE:A", "NSE:B"]), NameTable()
    first = cards({"NSE:A": {"change_percent": 1.0}}, names=names)
    assert market_view(TIME, [first], universe).cache_hits == 1
    second = cards({"NSE:B": {"change_percent": 1.0}}, names=names)
    assert market_view(TIME, [first, second], universe).cache_hits == 2


VALUES = st.none() | st.floats(-20, 20) | st.sampled_from([0.0, 1.0, -1.0, 3.0])
CARDS = st.fixed_dictionaries(
    {
        "change_percent": VALUES,
        "ltp": st.floats(1, 1000),
        "ema_50": VALUES,
        "ema_200": VALUES,
        "volume_ratio": VALUES,
        "composite_score": VALUES,
        "makes": st.sampled_from([-1, 0, 1]),
    }
).map(lambda card: {field: math.nan if value is None else value for field, value in card.items()})
MARKETS = st.dictionaries(st.sampled_from([f"NSE:S{number}" for number in range(30)]), CARDS, max_size=25)


def in_parts(data: st.DataObject, rows: dict[str, dict[str, Any]]) -> list[ScorecardBatch]:
    """Return the same scorecards in any order, cut into any batches, over shared or own tables of names."""
    order = data.draw(st.permutations(list(rows.items())))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=4)))
    bounds = [0, *cuts, len(order)]
    shared = NameTable()
    return [
        cards(order[first:stop], TIME, names=shared if data.draw(st.booleans()) else None)
        for first, stop in pairwise(bounds)
    ]


@given(MARKETS, st.data())
def test_any_order_and_batching_gives_the_identical_view(rows, data):
    """Bit for bit: the record's own bytes are the same, and so are a duplicate's."""
    universe = Universe("TEST", [f"NSE:S{number}" for number in range(28)])
    whole = market_view(TIME, [cards(rows)], universe)
    parts = in_parts(data, rows)
    again = market_view(TIME, [*parts, *parts[:1]], Universe("TEST", reversed(universe.keys)))
    assert msgspec.json.encode(again) == msgspec.json.encode(whole)


@given(MARKETS)
def test_the_counts_are_those_of_a_plain_loop(rows):
    """A second program, over records and not columns, counts the same."""
    view = view_of(rows, "NSE:ABSENT")
    known = {key: card["change_percent"] for key, card in rows.items() if not math.isnan(card["change_percent"])}
    changes = {key: float(np.round(change, 4)) for key, change in known.items()}
    up = [key for key, change in changes.items() if change > 0]
    down = [key for key, change in changes.items() if change < 0]
    assert (view.advances, view.declines, view.unchanged) == (len(up), len(down), len(changes) - len(up) - len(down))
    assert [mover.symbol for mover in view.gainers] == sorted(up, key=lambda key: (-changes[key], key))[:5]
    assert [mover.symbol for mover in view.losers] == sorted(down, key=lambda key: (changes[key], key))[:5]
    averaged = [card for card in rows.values() if not math.isnan(card["ema_200"])]
    above = sum(card["ltp"] > card["ema_200"] for card in averaged)
    assert view.above_ema200_percent == (100 * above / len(averaged) if averaged else None)
    scores = [card["composite_score"] for card in rows.values() if not math.isnan(card["composite_score"])]
    breadth = 5 * (len(up) - len(down)) / len(changes) if changes else 0
    assert view.sentiment_score == pytest.approx(breadth / 2 + (np.mean(scores) / 2 if scores else 0), abs=1e-12)
    assert -5 <= view.breadth <= 5
    assert view.cache_hits + view.cache_misses == len(rows) + 1
