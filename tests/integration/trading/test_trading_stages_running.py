"""Trading as stages on a real log: steps through the join and the shell, commands and their results."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Batch, Start, Subscription
from niftyflow.kit.clock import VirtualClock
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import Worker
from niftyflow.kit.join import Join
from niftyflow.kit.joined_reader import JoinedReader, Lanes
from niftyflow.kit.stage import Shell
from niftyflow.model import CommandKind
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.sqlite_book import SqliteBookStore
from niftyflow.trading.desk import TradingDesk
from niftyflow.trading.stage import INPUTS, CommandStage, TradingStage
from support.trading_days import ACCOUNT, STARTS, TradingDay, a_command, the_day
from support.trading_floors import Floor, Held, a_floor
from support.waiting import until


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep the tracebacks of strategies that throw out of the output."""
    with capture_logs():
        yield


class Eager:
    """A subscription whose polls wait a moment only and bring a few records, so that a test decides the batching."""

    def __init__(self, reader: Subscription, at_once: int) -> None:
        self._reader, self._at_once = reader, at_once
        self.commit, self.lag, self.close = reader.commit, reader.lag, reader.close

    async def poll(self) -> Sequence[Batch]:
        """Return what is there."""
        return await self._reader.poll(self._at_once, timeout_seconds=0.005)


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    """Open the stores of the day without its commands, whose moment is not the log's."""
    day = the_day()
    async with a_floor(tmp_path, TradingDay(day.log, day.settings)) as opened:
        yield opened


@pytest.fixture
async def bus(tmp_path: Path, floor: Floor) -> AsyncIterator[EmbeddedBus]:
    """Open a log that holds the day."""
    bus = EmbeddedBus(tmp_path / "log")
    await bus.open()
    for topic in (each.topic for each in INPUTS):
        await bus.publish(topic, [record.body for record in floor.day.log if record.topic == topic])
    yield bus
    await bus.close()


async def run(floor: Floor, bus: EmbeddedBus, *, at_once: int = 50_000, dies_after: int = 0) -> None:
    """Run the stage until it has done the log, or was killed after so many steps."""
    book = SqliteBookStore(floor.folder / "book.db")
    await book.open()
    desk = TradingDesk(bus, book, floor.market, MemoryHotStore(), Worker("trading"), floor.day.settings)
    await desk.open(Held(next(floor.fences)), STARTS)
    join = Join(INPUTS, desk.progress)
    reader = JoinedReader(join)
    shell = Shell(
        TradingStage(desk), bus, DeadLetters(bus, floor.folder), Worker("trading"), VirtualClock(STARTS)
    )  # fmt: skip

    async def subscribe(topic: str, lanes: Lanes) -> Any:
        return Eager(await bus.subscribe(topic, group=TradingStage.group, assignment=lanes), at_once)

    ends = {(each.topic, 0): (await bus.end(each.topic))[0] for each in INPUTS}
    await shell.assigned({0: 0})
    await reader.open(subscribe)
    running = asyncio.create_task(shell.run(reader))
    if dies_after:
        await until(lambda: reader.number >= dies_after or running.done())
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    else:
        await until(lambda: (join.has_read(ends) and shell.has_done({0: reader.number})) or running.done())
        shell.stop()
        await running
    await book.close()


async def told_on(bus: EmbeddedBus, topic: str) -> list[Any]:
    """Return every record of a topic."""
    reader = await bus.subscribe(topic, group=None, start=Start.EARLIEST)
    found: list[Any] = []
    while batches := await reader.poll(timeout_seconds=0):
        found += [record for batch in batches for record in batch.body]
    await reader.close()
    return found


async def test_a_day_through_the_shell_is_the_day_by_hand(floor: Floor, bus: EmbeddedBus, tmp_path: Path) -> None:
    """Read in small pieces, killed again and again: the same book as of the steps given one by one."""
    other = tmp_path / "by-hand"
    other.mkdir()
    async with a_floor(other, floor.day) as by_hand:
        await by_hand.live()
        expected = by_hand.rows()
        events = by_hand.events_told()
    for number, steps in enumerate((1, 9, 40, 90)):
        await run(floor, bus, at_once=(7, 100, 50_000, 31)[number], dies_after=steps)
    await run(floor, bus)
    assert floor.rows() == expected
    floor.told = [("order_events", record) for record in await told_on(bus, "order_events")]
    assert floor.events_told() == events


async def test_commands_are_taken_from_the_log_and_answered(floor: Floor, bus: EmbeddedBus) -> None:
    """Each result is told once it is in the book; read again after a restart it is told again, and done once."""
    await run(floor, bus, dies_after=5)
    place = {"instrument": "INFY", "side": "BUY", "quantity": 1}
    commands = [
        a_command(1, CommandKind.SET_KILL_SWITCH, {"on": True}, STARTS),
        a_command(2, CommandKind.PLACE_ORDER, place, STARTS),
        msgspec.structs.replace(a_command(3, CommandKind.PLACE_ORDER, place, STARTS), account="another"),
    ]
    await bus.publish("commands", [tuple(commands)])
    for _ in range(2):
        book = SqliteBookStore(floor.folder / "book.db")
        await book.open()
        desk = TradingDesk(bus, book, floor.market, MemoryHotStore(), Worker("trading"), floor.day.settings)
        await desk.open(Held(next(floor.fences)), STARTS)
        clock = VirtualClock(STARTS)
        shell = Shell(CommandStage(desk, clock), bus, DeadLetters(bus, floor.folder), Worker("commands"), clock)
        reader = await bus.subscribe("commands", group=None, start=Start.EARLIEST, assignment=shell)
        running = asyncio.create_task(shell.run(Broadcast(reader)))
        await until(lambda shell=shell, running=running: shell.has_done({0: 3}) or running.done())
        shell.stop()
        await running
        await book.close()
    results = await told_on(bus, "command_results")
    assert [(each.id, each.is_done) for each in results] == [("command-1", True), ("command-2", False)] * 2
    assert results[:2] == results[2:]
    assert "kill_switch" in results[1].reason


class Broadcast(Eager):
    """A reader that keeps no position, as after a kill before the group's commit."""

    def __init__(self, reader: Subscription) -> None:
        super().__init__(reader, 50_000)
        self.commit = self.keep_nothing

    async def keep_nothing(self, position: Any) -> None:
        """Forget how far it came."""


async def test_commands_of_several_partitions_keep_a_position_each(floor: Floor, bus: EmbeddedBus) -> None:
    """What one partition has done says nothing about another; one that left is forgotten."""
    book = SqliteBookStore(floor.folder / "book.db")
    await book.open()
    desk = TradingDesk(bus, book, floor.market, MemoryHotStore(), Worker("trading"), floor.day.settings)
    await desk.open(Held(1), STARTS)
    stage = CommandStage(desk, VirtualClock(STARTS))
    for partition, offset in ((2, 10), (5, 70), (7, 0)):
        await stage.assigned(partition, offset)
    commands = [a_command(number, CommandKind.SET_KILL_SWITCH, {"on": False}, STARTS) for number in (1, 2, 3)]
    for batch in (Batch("commands", 2, 10, tuple(commands[:2])), Batch("commands", 5, 70, tuple(commands[2:]))):
        await stage.before(batch)
        stage.take(batch)
    works = [stage.work(2), stage.work(5), stage.work(7)]
    for work in works:
        await work.effects[0]()
    told = [[result.id for _, bodies, _ in work.publications for result in bodies[0]] for work in works]
    assert told == [["command-1", "command-2"], ["command-3"], []]
    assert [work.commit for work in works] == [12, 71, 0]
    stage.revoked(5)
    with pytest.raises(KeyError):
        stage.work(5)
    assert [each.kind for each in await book.inputs(ACCOUNT)] == ["command"] * 3
    await book.close()


async def test_what_was_decided_and_did_not_leave_is_told_after_a_restart(floor: Floor, bus: EmbeddedBus) -> None:
    """The last commit's records are published again: they may not have been before."""
    await run(floor, bus, dies_after=30)
    before = await told_on(bus, "order_events")
    book = SqliteBookStore(floor.folder / "book.db")
    await book.open()
    account = await book.account(ACCOUNT)
    await book.close()
    await run(floor, bus, dies_after=1)
    again = (await told_on(bus, "order_events"))[len(before) :]
    assert account is not None
    assert [msgspec.to_builtins(each) for each in again[: len(account.state["outbox"])]] == account.state["outbox"]
