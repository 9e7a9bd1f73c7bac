"""Whether the logins that trading needs live long enough: told at the start, at 08:30 IST, and as metric and health.

It looks at sealed sessions only. It logs nobody in, stops nothing, and asks no broker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from niftyflow.brokers.account_book import BrokerSession
from niftyflow.kit import metrics
from niftyflow.kit.clock import Clock, WallClock, to_ist
from niftyflow.kit.health import Health, Worker
from niftyflow.kit.log import get_logger
from niftyflow.market import CalendarUnknown, Segment, SessionClass, day_start, ist_day, session
from niftyflow.model import Exchange, Misconfigured
from niftyflow.runtime.broker_accounts import Account

log = get_logger(__name__)

WORKER: Final = "broker logins"
LOOK_SECONDS: Final = 30.0
REMINDER_MS: Final = (8 * 60 + 30) * 60_000
"""08:30 in India: the old token is dead since 06:00, and there is time to log in before the open."""
REGULAR_CLOSE_MS: Final = (15 * 60 + 30) * 60_000
SHARES: Final = SessionClass(Exchange.NSE, Segment.CASH_WITH_DERIVATIVES)


def outlives(login: BrokerSession | None, until: int) -> bool:
    """Whether a login is good until a moment (ms UTC) at the least; none is not."""
    return login is not None and login.outlives(until)


def why_dying(account: Account, login: BrokerSession | None, until: int, now: int) -> str:
    """Return why a login is not good until a moment, and what to do; empty when it is. Times in ms UTC."""
    if outlives(login, until):
        return ""
    if login is None:
        return f"nobody is logged in to {account.name}; {account.advice}"
    when = f"{to_ist(login.dies_at):%Y-%m-%d %H:%M} IST"
    if not login.outlives(now):
        return f"the login to {account.name} has ended, {when}; {account.advice}"
    return f"the login to {account.name} ends {when}, before {to_ist(until):%H:%M}; {account.advice}"


def close_of_today(now: int) -> int | None:
    """Return when today's session of NSE's shares ends (ms UTC); None when it is over, or there is none today.

    On a day that the calendar does not know it is 15:30: a reminder too many costs nothing.
    """
    day = ist_day(now)
    try:
        today = session(SHARES, day)
    except CalendarUnknown:
        end = day_start(day) + REGULAR_CLOSE_MS
    else:
        end = today.continuous[-1].end if today is not None else 0
    return end if now < end else None


def is_reminder_due(last: int, now: int) -> bool:
    """Whether 08:30 in India has come since the last look (ms UTC; 0: there was none)."""
    at = day_start(ist_day(now)) + REMINDER_MS
    return not last or last < at <= now


class TokenWatch:
    """Looks at the logins of accounts for as long as a process needs them; `clock` tells the real time."""

    def __init__(self, accounts: Sequence[Account], clock: Clock, worker: Worker) -> None:
        self._accounts = accounts
        self._clock = clock
        self._worker = worker
        self._looked = 0
        self._told: dict[str, str] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._worker.stops()

    async def look(self) -> None:
        """Look once: set the metric and the health's reason, and remind when it is time, or a login was lost since."""
        now = self._clock.now()
        until = close_of_today(now)
        is_due, is_day = is_reminder_due(self._looked, now), now >= day_start(ist_day(now)) + REMINDER_MS
        reasons = {each.name: await self._looked_at(each, now, until) for each in self._accounts}
        for name, reason in reasons.items():
            if reason and (is_due or (is_day and not self._told.get(name))):
                log.warning("broker_token_dying", account=name, reason=reason)
        self._looked, self._told = now, reasons
        self._worker.runs("; ".join(filter(None, reasons.values())))

    async def _looked_at(self, account: Account, now: int, until: int | None) -> str:
        try:
            login = await account.session(self._clock)
        except (Misconfigured, OSError) as error:
            metrics.BROKER_TOKEN_LEFT.labels(account.name).set(0)
            return f"the login to {account.name} cannot be read: {error}"
        left = 0.0 if login is None else max(0.0, (login.dies_at - now) / 1000)
        metrics.BROKER_TOKEN_LEFT.labels(account.name).set(left)
        return "" if until is None else why_dying(account, login, until, now)


@asynccontextmanager
async def watched(accounts: Sequence[Account], health: Health) -> AsyncIterator[None]:
    """Look at the logins of accounts for the time of a `with`."""
    if not accounts:
        yield
        return
    watching = asyncio.create_task(TokenWatch(accounts, WallClock(), health.worker(WORKER)).run(), name=WORKER)
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait([watching])
