"""A day decided again as it was decided then: its recorded answers and commands, and the candles that came before it.

What a model answered and what an operator asked for is not in the ticks; with both, and the same past, the same ticks
give the same decisions. Positions that were carried into the day are not taken along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import msgspec

from niftyflow.kit.join import Step
from niftyflow.market import day_start
from niftyflow.model import Command, Interval, Misconfigured, Prediction
from niftyflow.runtime.stores import has_market, market_of
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.book_ports import DecisionStore, IndicatorState, TradingInput
from niftyflow.storage.ports import MarketStore
from niftyflow.trading.desk import TradingDesk

DAY_MS = 86_400_000
ANCHOR_ALONE = "anchor"
"""Version of a stored state that holds no numbers: they are folded again from its anchor."""


class Taken(NamedTuple):
    """A command, the account's time when it was taken, and the last step the book had then (ms UTC).

    Several steps may share the account's time: a tick may be received after the watermark that follows it.
    """

    at: int
    command: Command
    through: int = 0


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was answered and asked for on a day, and from where each instrument's indicators were counted."""

    predictions: Sequence[Prediction]
    commands: Sequence[Taken]
    states: Sequence[IndicatorState] = ()


async def recorded_day(workspace: Workspace, day: date, account: str) -> Recorded:
    """Return what was answered and asked for on a day of a workspace.

    Raises:
        Misconfigured: the workspace decided nothing that day.
    """
    from niftyflow.runtime.decisions import reading  # noqa: PLC0415 - heavy

    since, until = day_start(day), day_start(day) + DAY_MS
    async with reading(workspace) as stores:
        predictions = await stores.decisions.predictions(Interval.M1, since, until)
        states = await stores.decisions.states(Interval.M1)
        inputs = [each for each in await stores.book.inputs(account) if since <= each.time < until]
    if not predictions:
        raise Misconfigured(f"{workspace.path} recorded no decision on {day}: replay without --as-recorded")
    return Recorded(predictions, _commands_of(inputs), states)


async def keep_anchors(recorded: Recorded, into: DecisionStore) -> None:
    """Have the indicators of instruments that are new to a store begin where the record's began.

    Only the beginning is taken: the state itself is of another time, and no state is of the form named here.
    """
    known = {state.instrument for state in await into.states(Interval.M1)}
    await into.save_states(
        [
            msgspec.structs.replace(state, time=state.anchor, version=ANCHOR_ALONE, values=b"")
            for state in recorded.states
            if state.instrument not in known
        ]
    )


def _commands_of(inputs: Sequence[TradingInput]) -> list[Taken]:
    """Return the commands among what trading took in, in order."""
    through, commands = 0, []
    for each in inputs:
        if each.kind == "market":
            through = msgspec.json.decode(each.body)["through"]
        elif each.kind == "command":
            commands.append(Taken(each.time, msgspec.json.decode(each.body, type=Command), through))
    return commands


async def copy_past(workspace: Workspace, day: date, into: MarketStore) -> int:
    """Copy the candles before a day, as first told, so that indicators begin where they began; return how many."""
    if not has_market(workspace):
        return 0
    until, copied = day_start(day), 0
    async with market_of(workspace, read_only=True) as market:
        known = await market.instruments(day)
        first = await market.first_time([each.key for each in known])
        since = min(first.values(), default=until)
        while since < until:
            batch = await market.first_told(since, min(since + DAY_MS, until))
            copied += await into.upsert_candles(batch) if len(batch) else 0
            since += DAY_MS
    return copied


class RecordedDesk(TradingDesk):
    """A desk that is given recorded commands again, each after the step after which it was taken."""

    _recorded: list[Taken]

    def follow(self, commands: Sequence[Taken]) -> None:
        """Take these commands when their time comes."""
        self._recorded = list(commands)

    async def take_steps(self, steps: Sequence[tuple[int, Step]]) -> int | None:
        """Take steps in, and the commands that were taken after them; first those that a cut-off run still owed."""
        await self._take_due()
        done = await super().take_steps(steps)
        await self._take_due()
        return done

    async def _take_due(self) -> None:
        while self._recorded and self.account is not None:
            due, state = self._recorded[0], self.account.portfolio.state
            if self.account.now < due.at or state.through < due.through:
                return
            await self.take_command(due.command, 0)
            del self._recorded[0]
