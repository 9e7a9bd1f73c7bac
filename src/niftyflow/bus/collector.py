"""Keeping the garbage collector out of a burst of short-lived objects, which reference counts free by themselves.

A thousand messages of a client are thousands of objects that the collector would walk, again and again, in vain: that
was half of the time of reading ticks. Nothing waits inside a pause, so it lasts milliseconds.
"""

from __future__ import annotations

import gc
import threading
from types import TracebackType


class CollectorPause:
    """Stops the collector of the process for the time of a `with`; any number of threads may be in one at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._was_on = False

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._was_on = gc.isenabled()
                gc.disable()
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._was_on:
                gc.enable()


PAUSE = CollectorPause()
"""The process's own: there is one collector."""
