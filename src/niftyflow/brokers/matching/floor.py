"""The trading day of the instruments that share hours: what every step of the session does to their books.

Owns auctions, carrying over, expiry and square-off. It is told when; it never looks at a clock.
"""

from __future__ import annotations

from niftyflow.brokers.matching.auction import Interest, allocate, equilibrium
from niftyflow.brokers.matching.book import Book
from niftyflow.brokers.matching.desk import Desk
from niftyflow.brokers.matching.hours import Mode, Step, What
from niftyflow.brokers.matching.journal import Journal
from niftyflow.brokers.matching.market_side import MarketSide
from niftyflow.brokers.matching.messages import EventKind
from niftyflow.brokers.matching.queue import Queue
from niftyflow.brokers.matching.quotes import Quote
from niftyflow.brokers.matching.settings import MatchingSettings
from niftyflow.brokers.matching.working import AT_ANY_PRICE
from niftyflow.model import Product

PERCENT = 100


class Floor:
    """Books in one mode. `reason` says why it is closed where no calendar knows the day."""

    def __init__(self, desk: Desk, journal: Journal, settings: MatchingSettings) -> None:
        self.books: list[Book] = []
        self.mode = Mode.CLOSED
        self.reason = ""
        self._desk = desk
        self._journal = journal
        self._settings = settings
        self._is_reference = False
        self._is_auction_over = False
        self._actions = {
            What.TURN: self._turn,
            What.OPEN: self._open,
            What.REFERENCE: self._reference,
            What.CARRY: self._carry,
            What.SQUARE_OFF: self._square_off,
            What.EXPIRE: self._expire,
        }

    def row(self, book: Book, quote: Quote, mode: Mode) -> None:
        """Take in what the market did in one instrument."""
        traded = book.note(quote, is_reference=self._is_reference)
        if book.is_idle:
            book.later(quote)
            return
        book.catch_up()
        if mode is Mode.CONTINUOUS:
            self._desk.continuous_row(book, quote, traded)
            return
        if self._is_auction_over and traded and quote.ltp > 0:
            # the replay tells the auction's trades after the fact: they fill ours at the auction's price
            book.print_trades(traded, quote.ltp, quote.ltp)
        book.show(quote)

    def run(self, step: Step) -> None:
        """Do what a step of the session asks."""
        if step.mode is not None:
            self.mode = step.mode
        if step.what is What.AUCTION:
            self._auction(is_closing=step.is_closing)
        else:
            self._actions[step.what]()

    def _turn(self) -> None:
        self._is_auction_over = False
        if self.mode is Mode.COLLECTING:
            for book in self.books:
                if book.held:
                    self._desk.release(book)

    def _open(self) -> None:
        self._is_auction_over = self._is_reference = False
        for book in self.books:
            self._desk.open(book)

    def _reference(self) -> None:
        self._is_reference = True

    def _auction(self, *, is_closing: bool) -> None:
        """Match every book at one price. Self trades are not prevented here: all orders meet at once, none comes in."""
        self._is_auction_over = True
        for book in self.books:
            if not (book.bids.keys or book.asks.keys):
                continue
            book.catch_up()
            reference = book.reference_price if is_closing else 0
            buys, sells = _interests(book, book.bids, book.market_bids), _interests(book, book.asks, book.market_asks)
            price = equilibrium(buys, sells, reference or book.listing.previous_close or book.last_price)
            if not price:
                continue
            book.auction_price = price
            for match in allocate(buys, sells, price, market_first=is_closing):
                book.fill_auction(match, price)

    def _carry(self) -> None:
        """Carry limit orders near the reference price into the closing auction, and end the others.

        Limit orders are carried over and the band is 3 % (SEBI, 2026-01-16, para 4.2). That stop orders, and limit
        orders outside the band, end here is our reading: no source at hand settles it.
        """
        self._is_reference = False
        percent = self._settings.closing_band_percent
        for book in self.books:
            book.fix_reference()
            reference = book.reference_price
            for one in book.waiting():
                self._desk.end(one, EventKind.EXPIRED, "Stop loss orders are not carried into the closing auction")
            for one in book.resting():
                is_far = abs(abs(one.key) - reference) * PERCENT > reference * percent
                if reference and one.key != AT_ANY_PRICE and is_far:
                    self._desk.end(one, EventKind.EXPIRED, "The price is outside the band of the closing auction")

    def _expire(self) -> None:
        """End what stands at the close; after-market orders stay held."""
        self._is_auction_over = False
        for book in self.books:
            for one in sorted([*book.waiting(), *book.resting()], key=lambda each: each.number):
                self._desk.end(one, EventKind.EXPIRED, "The order was cancelled by the exchange at the session's end")
            book.clear()

    def _square_off(self) -> None:
        names = {book.listing.instrument for book in self.books}
        for book in self.books:
            for one in sorted([*book.waiting(), *book.resting()], key=lambda each: each.number):
                if one.order.product is Product.MIS:
                    self._desk.end(one, EventKind.CANCELLED, "Intraday orders are cancelled before square-off")
        for (account, instrument), quantity in sorted(self._journal.intraday.items()):
            if quantity and instrument in names:
                self._journal.square_off(account, instrument, quantity)


def _interests(book: Book, own: Queue, side: MarketSide) -> list[Interest]:
    levels = [] if book.is_stand_in else [Interest(key, side.available(key)) for key in side.keys]
    return [*levels, *(Interest(one.key, one.remaining, one) for one in own)]
