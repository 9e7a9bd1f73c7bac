"""Every question of the graph with what it takes and how it is answered, as types: what crosses between processes.

The table of the graph (`graph.py`) says who answers; here stands only the form. A question without one stops the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from niftyflow.kit.call_codec import Arguments, Question
from niftyflow.model import Answers, Features, Interval, Scorecard
from niftyflow.model.account_views import AccountView
from niftyflow.runtime.explanation import Explanation


class Nothing(Arguments, frozen=True):
    """A question that takes nothing."""


class Analyze(Arguments, frozen=True):
    """An instrument, and a moment in ms UTC (null: the newest)."""

    symbol: str
    at: int | None = None


class Indicator(Arguments, frozen=True):
    """An indicator by name over candles of an instrument."""

    name: str
    symbol: str
    interval: Interval = Interval.M1
    limit: int = 500
    parameters: dict[str, Any] | None = None


class Predict(Arguments, frozen=True):
    """What a model is asked: columns, one row an instrument."""

    features: Features


class Why(Arguments, frozen=True):
    """An order by its client order id."""

    order_id: str


QUESTIONS: Final[Mapping[str, Question]] = {
    "analyze": Question(Analyze, Scorecard),
    "scorecards": Question(Nothing, list[Scorecard]),
    "indicator": Question(Indicator, dict[str, Any]),
    "predict": Question(Predict, Answers),
    "account": Question(Nothing, AccountView),
    "strategy_kinds": Question(Nothing, list[dict[str, Any]]),
    "why": Question(Why, Explanation),
    "system": Question(Nothing, dict[str, Any]),
    "ready": Question(Nothing, dict[str, Any]),
}
"""Those of the graph, and two that every process answers of itself."""
