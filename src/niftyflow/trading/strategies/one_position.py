"""The part that strategies of one position an instrument share: enter, protect, reverse, be out before the close.

A strategy says which way it wants to be; orders are made to follow, from what the account says is held and working. So
a partial fill, a refusal or a restart leaves nothing behind. It never opens one side before the other is closed.
"""

from __future__ import annotations

from abc import abstractmethod
from decimal import ROUND_HALF_EVEN, Decimal
from typing import ClassVar, NamedTuple

import msgspec
from pydantic import Field, ValidationInfo, field_validator

from niftyflow.kit.settings import Settings
from niftyflow.market import Session, ist_day
from niftyflow.model import Candle, FillEvent, InstrumentKey, InvalidValue, Order, OrderState, OrderType, Product
from niftyflow.trading.strategies.session_minutes import before_close
from niftyflow.trading.strategy import Context, Saved, Strategy

ENTRY, STOP, TARGET, EXIT = "entry", "stop", "target", "exit"
REVERSAL_MS = 120_000
MOST_REFUSALS = 3


class OnePositionParameters(Settings):
    """What every strategy of one position an instrument is told."""

    value_rupees: float = Field(default=50_000, gt=0, description="Value of a position, in rupees; whole lots below it")
    product: Product = Field(default=Product.MIS, description="How positions are held: MIS, CNC or NRML")
    allow_short: bool = Field(
        default=True, validate_default=True, description="Whether it may sell what it does not hold"
    )
    exit_minutes_before_close: int | None = Field(
        default=20, ge=1, description="Minutes of trading before the close at which it is out; null: held overnight"
    )

    @field_validator("allow_short")
    @classmethod
    def _delivers(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        if value and info.data.get("product") is Product.CNC:
            raise ValueError("delivery cannot be sold short, set it to false")
        return value

    @field_validator("exit_minutes_before_close")
    @classmethod
    def _ends(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is None and info.data.get("product") is Product.MIS:
            raise ValueError("an intraday position is not held overnight, set the minutes")
        return value


class Opened(NamedTuple):
    """A position just opened: its average price in rupees, its side (1 long, -1 short) and the step of prices."""

    instrument: InstrumentKey
    entry: float
    side: int
    tick: float


class Levels(NamedTuple):
    """Prices in rupees at which a position ends, None where it has none."""

    stop: float | None
    target: float | None


class Trade(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is wanted of an instrument: `wanted` is 1 long, -1 short, 0 nothing; prices are decimals as text.

    `is_held` says that a position of the wanted side was opened and its levels are fixed; `enter_until` is when a
    reversal that has not closed the old side by then is given up (ms UTC). A target is asked for until it was refused
    three times: the gate may take it for the stop again, or the day's loss for enough.
    """

    wanted: int = 0
    rupees: float = 0.0
    enter_until: int = 0
    is_held: bool = False
    stop: str | None = None
    target: str | None = None
    target_refusals: int = 0
    day: str = ""
    exit_at: int = 0


class OnePosition(Strategy):
    """At most one position an instrument, with a stop and a target of which one cancels the other."""

    Parameters: ClassVar[type[OnePositionParameters]]

    def __init__(self, parameters: OnePositionParameters) -> None:
        super().__init__(parameters)
        self._common = parameters
        self._trades: dict[InstrumentKey, Trade] = {}

    # -- what a strategy of this kind says -------------------------------------------------------------------------

    @abstractmethod
    def levels(self, opened: Opened) -> Levels:
        """Return where a position just opened ends; kept until it has ended, and put on the step of prices."""

    def day_began(self, instrument: InstrumentKey, session: Session | None) -> None:
        """Prepare for an instrument's day."""

    def trade(self, instrument: InstrumentKey) -> Trade:
        """Return what is wanted of an instrument."""
        return self._trades.setdefault(instrument, Trade())

    def tend(self, context: Context, instrument: InstrumentKey) -> None:
        """Begin the day if it is new, be out when it is time, and make the orders follow; called on every candle."""
        self.start_day(context, instrument)
        trade = self.trade(instrument)
        if context.time >= trade.exit_at and self._common.exit_minutes_before_close is not None:
            trade.wanted = 0
        self._follow(context, instrument, trade)

    def start_day(self, context: Context, instrument: InstrumentKey) -> None:
        """Begin an instrument's day, once: when to be out, and what the strategy itself prepares."""
        trade, day = self.trade(instrument), ist_day(context.time).isoformat()
        if trade.day == day:
            return
        session, minutes = context.session(instrument), self._common.exit_minutes_before_close
        trade.day, trade.exit_at = day, 0
        if session is not None:
            trade.exit_at = before_close(session, minutes or 0)
            if minutes is not None:
                context.timer(f"{EXIT} {instrument}", trade.exit_at)
        self.day_began(instrument, session)

    def may_open(self, context: Context, instrument: InstrumentKey, side: int) -> bool:
        """Return whether a position of a side may be opened now."""
        return context.time < self.trade(instrument).exit_at and (side > 0 or self._common.allow_short)

    def turn(self, context: Context, instrument: InstrumentKey, side: int, rupees: float, until: int = 0) -> None:
        """Want another side (0: none): the old one is closed first, and the new one opened once that has filled.

        `until` is when the new side has lost its sense (ms UTC); 0 is two minutes from now.
        """
        trade = self.trade(instrument)
        trade.wanted, trade.rupees, trade.is_held = side, rupees, False
        trade.stop = trade.target = None
        trade.enter_until = until or context.time + REVERSAL_MS
        if context.position(instrument) == 0:
            self._cancel(context, instrument, ENTRY, STOP, TARGET, EXIT)
            if side:
                self._enter(context, instrument, trade)
        self._follow(context, instrument, trade)

    # -- hooks -----------------------------------------------------------------------------------------------------

    def on_candle(self, context: Context, candle: Candle) -> None:
        """Make the orders follow."""
        self.tend(context, candle.instrument)

    def on_fill(self, context: Context, fill: FillEvent) -> None:
        """Protect what was opened, end what was closed, and open the other side of a reversal."""
        instrument = fill.instrument
        trade = self.trade(instrument)
        if context.position(instrument) == 0 and trade.wanted:
            if trade.is_held or fill.side.sign != trade.wanted:
                trade.wanted = 0
            elif context.time < trade.enter_until:
                self._enter(context, instrument, trade)
        self._follow(context, instrument, trade)

    def on_timer(self, context: Context, name: str) -> None:
        """Be out before the close."""
        reason, _, key = name.partition(" ")
        if reason == EXIT:
            instrument = InstrumentKey(key)
            trade = self.trade(instrument)
            trade.wanted = 0
            self._follow(context, instrument, trade)

    def on_stop(self, context: Context) -> None:
        """Cancel what could open a position or turn one over; a stop that protects one stands."""
        for instrument in context.instruments:
            self._cancel(context, instrument, ENTRY, TARGET)

    def save(self) -> Saved:
        """Return what is wanted of each instrument."""
        return {"trades": msgspec.to_builtins(dict(sorted(self._trades.items())))}

    def load(self, saved: Saved) -> None:
        """Take back what is wanted of each instrument."""
        try:
            trades = msgspec.convert(saved["trades"], dict[str, Trade])
        except (KeyError, msgspec.ValidationError) as error:
            raise InvalidValue("saved", saved, f"that is no memory of {self.kind}: {error}") from error
        self._trades = {InstrumentKey(key): trade for key, trade in trades.items()}

    # -- orders that follow ----------------------------------------------------------------------------------------

    def _follow(self, context: Context, instrument: InstrumentKey, trade: Trade) -> None:
        position = context.position(instrument)
        if position * trade.wanted > 0:
            self._hold(context, instrument, trade, position)
        elif position:
            self._flatten(context, instrument, position)
        else:
            trade.is_held = False
            if trade.wanted and not context.working_orders(instrument):
                context.log("entry_missed", instrument=instrument)
                trade.wanted = 0
            self._cancel(context, instrument, STOP, TARGET, EXIT, *(() if trade.wanted else (ENTRY,)))

    def _enter(self, context: Context, instrument: InstrumentKey, trade: Trade) -> None:
        quantity = context.quantity_for(instrument, trade.rupees)
        if quantity <= 0:
            trade.wanted = 0
            return
        give = context.buy if trade.wanted > 0 else context.sell
        order = give(instrument, quantity, product=self._common.product, tag=ENTRY)
        if _is_refused(context, order):
            trade.wanted = 0

    def _hold(self, context: Context, instrument: InstrumentKey, trade: Trade, position: int) -> None:
        """Keep a stop and a target of the size of the position, at prices fixed when it was opened."""
        self._cancel(context, instrument, EXIT)
        if not trade.is_held:
            self._fix(context, instrument, trade)
        if not self._protect(context, instrument, trade, position, STOP):
            trade.wanted = 0
            self._flatten(context, instrument, position)
        elif not self._protect(context, instrument, trade, position, TARGET):
            trade.target_refusals += 1
            if trade.target_refusals == MOST_REFUSALS:
                trade.target = None

    def _fix(self, context: Context, instrument: InstrumentKey, trade: Trade) -> None:
        entry, tick = context.average_price(instrument), context.tick_size(instrument)
        if entry is None:
            return
        stop, target = self.levels(Opened(instrument, float(entry), trade.wanted, float(tick)))
        trade.stop, trade.target = _on_tick(stop, tick), _on_tick(target, tick)
        trade.is_held, trade.target_refusals = True, 0

    def _protect(
        self, context: Context, instrument: InstrumentKey, trade: Trade, position: int, leg: str
    ) -> bool:  # fmt: skip
        """Have orders of a leg working for all of the position; return False when that is not possible.

        A leg that is too small is added to, so that what stands need not be cancelled first; any other is made anew.
        """
        text = trade.stop if leg == STOP else trade.target
        working = [order for order in context.working_orders(instrument) if order.tag == leg]
        missing = abs(position)
        if text is not None and all(_fits(order, position, Decimal(text)) for order in working):
            missing -= sum(order.remaining for order in working)
        if text is not None and missing == 0:
            return True
        if missing < 0 or missing == abs(position):
            missing = abs(position)
            for order in working:
                context.cancel(order.client_order_id)
        if text is None:
            return True
        last = context.last_price(instrument)
        if leg == STOP and last is not None and (last - float(text)) * position <= 0:
            context.log("stop_passed", instrument=instrument, stop=text, price=last)
            return False
        give = context.sell if position > 0 else context.buy
        at, is_stop = Decimal(text), leg == STOP
        order = give(
            instrument, missing, order_type=OrderType.SL_M if is_stop else OrderType.LIMIT,
            price=None if is_stop else at, trigger=at if is_stop else None, product=self._common.product, tag=leg,
        )  # fmt: skip
        return not _is_refused(context, order)

    def _flatten(self, context: Context, instrument: InstrumentKey, position: int) -> None:
        for order in context.working_orders(instrument):
            if order.tag == EXIT and order.side.sign * order.remaining == -position:
                return
        closing = context.close(instrument, tag=EXIT)
        if closing is not None:
            _is_refused(context, closing)

    def _cancel(self, context: Context, instrument: InstrumentKey, *tags: str) -> None:
        for order in context.working_orders(instrument):
            if order.tag in tags:
                context.cancel(order.client_order_id)


def _is_refused(context: Context, order: Order) -> bool:
    if order.state is not OrderState.REJECTED:
        return False
    context.log("order_refused", instrument=order.instrument, tag=order.tag, reason=order.reason)
    return True


def _fits(order: Order, position: int, price: Decimal) -> bool:
    at = order.trigger if order.tag == STOP else order.price
    return order.side.sign * position < 0 and at == price


def _on_tick(price: float | None, tick: Decimal) -> str | None:
    """Return a price on the nearest step, as text; None when it is below the first one."""
    if price is None:
        return None
    steps = (Decimal(repr(price)) / tick).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
    return str(steps * tick) if steps > 0 else None
