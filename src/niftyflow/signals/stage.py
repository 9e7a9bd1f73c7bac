"""Signals as a stage: steps of scorecards with the market's view in; signals stored, announced and published.

The rules are in `engine.py`, the running in `kit/stage.py`; here is what was told before, and from where a restart must
read: the rules' memory is a fold over the day, so the position is held at the day's first step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from niftyflow.bus.port import Body, Bus
from niftyflow.kit import metrics
from niftyflow.kit.clock import Clock
from niftyflow.kit.join import Step
from niftyflow.kit.log import get_logger
from niftyflow.kit.showing import Showing
from niftyflow.kit.stage import Batch, Work, effect
from niftyflow.model import (
    MarketView,
    Misconfigured,
    ScorecardBatch,
    Signal,
    Watermark,
    milliseconds,
)
from niftyflow.signals.engine import RuleEngine, moments, session_day
from niftyflow.signals.rules import Rule
from niftyflow.storage.book_ports import DecisionStore
from niftyflow.storage.ports import HotStore

log = get_logger(__name__)

ALERTS = "signal:alerts"


class SignalStage:
    """Scorecards of `analysis_updates` joined with `market_view`, into `signals` and the decision store."""

    name = "signals"
    topic = "analysis_updates"
    beside = "market_view"
    output = "signals"
    group = "signals"

    def __init__(self, bus: Bus, decisions: DecisionStore, hot: HotStore, clock: Clock, rules: Sequence[Rule]) -> None:
        self._bus = bus
        self._decisions = decisions
        self._hot = hot
        self._clock = clock
        self._rules = tuple(rules)
        self._showing = Showing(self.name)
        self._begin()

    def _begin(self) -> None:
        self._engine = RuleEngine(self._rules)
        self._told_until: dict[int, int] = {}
        self._views: dict[int, MarketView] = {}
        self._first_steps: dict[int, int] = {}
        self._told: list[Signal] = []
        self._bodies: dict[int, list[Body]] = {}
        self._conflicts: Counter[str] = Counter()

    async def assigned(self, partition: int, offset: int) -> None:  # noqa: ARG002 - a join is one partition, from 0
        """Begin with rules that remember nothing.

        Raises:
            Misconfigured: the signals of a scorecard's partition would go to another one.
        """
        reads, writes = self._bus.partitions(self.topic), self._bus.partitions(self.output)
        if reads != writes:
            raise Misconfigured(f"{self.topic} has {reads} partitions and {self.output} {writes}: make them as many")
        self._begin()

    def revoked(self, partition: int) -> None:  # noqa: ARG002 - there is one
        """Forget what the rules remember; it is folded again from the day's first step."""
        self._begin()

    async def before(self, batch: Batch) -> None:
        """Learn what was told to partitions that are new to us, and forget those that left.

        Raises:
            Retryable: the bus is away.
        """
        partitions = self._partitions(batch.body)
        self._told_until = {each: self._told_until[each] for each in partitions if each in self._told_until}
        for partition in partitions:
            if partition not in self._told_until:
                last = await self._bus.last_watermark(self.output, partition)
                self._told_until[partition] = 0 if last is None else last.time

    def take(self, batch: Batch) -> None:
        """Follow the rules through a step, and keep what of it was not told before."""
        step: Step = batch.body
        cards = moments([each.body for each in step.segments if isinstance(each.body, ScorecardBatch)])
        self._keep(batch.offset, step, [int(each.time[0]) for each in cards] or [step.time])
        before = self._engine.conflicts.copy()
        signals = [signal for each in cards for signal in self._engine.take(each, self._views.get(int(each.time[0])))]
        open_partitions = [each for each in self._partitions(step) if step.time > self._told_until[each]]
        if not open_partitions:
            return
        self._conflicts += self._engine.conflicts - before
        sent: dict[int, list[Signal]] = {partition: [] for partition in open_partitions}
        for signal in signals:
            if (partition := self._bus.partition_of(self.output, signal.instrument)) in sent:
                sent[partition].append(signal)
                self._told.append(signal)
        for partition, some in sent.items():
            bodies = self._bodies.setdefault(partition, [])
            if some:
                bodies.append(tuple(some))
            bodies.append(Watermark(time=step.time, partition=partition, source=self.name, healthy=step.is_healthy))
            self._told_until[partition] = step.time

    def work(self, partition: int) -> Work:  # noqa: ARG002 - a join is one partition
        """Store signals, announce them, then publish them with their watermarks; commit up to the day's first step."""
        work = Work(commit=min(self._first_steps.values(), default=None))
        if self._told:
            work.effects.append(effect(self._save, self._told))
            told = self._told
            work.effects.append(effect(self._showing.show, lambda: self._announce(told)))
            late = self._clock.now() - milliseconds(told[-1].timestamp)
            metrics.STAGE_LATENCY.labels(self.name).observe(max(0, late) / 1000)
        work.publications = [(self.output, bodies, target) for target, bodies in sorted(self._bodies.items())]
        for signal in self._told:
            metrics.SIGNALS.labels(signal.strategy, signal.action.value).inc()
        for rule, count in self._conflicts.items():
            metrics.SIGNAL_CONFLICTS.labels(rule).inc(count)
        self._told, self._bodies, self._conflicts = [], {}, Counter()
        return work

    # -- the day ---------------------------------------------------------------------------------------------------

    def _keep(self, number: int, step: Step, times: Sequence[int]) -> None:
        """Keep, of the days that are not over, the first step and the views.

        A restart must read those days from their first step. A partition that comes to us within the day brings its
        scorecards of the day, but not the views.
        """
        days = sorted({session_day(time) for time in times})
        for day in days:
            self._first_steps.setdefault(day, number)
        for view in (view for each in step.segments if isinstance(each.body, tuple) for view in each.body):
            if isinstance(view, MarketView):
                self._views.setdefault(milliseconds(view.timestamp), view)
        if len(self._first_steps) > len(days):
            self._first_steps = {day: first for day, first in self._first_steps.items() if day >= days[0]}
            self._views = {time: view for time, view in self._views.items() if session_day(time) >= days[0]}

    def _partitions(self, step: Step) -> list[int]:
        return sorted(partition for topic, partition in step.position if topic == self.topic)

    # -- effects ---------------------------------------------------------------------------------------------------

    async def _save(self, signals: Sequence[Signal]) -> None:
        await self._decisions.save_signals(signals)

    async def _announce(self, signals: Sequence[Signal]) -> None:
        """Tell who listens now."""
        for signal in signals:
            await self._hot.publish(ALERTS, msgspec.json.encode(signal))
