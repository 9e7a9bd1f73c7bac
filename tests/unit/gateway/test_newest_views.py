"""The newest view of the market, from its topic."""

from __future__ import annotations

from typing import Any

import pytest

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.gateway import newest_view
from niftyflow.gateway.newest_view import NewestView
from niftyflow.model import MarketView, Sentiment, Unavailable, Watermark, moment

NOON = 1_704_868_200_000
MINUTE = 60_000


def a_view(minute: int) -> MarketView:
    """Return the view of a minute of noon."""
    return MarketView(
        timestamp=moment(NOON + minute * MINUTE), universe="ALL", advances=minute, declines=0, unchanged=0,
        above_ema50_percent=None, above_ema200_percent=None, new_highs=0, new_lows=0, gainers=[], losers=[],
        volume_shockers=[], breadth=0.0, sentiment=Sentiment.NEUTRAL, sentiment_score=0.0, cache_hits=1, cache_misses=0,
    )  # fmt: skip


def a_mark(minute: int) -> Watermark:
    """Return the watermark behind a minute's view."""
    return Watermark(time=NOON + minute * MINUTE, partition=0, source="aggregation", healthy=True)


@pytest.fixture
async def bus(tmp_path):
    """A bus with two views on it."""
    opened = EmbeddedBus(tmp_path)
    await opened.open()
    await opened.publish("market_view", [(a_view(1),), a_mark(1), (a_view(2),), a_mark(2)])
    yield opened
    await opened.close()


async def test_the_last_one_is_kept_and_followed(bus: EmbeddedBus, monkeypatch: pytest.MonkeyPatch):
    """What stood there before is known at once."""
    monkeypatch.setattr(newest_view, "LEAST_SECONDS", 0.0)
    view = NewestView(bus)
    assert await view.get() == a_view(2)
    assert await view.get() == a_view(2)
    await bus.publish("market_view", [(a_view(3),), a_mark(3)])
    assert await view.get() == a_view(3)


async def test_it_looks_no_more_than_it_must(bus: EmbeddedBus):
    """Asked at once again it answers from memory."""
    view = NewestView(bus)
    assert await view.get() == a_view(2)
    await bus.publish("market_view", [(a_view(3),)])
    assert await view.get() == a_view(2)


async def test_before_the_first_there_is_none(tmp_path):
    """An empty topic."""
    opened = EmbeddedBus(tmp_path)
    await opened.open()
    assert await NewestView(opened).get() is None
    await opened.close()


async def test_a_bus_that_is_away_is_said_and_asked_again(bus: EmbeddedBus):
    """It was not looked at, so the next one looks."""
    subscribe = bus.subscribe

    async def away(*_: Any, **__: Any) -> None:
        raise Unavailable("bus", "away")

    bus.subscribe = away  # type: ignore[method-assign, assignment]
    view = NewestView(bus)
    with pytest.raises(Unavailable):
        await view.get()
    bus.subscribe = subscribe  # type: ignore[method-assign]
    assert await view.get() == a_view(2)
