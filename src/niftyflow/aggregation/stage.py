"""Aggregation as a stage: steps of scorecards in, one view of the market a minute out, and shown where screens look.

The rules are in `view.py`, the running in `kit/stage.py`; here is who is counted, and what was told before. What is
shown in the hot store may vanish: it never holds the log up.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec
import numpy as np

from niftyflow.aggregation.settings import AggregationSettings
from niftyflow.aggregation.view import Universe, market_view
from niftyflow.bus.port import Body, Bus
from niftyflow.kit import metrics
from niftyflow.kit.clock import Clock, monotonic
from niftyflow.kit.join import Step
from niftyflow.kit.log import get_logger
from niftyflow.kit.showing import Showing
from niftyflow.kit.stage import Batch, Work, effect
from niftyflow.market import day_start, ist_day
from niftyflow.model import (
    Interval,
    Kind,
    MarketView,
    Mover,
    ScorecardBatch,
    Watermark,
    milliseconds,
)
from niftyflow.storage.ports import HotStore, MarketStore

log = get_logger(__name__)

MOVERS_SECONDS = 120.0
KIND, TIER = "scorecards", "process"
MOOD = ("timestamp", "universe", "sentiment", "sentiment_score", "breadth")


class AggregationStage:
    """Scorecards of `analysis_updates`, joined over its partitions, into `market_view`.

    Without named members the universe is every equity of the day's instruments that had a scorecard that IST day, up to
    the minute in question. That is a function of the log and the instruments alone: the position is held at the day's
    first step, so a restart reads the day's scorecards again, silently, and counts the same members.
    """

    name = "aggregation"
    topic = "analysis_updates"
    output = "market_view"
    group = "aggregation"

    def __init__(
        self, bus: Bus, market: MarketStore, hot: HotStore, clock: Clock, settings: AggregationSettings
    ) -> None:
        self._bus = bus
        self._market = market
        self._hot = hot
        self._clock = clock
        self._settings = settings
        self._showing = Showing(self.name)
        self._equities: set[str] = set()
        self._asked: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        self._told_until = 0
        self._day: date | None = None
        self._hold: int | None = None
        self._seen: set[str] = set()
        self._universe = Universe(self._settings.universe, self._settings.members)
        self._told: list[MarketView] = []
        self._bodies: list[Body] = []

    async def assigned(self, partition: int, offset: int) -> None:  # noqa: ARG002 - a join is one partition, from 0
        """Begin with nobody counted; what was told up to the last watermark is not told again."""
        self._begin()
        last = await self._bus.last_watermark(self.output, 0)
        if last is not None:
            self._told_until = last.time

    def revoked(self, partition: int) -> None:  # noqa: ARG002 - there is one
        """Forget the day."""
        self._begin()

    async def before(self, batch: Batch) -> None:
        """Fetch the day's instruments on a new day, and again when a scorecard names one that is new to us."""
        if self._settings.members:
            return
        step: Step = batch.body
        day = ist_day(step.time)
        unknown = _keys(_scorecards(step), 0) - self._asked
        if not unknown and day == self._day:
            return
        instruments = await self._market.instruments(day)
        self._equities = {each.key for each in instruments if each.kind is Kind.EQUITY}
        self._asked |= unknown

    def take(self, batch: Batch) -> None:
        """Count who is new, and make the view of the step's minute unless it was told."""
        step: Step = batch.body
        cards = _scorecards(step)
        if self._settings.members:
            self._hold = batch.end
        else:
            self._count(step.time, cards, batch.offset)
        if step.time <= self._told_until:
            return
        # A minute of which nothing is known, as all of the night, has no view.
        if any((batch.time == step.time).any() for batch in cards):
            began = monotonic()
            view = market_view(step.time, cards, self._universe)
            metrics.AGGREGATION.observe(monotonic() - began)
            self._told.append(view)
            self._bodies.append((view,))
        self._told_until = step.time
        self._bodies.append(Watermark(time=step.time, partition=0, source=self.name, healthy=step.is_healthy))

    def work(self, partition: int) -> Work:
        """Show the newest view; then publish all of them, each with its watermark; then let the position follow."""
        work = Work(commit=self._hold)
        if self._told:
            newest = self._told[-1]
            work.effects.append(effect(self._showing.show, lambda: self._show(newest)))
            late = self._clock.now() - milliseconds(newest.timestamp)
            metrics.STAGE_LATENCY.labels(self.name).observe(max(0, late) / 1000)
        if self._bodies:
            work.publications.append((self.output, self._bodies, partition))
            metrics.CACHE_HITS.labels(KIND, TIER).inc(sum(view.cache_hits for view in self._told))
            metrics.CACHE_MISSES.labels(KIND, TIER).inc(sum(view.cache_misses for view in self._told))
        self._told, self._bodies = [], []
        return work

    def _count(self, time: int, cards: Sequence[ScorecardBatch], number: int) -> None:
        day = ist_day(time)
        if day != self._day:
            self._day, self._hold, self._seen = day, number, set()
            self._universe = Universe(self._settings.universe, ())
        new = _keys(cards, day_start(day)) - self._seen
        if new:
            self._seen |= new
            self._universe = Universe(self._settings.universe, self._seen & self._equities)

    async def _show(self, view: MarketView) -> None:
        """Put the movers and the mood where screens look."""
        await self._rank("market:gainers", view.gainers)
        await self._rank("market:losers", view.losers)
        await self._hot.publish("market:sentiment", msgspec.json.encode(_mood(view)))

    async def _rank(self, key: str, movers: Sequence[Mover]) -> None:
        await self._hot.delete(key)
        scores = {mover.symbol: mover.change_percent for mover in movers if mover.change_percent is not None}
        if scores:
            await self._hot.set_scores(key, scores, MOVERS_SECONDS)


def _scorecards(step: Step) -> list[ScorecardBatch]:
    bodies = (segment.body for segment in step.segments)
    return [body for body in bodies if isinstance(body, ScorecardBatch) and body.interval is Interval.M1]


def _keys(cards: Sequence[ScorecardBatch], since: int) -> set[str]:
    """Return the instruments of the scorecards of `since` (ms UTC) or later."""
    found: set[str] = set()
    for batch in cards:
        names = batch.names.names
        found.update(names[index].key for index in np.unique(batch.name[batch.time >= since]).tolist())
    return found


def _mood(view: MarketView) -> dict[str, object]:
    return {field: getattr(view, field) for field in MOOD}
