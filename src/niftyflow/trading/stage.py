"""Trading as stages: steps of the market and commands, read from their topics and given to the desk in turn.

The desk commits before a stage's position moves on; results of commands are told after it. They decide nothing.
"""

from __future__ import annotations

from typing import Any

from niftyflow.kit.clock import Clock
from niftyflow.kit.join import Input, Step
from niftyflow.kit.stage import Batch, Work
from niftyflow.model import Command
from niftyflow.trading.desk import TradingDesk

RESULTS = "command_results"
MINUTE_MS = 60_000

INPUTS = (Input("raw-ticks"), Input("market_candles"), Input("signals", MINUTE_MS))
"""What an account takes in, in the order in which it takes what is of one moment."""


class TradingStage:
    """Steps of the market into the account; a stage on a join of ticks, candles and signals."""

    name = "trading"
    topic = "raw-ticks"
    group = "trading"

    def __init__(self, desk: TradingDesk) -> None:
        self._desk = desk
        self._steps: list[tuple[int, Step]] = []

    async def assigned(self, partition: int, offset: int) -> None:
        """Nothing to prepare: the desk was opened with what the book has."""

    def revoked(self, partition: int) -> None:
        """Nothing to forget: the account goes on from its own progress."""

    async def before(self, batch: Batch) -> None:
        """Fetch nothing."""

    def take(self, batch: Batch) -> None:
        """Take a step."""
        self._steps.append((batch.end, batch.body))

    def work(self, partition: int) -> Work:  # noqa: ARG002 - the only one
        """Give the steps to the account; the log's position follows the book's."""
        steps, self._steps = self._steps, []
        work = Work()

        async def give() -> None:
            while steps:  # what was taken is not taken again when the world was away in between
                number = await self._desk.take_steps(steps[:1])
                del steps[0]
                work.commit = number if number is not None else work.commit

        work.effects.append(give)
        return work


class CommandStage:
    """Commands into the account, and their results out."""

    name = "commands"
    topic = "commands"
    group = "trading"

    def __init__(self, desk: TradingDesk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock
        self._taken: dict[int, list[Command]] = {}
        self._ends: dict[int, int] = {}

    async def assigned(self, partition: int, offset: int) -> None:
        """Begin a partition."""
        self._taken[partition], self._ends[partition] = [], offset

    def revoked(self, partition: int) -> None:
        """Forget what was not done yet; whoever gets the partition reads it again."""
        self._taken.pop(partition, None)  # it may leave before it was taken in
        self._ends.pop(partition, None)

    async def before(self, batch: Batch) -> None:
        """Fetch nothing."""

    def take(self, batch: Batch) -> None:
        """Take commands."""
        self._taken[batch.partition] += batch.body
        self._ends[batch.partition] = batch.end

    def work(self, partition: int) -> Work:
        """Do each in turn, then tell the results; the commands of one account are in one partition."""
        commands, self._taken[partition] = self._taken[partition], []
        results: list[Any] = []

        async def do() -> None:
            while commands:
                result = await self._desk.take_command(commands[0], self._clock.now())
                del commands[0]
                if result is not None:
                    results.append(result)
            if results:
                work.publications.append((RESULTS, [tuple(results)], None))

        work = Work(effects=[do], commit=self._ends[partition])
        return work
