"""Giving commands to the process that trades the account, or to the book itself when nobody does.

From outside the account's lease says which of the two; from inside (`GivenCommands`) it is the process itself. It
decides nothing: whoever takes the command does, and says what came of it.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Any, Final, NamedTuple
from uuid import uuid4

from niftyflow.bus.following import follow
from niftyflow.bus.port import Batch, Bus, Start, Subscription
from niftyflow.kit.clock import WallClock, monotonic
from niftyflow.kit.log import get_logger
from niftyflow.model import (
    Command,
    CommandKind,
    CommandResult,
    DecodeError,
    LeaseHeld,
    Misconfigured,
    Refused,
    Unavailable,
)
from niftyflow.runtime.buses import bus_of, journal_of
from niftyflow.runtime.decisions import reading_book
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.stores import has_book, opened, stores_of
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.book_ports import BookStore
from niftyflow.storage.ports import Lease, Leases

log = get_logger(__name__)

COMMANDS: Final = "commands"
RESULTS: Final = "command_results"
VALID_MS: Final = 60_000
"""How long a command may wait to be taken, by the wall's clock."""
POLL_SECONDS: Final = 0.5
WITHOUT_MARKET: Final = frozenset({CommandKind.SET_KILL_SWITCH, CommandKind.STOP_STRATEGY})
"""What can be done to a book while nobody trades: it needs nothing of the market."""


class Answer(NamedTuple):
    """What became of a command: its result, or None when nobody took it in time.

    `holder` is the process that trades the account, empty when the command was applied to the book here.
    """

    command: Command
    result: CommandResult | None
    holder: str


def new_command(account: str, kind: CommandKind, body: dict[str, Any], by: str) -> Command:
    """Return a command issued now, valid for a minute."""
    now = WallClock().now()
    return Command(
        id=uuid4().hex, account=account, kind=kind, by=by, issued_at=now, expires_at=now + VALID_MS, body=body
    )


async def give(workspace: Workspace, settings: AppSettings, command: Command, wait_seconds: float) -> Answer:
    """Have a command taken, and return what came of it.

    Raises:
        Misconfigured: nothing has ever traded here.
        Refused: nobody trades here, and it cannot be done without the market's data.
        Retryable: a store or the bus is away.
    """
    await _refuse_without_book(workspace, command)
    name = f"account/{command.account}"
    stores = stores_of(workspace, settings)
    async with opened([stores.book]):
        return await _give(workspace, settings, command, wait_seconds, stores.leases, name)


async def _give(
    workspace: Workspace, settings: AppSettings, command: Command, wait_seconds: float, leases: Leases, name: str
) -> Answer:
    try:
        lease = await leases.acquire(name)
    except LeaseHeld as held:
        result = await _ask(workspace, settings, command, wait_seconds)
        if result is not None or command.kind not in WITHOUT_MARKET:
            return Answer(command, result, held.holder)
        try:  # whoever held it may have ended meanwhile; a command of one id is taken once
            lease = await leases.acquire(name)
        except LeaseHeld as still:
            return Answer(command, None, still.holder)
    try:
        if command.kind not in WITHOUT_MARKET:
            raise Refused(
                f"nobody trades account {command.account} of {workspace.path}, and to "
                f"{command.kind.value.replace('_', ' ')} needs the market's data: start `niftyflow up` first"
            )
        return Answer(command, await _apply(workspace, settings, lease, command, wait_seconds), "")
    finally:
        await lease.release()


async def _refuse_without_book(workspace: Workspace, command: Command) -> None:
    if not await asyncio.to_thread(has_book, workspace):
        raise Misconfigured(f"{workspace.path} holds no book: `niftyflow up` or `niftyflow replay` makes one")
    async with reading_book(workspace) as book:
        if await book.account(command.account) is None:
            there = ", ".join(await book.accounts()) or "none"
            raise Misconfigured(f"{workspace.path} has no account {command.account}; there are: {there}")


async def _ask(
    workspace: Workspace, settings: AppSettings, command: Command, wait_seconds: float
) -> CommandResult | None:
    """Tell a command to whoever trades the account and wait for the result; None when there is none in time."""
    journal = journal_of(workspace)
    bus = bus_of(settings.bus, journal)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(opened([bus]))
        reader = await bus.subscribe(RESULTS, group=None, start=Start.LATEST)
        stack.push_async_callback(reader.close)
        until = monotonic() + wait_seconds
        await _publish(bus, command, wait_seconds)
        while (left := until - monotonic()) > 0:
            for record in await _results(reader, min(left, POLL_SECONDS)):
                if record.id == command.id:
                    return record
    async with reading_book(workspace) as book:  # told or not, the book has it when it was taken
        return await book.result(command.id)


async def _publish(bus: Bus, command: Command, wait_seconds: float) -> None:
    try:
        async with asyncio.timeout(wait_seconds):
            await bus.publish(COMMANDS, [(command,)])
    except TimeoutError as error:
        raise Unavailable("the bus", f"it took no command in {wait_seconds:g} s") from error


async def _results(reader: Subscription, seconds: float) -> list[CommandResult]:
    try:
        batches = await reader.poll(timeout_seconds=seconds)
    except DecodeError as error:
        log.warning("record_left_out", topic=RESULTS, reason=error.reason)
        return []
    bodies = [batch.body for batch in batches if isinstance(batch.body, tuple)]
    return [record for body in bodies for record in body if isinstance(record, CommandResult)]


async def _apply(
    workspace: Workspace, settings: AppSettings, lease: Lease, command: Command, wait_seconds: float
) -> CommandResult | None:
    """Open the account as the process that trades would, do what the command asks, and leave it.

    Raises:
        Retryable: a store or the bus stayed away for longer than `wait_seconds`.
    """
    from niftyflow.runtime.wiring import engines  # noqa: PLC0415 - heavy
    from niftyflow.trading.desk import TradingDesk  # noqa: PLC0415 - heavy

    async with engines(workspace, settings) as on:
        desk = TradingDesk(on.bus, on.book, on.market, on.hot, on.health.worker("trading"), settings.trading)
        giving_up = asyncio.get_running_loop().call_later(wait_seconds, desk.stop)
        try:
            await desk.open(lease, WallClock().now())
            return await desk.take_command(command, WallClock().now())
        finally:
            giving_up.cancel()


class GivenCommands:
    """Commands given inside a process: one reader of the results for all of them, for as long as `run` runs.

    The book has the last word: a result that was missed on the topic is found there, and a command whose id the book
    knows is not told again.
    """

    def __init__(self, bus: Bus, book: BookStore) -> None:
        self._bus = bus
        self._book = book
        self._waiting: dict[str, asyncio.Future[CommandResult]] = {}
        self.begun = asyncio.Event()

    async def run(self) -> None:
        """Take results from the topic, until cancelled."""
        await follow(self._bus, RESULTS, self._take, begun=self.begun)

    async def give(self, command: Command, wait_seconds: float) -> CommandResult | None:
        """Publish a command and return its result; None when there is none in time (it may still be done).

        Raises:
            Refused: the book knows another kind of command by its id.
            Retryable: the bus or the book is away.
        """
        known = await self._book.result(command.id)
        if known is not None:
            if (known.kind, known.account) != (command.kind, command.account):
                raise Refused(f"command {command.id} was {known.kind.value} of {known.account}: draw another id")
            return known
        until = monotonic() + wait_seconds
        answered = self._waiting.get(command.id)
        is_mine = answered is None
        if answered is None:  # else it is on its way already: both wait for one result
            answered = self._waiting[command.id] = asyncio.get_running_loop().create_future()
        try:
            if is_mine:
                with suppress(TimeoutError):  # else the result is found in the book
                    await asyncio.wait_for(self.begun.wait(), wait_seconds)
                await _publish(self._bus, command, wait_seconds)
            await asyncio.wait([answered], timeout=max(0.0, until - monotonic()))
        finally:
            if is_mine:
                del self._waiting[command.id]
        return answered.result() if answered.done() else await self._book.result(command.id)

    async def result(self, command_id: str) -> CommandResult | None:
        """Return what became of a command, or None when it was not taken yet."""
        return await self._book.result(command_id)

    def _take(self, batch: Batch) -> None:
        for record in batch.body if isinstance(batch.body, tuple) else ():
            if not isinstance(record, CommandResult):
                continue
            waiting = self._waiting.get(record.id)
            if waiting is not None and not waiting.done():
                waiting.set_result(record)
