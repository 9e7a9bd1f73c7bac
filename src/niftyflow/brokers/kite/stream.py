"""What arrived on Kite's sockets, as feed events in order: a pure step between the inbox and the reader.

It keeps which sockets are up and how far each one's session clock has come. It never waits and holds no socket.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from niftyflow.brokers.connection import is_login_needed
from niftyflow.brokers.inbox import Arrival, BinaryFrame, LinkDown, LinkUp, TextFrame
from niftyflow.brokers.kite.text import ClockMessage, EndMessage, ErrorMessage, OrderMessage, parse_text
from niftyflow.brokers.kite.wire import Outcomes, TokenIndex, decode_ticks
from niftyflow.brokers.port import FeedClock, FeedDown, FeedEnd, FeedEvent, FeedText, FeedUp, Malformed
from niftyflow.kit import metrics
from niftyflow.kit.clock import Clock, VirtualClock
from niftyflow.model import DecodeError

SHOWN_BYTES = 1024
"""How much of malformed bytes is kept."""
HELD_FRAMES = 4096
"""Frames that wait for a new socket's clock at most; a session without a clock goes on untimed then."""


class KiteStream:
    """Turns arrivals into events; with several sockets the feed is up, and its clock moves, with the last of them.

    Where the session has a clock of its own, what a new socket sends before its first clock message waits for it, so
    that nothing carries the session's time from before the socket was made.
    """

    def __init__(self, index: TokenIndex, clock: Clock, connections: int) -> None:
        self._index = index
        self._source = index.names[0].source
        self._virtual = clock if isinstance(clock, VirtualClock) else None
        self._up = [False] * connections
        self._clocks = [-1] * connections
        self._ends = [-1] * connections
        self._has_time = [self._virtual is None] * connections
        self._held: list[list[BinaryFrame | LinkUp]] = [[] for _ in range(connections)]
        self._told_clock = -1
        self._is_told_down = False
        self.has_ended = False
        decode_ticks([b"\x00"], [0], index)  # compiles, or loads, the kernel before the first tick waits for it

    def events_of(self, arrivals: Sequence[Arrival]) -> list[FeedEvent]:
        """Return the events of the arrivals in order, ticks of neighbouring frames in one batch."""
        events: list[FeedEvent] = []
        run: list[BinaryFrame] = []
        for arrival in arrivals:
            self._take(arrival, run, events)
        self._flush(run, events)
        return events

    def _take(self, arrival: Arrival, run: list[BinaryFrame], events: list[FeedEvent]) -> None:
        match arrival:
            case BinaryFrame() | LinkUp() if not self._has_time[arrival.connection]:
                self._held[arrival.connection].append(arrival)
                if len(self._held[arrival.connection]) >= HELD_FRAMES:
                    self._release(arrival.connection, run, events)
            case BinaryFrame():
                run.append(self._stamped(arrival))
            case LinkUp():
                self._flush(run, events)
                events.extend(self._rise(arrival))
            case LinkDown():
                self._release(arrival.connection, run, events)
                self._has_time[arrival.connection] = self._virtual is None
                self._flush(run, events)
                events.extend(self._fall(arrival))
            case TextFrame():
                self._take_text(arrival, run, events)
            case Malformed():
                self._flush(run, events)
                events.append(_malformed(self._at(arrival.at), arrival.reason, arrival.data, arrival.size))

    def _take_text(self, frame: TextFrame, run: list[BinaryFrame], events: list[FeedEvent]) -> None:
        at = self._at(frame.at)
        try:
            message = parse_text(frame.data)
        except DecodeError as error:
            self._flush(run, events)
            events.append(_malformed(at, error.reason, frame.data, len(frame.data)))
            return
        if isinstance(message, ClockMessage | EndMessage) and not self._has_time[frame.connection]:
            self._move(frame.connection, message.time)
            self._release(frame.connection, run, events)
        self._flush(run, events)
        match message:
            case ClockMessage(time):
                self._move(frame.connection, time)
                events.extend(self._clock())
            case EndMessage(time):
                events.extend(self._end(frame.connection, time))
            case OrderMessage(data):
                events.append(FeedText(at, "order", data))
            case ErrorMessage(text):
                events.append(FeedText(at, "error", text.encode()))
            case _:
                events.append(FeedText(at, message.type, message.data))

    def _release(self, connection: int, run: list[BinaryFrame], events: list[FeedEvent]) -> None:
        """Take what has waited for its connection's time."""
        self._has_time[connection] = True
        held, self._held[connection] = self._held[connection], []
        for each in held:
            self._take(each, run, events)

    def _at(self, at: int) -> int:
        return at if self._virtual is None else self._virtual.now()

    def _stamped(self, frame: BinaryFrame) -> BinaryFrame:
        """Return the frame with the session's time where the session has its own clock."""
        if self._virtual is None:
            return frame
        return BinaryFrame(frame.connection, max(self._virtual.now(), self._clocks[frame.connection]), frame.data)

    def _flush(self, run: list[BinaryFrame], events: list[FeedEvent]) -> None:
        if not run:
            return
        decoded = decode_ticks([frame.data for frame in run], [frame.at for frame in run], self._index)
        if len(decoded.batch):
            events.append(decoded.batch)
        for damage in decoded.damage:
            frame = run[damage.frame]
            events.append(_malformed(frame.at, damage.reason, frame.data, len(frame.data)))
        self._count(decoded.outcomes, len(decoded.damage))
        run.clear()

    def _count(self, outcomes: Outcomes, malformed_frames: int) -> None:
        metrics.PACKETS.labels(self._source).inc(outcomes.packets)
        for outcome, count in (
            ("no_trade_time", outcomes.no_trade_time),
            ("unknown_token", outcomes.unknown_token),
            ("unknown_length", outcomes.unknown_length),
            ("malformed_frame", malformed_frames),
        ):
            if count:
                metrics.TICKS.labels(self._source, outcome).inc(count)

    def _rise(self, link: LinkUp) -> Iterator[FeedEvent]:
        self._up[link.connection] = True
        if all(self._up):
            self._is_told_down = False
            yield FeedUp(self._at(link.at), link.reason)

    def _fall(self, link: LinkDown) -> Iterator[FeedEvent]:
        """Tell the feed down with its first socket; that a login is needed is told even then."""
        self._up[link.connection] = False
        if self._ends[link.connection] < 0 and (not self._is_told_down or is_login_needed(link.reason)):
            self._is_told_down = True
            yield FeedDown(self._at(link.at), link.reason)

    def _move(self, connection: int, time: int) -> None:
        """Move a connection's clock, and the session's to where all of them have come."""
        self._clocks[connection] = max(self._clocks[connection], time)
        if self._virtual is not None:
            self._virtual.advance_to(min(self._clocks))

    def _clock(self) -> Iterator[FeedEvent]:
        reached = min(self._clocks)
        if reached > self._told_clock:
            self._told_clock = reached
            yield FeedClock(reached)

    def _end(self, connection: int, time: int) -> Iterator[FeedEvent]:
        self._ends[connection] = time
        if min(self._ends) >= 0:
            self.has_ended = True
            yield FeedEnd(max(self._ends))


def _malformed(at: int, reason: str, data: bytes, size: int) -> Malformed:
    return Malformed(at, reason, data[:SHOWN_BYTES], size)
