"""The simulated exchange's time and what happens in it: play on, jump, and the last state of every instrument.

Pure: it is told how far to go, and it hands over what happened on the way, each event once. It has no clock, no socket
and no subscribers; nobody's coming or going moves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from niftyflow.brokers.simulator.ahead import made_ahead
from niftyflow.brokers.simulator.day import DayPrices
from niftyflow.brokers.simulator.tape import EVENT, SECOND, Events, Session, Source
from niftyflow.model import Misconfigured

_SKIP = 600 * SECOND


@dataclass(frozen=True, slots=True)
class Step:
    """What happened between two moments: events, and the whole seconds reached.

    `events[:cuts[k]]` arrived before `marks[k]` (ms UTC), the rest of them not.
    """

    events: Events
    marks: NDArray[np.int64]
    cuts: NDArray[np.int64]


class Playback:
    """A source, played from its beginning; `position` is the exchange's time, ms UTC."""

    def __init__(self, source: Source, *, is_made_ahead: bool = False) -> None:
        """Stand at the beginning of the first session; the next chunk may be made ahead, on a thread.

        Raises:
            Misconfigured: the source has no session.
        """
        if not source.sessions:
            raise Misconfigured(f"{source.name} holds no session to play")
        self.source = source
        self.delivered = 0
        self._is_made_ahead = is_made_ahead
        self._rewind()

    def _rewind(self) -> None:
        chunks = _with_day_prices(self.source)
        self._chunks: Iterator[Events] = made_ahead(chunks) if self._is_made_ahead else chunks
        self._chunk = np.zeros(0, dtype=EVENT)
        self._arrival = np.zeros(0, dtype=np.int64)
        self._at = 0
        self._is_exhausted = False
        self._state = np.zeros(len(self.source.instruments), dtype=EVENT)
        self._session = 0
        self.is_finished = False
        self.position = self.source.sessions[0].start
        self._next_mark = _whole_second(self.position)

    @property
    def session(self) -> Session:
        """The session in play (the last one when all is over)."""
        return self.source.sessions[self._session]

    def advance(self, to: int) -> Step:
        """Play on to `to` (ms UTC), at most to the end of the session, and return what arrived before it.

        From the end of a session the next call goes on at the start of the next one. An earlier time changes nothing.
        """
        to = max(self.position, min(to, self.session.end))
        events = self._take(to)
        marks = np.arange(self._next_mark, to + 1, SECOND, dtype=np.int64)
        self._next_mark += SECOND * len(marks)
        cuts = np.searchsorted(np.ascontiguousarray(events["arrival"]), marks)
        self.delivered += len(events)
        self._go_to(to)
        return Step(events, marks, cuts.astype(np.int64))

    def advance_block(self, events: int) -> Step:
        """Play on by whole seconds until about `events` more have arrived: the pace of unlimited speed."""
        while self._at >= len(self._chunk) and self._load():
            pass
        left = self._arrival[self._at :]
        if not len(left):
            return self.advance(self.session.end)
        last = int(left[min(events, len(left)) - 1])
        return self.advance(_whole_second(last + 1))

    def seek(self, to: int) -> None:
        """Jump to `to` (ms UTC), forward or back: what lies between is not handed over, but the last state is known.

        A time between two sessions is the start of the later one; one after the last session ends the playback.
        """
        last = len(self.source.sessions) - 1
        target = next((place for place, each in enumerate(self.source.sessions) if to < each.end), last)
        to = max(to, self.source.sessions[target].start)
        if to < self.position or (self.is_finished and to < self.session.end):
            self._rewind()
        while not self.is_finished and self.position < to:
            reach = min(to, self.session.end, self.position + _SKIP)
            self._take(reach)
            self._go_to(reach)
        if not self.is_finished:
            self._next_mark = _whole_second(self.position)

    def snapshot(self, places: NDArray[np.int64]) -> Events:
        """Return the last state of these instruments (places in the source's list), where one is known."""
        state = self._state[places]
        return state[state["arrival"] > 0]

    def everything(self) -> Events:
        """Return the last state of every instrument of which one is known."""
        return self._state[self._state["arrival"] > 0]

    def _go_to(self, to: int) -> None:
        self.position = to
        if to < self.session.end:
            return
        if self._session + 1 < len(self.source.sessions):
            self._session += 1
            self.position = self.session.start
            self._next_mark = _whole_second(self.position)
        else:
            self.is_finished = True

    def _take(self, to: int) -> Events:
        parts: list[Events] = []
        while True:
            if self._at >= len(self._chunk) and not self._load():
                break
            reach = int(np.searchsorted(self._arrival, to))
            if reach > self._at:
                part = self._chunk[self._at : reach]
                self._state[part["instrument"]] = part
                parts.append(part)
                self._at = reach
            if reach < len(self._chunk):
                break
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=EVENT)

    def _load(self) -> bool:
        if self._is_exhausted:
            return False
        chunk = next(self._chunks, None)
        if chunk is None:
            self._is_exhausted = True
            return False
        self._chunk, self._at = chunk, 0
        self._arrival = np.ascontiguousarray(chunk["arrival"])
        return True


def _with_day_prices(source: Source) -> Iterator[Events]:
    """Yield a source's chunks with the fields filled that only who sees the whole day can fill."""
    days, sessions, place = DayPrices(len(source.instruments)), source.sessions, 0
    for chunk in source.chunks():
        if len(chunk):
            while place + 1 < len(sessions) and chunk["arrival"][0] >= sessions[place].end:
                place += 1
            days.fill(chunk, sessions[place])
        yield chunk


def _whole_second(time: int) -> int:
    return -(-time // SECOND) * SECOND
