"""Settings of trading: the account, its limits, how paper fills, and which strategies it starts with."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import Field

from niftyflow.kit.settings import Settings
from niftyflow.trading.paper import PaperSettings
from niftyflow.trading.risk import RiskLimits

PAPER = "paper"
"""Where an account's orders go that go to no broker."""


class OnError(StrEnum):
    """What becomes of a strategy's position when the strategy throws."""

    HOLD = "hold"
    SQUARE_OFF = "square_off"


class LiveStep(StrEnum):
    """How far an account at a broker is unlocked for orders of ours."""

    READ_ONLY = "read_only"
    ONE_SHARE = "one_share"
    LIMITS = "limits"
    FULL = "full"


class StrategySettings(Settings):
    """A strategy to start on the first day of an account; later it is started and stopped by command."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="Its name in the account")
    kind: str = Field(description="What it is: ema-cross, opening-range-breakout or signal-follower")
    instruments: list[str] = Field(default=[], description="EXCHANGE:SYMBOL, …; empty: every share there is")
    parameters: dict[str, Any] = Field(default={}, description="Its parameters; the rest stands at its defaults")
    on_error: OnError = Field(
        default=OnError.SQUARE_OFF, description="Its position when it throws: hold, or square_off at the market"
    )


def _three() -> list[StrategySettings]:
    """Return the three that there are, the first two small enough to run on fifty shares side by side."""
    small = {"value_rupees": 10_000}
    return [
        StrategySettings(name="ema-cross", kind="ema-cross", parameters=small),
        StrategySettings(name="opening-range-breakout", kind="opening-range-breakout", parameters=small),
        StrategySettings(name="signal-follower", kind="signal-follower"),
    ]


class TradingSettings(Settings):
    """One account, where its orders go, and what trades on it."""

    account: str = Field(default="paper-1", pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="Name of the account")
    orders_to: str = Field(
        default=PAPER, pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$",
        description="Where its orders go: paper, which fills them by the ticks that come, or a name of [brokers]",
    )  # fmt: skip
    capital_rupees: Decimal = Field(default=Decimal(1_000_000), gt=0, description="Cash the account begins with")
    broker_plan: str = Field(default="zerodha", description="Whose charges are reckoned")
    square_off_minutes_before_close: int = Field(
        default=10, ge=1, le=60, description="When open MIS positions are closed at the market"
    )
    limits: RiskLimits = Field(default=RiskLimits(), description="What the account may do")
    paper: PaperSettings = Field(default=PaperSettings(), description="How its orders fill")
    strategies: list[StrategySettings] = Field(
        default_factory=_three, description="Started on an account's first day; [] for none"
    )
