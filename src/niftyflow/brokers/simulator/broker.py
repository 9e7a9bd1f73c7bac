"""The simulated broker: accounts, their orders and their money, in front of the exchange that matches them.

Pure but for what it is given: it is told the session's time and the market's steps, and hands over order updates. It
opens no socket and reads no clock. Order ids are a day's date and a number, so the same calls give the same ids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import numpy as np

from niftyflow.brokers.matching import (
    AUTOMATIC_PROTECTION,
    EventKind,
    Exchange,
    ExchangeEvent,
    Listing,
    MatchingSettings,
    NewOrder,
    OrderStatus,
    Quotes,
)
from niftyflow.brokers.simulator import margins
from niftyflow.brokers.simulator.accounts import Account, Accounts, rupees, secret_text, units
from niftyflow.brokers.simulator.kite_errors import KiteError, input_error
from niftyflow.brokers.simulator.ledger import Ledger
from niftyflow.brokers.simulator.listings import Listings
from niftyflow.brokers.simulator.order_book import OrderBook, OrderRecord, OrderStep, update_status
from niftyflow.brokers.simulator.order_parameters import OrderRequest, in_parts, parse_change
from niftyflow.brokers.simulator.tape import Events, Source
from niftyflow.market import ist_day
from niftyflow.model import Kind, OrderType, Product, Side

BAND_PERCENT = 20
"""Circuit limits are this far from the previous close: the widest of NSE's bands; narrower ones are not known here."""
_NARROWEST_TICK = Decimal("0.05")
_SQUARE_OFF = "RMS"


class Update(NamedTuple):
    """An order changed: what its account is to be told."""

    record: OrderRecord
    step: OrderStep
    status: str


@dataclass(slots=True)
class AccountState:
    """One account's ledger, and what its open orders hold back, units."""

    ledger: Ledger
    blocked: int = 0


class Broker:
    """All accounts of one tape. Times are ms UTC of the session."""

    def __init__(
        self, source: Source, accounts: Accounts, *, matching: MatchingSettings | None = None, seed: int = 1,
    ) -> None:  # fmt: skip
        self.accounts = accounts
        self.listings = Listings(source.instruments)
        self.updates: list[Update] = []
        self.on_events: Callable[[Events, int], None] = lambda _events, _at: None
        self._settings = matching or MatchingSettings()
        self._seed = seed
        self._keys = np.array([str(each.key) for each in source.instruments], dtype=object)
        self._is_index = np.array([each.kind is Kind.INDEX for each in source.instruments])
        self.begin(source.sessions[0].start)

    def begin(self, at: int) -> None:
        """Begin anew at `at`: no orders, no positions, the opening money."""
        count = len(self._keys)
        self.now = at
        self.day = ist_day(at)
        self.orders = OrderBook()
        self.exchange = Exchange([Listing.of(each) for each in self.listings.instruments], self._settings, self._seed)
        self._last, self._close = np.zeros(count), np.zeros(count)
        self._numbers = 0
        self.states = {each.user_id: AccountState(Ledger.open(each)) for each in self.accounts}
        self.updates.clear()
        self.is_awake = False

    def wake(self, state: Events, at: int) -> None:
        """Follow the market from `at` on, from its last state; before somebody trades, nobody has to pay for that."""
        self.is_awake = True
        self.step(state[np.argsort(state["arrival"], kind="stable")], at)

    def step(self, events: Events, at: int) -> None:
        """Let the market do what these events say, and time pass to `at`."""
        if ist_day(at) != self.day:
            self._next_day(at)
        self.now = max(self.now, at)
        if len(events):
            self._learn(events)
            shown = events[~self._is_index[events["instrument"]]]
            if len(shown):
                quotes = Quotes.of_rupees(
                    self._keys[shown["instrument"]].tolist(), shown["ltp"], shown["day_volume"], shown["bid"],
                    shown["ask"], time=shown["arrival"],
                )  # fmt: skip
                self._take(self.exchange.market(quotes, int(shown["arrival"][-1])))
        self._take(self.exchange.advance(self.now))
        if len(events):
            self.on_events(events, self.now)

    def place(
        self, request: OrderRequest, *, placed_by: str = "", parent: str | None = None,
        meta: dict[str, Any] | None = None, is_forced: bool = False,
    ) -> OrderRecord:  # fmt: skip
        """Place an order and return it; one that Kite answers with an id may be rejected all the same.

        Raises:
            KiteError: Kite refuses the call itself, and no order comes to be.
        """
        self._numbers += 1
        order_id = f"{self.day:%y%m%d}{self._numbers:09d}"
        order = msgspec.structs.replace(request.order, order_id=order_id)
        instrument = self.listings.of_key(order.instrument)
        if instrument is None:
            raise input_error("Invalid `tradingsymbol`.")
        record = OrderRecord(
            order=order, instrument=instrument, placed_by=placed_by or order.account, tag=request.tag,
            guid=secret_text(self._seed, f"order-{order_id}", 20), meta=meta or {}, parent=parent,
        )  # fmt: skip
        lacking = "" if is_forced else self._lacking(record)
        self.orders.add(record)
        if lacking:
            self._reject(record, lacking)
            return record
        events = self.exchange.place(order, self.now)
        own = next((each for each in events if each.order_id == order_id), None)
        if own is not None and own.refusal is not None and own.refusal.is_input:
            self.orders.drop(record)
            self.states[order.account].blocked -= record.blocked
            self._take([each for each in events if each is not own])
            raise input_error(own.reason)
        self._take(events)
        return record

    def modify(self, account: str, order_id: str, form: dict[str, str]) -> OrderRecord:
        """Ask the exchange to change an order.

        Raises:
            KiteError: there is no such order, it is over, or the change is none.
        """
        record = self._open_order(account, order_id)
        change = parse_change(form, order_id)
        record.is_cancelling = False
        self._ask(record, self.exchange.modify(change, self.now))
        return record

    def cancel(self, account: str, order_id: str) -> OrderRecord:
        """Ask the exchange to cancel an order.

        Raises:
            KiteError: there is no such order, or it is over.
        """
        record = self._open_order(account, order_id)
        record.is_cancelling = True
        self._ask(record, self.exchange.cancel(order_id, self.now))
        return record

    def halt(self) -> None:
        """Stop trading."""
        self._take(self.exchange.halt(self.now))

    def resume(self) -> None:
        """Go on trading."""
        self._take(self.exchange.resume(self.now))

    def price_of(self, key: str) -> int:
        """Return an instrument's last price, units; 0 before its first."""
        return self._price(self._last, key)

    def close_of(self, key: str) -> int:
        """Return an instrument's previous close, units; 0 where it is not known."""
        return self._price(self._close, key)

    def limits_of(self, key: str) -> tuple[float, float]:
        """Return an instrument's circuit limits, rupees."""
        lower, upper = _band(self.close_of(key))
        return rupees(lower), rupees(upper)

    def estimate(self, order: NewOrder) -> tuple[int, int]:
        """Return what an order needs and at which price that is reckoned; units."""
        instrument = self.listings.of_key(order.instrument)
        if instrument is None:
            raise input_error("Invalid `tradingsymbol`.")
        price = order.price or order.trigger or self.price_of(order.instrument)
        ledger = self.states[order.account].ledger
        return margins.order_margin(ledger, instrument, order.product, order.side, order.quantity, price), price

    def account_of(self, user_id: str) -> Account:
        """Return an account by its user."""
        return self.states[user_id].ledger.account

    def _lacking(self, record: OrderRecord) -> str:
        """Return why the account cannot give this order, in Kite's words; "" when it can."""
        order, state = record.order, self.states[record.order.account]
        if _is_delivery(order):
            free_shares = state.ledger.deliverable(order.instrument) - self._promised(order)
            return "" if free_shares >= order.quantity else "Insufficient stock holding"
        needed, _ = self.estimate(order)
        free = margins.available(state.ledger, self.listings, self.price_of, state.blocked)
        if needed <= free:
            record.blocked = needed
            state.blocked += needed
            return ""
        return (
            f"Insufficient funds. Required margin is {rupees(needed):.2f} but available margin is {rupees(free):.2f}."
        )

    def _promised(self, order: NewOrder) -> int:
        """Return how many of the same shares the account's open orders sell from its holdings already."""
        return sum(
            each.last.quantity - each.last.filled
            for each in self.orders.of_account(order.account)
            if each.is_open and _is_delivery(each.order) and each.order.instrument == order.instrument
        )

    def _reject(self, record: OrderRecord, reason: str) -> None:
        order = record.order
        record.status = OrderStatus.REJECTED
        step = OrderStep(
            OrderStatus.REJECTED, self.now, order.quantity, order.price, order.trigger, 0, 0, 0, reason
        )  # fmt: skip
        record.steps += [step._replace(status=OrderStatus.RECEIVED, reason=""), step]
        self.updates.append(Update(record, step, OrderStatus.REJECTED.value))

    def _open_order(self, account: str, order_id: str) -> OrderRecord:
        record = self.orders.of(order_id)
        if record is None or record.order.account != account:
            raise input_error("Couldn't find that `order_id`.")
        if not record.is_open:
            raise KiteError("OrderException", f"Order cannot be changed as it is already {record.status.lower()}.")
        return record

    def _ask(self, record: OrderRecord, events: list[ExchangeEvent]) -> None:
        self._take(events)
        for each in events:
            if each.order_id == record.order.order_id and each.refusal is not None:
                raise KiteError("InputException" if each.refusal.is_input else "OrderException", each.reason)

    def _take(self, events: list[ExchangeEvent]) -> None:
        for event in events:
            if event.kind is EventKind.SQUARE_OFF:
                self._square_off(event)
                continue
            record = self.orders.of(event.order_id)
            if record is not None:
                self._book(record, event)

    def _book(self, record: OrderRecord, event: ExchangeEvent) -> None:
        if event.kind in {EventKind.OPENED, EventKind.MODIFIED, EventKind.TRIGGERED} or not record.exchange_order_id:
            view = self.exchange.order(event.order_id)
            if view is not None:
                record.order = view.order
                record.exchange_order_id, record.exchange_at = view.exchange_order_id, view.exchange_at
        record.take(event)
        state = self.states[event.account]
        trade = event.trade
        if trade is not None:
            state.ledger.trade(trade.instrument, trade.product, trade.side, trade.quantity, trade.price)
        self._hold(record, state, event)
        status = update_status(event)
        if status is not None:
            self.updates.append(Update(record, record.last, status))

    def _hold(self, record: OrderRecord, state: AccountState, event: ExchangeEvent) -> None:
        """Hold back what the order still needs: its share of what it needed, or what it needs after a change."""
        left = 0 if event.status.is_final or not event.quantity else event.quantity - event.filled
        if event.kind is EventKind.MODIFIED:
            needed, _ = self.estimate(msgspec.structs.replace(record.order, quantity=left))
            state.blocked += needed - record.blocked
            record.blocked = needed
        before = left + (event.trade.quantity if event.trade is not None else 0)
        held = 0 if not left else record.blocked * left // before
        state.blocked += held - record.blocked
        record.blocked = held

    def _square_off(self, event: ExchangeEvent) -> None:
        position = self.states[event.account].ledger.positions.get((event.instrument, Product.MIS))
        if position is None or not position.quantity:
            return
        instrument = self.listings.of_key(event.instrument)
        for quantity in in_parts(abs(position.quantity), instrument.freeze_quantity if instrument else None):
            order = NewOrder(
                order_id="", account=event.account, instrument=event.instrument,
                side=Side.SELL if position.quantity > 0 else Side.BUY, quantity=quantity,
                order_type=OrderType.MARKET, product=Product.MIS, market_protection=AUTOMATIC_PROTECTION,
            )  # fmt: skip
            self.place(OrderRequest(order, "", is_autosliced=False), placed_by=_SQUARE_OFF, is_forced=True)

    def _learn(self, events: Events) -> None:
        places = events["instrument"]
        self._last[places] = events["ltp"]
        closes = self._close.copy()
        closes[places] = events["close"]
        for place in np.flatnonzero(closes != self._close).tolist():
            instrument = self.listings.instruments[place]
            if instrument.kind is not Kind.INDEX:
                close = units(closes[place])
                lower, upper = _band(close)
                self.exchange.relist(Listing.of(instrument, lower_band=lower, upper_band=upper, previous_close=close))
        self._close = closes

    def _next_day(self, at: int) -> None:
        """Go over to another day: the orders of the day before are over, deliveries have become holdings."""
        self._take(self.exchange.advance(at))
        for state in self.states.values():
            state.ledger.next_day(self.price_of)
        self.day, self._numbers = ist_day(at), 0
        self.orders.new_day()

    def _price(self, prices: np.ndarray[Any, np.dtype[np.float64]], key: str) -> int:
        place = self.listings.place_of_key(key)
        return 0 if place is None else units(float(prices[place]))


def _is_delivery(order: NewOrder) -> bool:
    return order.product is Product.CNC and order.side is Side.SELL


def _band(close: int) -> tuple[int, int]:
    """Return the lowest and highest price of a day in whole ticks of 0.05 rupee, units."""
    tick = units(_NARROWEST_TICK)
    if not close:
        return 0, 0
    return -(-close * (100 - BAND_PERCENT) // 100 // tick) * tick, close * (100 + BAND_PERCENT) // 100 // tick * tick
