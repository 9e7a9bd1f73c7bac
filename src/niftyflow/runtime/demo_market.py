"""The market of a demo: generated days that go on from start to start, and a past made in seconds. Nothing is real.

It owns the demo's state file and what was generated before the first start. It trades nothing and serves nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec

from niftyflow.brokers.simulator.pace import SLOWEST, Pace
from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.replay import ReplayFeed
from niftyflow.brokers.simulator.synthetic import SyntheticSession
from niftyflow.brokers.simulator.synthetic_candles import session_candles
from niftyflow.brokers.simulator.synthetic_days import Parts, SyntheticDays
from niftyflow.bus.port import Bus
from niftyflow.kit.clock import VirtualClock, monotonic
from niftyflow.kit.files import write_whole
from niftyflow.market import CalendarUnknown, Segment, SessionClass, session
from niftyflow.model import Exchange, Instrument, InvalidValue, Misconfigured
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.ports import MarketStore

FIRST_DAY: Final = date(2026, 1, 5)
"""The day whose ticks are played first; the calendar knows a year after it."""
PAST_DAYS: Final = 5
MINUTES_IN: Final = 30
"""How long after the open of the first day its ticks begin; what came before is there as candles."""
FASTEST: Final = 600.0
STATE_FILE: Final = "demo.json"
SOURCE: Final = "synthetic"
TICKS: Final = "raw-ticks"
MINUTE_MS: Final = 60_000


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a demo goes on from: its seed, and the last prices before each of the last days that were begun."""

    seed: int
    closes: dict[date, list[float]]


class Steering:
    """Speed and pause of a demo, changed while it plays; `gateway.sources.Playing`."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    @property
    def speed(self) -> float:
        """Times real time."""
        return self._pace.speed

    @property
    def is_paused(self) -> bool:
        """Whether the market's time stands still."""
        return self._pace.is_paused

    def change(self, *, speed: float | None = None, is_paused: bool | None = None) -> None:
        """Go on from this moment at another speed, or stop and go.

        Raises:
            InvalidValue: the speed is not between 0.1 and 600.
        """
        wanted = self.speed if speed is None else checked_speed(speed)
        wall = monotonic()
        self._pace.anchor(wall, self._pace.due(wall))
        self._pace.speed = wanted
        self._pace.is_paused = self.is_paused if is_paused is None else is_paused


class DemoMarket:
    """Generated days of a workspace, played from where they were left; `open` it before anything else."""

    def __init__(self, workspace: Workspace, speed: float, seed: int = 1) -> None:
        """Describe the market; `seed` counts in a new workspace only.

        Raises:
            InvalidValue: the speed is not between 0.1 and 600.
        """
        self._file = workspace.path / STATE_FILE
        self._seed = seed
        self._pace = Pace(checked_speed(speed))
        self._closes: dict[date, list[float]] = {}
        self._playback: Playback | None = None
        self.clock = VirtualClock()
        self.steering = Steering(self._pace)

    async def open(self, market: MarketStore, journal: Bus) -> None:
        """Make the past when there is none, and stand where the journal ends.

        Raises:
            Misconfigured: the state file cannot be read, or the calendar has no day left.
            Retryable: a store is away.
        """
        state = await asyncio.to_thread(self._read)
        if state is None:
            state = await self._make_past(market)
        self._seed, self._closes = state.seed, dict(state.closes)
        last = await journal.last_watermark(TICKS, 0)
        at = _beginning() if last is None else last.time
        self._playback = await asyncio.to_thread(self._standing_at, at)
        self.clock.advance_to(at)

    @property
    def instruments(self) -> list[Instrument]:
        """What is traded."""
        return list(self._opened().source.instruments)

    @property
    def is_over(self) -> bool:
        """Whether the calendar knows no further day."""
        return self._opened().is_finished

    def feed(self) -> ReplayFeed:
        """Return a feed that goes on from where the market stands."""
        return ReplayFeed(self._opened(), self.clock, source=SOURCE, pace=self._pace)

    def _opened(self) -> Playback:
        if self._playback is None:
            raise RuntimeError("the demo's market was not opened")
        return self._playback

    def _standing_at(self, at: int) -> Playback:
        begun = [day for day in self._closes if parts_of(day)[0][0] <= at]
        first = max(begun, default=min(self._closes))
        days = trading_days(first)
        playback = Playback(SyntheticDays(days, seed=self._seed, closes=self._closes[first], begins=self._begins))
        if at > playback.position:
            playback.seek(at)
        if playback.is_finished:
            raise Misconfigured(
                f"the demo has played every day the calendar knows, to {days[-1][0]}: start anew with --fresh"
            )
        return playback

    def _begins(self, day: date, closes: list[float]) -> None:
        """Keep the prices before a day, and those before the day before it: it may not be played to its end yet."""
        kept = self._closes | {day: closes}
        self._closes = {each: kept[each] for each in sorted(kept)[-2:]}
        self._write(State(seed=self._seed, closes=self._closes))

    async def _make_past(self, market: MarketStore) -> State:
        closes: list[float] | None = None
        days = trading_days(FIRST_DAY)
        for parts in [*_past(PAST_DAYS), days[0][1]]:
            made = SyntheticSession(parts, seed=self._seed, closes=closes)
            is_first = parts is days[0][1]
            candles, after = await asyncio.to_thread(session_candles, made, _beginning() if is_first else None)
            await market.save_instruments(made.instruments)
            await market.upsert_candles(candles)
            closes = closes if is_first else after
        state = State(seed=self._seed, closes={FIRST_DAY: closes or []})
        await asyncio.to_thread(self._write, state)
        return state

    def _read(self) -> State | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=State)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise Misconfigured(f"{self._file} cannot be read ({error}): start anew with --fresh") from error

    def _write(self, state: State) -> None:
        write_whole(self._file, msgspec.json.encode(state))


def checked_speed(speed: float) -> float:
    """Return a speed at which a demo can be played.

    Raises:
        InvalidValue: it is not between 0.1 and 600.
    """
    if not SLOWEST <= speed <= FASTEST:
        raise InvalidValue("speed", speed, f"play at {SLOWEST:g} to {FASTEST:g} times real time")
    return speed


def parts_of(day: date) -> Parts:
    """Return when shares with derivatives trade on a day, (from, until) in ms UTC; nothing when they do not.

    Raises:
        CalendarUnknown: the calendar does not reach it, or does not know its hours.
    """
    found = session(SessionClass(Exchange.NSE, Segment.CASH_WITH_DERIVATIVES), day)
    return [] if found is None else [(part.start, part.end) for part in found.continuous]


def trading_days(first: date) -> list[tuple[date, Parts]]:
    """Return the trading days from `first` on, as far as the calendar knows them, each with its hours."""
    days: list[tuple[date, Parts]] = []
    day = first
    while True:
        try:
            parts = parts_of(day)
        except CalendarUnknown:
            return days
        if parts:
            days.append((day, parts))
        day = date.fromordinal(day.toordinal() + 1)


def _past(count: int) -> Sequence[Parts]:
    """Return the hours of so many trading days before the first."""
    found: list[Parts] = []
    day = FIRST_DAY
    while len(found) < count:
        day = date.fromordinal(day.toordinal() - 1)
        if parts := parts_of(day):
            found.insert(0, parts)
    return found


def _beginning() -> int:
    return parts_of(FIRST_DAY)[0][0] + MINUTES_IN * MINUTE_MS
