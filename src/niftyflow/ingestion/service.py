"""Ingestion running: the tenure, the feed, the journal, the latest ticks. The rules are in `intake.py`.

It never pushes back to the feed for a slow reader: the journal is the buffer. It never stops for what keeps the leases:
a feed cannot be read again, and what the journal has may be forwarded later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec
from pydantic import Field, field_validator

from niftyflow.brokers.port import Feed, FeedEvent
from niftyflow.bus.port import count_of
from niftyflow.ingestion.intake import TOPIC, Intake, Record, Taken
from niftyflow.ingestion.tenure import Tenure
from niftyflow.kit import metrics
from niftyflow.kit.clock import Clock, WallClock, monotonic
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import Worker
from niftyflow.kit.log import get_logger
from niftyflow.kit.retry import until_it_works
from niftyflow.kit.settings import Settings
from niftyflow.kit.showing import Showing
from niftyflow.model import Instrument, TickBatch, Watermark
from niftyflow.storage.ports import HotStore

log = get_logger(__name__)

LATEST_TICK_SECONDS = 300.0
TURN_SECONDS = 0.25
ASLEEP_SECONDS = 5.0
"""A wait of a quarter of a second that took so long: the process was stopped, or the machine slept."""


class Journal(Protocol):
    """The part of the embedded log that ingestion writes to."""

    async def publish(self, topic: str, bodies: Sequence[Record], partition: int | None = None) -> None:
        """Append durably."""
        ...

    async def end(self, topic: str) -> Mapping[int, int]:
        """Return each partition's next offset."""
        ...

    async def last_watermark(self, topic: str, partition: int) -> Watermark | None:
        """Return the last watermark."""
        ...


class IngestionSettings(Settings):
    """How ticks are taken in."""

    grace_ms: int = Field(
        default=1500,
        ge=0,
        le=30_000,
        description="Milliseconds by which a watermark trails our clock (not a simulator's)",
    )
    share: str = Field(
        default="1/1",
        pattern=r"^[1-9]\d*/[1-9]\d*$",
        description="On a cluster: which of how many ingestion processes this is, as 1/2; each has its own instruments",
    )

    @field_validator("share")
    @classmethod
    def _is_one_of_them(cls, share: str) -> str:
        number, shares = map(int, share.split("/"))
        if number > shares:
            raise ValueError("the first number is at most the second")
        return share

    def partitions(self, of: int) -> list[int]:
        """Return which of a topic's partitions are this process's."""
        number, shares = map(int, self.share.split("/"))
        return list(range(number - 1, of, shares))


class Told(NamedTuple):
    """What whoever had these partitions before, elsewhere, told of them: up to ms UTC, and how many records."""

    until: int
    records: int


class Ingestion:
    """One feed into one journal, during a tenure; `prepare` is awaited once it has begun.

    The tenure outlives it: whoever made that gives it back, when everything is forwarded.
    """

    def __init__(
        self,
        feed: Feed,
        journal: Journal,
        hot: HotStore,
        tenure: Tenure,
        letters: DeadLetters,
        worker: Worker,
        clock: Clock,
        settings: IngestionSettings,
        prepare: Callable[[], Awaitable[object]] | None = None,
        told: Callable[[], Awaitable[Told]] | None = None,
    ) -> None:
        self._feed = feed
        self._journal = journal
        self._hot = hot
        self._tenure = tenure
        self._letters = letters
        self._worker = worker
        self._clock = clock
        self._settings = settings
        self._prepare = prepare or _nothing
        self._told = told or _nothing_told
        self._stopping = asyncio.Event()
        self._showing = Showing("ingestion")
        self._end = 0
        """The journal's next offset."""
        self.ended = asyncio.Event()

    def stop(self) -> None:
        """Ask ingestion to end after what it has in hand."""
        self._stopping.set()

    async def run(self, instruments: Sequence[Instrument]) -> None:
        """Take in the feed of these instruments until stopped, or until the feed ends.

        Raises:
            LeaseHeld: another process ingests here.
            LeaseLost: another process has taken over.
            Misconfigured: the feed's time is behind what the journal holds.
            Retryable: stopped while the journal was away; what was in hand is lost.
        """
        try:
            await self._tenure.begin()
            await self._prepare()
            await self._take_in(instruments)
        finally:
            await self._feed.stop()
            self._worker.stops()

    async def _take_in(self, instruments: Sequence[Instrument]) -> None:
        self._end = sum((await self._journal.end(TOPIC)).values())
        last = await self._journal.last_watermark(TOPIC, 0)
        told = await self._told()
        intake = Intake(
            self._feed.source,
            sequence=max(self._end, told.records),
            last=max(last.time if last is not None else 0, told.until),
            grace_ms=self._settings.grace_ms,
            follows_feed=not isinstance(self._clock, WallClock),
        )
        if isinstance(self._clock, WallClock):
            intake.refuse_past(self._clock.now())
        await self._feed.start(instruments)
        reading: asyncio.Task[list[FeedEvent]] | None = None
        try:
            while not self._stopping.is_set() and not intake.has_ended:
                reading = reading or asyncio.create_task(self._feed.read(), name="feed-read")
                waited_from = monotonic()
                await asyncio.wait({reading}, timeout=TURN_SECONDS)
                was_asleep = monotonic() - waited_from > ASLEEP_SECONDS
                await self._tenure.look(self._end)
                now = self._clock.now()  # before the journal is waited for: what comes meanwhile is not of this time
                if reading.done():
                    events, reading = reading.result(), None
                    await self._keep(intake, intake.take(events, now))
                await self._keep(intake, intake.tell_time(now, self._feed.heard_at, was_asleep=was_asleep))
                self._say(intake)
        finally:
            if reading is not None:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        self.ended.set()

    async def _keep(self, intake: Intake, taken: Taken) -> None:
        """Journal first; then what looks at the latest; then the dead letters."""
        if taken.bodies:
            publishing = until_it_works(
                lambda: self._journal.publish(TOPIC, taken.bodies), self._worker, self._stopping
            )
            journaling = asyncio.create_task(publishing, name="journal")
            await asyncio.sleep(0)
            latest = _latest(taken.bodies)  # spelled while the journal is written, shown once it is
            await journaling
            self._end += sum(map(count_of, taken.bodies))
            self._tenure.wrote(self._end)
            await self._show(latest)
        await until_it_works(lambda: self._letters.put(taken.letters), self._worker, self._stopping)
        for outcome, count in (("journaled", taken.ticks), ("refused", len(taken.letters))):
            if count:
                metrics.TICKS.labels(intake.source, outcome).inc(count)

    async def _show(self, latest: dict[str, bytes]) -> None:
        if latest:
            await self._showing.show(lambda: self._hot.set_many(latest, LATEST_TICK_SECONDS))

    def _say(self, intake: Intake) -> None:
        if isinstance(self._clock, WallClock) and self._clock.steps:
            metrics.CLOCK_STEPS.inc(self._clock.steps)
            log.error("clock_stepped", advice="ours goes on as before; once the system's is right, restart niftyflow")
            self._clock.steps = 0
        if intake.is_up:
            self._worker.runs("" if self._tenure.is_held else "into the journal alone: the leases are not surely ours")
        else:
            self._worker.waits(f"{intake.source} feed is away")


def _latest(bodies: Sequence[Record]) -> dict[str, bytes]:
    """Return the last tick of each instrument as the hot store keeps it."""
    batches = [body for body in bodies if isinstance(body, TickBatch)]
    if not batches:
        return {}
    ticks = TickBatch.concat(batches)
    return {
        f"tick:latest:{tick.instrument}": msgspec.json.encode(tick)
        for tick in ticks.take(ticks.last_of_each()).to_records()
    }


async def _nothing() -> None:
    """Prepare nothing."""


async def _nothing_told() -> Told:
    """Know of no other journal's records."""
    return Told(0, 0)
