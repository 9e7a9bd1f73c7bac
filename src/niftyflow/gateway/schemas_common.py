"""The form of every answer and every error, as OpenAPI shows it; routes say with `answers` what they answer.

These classes describe; bodies are encoded by `envelope.py`. Schemas of the routes' own data are in `schemas_*.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from niftyflow.gateway.envelope import CODES

T = TypeVar("T")

EVERYWHERE: Final = (
    "unauthenticated", "forbidden", "invalid_value", "too_many_requests", "internal", "unavailable", "timeout",
)  # fmt: skip
"""Errors that any route may answer with."""
OF_BODIES: Final = ("bad_json", "body_too_large")


class Described(BaseModel):
    """Base of what an answer holds: all that is described is there, nothing else."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True, extra="forbid")


class Asked(BaseModel):
    """Base of a request's body: unknown fields are refused, and nothing is turned from one type into another.

    Choices are `Literal`s, and amounts text with a pattern: JSON has neither enums nor decimals.
    """

    model_config = ConfigDict(extra="forbid", strict=True)


class Envelope(Described, Generic[T]):
    """An answer."""

    status: Literal["success"] = "success"
    data: T


class Fault(Described):
    """What went wrong: `code` is stable and for programs, `message` for people."""

    code: str = Field(description="One of the documented codes", examples=["not_found"])
    message: str = Field(examples=["there is no route of that name"])
    details: dict[str, Any]
    request_id: str = Field(description="As in X-Request-ID, and in the log")


class Failure(Described):
    """An error."""

    status: Literal["error"] = "error"
    error: Fault


def answers(
    model: Any, *codes: str, status: int = 200, example: Any = None, body: bool = False, means: str = "Done"
) -> dict[int | str, dict[str, Any]]:
    """Return a route's `responses`: its data with an example, and the error codes besides those of every route.

    `body` says that the route takes one, which may be no JSON or too large.
    """
    answer: dict[str, Any] = {"model": Envelope[model], "description": means}
    if example is not None:
        answer["content"] = {"application/json": {"example": {"status": "success", "data": example}}}
    return {status: answer, **failures(*EVERYWHERE, *(OF_BODIES if body else ()), *codes)}


def failures(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of error codes; several of one status share an entry."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(CODES[code][0], []).append(code)
    return {status: _failure(of_status) for status, of_status in sorted(by_status.items())}


def _failure(codes: Sequence[str]) -> dict[str, Any]:
    unique = list(dict.fromkeys(codes))
    examples = {
        code: {"value": {"status": "error", "error": {"code": code, "message": CODES[code][1], "details": {},
                                                      "request_id": "0f3a9c6e2b7d4815"}}}
        for code in unique
    }  # fmt: skip
    return {
        "model": Failure,
        "description": " ".join(f"`{code}`: {CODES[code][1]}" for code in unique),
        "content": {"application/json": {"examples": examples}},
    }
