"""The life of one order at the exchange: it arrives, waits for its trigger, meets the book, changes, and ends.

Owns what becomes of an order in each mode of the market. It never decides when anything happens.
"""

from __future__ import annotations

from collections.abc import Callable

from niftyflow.brokers.matching.book import SELF_TRADE, Book
from niftyflow.brokers.matching.hours import MINUTE_MS, Mode
from niftyflow.brokers.matching.journal import Journal
from niftyflow.brokers.matching.messages import EventKind, NewOrder, OrderChange, OrderStatus, Refusal, TimeInForce
from niftyflow.brokers.matching.quotes import Quote
from niftyflow.brokers.matching.rules import (
    PRICED,
    STOPS,
    Asked,
    Found,
    changed,
    check,
    check_closing_band,
    check_mode,
    protected_limit,
)
from niftyflow.brokers.matching.settings import MatchingSettings
from niftyflow.brokers.matching.working import AT_ANY_PRICE, Working
from niftyflow.model import OrderType

COLLECTING = frozenset({Mode.COLLECTING, Mode.LIMIT_ONLY})
UNMOVABLE = frozenset({Mode.FROZEN, Mode.HALTED})
NO_LAST_PRICE = Found(
    Refusal.NO_LAST_PRICE, "There is no last traded price to protect a market order with. Use a limit order."
)


class Desk:
    """Handles orders of all books; `mode_of` says what the market does for an instrument now."""

    def __init__(
        self, books: dict[str, Book], settings: MatchingSettings, journal: Journal, mode_of: Callable[[str], Mode]
    ) -> None:
        self._books = books
        self._settings = settings
        self._journal = journal
        self._mode_of = mode_of

    def judge(self, order: NewOrder, *, is_triggered: bool = False) -> Found | None:
        """Return which rule an order's terms break, or None."""
        book = self._books[order.instrument]
        return check(Asked(order, book.listing, self._settings, book.last_price, is_triggered))

    def arrive(self, one: Working) -> None:
        """Let an order reach the exchange; after-market orders are released by this too."""
        if one.status.is_final:
            return
        found = self._judge_entry(one.order)
        if found is not None:
            self._journal.finish(one, EventKind.REJECTED, found.reason, found.refusal)
            return
        self._journal.number_exchange_order(one)
        self._enter(one, EventKind.OPENED)

    def change(self, one: Working, change: OrderChange) -> None:
        """Apply a change that has reached the exchange, or refuse it.

        Less quantity at the same price keeps the place in the queue; anything else joins at the back.
        """
        found = self.judge_change(one, change)
        if found is not None:
            self._journal.told(EventKind.REFUSED, one, found.reason, found.refusal)
            return
        before, one.order = one.order, changed(one.order, change)
        if one.order.validity is TimeInForce.TTL and {change.minutes, change.validity} != {None}:
            one.valid_until = self._journal.now + one.order.minutes * MINUTE_MS
        if one.status in {OrderStatus.RECEIVED, OrderStatus.AMO_RECEIVED}:
            self._journal.told(EventKind.MODIFIED, one)
            return
        if one.is_resting and _keeps_place(before, one.order):
            one.shown = min(one.shown, one.remaining)
            self._journal.told(EventKind.MODIFIED, one)
            return
        one.version += 1
        self._books[one.order.instrument].remove(one)
        self._enter(one, EventKind.MODIFIED)

    def judge_change(self, one: Working, change: OrderChange) -> Found | None:
        """Return why an order cannot be changed so, or None."""
        if one.status.is_final:
            return Found(Refusal.FINAL, f"Order cannot be modified as it is being processed or is {one.status}.")
        mode = self._mode_of(one.order.instrument)
        if one.exchange_order_id and mode in UNMOVABLE:
            return Found(Refusal.PHASE, "Orders cannot be modified in the current market phase.")
        order = changed(one.order, change)
        if order == one.order:
            return Found(Refusal.NOTHING_TO_CHANGE, "Nothing in the order would change.")
        if order.quantity <= one.filled:
            return Found(Refusal.QUANTITY, f"Quantity has to be above the {one.filled} that are filled.")
        found = self.judge(order, is_triggered=one.is_triggered)
        if found is None and one.exchange_order_id:
            found = self._judge_entry(order, is_triggered=one.is_triggered)
        return found

    def judge_cancel(self, one: Working) -> Found | None:
        """Return why an order cannot be cancelled, or None."""
        if one.status.is_final:
            return Found(Refusal.FINAL, f"Order cannot be cancelled as it is being processed or is {one.status}.")
        if one.exchange_order_id and self._mode_of(one.order.instrument) is Mode.FROZEN:
            return Found(Refusal.PHASE, "Orders cannot be cancelled in the current market phase.")
        return None

    def cancel(self, one: Working) -> None:
        """Cancel an order on its owner's word, or refuse it."""
        found = self.judge_cancel(one)
        if found is not None:
            self._journal.told(EventKind.REFUSED, one, found.reason, found.refusal)
            return
        self.end(one, EventKind.CANCELLED, "")

    def end(self, one: Working, kind: EventKind, reason: str) -> None:
        """Take an order out of everything and end it."""
        book = self._books[one.order.instrument]
        book.remove(one)
        book.held.pop(one.number, None)
        self._journal.finish(one, kind, reason)

    def end_self_trade(self, one: Working, reason: str) -> None:
        """Cancel an order that stood in the way of its own account's order."""
        self.end(one, EventKind.CANCELLED, reason)

    def trigger(self, book: Book) -> None:
        """Let every stop order whose trigger the last price has reached enter the book, one after the other."""
        while (one := book.triggered()) is not None:
            one.version += 1
            one.is_triggered = True
            self._work(one, EventKind.TRIGGERED)

    def continuous_row(self, book: Book, quote: Quote, traded: int) -> None:
        """Let a row of continuous trading meet our orders: its trades first, then its levels, then triggers."""
        if traded and quote.ltp > 0:
            book.print_trades(traded, quote.ltp)
        book.show(quote)
        book.cross()
        self.trigger(book)

    def open(self, book: Book) -> None:
        """Begin continuous trading: what an auction left goes on, market orders at its price, with their time.

        Without an auction's price the last or previous close stands in, as the exchange does; without any the market
        order ends.
        """
        book.catch_up()
        for one in book.resting():
            if one.key == AT_ANY_PRICE:
                book.remove(one)
                price = book.auction_price or book.last_price or book.listing.previous_close
                if not price:
                    self._journal.finish(one, EventKind.CANCELLED, NO_LAST_PRICE.reason)
                    continue
                one.key = -price if one.is_buy else price
                book.rest(one)
        book.requeue()
        book.cross()
        self.trigger(book)
        for number in sorted(book.held):
            if number in book.held:
                self.arrive(book.held.pop(number))

    def release(self, book: Book) -> None:
        """Send the after-market orders that a call auction takes; stop orders wait for continuous trading."""
        for number in sorted(book.held):
            if book.held[number].order.order_type not in STOPS:
                self.arrive(book.held.pop(number))

    def _judge_entry(self, order: NewOrder, *, is_triggered: bool = False) -> Found | None:
        mode, book = self._mode_of(order.instrument), self._books[order.instrument]
        found = check_mode(order, mode, is_triggered=is_triggered)
        if found is None and mode in COLLECTING and order.order_type in PRICED:
            found = check_closing_band(order.price, book.reference_price, self._settings.closing_band_percent)
        return found

    def _enter(self, one: Working, kind: EventKind) -> None:
        if one.order.order_type in STOPS and not one.is_triggered:
            book = self._books[one.order.instrument]
            one.status = OrderStatus.TRIGGER_PENDING
            self._journal.told(kind, one)
            book.wait(one)
            if self._mode_of(one.order.instrument) is Mode.CONTINUOUS:
                self.trigger(book)
            return
        self._work(one, kind)

    def _work(self, one: Working, kind: EventKind) -> None:
        """Let an order meet the book, and what is left of it rest or end."""
        book = self._books[one.order.instrument]
        book.catch_up()
        mode = self._mode_of(one.order.instrument)
        if not self._set_key(one, book, mode):
            self._journal.finish(one, EventKind.REJECTED, NO_LAST_PRICE.reason, NO_LAST_PRICE.refusal)
            return
        one.status = OrderStatus.OPEN
        self._journal.told(kind, one)
        if mode in COLLECTING:
            book.rest(one)
            return
        if not book.match(one):
            self.end(one, EventKind.CANCELLED, SELF_TRADE)
        elif one.remaining:
            self._leave(one, book)

    def _leave(self, one: Working, book: Book) -> None:
        if one.order.validity is TimeInForce.IOC:
            self._journal.finish(one, EventKind.CANCELLED, "IOC: what could not be filled at once is cancelled")
        elif one.key == AT_ANY_PRICE:
            self._journal.finish(one, EventKind.CANCELLED, "The market order found no more on the other side")
        else:
            book.rest(one)

    def _set_key(self, one: Working, book: Book, mode: Mode) -> bool:
        """Set the price that an order works at; False when a market order has nothing to be protected by."""
        order = one.order
        if order.order_type in PRICED:
            price = order.price
        elif mode in COLLECTING or not order.market_protection:
            one.key = AT_ANY_PRICE
            return True
        elif book.last_price:
            price = protected_limit(order, book.listing, self._settings, book.last_price)
        else:
            return False
        one.key = -price if one.is_buy else price
        return True


def _keeps_place(before: NewOrder, now: NewOrder) -> bool:
    has_same_price = before.price == now.price and before.order_type is now.order_type is not OrderType.MARKET
    return (
        has_same_price
        and now.quantity <= before.quantity
        and before.disclosed_quantity == now.disclosed_quantity
        and before.validity is now.validity
    )
