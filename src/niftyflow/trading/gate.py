"""The gate of an account: the facts about it and the market that the risk checks ask for, and their verdict.

It looks things up in the portfolio and the calendar; what is not known it says so, and the checks then fail closed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from niftyflow.market import CalendarUnknown, ChargesUnknown, Phase, ist_day, phase, session
from niftyflow.model import (
    Check,
    InstrumentKey,
    InvalidValue,
    Misconfigured,
    Product,
    Side,
    Verdict,
    from_e4,
)
from niftyflow.trading.portfolio import Portfolio, intent_key
from niftyflow.trading.requests import OrderRequest
from niftyflow.trading.risk import Facts, RiskLimits, is_reducing, judge

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Today:
    """When an instrument's continuous trading opens and closes today, ms UTC."""

    opens: int
    closes: int


class Gate:
    """Judges what is asked of one account."""

    def __init__(self, portfolio: Portfolio, limits: RiskLimits) -> None:
        self._portfolio = portfolio
        self._limits = limits
        self._today: dict[InstrumentKey, Today | None] = {}
        self._known: dict[tuple[InstrumentKey, Product, Side, date], Check] = {}

    def begin_day(self) -> None:
        """Forget yesterday's sessions and charges."""
        self._today, self._known = {}, {}

    def judge(self, request: OrderRequest, client_order_id: str, now: int, *, is_change: bool = False) -> Verdict:
        """Return the verdict on an order, every check with what it measured; a change repeats no intent."""
        facts = self._facts(request, client_order_id, now)
        if is_change:
            facts = replace(facts, same_intent_at=None)
        if self._portfolio.state.is_closing and not is_reducing(request, facts):
            facts = replace(facts, kill_switch=True)
        verdict = judge(request, facts, self._limits)
        charges = self._charges(request, now)
        is_passed = verdict.is_passed and charges.is_passed
        return Verdict(verdict="pass" if is_passed else "reject", checks=[*verdict.checks, charges])

    def covering(self, strategy: str, instrument: InstrumentKey, product: Product, side: Side) -> int:
        """Return what working orders of one side may still take back; one asked to be cancelled may still fill."""
        return sum(
            order.remaining
            for order in self._portfolio.working(instrument, strategy)
            if order.side is side and order.product is product
        )

    def has_room(self, now: int) -> bool:
        """Whether the order rate leaves room for one more."""
        return (
            self._portfolio.orders_since(now - 1000) < self._limits.max_orders_per_second
            and self._portfolio.orders_since(now - MINUTE_MS) < self._limits.max_orders_per_minute
        )

    def phase(self, key: InstrumentKey, now: int) -> Phase | None:
        """Return what the market does for an instrument, None when that is not known."""
        instrument = self._portfolio.instruments.get(key)
        if instrument is None:
            return None
        try:
            return phase(instrument, now)
        except (CalendarUnknown, InvalidValue):
            return None

    def today(self, key: InstrumentKey, now: int) -> Today | None:
        """Return an instrument's continuous trading of the day, None when there is none or it is not known."""
        if key not in self._today:
            self._today[key] = self._find(key, now)
        return self._today[key]

    def _find(self, key: InstrumentKey, now: int) -> Today | None:
        instrument = self._portfolio.instruments.get(key)
        if instrument is None:
            return None
        try:
            found = session(instrument, ist_day(now))
        except (CalendarUnknown, InvalidValue):
            return None
        return Today(found.open, found.close) if found else None

    def _facts(self, request: OrderRequest, client_order_id: str, now: int) -> Facts:
        portfolio = self._portfolio
        mark = portfolio.last_price(request.instrument)
        working = portfolio.working(request.instrument)
        today = self.today(request.instrument, now)
        position = portfolio.positions.get((request.strategy, request.instrument, request.product))
        exposure = portfolio.gross_exposure()
        return Facts(
            time=now,
            instrument=portfolio.instruments.get(request.instrument),
            phase=self.phase(request.instrument, now),
            closes_at=today.closes if today else None,
            last_price=from_e4(mark.price) if mark else None,
            price_age_ms=now - mark.at if mark else None,
            net_quantity=portfolio.net_quantity(request.instrument),
            open_buy_quantity=sum(order.remaining for order in working if order.side is Side.BUY),
            open_sell_quantity=sum(order.remaining for order in working if order.side is Side.SELL),
            held_quantity=position.net_quantity if position else 0,
            exiting_quantity=self.covering(request.strategy, request.instrument, request.product, request.side),
            gross_exposure=None if exposure is None else from_e4(exposure),
            day_pnl=from_e4(portfolio.profit_today()),
            kill_switch=portfolio.state.kill_switch,
            orders_in_second=portfolio.orders_since(now - 1000),
            orders_in_minute=portfolio.orders_since(now - MINUTE_MS),
            orders_in_day=portfolio.state.day.orders,
            same_intent_at=portfolio.state.intents.get(intent_key(request)),
            has_same_id=client_order_id in portfolio.orders,
        )

    def _charges(self, request: OrderRequest, now: int) -> Check:
        """Ask whether the order's charges can be reckoned: what cannot be accounted for is not sent."""
        kind = (request.instrument, request.product, request.side, ist_day(now))
        if kind not in self._known:
            self._known[kind] = self._ask_charges(request, now)
        return self._known[kind]

    def _ask_charges(self, request: OrderRequest, now: int) -> Check:
        try:
            self._portfolio.charges(request.instrument, request.product, request.side, 1, Decimal(100), now)
        except (ChargesUnknown, InvalidValue, Misconfigured, KeyError) as error:
            return Check(name="charges", is_passed=False, value=str(error), limit="known for the day")
        return Check(name="charges", is_passed=True, value="known", limit="known for the day")
