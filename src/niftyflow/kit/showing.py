"""Putting things where screens look: the hot store, all of which may vanish.

A hot store that is away, refuses or hangs never holds a stage up: that is said once in the log until it is back, and
what was missed stays missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from niftyflow.kit.log import get_logger
from niftyflow.model import Refused, Retryable

log = get_logger(__name__)

LONGEST_SECONDS = 1.0


class Showing:
    """What one stage shows."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._is_away = False

    async def show(self, operation: Callable[[], Awaitable[object]]) -> None:
        """Await `operation` for a second at most, and let it fail."""
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await operation()
        except (Retryable, Refused, TimeoutError) as error:
            if not self._is_away:
                log.warning("not_shown", stage=self._stage, reason=str(error) or type(error).__name__)
            self._is_away = True
        else:
            self._is_away = False
