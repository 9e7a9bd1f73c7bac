"""The newest view of the market, read from its topic when somebody asks.

The hot store has parts of it only, and may vanish; the topic keeps a week. It looks at most twice a second.
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import HTTPConnection

from niftyflow.bus.port import Bus, Start, Subscription
from niftyflow.gateway.sources import sources_of
from niftyflow.kit.clock import monotonic
from niftyflow.kit.log import get_logger
from niftyflow.model import DecodeError, MarketView

log = get_logger(__name__)

TOPIC: Final = "market_view"
LEAST_SECONDS: Final = 0.5
"""Between two looks at the topic."""
FIRST_SECONDS: Final = 0.2
"""How long the first look waits: a cluster's reader needs a moment to begin."""


class NewestView:
    """The last record of the topic, kept with the place up to which it was read."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._reader: Subscription | None = None
        self._view: MarketView | None = None
        self._looked = -LEAST_SECONDS
        self._turn = asyncio.Lock()

    async def get(self) -> MarketView | None:
        """Return the newest view, or None before the first.

        Raises:
            Retryable: the bus is away.
        """
        async with self._turn:
            if monotonic() - self._looked >= LEAST_SECONDS:
                await self._read()
                self._looked = monotonic()
            return self._view

    async def _read(self) -> None:
        if self._reader is None:
            self._reader = await self._bus.subscribe(TOPIC, group=None, start=Start.EARLIEST)
        while True:
            try:
                batches = await self._reader.poll(timeout_seconds=FIRST_SECONDS if self._view is None else 0)
            except DecodeError as error:
                log.warning("record_left_out", topic=TOPIC, reason=error.reason)
                continue
            if not batches:
                return
            for batch in batches:
                for record in batch.body if isinstance(batch.body, tuple) else ():
                    if isinstance(record, MarketView):
                        self._view = record


def newest_view(connection: HTTPConnection) -> NewestView:
    """Return the application's view of the market, made when first asked for."""
    state = connection.app.state
    found: NewestView | None = getattr(state, "newest_view", None)
    if found is None:
        found = state.newest_view = NewestView(sources_of(connection).bus)
    return found
