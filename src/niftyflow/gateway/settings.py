"""What can be set about the gateway."""

from __future__ import annotations

from pydantic import Field

from niftyflow.kit.settings import Settings


class GatewaySettings(Settings):
    """Where the gateway listens, and how much it lets through."""

    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on; 0.0.0.0: every one")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0: a free one")
    body_limit_bytes: int = Field(default=10 * 1024 * 1024, ge=1024, description="Largest body of a request")
    query_limit_seconds: float = Field(default=5.0, gt=0, le=60, description="Longest time for a GET")
    operation_limit_seconds: float = Field(default=30.0, gt=0, le=300, description="Longest time for anything else")
    standard_per_second: float = Field(default=10.0, gt=0, description="Requests a second of a standard key")
    standard_burst: int = Field(default=20, ge=1, description="Requests at once of a standard key")
    premium_per_second: float = Field(default=50.0, gt=0, description="Requests a second of a premium key")
    premium_burst: int = Field(default=100, ge=1, description="Requests at once of a premium key")
    owner_per_second: float = Field(default=200.0, gt=0, description="Requests a second of the first key, the owner's")
    owner_burst: int = Field(default=400, ge=1, description="Requests at once of the owner's key")
    key_life_days: int = Field(default=90, ge=1, le=3650, description="How long a new key holds")
    session_life_days: int = Field(default=30, ge=1, le=365, description="How long a browser stays signed in")
    ticket_life_seconds: int = Field(default=600, ge=10, le=86400, description="How long a one-time link can be opened")
    sockets_per_address: int = Field(default=10, ge=1, description="Sockets open at once from one address")
