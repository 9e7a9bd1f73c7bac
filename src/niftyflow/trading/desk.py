"""An account at work: it takes steps of the market and commands in, one at a time; the book before everything.

What changed is committed, then what leaves is sent, then what the venue said is taken in; events are published after
their commit, and told again after a restart. It owns the account's lease and its fence, and decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

import msgspec
import numpy as np

from niftyflow.bus.port import Bus
from niftyflow.kit import metrics
from niftyflow.kit.clock import monotonic
from niftyflow.kit.health import Worker
from niftyflow.kit.join import Step
from niftyflow.kit.log import get_logger
from niftyflow.kit.retry import until_it_works
from niftyflow.kit.showing import Showing
from niftyflow.market import day_start, ist_day
from niftyflow.model import (
    CandleBatch,
    Command,
    CommandResult,
    FillEvent,
    Instrument,
    InvalidValue,
    Kind,
    Misconfigured,
    Order,
    Refused,
    StrategyState,
    StrategyStatus,
    Unavailable,
    Watermark,
    parse_instrument,
    to_e4,
)
from niftyflow.storage.book_ports import BookStore, TradingInput
from niftyflow.storage.ports import HotStore, Lease, MarketStore
from niftyflow.trading.account import Action, TradingAccount
from niftyflow.trading.account_view import account_view, fields_of
from niftyflow.trading.commands import MANUAL, execute
from niftyflow.trading.orders import IllegalChange
from niftyflow.trading.portfolio import AccountState, Portfolio
from niftyflow.trading.requests import VenueUpdate
from niftyflow.trading.settings import StrategySettings, TradingSettings
from niftyflow.trading.strategies import make
from niftyflow.trading.told import TOPICS as TOLD

log = get_logger(__name__)

T = TypeVar("T")

EVENTS = "order_events"
MINUTE_MS = 60_000
DAY_MS = 86_400_000
PORTFOLIO_SECONDS = 60.0
HISTORY_DAYS = 10
"""How far back a strategy's warm-up may reach."""


class Carrier(Protocol):
    """Whoever brings an account's orders to a broker. What comes of them he has the desk `hear`."""

    def carry(self, action: Action, order: Order, *, is_urgent: bool) -> None:
        """Take something in that is in the book and is to leave now; never waits. Urgent takes risk away."""


class TradingDesk:
    """An account with its book: opened once, then given steps and commands by the two stages.

    Orders of an account that trades at a broker are given to the `carrier`; without one nothing leaves.
    """

    def __init__(
        self, bus: Bus, book: BookStore, market: MarketStore, hot: HotStore, worker: Worker,
        settings: TradingSettings, carrier: Carrier | None = None,
    ) -> None:  # fmt: skip
        self._bus = bus
        self._book = book
        self._market = market
        self._hot = hot
        self._worker = worker
        self._stopping = asyncio.Event()
        self._showing = Showing("trading")
        self._settings = settings
        self._carrier = carrier
        self._fence = 0
        self._sequence = 0
        self._is_cut_short = False
        self._turn = asyncio.Lock()
        self._due = 0.0
        self.progress: dict[tuple[str, int], int] = {}
        self.account: TradingAccount | None = None

    async def open(self, lease: Lease, at: int) -> None:
        """Take the account over at `at` (ms UTC), as the book has it, and finish what the last owner had begun.

        Raises:
            LeaseLost: a newer owner has it.
            InvalidValue: a strategy of the settings cannot be.
            Misconfigured: it has traded elsewhere than its orders are to go now, or nobody brings them there.
            Retryable: it was stopped while the book, the market store or the bus was away.
        """
        for wanted in self._settings.strategies:
            make(wanted.kind, wanted.parameters)
        name = self._settings.account
        new = AccountState(capital=to_e4(self._settings.capital_rupees), orders_to=self._settings.orders_to)
        stored = await self._patiently(lambda: self._book.take_over(name, lease.fence, msgspec.to_builtins(new), at))
        self._fence, self._sequence, self.progress = lease.fence, stored.sequence, dict(stored.progress)
        account = TradingAccount(Portfolio.of(stored, self._settings.broker_plan), self._settings, stored.time)
        _refuse_elsewhere(account)
        if account.paper is None and self._carrier is None:
            raise Misconfigured(
                f"orders do not leave for the broker account {self._settings.orders_to} yet: "
                'set trading.orders_to = "paper"'
            )
        if stored.time:
            account.set_instruments(await self._instruments(stored.time))
        account.told.until = await self._told_until()
        past = {
            state.name: await self._past(state) for state in stored.strategies if state.status is StrategyStatus.RUNNING
        }
        account.runner.restore(stored.strategies, past)
        self.account = account
        outbox = account.portfolio.state.outbox
        async with self._whole():
            if outbox:  # the end may have come between the commit and its publication
                await self._publish(outbox)
            account.resume()
            await self._settle()

    def stop(self) -> None:
        """Wait for the world no longer."""
        self._stopping.set()

    @asynccontextmanager
    async def _whole(self) -> AsyncIterator[None]:
        """Take one input at a time, and none after one that was cut short: the book has less of it than the account.

        Raises:
            Unavailable: one was; the account goes on when it is opened again.
        """
        async with self._turn:
            if self._is_cut_short:
                raise Unavailable("trading", "an input was cut short: the account goes on from its book when restarted")
            self._is_cut_short = True
            yield
            self._is_cut_short = False

    # -- steps -----------------------------------------------------------------------------------------------------

    async def take_steps(self, steps: Sequence[tuple[int, Step]]) -> int | None:
        """Take steps in, each with its number; return the number up to which the book has them, None for none."""
        done = None
        for number, step in steps:
            async with self._whole():
                if await self._take(step):
                    done = number
        return done

    async def _take(self, step: Step) -> bool:
        account = self._open_account()
        now = account.time_after(step)
        if account.begins_day(now):
            account.set_instruments(await self._instruments(now))
        began = monotonic()
        account.take(step, now)
        if not account.portfolio.state.is_begun:
            account.portfolio.state.is_begun = True
            await self._start_configured(account)
        self.progress = dict(step.position)
        if not account.is_due(step):
            return False
        await self._settle("market", f'{{"through":{step.time}}}')
        if account.portfolio.state.outbox:
            metrics.ORDER_LATENCY.observe(monotonic() - began)
        return True

    async def _settle(self, kind: str = "venue", body: str | None = None) -> None:
        """Commit; have leave what is to; take in what the paper venue says; until nothing is left to do."""
        account = self._open_account()
        while True:
            actions = account.take_actions()
            if body is not None or account.portfolio.has_changes():
                await self._commit(kind, body or "{}")
                kind, body = "venue", None
            if not actions:
                return
            for action in actions:
                account.receive(self._carry_out(account, action))
            account.work_off_exits()

    def _carry_out(self, account: TradingAccount, action: Action) -> list[VenueUpdate]:
        """Have the venue do it, and return what it said: the paper venue at once, a broker nothing yet."""
        order = account.portfolio.orders.get(action.client_order_id)
        if order is None:
            return []
        if account.paper is None:
            if self._carrier is not None:
                self._carrier.carry(action, order, is_urgent=action.kind == "cancel" or account.is_exit(order))
            return []
        return account.paper.send(order) if action.kind == "send" else account.paper.cancel(order, account.now)

    async def _commit(self, kind: str, body: str, results: Sequence[CommandResult] = ()) -> None:
        account = self._open_account()
        self._sequence += 1
        changes = account.take_changes(self.progress)
        changes.results = list(results)
        changes.inputs = [
            TradingInput(
                account=self._settings.account, sequence=self._sequence, kind=kind, time=account.now, body=body
            )
        ]
        await self._patiently(lambda: self._book.commit(self._settings.account, self._fence, changes))
        await self._publish(account.portfolio.told)
        for event in changes.events:
            metrics.ORDERS.labels(event.state.value).inc()
        await self._show(account)

    async def _publish(self, events: Sequence[msgspec.Struct]) -> None:
        if events:
            await self._patiently(lambda: self._bus.publish(EVENTS, [tuple(events)]))

    async def _show(self, account: TradingAccount) -> None:
        """Put the account where a screen looks; it may vanish."""
        now = monotonic()
        if now < self._due:
            return
        self._due = now + 1.0
        shown = {f"portfolio:{self._settings.account}": fields_of(account_view(account))}
        await self._showing.show(lambda: self._hot.set_hashes(shown, PORTFOLIO_SECONDS))

    # -- a broker's word -------------------------------------------------------------------------------------------

    async def hear(self, say: Callable[[TradingAccount], Awaitable[Sequence[VenueUpdate]]]) -> list[VenueUpdate]:
        """Take in what a broker says of orders, and return what of it was taken.

        `say` returns it from the account as it then is: nothing comes in between. What cannot be is told, and left.
        """
        async with self._whole():
            account = self._open_account()
            taken = [update for update in await say(account) if _is_taken(account, update)]
            account.work_off_exits()
            if taken or account.portfolio.has_changes():
                await self._settle("broker", msgspec.json.encode(taken).decode())
            return taken

    async def orders_of_today(self) -> list[Order]:
        """Return the orders decided on the account's day as the book has them, ended ones too."""
        since = day_start(ist_day(self._open_account().now))
        return await self._patiently(lambda: self._book.orders(self._settings.account, since=since))

    async def fills_of_today(self) -> list[FillEvent]:
        """Return the fills booked on the account's day."""
        since = day_start(ist_day(self._open_account().now))
        return await self._patiently(lambda: self._book.fills(self._settings.account, since=since))

    # -- commands --------------------------------------------------------------------------------------------------

    async def take_command(self, command: Command, wall: int) -> CommandResult | None:
        """Do what a command asks, once, and return its result, the first one again; None for another account's.

        Raises:
            Retryable: it was stopped while the book, the market store or the bus was away.
            LeaseLost: a newer owner has the account.
        """
        if command.account != self._settings.account:
            return None
        async with self._whole():
            known = await self._patiently(lambda: self._book.result(command.id))
            if known is not None:
                return known
            account = self._open_account()
            result = await execute(command, account, self, wall)
            await self._commit("command", msgspec.json.encode(command).decode(), [result])
            await self._settle()
            return result

    async def start_strategy(self, account: TradingAccount, wanted: StrategySettings) -> StrategyState:
        """Start a strategy on the instruments of the day, with the history it wants.

        Raises:
            InvalidValue: no such kind, parameter or instrument, or it runs already.
        """
        at = account.portfolio.state.through
        if not at:
            raise Refused("no time was told yet: strategies start when the market's data has begun to come")
        if wanted.name == MANUAL:
            raise InvalidValue("name", wanted.name, "orders given by command are kept under it")
        running = account.runner.strategies.get(wanted.name)
        if running is not None and running.is_running:
            raise InvalidValue("name", wanted.name, "it runs already: stop it first, or choose another name")
        tradable = [key for key, each in account.portfolio.instruments.items() if each.kind is not Kind.INDEX]
        named = sorted({parse_instrument(each) for each in wanted.instruments} or tradable)
        for key in named:
            if key not in account.portfolio.instruments:
                raise InvalidValue("instruments", key, "it is not among the instruments of the day")
        state = StrategyState(
            account=self._settings.account, name=wanted.name, kind=wanted.kind, status=StrategyStatus.RUNNING,
            instruments=list(named), parameters=wanted.parameters, at=at,
        )  # fmt: skip
        account.runner.start(state, wanted.on_error, await self._past(state))
        return account.runner.strategies[wanted.name].state

    async def _start_configured(self, account: TradingAccount) -> None:
        for wanted in self._settings.strategies:
            await self.start_strategy(account, wanted)

    async def _past(self, state: StrategyState) -> dict[str, CandleBatch]:
        """Return the closed candles before a strategy's start, by instrument."""
        bars = make(state.kind, state.parameters).warm_up
        if not bars:
            return {}
        until = state.at - MINUTE_MS + 1
        found = await self._patiently(
            lambda: self._market.first_told(state.at - HISTORY_DAYS * DAY_MS, until, state.instruments)
        )
        rows: dict[str, list[int]] = {}
        for row, key in enumerate(found.keys()):
            rows.setdefault(key, []).append(row)
        return {key: found.take(np.array(mine[-bars:], dtype=np.int64)) for key, mine in rows.items()}

    async def _told_until(self) -> dict[tuple[str, int], int]:
        """Return the time each partition had told when the book last took it in: its watermark before our progress."""
        places = {place: offset for place, offset in self.progress.items() if place[0] in TOLD}
        marks = await asyncio.gather(*(self._mark(*place, offset) for place, offset in places.items()))
        return {place: mark.time for place, mark in zip(places, marks, strict=True) if mark is not None}

    async def _mark(self, topic: str, partition: int, before: int) -> Watermark | None:
        return await self._patiently(lambda: self._bus.last_watermark(topic, partition, before))

    async def _instruments(self, time: int) -> list[Instrument]:
        return await self._patiently(lambda: self._market.instruments(ist_day(time)))

    async def _patiently(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Wait for the world here: an input that was taken in must not be taken again."""
        return await until_it_works(operation, self._worker, self._stopping)

    def _open_account(self) -> TradingAccount:
        if self.account is None:
            raise RuntimeError("the desk was not opened")
        return self.account


def _refuse_elsewhere(account: TradingAccount) -> None:
    state, settings = account.portfolio.state, account.settings
    if state.orders_to == settings.orders_to:
        return
    if account.portfolio.orders or any(account.portfolio.quantities().values()):
        raise Misconfigured(
            f"account {settings.account} has orders or positions of {state.orders_to}, and trading.orders_to says "
            f"{settings.orders_to}: close them first, or choose another trading.account"
        )
    state.orders_to = settings.orders_to


def _is_taken(account: TradingAccount, update: VenueUpdate) -> bool:
    """Take one word of a broker's in; say whether it was about a working order and could be."""
    if update.client_order_id not in account.portfolio.orders:
        return False
    try:
        account.receive([update])
    except IllegalChange as error:
        log.warning("broker_contradicts", account=account.portfolio.account, reason=str(error))
        return False
    return True
