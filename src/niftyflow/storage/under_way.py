"""What runs on a database's connection to its end: it cannot be taken back half-way, so a cancelled caller waits.

It knows nothing of databases; `close` of an engine waits here for the work under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from niftyflow.kit.log import get_logger

log = get_logger(__name__)

T = TypeVar("T")


class UnderWay:
    """The reads and writes of one database that have begun and not ended; `where` names it in the log."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._tasks: set[asyncio.Future[Any]] = set()

    async def to_its_end(self, running: Awaitable[T]) -> T:
        """Await work that goes on to its end, whole, also when its caller is cancelled meanwhile."""
        task = asyncio.ensure_future(running)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})
            if not task.cancelled() and task.exception() is not None:
                log.warning("failed_while_cancelled", path=self._where, error=str(task.exception()))
            raise

    async def all_ended(self) -> None:
        """Return when nothing is under way."""
        if self._tasks:
            await asyncio.wait(self._tasks)
