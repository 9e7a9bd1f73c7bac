"""What the market's routes answer, for OpenAPI."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from niftyflow.gateway.schemas_common import Described

Symbol = Annotated[str, Field(description="EXCHANGE:SYMBOL", examples=["NSE:RELIANCE"])]
Ms = Annotated[int, Field(description="ms UTC", examples=[1795425300000])]
Rupees = Annotated[float, Field(description="Rupees", examples=[2850.5])]


class ClockAnswer(Described):
    """The time of the data, and what the market does at it."""

    time: Ms
    day: date = Field(description="The IST day of that time")
    phase: Literal["closed", "pre_open", "continuous", "halted", "closing_auction", "post_close"] | None = Field(
        description="Of shares with derivatives on the NSE; null where the calendar does not know the day"
    )
    is_open: bool = Field(description="Whether it is continuous trading")
    next_change: Ms | None = Field(description="When the phase changes next")
    speed: float = Field(description="Times real time; 1 unless this is a demo")
    is_paused: bool
    is_demo: bool
    last_tick_at: Ms | None = Field(description="Exchange time of the newest tick of the last minutes")
    data_age_seconds: float | None = Field(description="From it to `time`, in the data's own time")


class InstrumentAnswer(Described):
    """An instrument as it stands on the data's day."""

    symbol: Symbol
    name: str
    kind: Literal["equity", "index", "future", "option"]
    lot_size: int
    tick_size: str = Field(description="Rupees, exact", examples=["0.05"])
    has_derivatives: bool


class PriceAnswer(Described):
    """The last price of an instrument; what is not known is null."""

    symbol: Symbol
    ltp: Rupees | None
    change: Rupees | None = Field(description="From the last close before the day")
    change_percent: float | None
    previous_close: Rupees | None
    volume: int | None = Field(description="Traded since the open")
    bid: Rupees | None = Field(description="Null when that side of the book is empty")
    ask: Rupees | None
    time: Ms | None = Field(description="Exchange time of the price; of a stored candle its last trade, or its end")
    age_seconds: float | None = Field(description="From it to now, in the data's own time")


class QuoteAnswer(PriceAnswer):
    """A price with what the day brought so far."""

    open: Rupees | None
    high: Rupees | None
    low: Rupees | None
    vwap: Rupees | None
    trades: int | None


class OpenCandleAnswer(Described):
    """The candle under way."""

    time: Ms
    open: Rupees
    high: Rupees
    low: Rupees
    close: Rupees
    volume: int


class CandlesAnswer(Described):
    """Candles as columns, oldest first; `time` is each one's start."""

    symbol: Symbol
    interval: Literal["1m", "3m", "5m", "15m", "30m", "1h", "1d"]
    time: list[int]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[int]
    vwap: list[float]
    trades: list[int]
    incomplete: list[bool] = Field(description="Its start or part of it was not seen, or it is not over")
    revision: list[int] = Field(description="0: as first told")
    open_candle: OpenCandleAnswer | None
