"""One rate governor per broker account: no call leaves without a permit, whichever strategy or process it is from.

It never sends anything and never guesses: permits come from a ledger that all processes of the account share.

What is counted is what arrives. A call must be sent at once when `take` returns; as long as none needs more than the
margin longer on its way than another, no window of the broker's ever holds more than its limit, wherever it begins.
A process that stands still between `take` and its send for longer than the margin breaks that, and nothing here can
know it. A day is the calendar day in India; calls within five seconds of midnight are counted in both.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final
from uuid import uuid4

from niftyflow.brokers.capabilities import RateLimit
from niftyflow.brokers.governor_lane import Lane
from niftyflow.brokers.governor_ledgers import PermitLedger
from niftyflow.brokers.governor_settings import GovernorSettings
from niftyflow.brokers.governor_windows import DAY_SECONDS, limits_of
from niftyflow.kit.clock import IST_OFFSET_MS, Clock, to_ist
from niftyflow.kit.log import get_logger
from niftyflow.model import InvalidValue, Refused, Retryable

log = get_logger(__name__)

MIDNIGHT_MS: Final = 5_000
"""The broker's clock and ours may differ by this much about midnight."""
DAY_MS: Final = DAY_SECONDS * 1000


class RateGovernor:
    """The gate that every call of an account passes, in this process; `clock` tells the day.

    The processes of an account give the same name, limits and settings, and a ledger that is the same for all.
    """

    def __init__(
        self, account: str, limits: Sequence[RateLimit], ledger: PermitLedger, clock: Clock,
        settings: GovernorSettings | None = None,
    ) -> None:  # fmt: skip
        settings = settings or GovernorSettings()
        margin_ms = round(settings.margin_seconds * 1000)
        holder = uuid4().hex[:12]
        self.account = account
        self._clock = clock
        self._look_seconds = settings.look_seconds
        self._lanes = {
            kind: Lane(
                str(kind), f"{account}/{kind}", limits_of(kind, limits, margin_ms), settings, ledger, holder,
                self._days, self._spent,
            )
            for kind in dict.fromkeys(limit.kind for limit in limits)
        }  # fmt: skip
        self._day_limits = {limit.kind: limit.count for limit in limits if limit.seconds >= DAY_SECONDS}
        self._tending: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def trouble(self) -> str:
        """What health is to say: the ledger is away, and what leaves meanwhile. Empty: all is well."""
        away = [lane for lane in self._lanes.values() if lane.away_since is not None]
        if not away:
            return ""
        put_by = sum(lane.reserve.left for lane in away if lane.reserve is not None)
        return f"the rate ledger of {self.account} is away: {put_by} urgent calls may leave, and no others"

    async def start(self) -> None:
        """Meet the ledger before the first call does, so that it need not wait for a ledger that was just begun."""
        self._tend()
        for lane in self._lanes.values():
            with contextlib.suppress(Retryable):  # it is told by `trouble`, and tried again
                await lane.tend()

    async def take(self, kind: str, *, is_urgent: bool = False) -> None:
        """Wait until a call of that kind may leave, which it then must do at once.

        Urgent is what takes risk away: a cancel, a closing order. It goes before every other one.

        Raises:
            Unavailable: the ledger is away, and nothing is put by for this call: it must not leave.
            Refused: the day's count is spent, saying when calls may leave again; or too many wait already.
            InvalidValue: no limit is declared for the kind.
        """
        if self._is_closed:
            raise Refused(f"the rate governor of {self.account} is closed")
        self._tend()
        await self._lane(kind).take(is_urgent=is_urgent)

    def slowed(self, kind: str, seconds: float | None = None) -> None:
        """Hear that the broker answered 429: no call of that kind leaves for `seconds` (None: a second).

        Then they leave at half the rate, in every process of the account, until it recovers step by step.
        """
        self._lane(kind).slow(seconds)
        log.warning("rate_slowed", account=self.account, kind=str(kind), seconds=seconds)

    async def close(self) -> None:
        """Send away who waits, and give back what was not used."""
        self._is_closed = True
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
        for lane in self._lanes.values():
            with contextlib.suppress(Retryable, Refused):  # then it counts as used
                await lane.close()

    def _lane(self, kind: str) -> Lane:
        lane = self._lanes.get(kind)
        if lane is None:
            raise InvalidValue("kind", kind, "no limit is declared for calls of this kind, so none may leave")
        return lane

    def _tend(self) -> None:
        if self._tending is None or self._tending.done():
            self._tending = asyncio.create_task(self._tend_always(), name=f"rate governor {self.account}")

    async def _tend_always(self) -> None:
        while True:
            await asyncio.sleep(self._look_seconds)
            for lane in self._lanes.values():
                try:
                    await lane.tend()
                except Retryable:
                    continue  # said by the lane
                except Refused as error:
                    log.warning("rate_ledger_unusable", account=self.account, reason=str(error))

    def _days(self) -> tuple[int, ...]:
        here = self._clock.now() + IST_OFFSET_MS
        return tuple(dict.fromkeys(((here - MIDNIGHT_MS) // DAY_MS, (here + MIDNIGHT_MS) // DAY_MS)))

    def _spent(self, kind: str) -> str:
        midnight = (self._days()[-1] + 1) * DAY_MS - IST_OFFSET_MS
        back = to_ist(midnight + MIDNIGHT_MS).isoformat(sep=" ", timespec="seconds")
        return (
            f"the {self._day_limits[kind]} calls of kind {kind} that {self.account} has in a day are spent, or kept "
            f"for urgent ones: more may leave from {back} on"
        )
