"""A day decided again that was cut off between a step and the command that was taken after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.kit.health import Worker
from niftyflow.runtime.recorded import RecordedDesk, Taken
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.sqlite_book import SqliteBookStore
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.trading_days import ACCOUNT, SHARES, STARTS, TradingDay, at, steps_of, the_day

GIVEN = at("15:07:00")
"""The moment of a step after which the kill switch was pulled: a whole minute, so the book has that step."""


class Held(NamedTuple):
    """A lease that is held."""

    fence: int
    name: str = "account"


@asynccontextmanager
async def desk(folder: Path, fence: int, day: TradingDay, recorded: Sequence[Taken]) -> AsyncIterator[RecordedDesk]:
    """Open a desk over a folder as its next owner."""
    bus, book = EmbeddedBus(folder / "log"), SqliteBookStore(folder / "book.db")
    market = SqliteMarketStore(folder / "market.db")
    for engine in (bus, book, market):
        await engine.open()
    await market.save_instruments(SHARES)
    opened = RecordedDesk(bus, book, market, MemoryHotStore(), Worker("trading"), day.settings)
    opened.follow(recorded)
    try:
        await opened.open(Held(fence), STARTS)
        yield opened
    finally:
        for engine in (market, book, bus):
            await engine.close()


async def decide(folder: Path, fence: int, recorded: Sequence[Taken], until: int) -> list[tuple[str, int, str]]:
    """Take the day in from where the book stands up to the step of a moment; return the inputs that the book has."""
    day = the_day()
    async with desk(folder, fence, day, recorded) as opened:
        for number, step in steps_of(day.log, opened.progress):
            if step.time > until:
                break
            await opened.take_steps([(number, step)])
        return [(each.kind, each.time, each.body) for each in await opened._book.inputs(ACCOUNT)]


@pytest.mark.parametrize("cut", [GIVEN, at("15:07:40")])
async def test_a_command_is_taken_after_its_step_also_when_the_day_was_cut_off_there(tmp_path, cut):
    """The next step does not come before it."""
    day = the_day()
    (command,) = day.commands[GIVEN]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    ticks = GIVEN + 300
    then = await decide(whole, 1, [Taken(ticks, command)], at("15:08"))
    assert [each[:2] for each in then if each[0] == "command"] == [("command", ticks)]
    # What was cut off knew nothing of the command yet, as if killed before it was taken.
    if cut == GIVEN:
        await decide(broken, 1, [], cut)
    else:
        await decide(broken, 1, [Taken(ticks, command)], cut)
    assert await decide(broken, 2, [Taken(ticks, command)], at("15:08")) == then


async def test_a_command_waits_for_its_step_where_several_share_the_accounts_time(tmp_path):
    """A tick may be received later than the steps after it; the book's last step tells them apart."""
    (command,) = the_day().commands[GIVEN]
    received = GIVEN - 5_000 + 300
    taken = await decide(tmp_path, 1, [Taken(received, command, GIVEN)], at("15:08"))
    place = [each[0] for each in taken].index("command")
    assert taken[place][1] == GIVEN + 300
    assert any(each[2] == f'{{"through":{GIVEN}}}' for each in taken[:place])
