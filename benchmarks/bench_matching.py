"""Orders a second through the matching engine on one core, while the replayed market goes on around them."""

from __future__ import annotations

import gc

import numpy as np

from benchmarks.measure import Budget, Measurement, best_of, quantile
from niftyflow.brokers.matching import (
    Exchange,
    ExchangeEvent,
    Hours,
    Listing,
    MatchingSettings,
    NewOrder,
    OrderChange,
    Quotes,
)
from niftyflow.kit.clock import monotonic
from niftyflow.model import Kind, OrderType, Product, Side

BUDGET = Budget("matching: orders with the market around them", "orders/s", 2_000)
ROWS_BUDGET = Budget("matching: rows of the market", "rows/s", 20_000)
SHARES = 50
ORDERS = 4_000
ROWS = 40_000
"""Ten rows for each order, which is the simulator's 20,000 ticks/s beside its 2,000 orders/s."""
TICK = 500
START = 1_790_000_000_000
KEYS = [f"NSE:S{number}" for number in range(SHARES)]


def run() -> list[Measurement]:
    """Measure orders among rows, rows alone with and without orders that stand, and the time of single orders."""
    rows = market_rows(ROWS)
    orders = placed(ORDERS)
    seconds, (events, _) = best_of(lambda: session_of(orders, rows))
    traded = sum(event.trade is not None for event in events)
    assert traded > ORDERS / 4, traded
    _, (_, times) = best_of(lambda: session_of(orders, rows, is_timed=True), repeats=1)
    idle, _ = best_of(lambda: rows_alone(rows, standing=0))
    busy, _ = best_of(lambda: rows_alone(rows, standing=20))
    deep, _ = best_of(deep_queue)
    return [
        Measurement(
            "niftyflow: place, change or cancel, and 10 rows for each order", ORDERS / seconds, "orders/s",
            details={"events": len(events), "trades": traded},
        ),
        Measurement("niftyflow: one order, 99th percentile", quantile(times, 0.99) * 1e3, "ms"),
        Measurement("niftyflow: rows, nothing of ours in the book", ROWS / idle, "rows/s", budget=ROWS_BUDGET),
        Measurement("niftyflow: rows, 20 orders in each of 50 books", ROWS / busy, "rows/s", budget=ROWS_BUDGET),
        Measurement("niftyflow: 4,000 orders at one price, then taken one by one", 8_000 / deep, "orders/s"),
    ]  # fmt: skip


def market_rows(count: int) -> Quotes:
    """Return rows of five levels with quantities, walking by ticks, 20 rows a millisecond of replayed time."""
    random = np.random.default_rng(7)
    place = np.arange(count) % SHARES
    middle = 20_000 + np.cumsum(random.integers(-1, 2, (count // SHARES, SHARES)), axis=0).ravel()
    far = np.arange(5)
    return Quotes(
        instruments=[KEYS[each] for each in place.tolist()],
        ltp=middle * TICK,
        day_volume=np.cumsum(random.integers(0, 200, (count // SHARES, SHARES)), axis=0).ravel(),
        bid_prices=(middle[:, np.newaxis] - 1 - far) * TICK,
        bid_quantities=random.integers(1, 500, (count, 5)),
        ask_prices=(middle[:, np.newaxis] + 1 + far) * TICK,
        ask_quantities=random.integers(1, 500, (count, 5)),
        time=START + np.arange(count) // 20,
    )


def placed(count: int) -> list[NewOrder]:
    """Return orders around the market: some take, some stand, some wait for a trigger."""
    random = np.random.default_rng(11)
    kinds = [OrderType.LIMIT] * 6 + [OrderType.MARKET, OrderType.MARKET, OrderType.SL, OrderType.LIMIT]
    orders = []
    for number in range(count):
        side = Side.BUY if random.integers(2) else Side.SELL
        kind = kinds[number % len(kinds)]
        distance = int(random.integers(-8, 9))
        trigger = (20_000 + side.sign * 60) * TICK if kind is OrderType.SL else 0
        price = (
            0
            if kind is OrderType.MARKET
            else trigger + side.sign * 10 * TICK
            if trigger
            else (20_000 + distance) * TICK
        )
        orders.append(
            NewOrder(
                order_id=str(number), account=f"a{number % 20}", instrument=KEYS[int(random.integers(SHARES))],
                side=side, quantity=int(random.integers(1, 800)), order_type=kind, product=Product.MIS, price=price,
                trigger=trigger, market_protection=-1 if kind is OrderType.MARKET else 0,
            )
        )  # fmt: skip
    return orders


def exchange() -> Exchange:
    """Return fifty shares traded round the clock."""
    listings = [Listing(instrument=key, kind=Kind.EQUITY, tick_size=TICK) for key in KEYS]
    return Exchange(listings, MatchingSettings(hours=Hours.ALWAYS, latency_ms=5), seed=1)


def part(rows: Quotes, begin: int, end: int) -> Quotes:
    """Return some of the rows."""
    columns = ("ltp", "day_volume", "bid_prices", "bid_quantities", "ask_prices", "ask_quantities", "time")
    return Quotes(rows.instruments[begin:end], **{name: getattr(rows, name)[begin:end] for name in columns})


def session_of(
    orders: list[NewOrder], rows: Quotes, *, is_timed: bool = False
) -> tuple[list[ExchangeEvent], list[float]]:
    """Play rows in batches of fifty, and between them the orders that come then; every fourth one is changed."""
    venue, events, times = exchange(), list[ExchangeEvent](), list[float]()
    each = len(orders) * SHARES // len(rows)
    gc.collect()
    for batch, begin in enumerate(range(0, len(rows), SHARES)):
        events += venue.market(part(rows, begin, begin + SHARES), START)
        now = int(rows.time[begin + SHARES - 1])
        for order in orders[batch * each : (batch + 1) * each]:
            begun = monotonic() if is_timed else 0.0
            events += venue.place(order, now)
            if is_timed:
                times.append(monotonic() - begun)
        if batch and batch % 2 == 0:
            events += venue.modify(OrderChange(order_id=orders[(batch - 1) * each].order_id, quantity=900), now)
            events += venue.cancel(orders[(batch - 2) * each].order_id, now)
    return events, times


def rows_alone(rows: Quotes, standing: int) -> int:
    """Play the rows in batches of fifty beside orders that stand far from the market."""
    venue = exchange()
    for number in range(standing * SHARES):
        price = (19_000 - number // SHARES) * TICK
        order = NewOrder(
            order_id=str(number), account="a", instrument=KEYS[number % SHARES], side=Side.BUY, quantity=10,
            order_type=OrderType.LIMIT, product=Product.MIS, price=price,
        )  # fmt: skip
        venue.place(order, START - 100)
    venue.advance(START - 1)
    return sum(len(venue.market(part(rows, begin, begin + SHARES), START)) for begin in range(0, len(rows), SHARES))


def deep_queue() -> int:
    """Let 4,000 orders stand at one price and 4,000 come and take them."""
    venue = exchange()
    trades = 0
    for number in range(8_000):
        side = Side.SELL if number < 4_000 else Side.BUY
        order = NewOrder(
            order_id=str(number), account=side.value, instrument=KEYS[0], side=side, quantity=10,
            order_type=OrderType.LIMIT, product=Product.MIS, price=20_000 * TICK,
        )  # fmt: skip
        trades += len(venue.place(order, START + number))
    trades += len(venue.advance(START + 10_000))
    assert trades == 8_000 * 3, trades
    return trades
