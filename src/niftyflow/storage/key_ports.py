"""What the gateway asks of storage about who may use it: keys, signed-in browsers, one-time tickets.

Only hashes are stored, SHA-256 in hex; the secrets themselves never reach a store.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key by the hash of its text; times in ms UTC. `revoked_at` is None while it holds."""

    id: str
    hash: str
    name: str
    scopes: tuple[str, ...]
    tier: str
    created_at: int
    expires_at: int
    revoked_at: int | None = None

    def holds(self, at: int) -> bool:
        """Whether it may be used at a moment, ms UTC."""
        return self.revoked_at is None and at < self.expires_at


class BrowserSession(msgspec.Struct, frozen=True, kw_only=True):
    """A browser that signed in with a key or a ticket of it: it may what the key may, no longer than the key."""

    hash: str
    key_id: str
    created_at: int
    expires_at: int


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A one-time link's secret by its hash, and the key in whose name it signs in."""

    hash: str
    key_id: str
    created_at: int
    expires_at: int


class KeyStore(Protocol):
    """Keys, sessions and tickets, all by hash."""

    async def add_key(self, key: ApiKey) -> None:
        """Store a new key.

        Raises:
            Refused: a key of that id or hash, or one of that name that still holds, is there.
            Retryable: the store is away; so for every call here.
        """
        ...

    async def keys(self) -> list[ApiKey]:
        """Return every key, the revoked too, oldest first."""
        ...

    async def key_of(self, hash: str) -> ApiKey | None:  # noqa: A002 - what it is
        """Return the key of a hash, revoked or not; None when there is none."""
        ...

    async def revoke_key(self, id: str, at: int) -> bool:  # noqa: A002 - what it is
        """Revoke a key from `at` (ms UTC) on and end its sessions and tickets; False: it was none, or revoked."""
        ...

    async def add_session(self, session: BrowserSession) -> None:
        """Store a session, and forget those that ended before it began."""
        ...

    async def session_of(self, hash: str) -> tuple[BrowserSession, ApiKey] | None:  # noqa: A002 - what it is
        """Return the session of a hash with its key, ended or not; None when there is none."""
        ...

    async def end_session(self, hash: str) -> None:  # noqa: A002 - what it is
        """Forget a session."""
        ...

    async def add_ticket(self, ticket: Ticket) -> None:
        """Store a ticket, and forget those that ended before it was made."""
        ...

    async def use_ticket(self, hash: str, at: int) -> ApiKey | None:  # noqa: A002 - what it is
        """Take a ticket, once, and return its key; None when it is unknown, used, or over at `at` (ms UTC)."""
        ...
