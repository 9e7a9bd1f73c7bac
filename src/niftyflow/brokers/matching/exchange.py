"""The exchange: orders and the replayed market in, events out. No clock, no I/O; the same calls give the same events.

Owns the order of things in time: what is due (an order after its latency, a step of the session, a TTL's end) happens
at its own moment, before anything that comes at or after it. So the batching of rows changes nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial

from niftyflow.brokers.matching.book import Book
from niftyflow.brokers.matching.desk import Desk
from niftyflow.brokers.matching.floor import Floor
from niftyflow.brokers.matching.hours import MINUTE_MS, Mode, Step, What, mixed, plan
from niftyflow.brokers.matching.journal import Journal
from niftyflow.brokers.matching.messages import (
    Depth,
    EventKind,
    ExchangeEvent,
    Listing,
    NewOrder,
    OrderChange,
    OrderView,
    Refusal,
    TimeInForce,
    Trade,
    Variety,
)
from niftyflow.brokers.matching.quotes import Quotes
from niftyflow.brokers.matching.rules import Found
from niftyflow.brokers.matching.settings import Hours, MatchingSettings
from niftyflow.brokers.matching.working import Working
from niftyflow.market import SessionClass, day_start, ist_day, session, session_class
from niftyflow.model import InvalidValue, Refused, UnknownInstrument

SESSION, TIME_OUT, ARRIVAL = range(3)
"""What goes first at one moment: the session's steps, then what runs out, then what arrives."""


class Exchange:
    """Our own accounts' orders among a replayed market, by price and time. One thread; made for one process.

    Every call first lets time pass to its `at` (ms UTC; an earlier one counts as the latest seen) and returns
    everything that happened, of all accounts, in order.
    """

    def __init__(self, instruments: Sequence[Listing], settings: MatchingSettings | None = None, seed: int = 0) -> None:
        """Open an exchange on which these instruments are listed.

        Raises:
            InvalidValue: two listings have one key.
        """
        self._settings = settings or MatchingSettings()
        self._seed = seed
        self._journal = Journal()
        self._books: dict[str, Book] = {}
        self._desk = Desk(self._books, self._settings, self._journal, self._mode_of)
        self._floors: dict[SessionClass | str, Floor] = {}
        self._floor_of: dict[str, Floor] = {}
        self._orders: dict[str, Working] = {}
        self._by_account: dict[str, list[Working]] = {}
        self._due: list[tuple[int, int, int, Callable[[], None]]] = []
        self._count = 0
        self._orders_seen = 0
        self._day: date | None = None
        self._until_when = 0
        self._is_halted = False
        for listing in instruments:
            if listing.instrument in self._books:
                raise InvalidValue("instruments", listing.instrument, "an instrument is listed once")
            self._books[listing.instrument] = Book(
                listing, self._settings, self._journal.traded, self._desk.end_self_trade
            )

    def place(self, order: NewOrder, at: int) -> list[ExchangeEvent]:
        """Take an order in: it meets the book a latency later. A refusal is an event, and then no order is kept."""
        self._until(at)
        found = self._refusal_of(order)
        if found is not None:
            self._journal.refused(order.order_id, order, EventKind.REJECTED, found.refusal, found.reason)
            return self._journal.taken()
        book = self._books[order.instrument]
        self._orders_seen += 1
        one = Working.of(order, self._orders_seen, book.listing.lot_size, self._journal.now)
        self._orders[order.order_id] = one
        self._by_account.setdefault(order.account, []).append(one)
        self._journal.live += 1
        self._journal.told(EventKind.RECEIVED, one)
        if order.variety is Variety.AMO:
            book.held[one.number] = one
        else:
            self._after_latency(one.number, partial(self._desk.arrive, one))
        if order.validity is TimeInForce.TTL:
            one.valid_until = self._journal.now + order.minutes * MINUTE_MS
            self._at(one.valid_until, TIME_OUT, partial(self._time_out, one))
        return self._settled()

    def modify(self, change: OrderChange, at: int) -> list[ExchangeEvent]:
        """Change an order: what is wrong is refused at once, the rest decides itself when the change has arrived."""
        self._until(at)
        one = self._orders.get(change.order_id)
        found = _unknown(change.order_id) if one is None else self._desk.judge_change(one, change)
        if one is None or found is not None:
            return self._refuse(change.order_id, one, found)
        self._journal.told(EventKind.REQUESTED, one)
        self._after_latency(-one.number, partial(self._desk.change, one, change))
        if TimeInForce.TTL in {change.validity, one.order.validity}:
            minutes = change.minutes or one.order.minutes
            self._at(self._journal.now + minutes * MINUTE_MS, TIME_OUT, partial(self._time_out, one))
        return self._settled()

    def cancel(self, order_id: str, at: int) -> list[ExchangeEvent]:
        """Cancel an order a latency later; it may have been filled by then, and the cancellation is refused."""
        self._until(at)
        one = self._orders.get(order_id)
        found = _unknown(order_id) if one is None else self._desk.judge_cancel(one)
        if one is None or found is not None:
            return self._refuse(order_id, one, found)
        self._journal.told(EventKind.REQUESTED, one)
        self._after_latency(-one.number, partial(self._desk.cancel, one))
        return self._settled()

    def market(self, quotes: Quotes, at: int) -> list[ExchangeEvent]:
        """Take in what the rest of the market did, row by row, each at its own time where the rows have one.

        Rows of instruments that are not listed are passed over. Time stands at the last row afterwards.
        """
        journal, due = self._journal, self._due
        if self._day is None:
            self._until(at if quotes.time is None or not len(quotes) else int(quotes.time[0]))
        for quote in quotes.rows(at):
            if due and due[0][0] <= quote.time:
                self._until(quote.time)
            elif quote.time > journal.now:
                journal.now = quote.time
            book = self._books.get(quote.instrument)
            if book is not None:
                floor = self._floor_of[quote.instrument]
                floor.row(book, quote, Mode.HALTED if self._is_halted else floor.mode)
        return journal.taken()

    def advance(self, at: int) -> list[ExchangeEvent]:
        """Let time pass: latencies, the session's steps, auctions, release of AMOs, expiry, square-off times."""
        self._until(at)
        return self._journal.taken()

    def halt(self, at: int) -> list[ExchangeEvent]:
        """Stop matching in everything; orders that arrive meanwhile are rejected, those that stand stay."""
        self._until(at)
        self._is_halted = True
        return self._journal.taken()

    def resume(self, at: int) -> list[ExchangeEvent]:
        """Go on after a halt: what stands meets the market as it is now."""
        self._until(at)
        if self._is_halted:
            self._is_halted = False
            for book in self._books.values():
                if self._mode_of(book.listing.instrument) is Mode.CONTINUOUS and not book.is_idle:
                    book.cross()
                    self._desk.trigger(book)
        return self._journal.taken()

    def relist(self, listing: Listing) -> None:
        """Give an instrument the terms of a new day; orders that stand keep theirs.

        Raises:
            UnknownInstrument: it is not listed.
        """
        self._book(listing.instrument).relist(listing)

    def forget_finished(self) -> None:
        """Drop orders that have ended and all trades, as a broker does overnight; ids may be used again then."""
        self._journal.trades.clear()
        self._orders = {name: one for name, one in self._orders.items() if not one.status.is_final}
        self._by_account = {}
        for one in self._orders.values():
            self._by_account.setdefault(one.order.account, []).append(one)

    def next_event_at(self) -> int | None:
        """Return when `advance` next has something to do, ms UTC; None before the first call."""
        return self._due[0][0] if self._due else None

    def mode(self, instrument: str) -> Mode:
        """Return what the market does with orders of an instrument now.

        Raises:
            UnknownInstrument: it is not listed.
        """
        self._book(instrument)
        return self._mode_of(instrument)

    def last_price(self, instrument: str) -> int:
        """Return the market's last price, 0 before the first row.

        Raises:
            UnknownInstrument: it is not listed.
        """
        return self._book(instrument).last_price

    def order(self, order_id: str) -> OrderView | None:
        """Return an order, or None."""
        one = self._orders.get(order_id)
        return None if one is None else one.view()

    def orders(self, account: str) -> list[OrderView]:
        """Return an account's orders as they came."""
        return [one.view() for one in self._by_account.get(account, ())]

    def trades(self, account: str) -> list[Trade]:
        """Return an account's trades as they happened."""
        return list(self._journal.trades.get(account, ()))

    def depth(self, instrument: str) -> Depth:
        """Return the best five prices a side, the market and our orders together.

        Raises:
            UnknownInstrument: it is not listed.
        """
        return self._book(instrument).depth()

    def _book(self, instrument: str) -> Book:
        book = self._books.get(instrument)
        if book is None:
            raise UnknownInstrument(f"{instrument} is not listed on the simulated exchange")
        return book

    def _mode_of(self, instrument: str) -> Mode:
        mode = self._floor_of[instrument].mode
        return Mode.HALTED if self._is_halted and mode is not Mode.CLOSED else mode

    def _refusal_of(self, order: NewOrder) -> Found | None:
        if order.instrument not in self._books:
            return Found(Refusal.UNKNOWN_INSTRUMENT, f"The instrument {order.instrument} does not exist.")
        if order.order_id in self._orders:
            return Found(Refusal.DUPLICATE_ORDER, f"There is an order {order.order_id} already.")
        found = self._desk.judge(order)
        if found is not None:
            return found
        is_closed = self._mode_of(order.instrument) is Mode.CLOSED
        if order.variety is Variety.AMO:
            reason = "After market orders are not taken while the market is open. Place a regular order."
            return None if is_closed else Found(Refusal.MARKET_OPEN, reason)
        reason = self._floor_of[order.instrument].reason
        told = f"Markets are closed right now. Place an after market order (AMO). {reason}".rstrip()
        return Found(Refusal.MARKET_CLOSED, told) if is_closed else None

    def _refuse(self, order_id: str, one: Working | None, found: Found | None) -> list[ExchangeEvent]:
        if one is None:
            self._journal.refused(order_id, None, EventKind.REFUSED, Refusal.UNKNOWN_ORDER, _unknown(order_id).reason)
        elif found is not None:
            self._journal.told(EventKind.REFUSED, one, found.reason, found.refusal)
        return self._journal.taken()

    def _time_out(self, one: Working) -> None:
        if one.status.is_final or one.order.validity is not TimeInForce.TTL:
            return
        if one.valid_until > self._journal.now:
            self._at(one.valid_until, TIME_OUT, partial(self._time_out, one))
        else:
            self._desk.end(one, EventKind.EXPIRED, "The order's validity of some minutes has run out")

    def _after_latency(self, number: int, action: Callable[[], None]) -> None:
        jitter = self._settings.latency_jitter_ms
        drawn = mixed(self._seed, number) % (jitter + 1) if jitter else 0
        self._at(self._journal.now + self._settings.latency_ms + drawn, ARRIVAL, action)

    def _at(self, due: int, rank: int, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (due, rank, self._count, action))

    def _settled(self) -> list[ExchangeEvent]:
        self._until(self._journal.now)
        return self._journal.taken()

    def _until(self, at: int) -> None:
        """Do everything that is due up to a moment, each at its own time."""
        journal = self._journal
        if self._day is None:
            self._start_day(ist_day(at))
        self._until_when = at
        while self._due and self._due[0][0] <= at:
            due, _, _, action = heapq.heappop(self._due)
            journal.now = max(journal.now, due)
            action()
        journal.now = max(journal.now, at)

    def _start_day(self, day: date) -> None:
        """Lay out a day: who shares hours, and the steps of each session."""
        self._day = day
        self._journal.intraday.clear()
        for floor in self._floors.values():
            floor.books = []
        is_always = self._settings.hours is Hours.ALWAYS
        for name, book in self._books.items():
            book.start_day()
            floor = self._always_open() if is_always else self._floor_on(book.listing, day)
            floor.books.append(book)
            self._floor_of[name] = floor
        self._at(day_start(day + timedelta(days=1)), SESSION, partial(self._next_day, day + timedelta(days=1)))

    def _next_day(self, day: date) -> None:
        """Begin the next day, or, with no order that could live to see them, leave out days that nobody asks about."""
        if not self._journal.live:
            day = max(day, ist_day(self._until_when))
        if self._settings.hours is Hours.ALWAYS:
            for floor in self._floors.values():
                floor.run(Step(day_start(day), What.EXPIRE, None))
        self._start_day(day)

    def _always_open(self) -> Floor:
        floor = self._floors.get(Hours.ALWAYS)
        if floor is None:
            floor = self._floors[Hours.ALWAYS] = Floor(self._desk, self._journal, self._settings)
            floor.mode = Mode.CONTINUOUS
        return floor

    def _floor_on(self, listing: Listing, day: date) -> Floor:
        """Return the floor that an instrument trades on that day; closed, with the reason, where nobody knows."""
        if listing.expiry is not None and day > listing.expiry:
            return self._closed(listing.instrument, f"{listing.instrument} expired on {listing.expiry}.")
        try:
            of = session_class(listing.to_instrument(), day)
        except Refused as unknown:
            return self._closed(listing.instrument, str(unknown))
        floor = self._floors.get(of)
        if floor is None or not floor.books:
            floor = self._floors.setdefault(of, Floor(self._desk, self._journal, self._settings))
            floor.mode, floor.reason = Mode.CLOSED, ""
            self._lay_out(floor, of, day)
        return floor

    def _lay_out(self, floor: Floor, of: SessionClass, day: date) -> None:
        try:
            found = session(of, day)
        except Refused as unknown:
            floor.reason = str(unknown)
            return
        if found is not None:
            for step in plan(found, self._settings.square_off_minutes_before_close, self._seed):
                self._at(step.at, SESSION, partial(floor.run, step))

    def _closed(self, instrument: str, reason: str) -> Floor:
        floor = self._floors.setdefault(instrument, Floor(self._desk, self._journal, self._settings))
        floor.reason = reason
        return floor


def _unknown(order_id: str) -> Found:
    return Found(Refusal.UNKNOWN_ORDER, f"Couldn't find that `order_id`: {order_id}.")
