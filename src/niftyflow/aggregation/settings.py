"""Settings of aggregation: which instruments the view of the market counts."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from niftyflow.kit.settings import Settings
from niftyflow.model import InvalidValue, parse_instrument

ALL = "ALL"


class AggregationSettings(Settings):
    """The universe of the market view."""

    universe: str = Field(default=ALL, min_length=1, description="Name of the universe, as the view bears it")
    members: tuple[str, ...] = Field(
        default=(),
        description="Instruments counted, as EXCHANGE:SYMBOL; empty: every equity that had a scorecard today",
    )

    @field_validator("members")
    @classmethod
    def _read(cls, members: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(parse_instrument(member) for member in members)
        except InvalidValue as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if bool(self.members) == (self.universe == ALL):
            raise ValueError(f"name the universe when it has members of its own, and leave it {ALL} when it has none")
        return self
