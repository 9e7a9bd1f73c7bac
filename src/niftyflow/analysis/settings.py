"""Settings of analysis: how far back an instrument's indicators begin."""

from __future__ import annotations

from pydantic import Field

from niftyflow.kit.settings import Settings


class AnalysisSettings(Settings):
    """Where indicators begin."""

    history_days: int = Field(
        default=30,
        ge=0,
        le=3650,
        description="Calendar days of stored candles folded when an instrument is first seen; the start is then kept",
    )
