"""Hearing channels of Redis for one listener: on a connection of its own, made again for as long as the listener lives.

It holds the listener weakly, so that one nobody holds is given up. It decides nothing about messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final

from niftyflow.kit.log import get_logger
from niftyflow.model import NiftyflowError
from niftyflow.storage.listening import Listener
from niftyflow.storage.redis_client import RedisConnections

log = get_logger(__name__)

FIRST_WAIT_SECONDS: Final = 0.05
LONGEST_WAIT_SECONDS: Final = 1.0
"""Between two tries; there are a few listeners a process, so they need no jitter to spare the server."""


class Hearing:
    """The task behind a listener."""

    def __init__(
        self, connections: RedisConnections, prefix: str, channels: Sequence[str], count_dropped: Callable[[], None]
    ) -> None:
        self._connections = connections
        self._prefix = prefix
        self._names = [prefix + channel for channel in channels]
        self._count_dropped = count_dropped
        self._listener: Callable[[], Listener | None] = lambda: None
        self._task: asyncio.Task[None] | None = None
        self._wait = FIRST_WAIT_SECONDS
        self._is_away = False

    def begin(self, listener: Listener, ended: Callable[[Hearing], object]) -> None:
        """Begin to fill a listener; `ended` is called when it is over."""
        loop = asyncio.get_running_loop()
        self._listener = weakref.ref(listener)
        task = self._task = loop.create_task(self._hear())
        task.add_done_callback(lambda _task: ended(self))
        task.add_done_callback(lambda _task: self._end_listener())
        weakref.finalize(listener, _cancel, loop, task).atexit = False

    async def stop(self) -> None:
        """End the listener, once what has come is taken."""
        self._end_listener()
        self.end()
        if self._task is not None:
            await asyncio.wait({self._task})

    def end(self) -> None:
        """Hear no more."""
        if self._task is not None:
            self._task.cancel()

    def _end_listener(self) -> None:
        listener = self._listener()
        if listener is not None:
            listener.end()

    async def _hear(self) -> None:
        while True:
            try:
                await self._connections.hear(self._names, self._begun, self._give)
            except NiftyflowError as error:
                self._tell(is_heard=False)
                if not self._is_away:
                    log.warning("hot_channels_lost", channels=self._names, reason=str(error))
                self._is_away = True
            await asyncio.sleep(self._wait)
            self._wait = min(2 * self._wait, LONGEST_WAIT_SECONDS)

    def _begun(self) -> None:
        if self._is_away:
            log.info("hot_channels_heard_again", channels=self._names)
        self._is_away = False
        self._wait = FIRST_WAIT_SECONDS
        self._tell(is_heard=True)

    def _give(self, channel: str, message: bytes) -> None:
        listener = self._listener()
        if listener is not None and listener.give(channel.removeprefix(self._prefix), message):
            self._count_dropped()

    def _tell(self, *, is_heard: bool) -> None:
        listener = self._listener()
        if listener is not None:
            listener.tell(is_heard=is_heard)


def _cancel(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    """Cancel a task from wherever the collector runs."""
    with contextlib.suppress(RuntimeError):  # the loop is closed, and its tasks with it
        loop.call_soon_threadsafe(task.cancel)
