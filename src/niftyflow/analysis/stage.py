"""Analysis as a stage: candles of revision 0 in; for each closed minute scorecards, a model's answers, a watermark.

The numbers are made in `engine.py`, the running is in `kit/stage.py`; here is what is told, in which order, and what a
restart goes on from: a stored state is never newer than what was published.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from niftyflow.analysis.answers import Predictor, ask, by_minute, with_answers
from niftyflow.analysis.display import Display
from niftyflow.analysis.engine import ColumnEngine, can_enter
from niftyflow.analysis.restore import Want, begin, starts_of, state_of
from niftyflow.analysis.settings import AnalysisSettings
from niftyflow.bus.port import Body, Bus
from niftyflow.kit import metrics
from niftyflow.kit.clock import Clock, monotonic
from niftyflow.kit.log import get_logger
from niftyflow.kit.stage import Batch, Work, letter_of
from niftyflow.market.calendar import MINUTE_MS
from niftyflow.model import CandleBatch, DeadLetter, Interval, Prediction, ScorecardBatch, Watermark
from niftyflow.storage.book_ports import DecisionStore, IndicatorState
from niftyflow.storage.ports import HotStore, MarketStore

log = get_logger(__name__)

SNAPSHOT_MS = 30 * MINUTE_MS
EVER = 1 << 60
PREDICTIONS = "predictions"
IMPOSSIBLE = "the candle cannot be: a price is not finite, not above zero or out of order, or it begins inside a minute"


@dataclass(slots=True)
class Minute:
    """A closed minute that is not told yet; `time` is its end, `answers` are there once the model was asked."""

    time: int
    healthy: bool
    cards: ScorecardBatch | None
    answers: dict[str, Prediction] | None = None


@dataclass(slots=True)
class Partition:
    """One partition's engine, the candles of open minutes, and what came of it since the shell last asked."""

    told_before: int
    """What was published when the partition came to us, ms UTC."""
    rows: dict[str, IndicatorState]
    recorded: dict[int, dict[str, Prediction]]
    closed_until: int
    engine: ColumnEngine = field(default_factory=ColumnEngine)
    healthy: bool = True
    closing_at: int | None = None
    """Offset of the watermark that last closed a minute: it is read again after a restart, for its health."""
    pending: list[tuple[int, CandleBatch]] = field(default_factory=list)
    anchors: dict[str, int] = field(default_factory=dict)
    stored_until: dict[str, int] = field(default_factory=dict)
    first_seen: list[IndicatorState] = field(default_factory=list)
    owed: list[IndicatorState] = field(default_factory=list)
    """States as of what is being published: stored with the next work, when it surely is."""
    snapshot_at: int = 0
    has_news: bool = False
    is_session_over: bool = False
    """A minute closed in which nobody had a candle, after minutes in which somebody had."""
    closed: list[Minute] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    left_out: int = 0

    def position(self) -> int | None:
        """Return the offset from which a restart must read."""
        if self.closing_at is None:
            return None
        return min([self.closing_at, *(offset for offset, _ in self.pending)])


class AnalysisStage:
    """Candles of `market_candles` into `analysis_updates`, with the answers in `predictions`."""

    name = "analysis"
    topic = "market_candles"
    output = "analysis_updates"
    group = "analysis"

    def __init__(
        self, bus: Bus, market: MarketStore, decisions: DecisionStore, hot: HotStore, predictor: Predictor,
        clock: Clock, settings: AnalysisSettings | None = None,
    ) -> None:  # fmt: skip
        self._bus = bus
        self._market = market
        self._decisions = decisions
        self._display = Display(hot)
        self._predictor = predictor
        self._clock = clock
        self._history_days = (settings or AnalysisSettings()).history_days
        self._partitions: dict[int, Partition] = {}

    async def assigned(self, partition: int, offset: int) -> None:  # noqa: ARG002 - the position holds open minutes
        """Learn what was told, the states stored and the answers given; symbols are restored when they are first seen.

        Raises:
            Retryable: the bus or the decision store is away.
        """
        last = await self._bus.last_watermark(self.output, partition)
        told = 0 if last is None else last.time
        rows = {
            row.instrument: row
            for row in await self._decisions.states(Interval.M1)
            if self._bus.partition_of(self.topic, row.instrument) == partition
        }
        answers = await self._decisions.predictions(Interval.M1, told + 1, EVER)
        recorded = by_minute(
            answer for answer in answers if self._bus.partition_of(self.topic, answer.instrument) == partition
        )
        self._partitions[partition] = Partition(told, rows, recorded, closed_until=told, snapshot_at=told)

    def revoked(self, partition: int) -> None:
        """Forget the partition; whoever gets it restores the same numbers."""
        self._partitions.pop(partition, None)

    async def before(self, batch: Batch) -> None:
        """Restore symbols that are seen for the first time, as they stood before their first candle of this batch.

        Raises:
            Retryable: the market store is away.
        """
        state, candles = self._partitions[batch.partition], batch.body
        if not isinstance(candles, CandleBatch) or candles.interval is not Interval.M1:
            return
        new = [place for place, name in enumerate(candles.names.names) if name.key not in state.engine]
        if not new:
            return
        entering, possible = _entering(state, candles)
        entering &= possible
        wants = []
        for place in np.intersect1d(np.array(new), candles.name[entering]).tolist():
            key = candles.names[place].key
            first = int(candles.time[entering & (candles.name == place)].min())
            wants.append(Want(key, state.rows.get(key), first))
        starts = starts_of(self._market, wants, told_until=state.told_before, history_days=self._history_days)
        async for start in starts:
            begin(state.engine, start)
            state.anchors[start.key] = start.anchor
            if start.key not in state.rows:
                state.first_seen.append(state_of(state.engine, start.key, start.anchor))

    def take(self, batch: Batch) -> None:
        """Keep the candles of open minutes, or close minutes by a watermark."""
        state = self._partitions[batch.partition]
        if isinstance(batch.body, Watermark):
            self._pass(state, batch.body, batch.offset)
        elif batch.body.interval is Interval.M1:
            self._keep(state, batch)

    def work(self, partition: int) -> Work:
        """Store what was owed; ask, record and show; then publish; then let the position follow."""
        state = self._partitions[partition]
        work = Work(commit=state.position(), dead=state.dead)
        if state.first_seen or state.owed:
            work.effects.append(_saving(self._decisions, [*state.first_seen, *state.owed]))
        if state.closed:
            work.effects.append(self._telling(partition, state.closed, work))
        state.first_seen, state.owed, state.closed, state.dead = [], [], [], []
        if state.is_session_over or state.closed_until - state.snapshot_at >= SNAPSHOT_MS:
            state.owed = _states(state)
            state.snapshot_at, state.is_session_over, state.has_news = state.closed_until, False, False
        return work

    # -- the core, asked -------------------------------------------------------------------------------------------

    def _keep(self, state: Partition, batch: Batch) -> None:
        candles: CandleBatch = batch.body
        entering, possible = _entering(state, candles)
        state.dead += [
            letter_of(
                candles, row, topic=batch.topic, partition=batch.partition, offset=batch.offset + row,
                error=IMPOSSIBLE, stage=self.name, at=self._clock.now(),
            )
            for row in np.flatnonzero(entering & ~possible).tolist()
        ]  # fmt: skip
        rows = np.flatnonzero(entering & possible)
        if len(rows):
            state.pending.append((batch.offset, state.engine.renamed(candles.take(rows))))

    def _pass(self, state: Partition, mark: Watermark, offset: int) -> None:
        if mark.time <= state.closed_until:
            return
        state.healthy &= mark.healthy
        until = mark.time - mark.time % MINUTE_MS
        if until <= state.closed_until:
            return
        state.closed += self._close(state, until)
        state.closed_until, state.closing_at = until, offset
        # What a watermark says of the time since the one before holds for both minutes that time touches.
        state.healthy = mark.healthy or mark.time == until

    def _close(self, state: Partition, until: int) -> Iterator[Minute]:
        """Advance the engine by each minute that ended, and yield it; the last one even without a candle."""
        last = state.closed_until
        for candles in _by_minute(state, until):
            began = monotonic()
            cards = state.engine.advance(candles)
            metrics.ANALYSIS.observe(monotonic() - began)
            if cards is not None:
                last, state.has_news = int(cards.time[0]), True
                yield Minute(last, state.healthy, cards)
        state.is_session_over |= last < until and state.has_news
        if last < until:
            yield Minute(until, state.healthy, None)
        left_out = state.engine.ignored + state.engine.refused
        if left_out > state.left_out:
            log.warning("candles_left_out", stage=self.name, count=left_out - state.left_out, until=until)
            state.left_out = left_out

    # -- effects ---------------------------------------------------------------------------------------------------

    def _telling(self, partition: int, minutes: list[Minute], work: Work) -> Callable[[], Awaitable[None]]:
        """Return the effect that gets the model's answers and puts everything into the work's publications.

        It may be begun again: a minute that has its answers is not asked a second time.
        """
        recorded = self._partitions[partition].recorded

        async def tell() -> None:
            told: list[Prediction] = []
            shown: list[ScorecardBatch] = []
            bodies: list[Body] = []
            for minute in minutes:
                if minute.cards is not None:
                    if minute.answers is None:
                        minute.answers = recorded.pop(minute.time, None) or await ask(self._predictor, minute.cards)
                    told += minute.answers.values()
                    shown.append(with_answers(minute.cards, minute.answers))
                    bodies.append(shown[-1])
                bodies.append(
                    Watermark(time=minute.time, partition=partition, source=self.name, healthy=minute.healthy)
                )
            if told:
                await self._decisions.save_predictions(told)
            if shown:
                await self._display.show(shown)
            if told:
                work.publications.append((PREDICTIONS, (tuple(told),), None))
            work.publications.append((self.output, bodies, partition))

        return tell


def _entering(state: Partition, candles: CandleBatch) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which candles are of open minutes and decide (revision 0), and which hold values that can be."""
    entering = (candles.revision == 0) & (candles.time >= state.closed_until)
    return entering, can_enter(candles) & (candles.time % MINUTE_MS == 0)


def _by_minute(state: Partition, until: int) -> Iterator[CandleBatch]:
    """Take the candles of minutes that end by `until` out of the pending ones; yield them minute by minute."""
    if not state.pending:
        return
    oldest = min(offset for offset, _ in state.pending)
    candles = CandleBatch.concat([batch for _, batch in state.pending])
    is_open = candles.time >= until
    state.pending = [(oldest, candles.take(is_open))] if is_open.any() else []
    closing = candles.take(~is_open)
    order = np.argsort(closing.time, kind="stable")
    cuts = np.flatnonzero(np.diff(closing.time[order])) + 1
    for rows in np.split(order, cuts):
        if len(rows):
            yield closing.take(rows)


def _states(state: Partition) -> list[IndicatorState]:
    """Return the state of each symbol that has had a candle since its state was last stored."""
    engine = state.engine
    changed = [key for key in engine.keys if engine.last_end(key) > state.stored_until.get(key, 0)]
    states = [state_of(engine, key, state.anchors[key]) for key in changed]
    state.stored_until.update((row.instrument, row.time) for row in states)
    return states


def _saving(decisions: DecisionStore, states: list[IndicatorState]) -> Callable[[], Awaitable[None]]:
    async def save() -> None:
        await decisions.save_states(states)

    return save
