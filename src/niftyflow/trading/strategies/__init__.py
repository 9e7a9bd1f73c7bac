"""The strategies that come with niftyflow, by kind. A new one is a class here and a line in the table below."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from niftyflow.kit.settings import readable
from niftyflow.model import InvalidValue
from niftyflow.trading.strategies.ema_cross import EmaCross
from niftyflow.trading.strategies.opening_range_breakout import OpeningRangeBreakout
from niftyflow.trading.strategies.signal_follower import SignalFollower
from niftyflow.trading.strategy import Strategy

STRATEGIES: Mapping[str, type[Strategy]] = MappingProxyType(
    {strategy.kind: strategy for strategy in (EmaCross, OpeningRangeBreakout, SignalFollower)}
)


def make(kind: str, parameters: Mapping[str, Any]) -> Strategy:
    """Return a new strategy of a kind.

    Raises:
        InvalidValue: there is no such kind.
        Misconfigured: a parameter is unknown or cannot be; it is named.
    """
    strategy = STRATEGIES.get(kind)
    if strategy is None:
        raise InvalidValue("kind", kind, f"use one of {', '.join(STRATEGIES)}")
    try:
        return strategy(strategy.Parameters.model_validate(dict(parameters)))
    except ValidationError as error:
        raise readable(error, f"strategy {kind}") from error


def kinds() -> list[dict[str, Any]]:
    """Return every kind with what it does in a line, and its parameters as a JSON schema."""
    return [
        {"kind": kind, "title": (of.__doc__ or kind).splitlines()[0], "parameters": of.Parameters.model_json_schema()}
        for kind, of in STRATEGIES.items()
    ]
