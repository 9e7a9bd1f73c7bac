"""The grounds that are the same for every broker: a real account that is only read, and a ground that is not there.

What could change something at a broker is refused here before it reaches the adapter, whatever a case does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, cast

from niftyflow.brokers.broker_port import OrderBroker
from niftyflow.brokers.conformance.cards import GroundName
from niftyflow.brokers.conformance.case import Case, Needs, NotRun
from niftyflow.brokers.conformance.market_cases import history
from niftyflow.brokers.conformance.stage import CandleQuestion, Stage
from niftyflow.kit.clock import Clock, to_ist
from niftyflow.market import Segment, SessionClass, session
from niftyflow.model import Exchange, InstrumentKey, Interval, Refused

READING: Final = frozenset({
    "basket_margin", "capabilities", "charges", "funds", "gtts", "history", "holdings", "instruments", "last_prices",
    "login_url", "margins", "ohlc", "order_history", "order_updates", "orders", "positions", "profile", "quotes",
    "refusal", "session_of_today", "trades",
})  # fmt: skip
"""What of the port changes nothing at the broker; all else is refused on a live account."""
LIVE_SHARES: Final = (InstrumentKey("NSE:RELIANCE"), InstrumentKey("NSE:INFY"))
_SESSIONS_BACK: Final = 15
_CANDLES_MS: Final = 30 * 60_000


class ReadingOnly:
    """An adapter of which only the questions can be asked."""

    def __init__(self, broker: OrderBroker) -> None:
        self._broker = broker

    def __getattr__(self, name: str) -> Any:
        if name not in READING:
            raise Refused(f"{name} may change something, and a live account is only read here")
        return getattr(self._broker, name)


class LiveGround:
    """A real account, open and logged in by whoever made the adapter. No case that needs orders is run."""

    name = GroundName.LIVE

    def __init__(self, broker: OrderBroker, clock: Clock) -> None:
        self._broker = cast("OrderBroker", ReadingOnly(broker))
        self._clock = clock

    def lacks(self, case: Case) -> str:
        """Return that orders are never sent on a live account."""
        return "" if case.needs is Needs.READS else "it changes something: never on a live account"

    @asynccontextmanager
    async def stage(self, case: Case) -> AsyncIterator[Stage]:
        """Hand the account to a case; the account stays open.

        Raises:
            NotRun: nobody is logged in.
        """
        found = await self._broker.session_of_today()
        if found is None or not found.outlives(self._clock.now()):
            raise NotRun("nobody is logged in today")
        candles = await self._past() if case is history else ()
        yield Stage(broker=self._broker, clock=self._clock, shares=LIVE_SHARES, candles=candles)

    async def _past(self) -> tuple[CandleQuestion, ...]:
        """Return questions for the first half hour of the last session that is over."""
        now = self._clock.now()
        today = to_ist(now).date()
        of = SessionClass(Exchange.NSE, Segment.CASH_WITH_DERIVATIVES)
        days = (session(of, today - timedelta(days=back)) for back in range(_SESSIONS_BACK))
        past = next((day for day in days if day is not None and day.close <= now), None)
        if past is None:
            return ()
        rows = await self._broker.instruments()
        share = next((row.instrument for row in rows if row.instrument.key == LIVE_SHARES[0]), None)
        if share is None:
            return ()
        intervals = (Interval.M1, Interval.M5)
        return tuple(CandleQuestion(share, each, past.open, past.open + _CANDLES_MS) for each in intervals)


class Absent:
    """A ground that is not there, so that the card says why."""

    def __init__(self, name: GroundName, reason: str) -> None:
        self.name = name
        self._reason = reason

    def lacks(self, _: Case) -> str:
        """Return why no case can be run."""
        return self._reason

    @asynccontextmanager
    async def stage(self, _: Case) -> AsyncIterator[Stage]:
        """Make no stage.

        Raises:
            NotRun: always.
        """
        raise NotRun(self._reason)
        yield  # what makes it a generator
