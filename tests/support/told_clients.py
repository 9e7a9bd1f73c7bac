"""A client of a channel as a page is one: it applies frames, and knows at the end what it was told.

Events of these tests carry their own number, so that a hole or a repetition shows.
"""

from __future__ import annotations

from typing import Any

import msgspec


class ToldClient:
    """Applies the frames of one channel; for events, `events` is what it holds after its last gap."""

    def __init__(self, *, has_events: bool = False) -> None:
        self.has_events = has_events
        self.values: dict[str, Any] = {}
        self.events: list[int] = []
        self.gaps = 0
        self.seq = -1
        self.epoch = ""
        self.kinds: list[str] = []

    def take(self, *frames: bytes | str) -> None:
        """Apply frames."""
        for text in frames:
            message = msgspec.json.decode(text)
            self.kinds.append(message["type"])
            self.seq, self.epoch = message["seq"], message["epoch"]
            if message["type"] == "gap":
                self.gaps += 1
            elif self.has_events:
                news = [each["number"] for each in message["data"]]
                self.events = news if message["type"] == "snapshot" else self.events + news
            elif isinstance(message["data"], dict):
                self.values = ({} if message["type"] == "snapshot" else self.values) | message["data"]
