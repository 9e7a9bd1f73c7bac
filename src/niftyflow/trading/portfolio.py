"""What an account holds: working orders, positions, last prices, the day's counters; and what of it has changed.

Every change is noted for the next commit of the book. It never decides, and never asks a clock or a store.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import msgspec

from niftyflow.market import BrokerPlan, Charges, charges_of, ist_day, plan
from niftyflow.model import (
    AccountRecord,
    FillEvent,
    Instrument,
    InstrumentKey,
    Order,
    OrderEvent,
    PositionEvent,
    Product,
    Side,
    from_e4,
    to_e4,
)
from niftyflow.storage.book_ports import Account, Changes, PositionRow
from niftyflow.trading.orders import Applied
from niftyflow.trading.positions import Position, PositionKey
from niftyflow.trading.requests import OrderRequest, VenueFill
from niftyflow.trading.settings import PAPER

MINUTE_MS = 60_000


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """An instrument's last price, in 1/10,000 rupee, and when it was traded or quoted (ms UTC)."""

    price: int
    at: int


class Day(msgspec.Struct, kw_only=True):
    """What is counted anew each day; `base` is the total profit with which the day began, 1/10,000 rupee."""

    day: date | None = None
    base: int = 0
    orders: int = 0
    delivered: list[str] = []


class ExitDue(msgspec.Struct, frozen=True, array_like=True):
    """A position to be brought to zero, tried again until it is."""

    strategy: str
    instrument: InstrumentKey
    product: Product
    cause: str
    tag: str
    not_before: int = 0
    signal_id: str = ""
    trace_id: str = ""

    @property
    def key(self) -> PositionKey:
        """The position that is meant."""
        return self.strategy, self.instrument, self.product

    def after(self, moment: int) -> ExitDue:
        """Return it, not to be tried before a moment (ms UTC)."""
        return msgspec.structs.replace(self, not_before=moment)


class AccountState(msgspec.Struct, kw_only=True):
    """What of an account is neither order, position nor strategy; kept in the book as JSON."""

    capital: int
    orders_to: str = PAPER
    """Where its orders have gone: paper, or a broker account's name."""
    is_begun: bool = False
    """Whether the strategies of the settings were started."""
    through: int = 0
    """Time of the last step of the market, ms UTC: candles that ended by then were told."""
    kill_switch: bool = False
    kill_reason: str = ""
    day: Day = msgspec.field(default_factory=Day)
    marks: dict[str, Mark] = {}
    """Last prices of what strategies watch, is held or ordered."""
    order_times: list[int] = []
    intents: dict[str, int] = {}
    """When each intent, by `intent_key`, was last had, ms UTC; of the last minute only."""
    cancelling: list[str] = []
    """Orders that were asked to be cancelled and are not final yet."""
    exits: list[ExitDue] = []
    is_closing: bool = False
    """Only exits pass until `exits` is worked off, then the kill switch is on."""
    numbers: dict[str, int] = {}
    """How many orders each cause of the step in hand led to."""
    outbox: list[AccountRecord] = []
    """What the last commit had to publish; told again after a restart, which may have come between the two."""


@dataclass(slots=True)
class Portfolio:
    """An account's orders, positions and counters."""

    account: str
    state: AccountState
    plan: BrokerPlan
    orders: dict[str, Order] = field(default_factory=dict)
    positions: dict[PositionKey, Position] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)
    instruments: dict[InstrumentKey, Instrument] = field(default_factory=dict)
    marks: dict[InstrumentKey, Mark] = field(default_factory=dict)
    watched: set[InstrumentKey] = field(default_factory=set)
    """What running strategies look at."""
    moved_at: dict[PositionKey, int] = field(default_factory=dict)
    """When each position was last changed by a fill, ms UTC."""
    _times: deque[int] = field(default_factory=deque)
    told: list[AccountRecord] = field(default_factory=list)
    """What the last changes taken have to tell, in order."""
    _of: dict[InstrumentKey, dict[str, Order]] = field(default_factory=dict)
    _held: dict[InstrumentKey, list[Position]] = field(default_factory=dict)
    _told: list[AccountRecord] = field(default_factory=list)
    _changed_orders: dict[str, Order] = field(default_factory=dict)
    _changed_positions: dict[PositionKey, int] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: Account, broker_plan: str) -> Portfolio:
        """Return the portfolio as the book has it."""
        state = msgspec.convert(stored.state, AccountState)
        portfolio = cls(stored.account, state, plan(broker_plan))
        for order in stored.orders:
            portfolio.keep(order)
        for row in stored.positions:
            position = msgspec.json.decode(row.state, type=Position)
            portfolio._add(position)
            portfolio.moved_at[position.key] = row.updated_at
        portfolio._times = deque(state.order_times)
        portfolio.marks = {InstrumentKey(key): mark for key, mark in state.marks.items()}
        return portfolio

    def _add(self, position: Position) -> None:
        self.positions[position.key] = position
        self._held.setdefault(position.instrument, []).append(position)

    # -- prices and days -------------------------------------------------------------------------------------------

    def mark(self, instrument: InstrumentKey, ltp: float, at: int) -> None:
        """Note an instrument's last price."""
        self.marks[instrument] = Mark(round(ltp * 10_000), at)

    def last_price(self, instrument: InstrumentKey) -> Mark | None:
        """Return the last price, or None when none was seen."""
        return self.marks.get(instrument)

    def begin_day(self, now: int) -> bool:
        """Begin a new IST day when `now` lies in one; say whether it does."""
        day = ist_day(now)
        if self.state.day.day == day:
            return False
        self.state.day = Day(day=day, base=self.profit())
        for position in self.positions.values():
            position.start_day()
        return True

    # -- profit ----------------------------------------------------------------------------------------------------

    def unrealised(self, position: Position) -> int:
        """Return a position's profit at the last price, 1/10,000 rupee."""
        mark = self.last_price(position.instrument)
        return position.unrealised(mark.price) if mark and position.net_quantity else 0

    def profit(self) -> int:
        """Return what the account has made since its beginning, charges taken off, 1/10,000 rupee."""
        total = 0  # a plain loop: every order asks
        for position in self.positions.values():
            total += position.realised - position.charges
            if position.net_quantity and (mark := self.marks.get(position.instrument)) is not None:
                total += position.unrealised(mark.price)
        return total

    def profit_today(self) -> int:
        """Return what the account has made since the day began, charges taken off, 1/10,000 rupee."""
        return self.profit() - self.state.day.base

    # -- exposure --------------------------------------------------------------------------------------------------

    def net_quantity(self, instrument: InstrumentKey, strategy: str | None = None) -> int:
        """Return the open quantity in an instrument, of one strategy or of all."""
        held = self._held.get(instrument, [])
        return sum(position.net_quantity for position in held if strategy in {None, position.strategy})

    def working(self, instrument: InstrumentKey | None = None, strategy: str | None = None) -> list[Order]:
        """Return the orders that are not final, in the order in which they were decided."""
        orders = self.orders if instrument is None else self._of.get(instrument, {})
        return [order for order in orders.values() if strategy in {None, order.strategy}]

    def quantities(self) -> dict[PositionKey, int]:
        """Return the open quantity of each position."""
        return {key: position.net_quantity for key, position in self.positions.items()}

    def takes_back(self, strategy: str, instrument: InstrumentKey, side: Side, quantity: int) -> bool:
        """Say whether an order can do no more than take back what a strategy holds."""
        held = self.net_quantity(instrument, strategy)
        return held * side.sign < 0 and quantity <= abs(held)

    @contextmanager
    def without(self, order: Order) -> Iterator[None]:
        """Leave a working order out of account for the time of a `with`."""
        orders, of = self.orders, self._of
        self.orders = {key: each for key, each in orders.items() if key != order.client_order_id}
        mine = {key: each for key, each in of[order.instrument].items() if key != order.client_order_id}
        self._of = of | {order.instrument: mine}
        try:
            yield
        finally:
            self.orders, self._of = orders, of

    def keep(self, order: Order) -> None:
        """Count an order among those that work."""
        self.orders[order.client_order_id] = order
        self._of.setdefault(order.instrument, {})[order.client_order_id] = order

    def drop(self, order: Order) -> None:
        """Count an order no longer among those that work."""
        if self.orders.pop(order.client_order_id, None) is not None:
            of = self._of[order.instrument]
            del of[order.client_order_id]
            if not of:
                del self._of[order.instrument]

    def ordered(self) -> list[InstrumentKey]:
        """Return the instruments with working orders."""
        return list(self._of)

    def gross_exposure(self) -> int | None:
        """Return the value at last prices of all positions, long and short, and of all working orders; 1/10,000.

        None when a price is not known.
        """
        net: dict[InstrumentKey, int] = {}
        for position in self.positions.values():
            if position.net_quantity:
                net[position.instrument] = net.get(position.instrument, 0) + position.net_quantity
        largest = {instrument: abs(held) for instrument, held in net.items()}
        for instrument, orders in self._of.items():
            held = net.get(instrument, 0)
            buying = sum(order.remaining for order in orders.values() if order.side is Side.BUY)
            selling = sum(order.remaining for order in orders.values() if order.side is Side.SELL)
            largest[instrument] = max(abs(held), abs(held + buying), abs(held - selling))
        total = 0
        for instrument, quantity in largest.items():
            if quantity:
                mark = self.marks.get(instrument)
                if mark is None:
                    return None
                total += quantity * mark.price
        return total

    # -- counting orders -------------------------------------------------------------------------------------------

    def count_order(self, request: OrderRequest, now: int) -> None:
        """Count an order that is to leave, for the limits of rate and of repetition."""
        self._times.append(now)
        while self._times and self._times[0] <= now - MINUTE_MS:
            self._times.popleft()
        self.state.day.orders += 1
        self.state.intents = {key: at for key, at in self.state.intents.items() if at > now - MINUTE_MS}
        self.state.intents[intent_key(request)] = now

    def orders_since(self, moment: int) -> int:
        """Return how many orders left after a moment of the last minute."""
        return sum(at > moment for at in self._times)

    # -- changing --------------------------------------------------------------------------------------------------

    def put(self, order: Order, event: OrderEvent) -> None:
        """Note an order's new state, and its event for the book and the topic."""
        if order.state.is_final:
            self.drop(order)
        else:
            self.keep(order)
        self._changed_orders[order.client_order_id] = order
        self.changes.events.append(event)
        self._told.append(event)

    def fill(self, applied: Applied, fill: VenueFill, at: int) -> FillEvent:
        """Book a fill of an order: charges, position, and their events."""
        order = applied.order
        charges = self._charges_of_fill(order, fill, at)
        event = FillEvent(
            account=self.account, fill_id=fill.fill_id, client_order_id=order.client_order_id, strategy=order.strategy,
            symbol=order.symbol, exchange=order.exchange, side=order.side, product=order.product,
            quantity=fill.quantity, price=fill.price, charges=charges, at=at, signal_id=order.signal_id,
            trace_id=order.trace_id,
        )  # fmt: skip
        key: PositionKey = (order.strategy, order.instrument, order.product)
        position = self.positions.get(key)
        if position is None:
            position = Position(strategy=key[0], instrument=key[1], product=key[2])
            self._add(position)
        change = position.apply(order.side, fill.quantity, to_e4(fill.price), to_e4(event.total_charges))
        moved = PositionEvent(
            account=self.account, strategy=order.strategy, symbol=order.symbol, exchange=order.exchange,
            product=order.product, net_quantity=position.net_quantity, average_price=position.average_price,
            realised=from_e4(position.realised), realised_fifo=from_e4(position.realised_fifo),
            unrealised=from_e4(self.unrealised(position)), charges=from_e4(position.charges), change=change,
            fill_id=fill.fill_id, at=at,
        )  # fmt: skip
        self.changes.fills.append(event)
        self.changes.position_events.append(moved)
        self._told += [event, moved]
        self._changed_positions[key] = self.moved_at[key] = at
        return event

    def _charges_of_fill(self, order: Order, fill: VenueFill, at: int) -> dict[str, Decimal]:
        is_delivery_sale = order.product is Product.CNC and order.side is Side.SELL
        is_first = is_delivery_sale and order.instrument not in self.state.day.delivered
        if is_first:
            self.state.day.delivered.append(order.instrument)
        before = order.filled_value - fill.quantity * fill.price
        charges = self.charges(
            order.instrument, order.product, order.side, fill.quantity, fill.price, at, before=before, is_first=is_first
        )
        names = ("brokerage", "stt", "exchange", "sebi", "stamp", "gst", "dp")
        return {name: getattr(charges, name) for name in names if getattr(charges, name)}

    def charges(
        self, instrument: InstrumentKey, product: Product, side: Side, quantity: int, price: Decimal, at: int, *,
        before: Decimal = Decimal(0), is_first: bool = False,
    ) -> Charges:  # fmt: skip
        """Return what a fill costs, `before` being the value of its order filled already.

        Raises:
            ChargesUnknown: they are not known for the day.
            InvalidValue: they are not known for the kind of instrument.
            Misconfigured: the broker's plan is not known.
        """
        return charges_of(
            exchange=self.instruments[instrument].exchange, product=product, side=side, quantity=quantity,
            price=price, day=ist_day(at), plan=self.plan, order_value_before=before, first_sale_of_day=is_first,
        )  # fmt: skip

    # -- committing ------------------------------------------------------------------------------------------------

    def has_changes(self) -> bool:
        """Whether orders or positions changed since the last commit."""
        return bool(self._changed_orders or self._changed_positions)

    def take_changes(self, time: int, progress: Mapping[tuple[str, int], int]) -> Changes:
        """Return everything that changed since the last call, to be committed as one."""
        changes, self.changes = self.changes, Changes()
        changes.time = time
        changes.progress = dict(progress)
        changes.orders = list(self._changed_orders.values())
        changes.positions = [self._row(key, at) for key, at in self._changed_positions.items()]
        self.state.order_times = list(self._times)
        self.state.outbox = list(self._told)
        self.state.marks = {key: self.marks[key] for key in sorted(self._kept()) if key in self.marks}
        changes.account = msgspec.Raw(msgspec.json.encode(self.state))
        self.told, self._told = self._told, []
        self._changed_orders, self._changed_positions = {}, {}
        return changes

    def _kept(self) -> set[InstrumentKey]:
        """Return the instruments whose last price must outlive a restart: deciding again needs the very same."""
        held = {position.instrument for position in self.positions.values() if position.net_quantity}
        return held | self.watched | self._of.keys()

    def _row(self, key: PositionKey, at: int) -> PositionRow:
        position = self.positions[key]
        exchange, _, symbol = key[1].partition(":")
        return PositionRow(
            account=self.account, strategy=key[0], symbol=symbol, exchange=exchange, product=key[2].value,
            net_quantity=position.net_quantity, average_price=position.average_price,
            realised=from_e4(position.realised), realised_fifo=from_e4(position.realised_fifo),
            charges=from_e4(position.charges), updated_at=at, state=msgspec.json.encode(position),
        )  # fmt: skip


def intent_key(request: OrderRequest) -> str:
    """Return what makes two intents the same but for their time."""
    kind = f"{request.side}|{request.order_type}|{request.product}|{'exit' if request.is_exit else 'entry'}"
    return f"{request.strategy}|{request.instrument}|{request.quantity}|{kind}"
