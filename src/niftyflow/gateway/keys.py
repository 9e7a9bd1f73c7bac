"""Who asks: keys, signed-in browsers and one-time tickets, each a random secret of which only the hash is kept.

It decides whether a secret holds and what it may do; the front decides what a route needs. What it remembers of the
store stays in this process: whoever can write to a shared hot store must not be able to make a key. Times are of the
wall's clock, not of the data's: a demo at ten times the speed does not use up its keys ten times as fast.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, cookie_parser

from niftyflow.gateway.settings import GatewaySettings
from niftyflow.kit.clock import Clock, WallClock
from niftyflow.kit.files import write_whole
from niftyflow.kit.log import get_logger
from niftyflow.model import Misconfigured, Refused
from niftyflow.storage.cache import Cache
from niftyflow.storage.cache_channel import CacheChannel
from niftyflow.storage.key_ports import ApiKey, BrowserSession, KeyStore, Ticket

log = get_logger(__name__)

KEY_PREFIX: Final = "nfk_"
COOKIE: Final = "niftyflow_session"
IDENTITY: Final = "niftyflow.identity"
"""Where a request's identity is in its ASGI scope."""
SECRET_BYTES: Final = 32
LONGEST_SECRET: Final = 200
"""Characters; a longer one is no secret of ours and is not even hashed."""
KEPT_SECONDS: Final = 60.0
"""For how long the store is not asked again about a key; one that is revoked is forgotten at once where it is told."""
DAY_MS: Final = 86_400_000
FIRST_NAME: Final = "owner"


class Scope(StrEnum):
    """What a key may do; no scope includes another."""

    READ = "read"
    TRADE = "trade"
    ADMIN = "admin"


class Tier(StrEnum):
    """How many requests a second a key has."""

    STANDARD = "standard"
    PREMIUM = "premium"
    OWNER = "owner"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks, until when (ms UTC); `by_cookie` means a browser that sends it whether or not its page meant to."""

    key_id: str
    name: str
    scopes: frozenset[str]
    tier: str
    expires_at: int
    by_cookie: bool = False


def identity_of(connection: HTTPConnection) -> Identity:
    """Return who a request comes from; the front let nobody unknown through to a route that asks."""
    identity: Identity = connection.scope[IDENTITY]
    return identity


def hash_of(secret: str) -> str:
    """Return what is stored of a secret; a plain SHA-256 will do, as secrets are 32 random bytes."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


class Revoked(NamedTuple):
    """Whether a key was revoked now (not: it was none, or revoked already), and whether every process was told.

    Who could not be told forgets it when it next asks the store, within a minute.
    """

    is_done: bool
    is_told: bool


class _SignedIn(NamedTuple):
    """A browser's identity, which holds as long as its key does."""

    identity: Identity
    key_hash: str


class Keyring:
    """Knows identities by their secrets, and remembers them for a minute; one for the caches of a channel."""

    def __init__(self, store: KeyStore, channel: CacheChannel, clock: Clock | None = None) -> None:
        self._store = store
        self._clock = clock or WallClock()
        self._keys: Cache[Identity] = Cache(channel, "keys", self._load_key, seconds=KEPT_SECONDS)
        self._sessions: Cache[_SignedIn] = Cache(channel, "sessions", self._load_session, seconds=KEPT_SECONDS)

    async def identify(self, headers: Mapping[str, str]) -> Identity | None:
        """Return who sends these headers (of a request or a socket): by key first, else by cookie; None: unknown.

        Raises:
            Retryable: the store is away.
        """
        key = headers.get("x-api-key")
        if key is None and headers.get("authorization", "")[:7].lower() == "bearer ":
            key = headers["authorization"][7:].strip()
        if key is not None:
            return await self.of_key(key)
        cookie = session_cookie(headers)
        return None if cookie is None else await self.of_session(cookie)

    async def of_key(self, secret: str) -> Identity | None:
        """Return the identity of a key's text, None when it is unknown, expired or revoked."""
        if len(secret) > LONGEST_SECRET:
            return None
        return self._still(await self._keys.get(hash_of(secret)))

    async def of_session(self, secret: str) -> Identity | None:
        """Return the identity of a browser's cookie, None when it is unknown, over, or its key holds no more."""
        if len(secret) > LONGEST_SECRET:
            return None
        session = await self._sessions.get(hash_of(secret))
        if session is None or self._still(await self._keys.get(session.key_hash)) is None:
            return None
        return self._still(session.identity)

    async def sign_in(self, key_id: str, key_expires_at: int, life_days: int) -> tuple[str, int]:
        """Begin a browser's session in the name of a key; return the cookie's text and its end (ms UTC)."""
        now = self._clock.now()
        secret = secrets.token_urlsafe(SECRET_BYTES)
        expires_at = min(now + life_days * DAY_MS, key_expires_at)
        session = BrowserSession(hash=hash_of(secret), key_id=key_id, created_at=now, expires_at=expires_at)
        await self._store.add_session(session)
        return secret, expires_at

    async def sign_out(self, secret: str) -> None:
        """End a browser's session, in every process."""
        await self._store.end_session(hash_of(secret))
        await self._sessions.invalidate(hash_of(secret))

    async def use_ticket(self, secret: str) -> Identity | None:
        """Take a one-time ticket; return who it stands for, None when it is unknown, used or over."""
        if len(secret) > LONGEST_SECRET:
            return None
        now = self._clock.now()
        key = await self._store.use_ticket(hash_of(secret), now)
        if key is None or not key.holds(now):
            return None
        return _identity(key, key.expires_at, by_cookie=False)

    async def add(self, name: str, scopes: list[str], tier: str, life_days: int) -> tuple[ApiKey, str]:
        """Make a key; return it and its text, which is nowhere else.

        Raises:
            Refused: a key of that name holds already.
        """
        return await make_key(self._store, name, scopes, tier, self._clock.now(), life_days)

    async def keys(self) -> list[ApiKey]:
        """Return every key, the revoked too, oldest first."""
        return await self._store.keys()

    async def revoke(self, key_id: str) -> Revoked:
        """Revoke a key and its sessions, in every process that can be told."""
        is_done = await self._store.revoke_key(key_id, self._clock.now())
        hashes = [key.hash for key in await self._store.keys() if key.id == key_id]
        is_told = await self._keys.invalidate(*hashes)
        log.info("key_revoked", key=key_id, done=is_done, told=is_told)
        return Revoked(is_done, is_told)

    async def _load_key(self, hashed: str) -> Identity | None:
        key = await self._store.key_of(hashed)
        if key is None or not key.holds(self._clock.now()):
            return None
        return _identity(key, key.expires_at, by_cookie=False)

    async def _load_session(self, hashed: str) -> _SignedIn | None:
        found = await self._store.session_of(hashed)
        if found is None:
            return None
        session, key = found
        return _SignedIn(_identity(key, session.expires_at, by_cookie=True), key.hash)

    def _still(self, identity: Identity | None) -> Identity | None:
        return identity if identity is not None and self._clock.now() < identity.expires_at else None


def session_cookie(headers: Mapping[str, str]) -> str | None:
    """Return the text of the session's cookie, None without one."""
    cookies = headers.get("cookie")
    return None if cookies is None or COOKIE not in cookies else cookie_parser(cookies).get(COOKIE)


def is_meant(headers: Mapping[str, str]) -> bool:
    """Whether a browser's request was made by our page: it has our header, or its Origin is the host it came to.

    Another site's page can make a browser send our cookie, but neither of these.
    """
    return headers.get("x-requested-with", "").lower() == "niftyflow" or is_same_origin(headers)


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """Whether the Origin of a request or socket is the host it came to; false without one."""
    origin, host = headers.get("origin"), headers.get("host")
    if not origin or not host:
        return False
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def new_key(name: str, scopes: list[str], tier: str, at: int, life_days: int) -> tuple[ApiKey, str]:
    """Return a new key that holds from `at` (ms UTC) on, and its text."""
    secret = KEY_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey(
        id=secrets.token_hex(6), hash=hash_of(secret), name=name, scopes=tuple(dict.fromkeys(scopes)), tier=tier,
        created_at=at, expires_at=at + life_days * DAY_MS,
    )  # fmt: skip
    return key, secret


async def make_key(
    store: KeyStore, name: str, scopes: list[str], tier: str, at: int, life_days: int
) -> tuple[ApiKey, str]:
    """Store a new key that holds from `at` (ms UTC) on; return it and its text, which is nowhere else.

    Raises:
        Refused: a key of that name holds already.
        Retryable: the store is away.
    """
    key, secret = new_key(name, scopes, tier, at, life_days)
    await store.add_key(key)
    log.info("key_made", key=key.id, name=name, scopes=scopes, tier=tier)
    return key, secret


async def first_key(store: KeyStore, settings: GatewaySettings, file: Path, at: int) -> str | None:
    """Make the owner's key when none with scope `admin` holds; keep its text in `file` (mode 0600) and return it.

    Return None when one holds already: its text is known to nobody but whoever kept it.

    Raises:
        Misconfigured: the file cannot be written.
        Retryable: the store is away.
    """
    known = await store.keys()
    if any(key.holds(at) and Scope.ADMIN in key.scopes for key in known):
        return None
    taken = {key.name for key in known if key.holds(at)}
    name = FIRST_NAME if FIRST_NAME not in taken else f"{FIRST_NAME}-{secrets.token_hex(3)}"
    key, secret = new_key(name, [scope.value for scope in Scope], Tier.OWNER, at, settings.key_life_days)
    await asyncio.to_thread(_keep, file, secret)  # first: a key whose text nobody has would be of no use
    await store.add_key(key)
    log.info("first_key_made", key=key.id, file=str(file))
    return secret


async def new_ticket(store: KeyStore, settings: GatewaySettings, at: int, name: str | None = None) -> str:
    """Make a one-time ticket in the name of a key, or of the newest that may do most; return its text.

    Raises:
        Refused: no such key holds.
        Retryable: the store is away.
    """
    holding = [key for key in await store.keys() if key.holds(at) and name in (None, key.name)]
    if not holding:
        which = "no key" if name is None else f"no key named {name}"
        raise Refused(f"{which} holds: make one with `niftyflow keys create`")
    key = max(holding, key=lambda one: (len(one.scopes), one.created_at))
    secret = secrets.token_urlsafe(SECRET_BYTES)
    expires_at = at + settings.ticket_life_seconds * 1000
    await store.add_ticket(Ticket(hash=hash_of(secret), key_id=key.id, created_at=at, expires_at=expires_at))
    return secret


def link_of(address: str, ticket: str) -> str:
    """Return the one-time link; what follows the # never reaches a server or its logs."""
    return f"{address.rstrip('/')}/#ticket={ticket}"


def _identity(key: ApiKey, expires_at: int, *, by_cookie: bool) -> Identity:
    until = min(expires_at, key.expires_at)
    return Identity(key.id, key.name, frozenset(key.scopes), key.tier, until, by_cookie)


def _keep(file: Path, secret: str) -> None:
    try:
        write_whole(file, f"{secret}\n".encode())
    except OSError as error:
        advice = "make its folder writable, or choose another workspace"
        raise Misconfigured(f"the key cannot be kept in {file} ({error.strerror}): {advice}") from error
