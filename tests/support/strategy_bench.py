"""A bench for strategies: a second implementation of their context, on candles alone, that fills at once.

Market orders fill at the last price right after the hook (or `is_slow`: at the next price seen), stops and limits on
the way of each candle from its open over the nearer extreme to its close. Nothing is charged, nothing slips.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import Any

from msgspec.structs import replace

from niftyflow.market import Session, ist_day, session
from niftyflow.model import (
    Candle,
    CandleBatch,
    FillEvent,
    Instrument,
    InstrumentKey,
    Kind,
    Order,
    OrderState,
    OrderType,
    Product,
    Side,
    Signal,
    Validity,
    Verdict,
    client_order_id,
    milliseconds,
)
from niftyflow.trading.strategies import make

MINUTE_MS = 60_000
ALWAYS_PASSES = Verdict(verdict="pass")


def never(order: Order) -> str:
    """Refuse no order."""
    return ""


@dataclass
class Bench:
    """One strategy on its own, with everything it did; `after_hook` is called with the bench after each."""

    kind: str
    parameters: dict[str, Any]
    facts: Sequence[Instrument]
    past: Mapping[str, Sequence[Candle]] = field(default_factory=dict)
    refuses: Callable[[Order], str] = never
    is_slow: bool = False
    most_filled: int = 1_000_000
    restarts: bool = False
    after_hook: Callable[[Bench], None] | None = None

    def __post_init__(self) -> None:
        self.name, self.account, self.time = "bench", "paper", 0
        self.instruments = sorted(fact.key for fact in self.facts)
        self.strategy = make(self.kind, self.parameters)
        self.orders: dict[str, Order] = {}
        self.fills: list[FillEvent] = []
        self.logs: list[tuple[str, dict[str, object]]] = []
        self.timers: dict[str, int] = {}
        self.prices: dict[InstrumentKey, float] = {}
        self.held: dict[InstrumentKey, int] = {}
        self.cost: dict[InstrumentKey, Decimal] = {}
        self._facts = {fact.key: fact for fact in self.facts}
        self._untold: list[FillEvent] = []

    # -- what a strategy sees and does -----------------------------------------------------------------------------

    def position(self, instrument: InstrumentKey) -> int:
        return self.held.get(instrument, 0)

    def average_price(self, instrument: InstrumentKey) -> Decimal | None:
        held = self.position(instrument)
        return self.cost[instrument] / held if held else None

    def last_price(self, instrument: InstrumentKey) -> float | None:
        return self.prices.get(instrument)

    def tick_size(self, instrument: InstrumentKey) -> Decimal:
        return self._facts[instrument].tick_size

    def working_orders(self, instrument: InstrumentKey | None = None) -> list[Order]:
        return [
            order
            for order in self.orders.values()
            if not order.state.is_final and instrument in {None, order.instrument}
        ]

    def buy(self, instrument: InstrumentKey, quantity: int, **wishes: Any) -> Order:
        return self._order(Side.BUY, instrument, quantity, **wishes)

    def sell(self, instrument: InstrumentKey, quantity: int, **wishes: Any) -> Order:
        return self._order(Side.SELL, instrument, quantity, **wishes)

    def close(self, instrument: InstrumentKey, tag: str = "") -> Order | None:
        for order in self.working_orders(instrument):
            self.cancel(order.client_order_id)
        held = self.position(instrument)
        side = Side.SELL if held > 0 else Side.BUY
        return self._order(side, instrument, abs(held), tag=tag) if held else None

    def cancel(self, client_order_id: str) -> None:
        order = self.orders[client_order_id]
        if not order.state.is_final:
            self.orders[client_order_id] = replace(order, state=OrderState.CANCELLED, updated_at=self.time)

    def quantity_for(self, instrument: InstrumentKey, rupees: float) -> int:
        fact, price = self._facts[instrument], self.last_price(instrument)
        if fact.kind is Kind.INDEX or price is None:
            return 0
        return int(rupees / price) // fact.lot_size * fact.lot_size

    def timer(self, name: str, at: int) -> None:
        self.timers[name] = at

    def session(self, instrument: InstrumentKey) -> Session | None:
        return session(self._facts[instrument], ist_day(self.time))

    def history(self, instrument: InstrumentKey) -> CandleBatch:
        past = list(self.past.get(instrument, ()))
        return CandleBatch.from_records(past[-self.strategy.warm_up :] if self.strategy.warm_up else [])

    def log(self, event: str, **fields: object) -> None:
        self.logs.append((event, fields))

    # -- running it ------------------------------------------------------------------------------------------------

    def start(self, time: int) -> None:
        """Start the strategy at a moment, ms UTC."""
        self.time = time
        self._hook("on_start")

    def run(self, candles: Iterable[Candle], signals: Mapping[int, Sequence[Signal]] | None = None) -> Bench:
        """Play candles minute by minute, and signals by the moment at which they are told; return the bench."""
        ordered = sorted(candles, key=lambda candle: (candle.time, candle.instrument))
        if not self.time:
            self.start(milliseconds(ordered[0].time))
        for time, group in groupby(ordered, key=lambda candle: candle.time):
            minute = list(group)
            for candle in minute:
                self._play(candle)
            self.time = milliseconds(time) + MINUTE_MS
            for candle in minute:
                self._hook("on_candle", candle)
            for signal in (signals or {}).get(self.time, ()):
                self._hook("on_signal", signal)
            self._ring()
        return self

    def stop(self) -> None:
        """Stop the strategy."""
        self._hook("on_stop")

    def events(self, event: str) -> list[dict[str, object]]:
        """Return the fields of each event of a name."""
        return [fields for name, fields in self.logs if name == event]

    def of(self, tag: str) -> list[Order]:
        """Return the orders of a tag, oldest first."""
        return [order for order in self.orders.values() if order.tag == tag]

    def _hook(self, name: str, *arguments: object) -> None:
        if self.restarts and name != "on_start":
            memory = json.loads(json.dumps(self.strategy.save(), allow_nan=False))
            self.strategy = make(self.kind, json.loads(json.dumps(self.parameters)))
            self.strategy.load(memory)
        getattr(self.strategy, name)(self, *arguments)
        if self.after_hook is not None:
            self.after_hook(self)
        if not self.is_slow:
            self._match(None)
        self._tell()

    def _tell(self) -> None:
        while self._untold:
            self._hook("on_fill", self._untold.pop(0))

    def _ring(self) -> None:
        for at, name in sorted((at, name) for name, at in self.timers.items() if at <= self.time):
            if self.timers.get(name) == at:
                del self.timers[name]
                self._hook("on_timer", name)

    def _play(self, candle: Candle) -> None:
        extremes = (candle.low, candle.high) if candle.close >= candle.open else (candle.high, candle.low)
        for step, price in enumerate((candle.open, *extremes, candle.close)):
            self.time = milliseconds(candle.time) + step * 15_000
            self.prices[candle.instrument] = price
            self._match(candle.instrument)
            self._tell()

    # -- the venue -------------------------------------------------------------------------------------------------

    def _order(
        self, side: Side, instrument: InstrumentKey, quantity: int, *, order_type: OrderType = OrderType.MARKET,
        price: Decimal | None = None, trigger: Decimal | None = None, product: Product = Product.MIS,
        valid_for_ms: int = MINUTE_MS, tag: str = "",
    ) -> Order:  # fmt: skip
        fact = self._facts[instrument]
        order = Order(
            account=self.account, client_order_id=client_order_id(self.account, "bench", len(self.orders)),
            strategy=self.name, symbol=fact.symbol, exchange=fact.exchange, side=side, quantity=quantity,
            order_type=order_type, product=product, validity=Validity.DAY, price=price, trigger=trigger, cause="bench",
            signal_id="", trace_id="", decided_at=self.time, valid_until=self.time + valid_for_ms, risk=ALWAYS_PASSES,
            tag=tag,
        )  # fmt: skip
        off_tick = any(at is not None and at % fact.tick_size for at in (price, trigger))
        is_wrong = fact.kind is Kind.INDEX or quantity <= 0 or quantity % fact.lot_size or off_tick
        reason = "the order cannot be" if is_wrong else self.refuses(order)
        if reason:
            order = replace(order, state=OrderState.REJECTED, reason=reason)
        self.orders[order.client_order_id] = order
        return order

    def _match(self, instrument: InstrumentKey | None) -> None:
        """Fill what the last prices allow; without an instrument, market orders only."""
        for order in self.working_orders(instrument):
            if instrument is None and order.order_type is not OrderType.MARKET:
                continue
            price = self._fill_price(order)
            if price is not None:
                self._fill(order, price)
                self._tell_during_a_candle(instrument)

    def _tell_during_a_candle(self, instrument: InstrumentKey | None) -> None:
        """Tell a fill before the next order is looked at, so that what it cancels is not filled by the same price."""
        if instrument is not None:
            self._tell()

    def _fill_price(self, order: Order) -> Decimal | None:
        if self.orders[order.client_order_id].state.is_final:
            return None
        last = Decimal(repr(self.prices[order.instrument]))
        if order.order_type is OrderType.MARKET:
            return last
        if order.order_type is OrderType.LIMIT:
            assert order.price is not None
            return order.price if (last - order.price) * order.side.sign <= 0 else None
        assert order.trigger is not None
        return last if (last - order.trigger) * order.side.sign >= 0 else None

    def _fill(self, order: Order, price: Decimal) -> None:
        quantity = min(order.remaining, self.most_filled)
        filled = order.filled + quantity
        state = OrderState.FILLED if filled == order.quantity else OrderState.PART_FILLED
        self.orders[order.client_order_id] = replace(
            order, filled=filled, filled_value=order.filled_value + price * quantity, state=state, updated_at=self.time
        )
        fill = FillEvent(
            account=self.account, fill_id=f"fill-{len(self.fills)}", client_order_id=order.client_order_id,
            strategy=self.name, symbol=order.symbol, exchange=order.exchange, side=order.side, product=order.product,
            quantity=quantity, price=price, charges={}, at=self.time,
        )  # fmt: skip
        self.fills.append(fill)
        self._untold.append(fill)
        self._book(order.instrument, order.side.sign * quantity, price)

    def _book(self, instrument: InstrumentKey, signed: int, price: Decimal) -> None:
        before, cost = self.position(instrument), self.cost.get(instrument, Decimal(0))
        after = before + signed
        if before * signed >= 0:
            cost += signed * price
        elif before * after <= 0:
            cost = after * price
        else:
            cost = cost * after / before
        self.held[instrument], self.cost[instrument] = after, cost
