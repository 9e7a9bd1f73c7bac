"""Sees what other processes append to a topic's file, while somebody in this process reads that topic.

SQLite tells a counter that changes with every commit of another connection; a small thread looks at it every 5 to
20 ms. It reads nothing else and writes nothing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from niftyflow.bus.embedded_file import LogFile
from niftyflow.kit.log import get_logger
from niftyflow.model import NiftyflowError, Unavailable

log = get_logger(__name__)

FIRST_STEP_SECONDS: Final = 0.005
LONGEST_STEP_SECONDS: Final = 0.02


class Watcher:
    """Tells the event loop when the log has grown past the end it knows."""

    def __init__(
        self, path: Path, loop: asyncio.AbstractEventLoop, known_end: Callable[[], int], tell: Callable[[int], None]
    ) -> None:
        self._path = path
        self._loop = loop
        self._known_end = known_end
        self._tell = tell
        self._stop: threading.Event | None = None

    def start(self) -> None:
        """Begin to look; does nothing when it already looks."""
        if self._stop is None:
            self._stop = threading.Event()
            name = f"watch-{self._path.stem}"
            threading.Thread(target=self._run, args=(self._stop,), name=name, daemon=True).start()

    def stop(self) -> None:
        """Stop looking, within one step."""
        if self._stop is not None:
            self._stop.set()
            self._stop = None

    def _run(self, stop: threading.Event) -> None:
        try:
            file = LogFile(self._path, is_writer=False)
        except NiftyflowError as error:
            log.warning("log_watch_failed", path=str(self._path), reason=str(error))
            return
        try:
            self._look(file, stop)
        finally:
            file.close()

    def _look(self, file: LogFile, stop: threading.Event) -> None:
        seen = -1
        step = FIRST_STEP_SECONDS
        while not stop.wait(step):
            step = min(step * 2, LONGEST_STEP_SECONDS)
            try:
                changes = file.changes()
                if changes == seen:
                    continue
                seen = changes
                end = file.end()
            except Unavailable as error:
                log.warning("log_watch_failed", path=str(self._path), reason=str(error))
                continue
            if end > self._known_end():
                step = FIRST_STEP_SECONDS
                if not self._told(end, stop):
                    return

    def _told(self, end: int, stop: threading.Event) -> bool:
        if stop.is_set():
            return False
        try:
            self._loop.call_soon_threadsafe(self._tell, end)
        except RuntimeError:  # the loop was closed under us: the process is ending
            return False
        return True
