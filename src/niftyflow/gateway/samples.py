"""The channels of one value: whom the hub asks for each, and how often. They are asked while somebody listens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from niftyflow.gateway.decision_rows import position_row
from niftyflow.gateway.market_clock import MarketClock
from niftyflow.gateway.sources import Sources
from niftyflow.model.account_views import AccountView


class Sample(NamedTuple):
    """A function that returns the value, as JSON can hold it, and the seconds between two questions."""

    ask: Callable[[], Awaitable[Any]]
    seconds: float


def samples_of(sources: Sources) -> Mapping[str, Sample]:
    """Return the samples of a gateway's own channels."""
    clock = MarketClock(sources)
    return {
        "clock": Sample(clock.view, 1.0),
        "system": Sample(lambda: sources.caller.call("system"), 1.0),
        "account": Sample(lambda: _account(sources), 0.5),
    }


async def _account(sources: Sources) -> dict[str, Any]:
    view: AccountView = await sources.caller.call("account")
    return {"portfolio": view.portfolio, "positions": [position_row(each) for each in view.positions]}
