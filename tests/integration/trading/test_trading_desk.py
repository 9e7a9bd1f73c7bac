"""A desk over its book: what it takes in is whole, once, and its own; or it takes nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from niftyflow.kit.health import State, Worker
from niftyflow.kit.join import Segment, Step
from niftyflow.model import Command, CommandKind, InstrumentKey, InvalidValue, Side, StrategyStatus, Unavailable
from niftyflow.storage.book_ports import LeaseLost
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.sqlite_book import SqliteBookStore
from niftyflow.trading.desk import TradingDesk
from niftyflow.trading.settings import TradingSettings
from niftyflow.trading.stage import TradingStage
from support.trading_days import (
    ACCOUNT,
    DAY,
    MINUTE,
    STARTS,
    STEP,
    TradingDay,
    a_command,
    a_share,
    a_signal,
    at,
    steps_of,
    the_log,
    ticks_at,
)
from support.trading_floors import Floor, Fuse, Held, MortalBook, MortalBus, a_floor
from support.waiting import until


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep warnings out of the output."""
    with capture_logs():
        yield


CROSSER = {
    "name": "crosser", "kind": "ema-cross", "instruments": ["NSE:RELIANCE", "NSE:INFY"],
    "parameters": {"fast": 2, "slow": 4, "trade_until": "15:10", "exit_minutes_before_close": 5},
}  # fmt: skip


def a_day(*strategies: dict[str, Any]) -> TradingDay:
    """Return six minutes with a signal."""
    settings = TradingSettings.model_validate({"strategies": list(strategies)})
    return TradingDay(the_log(at("15:06"), [a_signal("TCS", at("15:01"), Side.BUY)]), settings)


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    """Open the stores of a short day."""
    async with a_floor(tmp_path, a_day(CROSSER)) as opened:
        yield opened


class AwayBook(MortalBook):
    """A book whose database is away for so many commits, or whose account somebody else took."""

    away = 0
    is_lost = False

    async def commit(self, account: str, fence: int, changes: Any) -> None:
        """Write, or say why not."""
        if self.is_lost:
            raise LeaseLost("a newer owner has it")
        if self.away > 0:
            self.away -= 1
            raise Unavailable("book", "locked")
        await super().commit(account, fence, changes)


class Desk:
    """A desk with its book."""

    def __init__(self, floor: Floor, book: SqliteBookStore) -> None:
        self.book = AwayBook(book, Fuse())
        self.real = book
        self.worker = Worker("trading")
        self.hot = MemoryHotStore()
        bus = MortalBus(floor.told, Fuse(), floor.day.log)
        self.desk = TradingDesk(bus, self.book, floor.market, self.hot, self.worker, floor.day.settings)


@pytest.fixture
async def opened(floor: Floor) -> AsyncIterator[Desk]:
    """Open the account."""
    book = SqliteBookStore(floor.folder / "book.db")
    await book.open()
    desk = Desk(floor, book)
    await desk.desk.open(Held(1), STARTS)
    yield desk
    await book.close()


async def inputs(desk: Desk) -> int:
    """Return how many inputs the book has."""
    return len(await desk.real.inputs(ACCOUNT))


def order(number: int = 1, **body: Any) -> Command:
    """Return a command to buy one INFY."""
    fields = {"instrument": "INFY", "side": "BUY", "quantity": 1} | body
    return a_command(number, CommandKind.PLACE_ORDER, fields, STARTS)


async def test_a_step_is_committed_when_something_changed_and_each_minute(floor: Floor, opened: Desk) -> None:
    """What is committed is told by the number of the step; in between nothing is written."""
    steps = list(steps_of(floor.day.log))
    done = [await opened.desk.take_steps([step]) for step in steps[:13]]
    assert done == [1] + [None] * 11 + [13]
    assert opened.desk.progress == steps[12][1].position


async def test_ticks_received_past_midnight_are_taken_with_the_instruments_of_their_day(
    floor: Floor, opened: Desk
) -> None:
    """The step's watermark is still of the day before, on which a share listed that night was not there."""
    await opened.desk.take_steps(list(steps_of(floor.day.log))[:1])
    midnight = at("00:00") + 86_400_000
    listed = msgspec.structs.replace(a_share("NEW"), valid_from=date.fromisoformat(DAY) + timedelta(days=1))
    await floor.market.save_instruments([listed])
    ticks = ticks_at(midnight - 100, ["INFY"], received=midnight + 200)
    await opened.desk.take_steps([(2, Step(midnight - 1000, True, (Segment("raw-ticks", 0, ticks),), {}))])  # noqa: FBT003
    account = opened.desk.account
    assert account is not None
    assert listed.key in account.portfolio.instruments


async def test_strategies_of_the_settings_start_with_the_market_whatever_came_before(floor: Floor) -> None:
    """A command taken, committed and followed by a restart before the first step does not keep them from it."""
    command = a_command(1, CommandKind.SET_KILL_SWITCH, {"on": False}, STARTS)
    for life in (1, 2):
        book = SqliteBookStore(floor.folder / "book.db")
        await book.open()
        desk = Desk(floor, book)
        await desk.desk.open(Held(life), STARTS)
        result = await desk.desk.take_command(command, STARTS)
        assert result is not None
        assert result.is_done
        if life == 2:
            await desk.desk.take_steps(list(steps_of(floor.day.log))[:1])
            found = await book.strategies(ACCOUNT)
            assert [(each.name, each.status) for each in found] == [("crosser", StrategyStatus.RUNNING)]
        await book.close()


async def test_a_strategy_started_on_ticks_ahead_of_the_watermark_sees_no_candle_twice(
    floor: Floor, opened: Desk
) -> None:
    """History ends where the steps stand, not where the newest tick does: the next candle comes by itself."""
    steps = list(steps_of(the_log(at("15:06"), [], lead_ms=9_000)))
    before = [step for step in steps if step[1].time < at("15:03")]
    await opened.desk.take_steps(before)
    account = opened.desk.account
    assert account is not None
    assert account.now >= at("15:03") > account.portfolio.state.through
    body = CROSSER | {"name": "second", "instruments": ["infy"]}
    result = await opened.desk.take_command(a_command(1, CommandKind.START_STRATEGY, body, STARTS), STARTS)
    assert result is not None
    assert result.is_done, result.reason
    past = account.runner.strategies["second"].context.history(InstrumentKey("NSE:INFY"))
    assert past.time.tolist()[-1] + MINUTE <= account.portfolio.state.through


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "crosser"}, "it runs already"),
        ({"name": "manual"}, "orders given by command"),
        ({"name": "other", "instruments": ["NSE:NOTHING"]}, "not among the instruments"),
        ({"name": "other", "instruments": ["XX:INFY"]}, "exchange"),
        ({"name": "other", "parameters": {"fast": 9, "slow": 3}}, "slow"),
        ({"name": "other", "kind": "nothing"}, "kind"),
    ],
)
async def test_a_strategy_that_cannot_start_is_refused(
    floor: Floor, opened: Desk, changes: dict[str, Any], reason: str
) -> None:
    """By its name, its instruments, its parameters or its kind; the desk goes on."""
    steps = list(steps_of(floor.day.log))
    await opened.desk.take_steps(steps[:1])
    command = a_command(1, CommandKind.START_STRATEGY, CROSSER | changes, STARTS)
    result = await opened.desk.take_command(command, STARTS)
    assert result is not None
    assert reason in result.reason
    await opened.desk.take_steps(steps[1:])


async def test_no_strategy_starts_before_the_market(opened: Desk) -> None:
    """Its history would have no end."""
    command = a_command(1, CommandKind.START_STRATEGY, CROSSER, STARTS)
    result = await opened.desk.take_command(command, STARTS)
    assert result is not None
    assert "no time was told yet" in result.reason


async def test_settings_that_cannot_be_stop_the_opening(floor: Floor) -> None:
    """Before the account is taken from anybody."""
    book = SqliteBookStore(floor.folder / "book.db")
    await book.open()
    floor.day = a_day(CROSSER | {"kind": "nothing"})
    with pytest.raises(InvalidValue, match="nothing"):
        await Desk(floor, book).desk.open(Held(1), STARTS)
    assert await book.accounts() == []
    await book.close()


async def test_a_strategy_without_instruments_runs_on_every_share(floor: Floor, opened: Desk) -> None:
    """Of the day; an index is none."""
    await opened.desk.take_steps(list(steps_of(floor.day.log))[:1])
    body = {"name": "all", "kind": "signal-follower"}
    result = await opened.desk.take_command(a_command(1, CommandKind.START_STRATEGY, body, STARTS), STARTS)
    assert result is not None
    assert result.body["instruments"] == 5


async def test_a_command_is_done_once(floor: Floor, opened: Desk) -> None:
    """Given again it returns the first result; one for another account is nobody's here."""
    await opened.desk.take_steps(list(steps_of(floor.day.log))[:1])
    first = await opened.desk.take_command(order(), STARTS)
    count = await inputs(opened)
    assert await opened.desk.take_command(order(quantity=5), STARTS) == first
    assert await inputs(opened) == count
    other = msgspec.structs.replace(order(2), account="other")
    assert await opened.desk.take_command(other, STARTS) is None


async def test_while_the_book_is_away_the_desk_waits_and_loses_nothing(floor: Floor, opened: Desk) -> None:
    """The same commit is written when it is back."""
    opened.book.away = 2
    assert await opened.desk.take_steps(list(steps_of(floor.day.log))[:1]) == 1
    assert (opened.worker.state, await inputs(opened)) == (State.RUNNING, 1)


async def test_a_step_that_was_cut_short_is_never_taken_twice(floor: Floor, opened: Desk) -> None:
    """Stopped while the book is away, the desk takes nothing more, even when the book comes back at once."""
    stage = TradingStage(opened.desk)
    steps = list(steps_of(floor.day.log))
    for batch in steps[:1]:
        stage.take(type("Batch", (), {"end": batch[0], "body": batch[1]})())
    work = stage.work(0)
    opened.book.away = 1_000
    opened.desk.stop()
    with pytest.raises(Unavailable, match="locked"):
        await work.effects[0]()
    for again in (work.effects[0], lambda: opened.desk.take_command(order(), STARTS)):
        with pytest.raises(Unavailable, match="cut short"):
            await again()
        opened.book.away = 0
    assert (work.commit, await inputs(opened)) == (None, 0)


async def test_an_account_that_was_lost_is_traded_no_more(floor: Floor, opened: Desk) -> None:
    """The commit is refused, and so is everything after it."""
    opened.book.is_lost = True
    with pytest.raises(LeaseLost):
        await opened.desk.take_steps(list(steps_of(floor.day.log))[:1])
    opened.book.is_lost = False
    with pytest.raises(Unavailable, match="cut short"):
        await opened.desk.take_command(order(), STARTS)
    assert await inputs(opened) == 0


async def test_a_newer_owner_ends_an_older_one(floor: Floor, opened: Desk) -> None:
    """The book knows the fence: the older desk can write nothing, the newer one goes on."""
    steps = list(steps_of(floor.day.log))
    await opened.desk.take_steps(steps[:1])
    book = SqliteBookStore(floor.folder / "book.db")
    await book.open()
    newer = Desk(floor, book)
    await newer.desk.open(Held(2), STARTS)
    with pytest.raises(LeaseLost):
        await opened.desk.take_steps(steps[1:13])
    await newer.desk.take_steps(list(steps_of(floor.day.log, newer.desk.progress)))
    assert [each.sequence for each in await book.inputs(ACCOUNT)] == list(range(1, await inputs(opened) + 1))
    await book.close()


async def test_a_desk_that_was_not_opened_trades_nothing(floor: Floor, tmp_path: Path) -> None:
    """It has no account."""
    desk = Desk(floor, SqliteBookStore(tmp_path / "none.db")).desk
    with pytest.raises(RuntimeError, match="not opened"):
        await desk.take_steps(list(steps_of(floor.day.log))[:1])


async def test_the_account_is_shown_where_a_screen_looks(floor: Floor, opened: Desk) -> None:
    """Money as text, positions that are open; a screen that is away holds nothing up."""
    steps = list(steps_of(floor.day.log))
    await opened.hot.open()
    await opened.desk.take_steps(steps[:1])
    await opened.desk.take_command(order(), STARTS)
    opened.desk._due = 0.0
    await opened.desk.take_steps(steps[1:3])
    told = await opened.hot.get_hash(f"portfolio:{ACCOUNT}")
    shown = {field: msgspec.json.decode(value) for field, value in told.items()}
    assert shown["kill_switch"] is False
    assert [(each["instrument"], each["net_quantity"]) for each in shown["positions"]] == [("NSE:INFY", 1)]

    async def away(*_: Any) -> None:
        raise Unavailable("hot store", "away")

    opened.hot.set_hashes = away  # type: ignore[method-assign]
    opened.desk._due = 0.0
    await opened.desk.take_steps(steps[3:13])
    assert await inputs(opened) >= 4


async def test_steps_and_commands_take_turns(floor: Floor, opened: Desk) -> None:
    """Given at once, each is committed whole before the next begins."""
    steps = list(steps_of(floor.day.log))
    await opened.desk.take_steps(steps[:1])
    bodies = [order(number, quantity=number) for number in range(2, 6)]
    giving = [asyncio.create_task(opened.desk.take_command(each, STARTS)) for each in bodies]
    await opened.desk.take_steps(steps[1:])
    await until(lambda: all(task.done() for task in giving))
    kinds = [each.kind for each in await opened.real.inputs(ACCOUNT)]
    assert kinds.count("command") == 4
    assert all(kinds[place + 1] == "venue" for place, kind in enumerate(kinds) if kind == "command")
    assert (await opened.real.positions())[0].net_quantity == 14
    assert STEP < MINUTE
