"""One listener's place on one channel: what it was told, what it is owed, and when it may be told again.

The first change goes out at once, then frames follow at the channel's rate, each with everything that came meanwhile.
It is given the time and does no I/O; nothing is queued, so a listener that falls behind costs no memory.
"""

from __future__ import annotations

from typing import Final

import msgspec

from niftyflow.gateway.channels import Channel, frame
from niftyflow.gateway.latest_values import NEVER, Position, Symbols

FRAME_SECONDS: Final = 0.1
"""Ten frames a second a client and channel."""
_JUST_NOW: Final = 1e-6


class Subscription:
    """A listener's symbols and position on a channel. `is_owed` says that a frame is due at `due` (seconds)."""

    __slots__ = ("_answers", "_epoch", "_is_anew", "_position", "channel", "due", "is_owed", "seconds", "symbols")

    def __init__(self, channel: Channel, symbols: Symbols, *, seconds: float = FRAME_SECONDS) -> None:
        self.channel = channel
        self.symbols = symbols
        self.seconds = seconds
        self.due = 0.0
        self.begin(symbols)

    def begin(self, symbols: Symbols) -> None:
        """Listen to these symbols from now on, and be told first what stands."""
        self.symbols = symbols
        self._is_anew = True
        self._answers = False
        self._epoch = self.channel.epoch
        self._position: Position = self.channel.position
        self.is_owed = True

    def resume(self, symbols: Symbols, after: int, epoch: str) -> None:
        """Go on after what was told before; a frame answers in any case, if only to say that nothing came."""
        self.symbols = symbols
        self._is_anew = False
        self._answers = True
        self._epoch = epoch
        self._position = self.channel.position_of(after)
        self.is_owed = True

    def owe(self, changed: frozenset[str] | None) -> bool:
        """Take note of a change of some symbols (None: it has none); return whether a frame became owed by it."""
        if self.is_owed:
            return False
        if changed is not None and self.symbols is not None and changed.isdisjoint(self.symbols):
            if self._epoch == self.channel.epoch:
                self._position = self.channel.position  # nothing of this was for us
            return False
        self.is_owed = True
        return True

    def frames(self, now: float) -> list[bytes]:
        """Return the frames owed at a time of the monotonic clock, oldest first; none before `due`."""
        if not self.is_owed or now < self.due - _JUST_NOW:
            return []
        told = self._told()
        if told:
            self.due = now + self.seconds
        self._is_anew = self._answers = self.is_owed = False
        self._epoch, self._position = self.channel.epoch, self.channel.position
        return told

    def _told(self) -> list[bytes]:
        channel = self.channel
        if self._is_anew:
            return [self._frame("snapshot", channel.snapshot(self.symbols))]
        if self._epoch != channel.epoch or not channel.holds(self._position):
            reason = "restarted" if self._epoch != channel.epoch else "too_old"
            gap = msgspec.json.encode({"after": max(self._position[0], NEVER), "reason": reason})
            return [self._frame("gap", gap), self._frame("snapshot", channel.snapshot(self.symbols))]
        data = channel.since(self.symbols, self._position)
        if data is None and self._answers:
            data = channel.nothing()
        return [] if data is None else [self._frame("delta", data)]

    def _frame(self, kind: str, data: bytes) -> bytes:
        channel = self.channel
        return frame(kind, channel.name, data, seq=channel.position[0], epoch=channel.epoch)
