"""A feed that plays a tape in this process, through the real wire: every tick is encoded and decoded as Kite's bytes.

Opens no socket and reads no calendar; its time is the tape's own, told to a virtual clock. The same tape gives the
same events, to the byte, at every speed that has no clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from niftyflow.brokers.kite.wire import Mode, TokenIndex, decode_ticks, encode_spaced
from niftyflow.brokers.port import FeedClock, FeedEnd, FeedEvent, FeedUp
from niftyflow.brokers.simulator.encoding import PacketMaker, frame_cuts
from niftyflow.brokers.simulator.pace import UNLIMITED, Pace
from niftyflow.brokers.simulator.playback import Playback, Step
from niftyflow.brokers.simulator.tape import SECOND
from niftyflow.kit.clock import VirtualClock, monotonic
from niftyflow.model import Broken, Instrument, Misconfigured

_BLOCK_EVENTS = 8192
_BEAT_SECONDS = 0.05


class ReplayFeed:
    """The `Feed` of a playback; paced at `speed` times real time, or as fast as it is read."""

    def __init__(
        self, playback: Playback, clock: VirtualClock, *, speed: float = UNLIMITED, source: str = "replay",
        pace: Pace | None = None,
    ) -> None:  # fmt: skip
        """Drive `clock` with the playback's time.

        With a `pace` somebody else sets the speed, at any time, and the exchange's time goes on by whole seconds: what
        was read then always ends at a clock mark, from which another feed can go on.

        Raises:
            InvalidValue: the speed is below 0.1.
        """
        self.source = source
        self.playback = playback
        self.pace = pace or Pace(speed)
        self._step_ms = 1 if pace is None else SECOND
        self._clock = clock
        self._maker = PacketMaker(playback.source.instruments)
        self._index: TokenIndex | None = None
        self._modes = np.zeros(len(playback.source.instruments), dtype=np.int8)
        self._stopped = asyncio.Event()
        self._has_started = self._has_ended = False

    @property
    def heard_at(self) -> int:
        """The tape is always heard."""
        return self._clock.now()

    async def start(self, instruments: Sequence[Instrument]) -> None:
        """Subscribe to the instruments that the tape has, in full mode.

        Raises:
            Misconfigured: the tape has none of them, or an instrument has no token.
        """
        places = {token: place for place, token in enumerate(self._maker.tokens.tolist())}
        self._index = TokenIndex(instruments, self.source)
        chosen = [places[token] for token in self._index.tokens.tolist() if token in places]
        if not chosen:
            raise Misconfigured(f"{self.playback.source.name} holds none of the instruments asked for")
        self._modes[chosen] = Mode.FULL
        self._clock.advance_to(self.playback.position)

    async def read(self) -> list[FeedEvent]:
        """Return the next ticks and clock marks; after the end, wait until `stop`."""
        if self._index is None:
            raise Misconfigured("the replay feed is read before it is started")
        events: list[FeedEvent] = []
        if not self._has_started:
            self._has_started = True
            self.pace.anchor(monotonic(), self.playback.position)
            events.append(FeedUp(at=self.playback.position, reason="replay"))
        while not events and not self._stopped.is_set():
            if self.playback.is_finished and self._has_ended:
                await self._stopped.wait()
            elif self.playback.is_finished:
                self._has_ended = True
                events.append(FeedEnd(at=self.playback.position))
            else:
                events += self._events_of(await self._step(), self._index)
        return events

    async def stop(self) -> None:
        """End the reading."""
        self._stopped.set()

    async def _step(self) -> Step:
        if self.pace.is_unlimited:
            await asyncio.sleep(0)
            return self.playback.advance_block(_BLOCK_EVENTS)
        await asyncio.sleep(_BEAT_SECONDS)
        due = self.pace.due(monotonic()) // self._step_ms * self._step_ms
        step = self.playback.advance(due)
        if self.playback.position > due:
            self.pace.anchor(monotonic(), self.playback.position)
        return step

    def _events_of(self, step: Step, index: TokenIndex) -> list[FeedEvent]:
        """Send a step through the wire; what arrived between two clock marks is one batch, between them in order."""
        rows = np.flatnonzero(self._modes[step.events["instrument"]])
        events = step.events[rows]
        cuts = np.searchsorted(rows, step.cuts).tolist()
        if not len(events) and not len(step.marks):
            return []
        starts, _ = frame_cuts(cuts, len(events))
        packets = self._maker.packets(events, self._modes[events["instrument"]])
        data, places = encode_spaced(packets, np.array(starts, dtype=np.int64), 0)
        frames = [data[since:until].tobytes() for since, until in pairwise(places.tolist())]
        arrival = events["arrival"]
        received = [int(arrival[after - 1]) for after in starts[1:]]
        decoded = decode_ticks(frames, received, index)
        if decoded.damage or len(decoded.batch) != len(events):
            raise Broken("the wire did not give back every tick of the tape")
        told: list[FeedEvent] = []
        at = 0
        for mark, cut in zip(step.marks.tolist(), cuts, strict=True):
            if cut > at:
                told.append(decoded.batch.take(slice(at, cut)))
                at = cut
            told.append(FeedClock(mark))
        if at < len(events):
            told.append(decoded.batch.take(slice(at, None)))
        self._clock.advance_to(int(step.marks[-1]) if len(step.marks) else int(events["arrival"][-1]))
        return told
