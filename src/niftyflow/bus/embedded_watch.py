"""Sees what other processes append to a topic's file, while somebody in this process reads that topic.

A commit changes the size or the time of SQLite's write-ahead log; the event loop looks at them every 5 to 20 ms, and
only then has the log asked for its end. No thread: dozens of them would take turns with the ticks' thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from niftyflow.kit.log import get_logger
from niftyflow.model import NiftyflowError

log = get_logger(__name__)

FIRST_STEP_SECONDS: Final = 0.005
LONGEST_STEP_SECONDS: Final = 0.02
ASKED: Final = 2
"""How often the end is asked for after a change: a commit within the same tick of the file's clock shows in nothing."""


class Watcher:
    """Tells when the log has grown past the end it knows; `ask_end` finds the end on another thread.

    Commits of this process need no asking: they move the known end, past what others appended before them as well.
    """

    def __init__(
        self, path: Path, known_end: Callable[[], int], ask_end: Callable[[], asyncio.Future[int]],
        tell: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._wal = path.with_name(f"{path.name}-wal")
        self._known_end = known_end
        self._ask_end = ask_end
        self._tell = tell
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Future[int] | None = None
        self._seen: tuple[int, int] | None = None
        self._end = -1
        self._unsure = 0
        self._step = FIRST_STEP_SECONDS

    def start(self) -> None:
        """Begin to look; does nothing when it already looks."""
        if self._timer is None:
            self._unsure = ASKED
            self._come_back()

    def stop(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _come_back(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._step, self._look)

    def _look(self) -> None:
        self._step = min(self._step * 2, LONGEST_STEP_SECONDS)
        self._come_back()
        if self._asking is not None:
            return
        seen, end = self._look_at_file(), self._known_end()
        has_own, has_any = end != self._end, seen != self._seen
        self._seen, self._end = seen, end
        if has_own or has_any:
            self._unsure = ASKED
        if self._unsure and not has_own:
            self._unsure -= 1
            self._asking = self._ask_end()
            self._asking.add_done_callback(self._answered)

    def _look_at_file(self) -> tuple[int, int]:
        try:
            found = self._wal.stat()
        except OSError:  # not there yet, or no more
            return (0, 0)
        return found.st_size, found.st_mtime_ns

    def _answered(self, asked: asyncio.Future[int]) -> None:
        self._asking = None
        if asked.cancelled():
            return
        error = asked.exception()
        if isinstance(error, NiftyflowError):
            log.warning("log_watch_failed", path=str(self._wal), reason=str(error))
            self._unsure = ASKED
        elif error is not None:
            raise error
        elif self._timer is not None and asked.result() > self._known_end():
            self._end = asked.result()
            self._step = FIRST_STEP_SECONDS
            self._tell(self._end)
