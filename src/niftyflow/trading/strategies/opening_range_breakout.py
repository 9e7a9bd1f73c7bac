"""Opening-range breakout: buys a close above the range of the session's first minutes, sells one below it.

The stop is the other end of the range, the target a multiple of it. The range needs every one of its minutes, whole:
an instrument of which one is missing or incomplete is left alone for the day.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
from pydantic import Field

from niftyflow.market import Session
from niftyflow.model import Candle, InstrumentKey, InvalidValue, milliseconds
from niftyflow.trading.strategies.one_position import Levels, OnePosition, OnePositionParameters, Opened
from niftyflow.trading.strategies.session_minutes import MINUTE_MS, after_open
from niftyflow.trading.strategy import Context, Saved

MINUTES_OF_A_SESSION = 375


class OpeningRangeBreakoutParameters(OnePositionParameters):
    """What an opening-range breakout is told."""

    minutes: int = Field(default=15, ge=1, le=240, description="Length of the opening range, in minutes of trading")
    buffer_bps: float = Field(
        default=0.0, ge=0, lt=10_000, description="How far beyond the range a close must be, in 1/100 percent"
    )
    trades_per_day: int = Field(
        default=1, ge=1, description="Most entries a day in an instrument, refused ones counted"
    )
    target_ranges: float = Field(
        default=2.0, ge=0, description="Distance of the target from the entry, in ranges; 0: no target"
    )


class OpeningRange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One instrument's range of a day, between `since` and `until` (ms UTC); `unusable` says why it cannot be used."""

    since: int = 0
    until: int = 0
    high: float = 0.0
    low: float = 0.0
    minutes: int = 0
    is_whole: bool = False
    unusable: str = "the day has no session"
    entries: int = 0

    def take(self, candle: Candle) -> None:
        """Widen the range by a candle inside of it."""
        self.high = max(self.high, candle.high) if self.minutes else candle.high
        self.low = min(self.low, candle.low) if self.minutes else candle.low
        self.minutes += 1
        if candle.incomplete and not self.unusable:
            minutes = (milliseconds(candle.time) - self.since) // MINUTE_MS
            self.unusable = f"the candle {minutes} minutes after the open is incomplete"


class OpeningRangeBreakout(OnePosition):
    """Trades the break of the session's first minutes."""

    kind: ClassVar[str] = "opening-range-breakout"
    Parameters: ClassVar[type[OpeningRangeBreakoutParameters]] = OpeningRangeBreakoutParameters

    def __init__(self, parameters: OpeningRangeBreakoutParameters) -> None:
        super().__init__(parameters)
        self._parameters = parameters
        self._ranges: dict[InstrumentKey, OpeningRange] = {}

    @property
    def warm_up(self) -> int:
        """A session, so that a start in the middle of it still sees the range."""
        return MINUTES_OF_A_SESSION

    def on_start(self, context: Context) -> None:
        """Take the range from the history as far as that has it."""
        for instrument in context.instruments:
            self.start_day(context, instrument)
            for candle in context.history(instrument).to_records():
                self._widen(candle)

    def on_candle(self, context: Context, candle: Candle) -> None:
        """Widen the range, then watch for a close beyond it."""
        instrument = candle.instrument
        self.tend(context, instrument)
        self._widen(candle)
        opening = self._of(instrument)
        if milliseconds(candle.time) < opening.until or not self._is_usable(context, instrument, opening):
            return
        side = self._side(candle.close, opening)
        is_free = not self.trade(instrument).wanted and not context.position(instrument)
        if not side or not is_free or not self.may_open(context, instrument, side):
            return
        if opening.entries < self._parameters.trades_per_day:
            opening.entries += 1
            self.turn(context, instrument, side, self._parameters.value_rupees)

    def day_began(self, instrument: InstrumentKey, session: Session | None) -> None:
        """Begin a new range."""
        opening = self._ranges[instrument] = OpeningRange()
        if session is None:
            return
        until = after_open(session, self._parameters.minutes)
        if until is None or until >= self.trade(instrument).exit_at:
            opening.unusable = f"the session has {session.minutes} minutes"
        else:
            opening.since, opening.until, opening.unusable = session.open, until, ""

    def levels(self, opened: Opened) -> Levels:
        """Return the other end of the range, and the target beyond the entry."""
        opening = self._of(opened.instrument)
        reach = self._parameters.target_ranges * (opening.high - opening.low)
        target = opened.entry + opened.side * reach if reach > 0 else None
        return Levels(opening.low if opened.side > 0 else opening.high, target)

    def save(self) -> Saved:
        """Return the range of each instrument as well."""
        ranges = {key: msgspec.to_builtins(opening) for key, opening in sorted(self._ranges.items())}
        return {**super().save(), "ranges": ranges}

    def load(self, saved: Saved) -> None:
        """Take back the range of each instrument as well."""
        super().load(saved)
        try:
            ranges = msgspec.convert(saved["ranges"], dict[str, OpeningRange])
        except (KeyError, msgspec.ValidationError) as error:
            raise InvalidValue("saved", saved, f"that is no memory of {self.kind}: {error}") from error
        self._ranges = {InstrumentKey(key): opening for key, opening in ranges.items()}

    def _of(self, instrument: InstrumentKey) -> OpeningRange:
        return self._ranges.setdefault(instrument, OpeningRange())

    def _widen(self, candle: Candle) -> None:
        opening = self._of(candle.instrument)
        if opening.since <= milliseconds(candle.time) < opening.until:
            opening.take(candle)

    def _is_usable(self, context: Context, instrument: InstrumentKey, opening: OpeningRange) -> bool:
        """Return whether the range may be traded, telling once a day when it may not."""
        if not opening.is_whole:
            opening.is_whole = True
            wanted = self._parameters.minutes
            if not opening.unusable and opening.minutes < wanted:
                opening.unusable = f"{wanted - opening.minutes} of {wanted} minutes have no candle"
            if not opening.unusable and opening.high <= opening.low:
                opening.unusable = "it is a single price"
            if opening.unusable:
                context.log("range_unusable", instrument=instrument, reason=opening.unusable)
            else:
                context.log("range", instrument=instrument, high=opening.high, low=opening.low)
        return not opening.unusable

    def _side(self, close: float, opening: OpeningRange) -> int:
        buffer = self._parameters.buffer_bps / 10_000
        if close > opening.high * (1 + buffer):
            return 1
        return -1 if close < opening.low * (1 - buffer) else 0
