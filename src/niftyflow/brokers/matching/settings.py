"""Settings of the matching engine: how late orders arrive, and what stands in the book where a source is silent."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from niftyflow.kit.settings import Settings


class Hours(StrEnum):
    """Whose hours hold: the exchange's calendar, or continuous trading around the clock (for demonstrations)."""

    EXCHANGE = "exchange"
    ALWAYS = "always"


class SelfTrade(StrEnum):
    """What happens when an account's order would meet its own: one of the two is cancelled, or they trade."""

    CANCEL_INCOMING = "cancel_incoming"
    CANCEL_RESTING = "cancel_resting"
    ALLOW = "allow"


class MatchingSettings(Settings):
    """How the simulated exchange behaves; every default is an assumption that a user may set otherwise."""

    latency_ms: int = Field(default=50, ge=0, description="An order or a change meets the book this long after it came")
    latency_jitter_ms: int = Field(default=0, ge=0, description="At most this is added to the latency, by the seed")
    hours: Hours = Field(default=Hours.EXCHANGE, description="Whose hours hold: exchange, or always open")
    synthetic_depth_rupees: int = Field(
        default=500_000, ge=1, description="Value of a level of the book where the source tells no quantity"
    )
    depth_beyond_percent: int = Field(
        default=50, ge=0, le=1_000,
        description="Quantity at each tick beyond the last level shown, in percent of that level; 0 for none",
    )  # fmt: skip
    levels_beyond: int = Field(default=40, ge=0, le=1_000, description="How many such levels there are")
    self_trade: SelfTrade = Field(default=SelfTrade.CANCEL_INCOMING, description="When an account meets itself")
    protection_of_shares: tuple[tuple[int, int], ...] = Field(
        default=((100, 200), (500, 100), (0, 50)),
        description="Automatic market protection of shares and futures: (below rupees, 1/100 percent), 0 for the rest",
    )
    protection_of_options: tuple[tuple[int, int], ...] = Field(
        default=((10, 500), (100, 300), (500, 200), (0, 100)),
        description="Automatic market protection of options, likewise",
    )
    is_protection_required: bool = Field(
        default=True, description="Refuse market and SL-M orders without market protection"
    )
    square_off_minutes_before_close: int = Field(
        default=10, ge=0, le=120, description="When MIS orders are cancelled and MIS positions named for square-off"
    )
    closing_band_percent: int = Field(default=3, ge=1, le=20, description="Band of the closing auction, percent")
