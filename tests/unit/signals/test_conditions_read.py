"""Conditions as text: what is read, what is refused, and that whole columns give what row by row would."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.model import InvalidValue
from niftyflow.signals.conditions import parse_condition, parse_expression
from niftyflow.signals.values import NAMES

NAN = math.nan
Tree = tuple
Row = dict[str, float]


@pytest.mark.parametrize(
    ("text", "row", "holds"),
    [
        ("composite_score >= 3.5", {"composite_score": 3.5}, True),
        ("composite_score > 3.5", {"composite_score": 3.5}, False),
        ("ltp > vwap", {"ltp": 101.0, "vwap": 100.0}, True),
        ("abs(change_percent) < 3", {"change_percent": -2.0}, True),
        ("30 < rsi < 70", {"rsi": 70.0}, False),
        ("30 < rsi <= 70", {"rsi": 70.0}, True),
        ("market.sentiment_score >= 0", {"market.sentiment_score": 0.0}, True),
        ("recommendation >= BUY", {"recommendation": 1.0}, True),
        ("recommendation >= BUY", {"recommendation": 0.0}, False),
        ("STRONG_SELL < recommendation < HOLD", {"recommendation": -1.0}, True),
        ("rsi != 50", {"rsi": 51.0}, True),
        ("rsi == 50", {"rsi": 50.0}, True),
        ("(ltp - vwap) / atr > 1 + 1", {"ltp": 110.0, "vwap": 100.0, "atr": 4.0}, True),
        ("max(ema_9, ema_21, ema_50) < -(-2)", {"ema_9": 1.0, "ema_21": 1.5, "ema_50": -9.0}, True),
        ("min(ema_9, 3) == 3", {"ema_9": 7.0}, True),
        ("  prediction\n   > 0.6 ", {"prediction": 0.7}, True),
    ],
)
def test_a_condition_holds_as_it_reads(text, row, holds):
    """Comparisons, chains, arithmetic, levels and names with a dot."""
    condition = parse_condition(text)
    assert condition.holds({name: np.array([value]) for name, value in row.items()}, 1).tolist() == [holds]


@pytest.mark.parametrize(
    "text",
    ["rsi < 1", "rsi <= 1", "rsi > 1", "rsi >= 1", "rsi == 1", "rsi != 1", "abs(rsi) > 0", "min(rsi, 0) < 5",
     "max(9, rsi) > 5", "0 < 1 < rsi", "rsi - rsi == 0", "rsi * 0 == 0"],
)  # fmt: skip
def test_a_comparison_with_an_unknown_value_is_false(text):
    """Whatever the comparison, not-equal included."""
    assert not parse_condition(text).holds({"rsi": np.array([NAN])}, 1).any()


@pytest.mark.parametrize(
    "text",
    ["ltp / volume > 0", "ltp / volume != 0", "1 / (ltp / volume) == 0", "0 / volume == 0", "ltp * 1e308 * 10 > 1"],
)
def test_a_division_by_zero_and_a_number_too_large_are_not_known(text):
    """They are neither large nor an error."""
    values = {"ltp": np.array([5.0]), "volume": np.array([0.0])}
    assert not parse_condition(text).holds(values, 1).any()


def test_what_a_condition_measured_is_its_first_side_with_a_value():
    """A chain is about its middle, a turned comparison about its right side."""
    values = {"rsi": np.array([55.0]), "ltp": np.array([8.0])}
    measured = {text: parse_condition(text).measured for text in ("30 < rsi < 70", "3.5 <= ltp / 2", "ltp > rsi")}
    assert {text: float(each.of(values, 1)[0]) for text, each in measured.items()} == {
        "30 < rsi < 70": 55.0, "3.5 <= ltp / 2": 4.0, "ltp > rsi": 8.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("compsite_score > 3", "composite_score"),
        ("market.sentiment > 0", "market.sentiment_score"),
        ("zzqqxx > 3", "the reference of signal rules lists the names"),
        ("composite_score", "compares nothing"),
        ("composite_score + 3", "compares nothing"),
        ("1 < 2", "looks at no value"),
        ("BUY < STRONG_BUY", "looks at no value"),
        ("rsi > 3 and rsi < 5", "all lines of a list must hold"),
        ("not rsi > 3", "all lines of a list must hold"),
        ("rsi >", "cannot be read"),
        ("rsi > 3; ltp > 2", "cannot be read"),
        ("", "cannot be read"),
        ("rsi > 3\0", "cannot be read"),
        ("rsi in (1, 2)", "compare with"),
        ("rsi is 3", "compare with"),
        ("rsi > True", "True is no number"),
        ("rsi > 'a'", "'a' is no number"),
        ("rsi > None", "None is no number"),
        ("rsi > 1j", "1j is no number"),
        ("rsi > 1e999", "too large"),
        ("rsi > " + "9" * 190, None),
        ("rsi > " + "9" * 200, "write it shorter"),
        ("rsi > " + "(" * 90 + "1" + ")" * 90, None),
        ("rsi ** 2 > 3", "is not allowed"),
        ("rsi % 2 > 3", "is not allowed"),
        ("rsi[0] > 3", "is not allowed"),
        ("(rsi > 3) > 2", "is not allowed"),
        ("(lambda: rsi)() > 3", "is not allowed"),
        ("rsi.real > 3", "is not allowed"),
        ("market.a.b > 3", "is not allowed"),
        ("(rsi := 3) > 2", "is not allowed"),
        ("[rsi for rsi in ltp] > 2", "is not allowed"),
        ("(rsi if ltp else atr) > 2", "is not allowed"),
        ("~rsi > 2", "is not allowed"),
        ("eval('1') > rsi", "no function eval"),
        ("__import__('os') > rsi", "no function __import__"),
        ("abs(rsi, ltp) > 1", "abs takes 1 values, here 2"),
        ("min(rsi) > 1", "min takes 2 to 9 values, here 1"),
        ("max(*rsi) > 1", "max takes 2 to 9"),
        ("max(rsi, default=1) > 1", "is not allowed"),
        ("rsi > BUY", "compare it with recommendation"),
        ("recommendation + 0 > BUY", "compare it with recommendation"),
        ("recommendation > BUY + 1", "BUY is a recommendation"),
        ("recommendation > STRONGBUY", "no value is called STRONGBUY"),
        ("name > 3", "no value is called name"),
        ("time > 3", "no value is called time"),
        ("from_previous > 0", "no value is called from_previous"),
        ("abs > 3", "no value is called abs"),
        ("market > 3", "no value is called market"),
    ],
)
def test_what_is_not_on_the_list_is_refused_when_it_is_read(text, says):
    """With words that tell what to write instead; what is only long is read."""
    if says is None:
        assert parse_condition(text).text == text
        return
    with pytest.raises(InvalidValue) as refused:
        parse_condition(text)
    assert says in refused.value.rule


def test_an_expression_is_no_comparison():
    """A strength is a number."""
    assert parse_expression("abs(rsi - 50) / 50").of({"rsi": np.array([25.0])}, 1).tolist() == [0.5]
    assert parse_expression("0.75").of({}, 3).tolist() == [0.75] * 3
    with pytest.raises(InvalidValue, match="is not allowed"):
        parse_expression("rsi > 3")


# -- any expression, whole columns against row by row ------------------------------------------------------------------

names = st.sampled_from(NAMES)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9)
trees = st.recursive(
    st.tuples(st.just("name"), names) | st.tuples(st.just("number"), numbers.map(abs)),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from("+-*/"), inner, inner),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner),
        st.tuples(st.sampled_from(["abs", "minus"]), inner),
    ),
    max_leaves=4,
)
TESTS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def text_of(tree: Tree) -> str:
    """Return a tree as a person would write it."""
    kind, *inner = tree
    if kind == "name":
        return str(inner[0])
    if kind == "number":
        return repr(inner[0])
    if kind == "minus":
        return f"(-{text_of(inner[0])})"
    if kind in ("min", "max", "abs"):
        return f"{kind}({', '.join(map(text_of, inner))})"
    return f"({text_of(inner[0])} {kind} {text_of(inner[1])})"


PLAIN: dict[str, Callable[..., float]] = {
    "minus": operator.neg, "abs": abs, "min": min, "max": max, "+": operator.add, "-": operator.sub, "*": operator.mul,
    "/": lambda left, right: NAN if right == 0 else left / right,
}  # fmt: skip


def value_of(tree: Tree, row: Row) -> float:
    """Return what a tree is for one row, in plain Python."""
    kind, *inner = tree
    if kind in ("name", "number"):
        return row[inner[0]] if kind == "name" else float(inner[0])
    sides = [value_of(each, row) for each in inner]
    return NAN if any(map(math.isnan, sides)) else PLAIN[kind](*sides)


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    """Return a few rows in which any value may be unknown, zero, small or huge."""
    value = st.sampled_from([NAN, 0.0, 1.0, -1.0, 3.5, 1e308, -1e308, 1e-308]) | st.floats(-100, 100)
    some = st.lists(value, min_size=len(NAMES), max_size=len(NAMES))
    return [dict(zip(NAMES, draw(some), strict=True)) for _ in range(draw(st.integers(1, 4)))]


@given(
    sides=st.lists(trees, min_size=2, max_size=3),
    tests=st.lists(st.sampled_from(list(TESTS)), min_size=2),
    rows=tables(),
)
def test_columns_give_what_row_by_row_would(sides, tests, rows):
    """Any comparison, over any values."""
    text = text_of(sides[0]) + "".join(f" {test} {text_of(side)}" for test, side in zip(tests, sides[1:], strict=False))
    if len(text) > 200 or not any(name in text for name in NAMES):
        return
    columns = {name: np.array([row[name] for row in rows]) for name in NAMES}
    held = parse_condition(text).holds(columns, len(rows)).tolist()
    for row, holds in zip(rows, held, strict=True):
        values = [value_of(side, row) for side in sides]
        pairs = list(zip(tests, values[:-1], values[1:], strict=False))
        expected = all(map(math.isfinite, values)) and all(TESTS[test](left, right) for test, left, right in pairs)
        assert holds is expected
