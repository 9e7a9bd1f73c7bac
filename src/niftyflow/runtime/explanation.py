"""Why an order was placed: walked back from its fills to the trades that made the candle it was decided on.

It gathers one structure, for commands and screens alike, from what was stored when it happened; the scorecard is
computed again, and the trades are folded again to see that they give the candle. It prints and changes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

import msgspec

from niftyflow.analysis.on_demand import analyze
from niftyflow.analysis.settings import AnalysisSettings
from niftyflow.bus.port import Bus, Start
from niftyflow.kit.log import get_logger
from niftyflow.market import day_start, ist_day
from niftyflow.model import (
    Candle,
    Command,
    CommandKind,
    CommandResult,
    DecodeError,
    FillEvent,
    Interval,
    MarketView,
    Order,
    OrderEvent,
    Prediction,
    Refused,
    Retryable,
    Scorecard,
    Signal,
    StrategyState,
    milliseconds,
)
from niftyflow.runtime.buses import bus_of, journal_of
from niftyflow.runtime.candle_trades import Asked, MadeOf, Minute, made_of
from niftyflow.runtime.causes import Cause, CauseKind, parse_cause
from niftyflow.runtime.decisions import Stores, reading
from niftyflow.runtime.settings import load
from niftyflow.runtime.workspace import Workspace

log = get_logger(__name__)

VIEWS = "market_view"
MINUTE_MS = 60_000
DAY_MS = 86_400_000
MOST_SILENT = 10
"""Polls without a record after which a cluster's topic is taken to hold no more, whatever its end says."""

CANDLE_FACTS = (
    "open", "high", "low", "close", "volume", "trades", "vwap", "open_interest", "provenance", "incomplete",
)  # fmt: skip


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One order of the chain, with what became of it, and its cause; `strategy` is null for orders of the account."""

    order: Order
    events: list[OrderEvent]
    fills: list[FillEvent]
    cause: Cause
    strategy: StrategyState | None


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a candle that a later revision changed."""

    field: str
    first: Any
    later: Any


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """The minute on which the chain stands: what was known of an instrument when its candle had closed.

    `is_cause` is false where the cause names no candle: it is then the last one told before the order was decided.
    What is null was not there; `missing` says why.
    """

    instrument: str
    is_cause: bool
    candle: Candle
    corrected: Candle | None
    corrections: list[Correction]
    scorecard: Scorecard | None
    prediction: Prediction | None
    market_view: MarketView | None
    made_of: MadeOf
    missing: dict[str, str] = {}


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The whole chain of an order: itself first, then the orders whose fills led to it, then what they stand on."""

    links: list[Link]
    signal: Signal | None
    command: Command | None
    result: CommandResult | None
    ground: Ground | None
    missing: dict[str, str] = {}

    @property
    def agrees(self) -> bool:
        """Whether the chain reaches trades that give its candle."""
        return self.ground is not None and self.ground.made_of.agrees


class Sources(NamedTuple):
    """Where the chain is read from; `journal` is ingestion's log, the bus itself unless that is a cluster."""

    stores: Stores
    bus: Bus
    journal: Bus
    analysis: AnalysisSettings


@asynccontextmanager
async def sources(workspace: Workspace) -> AsyncIterator[Sources]:
    """Open everything a chain is read from, for the time of a `with`.

    Raises:
        Misconfigured: the workspace has no book or no candles, or its settings are wrong.
        Retryable: the bus is a cluster, and away.
    """
    settings = load(workspace.settings_file)
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(reading(workspace))
        journal = journal_of(workspace)
        bus = bus_of(settings.bus, journal)
        for opened in dict.fromkeys((journal, bus)):
            await opened.open()
            stack.push_async_callback(opened.close)
        yield Sources(stores, bus, journal, settings.analysis)


async def explain(on: Sources, orders: Sequence[Order]) -> list[Explanation]:
    """Return the chain of each order, in the order given; the logs are read once for all of them.

    Raises:
        Retryable: a store or a log is away.
    """
    past = _Past(on.stores)
    drafts = [await _Draft.of(past, order) for order in orders]
    minutes = {draft.minute: draft.asked for draft in drafts if draft.minute and draft.asked}
    trades = await made_of(on.journal, minutes)
    views = await _views(on.bus, {minute.time + MINUTE_MS for minute in minutes})
    grounds: dict[Minute, Ground] = {}
    for minute, asked in minutes.items():
        grounds[minute] = await _ground(on, minute, asked, trades[minute], views)
    return [draft.finished(grounds) for draft in drafts]


# -- orders and what they follow from ------------------------------------------------------------------------------


class _Past:
    """What is looked up for one order after another, and fetched once for all of an account's day."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self._strategies: dict[str, dict[str, StrategyState]] = {}
        self._fills: dict[tuple[str, date], dict[str, FillEvent]] = {}

    async def strategy(self, account: str, name: str) -> StrategyState | None:
        if account not in self._strategies:
            found = await self.stores.book.strategies(account)
            self._strategies[account] = {state.name: state for state in found}
        return self._strategies[account].get(name)

    async def fill(self, order: Order, fill_id: str) -> FillEvent | None:
        """Return the fill that led to an order: it is of the order's day."""
        day = ist_day(order.decided_at)
        if (order.account, day) not in self._fills:
            since = day_start(day)
            found = await self.stores.book.fills(order.account, since=since, until=since + DAY_MS)
            self._fills[order.account, day] = {fill.fill_id: fill for fill in found}
        return self._fills[order.account, day].get(fill_id)

    async def told(self, key: str, until: int) -> list[Candle]:
        """Return the last candles of a day that had ended at `until` (ms UTC), two where there are, as first told."""
        since = day_start(ist_day(until - 1))
        for first in (max(since, until - 3 * MINUTE_MS), since):  # minutes follow one another, but for gaps
            found = (await self.stores.market.first_told(first, until - MINUTE_MS + 1, [key])).to_records()
            if len(found) > 1:
                break
        return found[-2:]


@dataclass(slots=True)
class _Draft:
    """A chain of which the minute is known, and not yet what was known in it."""

    links: list[Link]
    signal: Signal | None = None
    command: Command | None = None
    result: CommandResult | None = None
    minute: Minute | None = None
    asked: Asked | None = None
    is_cause: bool = False
    missing: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def of(cls, past: _Past, order: Order) -> _Draft:
        draft = cls(await _links(past, order))
        last = draft.links[-1]
        await draft._follow(past.stores, last)
        await draft._stand(past, last)
        return draft

    async def _follow(self, stores: Stores, last: Link) -> None:
        """Look up what the chain's last order follows from: a signal, a command."""
        cause = last.cause
        if cause.kind is CauseKind.SIGNAL:
            self.signal = await stores.decisions.signal(cause.reference)
            if self.signal is None:
                self.missing["signal"] = f"signal {cause.reference} is not stored"
        elif cause.kind in {CauseKind.COMMAND, CauseKind.KILL_SWITCH}:
            self.command = await _command(stores, last.order.account, cause)
            if self.command is None:
                self.missing["command"] = "the book has no such command"
            else:
                self.result = await stores.book.result(self.command.id)
        elif cause.kind is CauseKind.FILL:
            self.missing["fill"] = f"fill {cause.reference} is not in the book"

    async def _stand(self, past: _Past, last: Link) -> None:
        """Find the candle on which the chain stands, as it was first told."""
        cause, named = last.cause, None
        if cause.kind is CauseKind.CANDLE:
            named = Minute(cause.instrument, cause.time)
        elif self.signal is not None:
            span = self.signal.interval.minutes * MINUTE_MS
            named = Minute(self.signal.instrument, milliseconds(self.signal.timestamp) - span)
        until = last.order.decided_at if named is None else named.time + MINUTE_MS
        key = last.order.instrument if named is None else named.instrument
        told = await past.told(key, until)
        if not told or (named is not None and milliseconds(told[-1].time) != named.time):
            self.missing["candle"] = f"no candle of {key} is stored that had been told by then"
            return
        self.minute = Minute(key, milliseconds(told[-1].time))
        self.asked = Asked(told[-1], told[-2] if len(told) > 1 else None)
        self.is_cause = named is not None

    def finished(self, grounds: Mapping[Minute, Ground]) -> Explanation:
        ground = None if self.minute is None else grounds[self.minute]
        if ground is not None and ground.is_cause != self.is_cause:
            ground = msgspec.structs.replace(ground, is_cause=self.is_cause)
        return Explanation(
            links=self.links, signal=self.signal, command=self.command, result=self.result, ground=ground,
            missing=self.missing,
        )  # fmt: skip


async def _links(past: _Past, order: Order) -> list[Link]:
    """Return an order and, while a fill led to it, the order of that fill."""
    links: list[Link] = []
    following: Order | None = order
    while following is not None:
        book, cause = past.stores.book, parse_cause(following.cause)
        links.append(
            Link(
                order=following, cause=cause, strategy=await past.strategy(following.account, following.strategy),
                events=await book.order_events(following.client_order_id),
                fills=await book.fills(following.account, client_order_id=following.client_order_id),
            )
        )  # fmt: skip
        fill = await past.fill(following, cause.reference) if cause.kind is CauseKind.FILL else None
        is_older = fill is not None and fill.client_order_id not in {link.order.client_order_id for link in links}
        following = await book.order(fill.client_order_id) if fill is not None and is_older else None
    return links


async def _command(stores: Stores, account: str, cause: Cause) -> Command | None:
    for taken in await stores.book.inputs(account):
        if taken.kind != "command":
            continue
        command = msgspec.json.decode(taken.body, type=Command)
        is_switch = command.kind is CommandKind.SET_KILL_SWITCH and taken.time == cause.time
        if command.id == cause.reference or (cause.kind is CauseKind.KILL_SWITCH and is_switch):
            return command
    return None


# -- the minute ----------------------------------------------------------------------------------------------------


async def _ground(on: Sources, minute: Minute, asked: Asked, trades: MadeOf, views: Mapping[int, MarketView]) -> Ground:
    market, decisions = on.stores.market, on.stores.decisions
    end = minute.time + MINUTE_MS
    missing: dict[str, str] = {}
    scorecard: Scorecard | None = None
    try:
        scorecard = await analyze(market, decisions, minute.instrument, end, settings=on.analysis)
    except Refused as error:
        missing["scorecard"] = str(error)
    answers = await decisions.predictions(Interval.M1, end, end + 1)
    prediction = next((answer for answer in answers if answer.instrument == minute.instrument), None)
    if prediction is None:
        missing["prediction"] = "no answer of a model is stored for that minute"
    if end not in views:
        missing["market_view"] = "the topic holds no view of that minute any more (it keeps a week), or did not answer"
    stored = (await market.candles(minute.instrument, Interval.M1, minute.time, minute.time + 1)).to_records()
    corrected = stored[0] if stored and stored[0].revision > asked.candle.revision else None
    return Ground(
        instrument=minute.instrument, is_cause=True, candle=asked.candle, corrected=corrected,
        corrections=corrections(asked.candle, corrected), scorecard=scorecard, prediction=prediction,
        market_view=views.get(end), made_of=trades, missing=missing,
    )  # fmt: skip


def corrections(first: Candle, later: Candle | None) -> list[Correction]:
    """Return what a later revision of a candle changed."""
    if later is None:
        return []
    return [
        Correction(field=name, first=getattr(first, name), later=getattr(later, name))
        for name in CANDLE_FACTS
        if getattr(first, name) != getattr(later, name)
    ]


async def _views(bus: Bus, times: set[int]) -> dict[int, MarketView]:
    """Return the views of some minutes (ends, ms UTC) that the topic holds; none of them when it is away."""
    found: dict[int, MarketView] = {}
    try:
        async with aclosing(_kept_views(bus)) as views:
            async for view in views:
                time = milliseconds(view.timestamp)
                if time in times:
                    found[time] = view
                if len(found) == len(times):
                    break
    except Retryable as error:
        log.warning("market_view_left_out", reason=str(error))
    return found


async def _kept_views(bus: Bus) -> AsyncGenerator[MarketView, None]:
    ends = await bus.end(VIEWS)
    reader = await bus.subscribe(VIEWS, group=None, start=Start.EARLIEST)
    silent = 0
    try:
        while silent < MOST_SILENT and any(reader.position().get(each, 0) < end for each, end in ends.items()):
            try:
                batches = await reader.poll()
            except DecodeError as error:
                log.warning("record_left_out", topic=VIEWS, reason=error.reason)
                continue
            for batch in batches:
                for record in batch.body if isinstance(batch.body, tuple) else ():
                    if isinstance(record, MarketView):
                        yield record
            silent = 0 if batches else silent + 1
    finally:
        await reader.close()
