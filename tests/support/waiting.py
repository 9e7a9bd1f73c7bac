"""Waiting in tests for what other tasks will do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Answer = bool | Awaitable[bool]


async def until(is_so: Callable[[], Answer], seconds: float = 60.0) -> None:
    """Wait until something is so, or raise `TimeoutError`."""
    async with asyncio.timeout(seconds):
        while not await _answer(is_so()):  # noqa: ASYNC110 - whoever makes it so signals nothing
            await asyncio.sleep(0.002)


async def _answer(told: Answer) -> bool:
    return told if isinstance(told, bool) else await told
