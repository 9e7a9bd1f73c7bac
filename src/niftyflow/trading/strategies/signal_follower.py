"""Signal follower: turns the signals of rules into positions, one an instrument, sized by their strength.

It enters while a signal is valid, ends at the signal's stop or target, and turns over on the opposite one. It has no
opinion of its own: a signal whose stop or target the price has passed already is left alone.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
from pydantic import Field

from niftyflow.model import InstrumentKey, InvalidValue, Signal, milliseconds
from niftyflow.trading.strategies.one_position import Levels, OnePosition, OnePositionParameters, Opened
from niftyflow.trading.strategy import Context, Saved

NONE = Levels(None, None)


class SignalFollowerParameters(OnePositionParameters):
    """What a signal follower is told."""

    rules: list[str] = Field(default=[], description="Rules whose signals are followed; empty: all")
    max_positions: int = Field(default=10, ge=1, description="Most instruments in which it holds a position at once")


class SignalFollower(OnePosition):
    """Follows signals."""

    kind: ClassVar[str] = "signal-follower"
    Parameters: ClassVar[type[SignalFollowerParameters]] = SignalFollowerParameters

    def __init__(self, parameters: SignalFollowerParameters) -> None:
        super().__init__(parameters)
        self._parameters = parameters
        self._told: dict[InstrumentKey, Levels] = {}

    def on_signal(self, context: Context, signal: Signal) -> None:
        """Enter, turn over or leave, as the signal says."""
        instrument, side = signal.instrument, signal.action.sign
        until = milliseconds(signal.valid_until)
        if self._parameters.rules and signal.strategy not in self._parameters.rules:
            return
        if context.time >= until:
            context.log("signal_too_late", instrument=instrument, signal=signal.id, valid_until=until)
            return
        self.start_day(context, instrument)
        trade, position = self.trade(instrument), context.position(instrument)
        if trade.wanted == side:
            return
        refused = self._refusal(context, signal)
        if not refused:
            self._told[instrument] = Levels(signal.stop, signal.target)
            rupees = self._parameters.value_rupees * min(max(signal.strength, 0.0), 1.0)
            self.turn(context, instrument, side, rupees, until)
            return
        context.log("signal_not_entered", instrument=instrument, signal=signal.id, reason=refused)
        if trade.wanted or position:
            self.turn(context, instrument, 0, 0.0)

    def levels(self, opened: Opened) -> Levels:
        """Return the signal's stop and target."""
        return self._told.get(opened.instrument, NONE)

    def save(self) -> Saved:
        """Return the stop and target last told of each instrument as well."""
        return {**super().save(), "told": {key: list(levels) for key, levels in sorted(self._told.items())}}

    def load(self, saved: Saved) -> None:
        """Take back the stop and target last told of each instrument as well."""
        super().load(saved)
        try:
            told = msgspec.convert(saved["told"], dict[str, Levels])
        except (KeyError, msgspec.ValidationError) as error:
            raise InvalidValue("saved", saved, f"that is no memory of {self.kind}: {error}") from error
        self._told = {InstrumentKey(key): levels for key, levels in told.items()}

    def _refusal(self, context: Context, signal: Signal) -> str:
        """Return why no position may be opened on a signal; empty when one may."""
        instrument, side = signal.instrument, signal.action.sign
        price = context.last_price(instrument)
        if not self.may_open(context, instrument, side):
            return "no position of that side may be opened now"
        if price is None:
            return "no price is known"
        if signal.stop is not None and (price - signal.stop) * side <= 0:
            return "the price has passed the stop"
        if signal.target is not None and (signal.target - price) * side <= 0:
            return "the price has reached the target"
        if self._others(context, instrument) >= self._parameters.max_positions:
            return f"max_positions is {self._parameters.max_positions}"
        return ""

    def _others(self, context: Context, instrument: InstrumentKey) -> int:
        return sum(
            1 for key, trade in self._trades.items() if key != instrument and (trade.wanted or context.position(key))
        )
