"""A scorecard that nobody told is computed once for all who ask, in every process that shares a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from niftyflow.kit.clock import VirtualClock
from niftyflow.model import Scorecard
from niftyflow.runtime import answers
from niftyflow.runtime.answers import PAST_MS, answering
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.wiring import engines
from niftyflow.runtime.workspace import Workspace
from support.gateways import CLOSED_MINUTES, NOW, OPEN_TODAY, minutes
from support.redis import RedisServer, redis_server

__all__ = ["redis_server"]
pytestmark = pytest.mark.redis


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count what is asked of analysis, which asks the database."""
    asked: list[str] = []
    really: Callable[..., Any] = answers.on_demand.analyze

    async def analyze(market: Any, decisions: Any, key: str, *rest: Any, **named: Any) -> Scorecard:
        asked.append(key)
        card: Scorecard = await really(market, decisions, key, *rest, **named)
        return card

    monkeypatch.setattr(answers.on_demand, "analyze", analyze)
    return asked


async def test_a_thousand_who_ask_for_a_scorecard_have_it_computed_once(
    tmp_path: Path, redis_server: RedisServer, computed: list[str]
):
    """The second process has the very same from Redis; each instrument is its own question."""
    redis = redis_server.settings()
    hot = {"engine": "redis", "url": redis.url.get_secret_value(), "prefix": redis.prefix, "timeout_seconds": 30}
    settings = AppSettings.model_validate({"hot": hot})
    clock = VirtualClock(NOW + 2 * PAST_MS)  # candles are too old for their scorecards to be at hand
    async with AsyncExitStack() as stack:
        callers = []
        for name in ("one", "other"):
            workspace = Workspace(tmp_path / name)
            on = await stack.enter_async_context(engines(workspace, settings))
            for symbol in ("TCS", "INFY"):
                await on.market.upsert_candles(minutes(symbol, OPEN_TODAY, CLOSED_MINUTES, 3900.0))
            process = answering(on, settings, clock, workspace, desk=lambda: None, parts=list)
            caller, _ = await stack.enter_async_context(process)
            callers.append(caller)
        one, other = callers
        told = await asyncio.gather(*(one.call("analyze", symbol="TCS") for _ in range(1000)))
        assert computed == ["NSE:TCS"]
        assert all(card is told[0] for card in told)
        assert await other.call("analyze", symbol="NSE:TCS") == told[0]
        assert computed == ["NSE:TCS"]
        await other.call("analyze", symbol="INFY")
        assert computed == ["NSE:TCS", "NSE:INFY"]
