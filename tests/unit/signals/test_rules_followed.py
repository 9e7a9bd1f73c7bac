"""The engine: time of day, confirmation, silence, both sides at once, levels, and what a signal says it saw."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.model import (
    Interval,
    InvalidValue,
    Prediction,
    Reason,
    ScorecardBatch,
    Side,
    Signal,
    moment,
    scorecard_id,
    signal_id,
)
from niftyflow.signals.engine import RuleEngine, moments, session_day
from niftyflow.signals.rules import Rule
from support.signal_rules import DAY, MINUTE, at, cards, rule, told, view

A, B, C = "NSE:A", "NSE:B", "BSE:C"
UP, DOWN, FLAT = 4.0, -4.0, 0.0


def only(rule_: Rule, card: dict[str, Any], seen=None, *, minute: int = 60, model: str = "") -> Signal | None:
    """Return what a rule says of one scorecard."""
    signals = RuleEngine([rule_]).take(cards(at(minute), {A: card}, model=model), seen)
    assert len(signals) <= 1
    return signals[0] if signals else None


def minutes_told(rule_: Rule, scores: dict[int, float]) -> list[tuple[int, str]]:
    """Return (minute, action) of the signals on one instrument."""
    found = told(RuleEngine([rule_]), {minute: {A: score} for minute, score in scores.items()})
    return [(minute, action) for minute, _, action, _ in found]


@pytest.mark.parametrize(
    ("confirm", "scores", "expected"),
    [
        (1, [UP, FLAT, UP], [(1, "BUY"), (3, "BUY")]),
        (2, [UP, UP, UP, FLAT, UP], [(2, "BUY"), (3, "BUY")]),
        (3, [UP, UP, FLAT, UP, UP, UP], [(6, "BUY")]),
        (2, [UP, DOWN, UP, DOWN, DOWN], [(5, "SELL")]),
        (2, [UP, math.nan, UP, UP], [(4, "BUY")]),
    ],
)
def test_a_side_must_hold_for_so_many_minutes_in_a_row(confirm, scores, expected):
    """A minute in which it does not hold, or is not known, begins the count again."""
    assert minutes_told(rule(confirm=confirm), dict(enumerate(scores, 1))) == expected


def test_a_minute_without_a_scorecard_begins_the_count_again():
    """In a row means one minute after the other."""
    assert minutes_told(rule(confirm=2), {1: UP, 3: UP, 4: UP}) == [(4, "BUY")]


@pytest.mark.parametrize(
    ("cooldown", "expected"),
    [
        ("0m", [(1, "BUY"), (2, "BUY"), (3, "SELL"), (4, "BUY"), (5, "BUY"), (6, "SELL")]),
        ("1m", [(1, "BUY"), (2, "BUY"), (3, "SELL"), (4, "BUY"), (5, "BUY"), (6, "SELL")]),
        ("2m", [(1, "BUY"), (3, "SELL"), (5, "BUY")]),
        ("5m", [(1, "BUY"), (6, "SELL")]),
        ("1h", [(1, "BUY")]),
    ],
)
def test_after_a_signal_both_sides_are_silent_for_the_cooldown(cooldown, expected):
    """It ends with the minute that lies the whole length after the signal."""
    scores = dict(enumerate([UP, UP, DOWN, UP, UP, DOWN], 1))
    assert minutes_told(rule(cooldown=cooldown), scores) == expected


def test_what_holds_through_the_cooldown_is_told_when_it_ends():
    """The count goes on in silence."""
    assert minutes_told(rule(confirm=3, cooldown="4m"), dict.fromkeys(range(1, 12), UP)) == [
        (3, "BUY"),
        (7, "BUY"),
        (11, "BUY"),
    ]


def test_a_new_day_knows_nothing_of_the_last():
    """Neither a count that was under way nor a silence: the day after begins as any day."""
    engine = RuleEngine([rule(confirm=2, cooldown="24h")])
    assert told(engine, {374: {A: UP}, 375: {A: UP}}) == [(375, "plain", "BUY", A)]
    next_day = DAY // MINUTE
    assert told(engine, {next_day + 1: {A: UP}, next_day + 2: {A: UP}}) == [(next_day + 2, "plain", "BUY", A)]


def test_a_count_does_not_run_over_midnight():
    """An evening session's last minute and the next day's first are of two days."""
    engine = RuleEngine([rule(confirm=2)])
    midnight = 14 * 60 + 45
    assert session_day(at(midnight)) == session_day(at(1))
    assert told(engine, {midnight: {A: UP}, midnight + 1: {A: UP}, midnight + 2: {A: UP}}) == [
        (midnight + 2, "plain", "BUY", A)
    ]


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        ('["09:16", "09:18"]', [1, 2, 3]),
        ('["09:17", "09:18"]', [2, 3]),
        ('["09:18", "15:00"]', [3, 4]),
        ('["09:00", "09:15"]', []),
    ],
)
def test_a_rule_looks_only_between_its_times(between, expected):
    """By the scorecard's time, which is its candle's end; both times included."""
    scores = dict.fromkeys(range(1, 5), UP)
    assert [minute for minute, _ in minutes_told(rule(between=between), scores)] == expected


def test_minutes_outside_the_times_do_not_confirm():
    """The count begins inside."""
    scores = dict.fromkeys(range(1, 6), UP)
    assert minutes_told(rule(between='["09:18", "15:00"]', confirm=2), scores) == [(4, "BUY"), (5, "BUY")]


def test_both_sides_at_once_tell_neither_and_are_counted():
    """A rule that contradicts itself is no reason to trade; the counts of both begin again."""
    engine = RuleEngine([rule(buy="[rsi > 30]", sell="[rsi > 60]", confirm=2)])
    found = [
        [signal.action for signal in engine.take(cards(at(minute), {A: {"rsi": rsi}}), None)]
        for minute, rsi in enumerate([50, 70, 50, 50], 1)
    ]
    assert found == [[], [], [], [Side.BUY]]
    assert engine.conflicts["plain"] == 1


def test_a_rule_follows_its_instruments_and_its_interval_alone():
    """The others pass it by."""
    chosen = rule(instruments="[NSE:B]")
    assert told(RuleEngine([chosen]), {1: {A: UP, B: UP}}) == [(1, "plain", "BUY", B)]
    five = cards(at(5), {B: UP}, interval=Interval.M5)
    assert RuleEngine([chosen]).take(five, None) == []
    assert len(RuleEngine([rule(interval="5m")]).take(five, None)) == 1


def test_minutes_in_a_row_are_those_of_the_rules_interval():
    """Five-minute scorecards follow one another every five minutes; the last of a session may come earlier."""
    engine = RuleEngine([rule(interval="5m", confirm=3)])
    found = [
        len(engine.take(cards(at(minute), {A: UP}, interval=Interval.M5), None)) for minute in (5, 10, 13, 20, 25, 30)
    ]
    assert found == [0, 0, 1, 0, 0, 1]


def test_signals_come_by_rule_then_by_instrument():
    """Whatever the order of the scorecards."""
    engine = RuleEngine([rule(name="z"), rule(name="a", instruments="[NSE:B, BSE:C]")])
    expected = [(1, "z", "BUY", C), (1, "z", "SELL", A), (1, "z", "BUY", B), (1, "a", "BUY", C), (1, "a", "BUY", B)]
    assert told(engine, {1: {B: UP, A: DOWN, C: UP}}) == expected


def test_a_scorecard_told_again_changes_nothing():
    """Neither in one batch nor later: the first word stands."""
    engine = RuleEngine([rule(confirm=2)])
    assert engine.take(cards(at(1), [(A, UP), (A, DOWN)]), None) == []
    assert engine.take(cards(at(1), {A: UP}), None) == []
    assert engine.take(cards(at(1), {A: DOWN}), None) == []
    assert [signal.action for signal in engine.take(cards(at(2), {A: UP}), None)] == [Side.BUY]
    assert engine.take(cards(at(2), {A: UP}), None) == []


def test_an_instrument_without_a_price_has_no_signal():
    """Nothing could be bought at it."""
    for price in (math.nan, 0.0, math.inf):
        assert only(rule(), {"composite_score": UP, "ltp": price}) is None


def test_without_a_view_of_that_minute_no_condition_on_the_market_holds():
    """An older view is none, and a number that the view could not compute is not known."""
    shared = rule(buy="[composite_score > 3, market.sentiment_score != 9]")
    card = {"composite_score": UP}
    assert only(shared, card, None) is None
    assert only(shared, card, view(at(59))) is None
    assert only(shared, card, view(at(60))) is not None
    assert only(rule(buy="[market.above_ema50_percent >= 0]"), card, view(at(60))) is None
    assert only(rule(buy="[market.above_ema200_percent >= 50]"), card, view(at(60))) is not None


def test_a_signal_says_what_it_is_and_what_it_saw():
    """Every field, from the rule and the scorecard."""
    full = rule(
        name="full", buy="[composite_score >= 3, 30 < rsi < 70, market.breadth > 0]", stop="1.5 atr", target="1 %",
        valid_for="90s", strength="composite_score / 5",
    )  # fmt: skip
    card = {"composite_score": UP, "rsi": 55.5, "ltp": 250.25, "atr": 2.0, "ai_prediction": 0.75}
    seen, time = view(at(60)), moment(at(60))
    signal = only(full, card, seen, model="heuristic-1")
    prediction = Prediction(
        symbol="A", exchange="NSE", interval=Interval.M1, timestamp=time, prediction=0.75, confidence=0.5,
        model_version="heuristic-1",
    )  # fmt: skip
    assert signal == Signal(
        id=signal_id("full", A, Interval.M1, time), strategy="full", symbol="A", exchange="NSE", interval=Interval.M1,
        timestamp=time, valid_until=time + timedelta(seconds=90), action=Side.BUY, strength=0.8, price=250.25,
        stop=247.25, target=252.7525,
        reason=[
            Reason(rule="composite_score >= 3", value=4.0), Reason(rule="30 < rsi < 70", value=55.5),
            Reason(rule="market.breadth > 0", value=0.5),
        ],
        saw={
            "scorecard": scorecard_id(A, Interval.M1, time), "market_view": seen.id, "prediction": prediction.id,
            "model_version": "heuristic-1",
        },
    )  # fmt: skip


def test_what_was_not_there_was_not_seen():
    """No view, no prediction: null."""
    signal = only(rule(), {"composite_score": UP})
    assert signal is not None
    assert {key: value for key, value in signal.saw.items() if key != "scorecard"} == {
        "market_view": None, "prediction": None, "model_version": None,
    }  # fmt: skip


def test_stop_and_target_of_a_sale_are_mirrored():
    """The stop above, the target below; without an ATR neither is known, and the signal is told all the same."""
    sale = rule(stop="1 atr", target="2 atr")
    signal = only(sale, {"composite_score": DOWN, "atr": 1.5})
    assert (signal.action, signal.stop, signal.target) == (Side.SELL, 101.5, 97.0)
    unknown = only(sale, {"composite_score": DOWN})
    assert (unknown.stop, unknown.target) == (None, None)


@pytest.mark.parametrize(
    ("strength", "expected"),
    [("abs(composite_score) / 5", 0.8), ("3", 1.0), ("-1", 0.0), ("rsi / 100", 0.0), ("0.25", 0.25)],
)
def test_strength_is_cut_to_zero_and_one(strength, expected):
    """One that is not known is none at all."""
    assert only(rule(strength=strength), {"composite_score": UP}).strength == expected


def test_the_engine_takes_one_moment_at_a_time():
    """Two minutes in one call cannot be put in order by rule."""
    two = ScorecardBatch.from_records([*cards(at(1), {A: UP}).to_records(), *cards(at(2), {A: UP}).to_records()])
    with pytest.raises(InvalidValue):
        RuleEngine([rule()]).take(two, None)
    assert RuleEngine([rule()]).take(two.take(slice(0, 0)), None) == []


# -- the fold does not depend on batching ------------------------------------------------------------------------------

RULES = [
    rule(name="one", confirm=2, cooldown="3m"),
    rule(name="two", sell="[composite_score > 1, composite_score < 4]", cooldown="2m", instruments="[NSE:A, BSE:C]"),
]
scores = st.sampled_from([UP, DOWN, FLAT, math.nan, 2.0, 3.0])
days = st.lists(st.dictionaries(st.sampled_from([A, B, C, "NFO:D"]), scores), max_size=12)


def plain_reference(rule_: Rule, day: list[dict[str, float]]) -> list[tuple[int, str, str]]:
    """Return (minute, key, action) as a person would, one instrument and one minute at a time."""
    buy, sell = {
        "one": (lambda score: score >= 3, lambda score: score <= -3),
        "two": (lambda score: score >= 3, lambda score: 1 < score < 4),
    }[rule_.name]
    found = []
    for key in sorted({key for minute in day for key in minute}):
        row, quiet_until = {"BUY": 0, "SELL": 0}, 0
        for minute, cards_ in enumerate(day, 1):
            held = {"BUY": key in cards_ and buy(cards_[key]), "SELL": key in cards_ and sell(cards_[key])}
            if all(held.values()) or (rule_.instruments is not None and key not in rule_.instruments):
                held = {"BUY": False, "SELL": False}
            row = {side: row[side] + 1 if held[side] else 0 for side in row}
            for side in row:
                if row[side] >= rule_.confirm and minute >= quiet_until:
                    found.append((minute, key, side))
                    quiet_until = minute + rule_.cooldown // MINUTE
                    break
    return sorted(found)


@given(day=days)
def test_any_day_is_followed_as_by_hand(day):
    """Counts, silences and contradictions of any day, against the plain words of the rules."""
    found: dict[str, list[tuple[int, str, str]]] = {"one": [], "two": []}
    engine = RuleEngine(RULES)
    for minute, some in enumerate(day, 1):
        for signal in engine.take(cards(at(minute), some), None):
            found[signal.strategy].append((minute, signal.instrument, signal.action.value))
    for each in RULES:
        assert sorted(found[each.name]) == plain_reference(each, day)


@given(day=days, parts=st.integers(1, 4), turn=st.randoms(use_true_random=False))
def test_signals_do_not_depend_on_how_scorecards_were_batched(day, parts, turn):
    """Any split of a minute into batches, in any order, gives the very same signals in the same order."""
    whole, split = RuleEngine(RULES), RuleEngine(RULES)
    expected, found = [], []
    for minute, some in enumerate(day, 1):
        seen = view(at(minute))
        expected += whole.take(cards(at(minute), some), seen)
        rows = list(some.items())
        turn.shuffle(rows)
        batches = [cards(at(minute), rows[part::parts]) for part in range(parts)]
        for together in moments(batches):
            found += split.take(together, seen)
    assert found == expected


def test_moments_are_put_together_by_time_then_interval():
    """Several minutes in one batch, two intervals, several name tables: oldest first, the shorter interval first."""
    five = cards(at(5), {A: UP}, interval=Interval.M5)
    late, early = cards(at(5), {A: 1.0}, model="m1"), cards(at(4), {A: 2.0, B: 3.0})
    mixed = ScorecardBatch.from_records([*late.to_records(), *cards(at(4), {C: 4.0}).to_records()])
    found = []
    for each in moments([five, mixed, early]):
        rows = zip(each.keys(), each.composite_score.tolist(), strict=True)
        found.append((int(each.time[0]), each.interval, sorted(rows)))
    assert found == [
        (at(4), Interval.M1, [(C, 4.0), (A, 2.0), (B, 3.0)]),
        (at(5), Interval.M1, [(A, 1.0)]),
        (at(5), Interval.M5, [(A, UP)]),
    ]
    assert moments([]) == []


def test_a_model_version_survives_being_put_together():
    """The prediction's version is the row's own."""
    batches = [
        cards(at(1), {B: {"composite_score": UP, "ai_prediction": 0.5}}, model="v2"),
        cards(at(1), {A: {"composite_score": UP, "ai_prediction": 0.5}}, model="v1"),
    ]
    (together,) = moments(batches)
    signals = RuleEngine([rule()]).take(together, None)
    assert [(signal.instrument, signal.saw["model_version"]) for signal in signals] == [(A, "v1"), (B, "v2")]
