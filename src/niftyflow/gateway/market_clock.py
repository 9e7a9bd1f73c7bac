"""The data's time and what the market does at it, as `/clock` and the `clock` channel tell it.

The phase is that of shares with derivatives on the NSE; each instrument's own may differ by minutes.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import msgspec

from niftyflow.gateway.sources import Sources
from niftyflow.kit.clock import monotonic
from niftyflow.market import CalendarUnknown, Phase, Segment, SessionClass, ist_day, session
from niftyflow.model import Exchange

HOURS: Final = SessionClass(Exchange.NSE, Segment.CASH_WITH_DERIVATIVES)
LONGEST_CLOSED_DAYS: Final = 15
LOOKED_SECONDS: Final = 0.5
MOST_LOOKED_AT: Final = 2000


class ClockView(msgspec.Struct, frozen=True, kw_only=True):
    """What `/clock` answers; times in ms UTC, ages in the data's own seconds."""

    time: int
    day: date
    phase: str | None
    is_open: bool
    next_change: int | None
    speed: float
    is_paused: bool
    is_demo: bool
    last_tick_at: int | None
    data_age_seconds: float | None


class _Stamp(msgspec.Struct):
    timestamp: int


_stamp = msgspec.json.Decoder(_Stamp).decode


class MarketClock:
    """The view of one process's data; the newest tick is looked for twice a second at most."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._newest: int | None = None
        self._looked_until = 0.0

    async def view(self) -> ClockView:
        """Return the view as of now.

        Raises:
            Retryable: a store is away.
        """
        newest = await self._newest_tick()
        now = self._sources.clock.now()
        playing = self._sources.playing
        phase, next_change = phase_at(now)
        return ClockView(
            time=now, day=ist_day(now), phase=None if phase is None else phase.value,
            is_open=phase is Phase.CONTINUOUS, next_change=next_change,
            speed=1.0 if playing is None else playing.speed,
            is_paused=playing is not None and playing.is_paused, is_demo=playing is not None,
            last_tick_at=newest, data_age_seconds=None if newest is None else round(max(0, now - newest) / 1000, 3),
        )  # fmt: skip

    async def _newest_tick(self) -> int | None:
        """Return the exchange time of the newest tick that the hot store still has, of the first few instruments."""
        if monotonic() >= self._looked_until:
            keys = [f"tick:latest:{key}" for key in list(await self._sources.instruments.today())[:MOST_LOOKED_AT]]
            found = await self._sources.hot.get_many(keys) if keys else []
            self._newest = max((_stamp(raw).timestamp for raw in found if raw is not None), default=None)
            self._looked_until = monotonic() + LOOKED_SECONDS
        return self._newest


def phase_at(t: int) -> tuple[Phase | None, int | None]:
    """Return the phase at a moment (ms UTC) and when it changes next; None for what the calendar does not know."""
    day = ist_day(t)
    try:
        today = session(HOURS, day)
        span = None if today is None else today.at(t)
        phase = Phase.CLOSED if span is None else span.phase
    except CalendarUnknown:
        return None, None
    if span is not None:
        return phase, span.end
    try:
        for ahead in range(LONGEST_CLOSED_DAYS):
            found = session(HOURS, day + timedelta(days=ahead))
            for each in found.spans if found else ():
                if each.start > t:
                    return phase, each.start
    except CalendarUnknown:
        pass
    return phase, None
