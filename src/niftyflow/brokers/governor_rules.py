"""The rules by which permits of one kind of calls are given to the processes of an account.

Pure: each rule changes the state it is given, at a time it is told. Urgent calls go first, then who came first; who
waits is passed by nobody of the same class. Nothing here can permit more than the limits do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from niftyflow.brokers.governor_windows import (
    Entry,
    KindLimits,
    KindState,
    Waiting,
    free,
    refresh,
    slowed_windows,
    when_free,
)

LONGEST_PAUSE_MS: Final = 3_600_000
"""A broker that says it wants to be left alone for longer is asked again after an hour."""
PATIENCE_MS: Final = 1_000
"""A process that waits comes again within this, or loses its place."""
MOST_HALVINGS: Final = 4


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a process wants: permits for `needed` calls that wait, and up to `ahead` more when it is quiet.

    `life` is how long they may be used, and `ahead_life` if there are some ahead (ms). `has_place` is False for one
    who does not wait for a turn, but takes what nobody waits for, and leaves half of every window to all.
    """

    holder: str
    lease: str
    needed: int
    ahead: int
    life: int
    ahead_life: int
    is_urgent: bool = False
    has_place: bool = True


class Told(msgspec.Struct, frozen=True):
    """What it gets: `count` permits for `life` ms, and when to come again (ms from now, 0: at once) for the rest."""

    count: int = 0
    life: int = 0
    wait: int = 0
    is_day_spent: bool = False


class GovernedKind:
    """The limits of a kind with what the settings say of their use; times in ms."""

    def __init__(
        self, limits: KindLimits, *, longest_life: int, recover: int, urgent_day_percent: int, poll: int = 250
    ) -> None:
        self.limits = limits
        self._longest_life = longest_life
        self._recover = max(1, recover)
        self._poll = poll
        self._kept = (limits.day or 0) * urgent_day_percent // 100

    def refresh(self, state: KindState, now: int, days: Sequence[int]) -> None:
        """Bring a state to `now`; `days` are those in which a call that leaves now may be counted."""
        refresh(state, self.limits.windows, now, self._longest_life, PATIENCE_MS, LONGEST_PAUSE_MS)
        state.days = {day: counts for day, counts in state.days.items() if day >= min(days) - 1}
        state.level = self.level(state, now)
        if not state.level:
            state.slowed_at = now

    def level(self, state: KindState, now: int) -> int:
        """Return how many times the rate is halved at `now`; `slowed_at` moves on with each step back."""
        steps = min(state.level, (now - state.slowed_at) // self._recover)
        state.slowed_at += steps * self._recover
        return state.level - steps

    def claim(self, state: KindState, asked: Asked, now: int, days: Sequence[int]) -> Told:
        """Give what may be given of what is asked, or a place to wait."""
        if asked.needed < 1:
            return Told()
        left_today = self._left_today(state, asked.is_urgent, days)
        if left_today is not None and left_today <= 0:
            return Told(is_day_spent=True)
        before = _before(state, asked)
        windows = slowed_windows(self.limits.windows, state.level)
        room = self._room(state, windows_free=free(state.entries, windows, now), now=now)
        count = max(0, min(asked.needed, room - before, room if left_today is None else left_today))
        if not asked.has_place:
            count = min(count, self._ahead(state, count, 0, left_today, now))
        others = any(each.holder != asked.holder for each in state.waiting)
        if count:
            _leave(state, asked)
        ahead = 0
        if count == asked.needed and not others:
            ahead = self._ahead(state, asked.ahead, count, left_today, now)
        life = asked.ahead_life if ahead else asked.life
        if count:
            state.entries.append(Entry(asked.lease, now + life, count + ahead))
            _charge(state, days if self.limits.day is not None else (), count + ahead)
        wait = 0
        if count < asked.needed and asked.has_place:
            _wait(state, asked, now + PATIENCE_MS)
            due = max(when_free(state.entries, windows, before + 1, now), state.closed_until)
            wait = max(1, min(due - now, self._poll))
        return Told(count + ahead, life if count else 0, wait)

    def settle(self, state: KindState, lease: str, used: int, at: int, days: Sequence[int]) -> None:
        """Hear that a lease is over: `used` of it, the last one by `at` (ms); the rest never was and never will be.

        One that is joined with others already stays counted whole. `days` are those it was given in.
        """
        for entry in state.entries:
            if entry.id == lease:
                unused = max(0, entry.count - used)
                entry.count -= unused
                entry.at = min(entry.at, at)
                for day in days:
                    counts = state.days.get(day, {})
                    if state.epoch in counts:
                        counts[state.epoch] = max(0, counts[state.epoch] - unused)
                return

    def extend(
        self, state: KindState, lease: str, life: int, now: int, charged: Sequence[int], days: Sequence[int]
    ) -> bool:
        """Let a lease that is not over be used until `life` ms from now; return whether it may.

        Whatever was given since has counted it, so nothing is exceeded; a new day counts it too.
        """
        for entry in state.entries:
            if entry.id == lease and entry.at >= now:
                new_days = [day for day in days if day not in charged]
                left = (
                    None
                    if self.limits.day is None
                    else min((self.limits.day - _taken(state, day) for day in new_days), default=entry.count)
                )
                if left is not None and left < entry.count:
                    return False
                entry.at = now + life
                _charge(state, () if left is None else new_days, entry.count)
                return True
        return False

    def slow(self, state: KindState, seconds: float | None, now: int) -> None:
        """Hear of a 429: nothing for `seconds`, or the shortest window, and then half the rate, until it recovers.

        Several within the shortest window are answers to one burst, and halve it once.
        """
        shortest = self.limits.windows[0].span if self.limits.windows else 1000
        pause = shortest if seconds is None else min(LONGEST_PAUSE_MS, max(0, round(seconds * 1000)))
        if not state.level or now - state.slowed_at >= shortest:
            state.level = min(MOST_HALVINGS, state.level + 1)
            state.slowed_at = now
        state.closed_until = max(state.closed_until, now + pause)

    def _left_today(self, state: KindState, is_urgent: bool, days: Sequence[int]) -> int | None:  # noqa: FBT001 - a field
        if self.limits.day is None:
            return None
        return self.limits.day - (0 if is_urgent else self._kept) - max(_taken(state, day) for day in days)

    def _room(self, state: KindState, windows_free: int | None, now: int) -> int:
        if now < state.closed_until:
            return 0
        return windows_free if windows_free is not None else self.limits.day or 0

    def _ahead(self, state: KindState, wanted: int, count: int, left_today: int | None, now: int) -> int:
        """Return how many may be given ahead: never more than half of a window is, nor while the rate is halved."""
        if state.level:
            return 0
        halves = [
            room - (window.count + 1) // 2 - count
            for window in self.limits.windows
            if (room := free(state.entries, [window], now)) is not None
        ]
        return max(0, min(wanted, *halves, wanted if left_today is None else left_today - count))


def _taken(state: KindState, day: int) -> int:
    return sum(state.days.get(day, {}).values())


def _charge(state: KindState, days: Sequence[int], count: int) -> None:
    for day in days:
        counts = state.days.setdefault(day, {})
        counts[state.epoch] = counts.get(state.epoch, 0) + count


def _before(state: KindState, asked: Asked) -> int:
    """Return how many are to be served first: the urgent ones, then the others, each in the order of coming."""
    if not asked.has_place:
        return len(state.waiting)
    for number, each in enumerate(sorted(state.waiting, key=lambda each: not each.is_urgent)):
        if (each.holder, each.is_urgent) == (asked.holder, asked.is_urgent):
            return number
    return sum(each.is_urgent or not asked.is_urgent for each in state.waiting)


def _place(state: KindState, asked: Asked) -> int:
    for number, each in enumerate(state.waiting):
        if (each.holder, each.is_urgent) == (asked.holder, asked.is_urgent):
            return number
    return len(state.waiting)


def _leave(state: KindState, asked: Asked) -> None:
    place = _place(state, asked)
    del state.waiting[place : place + 1]


def _wait(state: KindState, asked: Asked, until: int) -> None:
    place = _place(state, asked)
    state.waiting[place : place + 1] = [Waiting(asked.holder, asked.is_urgent, until)]
