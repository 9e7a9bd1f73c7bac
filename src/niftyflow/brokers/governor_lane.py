"""One kind of calls of one account in one process: who waits, which permits are at hand, and the talk with the ledger.

Urgent callers go first, then who came first. It never lets a call go without a permit of the ledger, also when the
ledger is away: then only what was put by for urgent calls is left.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from niftyflow.brokers.governor_leases import HeldLease
from niftyflow.brokers.governor_ledgers import PermitLedger
from niftyflow.brokers.governor_rules import LONGEST_PAUSE_MS, Asked, GovernedKind
from niftyflow.brokers.governor_settings import GovernorSettings
from niftyflow.brokers.governor_talk import Talk
from niftyflow.brokers.governor_windows import FORMAT, KindLimits, KindState, merged, moved_on
from niftyflow.kit import metrics
from niftyflow.kit.clock import monotonic
from niftyflow.kit.log import get_logger
from niftyflow.model import Misconfigured, NiftyflowError, Refused, Unavailable

log = get_logger(__name__)

MOST_WAITING: Final = 1_000
"""Callers of a kind that wait in a process; more are refused at once."""
MOST_AT_ONCE: Final = 100
MOST_SLOWED: Final = 10
"""429s kept for a ledger that is away; they are answers to one burst, so that more say no more."""
JUMP_MS: Final = 20
"""More than what rounding and the drift of two clocks make; less than any margin can bear."""
POLL_SECONDS: Final = 0.25

Waiter = asyncio.Future[HeldLease]


class Lane:
    """The calls of one kind. `days` tells in which days (numbers) a call that leaves now may be counted."""

    def __init__(
        self, kind: str, name: str, limits: KindLimits, settings: GovernorSettings, ledger: PermitLedger, holder: str,
        days: Callable[[], tuple[int, ...]], day_spent: Callable[[str], str],
    ) -> None:  # fmt: skip
        self.kind = kind
        self.holder = holder
        self.days = days
        self.held: list[HeldLease] = []
        self.reserve: HeldLease | None = None
        self.slowed: list[float | None] = []
        """What 429s said that the ledger has not yet been told."""
        self.away_since: float | None = None
        self._settings = settings
        self._ledger = ledger
        self._name = name
        self._day_spent = day_spent
        is_kept = ledger.is_volatile and kind in settings.reserve_kinds
        self.reserve_permits = settings.reserve_permits if is_kept else 0
        self.reserve_life = round(settings.reserve_seconds * 1000)
        lives = (settings.use_seconds, settings.lease_seconds, settings.reserve_seconds if is_kept else 0)
        self._longest_life = round(max(lives) * 1000)
        self.governed = GovernedKind(
            limits,
            longest_life=self._longest_life,
            recover=round(settings.recover_seconds * 1000),
            urgent_day_percent=settings.urgent_day_percent,
        )
        self._waiters: tuple[deque[Waiter], deque[Waiter]] = (deque(), deque())
        """Urgent ones, and others; each has at most `MOST_WAITING`, and refuses more."""
        self._closed_until = 0.0
        self._urgent_came = asyncio.Event()
        self._talking = asyncio.Lock()
        self._loop: asyncio.Task[None] | None = None
        self._seen: KindState | None = None
        self._met: tuple[int, float] | None = None
        self._round_trip = 0.0
        self._ids = 0

    async def take(self, *, is_urgent: bool) -> None:
        """Wait for a permit and use it.

        Raises:
            Unavailable: the ledger is away, and nothing is put by for this call.
            Refused: the day's count is spent, or too many wait.
        """
        begun = monotonic()
        is_again = False
        while not self._take_at_hand(is_urgent=is_urgent):
            if await self._dealt(is_urgent=is_urgent, is_again=is_again):
                break
            is_again = True
        metrics.RATE_WAIT.labels(self.kind).observe(monotonic() - begun)

    def _take_at_hand(self, *, is_urgent: bool) -> bool:
        if self._waiters[0] or (self._waiters[1] and not is_urgent):
            return False
        lease = self._deal(is_urgent=is_urgent)
        return lease is not None and lease.use(monotonic())

    async def _dealt(self, *, is_urgent: bool, is_again: bool) -> bool:
        """Wait until a permit is dealt; return whether it could still be used when its caller's turn came."""
        queue = self._waiters[0 if is_urgent else 1]
        if len(queue) >= MOST_WAITING:
            raise Refused(f"{len(queue)} calls of kind {self.kind} wait for the rate limit already: send fewer")
        waiter: Waiter = asyncio.get_running_loop().create_future()
        (queue.appendleft if is_again else queue.append)(waiter)
        if is_urgent:
            self._urgent_came.set()
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._serve(), name=f"rate {self._name}")
        try:
            lease = await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                waiter.result().undeal()
            elif waiter in queue:
                queue.remove(waiter)
            raise
        is_used = lease.use(monotonic())
        if not is_used:
            metrics.RATE_PERMITS.labels(self.kind, "late").inc()
        return is_used

    def slow(self, seconds: float | None) -> None:
        """Use no permit at hand for `seconds`, or a second; the ledger is told with the next exchange."""
        pause = 1.0 if seconds is None else min(max(seconds, 0.0), LONGEST_PAUSE_MS / 1000)
        self._closed_until = max(self._closed_until, monotonic() + pause)
        if len(self.slowed) < MOST_SLOWED:
            self.slowed.append(seconds)
        metrics.RATE_SLOWED.labels(self.kind).inc()

    async def tend(self) -> None:
        """Tell the ledger what there is to tell; see that one which may forget still knows."""
        is_over = any(held.is_over(monotonic()) for held in self.held)
        if is_over or self.slowed or self.away_since is not None or self._ledger.is_volatile:
            await self._talk(None)

    async def close(self) -> None:
        """Send the waiting away and give back what was not used."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        self._fail(Refused(f"the rate governor of {self._name} is closed"))
        for lease in self._all_held():
            lease.give_back()
        if self.reserve is not None:
            self.held.append(self.reserve)
        self.reserve, self.reserve_permits = None, 0
        if self.held:
            await self._talk(None)

    def _all_held(self) -> list[HeldLease]:
        return self.held if self.reserve is None else [*self.held, self.reserve]

    def renews_reserve(self) -> bool:
        """Whether the permits put by are used, or half their time is over."""
        if not self.reserve_permits:
            return False
        if self.reserve is None or not self.reserve.left:
            return True
        return self.reserve.until - monotonic() < self._settings.reserve_seconds / 2

    def replace_reserve(self, lease: HeldLease | None) -> None:
        """Put other permits by; of those before nothing more is used."""
        if self.reserve is not None:
            self.reserve.give_back()
            self.held.append(self.reserve)
        self.reserve = lease

    def next_id(self) -> str:
        """Return an id for a lease that no other has."""
        self._ids += 1
        return f"{self.holder}.{self._ids}"

    def recalled(self, held: bytes | None, now: int) -> KindState:
        """Return what the ledger holds, and in it all that this process has seen and the ledger has forgotten."""
        if held is None:
            state = KindState(epoch=self.next_id())
            if self._ledger.is_volatile:
                state.closed_until = now + round(self._settings.settle_seconds * 1000)
        else:
            state = _decoded(held, self._name)
        seen = self._seen
        if seen is not None and (state.epoch != seen.epoch or state.revision < seen.revision):
            log.warning("rate_ledger_forgot", ledger=self._name)
            merged(state, seen)
        if self._met is not None:
            told_at, heard_at = self._met
            jump = now - told_at - round((monotonic() - heard_at) * 1000)
            if jump > JUMP_MS:
                log.warning("rate_ledger_clock_jumped", ledger=self._name, milliseconds=jump)
                moved_on(state, jump, now)
                for lease in self._all_held():
                    lease.lose_time()
        return state

    def met(self, state: KindState, now: int, asked_at: float) -> None:
        """Remember what the ledger held when it was last met: `now` (ms) by its clock, after `asked_at` by ours."""
        self._seen, self._met = state, (now, asked_at)

    async def _talk(self, asked: Asked | None) -> Talk:
        async with self._talking:
            talk = Talk(self, asked)
            begun = monotonic()
            try:
                await self._ledger.change(self._name, talk.rule)
            except Unavailable as error:
                if self.away_since is None:
                    self.away_since = monotonic()
                    log.warning("rate_ledger_away", ledger=self._name, reason=str(error))
                    metrics.RATE_LEDGER_AWAY.labels(self._name).set(1)
                raise
            talk.take_effect()
            self._round_trip = monotonic() - begun
            if self.away_since is not None:
                self.away_since = None
                log.info("rate_ledger_back", ledger=self._name)
                metrics.RATE_LEDGER_AWAY.labels(self._name).set(0)
            return talk

    async def _serve(self) -> None:
        """Serve those who wait until nobody does."""
        try:
            while any(needed := self._needed()):
                wait = min(self._closed_until - monotonic(), POLL_SECONDS)
                if wait <= 0:
                    wait = await self._served(needed)
                if wait:
                    await self._pause(wait)
        finally:
            self._fail(Refused(f"the rate governor of {self._name} serves no more"))

    def _needed(self) -> tuple[int, int]:
        self._deal_all(with_reserve=self.away_since is not None)
        urgent, others = (sum(not waiter.done() for waiter in queue) for queue in self._waiters)
        return urgent, others

    async def _served(self, needed: tuple[int, int]) -> float:
        """Ask for permits, or do without the ledger; return for how many seconds to wait before asking again."""
        try:
            return await self._claim(needed)
        except Unavailable as error:
            self._serve_without(error)
            return POLL_SECONDS
        except NiftyflowError as error:
            self._fail(error)
            return 0.0

    async def _claim(self, needed: tuple[int, int]) -> float:
        is_urgent = needed[0] > 0
        self._urgent_came.clear()
        talk = await self._talk(
            Asked(
                holder=self.holder,
                lease=self.next_id(),
                needed=min(MOST_AT_ONCE, needed[0] or needed[1]),
                ahead=self._settings.block_permits - 1,
                life=self._life(self._settings.use_seconds),
                ahead_life=self._life(self._settings.lease_seconds),
                is_urgent=is_urgent,
            )
        )
        if talk.told.is_day_spent:
            self._deal_all(with_reserve=is_urgent)
            self._fail(Refused(self._day_spent(self.kind)), is_urgent=is_urgent)
        return talk.told.wait / 1000

    def _life(self, seconds: float) -> int:
        """Return that many seconds as ms, or as much as the ledger's answer needs, but never more than any may be."""
        return min(round(max(seconds, 2 * self._round_trip) * 1000), self._longest_life)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until somebody urgent comes."""
        self._deal_all()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._urgent_came.wait()

    def _serve_without(self, error: Unavailable) -> None:
        """Let urgent calls go by what was put by; send the others away once the ledger was away for too long."""
        self._deal_all(with_reserve=True)
        if self.away_since is not None and monotonic() - self.away_since >= self._settings.patience_seconds:
            self._fail(Unavailable(error.service, f"{error.reason}; no call leaves without a permit of it"))

    def _deal_all(self, *, with_reserve: bool = False) -> None:
        for queue, is_urgent in zip(self._waiters, (True, False), strict=True):
            while queue:
                if queue[0].done():
                    queue.popleft()
                    continue
                lease = self._deal(is_urgent=is_urgent, with_reserve=with_reserve)
                if lease is None:
                    break
                queue.popleft().set_result(lease)

    def _deal(self, *, is_urgent: bool, with_reserve: bool = False) -> HeldLease | None:
        now = monotonic()
        if now < self._closed_until:
            return None
        if with_reserve and is_urgent and self.reserve is not None and self.reserve.deal(now):
            metrics.RATE_PERMITS.labels(self.kind, "put_by").inc()
            return self.reserve
        for lease in self.held:
            if lease.deal(now):
                metrics.RATE_PERMITS.labels(self.kind, "dealt").inc()
                return lease
        return None

    def _fail(self, error: NiftyflowError, *, is_urgent: bool = True) -> None:
        """Send away those who wait: all of them, or all that are not urgent."""
        for queue in self._waiters if is_urgent else self._waiters[1:]:
            for waiter in queue:
                if not waiter.done():
                    metrics.RATE_PERMITS.labels(self.kind, "refused").inc()
                    waiter.set_exception(error)
            queue.clear()


def _decoded(held: bytes, name: str) -> KindState:
    try:
        state = msgspec.msgpack.decode(held, type=KindState)
    except msgspec.MsgspecError as error:
        raise _damaged(name, str(error)) from error
    if state.format != FORMAT:
        raise _damaged(name, f"format {state.format}")
    return state


def _damaged(name: str, what: str) -> Misconfigured:
    return Misconfigured(
        f"the rate ledger {name} is not readable ({what}): stop every process that uses the account, remove it, "
        "and begin again a minute later; calls of today are not known then"
    )
