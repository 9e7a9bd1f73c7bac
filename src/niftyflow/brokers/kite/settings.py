"""Settings of Kite: where its feed and its REST are, with which key, how they are watched, and how one logs in."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from niftyflow.brokers.connection import ConnectionSettings
from niftyflow.brokers.safe_addresses import refuse_unsafe
from niftyflow.kit.settings import Settings
from niftyflow.model import Misconfigured


def _safe(root: str) -> str:
    try:
        refuse_unsafe(root)
    except Misconfigured as error:
        raise ValueError(str(error)) from error
    return root.rstrip("/")


def _safe_or_none(root: str) -> str:
    return _safe(root) if root else ""


def _safe_http(root: str) -> str:
    """Refuse http:// but to this machine, by the rule of the sockets."""
    parts = urlsplit(root)
    scheme = {"https": "wss", "http": "ws"}.get(parts.scheme)
    if scheme is None:
        raise ValueError(f"{parts.scheme}:// is refused: use https://, or http:// to 127.0.0.1 for a simulator")
    try:
        refuse_unsafe(parts._replace(scheme=scheme).geturl())
    except Misconfigured as error:
        raise ValueError(str(error).replace("wss://", "https://").replace("ws://", "http://")) from error
    return root.rstrip("/")


class KiteRestSettings(Settings):
    """Kite's REST: addresses, the app's key and secret, and the time limit of each kind of call."""

    root: Annotated[str, AfterValidator(_safe_http)] = Field(
        "https://api.kite.trade", description="Address of the REST; http:// only to this machine, for the simulator"
    )
    login_page: Annotated[str, AfterValidator(_safe_http)] = Field(
        "https://kite.zerodha.com/connect/login", description="Where the account's owner logs in"
    )
    api_key: str = Field(description="The api_key of the Kite Connect app")
    api_secret: SecretStr = Field(
        SecretStr(""), description="The api_secret of the app; needed to log in, and for postbacks"
    )
    socket_root: Annotated[str, AfterValidator(_safe_or_none)] = Field(
        "wss://ws.kite.trade", description="Where order updates are pushed from; empty: the order book is polled only"
    )
    socket: ConnectionSettings = Field(ConnectionSettings(), description="How the order updates' socket is watched")
    connect_timeout_seconds: float = Field(5.0, gt=0, description="Longest wait for a connection")
    question_timeout_seconds: float = Field(10.0, gt=0, description="Longest wait for an answer that changes nothing")
    order_timeout_seconds: float = Field(10.0, gt=0, description="Longest wait before an order's outcome is unknown")
    master_timeout_seconds: float = Field(60.0, gt=0, description="Longest wait for the whole instruments file")
    largest_answer_bytes: int = Field(64 << 20, ge=1024, description="A larger answer is refused")
    longest_query_bytes: int = Field(
        7500, ge=256, description="Quotes are asked for in portions that fit: servers on the way refuse longer lines"
    )
    connections: int = Field(8, ge=1, le=64, description="Connections kept open to the REST at most")
    slow_down_seconds: float = Field(1.0, gt=0, description="Wait after a 429 that does not say how long to wait")
    poll_seconds: float = Field(5.0, gt=0, description="Time between two looks into the order book")
    callback_host: str = Field(
        "127.0.0.1", pattern=r"^(127\.0\.0\.1|localhost|::1)$", description="Where the login's answer is awaited"
    )
    callback_port: int = Field(5010, ge=0, le=65535, description="Port of the redirect URL that the app has registered")
    login_wait_seconds: float = Field(300.0, gt=0, description="Longest wait for somebody to log in")


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
