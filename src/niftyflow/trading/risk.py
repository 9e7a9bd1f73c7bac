"""The risk gate: twelve questions about an order before it may leave, every one asked and every answer kept.

Owns the limits and the verdict. It fails closed: a fact that is missing refuses the order. Pure: facts come from the
account, and it never asks a clock, a price or a store. docs/reference/risk-checks.md says what each check means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from pydantic import Field

from niftyflow.kit.settings import Settings
from niftyflow.market import Phase
from niftyflow.model import (
    Check,
    Instrument,
    InvalidValue,
    Kind,
    OrderType,
    Product,
    Side,
    Verdict,
    from_e4,
    to_e4,
)
from niftyflow.trading.requests import OrderRequest

SECOND_MS = 1_000
MINUTE_MS = 60_000

_PRODUCTS = {
    Kind.EQUITY: (Product.MIS, Product.CNC),
    Kind.FUTURE: (Product.MIS, Product.NRML),
    Kind.OPTION: (Product.MIS, Product.NRML),
    Kind.INDEX: (),
}
_HAS_PRICE = {OrderType.LIMIT, OrderType.SL}
_HAS_TRIGGER = {OrderType.SL, OrderType.SL_M}


class RiskLimits(Settings):
    """What an account may do; the defaults are for a paper account of ₹10,00,000."""

    max_order_value_rupees: Decimal = Field(
        default=Decimal(200_000), gt=0, decimal_places=4, description="Largest value of one order that is no exit"
    )
    max_order_quantity: int = Field(default=100_000, gt=0, description="Largest quantity of one order")
    max_position_value_rupees: Decimal = Field(
        default=Decimal(200_000),
        gt=0,
        decimal_places=4,
        description="Largest position in one instrument",
    )
    max_gross_exposure_rupees: Decimal = Field(
        default=Decimal(1_000_000),
        gt=0,
        decimal_places=4,
        description="Largest sum of positions and working orders",
    )
    max_daily_loss_rupees: Decimal = Field(
        default=Decimal(20_000), gt=0, decimal_places=4,
        description="Loss of the day, charges included, from which on only exits leave",
    )  # fmt: skip
    max_orders_per_second: int = Field(
        default=8, gt=0, le=10, description="Orders in a second; from 10 on an algo must be registered"
    )
    max_orders_per_minute: int = Field(default=200, gt=0, description="Orders in a minute")
    max_orders_per_day: int = Field(default=2_000, gt=0, description="Orders in a day; an exit leaves beyond it")
    duplicate_seconds: int = Field(
        default=5, ge=0, description="Within it the same strategy's same order is taken for a mistake"
    )
    entries_end_minutes_before_close: int = Field(
        default=15, ge=0, description="From then on no order opens or increases an MIS position"
    )
    price_band_percent: int = Field(
        default=20, gt=0, le=100, description="How far a price or a trigger may lie from the last price"
    )
    max_price_age_seconds: int = Field(
        default=120, gt=0, description="An older last price is none, for an order that is no exit"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the account and the market are when an order is asked for; None is not known, and refuses the order.

    Money in rupees, times in ms UTC. `phase` and `closes_at` (end of the session's continuous trading) are of the
    instrument, None without a calendar. `net_quantity` and the working quantities are of the instrument in the whole
    account, an order counting as working from its intent to its end; `held_quantity` is what the request's own strategy
    holds in the request's product, `exiting_quantity` what its working orders of the request's side in that product may
    still fill. Counts of orders are without this one.
    """

    time: int
    kill_switch: bool | None
    instrument: Instrument | None
    phase: Phase | None
    closes_at: int | None
    last_price: Decimal | None
    price_age_ms: int | None
    net_quantity: int
    open_buy_quantity: int
    open_sell_quantity: int
    held_quantity: int
    exiting_quantity: int
    gross_exposure: Decimal | None
    """Value of all positions and working orders."""
    day_pnl: Decimal | None
    """Realised and unrealised, after charges."""
    orders_in_second: int
    orders_in_minute: int
    orders_in_day: int
    same_intent_at: int | None
    """When an order of the same strategy, instrument, side, quantity and purpose (exit or not) was last intended."""
    has_same_id: bool
    """Whether an order of this very client order id is there."""


@dataclass(frozen=True, slots=True)
class _Question:
    """A request with what several checks ask for; prices and values in 1/10,000 rupee, None when they are not known."""

    request: OrderRequest
    facts: Facts
    limits: RiskLimits
    is_exit: bool
    last: int | None
    price: int | None
    trigger: int | None

    @property
    def worst_price(self) -> int | None:
        """The highest price that is known of it: what a unit is reckoned at; None without a last price."""
        return None if self.last is None else max(self.last, self.price or 0, self.trigger or 0)

    def value_of(self, quantity: int) -> int | None:
        """Return what a quantity is worth at worst."""
        return None if self.worst_price is None else quantity * self.worst_price

    @property
    def directed_quantity(self) -> int:
        """The position in the order's direction when it and all working orders of its side have filled."""
        side, facts = self.request.side, self.facts
        working = facts.open_buy_quantity if side is Side.BUY else facts.open_sell_quantity
        return max(side.sign * facts.net_quantity + working + self.request.quantity, 0)


def judge(request: OrderRequest, facts: Facts, limits: RiskLimits) -> Verdict:
    """Ask every check, in fixed order, and return the verdict with what each measured and its limit.

    An exit that truly takes its strategy's position back is exempt from the limits on value, position, exposure, loss
    and the end of entries, and from the age of the price; from nothing else. One that would not is judged as an entry.
    """
    last = _e4(facts.last_price)
    question = _Question(
        request, facts, limits, is_exit=is_reducing(request, facts), last=last if last and last > 0 else None,
        price=_e4(request.price), trigger=_e4(request.trigger),
    )  # fmt: skip
    checks = [check(question) for check in _CHECKS]
    return Verdict(verdict="pass" if all(check.is_passed for check in checks) else "reject", checks=checks)


def is_reducing(request: OrderRequest, facts: Facts) -> bool:
    """Say whether a request is an exit, and cannot do more than take back what is held and not being taken back yet."""
    free = -request.side.sign * facts.held_quantity - facts.exiting_quantity
    return request.is_exit and 0 < request.quantity <= free


def _kill_switch(question: _Question) -> Check:
    state = {True: "on", False: "off", None: "unknown"}[question.facts.kill_switch]
    return Check(name="kill_switch", is_passed=question.facts.kill_switch is False, value=state, limit="off")


def _instrument(question: _Question) -> Check:
    instrument, request = question.facts.instrument, question.request
    if instrument is None or instrument.key != request.instrument:
        return Check(
            name="instrument", is_passed=False, value=f"{request.instrument} is not known", limit="a known instrument"
        )
    allowed = _PRODUCTS[instrument.kind]
    return Check(
        name="instrument", is_passed=request.product in allowed,
        value=f"{instrument.kind} as {request.product}", limit=" or ".join(allowed) or "not tradable",
    )  # fmt: skip


def _session_phase(question: _Question) -> Check:
    phase = question.facts.phase
    return Check(
        name="session_phase",
        is_passed=phase is Phase.CONTINUOUS,
        value=phase or "unknown",
        limit=Phase.CONTINUOUS.value,
    )


def _quantity(question: _Question) -> Check:
    quantity, largest, lot = question.request.quantity, question.limits.max_order_quantity, 0
    if question.facts.instrument is not None:
        lot = question.facts.instrument.lot_size
        largest = min(largest, question.facts.instrument.freeze_quantity or largest)
    is_whole = lot > 0 and quantity % lot == 0
    return Check(
        name="quantity", is_passed=is_whole and 0 < quantity <= largest,
        value=str(quantity), limit=f"1 to {largest} in lots of {lot or 'unknown size'}",
    )  # fmt: skip


def _price(question: _Question) -> Check:
    request, facts, limits = question.request, question.facts, question.limits
    wrong = [] if question.last else ["no last price"]
    age_ms = facts.price_age_ms
    if not question.is_exit and (age_ms is None or age_ms > limits.max_price_age_seconds * SECOND_MS):
        wrong.append("last price of unknown age" if age_ms is None else f"last price {age_ms} ms old")
    step = _e4(facts.instrument.tick_size) if facts.instrument else None
    for name, given, units, is_due in (
        ("price", request.price, question.price, request.order_type in _HAS_PRICE),
        ("trigger", request.trigger, question.trigger, request.order_type in _HAS_TRIGGER),
    ):
        if (given is not None) != is_due:
            wrong.append(f"{request.order_type} {'needs a' if is_due else 'has no'} {name}")
        elif given is not None:
            wrong += _wrong_with(name, given, units, step, question)
    if request.order_type is OrderType.SL and question.price and question.trigger:
        beyond = request.side.sign * (question.price - question.trigger)
        wrong += ["price short of its trigger"] if beyond < 0 else []
    tick = facts.instrument.tick_size if facts.instrument else "unknown"
    band = f"steps of {tick}, within {limits.price_band_percent} % of the last price"
    return Check(
        name="price", is_passed=not wrong, limit=f"{band}, at most {limits.max_price_age_seconds} s old",
        value=", ".join(wrong) or f"last {_rupees(question.last)}",
    )  # fmt: skip


def _wrong_with(name: str, given: Decimal, units: int | None, step: int | None, question: _Question) -> list[str]:
    if units is None or units <= 0:
        return [f"{name} {given} is no price"]
    wrong = []
    if not step or step < 0 or units % step:
        wrong.append(f"{name} {given} is off the tick size")
    if question.last and abs(units - question.last) * 100 > question.last * question.limits.price_band_percent:
        wrong.append(f"{name} {given} is too far from {_rupees(question.last)}")
    return wrong


def _order_value(question: _Question) -> Check:
    value = question.value_of(question.request.quantity)
    return _at_most("order_value", value, question.limits.max_order_value_rupees, question)


def _position(question: _Question) -> Check:
    request, facts = question.request, question.facts
    is_delivery_sale = request.product is Product.CNC and request.side is Side.SELL
    if is_delivery_sale and request.quantity > facts.held_quantity - facts.exiting_quantity:
        return Check(
            name="position", is_passed=False, value=f"{request.quantity} sold for delivery",
            limit=f"{max(facts.held_quantity - facts.exiting_quantity, 0)} held",
        )  # fmt: skip
    value = question.value_of(question.directed_quantity)
    return _at_most("position", value, question.limits.max_position_value_rupees, question)


def _exposure(question: _Question) -> Check:
    others, own = _e4(question.facts.gross_exposure), question.value_of(question.request.quantity)
    total = None if others is None or own is None else others + own
    return _at_most("exposure", total, question.limits.max_gross_exposure_rupees, question)


def _daily_loss(question: _Question) -> Check:
    profit, largest = _e4(question.facts.day_pnl), question.limits.max_daily_loss_rupees
    is_within = profit is not None and profit > -to_e4(largest)
    return Check(
        name="daily_loss", is_passed=question.is_exit or is_within, value=_rupees(profit),
        limit=f"above {-largest}{_exemption(question)}",
    )  # fmt: skip


def _order_rate(question: _Question) -> Check:
    facts, limits = question.facts, question.limits
    counts = [facts.orders_in_second + 1, facts.orders_in_minute + 1, facts.orders_in_day + 1]
    largest = [limits.max_orders_per_second, limits.max_orders_per_minute, limits.max_orders_per_day]
    asked = 2 if question.is_exit else 3  # the day's number is a budget of ours, and must not keep a position open
    return Check(
        name="order_rate",
        is_passed=all(count <= limit for count, limit in zip(counts[:asked], largest[:asked], strict=True)),
        value="{} in a second, {} in a minute, {} in a day".format(*counts),
        limit="{}, {}, {}".format(*largest) + _exemption(question).replace(", not", ", the last not"),
    )  # fmt: skip


def _duplicate(question: _Question) -> Check:
    facts, seconds = question.facts, question.limits.duplicate_seconds
    since_ms = None if facts.same_intent_at is None else facts.time - facts.same_intent_at
    is_again = since_ms is not None and since_ms < seconds * SECOND_MS
    value = "none" if since_ms is None else f"the same {since_ms} ms ago"
    return Check(
        name="duplicate", is_passed=not facts.has_same_id and not is_again,
        value="this very order" if facts.has_same_id else value, limit=f"none for {seconds} s",
    )  # fmt: skip


def _entries_end(question: _Question) -> Check:
    facts, minutes = question.facts, question.limits.entries_end_minutes_before_close
    left_ms = None if facts.closes_at is None else facts.closes_at - facts.time
    is_early = left_ms is not None and left_ms > minutes * MINUTE_MS
    is_bound = question.request.product is Product.MIS and not question.is_exit
    limit = f"more than {minutes} min before the close, for MIS"
    return Check(
        name="entries_end", is_passed=is_early or not is_bound, limit=limit + _exemption(question),
        value="close unknown" if left_ms is None else f"{left_ms // MINUTE_MS} min before the close",
    )  # fmt: skip


_CHECKS: tuple[Callable[[_Question], Check], ...] = (
    _kill_switch,
    _instrument,
    _session_phase,
    _quantity,
    _price,
    _order_value,
    _position,
    _exposure,
    _daily_loss,
    _order_rate,
    _duplicate,
    _entries_end,
)


def _at_most(name: str, value: int | None, largest: Decimal, question: _Question) -> Check:
    """Hold a value against a limit that exits are exempt from."""
    is_within = value is not None and value <= to_e4(largest)
    return Check(
        name=name, is_passed=question.is_exit or is_within, value=_rupees(value),
        limit=f"{largest}{_exemption(question)}",
    )  # fmt: skip


def _exemption(question: _Question) -> str:
    return ", not for an exit" if question.is_exit else ""


def _rupees(amount: int | None) -> str:
    return "unknown" if amount is None else str(from_e4(amount))


def _e4(amount: Decimal | None) -> int | None:
    """Return an amount in 1/10,000 rupee, or None when it is not known or is no amount."""
    if amount is None:
        return None
    try:
        return to_e4(amount)
    except InvalidValue:
        return None
