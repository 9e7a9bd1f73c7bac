"""Kite feeds against the scripted server: short waits, some instruments, and reading until something has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from niftyflow.brokers.kite.feed import KiteFeed
from niftyflow.brokers.kite.settings import KiteFeedSettings
from niftyflow.brokers.port import FeedEvent
from niftyflow.kit.clock import WallClock
from niftyflow.model import Exchange, Instrument, Kind, TickBatch
from support.kite_server import KiteServer

SECRET = "do-not-print-me"
TOKENS = [738561, 408065, 884737, 341249, 2953217]
SHORT = {
    "open_timeout_seconds": 2.0,
    "close_timeout_seconds": 0.05,
    "retry_first_seconds": 0.02,
    "retry_longest_seconds": 0.05,
    "refused_retry_seconds": 0.2,
    "ping_seconds": 0.05,
    "pong_timeout_seconds": 5.0,
    "stale_after_seconds": 5.0,
}


def shares(*tokens: int) -> list[Instrument]:
    """Return a share for each token."""
    return [
        Instrument(exchange=Exchange.NSE, symbol=f"S{token}", kind=Kind.EQUITY, token=str(token)) for token in tokens
    ]


def short_settings(url: str, **changes: Any) -> KiteFeedSettings:
    """Return settings with waits of a test's length."""
    return KiteFeedSettings(**{"root": url, "api_key": "key", "access_token": SECRET, **SHORT, **changes})


@asynccontextmanager
async def feeding(
    server: KiteServer, *tokens: int, clock: Any = None, credentials: Any = None, **changes: Any
) -> AsyncIterator[KiteFeed]:
    """Run a feed of these tokens (by default the first) against the server, and stop it."""
    feed = KiteFeed(short_settings(server.url, **changes), clock or WallClock(), credentials)
    await feed.start(shares(*(tokens or TOKENS[:1])))
    try:
        yield feed
    finally:
        await feed.stop()


async def read_until(feed: KiteFeed, is_enough: Callable[[list[FeedEvent]], bool]) -> list[FeedEvent]:
    """Read until the events are enough, or fail after some seconds and say what has come."""
    events: list[FeedEvent] = []
    try:
        async with asyncio.timeout(60):
            while not is_enough(events):
                events += await feed.read()
    except TimeoutError:
        raise AssertionError(f"only this has come: {events}") from None
    return events


def kinds(events: list[FeedEvent]) -> list[str]:
    """Return the names of the events' types, in order."""
    return [type(event).__name__ for event in events]


def has(kind: type, count: int = 1) -> Callable[[list[FeedEvent]], bool]:
    """Return whether so many events of a kind have come."""
    return lambda events: sum(isinstance(event, kind) for event in events) >= count


def prices(events: list[FeedEvent]) -> list[float]:
    """Return the last prices of all ticks, in order."""
    return [price for event in events if isinstance(event, TickBatch) for price in event.ltp.tolist()]
