"""Settings of the model's side: which engine answers, how long it may take, and when it is no longer asked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from niftyflow.kit.settings import Settings


class AiSettings(Settings):
    """Which engine predicts, its budget, and its circuit breaker."""

    engine: Literal["heuristic"] = Field(default="heuristic", description="Who answers: heuristic, built in")
    budget_ms: int = Field(default=50, gt=0, le=10_000, description="An answer later than this is the heuristic's")
    failures: int = Field(default=5, ge=1, description="Failures in a row after which the engine is no longer asked")
    open_seconds: float = Field(default=60.0, gt=0, description="How long it is not asked; then one trial decides")
