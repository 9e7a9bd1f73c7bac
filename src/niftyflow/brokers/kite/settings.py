"""Settings of the Kite feed: where it is, with which key, and how its sockets are watched."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from niftyflow.brokers.connection import ConnectionSettings, refuse_unsafe
from niftyflow.model import Misconfigured


def _safe(root: str) -> str:
    try:
        refuse_unsafe(root)
    except Misconfigured as error:
        raise ValueError(str(error)) from error
    return root.rstrip("/")


class KiteFeedSettings(ConnectionSettings):
    """The Kite WebSocket: address, credentials and limits of Kite Connect v3."""

    root: Annotated[str, AfterValidator(_safe)] = Field(
        "wss://ws.kite.trade", description="Address of the WebSocket; ws:// only to this machine, for the simulator"
    )
    api_key: str = Field(description="The api_key of the Kite Connect app")
    access_token: SecretStr = Field(description="The access_token of today's login; it dies every morning")
    instruments_per_connection: int = Field(3000, ge=1, le=3000, description="Kite's limit of instruments on a socket")
    connections: int = Field(3, ge=1, le=3, description="Kite's limit of sockets for one api_key")
    subscribe_chunk: int = Field(500, ge=1, le=3000, description="Instruments named in one subscribe message")
