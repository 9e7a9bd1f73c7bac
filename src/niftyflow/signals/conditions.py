"""Conditions and expressions of a rule: text in Python's grammar, held to a short list of forms, over whole columns.

The text is parsed and never executed: what is not on the list is refused when the rule is read. A comparison with a
value that is not known is false.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import reduce
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from niftyflow.model import InvalidValue
from niftyflow.model.batches import Floats
from niftyflow.signals.values import LEVELS, MARKET, NAMES, Values

Flags = NDArray[np.bool_]
Compute = Callable[[Values], Any]
"""Gives a column, or one number where no value is named."""

MOST_CHARACTERS: Final = 200
RECOMMENDATION: Final = "recommendation"
_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: lambda left, right: np.less(left, right) | np.greater(left, right),  # false when one is not known
}
_ARITHMETIC: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: lambda left, right: np.where(np.equal(right, 0), np.nan, np.divide(left, right)),
}
_FUNCTIONS: Final[dict[str, tuple[int, int, Callable[..., Any]]]] = {
    "abs": (1, 1, np.abs),
    "min": (2, 9, lambda *columns: reduce(np.minimum, columns)),
    "max": (2, 9, lambda *columns: reduce(np.maximum, columns)),
}
"""Function → least and most arguments, and what it does; a minimum with an unknown value is unknown."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A number for each row, such as `abs(composite_score) / 5`; one that is too large for a float64 is not known."""

    text: str
    compute: Compute

    def of(self, values: Values, rows: int) -> Floats:
        """Return its value for each of the rows; NaN where it is not known."""
        with np.errstate(all="ignore"):
            return np.broadcast_to(_finite(self.compute(values)), (rows,))


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison, such as `ltp > vwap` or `30 < rsi < 70`; `measured` is its first side that names a value."""

    text: str
    measured: Expression
    compute: Compute

    def holds(self, values: Values, rows: int) -> Flags:
        """Say for each of the rows whether it holds; where a value is not known it does not."""
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(self.compute(values), dtype=np.bool_), (rows,))


def parse_expression(text: str) -> Expression:
    """Read an expression over the values of a scorecard and its surroundings.

    Raises:
        InvalidValue: it is none; the rule says what to write instead.
    """
    text, node = _parsed(text)
    return Expression(text, _Reader(text).number(node))


def parse_condition(text: str) -> Condition:
    """Read a comparison of such expressions.

    Raises:
        InvalidValue: it is none; the rule says what to write instead.
    """
    text, node = _parsed(text)
    return _Reader(text).condition(node)


def _parsed(text: str) -> tuple[str, ast.expr]:
    text = " ".join(text.split())
    if len(text) > MOST_CHARACTERS:
        raise _refusal(
            text[:20] + "…", f"write it shorter: it has {len(text)} characters, {MOST_CHARACTERS} are allowed"
        )
    try:
        return text, ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise _refusal(text, "it cannot be read: write it like composite_score >= 3.5") from error


def _refusal(text: str, rule: str) -> InvalidValue:
    return InvalidValue("condition", text, rule)


class _Reader:
    """Turns the tree of one text into what computes it, refusing every form that is not on the list."""

    def __init__(self, text: str) -> None:
        self._text = text

    def condition(self, node: ast.expr) -> Condition:
        """Read a comparison, chained or not."""
        if isinstance(node, ast.BoolOp | ast.UnaryOp) and isinstance(node.op, ast.And | ast.Or | ast.Not):
            raise self._refused("write one comparison: all lines of a list must hold, and another rule says what else")
        if not isinstance(node, ast.Compare):
            raise self._refused("it compares nothing: write it like composite_score >= 3.5")
        nodes = [node.left, *node.comparators]
        tests = [self._test(operator) for operator in node.ops]
        measured = [each for each in nodes if _names_a_value(each)]
        if not measured:
            raise self._refused("it looks at no value")
        self._require_levels_beside_recommendation(nodes)
        sides = [self._side(each) for each in nodes]

        def compute(values: Values) -> Any:
            numbers = [_finite(side(values)) for side in sides]
            pairs = zip(tests, numbers[:-1], numbers[1:], strict=True)
            return reduce(np.logical_and, (test(left, right) for test, left, right in pairs))

        first = nodes.index(measured[0])
        return Condition(self._text, Expression(ast.unparse(measured[0]), sides[first]), compute)

    def number(self, node: ast.expr) -> Compute:
        """Read an expression."""
        match node:
            case ast.Constant(value=value):
                constant = self._constant(value)
                return lambda _: constant
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="market"), attr=name):
                known = self._known(name if isinstance(node, ast.Name) else MARKET + name)
                return lambda values: values[known]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.number(operand)
                return lambda values: -inner(values)
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _ARITHMETIC:
                combine, one, other = _ARITHMETIC[type(operator)], self.number(left), self.number(right)
                return lambda values: combine(one(values), other(values))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self._call(name, args)
        raise self._refused(
            f"{ast.unparse(node)} is not allowed: use numbers, names of values, + - * /, abs, min and max"
        )

    def _side(self, node: ast.expr) -> Compute:
        """Read a side of a comparison: a recommendation's level may stand there, alone."""
        if isinstance(node, ast.Name) and node.id in LEVELS:
            level = LEVELS[node.id]
            return lambda _: level
        return self.number(node)

    def _call(self, name: str, args: list[ast.expr]) -> Compute:
        if name not in _FUNCTIONS:
            raise self._refused(f"there is no function {name}: use abs, min and max")
        least, most, function = _FUNCTIONS[name]
        if not least <= len(args) <= most:
            count = str(least) if least == most else f"{least} to {most}"
            raise self._refused(f"{name} takes {count} values, here {len(args)}")
        inner = [self.number(each) for each in args]
        return lambda values: function(*(each(values) for each in inner))

    def _constant(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._refused(f"{value!r} is no number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self._refused("a number is too large")
        return number

    def _known(self, name: str) -> str:
        if name in NAMES:
            return name
        if name in LEVELS:
            raise self._refused(f"{name} is a recommendation: write it like recommendation >= {name}")
        near = get_close_matches(name, NAMES, n=3)
        meant = f"did you mean {' or '.join(near)}?" if near else "the reference of signal rules lists the names"
        raise self._refused(f"no value is called {name}; {meant}")

    def _test(self, operator: ast.cmpop) -> Callable[[Any, Any], Any]:
        if type(operator) not in _COMPARISONS:
            raise self._refused("compare with <, <=, >, >=, == or !=")
        return _COMPARISONS[type(operator)]

    def _require_levels_beside_recommendation(self, nodes: list[ast.expr]) -> None:
        names = [node.id if isinstance(node, ast.Name) else "" for node in nodes]
        levels = [name for name in names if name in LEVELS]
        if levels and any(name not in LEVELS and name != RECOMMENDATION for name in names):
            raise self._refused(f"{levels[0]} is a recommendation: compare it with recommendation")

    def _refused(self, rule: str) -> InvalidValue:
        return _refusal(self._text, rule)


def _finite(numbers: Any) -> Floats:
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _names_a_value(node: ast.expr) -> bool:
    """Say whether a side names anything but levels and functions."""
    called = {id(each.func) for each in ast.walk(node) if isinstance(each, ast.Call)}
    return any(
        isinstance(each, ast.Name) and id(each) not in called and each.id not in LEVELS for each in ast.walk(node)
    )
