"""A feed that a test gives events while it runs, as a broker's goes on whatever happens to us."""

from __future__ import annotations

import asyncio

from niftyflow.brokers.port import FeedEvent
from support.intakes import ScriptedFeed


class OpenFeed(ScriptedFeed):
    """Gives what a test says, in that order, one saying at a reading."""

    def __init__(self) -> None:
        super().__init__()
        self._given: asyncio.Queue[list[FeedEvent]] = asyncio.Queue()

    def says(self, *events: FeedEvent) -> None:
        """Say something."""
        self._given.put_nowait(list(events))

    async def read(self) -> list[FeedEvent]:
        """Wait for what a test says."""
        return await self._given.get()
