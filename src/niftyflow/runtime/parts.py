"""The stages of a process as parts: each a shell with its reader, made here and nowhere else.

What a part reads, from where and with whom, is what `graph.py` says of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from niftyflow.bus.port import Bus, Start, Subscription
from niftyflow.ingestion.forward import Forwarder
from niftyflow.ingestion.tenure import Tenure
from niftyflow.kit.clock import Clock, WallClock
from niftyflow.kit.join import Input, Join, Place
from niftyflow.kit.joined_reader import JoinedReader, Lanes
from niftyflow.kit.stage import Shell, Stage, Writer
from niftyflow.model import Interval, Misconfigured
from niftyflow.processing.stage import CandleStage
from niftyflow.runtime.forwarding import OnceOnly
from niftyflow.runtime.settings import AppSettings

if TYPE_CHECKING:
    from niftyflow.runtime.recorded import Recorded
    from niftyflow.runtime.wiring import Engines
    from niftyflow.trading.desk import TradingDesk

MINUTE_MS = 60_000


@dataclass(slots=True)
class Part:
    """A stage that runs. `reads` is the bus on which its input is; a command part has no end to wait for."""

    shell: Shell
    reader: Subscription | JoinedReader
    reads: Bus
    has_end: bool = True

    async def end(self) -> Mapping[Place, int]:
        """Return where its topics end now."""
        topics = self.reader.join.topics if isinstance(self.reader, JoinedReader) else [self.shell.stage.topic]
        return {
            (topic, partition): offset
            for topic in topics
            for partition, offset in (await self.reads.end(topic)).items()
        }

    def has_done(self, ends: Mapping[Place, int]) -> bool:
        """Whether everything before these offsets is worked off."""
        if isinstance(self.reader, JoinedReader):
            return self.reader.has_done(ends)
        return self.shell.has_done({partition: offset for (_, partition), offset in ends.items()})


class Parts:
    """Makes the parts of a process on its engines."""

    def __init__(self, on: Engines, settings: AppSettings, clock: Clock, recorded: Recorded | None = None) -> None:
        self._recorded = recorded
        self._on = on
        self._settings = settings
        self._clock = clock

    async def forwarder(self, tenure: Tenure) -> Part:
        """Make what carries the journal to the cluster during a tenure."""
        bus, journal = self._on.bus, self._on.journal
        stage = Forwarder(bus, self._settings.ingestion.partitions(bus.partitions(Forwarder.topic)), tenure.kept)
        shell = self._shell(stage, OnceOnly.of(bus, tenure))
        return Part(shell, await journal.subscribe(stage.topic, group=stage.group, assignment=shell), journal)

    async def processing(self) -> Part:
        """Make what turns ticks into candles."""
        on = self._on
        return await self._plain(CandleStage(on.bus, on.market, on.hot, self._clock), CandleStage.group, on.bus)

    async def analysis(self) -> Part:
        """Make what turns candles into scorecards."""
        from niftyflow.ai.engine import InstantEngine  # noqa: PLC0415 - heavy
        from niftyflow.ai.heuristic import Heuristic  # noqa: PLC0415 - heavy
        from niftyflow.ai.recorded import RecordedEngine  # noqa: PLC0415 - heavy
        from niftyflow.ai.service import PredictService  # noqa: PLC0415 - heavy
        from niftyflow.analysis.stage import AnalysisStage  # noqa: PLC0415 - heavy

        on = self._on
        engine: InstantEngine = Heuristic()
        if self._recorded is not None:
            from niftyflow.runtime.recorded import keep_anchors  # noqa: PLC0415 - heavy

            engine = RecordedEngine(self._recorded.predictions)
            await keep_anchors(self._recorded, on.decisions)
        predictor = PredictService(engine, self._settings.ai)
        stage = AnalysisStage(on.bus, on.market, on.decisions, on.hot, predictor, self._clock, self._settings.analysis)
        return await self._plain(stage, stage.group, on.bus)

    async def aggregation(self) -> Part:
        """Make what joins scorecards into the view of the market."""
        from niftyflow.aggregation.stage import AggregationStage  # noqa: PLC0415 - heavy

        on = self._on
        stage = AggregationStage(on.bus, on.market, on.hot, self._clock, self._settings.aggregation)
        return await self._joined(stage, stage.group, [Input("analysis_updates", MINUTE_MS)])

    async def signals(self) -> Part:
        """Make what turns scorecards and the view into signals.

        Raises:
            Misconfigured: a rule cannot be, or looks at scorecards that nobody makes.
        """
        from niftyflow.signals.rules import load_rules  # noqa: PLC0415 - heavy
        from niftyflow.signals.stage import SignalStage  # noqa: PLC0415 - heavy

        on = self._on
        rules = load_rules(self._settings.signals.files)
        for rule in rules:
            if rule.interval is not Interval.M1:  # it would wait for ever, and say nothing
                raise Misconfigured(
                    f"rule {rule.name} looks at {rule.interval.value} scorecards and analysis makes those of 1m: "
                    "write interval: 1m"
                )
        stage = SignalStage(on.bus, on.decisions, on.hot, self._clock, rules)
        inputs = [Input("analysis_updates", MINUTE_MS), Input("market_view", MINUTE_MS)]
        return await self._joined(stage, stage.group, inputs, broadcast=("market_view",))

    async def trading(self, desk: TradingDesk) -> list[Part]:
        """Make what trades an account that was opened: steps of the market, and commands."""
        from niftyflow.trading.stage import INPUTS, CommandStage, TradingStage  # noqa: PLC0415 - heavy

        after = await self._within_the_log(desk.progress)
        steps = await self._joined(TradingStage(desk), TradingStage.group, INPUTS, after=after)
        commands = await self._plain(CommandStage(desk, WallClock()), CommandStage.group, self._on.bus)
        commands.has_end = False
        return [steps, commands]

    async def _within_the_log(self, progress: Mapping[Place, int]) -> dict[Place, int]:
        """Return the progress up to the log's end: a power cut may cost the log records that the book has taken in."""
        ends = {topic: await self._on.bus.end(topic) for topic in {topic for topic, _ in progress}}
        return {
            (topic, partition): min(offset, ends[topic].get(partition, offset))
            for (topic, partition), offset in progress.items()
        }

    async def _plain(self, stage: Stage, group: str, reads: Bus) -> Part:
        shell = self._shell(stage)
        return Part(shell, await reads.subscribe(stage.topic, group=group, assignment=shell), reads)

    async def _joined(
        self, stage: Stage, group: str, inputs: Sequence[Input], *, broadcast: Sequence[str] = (),
        after: Mapping[Place, int] | None = None,
    ) -> Part:  # fmt: skip
        bus = self._on.bus
        reader = JoinedReader(Join(inputs, after), {each.topic: each.topic not in broadcast for each in inputs})

        async def subscribe(topic: str, lanes: Lanes) -> Subscription:
            if topic in broadcast:
                return await bus.subscribe(topic, group=None, start=Start.EARLIEST, assignment=lanes)
            return await bus.subscribe(topic, group=group, assignment=lanes)

        shell = self._shell(stage)
        await shell.assigned({0: 0})
        async with AsyncExitStack() as unless_it_opens:
            unless_it_opens.push_async_callback(reader.close)  # else it would keep whoever tries again out
            await reader.open(subscribe)
            unless_it_opens.pop_all()
        return Part(shell, reader, bus)

    def _shell(self, stage: Stage, writer: Writer | None = None) -> Shell:
        on = self._on
        return Shell(stage, writer or on.bus, on.letters, on.health.worker(stage.name), self._clock)
