"""The paper venue: what a broker would say of an order, from the ticks that came after it.

Owns the rules of simulated trading, as pure functions on orders and ticks; nothing is kept between calls, so that any
batching of the same ticks gives the same trades. A feed tells no quantities of the book's best prices: an order fills
whole or not at all, and orders never take from one another. It never applies an update, and never reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from niftyflow.kit.settings import Settings
from niftyflow.model import (
    InstrumentKey,
    Order,
    OrderState,
    OrderType,
    Side,
    TickBatch,
    UnknownInstrument,
    Validity,
    from_e4,
    to_e4,
)
from niftyflow.trading.requests import VenueFill, VenueUpdate

E4 = 10_000
BPS_PER_UNIT = 10_000
HALF_E4 = 0.000_1
"""More than rounding a price to 1/10,000 rupee moves it."""
_WORKING = frozenset({OrderState.ACCEPTED, OrderState.OPEN, OrderState.PART_FILLED})
_STOPS = frozenset({OrderType.SL, OrderType.SL_M})
_LIMITED = frozenset({OrderType.LIMIT, OrderType.SL})


class PaperSettings(Settings):
    """How the paper venue fills."""

    latency_ms: int = Field(default=50, ge=0, description="An order meets the first tick received this long after it")
    slippage_bps: Decimal = Field(
        default=Decimal(1), ge=0, le=1_000, decimal_places=4,
        description="How much worse than the book a market order fills, in 1/100 of a percent",
    )  # fmt: skip


class PaperVenue:
    """The venue of an account whose orders go to no broker; it answers at once."""

    def __init__(self, settings: PaperSettings) -> None:
        self._settings = settings

    def send(self, order: Order) -> list[VenueUpdate]:
        """Take an order that was decided, and return what is said of it."""
        return accept(order, order.decided_at)

    def cancel(self, order: Order, at: int) -> list[VenueUpdate]:
        """Take an order back at `at` (ms UTC), as asked for."""
        return cancel([order], at, "asked for")

    def changed(self, order: Order) -> None:
        """Take the new terms of a working order."""

    def expire(self, orders: Sequence[Order], at: int) -> list[VenueUpdate]:
        """End orders whose session has ended at `at` (ms UTC)."""
        return expire(orders, at)

    def meet(
        self, orders: Sequence[Order], ticks: TickBatch, tick_sizes: Mapping[InstrumentKey, Decimal]
    ) -> list[VenueUpdate]:
        """Return what becomes of working orders, given in book order, on ticks in log order."""
        return fills(orders, ticks, self._settings, tick_sizes)


def accept(order: Order, at: int) -> list[VenueUpdate]:
    """Return what the venue says when an order reaches it at `at` (ms UTC); nothing of one that it has already.

    A stop order is accepted and waits for its trigger, any other is open.
    """
    state = OrderState.ACCEPTED if order.order_type in _STOPS else OrderState.OPEN
    taken = _update(order, state, at, broker_order_id=f"P-{order.client_order_id}")
    if order.state is OrderState.INTENDED:
        return [_update(order, OrderState.SENT, at), taken]
    return [taken] if order.state is OrderState.SENT else []


def cancel(orders: Sequence[Order], at: int, reason: str) -> list[VenueUpdate]:
    """Return that each order that is working is cancelled, and one that was never sent has expired."""
    return [
        _update(
            order, OrderState.EXPIRED if order.state is OrderState.INTENDED else OrderState.CANCELLED, at, reason=reason
        )
        for order in orders
        if not order.state.is_final
    ]


def expire(orders: Sequence[Order], at: int) -> list[VenueUpdate]:
    """Return that each order that is not final has expired: for orders whose session has ended at `at` (ms UTC)."""
    return [
        _update(order, OrderState.EXPIRED, at, reason="the session ended")
        for order in orders
        if not order.state.is_final
    ]


def fills(
    orders: Sequence[Order], ticks: TickBatch, settings: PaperSettings, tick_sizes: Mapping[InstrumentKey, Decimal]
) -> list[VenueUpdate]:
    """Return what becomes of working orders, given in book order, on ticks in log order.

    For an order count only the ticks of its instrument received `latency_ms` or more after it was decided. Updates come
    in order of the tick that decides, then in book order; their time is when that tick was received (ms UTC).

    Raises:
        UnknownInstrument: the tick size of an order that meets ticks is not given.
    """
    working = [(place, order) for place, order in enumerate(orders) if order.state in _WORKING]
    if not working or not len(ticks):
        return []
    keyed = [(place, order, order.instrument) for place, order in working]
    names = _names_in(ticks, {key for _, _, key in keyed})
    reaches = _reaches(ticks, names)
    books: dict[InstrumentKey, _Book] = {}
    found: list[tuple[int, int, VenueUpdate]] = []
    for place, order, key in keyed:
        if key not in reaches or not reaches[key].concerns(order, settings.latency_ms):
            continue
        if key not in books:
            if key not in tick_sizes:
                raise UnknownInstrument(f"{key}: its tick size is not known, so its orders cannot be filled")
            books[key] = _Book.of(ticks, names[key], to_e4(tick_sizes[key]))
        found += [(int(row), place, update) for row, update in _meet(order, books[key], settings)]
    return [update for _, _, update in sorted(found, key=lambda one: one[:2])]


@dataclass(slots=True)
class _Reach:
    """How far an instrument's ticks of a batch went: enough to say that they concern an order in no way."""

    received: int
    low: float
    high: float
    ask: float
    bid: float

    def concerns(self, order: Order, latency_ms: int) -> bool:
        """Whether some tick may change the order; true when in doubt."""
        if self.received < order.decided_at + latency_ms:
            return False
        if order.validity is Validity.IOC or order.order_type is OrderType.MARKET:
            return True
        if order.order_type in _STOPS and not order.is_triggered:
            level = _rupees(order.trigger)
            return level is not None and (self.high >= level if order.side is Side.BUY else self.low <= level)
        level = _rupees(order.price)
        return level is None or (self.ask <= level if order.side is Side.BUY else self.bid >= level)


def _reaches(ticks: TickBatch, names: Mapping[InstrumentKey, Sequence[int]]) -> dict[InstrumentKey, _Reach]:
    """Return how far each instrument went; widened by what rounding to 1/10,000 rupee may move."""
    keys = {index: key for key, indexes in names.items() for index in indexes}
    found: dict[InstrumentKey, _Reach] = {}
    columns = (ticks.name, ticks.received, ticks.ltp, ticks.bid, ticks.ask)
    for index, received, ltp, bid, ask in zip(*(column.tolist() for column in columns), strict=True):
        key = keys.get(index)
        if key is None:
            continue
        to_sell, to_buy = (bid if bid > 0 else ltp) + HALF_E4, (ask if ask > 0 else ltp) - HALF_E4
        reach = found.get(key)
        if reach is None:
            found[key] = _Reach(received, ltp - HALF_E4, ltp + HALF_E4, to_buy, to_sell)
        else:
            reach.received = max(reach.received, received)
            reach.low, reach.high = min(reach.low, ltp - HALF_E4), max(reach.high, ltp + HALF_E4)
            reach.ask, reach.bid = min(reach.ask, to_buy), max(reach.bid, to_sell)
    return found


@lru_cache(maxsize=4096)
def _rupees(level: Decimal | None) -> float | None:
    return None if level is None else float(level)


class _Book(NamedTuple):
    """One instrument's ticks in log order; prices in 1/10,000 rupee."""

    rows: NDArray[np.int64]
    """Row of each in the batch."""
    received: NDArray[np.int64]
    ltp: NDArray[np.int64]
    bid: NDArray[np.int64]
    """The last price where nobody bids; likewise `ask`."""
    ask: NDArray[np.int64]
    step: int
    """The tick size."""

    @classmethod
    def of(cls, ticks: TickBatch, names: Sequence[int], step: int) -> _Book:
        rows = np.flatnonzero(np.isin(ticks.name, names) if len(names) > 1 else ticks.name == names[0])
        ltp, bid, ask = (np.rint(prices[rows] * E4).astype(np.int64) for prices in (ticks.ltp, ticks.bid, ticks.ask))
        return cls(
            rows, ticks.received[rows], ltp, np.where(bid > 0, bid, ltp), np.where(ask > 0, ask, ltp), max(step, 1)
        )

    def quotes(self, side: Side) -> NDArray[np.int64]:
        """Return what an order of a side would get: the ask to buy, the bid to sell."""
        return self.ask if side is Side.BUY else self.bid


def _meet(order: Order, book: _Book, settings: PaperSettings) -> Iterator[tuple[int, VenueUpdate]]:
    """Yield the updates that an instrument's ticks lead to, each with the batch's row of its tick."""
    is_met = book.received >= order.decided_at + settings.latency_ms
    first = _first(is_met)
    if first is None:
        return
    if order.order_type in _STOPS and not order.is_triggered:
        start = _first(is_met & _is_beyond(order.side, book.ltp, order.trigger))
        if start is not None and (start == first or order.validity is not Validity.IOC):
            triggered = _update(order, OrderState.OPEN, int(book.received[start]), is_triggered=True)
            yield book.rows[start], triggered
    else:
        start = first
    place = None if start is None else _place_of_trade(order, book, is_met, start)
    if order.validity is Validity.IOC and place != first:
        reason = "IOC: the first tick did not fill it"
        yield book.rows[first], _update(order, OrderState.CANCELLED, int(book.received[first]), reason=reason)
    elif place is not None:
        yield book.rows[place], _trade(order, book, place, settings)


def _place_of_trade(order: Order, book: _Book, is_met: NDArray[np.bool_], start: int) -> int | None:
    """Return which tick from `start` on fills an order that waits for no trigger any more."""
    if order.order_type not in _LIMITED:
        return start
    is_within = _is_beyond(order.side.opposite, book.quotes(order.side), order.price)
    is_within[:start] = False
    return _first(is_met & is_within)


def _trade(order: Order, book: _Book, place: int, settings: PaperSettings) -> VenueUpdate:
    price = int(book.quotes(order.side)[place])
    if order.order_type not in _LIMITED:
        price = _slipped(price, order.side, settings.slippage_bps, book.step)
    # a fill is named by the first unit of the order that it trades, which no other fill of it can have
    fill = VenueFill(
        fill_id=f"{order.client_order_id}-{order.filled + 1}", quantity=order.remaining, price=from_e4(price)
    )
    return _update(order, OrderState.FILLED, int(book.received[place]), fill=fill)


def _slipped(price: int, side: Side, slippage_bps: Decimal, step: int) -> int:
    """Return a price made worse for a side and rounded to the tick size, against it as well; at least one tick."""
    numerator, denominator = slippage_bps.as_integer_ratio()
    scale = denominator * BPS_PER_UNIT
    scaled = price * (scale + side.sign * numerator)
    steps = -(-scaled // (scale * step)) if side is Side.BUY else scaled // (scale * step)
    return max(steps, 1) * step


def _is_beyond(side: Side, prices: NDArray[np.int64], level: Decimal | None) -> NDArray[np.bool_]:
    """Say of each price whether it is at a level or further in a side's direction: up to buy, down to sell.

    None is at a level that is not there, so that an order the risk gate should have refused trades at no price.
    """
    if level is None:
        return np.zeros(len(prices), dtype=np.bool_)
    return prices >= to_e4(level) if side is Side.BUY else prices <= to_e4(level)


def _first(is_true: NDArray[np.bool_]) -> int | None:
    place = int(is_true.argmax())
    return place if is_true[place] else None


def _names_in(ticks: TickBatch, wanted: set[InstrumentKey]) -> dict[InstrumentKey, list[int]]:
    """Return, by instrument, the names that a batch holds: a feed's second source is a second name."""
    found: dict[InstrumentKey, list[int]] = {}
    for index in np.flatnonzero(np.bincount(ticks.name)).tolist():
        key = InstrumentKey(ticks.names[index].key)
        if key in wanted:
            found.setdefault(key, []).append(index)
    return found


def _update(order: Order, state: OrderState, at: int, **more: Any) -> VenueUpdate:
    return VenueUpdate(client_order_id=order.client_order_id, state=state, at=at, **more)
