"""A desk that can be killed at every commit and publication, and what it leaves on disk."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from niftyflow.bus.port import Body
from niftyflow.kit.health import Worker
from niftyflow.model import AccountRecord, CandleBatch, Command, FillEvent, OrderEvent, Watermark
from niftyflow.storage.book_ports import Changes
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.sqlite_book import SqliteBookStore
from niftyflow.storage.sqlite_market import SqliteMarketStore
from niftyflow.trading.desk import TradingDesk
from support.trading_days import ACCOUNT, SHARES, STARTS, Record, TradingDay, steps_of, the_day

T = TypeVar("T")

OWNED = {"fence", "taken_over_at"}


class Killed(BaseException):
    """The process is gone, in the middle of whatever it did."""


@dataclass
class Fuse:
    """Kills at the `at`th thing that leaves the process (0: never), before it is done or right after.

    `looks` is called with the number of each, before it is done.
    """

    at: int = 0
    is_after: bool = False
    done: int = 0
    looks: Callable[[int], None] | None = None

    async def around(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Do it, unless it kills."""
        self.done += 1
        if self.looks is not None:
            self.looks(self.done)
        if self.done == self.at and not self.is_after:
            raise Killed
        result = await operation()
        if self.done == self.at:
            raise Killed
        return result


class MortalBook:
    """A `BookStore` on the real one, whose process dies at a commit."""

    def __init__(self, book: SqliteBookStore, fuse: Fuse) -> None:
        self._book = book
        self._fuse = fuse
        self.take_over, self.result = book.take_over, book.result

    async def commit(self, account: str, fence: int, changes: Changes) -> None:
        """Write the changes."""
        await self._fuse.around(lambda: self._book.commit(account, fence, changes))


class MortalBus:
    """The part of a bus that a desk needs, kept in memory as a log on disk would be."""

    def __init__(self, told: list[Any], fuse: Fuse, log: Sequence[Record]) -> None:
        self._told = told
        self._fuse = fuse
        self._log = log

    async def last_watermark(self, topic: str, partition: int, before: int) -> Watermark | None:  # noqa: ARG002 - one
        """Return the last watermark before an offset."""
        marks = [each.body for each in self._log if each.topic == topic and each.end <= before]
        return next((mark for mark in reversed(marks) if isinstance(mark, Watermark)), None)

    async def publish(self, topic: str, bodies: Sequence[Body]) -> None:
        """Append."""

        async def append() -> None:
            self._told += [(topic, record) for body in bodies for record in body]

        await self._fuse.around(append)


class Held(NamedTuple):
    """A lease that is held."""

    fence: int
    name: str = "account"


class Outcome(NamedTuple):
    """Everything that a book holds after a day."""

    orders: Any
    events: Any
    fills: Any
    positions: Any
    position_events: Any
    strategies: Any
    results: Any
    inputs: Any
    account: Any


@dataclass
class Floor:
    """What outlives a process: the folder with the book, the market store, and what was told on the bus."""

    folder: Path
    market: SqliteMarketStore
    day: TradingDay
    told: list[tuple[str, Any]] = field(default_factory=list)
    fences: Iterator[int] = field(default_factory=lambda: count(1))

    async def live(self, fuse: Fuse | None = None) -> None:
        """Trade the day from where the book stands to its end, or until the fuse kills."""
        book = SqliteBookStore(self.folder / "book.db")
        await book.open()
        fuse = fuse or Fuse()
        try:
            desk = TradingDesk(
                MortalBus(self.told, fuse, self.day.log), MortalBook(book, fuse), self.market, MemoryHotStore(),
                Worker("trading"), self.day.settings,
            )  # fmt: skip
            await desk.open(Held(next(self.fences)), STARTS)
            await self._trade(desk)
        finally:
            await book.close()

    async def _trade(self, desk: TradingDesk) -> None:
        account = desk.account
        assert account is not None
        commands = sorted(self.day.commands.items())
        for time, each in commands:
            if time <= account.portfolio.state.through:
                await self._give(desk, each)
        for step in steps_of(self.day.log, desk.progress):
            await desk.take_steps([step])
            await self._give(desk, self.day.commands.get(step[1].time, ()))

    async def _give(self, desk: TradingDesk, commands: Iterable[Command]) -> None:
        for command in commands:
            asked = await self._meant(desk, command)
            result = await desk.take_command(asked, command.issued_at)
            self.told.append(("command_results", result))

    async def _meant(self, desk: TradingDesk, command: Command) -> Command:
        """Put an order's id in the place of the command that placed it."""
        placed = await desk._book.result(command.body.get("client_order_id", ""))
        if placed is None:
            return command
        return msgspec.structs.replace(command, body=command.body | {"client_order_id": placed.body["client_order_id"]})

    async def outcome(self) -> Outcome:
        """Read the book."""
        book = SqliteBookStore(self.folder / "book.db", read_only=True)
        await book.open()
        try:
            orders = await book.orders()
            events = [event for order in orders for event in await book.order_events(order.client_order_id)]
            ids = [command.id for each in self.day.commands.values() for command in each]
            account = await book.account(ACCOUNT)
            return Outcome(
                orders, events, await book.fills(), await book.positions(), await book.position_events(),
                await book.strategies(), [await book.result(each) for each in ids], await book.inputs(ACCOUNT),
                account and msgspec.structs.replace(account, fence=0),
            )  # fmt: skip
        finally:
            await book.close()

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Return every row of the book, table by table, but for who owned it when."""
        with closing(sqlite3.connect(self.folder / "book.db")) as book:
            book.row_factory = sqlite3.Row
            named = book.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
            return {
                name: [
                    {field: row[field] for field in row.keys() if field not in OWNED}  # noqa: SIM118 - a Row is none
                    for row in book.execute(f"SELECT * FROM {name}")
                ]
                for (name,) in named
            }

    def events_told(self) -> list[AccountRecord]:
        """Return what was told on `order_events`, each once, in the order first told; a contradiction fails."""
        found: dict[Any, AccountRecord] = {}
        for topic, record in self.told:
            if topic == "order_events":
                assert found.setdefault(identity(record), record) == record
        return list(found.values())


def identity(record: AccountRecord) -> tuple[Any, ...]:
    """Return what makes a told record the same as another."""
    if isinstance(record, OrderEvent):
        return "order", record.client_order_id, record.sequence
    return ("fill" if isinstance(record, FillEvent) else "position"), record.fill_id


@asynccontextmanager
async def a_floor(folder: Path, day: TradingDay | None = None) -> AsyncIterator[Floor]:
    """Open a market store with the day's instruments and candles beside an empty book."""
    day = day or the_day()
    market = SqliteMarketStore(folder / "market.db")
    await market.open()
    await market.save_instruments(SHARES)
    for record in day.log:
        if isinstance(record.body, CandleBatch):
            await market.upsert_candles(record.body)
    try:
        yield Floor(folder, market, day)
    finally:
        await market.close()
