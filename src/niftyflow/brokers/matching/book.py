"""One instrument's book: our own orders among what the replay shows of the market. Price first, then time.

Owns how orders meet. Makes no events and knows no clock: every trade is told to `report`, which counts it as filled.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from niftyflow.brokers.matching.auction import Match
from niftyflow.brokers.matching.market_side import MarketSide, levels_of
from niftyflow.brokers.matching.messages import Depth, DepthLevel, Listing
from niftyflow.brokers.matching.queue import Level, Queue
from niftyflow.brokers.matching.quotes import Quote
from niftyflow.brokers.matching.settings import MatchingSettings, SelfTrade
from niftyflow.brokers.matching.working import Working

Report = Callable[[Working | None, Working | None, int, int], None]
"""Told of a trade: who took, who stood (None is the market), the quantity and the price."""
DEPTH_LEVELS = 5
E4 = 10_000


class Book:
    """Own orders (`bids`, `asks`), the market's levels, stop orders that wait, after-market orders that are held."""

    __slots__ = (
        "_cancel", "_pending", "_report", "_settings", "asks", "auction_price", "bids", "day_volume", "held",
        "is_stand_in", "last_price", "listing", "market_asks", "market_bids", "reference_price", "stops", "turnover",
        "turnover_volume",
    )  # fmt: skip

    def __init__(
        self, listing: Listing, settings: MatchingSettings, report: Report, cancel: Callable[[Working, str], None]
    ) -> None:
        self._settings = settings
        self._report = report
        self._cancel = cancel
        self.bids, self.asks = Queue(), Queue()
        depth = (settings.depth_beyond_percent, settings.levels_beyond)
        self.market_bids, self.market_asks = MarketSide(*depth), MarketSide(*depth)
        self.relist(listing)
        self.stops: tuple[list[tuple[int, int, int, Working]], ...] = ([], [])
        """Stop orders to buy and to sell, as heaps of (trigger best first, number, version, order)."""
        self.held: dict[int, Working] = {}
        self.last_price = 0
        self.day_volume = -1
        self.turnover = 0
        self.turnover_volume = 0
        self.auction_price = 0
        self.reference_price = 0
        self.is_stand_in = False
        """Whether the levels shown are made of the last price, since the source has no book."""
        self._pending: Quote | None = None

    def relist(self, listing: Listing) -> None:
        """Trade by the terms of a new day."""
        self.listing = listing
        self.market_bids.tick = self.market_asks.tick = listing.tick_size

    @property
    def is_idle(self) -> bool:
        """Whether a new row can meet nothing of ours, so that only the last one matters."""
        return not (
            self.bids.keys or self.asks.keys or self.stops[0] or self.stops[1]
            or self.market_bids.taken or self.market_asks.taken
        )  # fmt: skip

    def start_day(self) -> None:
        """Forget the running totals of the day before."""
        self.day_volume = -1
        self.turnover = self.turnover_volume = 0
        self.auction_price = self.reference_price = 0
        self.clear()

    def clear(self) -> None:
        """Forget what stood in the market, what was taken of it, and stop orders that have ended."""
        for heap in self.stops:
            heap.clear()
        self._pending = None
        for side in (self.market_bids, self.market_asks):
            side.taken.clear()
            side.replace([], [], is_told=True)

    def fix_reference(self) -> None:
        """Fix the closing auction's reference price: the average of the last minutes, the last price, the close."""
        if self.turnover_volume:
            tick = self.listing.tick_size
            average = self.turnover // self.turnover_volume
            self.reference_price = (2 * average + tick) // (2 * tick) * tick
        else:
            self.reference_price = self.last_price or self.listing.previous_close

    def note(self, quote: Quote, *, is_reference: bool) -> int:
        """Take in the last price and the volume; return how much was traded since the row before.

        Only growth beyond the day's highest volume counts: recorded totals step back now and then.
        """
        grown = 0
        if quote.day_volume > self.day_volume:
            grown = quote.day_volume - self.day_volume if self.day_volume >= 0 else 0
            self.day_volume = quote.day_volume
        if quote.ltp > 0:
            self.last_price = quote.ltp
        if is_reference and grown:
            self.turnover += grown * quote.ltp
            self.turnover_volume += grown
        return grown

    def later(self, quote: Quote) -> None:
        """Keep a row of an idle book until its levels are asked for."""
        self._pending = quote

    def catch_up(self) -> None:
        """Show the levels of a row that was kept."""
        if self._pending is not None:
            quote, self._pending = self._pending, None
            self.show(quote)

    def show(self, quote: Quote) -> None:
        """Show a row's levels, and let our orders advance where levels shrank."""
        self._pending = None
        synthetic, lot, tick = self._settings.synthetic_depth_rupees * E4, self.listing.lot_size, self.listing.tick_size
        bids = levels_of(quote.bid_prices, quote.bid_quantities, -1, synthetic, lot)
        asks = levels_of(quote.ask_prices, quote.ask_quantities, 1, synthetic, lot)
        self.is_stand_in = not bids[0] and not asks[0] and quote.ltp > 0
        if self.is_stand_in:
            # a source without a book: the last price stands in the middle, a tick to either side
            bids = levels_of([quote.ltp - tick], [-1], -1, synthetic, lot)
            asks = levels_of([quote.ltp + tick], [-1], 1, synthetic, lot)
        for own, side, levels in ((self.bids, self.market_bids, bids), (self.asks, self.market_asks, asks)):
            before = [(key, 0 if side.is_beyond(key) else side.shown(key)) for key in own.keys]
            side.replace(levels[0], levels[1], is_told=levels[2])
            for key, shown in before:
                _advance(own.levels[key], side, key, shown)

    def match(self, taker: Working) -> bool:
        """Let an order take what it can; False when it met an order of its own account and must go."""
        own, side = (self.asks, self.market_asks) if taker.is_buy else (self.bids, self.market_bids)
        limit = -taker.key
        while taker.remaining:
            key = side.best(limit)
            if own.keys and (key is None or own.keys[0] <= key):
                key = own.keys[0]
            if key is None or key > limit:
                return True
            if not self._take(taker, own, side, key):
                return False
        return True

    def rest(self, one: Working) -> None:
        """Let an order join the queue at its price."""
        one.show()
        own, side = (self.bids, self.market_bids) if one.is_buy else (self.asks, self.market_asks)
        own.add(one, side.ahead_of_new(one.key))

    def remove(self, one: Working) -> None:
        """Take an order out of the queue, if it stands there."""
        if one.is_resting:
            (self.bids if one.is_buy else self.asks).remove(one)

    def requeue(self) -> None:
        """Give every order its place behind the levels shown now: at the start of continuous trading."""
        for own, side in ((self.bids, self.market_bids), (self.asks, self.market_asks)):
            for level in own.levels.values():
                for one in level.orders.values():
                    one.ahead_at = level.passed + side.ahead_of_new(one.key)

    def print_trades(self, volume: int, last_price: int, price: int = 0) -> None:
        """Let what the market traded at `last_price` fill our orders that were in its way.

        An order with a better price would have been met first: it fills at its own price (or `price`, an auction's).
        At the last price itself the quantity in front of an order goes first. The volume is used once.
        """
        for own, line in ((self.bids, -last_price), (self.asks, last_price)):
            while volume and own.keys and own.keys[0] <= line:
                volume = self._print_at(own, own.keys[0], volume, price, is_through=own.keys[0] < line)

    def cross(self) -> None:
        """Fill our resting orders that the market's new levels have reached, at our prices: our orders stood first."""
        for own, side in ((self.bids, self.market_asks), (self.asks, self.market_bids)):
            while own.keys:
                key = own.keys[0]
                best = side.best(-key)
                if best is None:
                    break
                maker = own.levels[key].first
                quantity = min(maker.shown, side.available(best))
                side.take(best, quantity)
                self._fill(own, None, maker, quantity, abs(key))

    def fill_auction(self, match: Match, price: int) -> None:
        """Fill both sides of what an auction matched at its price; of two of ours the buyer counts as the aggressor."""
        if match.buyer is None or match.seller is None:
            self._report(None, match.buyer or match.seller, match.quantity, price)
        else:
            self._report(match.buyer, match.seller, match.quantity, price)
        for own, one in ((self.bids, match.buyer), (self.asks, match.seller)):
            if one is not None and one.remaining:
                one.show()
            elif one is not None:
                own.remove(one)

    def wait(self, one: Working) -> None:
        """Let a stop order wait for its trigger."""
        trigger = one.order.trigger
        heap = self.stops[0 if one.is_buy else 1]
        heapq.heappush(heap, (trigger if one.is_buy else -trigger, one.number, one.version, one))

    def triggered(self) -> Working | None:
        """Return the next stop order that the last price has reached: nearest trigger first, buys before sells."""
        for heap, line in ((self.stops[0], self.last_price), (self.stops[1], -self.last_price)):
            while heap and self.last_price > 0:
                trigger, _, version, one = heap[0]
                if version != one.version:
                    heapq.heappop(heap)
                elif trigger <= line:
                    heapq.heappop(heap)
                    return one
                else:
                    break
        return None

    def waiting(self) -> list[Working]:
        """Return the stop orders that wait, in order of their coming."""
        live = [one for heap in self.stops for _, _, version, one in heap if version == one.version]
        return sorted(live, key=lambda one: one.number)

    def resting(self) -> list[Working]:
        """Return our orders in the queue, in order of their coming."""
        return sorted([*self.bids, *self.asks], key=lambda one: one.number)

    def depth(self) -> Depth:
        """Return the best five prices a side, the market and our orders together."""
        self.catch_up()
        return Depth(
            instrument=self.listing.instrument,
            last_price=self.last_price,
            day_volume=max(self.day_volume, 0),
            bids=_together(self.bids, self.market_bids),
            asks=_together(self.asks, self.market_asks),
        )

    def _take(self, taker: Working, own: Queue, side: MarketSide, key: int) -> bool:
        """Trade at one price: the market's quantity and our orders take turns as they stand in the queue."""
        while taker.remaining:
            level = own.levels.get(key)
            quantity = min(taker.remaining, side.available(key))
            if level is not None:
                quantity = min(quantity, level.ahead_of(level.first))
                level.pass_by(quantity)
            if quantity:
                side.take(key, quantity)
                self._report(taker, None, quantity, abs(key))
            if level is None or not taker.remaining:
                break
            maker = level.first
            if maker.order.account == taker.order.account and self._settings.self_trade is not SelfTrade.ALLOW:
                if self._settings.self_trade is SelfTrade.CANCEL_INCOMING:
                    return False
                self._cancel(maker, SELF_TRADE)
                continue
            self._fill(own, taker, maker, min(taker.remaining, maker.shown), abs(key))
        return True

    def _print_at(self, own: Queue, key: int, volume: int, price: int, *, is_through: bool) -> int:
        while volume and key in own.levels:
            level = own.levels[key]
            maker = level.first
            if not is_through:
                passing = min(volume, level.ahead_of(maker))
                level.pass_by(passing)
                level.printed += passing
                volume -= passing
            quantity = min(volume, maker.shown)
            if quantity:
                volume -= quantity
                self._fill(own, None, maker, quantity, price or abs(key))
        return volume

    def _fill(self, own: Queue, taker: Working | None, maker: Working, quantity: int, price: int) -> None:
        self._report(taker, maker, quantity, price)
        maker.shown -= quantity
        if not maker.remaining:
            own.remove(maker)
        elif not maker.shown:
            side = self.market_bids if own is self.bids else self.market_asks
            maker.show()
            own.to_back(maker, side.ahead_of_new(maker.key))


SELF_TRADE = "The order was cancelled to prevent a self trade"


def _advance(level: Level, side: MarketSide, key: int, shown: int) -> None:
    """Move our orders forward where the market's quantity at their price shrank by more than was traded.

    Nobody tells where in the queue the cancelled quantity stood, so it is taken evenly: an order's quantity ahead
    shrinks in proportion, and is never more than the level shows. A level out of sight is left as it was.
    """
    printed, level.printed = level.printed, 0
    if side.is_beyond(key):
        return
    now = side.shown(key)
    before = max(shown - printed, 0)
    shrunk = max(before - now, 0)
    for one in level.orders.values():
        ahead = level.ahead_of(one)
        if shrunk:
            ahead -= ahead * shrunk // before
        one.ahead_at = level.passed + min(ahead, now)


def _together(own: Queue, side: MarketSide) -> tuple[DepthLevel, ...]:
    totals: dict[int, list[int]] = {}
    for key in side.keys:
        if side.available(key) > 0:
            totals[key] = [side.available(key), 1]
    for key in own.keys[: DEPTH_LEVELS + 1]:
        if abs(key) < 10**15:
            total = totals.setdefault(key, [0, 0])
            total[0] += sum(one.shown for one in own.levels[key].orders.values())
            total[1] += len(own.levels[key].orders)
    best = sorted(totals.items())[:DEPTH_LEVELS]
    return tuple(DepthLevel(abs(key), quantity, orders) for key, (quantity, orders) in best)
