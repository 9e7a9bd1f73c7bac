"""Runs the strategies of an account: their context, timers and memory; one that throws is stopped alone.

It calls hooks in a fixed order and never decides whether an order may leave: that is the account's, behind `Desk`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from msgspec.structs import replace

from niftyflow.kit.log import get_logger
from niftyflow.market import Session, ist_day, session
from niftyflow.model import (
    Candle,
    CandleBatch,
    FillEvent,
    Instrument,
    InstrumentKey,
    Interval,
    Kind,
    NameTable,
    Order,
    OrderType,
    Product,
    Side,
    Signal,
    StrategyState,
    StrategyStatus,
    trace_id,
)
from niftyflow.trading.portfolio import Portfolio
from niftyflow.trading.requests import OrderRequest
from niftyflow.trading.settings import OnError
from niftyflow.trading.strategies import make
from niftyflow.trading.strategy import Strategy

log = get_logger(__name__)

Maker = Callable[[str, Mapping[str, Any]], Strategy]
"""Makes a strategy of a kind with its parameters."""


class Desk(Protocol):
    """What strategies may ask of the account."""

    portfolio: Portfolio
    now: int

    def place(self, request: OrderRequest) -> Order:
        """Judge an order and note it, to be sent once it is in the book."""
        ...

    def cancel(self, order: Order) -> None:
        """Ask for a working order to be cancelled."""
        ...

    def is_cancelling(self, order: Order) -> bool:
        """Whether it was asked to be cancelled."""
        ...

    def close(
        self, strategy: str, instrument: InstrumentKey, cause: str, tag: str = "", *, signal_id: str = "",
        trace_id: str = "",
    ) -> Order | None:  # fmt: skip
        """Cancel working orders and bring a strategy's position in an instrument to zero."""
        ...


@dataclass(slots=True)
class Cause:
    """What a hook is called for: it names the orders given in it, the same again when decided again."""

    name: str = ""
    signal_id: str = ""
    trace_id: str = ""


class StrategyContext:
    """A strategy's window on the account."""

    def __init__(self, desk: Desk, state: StrategyState) -> None:
        self._desk = desk
        self.name = state.name
        self.account = state.account
        self.instruments: Sequence[InstrumentKey] = [InstrumentKey(each) for each in state.instruments]
        self.timers: dict[str, int] = {}
        self.past: dict[str, CandleBatch] = {}
        self.cause = Cause()

    @property
    def time(self) -> int:
        """Moment of the data, ms UTC."""
        return self._desk.now

    def position(self, instrument: InstrumentKey) -> int:
        """Return the net units that this strategy holds."""
        return self._desk.portfolio.net_quantity(instrument, self.name)

    def average_price(self, instrument: InstrumentKey) -> Decimal | None:
        """Return the average cost of what it holds."""
        for product in Product:
            position = self._desk.portfolio.positions.get((self.name, instrument, product))
            if position is not None and position.net_quantity:
                return position.average_price
        return None

    def last_price(self, instrument: InstrumentKey) -> float | None:
        """Return the last price in rupees."""
        mark = self._desk.portfolio.last_price(instrument)
        return mark.price / 10_000 if mark else None

    def tick_size(self, instrument: InstrumentKey) -> Decimal:
        """Return the day's step of prices."""
        found = self._instrument(instrument)
        return found.tick_size if found else Decimal("0.05")

    def working_orders(self, instrument: InstrumentKey | None = None) -> list[Order]:
        """Return this strategy's orders that are not final and not asked to be cancelled."""
        orders = self._desk.portfolio.working(instrument, self.name)
        return [order for order in orders if not self._desk.is_cancelling(order)]

    def buy(
        self, instrument: InstrumentKey, quantity: int, *, order_type: OrderType = OrderType.MARKET,
        price: Decimal | None = None, trigger: Decimal | None = None, product: Product = Product.MIS,
        valid_for_ms: int = 60_000, tag: str = "",
    ) -> Order:  # fmt: skip
        """Give an order to buy."""
        return self._order(Side.BUY, instrument, quantity, order_type, price, trigger, product, valid_for_ms, tag)

    def sell(
        self, instrument: InstrumentKey, quantity: int, *, order_type: OrderType = OrderType.MARKET,
        price: Decimal | None = None, trigger: Decimal | None = None, product: Product = Product.MIS,
        valid_for_ms: int = 60_000, tag: str = "",
    ) -> Order:  # fmt: skip
        """Give an order to sell."""
        return self._order(Side.SELL, instrument, quantity, order_type, price, trigger, product, valid_for_ms, tag)

    def _order(
        self, side: Side, instrument: InstrumentKey, quantity: int, order_type: OrderType, price: Decimal | None,
        trigger: Decimal | None, product: Product, valid_for_ms: int, tag: str,
    ) -> Order:  # fmt: skip
        is_exit = self._desk.portfolio.takes_back(self.name, instrument, side, quantity)
        return self._desk.place(
            OrderRequest(
                strategy=self.name, instrument=instrument, side=side, quantity=quantity, cause=self.cause.name,
                order_type=order_type, product=product, price=price, trigger=trigger,
                valid_until=self.time + valid_for_ms, signal_id=self.cause.signal_id, trace_id=self.cause.trace_id,
                tag=tag, is_exit=is_exit,
            )
        )  # fmt: skip

    def close(self, instrument: InstrumentKey, tag: str = "") -> Order | None:
        """Cancel the instrument's working orders and bring its position to zero at market."""
        cause = self.cause
        return self._desk.close(
            self.name, instrument, cause.name, tag, signal_id=cause.signal_id, trace_id=cause.trace_id
        )

    def cancel(self, client_order_id: str) -> None:
        """Ask for an order to be cancelled."""
        order = self._desk.portfolio.orders.get(client_order_id)
        if order is not None and order.strategy == self.name:
            self._desk.cancel(order)

    def quantity_for(self, instrument: InstrumentKey, rupees: float) -> int:
        """Return the units, in whole lots, that an amount buys at the last price."""
        found, price = self._instrument(instrument), self.last_price(instrument)
        if found is None or found.kind is Kind.INDEX or not price:
            return 0
        return int(rupees / price) // found.lot_size * found.lot_size

    def timer(self, name: str, at: int) -> None:
        """Have `on_timer` called once at a time."""
        self.timers[name] = at

    def session(self, instrument: InstrumentKey) -> Session | None:
        """Return the instrument's session of the day."""
        found = self._instrument(instrument)
        return session(found, ist_day(self.time)) if found else None

    def history(self, instrument: InstrumentKey) -> CandleBatch:
        """Return the candles before the start."""
        return self.past.get(instrument) or _no_candles()

    def log(self, event: str, **fields: object) -> None:
        """Tell an event."""
        log.info(event, strategy=self.name, account=self.account, **fields)

    def _instrument(self, instrument: InstrumentKey) -> Instrument | None:
        return self._desk.portfolio.instruments.get(instrument)


@dataclass(slots=True)
class Running:
    """A strategy of the account, with its context."""

    state: StrategyState
    strategy: Strategy
    context: StrategyContext
    on_error: OnError
    is_changed: bool = True
    watched: frozenset[InstrumentKey] = field(default_factory=frozenset)

    @property
    def is_running(self) -> bool:
        """Whether its hooks are called."""
        return self.state.status is StrategyStatus.RUNNING


class Runner:
    """The strategies of an account, in order of name."""

    def __init__(self, desk: Desk, make: Maker = make) -> None:
        self._desk = desk
        self._maker = make
        self.strategies: dict[str, Running] = {}
        self._watched: set[InstrumentKey] | None = None

    def restore(self, states: Sequence[StrategyState], past: dict[str, dict[str, CandleBatch]]) -> None:
        """Take strategies back as the book has them; `past` is the history of each that runs, by instrument."""
        for state in states:
            running = self._make(state, OnError(state.saved.get("on_error", OnError.SQUARE_OFF)))
            running.is_changed = False
            if state.status is StrategyStatus.RUNNING:
                running.context.past = past.get(state.name, {})
                running.context.timers = dict(state.saved.get("timers", {}))
                running.strategy.load(state.saved.get("memory", {}))
            self._add(running)

    def start(self, state: StrategyState, on_error: OnError, past: dict[str, CandleBatch]) -> None:
        """Start a strategy.

        Raises:
            InvalidValue: its kind or a parameter is none.
        """
        running = self._make(state, on_error)
        running.context.past = past
        self._add(running)
        self._call(running, running.strategy.on_start, Cause(f"{state.name}/start/{state.at}"))

    def stop(self, name: str, reason: str) -> None:
        """Stop a strategy; its position stays as it is, and so does a stop that protects it."""
        running = self.strategies[name]
        self._call(running, running.strategy.on_stop, Cause(f"{name}/stop/{self._desk.now}"))
        if running.is_running:
            self._end(running, StrategyStatus.STOPPED, reason)

    def watched(self) -> set[InstrumentKey]:
        """Return the instruments of all strategies that run."""
        if self._watched is None:
            self._watched = {each for running in self._each() for each in running.watched}
        return self._watched

    def candles(self, candles: Sequence[Candle]) -> None:
        """Give closed candles, in order, to each strategy that runs on their instruments."""
        named = [
            (candle.instrument, candle.time.isoformat(), trace_id(candle.instrument, Interval.M1, candle.time), candle)
            for candle in candles
        ]
        for running in self._each():
            for key, when, trace, candle in named:
                if key in running.watched:
                    cause = Cause(f"{running.state.name}/candle/{key}/{when}", "", trace)
                    self._call(running, running.strategy.on_candle, cause, candle)

    def signals(self, signals: Sequence[tuple[Signal, str]]) -> None:
        """Give signals, each with the trace of its candle, to each strategy that runs on their instruments."""
        for running in self._each():
            for signal, trace in signals:
                if signal.instrument in running.watched:
                    cause = Cause(f"{running.state.name}/signal/{signal.id}", signal.id, trace)
                    self._call(running, running.strategy.on_signal, cause, signal)

    def fill(self, fill: FillEvent) -> None:
        """Give a fill to the strategy whose order it was; what one that failed still gets is handled like the rest."""
        running = self.strategies.get(fill.strategy)
        if running is None:
            return
        cause = Cause(f"{fill.strategy}/fill/{fill.fill_id}", fill.signal_id, fill.trace_id)
        if running.is_running:
            self._call(running, running.strategy.on_fill, cause, fill)
        elif running.state.status is StrategyStatus.FAILED and running.on_error is OnError.SQUARE_OFF:
            self._close(running, fill.instrument, cause)

    def timers(self) -> None:
        """Call the timers that are due, by time and then name."""
        for running in self._each():
            timers = running.context.timers
            if not timers or min(timers.values()) > self._desk.now:
                continue
            for at, name in sorted((at, name) for name, at in timers.items() if at <= self._desk.now):
                if running.context.timers.get(name) == at:
                    del running.context.timers[name]
                    cause = Cause(f"{running.state.name}/timer/{name}/{at}")
                    self._call(running, running.strategy.on_timer, cause, name)

    def take_changed(self) -> list[StrategyState]:
        """Return the strategies whose memory may have changed since the last call, as the book keeps them."""
        found = []
        for running in self.strategies.values():
            if running.is_changed:
                running.is_changed = False
                found.append(self._stored(running))
        return found

    def _stored(self, running: Running) -> StrategyState:
        saved: dict[str, Any] = {"on_error": running.on_error.value}
        if running.is_running:
            saved |= {"memory": running.strategy.save(), "timers": dict(sorted(running.context.timers.items()))}
        return replace(running.state, saved=saved)

    def _make(self, state: StrategyState, on_error: OnError) -> Running:
        strategy = self._maker(state.kind, state.parameters)
        context = StrategyContext(self._desk, state)
        return Running(state, strategy, context, on_error, watched=frozenset(context.instruments))

    def _add(self, running: Running) -> None:
        self.strategies[running.state.name] = running
        self.strategies = dict(sorted(self.strategies.items()))
        self._watched = None

    def _each(self) -> list[Running]:
        return [running for running in self.strategies.values() if running.is_running]

    def _call(self, running: Running, hook: Callable[..., None], cause: Cause, *arguments: object) -> None:
        if not running.is_running:
            return
        running.context.cause = cause
        running.is_changed = True
        try:
            hook(running.context, *arguments)
        except Exception as error:  # supervisor: a strategy may do anything; the others go on
            log.exception("strategy_failed", strategy=running.state.name, cause=cause.name)
            self._fail(running, f"{hook.__name__}: {type(error).__name__}: {error}", cause)

    def _fail(self, running: Running, reason: str, cause: Cause) -> None:
        self._end(running, StrategyStatus.FAILED, reason)
        if running.on_error is OnError.SQUARE_OFF:
            portfolio, name = self._desk.portfolio, running.state.name
            for instrument in sorted({key[1] for key, net in portfolio.quantities().items() if net and key[0] == name}):
                self._close(running, instrument, cause)

    def _close(self, running: Running, instrument: InstrumentKey, cause: Cause) -> None:
        self._desk.close(
            running.state.name, instrument, f"{cause.name}/failed", "failed", signal_id=cause.signal_id,
            trace_id=cause.trace_id,
        )  # fmt: skip

    def _end(self, running: Running, status: StrategyStatus, reason: str) -> None:
        running.state = replace(running.state, status=status, reason=reason, at=self._desk.now)
        running.context.timers = {}
        running.is_changed = True
        self._watched = None
        self._cancel_but_stops(running.state.name)

    def _cancel_but_stops(self, name: str) -> None:
        """Cancel what nobody looks after any more, but for stops that protect: a target beside one would outlive it."""
        held = self._desk.portfolio.quantities()
        for order in self._desk.portfolio.working(strategy=name):
            key = (name, order.instrument, order.product)
            net, signed = held.get(key, 0), order.side.sign * order.remaining
            if order.order_type in {OrderType.SL, OrderType.SL_M} and net * signed < 0 and abs(signed) <= abs(net):
                held[key] = net + signed
            else:
                self._desk.cancel(order)


def _no_candles() -> CandleBatch:
    return CandleBatch(NameTable(), Interval.M1, **dict.fromkeys(CandleBatch.COLUMNS, ()))
