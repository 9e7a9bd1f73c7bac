"""What the routes of sessions and keys take and answer, for OpenAPI and for checking bodies."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from niftyflow.gateway.schemas_common import Asked, Described

ScopeName = Literal["read", "trade", "admin"]
TierName = Literal["standard", "premium", "owner"]
Secret = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_-]+$")]


class SignIn(Asked):
    """Either a one-time ticket of a link, or a key."""

    ticket: Secret | None = Field(default=None, description="What follows #ticket= in a one-time link")
    key: Secret | None = Field(default=None, description="An API key")


class SessionAnswer(Described):
    """Who is asking, and what they look at."""

    name: str = Field(description="The key's name", examples=["owner"])
    scopes: list[ScopeName]
    account: str = Field(description="The account that is traded", examples=["paper-1"])
    is_demo: bool
    expires_at: int = Field(description="ms UTC")


class NewKey(Asked):
    """A key to be made."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$", examples=["notebook"])
    scopes: list[ScopeName] = Field(min_length=1, max_length=3, examples=[["read"]])
    tier: TierName = "standard"
    days: int | None = Field(
        default=None, ge=1, le=3650, description="How long it holds; left out: as the settings say"
    )


class KeyAnswer(Described):
    """A key, without its text."""

    id: str
    name: str
    scopes: list[ScopeName]
    tier: TierName
    created_at: int = Field(description="ms UTC")
    expires_at: int = Field(description="ms UTC")
    revoked_at: int | None = Field(description="ms UTC; null while it was not revoked")


class MadeKeyAnswer(KeyAnswer):
    """A new key with its text, which is told once and kept nowhere."""

    key: str = Field(examples=["nfk_…"])
