"""Writes that come side by side go out as one: what is handed in while a write is under way is written with the next.

For stores whose every write is a transaction: fifty partitions that close a minute pay for one. It knows nothing of
what it writes, and keeps nothing that was not asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Gathering(Generic[T]):
    """One writer for many callers; what waits is bounded by their number, as each waits for its own."""

    def __init__(self, write: Callable[[list[T]], Awaitable[object]]) -> None:
        """Write by `write`, which is given what was handed in, in that order, and does all of it or nothing."""
        self._write = write
        self._turn = asyncio.Lock()
        self._items: list[T] = []
        self._next: asyncio.Task[None] | None = None

    async def add(self, item: T) -> None:
        """Return when the item is written; raise what writing it, and what went with it, raised.

        A caller that is cancelled meanwhile leaves it to be written with the others'.
        """
        self._items.append(item)
        if self._next is None:
            self._next = asyncio.create_task(self._write_all(), name="gathered-write")
            self._next.add_done_callback(_seen)
        await asyncio.shield(self._next)

    async def _write_all(self) -> None:
        async with self._turn:
            items, self._items, self._next = self._items, [], None
            await self._write(items)


def _seen(written: asyncio.Task[None]) -> None:
    """Look at an error that nobody is left to be told."""
    if not written.cancelled():
        written.exception()
