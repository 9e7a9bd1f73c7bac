"""The paper venue: which tick fills what at which price, and that no batching of the ticks can change it."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.model import Name, NameTable, Order, OrderState, OrderType, Side, TickBatch, UnknownInstrument, Validity
from niftyflow.trading.paper import PaperSettings, accept, cancel, expire, fills
from niftyflow.trading.requests import VenueUpdate
from support.trading_orders import INFY, NOW, TCS, a_quote, batch, carried, intended

S = OrderState
STEPS = {INFY: Decimal("0.05"), TCS: Decimal("0.05")}
PLAIN = PaperSettings(slippage_bps=Decimal(0))
BUY, SELL = Side.BUY, Side.SELL
LIMIT, SL, SL_M = OrderType.LIMIT, OrderType.SL, OrderType.SL_M


def working(client_order_id: str = "nf1", **changes: Any) -> Order:
    """Return an order that the venue has taken."""
    order = intended(client_order_id, **changes)
    return carried([order], accept(order, NOW))[0]


def met(order: Order, *ticks: Any, settings: PaperSettings = PLAIN) -> list[tuple[Any, ...]]:
    """Return what becomes of an order on ticks: state, ms after now, price or None."""
    updates = fills([order], batch(*ticks), settings, STEPS)
    return [(update.state, update.at - NOW, update.fill and update.fill.price) for update in updates]


def test_an_order_is_sent_and_then_open():
    """Both at once; the venue's id is made from ours."""
    order = intended()
    sent, taken = accept(order, NOW + 5)
    assert (sent.state, sent.at) == (S.SENT, NOW + 5)
    assert (taken.state, taken.broker_order_id, taken.at) == (S.OPEN, "P-nf1", NOW + 5)


@pytest.mark.parametrize("order_type", [SL, SL_M])
def test_a_stop_order_is_accepted_and_waits(order_type: OrderType):
    """It is not open before its trigger."""
    assert accept(intended(order_type=order_type, trigger=Decimal(1)), NOW)[1].state is S.ACCEPTED


def test_taking_an_order_again_says_nothing():
    """After a restart the venue may be asked again: what was said is not said twice."""
    order = intended()
    first, second = accept(order, NOW)
    sent = carried([order], [first])[0]
    assert accept(sent, NOW) == [second]
    assert accept(carried([sent], [second])[0], NOW) == []
    assert accept(msgspec.structs.replace(order, state=S.REJECTED), NOW) == []


def test_a_market_order_buys_at_the_ask_and_sells_at_the_bid():
    """Of the first tick that the latency lets it see; the order is filled whole."""
    ticks = (a_quote(100, 99, 101, 49), a_quote(200, 199, 201, 50), a_quote(300, 299, 301, 60))
    assert met(working(side=BUY), *ticks) == [(S.FILLED, 50, Decimal(201))]
    assert met(working(side=SELL), *ticks) == [(S.FILLED, 50, Decimal(199))]
    (update,) = fills([working(quantity=7)], batch(*ticks), PLAIN, STEPS)
    assert (update.fill.fill_id, update.fill.quantity) == ("nf1-1", 7)


def test_the_last_price_stands_in_for_an_empty_side():
    """Nobody asks, or nobody bids."""
    assert met(working(side=BUY), a_quote(100, 99, 0, 50)) == [(S.FILLED, 50, Decimal(100))]
    assert met(working(side=SELL), a_quote(100, 0, 101, 50)) == [(S.FILLED, 50, Decimal(100))]
    limited = {"order_type": LIMIT, "price": Decimal(100)}
    assert met(working(side=BUY, **limited), a_quote(100, 99, 0, 50)) == [(S.FILLED, 50, Decimal(100))]
    assert met(working(side=SELL, **limited), a_quote(99.95, 0, 101, 50)) == []


@pytest.mark.parametrize(
    ("side", "bps", "price"),
    [
        (BUY, "1", "1500.45"),  # 1500.25 + 0.150025 = 1500.400025, and up to the tick
        (BUY, "0", "1500.25"),
        (SELL, "1", "1499.60"),
        (SELL, "0", "1499.75"),
        (BUY, "0.5", "1500.35"),
        (SELL, "10", "1498.25"),
    ],
)
def test_slippage_is_against_us_and_rounded_against_us_to_the_tick(side: Side, bps: str, price: str):
    """The book made worse by the basis points, and then by less than a tick."""
    settings = PaperSettings(slippage_bps=Decimal(bps))
    ((_, _, got),) = met(working(side=side), a_quote(1500, 1499.75, 1500.25, 50), settings=settings)
    book = Decimal("1500.25") if side is BUY else Decimal("1499.75")
    exact = book * (1 + side.sign * Decimal(bps) / 10_000)
    assert 0 <= side.sign * (got - exact) < Decimal("0.05")
    assert got == Decimal(price)


def test_a_price_off_the_tick_is_rounded_against_us_and_never_to_nothing():
    """A recording may hold prices finer than today's tick; the least price is one tick."""
    assert met(working(side=BUY), a_quote(100, 99.98, 100.02, 50))[0][2] == Decimal("100.05")
    assert met(working(side=SELL), a_quote(100, 99.98, 100.02, 50))[0][2] == Decimal("99.95")
    assert met(working(side=SELL), a_quote(0.04, 0.03, 0.04, 50))[0][2] == Decimal("0.05")


def test_a_limit_waits_for_its_price_and_takes_the_book_s():
    """At the limit or better, at the book's price, and without slippage."""
    buying = working(side=BUY, order_type=LIMIT, price=Decimal(100))
    ticks = (a_quote(90, 89, 90, 49), a_quote(100, 99, 100.05, 50), a_quote(99, 98, 99.5, 60), a_quote(90, 89, 90, 70))
    assert met(buying, *ticks, settings=PaperSettings()) == [(S.FILLED, 60, Decimal("99.5"))]
    assert met(buying, a_quote(100, 99, 100, 50)) == [(S.FILLED, 50, Decimal(100))]
    selling = working(side=SELL, order_type=LIMIT, price=Decimal(100))
    ticks = (a_quote(101, 99.95, 101, 50), a_quote(100.5, 100.25, 101, 60))
    assert met(selling, *ticks, settings=PaperSettings()) == [(S.FILLED, 60, Decimal("100.25"))]


def test_a_stop_at_market_fills_at_the_tick_that_triggers_it():
    """Told in two words: open and triggered, then filled, from the book of that tick with slippage."""
    stop = working(side=SELL, order_type=SL_M, trigger=Decimal(100))
    ticks = (a_quote(99, 98, 99, 49), a_quote(100.05, 90, 101, 50), a_quote(100, 99.5, 100, 60))
    assert met(stop, *ticks) == [(S.OPEN, 60, None), (S.FILLED, 60, Decimal("99.5"))]
    assert fills([stop], batch(*ticks), PLAIN, STEPS)[0].is_triggered
    assert met(stop, ticks[2], settings=PaperSettings(slippage_bps=Decimal(10)))[1][2] == Decimal("99.4")
    covering = working(side=BUY, order_type=SL_M, trigger=Decimal(100))
    assert met(covering, *ticks) == [(S.OPEN, 50, None), (S.FILLED, 50, Decimal(101))]
    assert met(covering, a_quote(99.95, 99, 101, 50)) == []


def test_a_stop_with_a_limit_waits_for_its_price_after_its_trigger():
    """Triggered once, it is a limit order from that tick on, wherever the price goes."""
    stop = working(side=BUY, order_type=SL, price=Decimal(101), trigger=Decimal(100))
    ticks = (a_quote(99, 98, 99, 50), a_quote(100, 99, 102, 60), a_quote(98, 97, 102, 70), a_quote(98, 97, 98, 80))
    assert met(stop, *ticks) == [(S.OPEN, 60, None), (S.FILLED, 80, Decimal(98))]
    assert met(stop, a_quote(100, 99, 101, 50)) == [(S.OPEN, 50, None), (S.FILLED, 50, Decimal(101))]
    triggered = carried([stop], fills([stop], batch(*ticks[:2]), PLAIN, STEPS))[0]
    assert (triggered.state, triggered.is_triggered) == (S.OPEN, True)
    assert met(triggered, *ticks[2:]) == [(S.FILLED, 80, Decimal(98))]


def test_a_stop_at_market_that_was_triggered_before_fills_at_the_next_tick():
    """A restart between the two words loses neither."""
    stop = working(side=SELL, order_type=SL_M, trigger=Decimal(100))
    triggered = msgspec.structs.replace(stop, state=S.OPEN, is_triggered=True)
    assert met(triggered, a_quote(200, 199, 201, 50)) == [(S.FILLED, 50, Decimal(199))]


def test_an_immediate_order_fills_at_its_first_tick_or_is_cancelled():
    """What the first tick does not give, it does not wait for."""
    now = {"validity": Validity.IOC}
    low, high = a_quote(99, 98, 99, 60), a_quote(101, 100.5, 101, 50)
    limited = working(side=BUY, order_type=LIMIT, price=Decimal(100), **now)
    assert met(limited, high, low) == [(S.CANCELLED, 50, None)]
    assert met(limited, low, high) == [(S.FILLED, 60, Decimal(99))]
    assert met(limited, a_quote(99, 98, 99, 49)) == []
    assert met(working(**now), high, low) == [(S.FILLED, 50, Decimal(101))]
    stop = working(side=BUY, order_type=SL_M, trigger=Decimal(100), **now)
    assert met(stop, low, high) == [(S.CANCELLED, 60, None)]
    assert met(stop, high, low) == [(S.OPEN, 50, None), (S.FILLED, 50, Decimal(101))]
    both = working(side=BUY, order_type=SL, trigger=Decimal(101), price=Decimal(101), **now)
    assert met(both, a_quote(101, 100, 102, 50), low) == [(S.OPEN, 50, None), (S.CANCELLED, 50, None)]


def test_an_order_without_the_price_it_needs_never_trades():
    """The risk gate refuses such an order; the venue must not take it for one at any price."""
    ticks = (a_quote(100, 99, 101, 50), a_quote(1, 1, 1, 60))
    assert met(working(side=SELL, order_type=LIMIT), *ticks) == []
    assert met(working(side=BUY, order_type=SL_M), *ticks) == []


def test_orders_of_several_instruments_are_told_in_order_of_their_ticks():
    """By the tick that decides, then by the order of the book; each at its own instrument's prices."""
    orders = [
        working("a", instrument=TCS),
        working("b"),
        working("c", side=SELL, order_type=LIMIT, price=Decimal(101)),
        working("d", side=SELL),
    ]
    ticks = batch(a_quote(100, 99, 101, 50), a_quote(500, 499, 501, 55, "TCS"), a_quote(102, 101, 103, 60))
    updates = fills(orders, ticks, PLAIN, STEPS)
    assert [(update.client_order_id, update.fill.price) for update in updates] == [
        ("b", Decimal(101)), ("d", Decimal(99)), ("a", Decimal(501)), ("c", Decimal(101)),
    ]  # fmt: skip


def test_two_sources_of_one_instrument_are_one_book():
    """A feed that took over mid-day has names of its own; the log's order counts."""
    ticks = (a_quote(100, 99, 101, 40, source="kite"), a_quote(102, 101, 103, 50, source="backup"))
    assert met(working(), *ticks, a_quote(100, 99, 101, 60, source="kite")) == [(S.FILLED, 50, Decimal(103))]


@pytest.mark.parametrize("state", [S.INTENDED, S.SENT, S.UNKNOWN, S.FILLED, S.CANCELLED, S.REJECTED, S.EXPIRED])
def test_an_order_that_is_not_working_meets_no_tick(state: OrderState):
    """Only what the venue has taken and not ended."""
    assert met(msgspec.structs.replace(intended(), state=state), a_quote(100, 99, 101, 50)) == []


def test_nothing_happens_without_orders_without_ticks_or_on_others_ticks():
    """And then the tick size is not asked for either."""
    tick = a_quote(100, 99, 101, 50, "TCS")
    assert fills([], batch(tick), PLAIN, {}) == []
    assert fills([working()], batch(), PLAIN, {}) == []
    assert fills([working()], batch(tick), PLAIN, {}) == []


def test_an_order_whose_tick_size_is_not_known_is_not_filled_by_guess():
    """The message names the instrument."""
    with pytest.raises(UnknownInstrument, match="NSE:INFY"):
        fills([working()], batch(a_quote(100, 99, 101, 50)), PLAIN, {})


def test_a_part_filled_order_fills_the_rest_under_a_name_of_its_own():
    """The name counts the units traded before, so that no two trades of an order share one."""
    order = msgspec.structs.replace(working(), state=S.PART_FILLED, filled=4)
    (update,) = fills([order], batch(a_quote(100, 99, 101, 50)), PLAIN, STEPS)
    assert (update.fill.fill_id, update.fill.quantity) == ("nf1-5", 6)


def test_at_the_end_of_the_session_what_is_not_final_expires():
    """Working or never sent; what is final says nothing."""
    orders = [working("a"), intended("b"), msgspec.structs.replace(working("c"), state=S.CANCELLED)]
    updates = expire(orders, NOW + 9)
    assert [(update.client_order_id, update.state, update.at) for update in updates] == [
        ("a", S.EXPIRED, NOW + 9), ("b", S.EXPIRED, NOW + 9),
    ]  # fmt: skip
    assert [order.state for order in carried(orders, updates)] == [S.EXPIRED, S.EXPIRED, S.CANCELLED]


def test_a_cancelled_order_is_cancelled_at_once_and_one_never_sent_expires():
    """The table of states knows no cancelling of what never left."""
    orders = [working("a"), intended("b"), msgspec.structs.replace(working("c"), state=S.FILLED, filled=10)]
    updates = cancel(orders, NOW + 9, "squared off")
    assert [order.state for order in carried(orders, updates)] == [S.CANCELLED, S.EXPIRED, S.FILLED]
    assert {update.reason for update in updates} == {"squared off"}


LEVELS = st.integers(1_990, 2_010).map(lambda steps: Decimal(steps) * Decimal("0.05"))
NAMES = NameTable([Name("NSE:INFY", source="a"), Name("NSE:TCS", source="a"), Name("NSE:INFY", source="b")])


@st.composite
def orders_taken(draw: st.DrawFn) -> list[Order]:
    """Draw up to six orders of all kinds that the venue has taken."""
    found = []
    for number in range(draw(st.integers(0, 6))):
        order_type = draw(st.sampled_from(OrderType))
        found.append(
            working(
                f"o{number}", at=NOW + draw(st.integers(0, 120)), instrument=draw(st.sampled_from([INFY, TCS])),
                side=draw(st.sampled_from(Side)), order_type=order_type, quantity=draw(st.integers(1, 9)),
                price=draw(LEVELS) if order_type in {LIMIT, SL} else None,
                trigger=draw(LEVELS) if order_type in {SL, SL_M} else None,
                validity=draw(st.sampled_from([Validity.DAY, Validity.DAY, Validity.IOC])),
            )
        )  # fmt: skip
    return found


@st.composite
def tick_batches(draw: st.DrawFn) -> TickBatch:
    """Draw up to thirty ticks around the orders' prices, received in almost any order."""
    size = draw(st.integers(0, 30))
    prices = st.lists(st.integers(1_985, 2_015).map(lambda steps: steps * 5 / 100), min_size=size, max_size=size)
    sides = st.lists(st.just(0.0) | st.integers(1_985, 2_015).map(lambda steps: steps * 5 / 100),
                     min_size=size, max_size=size)  # fmt: skip
    columns = dict.fromkeys(
        ("volume", "day_volume", "open_interest", "timestamp", "traded_at", "sequence"), [0] * size
    )  # fmt: skip
    received = draw(st.lists(st.integers(NOW, NOW + 300), min_size=size, max_size=size))
    name = draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
    return TickBatch(
        NAMES, name=name, ltp=draw(prices), bid=draw(sides), ask=draw(sides), received=received, **columns
    )  # fmt: skip


def replayed(orders: list[Order], pieces: list[TickBatch]) -> tuple[list[VenueUpdate], list[Order]]:
    """Return all updates of the pieces, with the orders carried from one to the next."""
    said: list[VenueUpdate] = []
    for piece in pieces:
        updates = fills(orders, piece, PaperSettings(), STEPS)
        orders = carried(orders, updates)
        said += updates
    return said, orders


@given(orders_taken(), tick_batches(), st.lists(st.integers(0, 30), max_size=6))
def test_any_split_of_the_ticks_gives_the_same_updates(orders: list[Order], ticks: TickBatch, cuts: list[int]):
    """Whole, in pieces or one by one: the same words in the same order, and the same orders after them."""
    edges = [0, *sorted(min(cut, len(ticks)) for cut in cuts), len(ticks)]
    whole = replayed(orders, [ticks])
    assert replayed(orders, [ticks.take(slice(*pair)) for pair in itertools.pairwise(edges)]) == whole
    assert replayed(orders, [ticks.take(slice(row, row + 1)) for row in range(len(ticks))]) == whole
    assert fills(whole[1], ticks.take(slice(0, 0)), PaperSettings(), STEPS) == []


@given(orders_taken(), tick_batches())
def test_a_trade_is_never_better_than_the_book_nor_worse_than_the_limit(orders: list[Order], ticks: TickBatch):
    """Every update is legal, every trade is whole, late enough, and at a price that the rules allow."""
    updates, after = replayed(orders, [ticks])
    by_id = {order.client_order_id: order for order in orders}
    for update in updates:
        order, fill = by_id[update.client_order_id], update.fill
        assert update.at >= order.decided_at + 50
        if fill is None:
            continue
        assert fill.quantity == order.quantity
        if order.price is not None:
            assert order.side.sign * (order.price - fill.price) >= 0
        else:
            quotes = [
                (tick.ask if order.side is BUY else tick.bid) or tick.ltp
                for tick in ticks.to_records()
                if tick.instrument == order.instrument and tick.received == update.at
            ]
            assert any(order.side.sign * (fill.price - Decimal(str(quote))) >= 0 for quote in quotes)
            assert fill.price % Decimal("0.05") == 0
    assert all(order.state in {S.ACCEPTED, S.OPEN, S.FILLED, S.CANCELLED} for order in after)
