"""The data half of the broker port: a feed gives data in order, it owns no loop of ours.

A feed decodes what its broker sends and hands over events in the order in which they arrived. It reports its own
outages; it never guesses what was in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from niftyflow.model import Instrument, TickBatch


class FeedClock(msgspec.Struct, frozen=True):
    """The feed's own time (ms UTC), told by a simulator or a recording: everything before it has been sent."""

    time: int


class FeedUp(msgspec.Struct, frozen=True):
    """Data flows (again): subscriptions are made and the first data frame has come. `at` is ms UTC of our clock."""

    at: int
    reason: str


class FeedDown(msgspec.Struct, frozen=True):
    """The connection was lost, or was found silent; nothing is observed from `at` (ms UTC) on until `FeedUp`."""

    at: int
    reason: str


class FeedEnd(msgspec.Struct, frozen=True):
    """The recording, or the simulated session, is over; nothing more will come."""

    at: int


class Malformed(msgspec.Struct, frozen=True):
    """Bytes that are not what the protocol promises; `data` holds at most the first 1,024 of them."""

    at: int
    reason: str
    data: bytes
    size: int


class FeedText(msgspec.Struct, frozen=True):
    """A text message of the broker that is no tick: order updates, errors."""

    at: int
    type: str
    data: bytes


FeedEvent = TickBatch | FeedClock | FeedUp | FeedDown | FeedEnd | Malformed | FeedText


class Feed(Protocol):
    """A stream of market data from one source. `sequence` of its ticks is 0: ingestion numbers them."""

    source: str

    @property
    def heard_at(self) -> int:
        """When the feed was last heard (ms UTC of our clock), heartbeats included; of several sockets, the quietest."""
        ...

    async def start(self, instruments: Sequence[Instrument]) -> None:
        """Connect in the background and keep the instruments subscribed, in full mode, until `stop`."""
        ...

    async def read(self) -> list[FeedEvent]:
        """Wait until something has come; return all of it in order, ticks of neighbouring frames in one batch.

        Not reading for long makes the feed stop reading its socket once 64 MiB wait, and says so in a metric.
        """
        ...

    async def stop(self) -> None:
        """Disconnect and forget what was not read."""
        ...
