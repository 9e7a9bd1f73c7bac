"""The pure core of ingestion: what a feed says becomes records of the log, in order, with watermarks between them.

It numbers ticks, refuses those that cannot be, and tells the time. It never waits, reads a socket or writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from niftyflow.brokers.port import FeedClock, FeedDown, FeedEnd, FeedEvent, FeedText, FeedUp, Malformed
from niftyflow.ingestion.validate import FUTURE_MS, refusals
from niftyflow.kit.log import get_logger
from niftyflow.kit.stage import letter_of
from niftyflow.model import DeadLetter, Misconfigured, TickBatch, Watermark, moment

log = get_logger(__name__)

TOPIC = "raw-ticks"
STAGE = "ingestion"
MINUTE_MS = 60_000
SECOND_MS = 1000
LEAP_MS = 2000
"""A feed that marks every second and skips more has jumped to another time or session."""
Record = TickBatch | Watermark


@dataclass(slots=True)
class Taken:
    """What the last events brought."""

    bodies: list[Record] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    ticks: int = 0
    malformed: int = 0


class Intake:
    """One feed's way into one journal.

    `sequence` is the journal's next offset, `last` the time of its last watermark (0: none), `grace_ms` how long a
    watermark trails our clock. With `follows_feed` the feed's own clock messages are the time, and trail nothing.
    """

    def __init__(self, source: str, *, sequence: int, last: int, grace_ms: int, follows_feed: bool) -> None:
        self.source = source
        self.is_up = False
        self.has_ended = False
        self.last = last
        self._sequence = sequence
        self._grace_ms = grace_ms
        self._follows_feed = follows_feed
        self._now = 0
        self._second = 0
        self._is_unseen = self._is_behind = False

    def take(self, events: list[FeedEvent], now: int) -> Taken:
        """Turn events, in order, into records; `now` (ms UTC) is our clock after the last of them.

        Raises:
            Misconfigured: the feed's time is behind what the journal holds.
        """
        taken = Taken()
        if not self._follows_feed:
            self._now = now
        numbered = self._number(taken, events)
        for event in events:
            match event:
                case TickBatch():
                    taken.bodies += next(numbered)
                case FeedClock(time):
                    self._now = max(self._now, time)
                    self._tell(taken, time, healthy=not self._leaps(time))
                case FeedUp(at, reason):
                    self._take_up(taken, at, reason)
                case FeedDown(at, reason):
                    self.is_up = False
                    log.warning("feed_away", source=self.source, at=at, reason=reason)
                case FeedEnd(at):
                    self._tell(taken, -(-at // MINUTE_MS) * MINUTE_MS, healthy=True)
                    self.has_ended = True
                case Malformed(at, reason, data, size):
                    taken.malformed += 1
                    log.warning("frame_malformed", source=self.source, reason=reason, size=size, data=data[:64].hex())
                case FeedText(at, kind, data):
                    log.info("feed_said", source=self.source, type=kind, data=data[:200].decode(errors="replace"))
        return taken

    def tell_time(self, now: int, heard_at: int | None = None, *, was_asleep: bool = False) -> Taken:
        """Mark the time of our own clock, once a second, unless the feed tells it.

        It never runs ahead of when the feed was last heard: what was not heard was not observed. `was_asleep` says
        that the whole process, or the machine, stood still since the last call; a feed that tells the time waited.
        """
        taken = Taken()
        self._is_unseen |= was_asleep and not self._follows_feed
        if not self._follows_feed and now // SECOND_MS > self._second:
            self._second = now // SECOND_MS
            known = now if heard_at is None else min(now, heard_at)
            self._tell(taken, (known - self._grace_ms) // SECOND_MS * SECOND_MS, healthy=True)
        return taken

    def refuse_past(self, now: int) -> None:
        """Refuse a clock that is behind what the journal holds: its records would be taken for old ones.

        Raises:
            Misconfigured: the feed's session is older than the last record taken in.
        """
        if now + MINUTE_MS < self.last:
            raise Misconfigured(
                f"the log holds data up to {moment(self.last).isoformat()} and the feed is at "
                f"{moment(now).isoformat()}: play a later session, or keep this one apart: in another workspace "
                "(--workspace), or on a cluster with another bus.prefix and database"
            )

    def _number(self, taken: Taken, events: list[FeedEvent]) -> Iterator[list[TickBatch]]:
        """Judge the ticks of all events at once, then give each event's ticks, numbered, when its turn comes."""
        batches = [event for event in events if isinstance(event, TickBatch)]
        if not batches:
            return
        ticks = TickBatch.concat(batches)
        sizes = [len(batch) for batch in batches]
        judged_at = np.repeat(self._times(events), sizes)
        refused = refusals(ticks, judged_at)
        if not self._follows_feed:
            self._doubt_clock(ticks, judged_at)
        ends = np.cumsum(sizes).tolist()
        kept = np.ones(len(ticks), dtype=bool)
        kept[list(refused)] = False
        for first, end in zip([0, *ends], ends, strict=False):
            rows = slice(first, end)
            part = ticks.take(rows)
            if refused and not kept[rows].all():
                part = part.take(kept[rows])
                self._bury(taken, ticks, [row for row in range(first, end) if not kept[row]], refused)
            count = len(part)
            taken.ticks += count
            self._sequence += count
            yield [part.replace(sequence=np.arange(self._sequence - count, self._sequence))] if count else []

    def _times(self, events: list[FeedEvent]) -> list[int]:
        """Return the time, ms UTC, at which each batch of ticks is judged."""
        now, times = self._now, []
        for event in events:
            match event:
                case TickBatch():
                    times.append(now)
                case FeedClock(time) if self._follows_feed:
                    now = max(now, time)
                case FeedUp(at) if self._follows_feed:
                    now = max(now, at)
        return times

    def _bury(self, taken: Taken, ticks: TickBatch, rows: list[int], refused: dict[int, str]) -> None:
        taken.letters += [
            letter_of(ticks, row, topic=TOPIC, partition=-1, offset=-1, error=refused[row], stage=STAGE, at=self._now)
            for row in rows
        ]

    def _take_up(self, taken: Taken, at: int, reason: str) -> None:
        """Say that the time since the last watermark was not observed; from now on it is."""
        self._now = max(self._now, at)
        self.refuse_past(at)
        self.is_up = True
        self._mark(taken, max(at, self.last), healthy=False)
        log.info("feed_observed", source=self.source, at=at, reason=reason)

    def _leaps(self, time: int) -> bool:
        """Whether a feed that marks every second has skipped some: a jump to another time or session."""
        return bool(self.last) and time - self.last > LEAP_MS

    def _tell(self, taken: Taken, time: int, *, healthy: bool) -> None:
        if self.is_up and not self._is_behind and time > self.last:
            self._mark(taken, time, healthy=healthy and not self._is_unseen)
            self._is_unseen = False

    def _doubt_clock(self, ticks: TickBatch, now: NDArray[np.int64]) -> None:
        """Hold the watermarks while most trades lie in the future: our clock is wrong, not the exchange's."""
        ahead = int((ticks.traded_at > now + FUTURE_MS).sum())
        is_behind = 2 * ahead > len(ticks)
        if is_behind and not self._is_behind:
            log.error("clock_behind_exchange", source=self.source, advice="set this machine's clock, then restart")
        self._is_unseen |= self._is_behind and not is_behind
        self._is_behind = is_behind

    def _mark(self, taken: Taken, time: int, *, healthy: bool) -> None:
        self.last = time
        self._sequence += 1
        taken.bodies.append(Watermark(time=time, partition=0, source=STAGE, healthy=healthy))
