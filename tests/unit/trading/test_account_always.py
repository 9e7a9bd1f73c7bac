"""What holds of an account whatever happens to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from niftyflow.model import FillEvent, Order, OrderState, OrderType, Product, Refused, Side, Validity, to_e4
from niftyflow.trading.orders import TRANSITIONS
from niftyflow.trading.settings import OnError
from niftyflow.trading.strategy import Context
from support.trading_accounts import Play, Scripted, key_of
from support.trading_days import CLOSES, MINUTE, a_candle, a_signal, a_tick, at

SYMBOLS = ("INFY", "SBIN", "TCS")
CAPITAL = 1_000_000

Op = tuple[Any, ...]

ORDERS = st.tuples(
    st.just("order"), st.sampled_from(SYMBOLS), st.sampled_from(Side), st.integers(1, 60), st.sampled_from(OrderType),
    st.integers(-6, 6), st.integers(-6, 6), st.sampled_from([Product.MIS, Product.MIS, Product.CNC]),
    st.sampled_from(Validity),
)  # fmt: skip
OPS: st.SearchStrategy[Op] = st.one_of(
    st.tuples(st.just("tick"), st.sampled_from(SYMBOLS), st.integers(-8, 8), st.integers(0, 900)),
    st.tuples(st.just("tick"), st.sampled_from(SYMBOLS), st.integers(-8, 8), st.integers(0, 900)),
    ORDERS,
    ORDERS,
    st.tuples(st.just("signal"), st.sampled_from(SYMBOLS), st.sampled_from(Side)),
    st.tuples(st.just("candle"), st.sampled_from(SYMBOLS)),
    st.tuples(st.just("cancel"), st.integers(0, 20)),
    st.tuples(st.just("modify"), st.integers(0, 20), st.integers(1, 60), st.integers(-6, 6)),
    st.tuples(st.just("square_off"), st.sampled_from([None, *SYMBOLS])),
    st.tuples(st.just("kill"), st.booleans(), st.booleans()),
    st.tuples(st.just("wait"), st.integers(1, 90)),
)
DAYS = st.lists(OPS, min_size=5, max_size=60)


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """Keep refused orders and strategies that throw out of the output."""
    with capture_logs():
        yield


def follow(context: Context, signal: Any) -> None:
    """Enter with the signal, ten units; throw on every signal to sell what is held."""
    if context.position(signal.instrument) * signal.action.sign < 0:
        raise ValueError("the other way is not known")
    give = context.buy if signal.action is Side.BUY else context.sell
    give(signal.instrument, 10, tag="entry")


def protect(context: Context, fill: FillEvent) -> None:
    """Put a stop and a target round a position, at the last price known; end both when it is flat."""
    held, last = context.position(fill.instrument), context.last_price(fill.instrument)
    for order in context.working_orders(fill.instrument):
        context.cancel(order.client_order_id)
    if not held or last is None:
        return
    give, sign = (context.sell, 1) if held > 0 else (context.buy, -1)
    near = Decimal(str(round(last - sign * 0.25, 2)))
    give(fill.instrument, abs(held), order_type=OrderType.SL_M, trigger=near, tag="stop")
    far = Decimal(str(round(last + sign * 0.25, 2)))
    give(fill.instrument, abs(held), order_type=OrderType.LIMIT, price=far, tag="target")


def leave(context: Context, candle: Any) -> None:
    """Close what is held of the candle's instrument."""
    context.close(candle.instrument, tag="leave")


def judged_as_exit(order: Order) -> bool:
    """Say whether the gate took an order for one that truly takes a position back."""
    return any("not for an exit" in check.limit for check in order.risk.checks)


class Life:
    """A play of drawn operations, checked after each."""

    def __init__(self, *, each_alone: bool = False) -> None:
        scripts = {name: Scripted(on_signal=follow, on_fill=protect, on_candle=leave) for name in ("one", "two")}
        limits = {"max_orders_per_second": 5, "max_order_value_rupees": 200_000}
        self.play = Play({"limits": limits, "paper": {"latency_ms": 0}}, **scripts)
        self.each_alone = each_alone
        self.time = at("11:59:58")
        self.prices = {"INFY": 150_000, "SBIN": 62_000, "TCS": 380_000}
        self.waiting: dict[str, list[Any]] = {"ticks": [], "candles": [], "signals": []}
        self.seen = 0
        self._step({each: price / 100 for each, price in self.prices.items()})
        self.play.start("one", SYMBOLS)
        self.play.start("two", ["TCS"], OnError.HOLD)

    def do(self, op: Op) -> None:
        """Do one operation, take a step, and look whether all is well."""
        kind, *what = op
        getattr(self, f"_{kind}")(*what)
        self.check()

    def _step(self, prices: dict[str, float] | None = None, seconds: int = 1) -> None:
        self.time += seconds * 1000
        self.play.step(self.time, prices, each_alone=self.each_alone, **self.waiting)
        self.waiting = {"ticks": [], "candles": [], "signals": []}

    def _tick(self, symbol: str, move: int, late_ms: int) -> None:
        self.prices[symbol] += move * 5
        self.waiting["ticks"].append(a_tick(symbol, self.time + late_ms, self.prices[symbol] / 100))
        if len(self.waiting["ticks"]) > 3:
            self._step()

    def _order(
        self, symbol: str, side: Side, quantity: int, kind: OrderType, price: int, trigger: int, product: Product,
        validity: Validity,
    ) -> None:  # fmt: skip
        last = self.prices[symbol]
        limit = Decimal(last + price * 5) / 100 if kind in {OrderType.LIMIT, OrderType.SL} else None
        start = Decimal(last + trigger * 5) / 100 if kind in {OrderType.SL, OrderType.SL_M} else None
        self.play.order(
            symbol, side, quantity, order_type=kind, price=limit, trigger=start, product=product, validity=validity,
            is_exit=self.play.account.portfolio.takes_back("manual", key_of(symbol), side, quantity),
        )  # fmt: skip

    def _signal(self, symbol: str, side: Side) -> None:
        self.waiting["signals"].append(a_signal(symbol, self.time // MINUTE * MINUTE, side, strategy=str(self.time)))
        self._step()

    def _candle(self, symbol: str) -> None:
        begins = self.time // MINUTE * MINUTE - MINUTE
        self.waiting["candles"].append(a_candle(symbol, begins, [self.prices[symbol] / 100]))
        self._step(seconds=60 - self.time // 1000 % 60)

    def _cancel(self, which: int) -> None:
        if working := self.play.account.portfolio.working():
            self.play.account.cancel(working[which % len(working)])
            self.play.settle()

    def _modify(self, which: int, quantity: int, price: int) -> None:
        if not (working := self.play.account.portfolio.working()):
            return
        order = working[which % len(working)]
        last = self.prices[order.symbol]
        limit = None if order.price is None else Decimal(last + price * 5) / 100
        try:
            self.play.account.modify(order, quantity, limit, None)
        except Refused:
            return
        self.play.settle()

    def _square_off(self, symbol: str | None) -> None:
        self.play.account.square_off_all(f"command/{self.time}", None, key_of(symbol) if symbol else None)
        self.play.settle()

    def _kill(self, is_on: bool, squares_off: bool) -> None:  # noqa: FBT001 - drawn
        self.play.account.set_kill_switch(is_on=is_on, reason="test", squares_off=squares_off)
        self.play.settle()

    def _wait(self, seconds: int) -> None:
        self._step({each: price / 100 for each, price in self.prices.items()}, seconds)

    # -- what must hold --------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Check the books, and every order."""
        self.check_books()
        self.check_orders()

    def check_books(self) -> None:
        portfolio = self.play.account.portfolio
        fills = self.play.fills
        cash = sum(-fill.side.sign * fill.quantity * to_e4(fill.price) for fill in fills)
        charges = sum(to_e4(fill.total_charges) for fill in fills)
        marks = {key: mark.price for key, mark in portfolio.marks.items()}
        value = sum(each.net_quantity * marks[each.instrument] for each in portfolio.positions.values())
        capital = portfolio.state.capital
        assert capital + cash - charges + value == capital + portfolio.profit()
        for position in portfolio.positions.values():
            mark = marks[position.instrument]
            assert position.imbalance == 0
            by_average = position.realised + position.unrealised(mark)
            assert by_average == position.realised_fifo + position.unrealised_fifo(mark)

    def check_orders(self) -> None:
        filled = Counter[str]()
        for fill in self.play.fills:
            filled[fill.client_order_id] += fill.quantity
        for key, order in self.play.orders.items():
            assert filled[key] == order.filled <= order.quantity
            assert (order.state is OrderState.FILLED) == (order.filled == order.quantity)
            assert order.risk.is_passed or order.state is OrderState.REJECTED
        states: dict[str, OrderState] = {}
        for event in self.play.events:
            before = states.get(event.client_order_id)
            allowed = {OrderState.INTENDED, OrderState.REJECTED} if before is None else {before, *TRANSITIONS[before]}
            assert event.state in allowed
            states[event.client_order_id] = event.state
        working = {order.client_order_id for order in self.play.account.portfolio.working()}
        assert working == {key for key, order in self.play.orders.items() if not order.state.is_final}

    def outcome(self) -> tuple[Any, ...]:
        play = self.play
        return play.orders, play.events, play.fills, play.positions, play.strategies, play.state

    def end(self) -> None:
        """Let the day run out, a tick of everything each minute."""
        self.play.account.set_kill_switch(is_on=False, reason="", squares_off=False)
        self.time += MINUTE
        for minute in range(CLOSES - 20 * MINUTE, CLOSES + 2 * MINUTE, MINUTE):
            for second in (0, 2000):
                self.time = minute + second - 1000
                self._step({each: price / 100 for each, price in self.prices.items()})


@given(DAYS)
@settings(max_examples=60)
def test_the_books_balance_and_no_order_does_what_it_may_not(ops: Sequence[Op]) -> None:
    """Capital, cash, charges and positions add up to the last 1/10,000 rupee, and orders follow the table of states."""
    life = Life()
    for op in ops:
        life.do(op)
    assert len(life.play.events) >= len(life.play.orders)


@given(DAYS)
@settings(max_examples=40)
def test_nothing_works_after_the_close_and_intraday_positions_are_flat(ops: Sequence[Op]) -> None:
    """While ticks keep coming, the square-off leaves no MIS position, and the close no order."""
    life = Life()
    for op in ops:
        life.do(op)
    life.end()
    life.check()
    assert not life.play.account.portfolio.working()
    left = {key: row.net_quantity for key, row in life.play.positions.items() if row.net_quantity}
    assert not [key for key in left if key[3] == "MIS"]


@given(DAYS)
@settings(max_examples=40)
def test_how_a_step_is_cut_changes_nothing(ops: Sequence[Op]) -> None:
    """The same ticks, candles and signals in one body each, or every record in a body of its own, do the same."""
    whole, cut = Life(), Life(each_alone=True)
    for op in ops:
        whole.do(op)
        cut.do(op)
    assert whole.outcome() == cut.outcome()


@given(DAYS, st.sets(st.integers(0, 59), max_size=6))
@settings(max_examples=40)
def test_a_restart_between_steps_changes_nothing(ops: Sequence[Op], restarts: set[int]) -> None:
    """Taken back from its book, through JSON, an account goes on as if it had never stopped."""
    one, other = Life(), Life()
    for number, op in enumerate(ops):
        one.do(op)
        other.do(op)
        if number in restarts:
            other.play.commit()
            one.play.commit()
            other.play.restart()
    assert one.outcome() == other.outcome()


@given(DAYS, st.booleans())
@settings(max_examples=60)
def test_nothing_opens_while_the_kill_switch_is_on_or_closing(ops: Sequence[Op], squares_off: bool) -> None:  # noqa: FBT001
    """With the switch on no order passes; while it closes positions, only orders that take one back do."""
    life = Life()
    for number, op in enumerate(ops):
        if number == len(ops) // 2:
            life.do(("kill", True, squares_off))
        is_on, known = life.play.account.portfolio.state.kill_switch, len(life.play.orders)
        is_closing = life.play.account.portfolio.state.is_closing
        if op[0] == "kill":
            continue
        life.do(op)
        passed = [order for order in list(life.play.orders.values())[known:] if order.risk.is_passed]
        if is_on:
            assert not passed
        if is_closing:
            assert all(judged_as_exit(order) for order in passed)
