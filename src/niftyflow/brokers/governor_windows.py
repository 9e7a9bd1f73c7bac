"""What was permitted of one kind of calls of one account, and how much of each sliding window that leaves.

Pure: time comes in as whole ms of the ledger's clock. It knows neither who asks nor how the state is shared.

The rule that makes it safe: a permit may be used until its `at` and is counted as though it were used then. So a new
one, used at or after `now`, lies a whole window (with the margin) after every one that is no longer counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from niftyflow.brokers.capabilities import RateLimit
from niftyflow.model import InvalidValue

DAY_SECONDS: Final = 86_400
SLOTS: Final = 100
"""Permits that no shorter window counts are kept by slots of this part of the next window, each at its slot's end."""
FORMAT: Final = 1


class Window(msgspec.Struct, frozen=True):
    """At most `count` in any `span` ms, the margin included."""

    count: int
    span: int


class KindLimits(msgspec.Struct, frozen=True):
    """The limits of one kind: sliding windows, shortest first, and the day's count if there is one."""

    windows: tuple[Window, ...]
    day: int | None


class Entry(msgspec.Struct, array_like=True):
    """Permits of one lease, or of one slot; none is used after `at` (ms)."""

    id: str
    at: int
    count: int


class Waiting(msgspec.Struct, array_like=True):
    """A process that was told to wait, in the order of coming; it comes again before `until` (ms), or is forgotten."""

    holder: str
    is_urgent: bool
    until: int


class KindState(msgspec.Struct, array_like=True):
    """All that is shared of one kind. `epoch` names the state's birth; `days` counts by day and then by epoch."""

    epoch: str
    format: int = FORMAT
    revision: int = 0
    entries: list[Entry] = []
    days: dict[int, dict[str, int]] = {}
    waiting: list[Waiting] = []
    closed_until: int = 0
    level: int = 0
    slowed_at: int = 0


def limits_of(kind: str, limits: Iterable[RateLimit], margin_ms: int) -> KindLimits:
    """Return the limits of a kind; a window of a day is the calendar day in India, every other one slides.

    Raises:
        InvalidValue: there are none, or one permits nothing.
    """
    own = [limit for limit in limits if limit.kind == kind]
    if not own:
        raise InvalidValue("kind", kind, "no limit is declared for calls of this kind, so none may leave")
    for limit in own:
        if limit.count < 1 or not 0 < limit.seconds < math.inf:
            raise InvalidValue("rate limit", limit, "a limit permits at least one call in a span of time")
    windows = [
        Window(limit.count, math.ceil(limit.seconds * 1000) + margin_ms) for limit in own if limit.seconds < DAY_SECONDS
    ]
    days = [limit.count for limit in own if limit.seconds >= DAY_SECONDS]
    return KindLimits(tuple(sorted(windows, key=lambda window: window.span)), min(days, default=None))


def slowed_windows(windows: Sequence[Window], level: int) -> tuple[Window, ...]:
    """Return the windows, and where `level` is above 0 also those of a rate halved so many times."""
    halved = []
    for window in windows if level else ():
        count = max(1, window.count >> level)
        halved.append(Window(count, math.ceil(window.span * count * 2**level / window.count)))
    return (*windows, *halved)


def free(entries: Iterable[Entry], windows: Iterable[Window], now: int) -> int | None:
    """Return how many more may be permitted at `now`; None where no window limits it."""
    entries = list(entries)
    return min((window.count - _used(entries, window, now) for window in windows), default=None)


def when_free(entries: Iterable[Entry], windows: Iterable[Window], wanted: int, now: int) -> int:
    """Return from when on (ms) `wanted` may be permitted at once, or as many of them as a window ever permits."""
    ordered = sorted(entries, key=lambda entry: entry.at)
    return max((_when(ordered, window, wanted, now) for window in windows), default=now)


def _used(entries: Iterable[Entry], window: Window, now: int) -> int:
    return sum(entry.count for entry in entries if entry.at + window.span > now)


def _when(ordered: Sequence[Entry], window: Window, wanted: int, now: int) -> int:
    left = _used(ordered, window, now) + min(wanted, window.count) - window.count
    for entry in ordered:
        if left <= 0:
            break
        if entry.at + window.span > now:
            left -= entry.count
            if left <= 0:
                return entry.at + window.span
    return now


def refresh(
    state: KindState, windows: Sequence[Window], now: int, longest_life: int, patience: int, pause: int
) -> None:
    """Bring a state to `now`: forget what no window counts, join what is old, and mend what a clock set back left.

    A time later than any that can be is taken for the latest that can: after a clock is set back, or a machine is
    started again, what was taken counts as just taken.
    """
    state.waiting = [
        Waiting(each.holder, each.is_urgent, min(each.until, now + patience))
        for each in state.waiting
        if each.until > now
    ]
    state.closed_until = min(state.closed_until, now + pause)
    state.slowed_at = min(state.slowed_at, now)
    joined: dict[str, Entry] = {}
    for entry in state.entries:
        entry.at = min(entry.at, now + longest_life)
        if entry.count and windows and entry.at + windows[-1].span > now:
            kept = _slotted(entry, windows, state.epoch, now)
            if kept.id in joined:
                joined[kept.id].count += kept.count
            else:
                joined[kept.id] = kept
    state.entries = list(joined.values())


def _slotted(entry: Entry, windows: Sequence[Window], epoch: str, now: int) -> Entry:
    """Return the entry, or what stands for it once every window but the longer ones has forgotten it."""
    for number in range(len(windows) - 1, 0, -1):
        size = max(1, windows[number].span // SLOTS)
        end = (entry.at // size + 1) * size - 1
        if end + windows[number - 1].span <= now:
            return Entry(f"{epoch}/{number}/{entry.at // size}", end, entry.count)
    return entry


def moved_on(state: KindState, milliseconds: int, now: int) -> None:
    """Make up for a ledger's clock that was set forward: nothing is older than it was.

    What others wrote since is moved too, as it cannot be told apart; `refresh` sees that nothing is too late.
    """
    for entry in state.entries:
        entry.at += milliseconds
    state.slowed_at = min(now, state.slowed_at + milliseconds)


def merged(state: KindState, seen: KindState) -> None:
    """Add what a process has seen to a state that was born anew or fell back; nothing is ever counted less."""
    known = {entry.id: entry for entry in state.entries}
    for entry in seen.entries:
        if entry.id in known:
            known[entry.id].count = max(known[entry.id].count, entry.count)
            known[entry.id].at = max(known[entry.id].at, entry.at)
        else:
            state.entries.append(Entry(entry.id, entry.at, entry.count))
    for day, epochs in seen.days.items():
        counts = state.days.setdefault(day, {})
        for epoch, count in epochs.items():
            counts[epoch] = max(counts.get(epoch, 0), count)
    state.closed_until = max(state.closed_until, seen.closed_until)
    if seen.level > state.level:
        state.level, state.slowed_at = seen.level, seen.slowed_at
