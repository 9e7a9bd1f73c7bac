"""What listens to channels of a hot store: a bounded queue of messages, the same for every engine.

A listener that is too slow loses its oldest messages, never the newest, and is told so. It owns no connection and no
task; the engine that fills it does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Self

LISTENER_MESSAGES = 1000
"""Messages that wait for a slow listener, unless its store says otherwise."""

OnHearing = Callable[[bool], None]


class Listener:
    """Messages of some channels from the moment it was made; it ends when closed or when the store closes."""

    def __init__(self, bound: int, on_hearing: OnHearing | None, forget: Callable[[Listener], None]) -> None:
        self._messages: deque[tuple[str, bytes]] = deque(maxlen=bound)
        self._arrived = asyncio.Event()
        self._on_hearing = on_hearing
        self._forget = forget
        self._hears = False
        self._closed = False
        self.dropped = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[str, bytes]:
        while not self._messages:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._messages.popleft()

    async def aclose(self) -> None:
        """Stop listening; messages not yet taken are lost."""
        self._messages.clear()
        self.end()

    def end(self) -> None:
        """Stop listening once what has come is taken."""
        if self._closed:
            return
        self._closed = True
        self._forget(self)
        self._arrived.set()
        self.tell(is_heard=False)

    def give(self, channel: str, message: bytes) -> bool:
        """Queue a message; return whether the oldest one had to go for it."""
        is_full = len(self._messages) == self._messages.maxlen
        self._messages.append((channel, message))
        self._arrived.set()
        if is_full:
            self.dropped += 1
            self.tell(is_heard=False)
            self.tell(is_heard=not self._closed)
        return is_full

    def tell(self, *, is_heard: bool) -> None:
        """Say that the channels are heard from now on, or that messages may be missed; do not repeat what is known."""
        if is_heard != self._hears:
            self._hears = is_heard
            if self._on_hearing is not None:
                self._on_hearing(is_heard)
