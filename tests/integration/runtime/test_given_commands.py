"""Commands given inside a process: one reader of results, the book's last word, one publication for one id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Batch, Start
from niftyflow.model import Command, CommandKind, CommandResult, Refused, Unavailable
from niftyflow.runtime.commanding import GivenCommands, new_command
from niftyflow.storage.book_ports import BookStore, Changes
from niftyflow.storage.sqlite_book import SqliteBookStore
from support.books import PAPER, an_input
from support.waiting import until

SOON = 60.0
"""Long enough for any machine: a result comes at once."""


class Desk:
    """Somebody who trades: answers what is published, when told to, on the topic or in the book alone."""

    def __init__(self, bus: EmbeddedBus, book: BookStore) -> None:
        self.bus = bus
        self.book = book
        self.taken = 0

    async def published(self) -> list[Command]:
        """Return the commands on the topic."""
        reader = await self.bus.subscribe("commands", group=None, start=Start.EARLIEST)
        found = [record for batch in await reader.poll(timeout_seconds=0) for record in _records(batch)]
        await reader.close()
        return found

    async def answer(self, command: Command, *, tells: bool = True, **changes: Any) -> CommandResult:
        """Book a result, and tell it."""
        result = CommandResult(id=command.id, account=PAPER, kind=command.kind, is_done=True, at=1)
        result = msgspec.structs.replace(result, **changes)
        self.taken += 1
        await self.book.commit(PAPER, 1, Changes(time=1, results=[result], inputs=[an_input(self.taken)]))
        if tells:
            await self.bus.publish("command_results", [(result,)])
        return result


def _records(batch: Batch) -> Sequence[Any]:
    assert isinstance(batch.body, tuple)
    return batch.body


@pytest.fixture
async def desk(tmp_path) -> AsyncIterator[Desk]:
    """A bus and a book with an account."""
    bus, book = EmbeddedBus(tmp_path / "log"), SqliteBookStore(tmp_path / "book.db")
    await bus.open()
    await book.open()
    await book.take_over(PAPER, 1, {}, 0)
    yield Desk(bus, book)
    await book.close()
    await bus.close()


@pytest.fixture
async def commands(desk: Desk) -> AsyncIterator[GivenCommands]:
    """Commands whose reader runs."""
    given = GivenCommands(desk.bus, desk.book)
    running = asyncio.create_task(given.run())
    await asyncio.wait_for(given.begun.wait(), 60)
    yield given
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def a_switch(**changes: Any) -> Command:
    """Return a new command."""
    command = new_command(PAPER, CommandKind.SET_KILL_SWITCH, {"on": True}, "key:test")
    return msgspec.structs.replace(command, **changes)


async def test_each_gets_the_result_of_its_own(desk: Desk, commands: GivenCommands):
    """Whatever order they are answered in."""
    asked = [a_switch() for _ in range(3)]
    giving = [asyncio.create_task(commands.give(each, SOON)) for each in asked]
    await until(lambda: _are_published(desk, 3))
    results = [await desk.answer(each) for each in reversed(asked)]
    assert await asyncio.gather(*giving) == list(reversed(results))


async def _are_published(desk: Desk, count: int) -> bool:
    return len(await desk.published()) == count


async def test_a_result_that_was_not_told_is_found_in_the_book(desk: Desk, commands: GivenCommands):
    """The process may have died between its commit and the topic."""
    command = a_switch()
    giving = asyncio.create_task(commands.give(command, 0.5))
    await until(lambda: _are_published(desk, 1))
    result = await desk.answer(command, tells=False)
    assert await giving == result
    assert await commands.result(command.id) == result


async def test_without_a_reader_the_book_answers(desk: Desk):
    """Nobody is waited for beyond the time."""
    commands = GivenCommands(desk.bus, desk.book)
    assert await commands.give(a_switch(), 0.1) is None
    assert await commands.result("nobody") is None


async def test_an_id_that_is_known_is_not_told_again(desk: Desk, commands: GivenCommands):
    """The first result stands; another kind of command by that id is a mistake."""
    command = a_switch()
    result = await desk.answer(command)
    assert await commands.give(command, SOON) == result
    assert await desk.published() == []
    with pytest.raises(Refused, match="draw another id"):
        await commands.give(msgspec.structs.replace(command, kind=CommandKind.PLACE_ORDER), SOON)


async def test_two_presses_at_once_are_one_command(desk: Desk, commands: GivenCommands):
    """Both are answered alike."""
    command = a_switch()
    giving = [asyncio.create_task(commands.give(command, SOON)) for _ in range(2)]
    await until(lambda: _are_published(desk, 1))
    result = await desk.answer(command)
    assert await asyncio.gather(*giving) == [result, result]
    assert len(await desk.published()) == 1


async def test_a_bus_that_is_away_is_said(desk: Desk, commands: GivenCommands):
    """And the next one is given as if nothing had been."""

    async def away(*_: Any) -> None:
        raise Unavailable("bus", "away")

    command, publish = a_switch(), desk.bus.publish
    desk.bus.publish = away  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await commands.give(command, SOON)
    desk.bus.publish = publish  # type: ignore[method-assign]
    giving = asyncio.create_task(commands.give(command, SOON))
    await until(lambda: _are_published(desk, 1))
    result = await desk.answer(command)
    assert await giving == result
