"""What holds for every order and every market, drawn at random."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from niftyflow.brokers.matching import (
    EventKind,
    Exchange,
    ExchangeEvent,
    MatchingSettings,
    NewOrder,
    OrderChange,
    Quotes,
    TimeInForce,
    Variety,
)
from niftyflow.model import OrderType, Product, Side
from support.matching import SHARE, TICK, at, share

MIDDLE = 2000
LATENCY = 20
prices = st.integers(MIDDLE - 4, MIDDLE + 4).map(lambda ticks: ticks * TICK)
quantities = st.integers(1, 40)


@st.composite
def orders(draw: Any) -> NewOrder:
    """Draw an order; its id is given later."""
    kind = draw(st.sampled_from([OrderType.LIMIT] * 4 + [OrderType.MARKET, OrderType.SL, OrderType.SL_M]))
    side, price, quantity = draw(st.sampled_from(list(Side))), draw(prices), draw(quantities)
    validity = draw(st.sampled_from([TimeInForce.DAY] * 3 + [TimeInForce.IOC, TimeInForce.TTL]))
    is_priced, is_stop = kind in {OrderType.LIMIT, OrderType.SL}, kind in {OrderType.SL, OrderType.SL_M}
    is_split = is_priced and validity is not TimeInForce.IOC and draw(st.booleans())
    return NewOrder(
        order_id="", account=draw(st.sampled_from("abc")), instrument=SHARE, side=side, quantity=quantity,
        order_type=kind, product=draw(st.sampled_from([Product.MIS, Product.CNC])), validity=validity,
        variety=Variety.ICEBERG if is_split else Variety.REGULAR, legs=3 if is_split else 0,
        price=price if is_priced else 0, trigger=price - side.sign * TICK if is_stop else 0,
        minutes=1 if validity is TimeInForce.TTL else 0, market_protection=0 if is_priced else -1,
    )  # fmt: skip


@st.composite
def rows(draw: Any) -> tuple[Any, ...]:
    """Draw a row: last price, volume traded, and one to three levels a side."""
    bid = draw(st.integers(MIDDLE - 4, MIDDLE + 4))
    depth = draw(st.integers(1, 3))
    return (
        draw(prices), draw(st.integers(0, 60)),
        [(bid - far) * TICK for far in range(depth)], [draw(quantities) for _ in range(depth)],
        [(bid + 1 + far) * TICK for far in range(depth)], [draw(quantities) for _ in range(depth)],
    )  # fmt: skip


changes = st.builds(
    OrderChange, order_id=st.just(""), quantity=st.none() | quantities, price=st.none() | prices,
)  # fmt: skip
steps = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.one_of(
            orders(), orders(), rows(), rows(), st.tuples(st.integers(0, 50), changes), st.integers(0, 50),
        ),
    ),
    min_size=10,
    max_size=50,
)  # fmt: skip


def exchange() -> Exchange:
    """Return an exchange with everything switched on."""
    return Exchange(
        [share(upper_band=(MIDDLE + 50) * TICK, lower_band=(MIDDLE - 50) * TICK)],
        MatchingSettings(latency_ms=LATENCY, latency_jitter_ms=7, depth_beyond_percent=50, levels_beyond=3), seed=5,
    )  # fmt: skip


def quotes(drawn: list[tuple[int, tuple[Any, ...]]], volume: int) -> Quotes:
    """Return drawn rows with their times as columns."""
    columns: dict[str, list[Any]] = {name: [] for name in ("ltp", "volume", "bp", "bq", "ap", "aq")}
    for _, (ltp, traded, *levels) in drawn:
        volume += traded
        columns["ltp"].append(ltp / 10_000)
        columns["volume"].append(volume)
        for name, side in zip(("bp", "bq", "ap", "aq"), levels, strict=True):
            padded = [*side, *[0] * (5 - len(side))]
            columns[name].append([each / 10_000 for each in padded] if name[1] == "p" else padded)
    return Quotes.of_rupees(
        [SHARE] * len(drawn), columns["ltp"], columns["volume"], columns["bp"], columns["ap"], columns["bq"],
        columns["aq"], [time for time, _ in drawn],
    )  # fmt: skip


def played(drawn: list[tuple[int, Any]], *, is_batched: bool) -> tuple[Exchange, list[ExchangeEvent]]:
    """Play the steps; rows that follow one another go in one call, or each in a call of its own."""
    venue, events, names = exchange(), list[ExchangeEvent](), list[str]()
    now, volume, waiting = at("15:10"), 0, list[tuple[int, tuple[Any, ...]]]()
    for wait, step in drawn:
        now += wait * 1000
        is_row = isinstance(step, tuple) and len(step) == 6
        if waiting and not (is_row and is_batched):
            events += venue.market(quotes(waiting, volume), waiting[-1][0])
            volume += sum(row[1] for _, row in waiting)
            waiting = []
        if is_row:
            waiting.append((now, step))
        elif isinstance(step, NewOrder):
            names.append(f"o{len(names)}")
            events += venue.place(msgspec.structs.replace(step, order_id=names[-1]), now)
        elif names and isinstance(step, tuple):
            events += venue.modify(msgspec.structs.replace(step[1], order_id=names[step[0] % len(names)]), now)
        elif names:
            events += venue.cancel(names[step % len(names)], now)
    if waiting:
        events += venue.market(quotes(waiting, volume), waiting[-1][0])
    return venue, events + venue.advance(at("16:00"))


@settings(max_examples=50, deadline=None)
@given(steps)
def test_batches_of_rows_change_nothing(drawn: list[tuple[int, Any]]):
    """All rows in one call, or each in its own: the same events, bit for bit; and so again on a second run."""
    together, apart = played(drawn, is_batched=True)[1], played(drawn, is_batched=False)[1]
    assert msgspec.json.encode(together) == msgspec.json.encode(apart)
    assert msgspec.json.encode(together) == msgspec.json.encode(played(drawn, is_batched=True)[1])


@settings(max_examples=120, deadline=None)
@given(steps)
def test_what_is_true_of_every_session(drawn: list[tuple[int, Any]]):
    """Quantities add up, nobody trades through a limit or before the latency, and nothing outlives the day."""
    venue, events = played(drawn, is_batched=True)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert [event.at for event in events] == sorted(event.at for event in events)
    placed: dict[str, int] = {}
    limits: dict[str, int] = {}
    by_trade: dict[str, list[Any]] = {}
    for event in events:
        if event.kind is EventKind.RECEIVED:
            placed[event.order_id] = event.at
        limits[event.order_id] = event.price
        if event.trade:
            trade, price = event.trade, limits[event.order_id]
            assert trade.at >= placed[event.order_id] + LATENCY
            assert not price or (trade.price <= price if trade.side is Side.BUY else trade.price >= price)
            assert trade.quantity > 0
            by_trade.setdefault(trade.trade_id, []).append(trade)
        assert event.filled + event.cancelled <= max(event.quantity, event.filled)
    for sides in by_trade.values():
        if len(sides) == 2:
            one, other = sides
            assert (one.quantity, one.price, one.order_id) == (other.quantity, other.price, other.counter_order_id)
            assert {one.side, other.side} == {Side.BUY, Side.SELL}
            assert one.account != other.account
        else:
            assert sides[0].counter_order_id == ""
    for account in "abc":
        for view in venue.orders(account):
            filled = [trade for trade in venue.trades(account) if trade.order_id == view.order.order_id]
            assert view.filled == sum(trade.quantity for trade in filled)
            assert view.filled_value == sum(trade.quantity * trade.price for trade in filled)
            assert view.status.is_final
            assert view.status.value == "REJECTED" or view.filled + view.cancelled == view.order.quantity
            assert (view.status.value == "COMPLETE") == (view.filled == view.order.quantity)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(prices, quantities), min_size=2, max_size=12), quantities)
def test_among_our_own_orders_price_goes_before_time_and_time_before_all_else(
    standing: list[tuple[int, int]], wanted: int
):
    """A buyer who takes any price meets the sellers sorted by price, then by when they came."""
    venue = Exchange([share()], MatchingSettings(latency_ms=0))
    now = at("10:00")
    for number, (price, quantity) in enumerate(standing):
        order = NewOrder(
            order_id=f"s{number}", account="a", instrument=SHARE, side=Side.SELL, quantity=quantity,
            order_type=OrderType.LIMIT, product=Product.CNC, price=price,
        )  # fmt: skip
        venue.place(order, now)
    buyer = NewOrder(
        order_id="b", account="b", instrument=SHARE, side=Side.BUY, quantity=wanted, order_type=OrderType.LIMIT,
        product=Product.CNC, price=(MIDDLE + 9) * TICK,
    )  # fmt: skip
    venue.place(buyer, now)
    expected, left = [], wanted
    for price, number, quantity in sorted(
        (price, number, quantity) for number, (price, quantity) in enumerate(standing)
    ):
        if left:
            expected.append((f"s{number}", min(left, quantity), price))
            left -= min(left, quantity)
    assert [(each.counter_order_id, each.quantity, each.price) for each in venue.trades("b")] == expected
