"""One connected client: its subscriptions, the frames it is owed, and whether it takes them.

It pulls from the channels when it may write, so a client that does not read holds up nobody and costs no memory.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Final

from niftyflow.gateway.subscription import Subscription
from niftyflow.gateway.wire import Wire
from niftyflow.kit.clock import monotonic

MOST_REPLIES: Final = 64
STALLED_SECONDS: Final = 5.0
TRY_AGAIN_LATER: Final = 1013


class Listener:
    """A client, with what it asked for on each channel, and its place there.

    It counts the frames it writes in `sent`, by channel (replies under ""), which clients share.
    """

    def __init__(self, wire: Wire, sent: Counter[str], on_end: Callable[[str], None]) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self.asked: dict[str, frozenset[str]] = {}
        self.sent = sent
        self.is_over = False
        self._wire = wire
        self._on_end = on_end
        self._replies: deque[bytes] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = 0.0  # of the timer: a handle of no delay does not tell it
        self._blocked_since: float | None = None
        wire.on_clear = self._cleared

    def say(self, text: bytes) -> None:
        """Reply with a frame; a client that asks and does not read the replies is ended."""
        if len(self._replies) >= MOST_REPLIES:
            self.end(TRY_AGAIN_LATER, "too many replies were not read", "queue_full")
            return
        self._replies.append(text)
        self.flush()

    def flush(self) -> None:
        """Write what is owed and due, and come back when more is due."""
        self.send(self.take())

    def take(self, now: float | None = None) -> list[tuple[str, bytes]]:
        """Return the frames owed and due `now` (monotonic seconds), each with its channel; none while it may not write.

        For the many who are told at once: frames of some dozens are made first, then written, since the kernel's work
        at each write and ours spoil the processor's caches for each other.
        """
        if self.is_over or not self._may_write():
            return []
        taken = [("", reply) for reply in self._replies]
        self._replies.clear()
        now, next_due = monotonic() if now is None else now, math.inf
        for name, subscription in self.subscriptions.items():
            if subscription.is_owed:
                taken += [(name, text) for text in subscription.frames(now)]
                if subscription.is_owed:
                    next_due = min(next_due, subscription.due)
        if next_due < math.inf:
            self._come_back(next_due - now)
        return taken

    def send(self, frames: Iterable[tuple[str, bytes]]) -> None:
        """Write frames that were taken."""
        for name, text in frames:
            self._wire.write(text)
            self.sent[name] += 1

    def end(self, code: int, reason: str, why: str) -> None:
        """Close, saying why; `why` is its name in the metrics."""
        if not self.is_over:
            self.leave()
            self._on_end(why)
            self._wire.close(code, reason)

    def end_if_stalled(self, now: float) -> None:
        """Cut the client off when it took nothing for five seconds: a close would wait behind what it did not read."""
        if not self.is_over and self._blocked_since is not None and now - self._blocked_since >= STALLED_SECONDS:
            self.leave()
            self._on_end("stalled")
            self._wire.abort()

    def leave(self) -> None:
        """Write nothing more."""
        self.is_over = True
        self._wire.on_clear = None
        self._replies.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _may_write(self) -> bool:
        if self._wire.is_clear:
            self._blocked_since = None
            return True
        if self._blocked_since is None:
            self._blocked_since = monotonic()
        return False

    def _cleared(self) -> None:
        self._blocked_since = None
        self.flush()

    def _come_back(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + max(0.0, seconds)
        if self._timer is not None:
            if self._due_at <= due:
                return
            self._timer.cancel()
        self._timer, self._due_at = loop.call_at(due, self._due), due

    def _due(self) -> None:
        self._timer = None
        self.flush()
