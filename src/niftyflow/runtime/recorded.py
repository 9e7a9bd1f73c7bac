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
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.ports import MarketStore
from niftyflow.trading.stage import TradingDesk

DAY_MS = 86_400_000


class Taken(NamedTuple):
    """A command, and the account's time when it was taken (ms UTC)."""

    at: int
    command: Command


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was answered and asked for on a day."""

    predictions: Sequence[Prediction]
    commands: Sequence[Taken]


async def recorded_day(workspace: Workspace, day: date, account: str) -> Recorded:
    """Return what was answered and asked for on a day of a workspace.

    Raises:
        Misconfigured: the workspace decided nothing that day.
    """
    from niftyflow.storage.sqlite_book import SqliteBookStore  # noqa: PLC0415 - heavy
    from niftyflow.storage.sqlite_decisions import SqliteDecisionStore  # noqa: PLC0415 - heavy
    from niftyflow.storage.sqlite_market import SqliteMarketStore  # noqa: PLC0415 - heavy

    since, until = day_start(day), day_start(day) + DAY_MS
    market, book = (
        SqliteMarketStore(workspace.market_db, read_only=True),
        SqliteBookStore(workspace.book_db, read_only=True),
    )
    await market.open()
    try:
        predictions = await SqliteDecisionStore(market.database).predictions(Interval.M1, since, until)
    finally:
        await market.close()
    await book.open()
    try:
        inputs = [each for each in await book.inputs(account) if each.kind == "command" and since <= each.time < until]
    finally:
        await book.close()
    if not predictions:
        raise Misconfigured(f"{workspace.path} recorded no decision on {day}: replay without --as-recorded")
    commands = [Taken(each.time, msgspec.json.decode(each.body, type=Command)) for each in inputs]
    return Recorded(predictions, commands)


async def copy_past(workspace: Workspace, day: date, into: MarketStore) -> int:
    """Copy the candles before a day, as first told, so that indicators begin where they began; return how many."""
    if not workspace.market_db.exists():
        return 0
    until, copied = day_start(day), 0
    async with workspace.market(read_only=True) as market:
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
        """Take steps in, and the commands that were taken after them."""
        done = await super().take_steps(steps)
        while self._recorded and self.account is not None and self._recorded[0].at <= self.account.now:
            await self.take_command(self._recorded[0].command, 0)
            del self._recorded[0]
        return done
