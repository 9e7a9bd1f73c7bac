"""EMA cross: long while the fast average of the close is above the slow one, short while it is below.

It acts on the close of the candle on which they cross, inside a window of the day. Outside of it a cross only ends a
position. It never adds to one.
"""

from __future__ import annotations

from datetime import time
from typing import ClassVar

from pydantic import Field, ValidationInfo, field_validator

from niftyflow.market import day_start, ist_day
from niftyflow.model import Candle, InstrumentKey, InvalidValue
from niftyflow.trading.indicators import Atr, Ema
from niftyflow.trading.strategies.one_position import Levels, OnePosition, OnePositionParameters, Opened
from niftyflow.trading.strategies.session_minutes import MINUTE_MS
from niftyflow.trading.strategy import Context, Saved

ATR_PERIOD = 14


class EmaCrossParameters(OnePositionParameters):
    """What an EMA cross is told."""

    fast: int = Field(default=9, ge=1, le=500, description="Period of the fast average, in 1m candles")
    slow: int = Field(
        default=21, ge=2, le=500, validate_default=True, description="Period of the slow average, in 1m candles"
    )
    trade_from: time = Field(default=time(9, 20), description="First moment at which it opens a position, HH:MM IST")
    trade_until: time = Field(
        default=time(15, 0), validate_default=True, description="Moment from which on it opens none, HH:MM IST"
    )
    stop_atr: float = Field(default=0.0, ge=0, description="Distance of the stop in ATR(14) of 1m candles; 0: no stop")

    @field_validator("slow")
    @classmethod
    def _is_slower(cls, value: int, info: ValidationInfo) -> int:
        if value <= info.data.get("fast", 0):
            raise ValueError("set it above fast")
        return value

    @field_validator("trade_until")
    @classmethod
    def _is_later(cls, value: time, info: ValidationInfo) -> time:
        if value <= info.data.get("trade_from", time.min):
            raise ValueError("set it after trade_from")
        return value


class _Averages:
    """What one instrument's candles add up to; `side` is 1 when fast was last above slow, -1 below, 0 not known."""

    def __init__(self, parameters: EmaCrossParameters) -> None:
        self.fast, self.slow, self.atr = Ema(parameters.fast), Ema(parameters.slow), Atr(ATR_PERIOD)
        self.side = 0

    def advance(self, high: float, low: float, close: float) -> int:
        """Take in a candle; return 1 when fast crossed slow upwards, -1 downwards, else 0."""
        self.atr.advance(high, low, close)
        fast, slow = self.fast.advance(close), self.slow.advance(close)
        if fast is None or slow is None or fast == slow:
            return 0
        before, self.side = self.side, 1 if fast > slow else -1
        return self.side if before == -self.side else 0

    def save(self) -> Saved:
        return {"fast": self.fast.save(), "slow": self.slow.save(), "atr": self.atr.save(), "side": self.side}

    def load(self, saved: Saved) -> None:
        self.fast.load(saved["fast"])
        self.slow.load(saved["slow"])
        self.atr.load(saved["atr"])
        self.side = saved["side"]


class EmaCross(OnePosition):
    """Follows the crossing of two averages of the 1m close."""

    kind: ClassVar[str] = "ema-cross"
    Parameters: ClassVar[type[EmaCrossParameters]] = EmaCrossParameters

    def __init__(self, parameters: EmaCrossParameters) -> None:
        super().__init__(parameters)
        self._parameters = parameters
        self._averages: dict[InstrumentKey, _Averages] = {}

    @property
    def warm_up(self) -> int:
        """Candles after which where the averages began no longer matters."""
        return max(Ema(self._parameters.slow).warm_up, Atr(ATR_PERIOD).warm_up)

    def on_start(self, context: Context) -> None:
        """Fold the history in."""
        for instrument in context.instruments:
            averages, history = self._of(instrument), context.history(instrument)
            rows = zip(history.high.tolist(), history.low.tolist(), history.close.tolist(), strict=True)
            for high, low, close in rows:
                averages.advance(high, low, close)

    def on_candle(self, context: Context, candle: Candle) -> None:
        """Follow a cross."""
        instrument = candle.instrument
        crossed = self._of(instrument).advance(candle.high, candle.low, candle.close)
        self.tend(context, instrument)
        if not crossed or crossed == self.trade(instrument).wanted:
            return
        if self._may_open(context, instrument, crossed):
            self.turn(context, instrument, crossed, self._parameters.value_rupees)
        elif context.position(instrument) or self.trade(instrument).wanted:
            self.turn(context, instrument, 0, 0.0)

    def levels(self, opened: Opened) -> Levels:
        """Return the stop, some ATR away from the entry, but at least one step of prices."""
        atr, distance = self._of(opened.instrument).atr.value, self._parameters.stop_atr
        if distance == 0 or atr is None:
            return Levels(None, None)
        return Levels(opened.entry - opened.side * max(distance * atr, opened.tick), None)

    def save(self) -> Saved:
        """Return the averages of each instrument as well."""
        averages = {key: averages.save() for key, averages in sorted(self._averages.items())}
        return {**super().save(), "averages": averages}

    def load(self, saved: Saved) -> None:
        """Take back the averages of each instrument as well."""
        super().load(saved)
        self._averages = {}
        try:
            for key, averages in saved["averages"].items():
                self._of(InstrumentKey(key)).load(averages)
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidValue("saved", saved, f"that is no memory of {self.kind}") from error

    def _of(self, instrument: InstrumentKey) -> _Averages:
        averages = self._averages.get(instrument)
        if averages is None:
            averages = self._averages[instrument] = _Averages(self._parameters)
        return averages

    def _may_open(self, context: Context, instrument: InstrumentKey, side: int) -> bool:
        minute = (context.time - day_start(ist_day(context.time))) // MINUTE_MS
        is_in_window = _minute_of(self._parameters.trade_from) <= minute < _minute_of(self._parameters.trade_until)
        has_stop = self._parameters.stop_atr == 0 or self._of(instrument).atr.value is not None
        return is_in_window and has_stop and self.may_open(context, instrument, side)


def _minute_of(moment: time) -> int:
    return moment.hour * 60 + moment.minute
