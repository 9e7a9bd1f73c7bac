"""An account that trades: a fold over steps of the market and commands, in the order taken. Pure.

Ticks fill paper orders, candles and signals go to strategies, what they order goes through the risk gate. Whoever runs
it commits what changed before anything leaves, and brings back what the venue said. The same inputs give the same book.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Literal, NamedTuple

from msgspec import structs

from niftyflow.kit.join import Step
from niftyflow.kit.log import get_logger
from niftyflow.market import ist_day
from niftyflow.market.tables import Phase
from niftyflow.model import (
    Instrument,
    InstrumentKey,
    Order,
    OrderState,
    Product,
    Refused,
    Side,
    Signal,
    TickBatch,
    client_order_id,
    milliseconds,
    moment,
    trace_id,
)
from niftyflow.storage.book_ports import Changes
from niftyflow.trading import orders as machine
from niftyflow.trading import paper, square_off
from niftyflow.trading.gate import Gate
from niftyflow.trading.paper import PaperVenue
from niftyflow.trading.portfolio import ExitDue, Portfolio
from niftyflow.trading.requests import NewTerms, OrderRequest, VenueUpdate, refuse_unkeepable
from niftyflow.trading.runner import Runner
from niftyflow.trading.settings import PAPER, TradingSettings
from niftyflow.trading.told import Told

log = get_logger(__name__)

MINUTE_MS = 60_000
ALL_PRODUCTS: Collection[Product] = tuple(Product)


class Action(NamedTuple):
    """Something that leaves once it is in the book; `terms` belong to a change."""

    kind: Literal["cancel", "modify", "send"]
    client_order_id: str
    terms: NewTerms | None = None


class TradingAccount:
    """One account's orders, positions and strategies."""

    def __init__(self, portfolio: Portfolio, settings: TradingSettings, now: int) -> None:
        self.portfolio = portfolio
        self.settings = settings
        self.now = now
        self.runner = Runner(self)
        self._gate = Gate(portfolio, settings.limits)
        self.actions: list[Action] = []
        self.told = Told()
        self.paper = PaperVenue(settings.paper) if settings.orders_to == PAPER else None
        """Who fills its orders; None when a broker does, who tells of them in his own time."""

    # -- inputs ----------------------------------------------------------------------------------------------------

    def set_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Take the instruments of the day that begins."""
        self.portfolio.instruments = {each.key: each for each in instruments}
        self._gate.begin_day()

    def time_after(self, step: Step) -> int:
        """Return the time after a step, ms UTC: ticks may have been received after its watermark."""
        bodies = [segment.body for segment in step.segments]
        received = [int(body.received.max()) for body in bodies if isinstance(body, TickBatch) and len(body)]
        return max([self.now, step.time, *received])

    def begins_day(self, now: int) -> bool:
        """Whether a time lies in a day for which no instruments were given."""
        return self.portfolio.state.day.day != ist_day(now)

    def take(self, step: Step, now: int) -> None:
        """Take a step of the market in: ticks, then candles, signals, timers, and what the time of day asks for.

        `now` is the `time_after` it.
        """
        state = self.portfolio.state
        if now > self.now:  # a cause may name the time: while that stands still, numbers count on
            state.numbers = {}
        self.now, state.through = now, step.time
        bodies = [segment.body for segment in step.segments]
        if self.portfolio.begin_day(now):
            left = [order for order in self.portfolio.working() if ist_day(order.decided_at) < ist_day(now)]
            self._end(left, now)
        self.portfolio.watched = self.runner.watched()
        self._ticks([body for body in bodies if isinstance(body, TickBatch)])
        candles, signals = self.told.take(step, self.portfolio.watched)
        if candles:
            self.runner.candles(candles)
        self._signals(signals)
        self.runner.timers()
        if step.time % MINUTE_MS == 0:
            self._minute()
        self.work_off_exits()

    def receive(self, updates: Iterable[VenueUpdate]) -> None:
        """Take in what the venue says of orders."""
        for update in updates:
            order = self.portfolio.orders.get(update.client_order_id)
            if order is None:
                continue
            applied = machine.apply(order, update)
            if applied is None:
                continue
            self.portfolio.put(applied.order, applied.event)
            if applied.order.state.is_final and self.is_cancelling(order):
                self.portfolio.state.cancelling.remove(order.client_order_id)
            if applied.fill is not None:
                self.runner.fill(self.portfolio.fill(applied, applied.fill, update.at))

    def take_actions(self) -> list[Action]:
        """Return what is to leave, in order: cancels first, so that nothing is sent beside what it replaces."""
        actions, self.actions = self.actions, []
        return sorted(actions, key=lambda action: action.kind)

    def resume(self) -> None:
        """Have what was decided before a restart, and is not known to have left, sent or cancelled.

        What a broker was never asked for expires: nobody knows how old it is. What he may have, he tells.
        """
        self.actions = [Action("cancel", key) for key in self.portfolio.state.cancelling]
        working = self.portfolio.working()
        if self.paper is None:
            intended = [order for order in working if order.state is OrderState.INTENDED]
            self.receive(paper.cancel(intended, self.now, "it was not sent before a restart"))
            return
        left = {OrderState.INTENDED, OrderState.SENT}
        self.actions += [Action("send", order.client_order_id) for order in working if order.state in left]

    def is_due(self, step: Step) -> bool:
        """Whether a commit is due after a step: when something changed, and each minute."""
        return self.portfolio.has_changes() or bool(self.actions) or step.time % MINUTE_MS == 0

    def take_changes(self, progress: Mapping[tuple[str, int], int]) -> Changes:
        """Return everything to be committed now."""
        self.portfolio.watched = self.runner.watched()
        changes = self.portfolio.take_changes(self.now, progress)
        changes.strategies = self.runner.take_changed()
        return changes

    # -- ordering --------------------------------------------------------------------------------------------------

    def place(self, request: OrderRequest) -> Order:
        """Judge an order and note it, to be sent once it is in the book.

        Raises:
            InvalidValue: its quantity, price or trigger is no number that the book can keep.
        """
        refuse_unkeepable(request)
        portfolio = self.portfolio
        number = portfolio.state.numbers.get(request.cause, 0)
        portfolio.state.numbers[request.cause] = number + 1
        key = client_order_id(portfolio.account, request.cause, number)
        verdict = self._gate.judge(request, key, self.now)
        order, event = machine.new_order(
            request, account=portfolio.account, client_order_id=key, verdict=verdict, at=self.now
        )
        if key in portfolio.orders:  # decided twice: the first stands
            return order
        portfolio.put(order, event)
        if verdict.is_passed:
            portfolio.count_order(request, self.now)
            self.actions.append(Action("send", key))
        else:
            log.info("order_refused", account=portfolio.account, order=key, reason=verdict.reason)
        return order

    def cancel(self, order: Order) -> None:
        """Ask for a working order to be cancelled."""
        if order.client_order_id in self.portfolio.orders and not self.is_cancelling(order):
            self.portfolio.state.cancelling.append(order.client_order_id)
            self.actions.append(Action("cancel", order.client_order_id))

    def modify(self, order: Order, quantity: int | None, price: Decimal | None, trigger: Decimal | None) -> Order:
        """Change a working order, when the risk gate lets the changed order pass.

        Raises:
            Refused: it may not be changed, or did not pass; the order stays as it is.
        """
        wanted = structs.replace(
            order,
            quantity=order.quantity if quantity is None else quantity,
            price=order.price if price is None else price,
            trigger=order.trigger if trigger is None else trigger,
        )
        if self.is_cancelling(order) or order.state not in {OrderState.OPEN, OrderState.ACCEPTED}:
            raise Refused(f"order {order.client_order_id} is {order.state.value}: it cannot be changed now")
        request = OrderRequest(
            strategy=order.strategy, instrument=order.instrument, side=order.side, quantity=wanted.quantity,
            cause=order.cause, order_type=order.order_type, product=order.product, validity=order.validity,
            price=wanted.price, trigger=wanted.trigger,
            is_exit=self.portfolio.takes_back(order.strategy, order.instrument, order.side, wanted.quantity),
        )  # fmt: skip
        refuse_unkeepable(request)
        with self.portfolio.without(order):  # judged as if it were new, the old one gone
            verdict = self._gate.judge(request, order.client_order_id, self.now, is_change=True)
        if not verdict.is_passed:
            raise Refused(f"the changed order did not pass the risk gate: {verdict.reason}")
        if self.paper is None:  # it stands as it was until the broker says that it was changed
            self.actions.append(Action("modify", order.client_order_id, NewTerms(quantity, price, trigger)))
            return order
        changed = structs.replace(wanted, risk=verdict, updated_at=self.now, sequence=order.sequence + 1)
        self.portfolio.put(changed, machine.event_of(changed, self.now))
        self.paper.changed(changed)
        return changed

    def is_exit(self, order: Order) -> bool:
        """Whether an order can do no more than take back what its strategy holds."""
        return self.portfolio.takes_back(order.strategy, order.instrument, order.side, order.remaining)

    def is_cancelling(self, order: Order) -> bool:
        """Whether it was asked to be cancelled."""
        return order.client_order_id in self.portfolio.state.cancelling

    def close(
        self, strategy: str, instrument: InstrumentKey, cause: str, tag: str = "", *, signal_id: str = "",
        trace_id: str = "", products: Collection[Product] = ALL_PRODUCTS,
    ) -> Order | None:  # fmt: skip
        """Cancel working orders and bring a strategy's position in an instrument to zero at market.

        What cannot leave now (an order that still may fill, the order rate) is tried again until the position is flat.
        Return the exit when it left now.
        """
        self._cancel_but_exits(strategy, instrument, products)
        exits = self.portfolio.state.exits
        left: Order | None = None
        for product in products:
            due = ExitDue(strategy, instrument, product, cause, tag, signal_id=signal_id, trace_id=trace_id)
            if self._open_quantity(due):
                exits[:] = [*(each for each in exits if each.key != due.key), due]
                left = self._exit(due)
        return left

    def work_off_exits(self) -> None:
        """Try the exits again that are still due; those of positions that are flat are done."""
        state = self.portfolio.state
        for due in list(state.exits):
            if self._open_quantity(due):  # an order given since would stand in the exit's way
                self._cancel_but_exits(due.strategy, due.instrument, (due.product,))
            self._exit(due)
        state.exits = [due for due in state.exits if self._open_quantity(due)]
        if state.is_closing and not state.exits:
            state.is_closing, state.kill_switch = False, True

    def _cancel_but_exits(self, strategy: str, instrument: InstrumentKey, products: Collection[Product]) -> None:
        """Cancel a strategy's working orders in an instrument, but for market orders that close what is open."""
        held = self.portfolio.quantities()
        for order in square_off.cancels(held, self.portfolio.working(instrument, strategy), products=products):
            self.cancel(order)

    def _open_quantity(self, due: ExitDue) -> int:
        position = self.portfolio.positions.get(due.key)
        return position.net_quantity if position else 0

    def _exit(self, due: ExitDue) -> Order | None:
        net = self._open_quantity(due)
        side = Side.SELL if net > 0 else Side.BUY
        quantity = abs(net) - self._gate.covering(due.strategy, due.instrument, due.product, side)
        if quantity <= 0 or not self._may_leave(due):
            return None
        order = self.place(
            OrderRequest(
                strategy=due.strategy, instrument=due.instrument, product=due.product, side=side, quantity=quantity,
                cause=f"{due.cause}/exit/{self.now}", tag=due.tag, is_exit=True, valid_until=self.now + MINUTE_MS,
                signal_id=due.signal_id, trace_id=due.trace_id,
            )
        )  # fmt: skip
        if order.risk.is_passed:
            return order
        exits = self.portfolio.state.exits
        exits[exits.index(due)] = due.after(self.now + MINUTE_MS)
        return None

    def _may_leave(self, due: ExitDue) -> bool:
        """Whether an exit has a chance to pass now: one that waits is not refused over and over."""
        return (
            not self.portfolio.state.kill_switch
            and self.now >= due.not_before
            and self._gate.phase(due.instrument, self.now) is Phase.CONTINUOUS
            and self._gate.has_room(self.now)
        )

    def set_kill_switch(self, *, is_on: bool, reason: str, squares_off: bool) -> None:
        """Pull or release the kill switch: pulled, working orders are cancelled and nothing more passes the gate.

        With `squares_off` positions are closed first: until they are, only their exits pass.
        """
        state = self.portfolio.state
        state.is_closing, state.kill_reason = False, reason if is_on else ""
        if not is_on:
            state.kill_switch = False
            return
        held = self.portfolio.quantities() if squares_off else {}
        for order in square_off.cancels(held, self.portfolio.working(), products=ALL_PRODUCTS):
            self.cancel(order)
        state.kill_switch = not squares_off
        if squares_off:
            self.square_off_all(f"kill-switch/{self.now}")
            state.is_closing = True
            self.work_off_exits()

    def square_off_all(self, cause: str, strategy: str | None = None, instrument: str | None = None) -> int:
        """Close every open position that is meant, at market; return how many."""
        meant = [
            (of, key)
            for (of, key, _), position in sorted(self.portfolio.positions.items(), key=itemgetter(0))
            if position.net_quantity and strategy in {None, of} and instrument in {None, key}
        ]
        for of, key in dict.fromkeys(meant):
            self.close(of, key, f"{cause}/{of}/{key}", "square-off")
        return len(meant)

    # -- steps, inside ---------------------------------------------------------------------------------------------

    def _ticks(self, batches: Sequence[TickBatch]) -> None:
        """Note the last prices of the step, then fill orders: what a fill leads to is the same however it was cut."""
        for batch in batches:
            last = dict(zip(batch.keys(), zip(batch.ltp.tolist(), batch.received.tolist(), strict=True), strict=True))
            for key, (ltp, at) in last.items():
                self.portfolio.mark(InstrumentKey(key), ltp, at)
        known = self.portfolio.instruments
        for batch in batches:
            sizes = {key: known[key].tick_size for key in self.portfolio.ordered() if key in known}
            if sizes and self.paper is not None:
                working = [order for order in self.portfolio.working() if order.instrument in sizes]
                self.receive(self.paper.meet(working, batch, sizes))

    def _end(self, orders: Sequence[Order], now: int) -> None:
        """End orders whose session is over: that much is sure, whatever a broker did not tell of them."""
        self.receive(paper.expire(orders, now) if self.paper is None else self.paper.expire(orders, now))

    def _signals(self, signals: Sequence[Signal]) -> None:
        told = []
        for signal in signals:
            begins = moment(milliseconds(signal.timestamp) - signal.interval.minutes * MINUTE_MS)
            told.append((signal, trace_id(signal.instrument, signal.interval, begins)))
        if told:
            self.runner.signals(told)

    def _minute(self) -> None:
        """Do what the time of day asks for: square MIS positions off before the close, end day orders at the close."""
        due, ended = set(), set()
        margin = self.settings.square_off_minutes_before_close * MINUTE_MS
        held = {key for (_, key, _), position in self.portfolio.positions.items() if position.net_quantity}
        for key in held | set(self.portfolio.ordered()):
            today = self._gate.today(key, self.now)
            if today is not None and self.now >= today.closes - margin:
                due.add(key)
            if today is None or self.now >= today.closes:
                ended.add(key)
        if self.paper is not None:  # a broker says himself what came of them
            self._end([order for order in self.portfolio.working() if order.instrument in ended], self.now)
        if due - ended:
            self._square_off(due - ended)

    def _square_off(self, due: set[InstrumentKey]) -> None:
        positions = {
            key: net
            for key, net in self.portfolio.quantities().items()
            if key[1] in due and key[2] in square_off.INTRADAY
        }
        working = [order for order in self.portfolio.working() if order.instrument in due]
        for order in square_off.cancels(positions, working):
            self.cancel(order)
        due_now = {each.key for each in self.portfolio.state.exits}
        for key, net in sorted(positions.items()):
            if net and key not in due_now:
                cause = f"square-off/{self.now}/{key[0]}/{key[1]}"
                self.close(*key[:2], cause, "square-off", products=square_off.INTRADAY)
