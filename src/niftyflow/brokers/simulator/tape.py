"""What the simulated exchange plays: a session as rows in order of arrival, and the port of everything that makes one.

A source only says what happened and when it arrived. It never paces, never sends, and never reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from niftyflow.kit.clock import to_ist
from niftyflow.model import Instrument, Misconfigured

SECOND = 1000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE

EVENT = np.dtype(
    [
        ("arrival", np.int64),
        ("instrument", np.int32),
        ("ltp", np.float64),
        ("last_quantity", np.int64),
        ("day_volume", np.int64),
        ("bid", np.float64),
        ("ask", np.float64),
        ("open_interest", np.int64),
        ("timestamp", np.int64),
        ("traded_at", np.int64),
        ("average", np.float64),
        ("open", np.float64),
        ("high", np.float64),
        ("low", np.float64),
        ("close", np.float64),
    ]
)
"""One update of one instrument. Prices in rupees, times in ms UTC; `instrument` is the place in the source's list.

A source fills the fields up to `traded_at`. The last five (the day so far, `close` being the previous session's) are
filled by the playback, which sees the whole day.
"""

Events = NDArray[np.void]
"""A one-dimensional array of `EVENT`, `arrival` never decreasing."""


class Session(NamedTuple):
    """One span of exchange time, ms UTC: the clock runs from `start` to `end`, the day's prices count from `opens`."""

    start: int
    opens: int
    end: int


class Source(Protocol):
    """A tape. Between sessions the exchange's clock jumps."""

    name: str
    instruments: Sequence[Instrument]
    sessions: Sequence[Session]

    def chunks(self) -> Iterator[Events]:
        """Yield all events from the beginning, in order of arrival; a chunk lies inside one session."""
        ...


def in_order_of_arrival(events: Events) -> Events:
    """Return the events sorted by arrival; those that arrive together keep their order."""
    return events[np.argsort(events["arrival"], kind="stable")]


class OneDay:
    """One day of a tape, by the IST date of its sessions."""

    def __init__(self, source: Source, day: date) -> None:
        """Choose the sessions of `day`.

        Raises:
            Misconfigured: there are none; the message names the days there are.
        """
        chosen = [each for each in source.sessions if to_ist(each.start).date() == day]
        if not chosen:
            first, last = to_ist(source.sessions[0].start).date(), to_ist(source.sessions[-1].start).date()
            raise Misconfigured(
                f"{source.name} has no session on {day}; it has {len(source.sessions)}, {first} to {last}"
            )
        self.name = f"{source.name}-{day}"
        self.instruments = source.instruments
        self.sessions: Sequence[Session] = chosen
        self._source = source

    def chunks(self) -> Iterator[Events]:
        """Yield the chunks of the day."""
        since, until = self.sessions[0].start, self.sessions[-1].end
        for chunk in self._source.chunks():
            if len(chunk) and since <= chunk["arrival"][0] < until:
                yield chunk
