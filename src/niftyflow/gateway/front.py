"""What every request passes, once, before its route: id, size, key and scope, rate, time limit, metrics, compression.

One ASGI middleware instead of a pile of them: a price costs more in layers than in itself. It answers in the envelope
whatever a route did not foresee, and lets sockets through, which ask the keyring themselves.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from niftyflow.gateway.envelope import failure
from niftyflow.gateway.errors import REQUEST_ID, answer_to
from niftyflow.gateway.keys import IDENTITY, Identity, Keyring, Scope, is_meant
from niftyflow.gateway.limits import STANDARD, Limits
from niftyflow.gateway.packing import Packing, takes_gzip
from niftyflow.gateway.settings import GatewaySettings
from niftyflow.kit import metrics
from niftyflow.kit.clock import monotonic
from niftyflow.kit.log import get_logger
from niftyflow.model import NiftyflowError

log = get_logger(__name__)

API: Final = "/api/"
SIGN_IN: Final = ("POST", "/api/v1/session")
KEYS: Final = "/api/v1/keys"
WITH_KEY: Final = ("/health/ready", "/metrics", "/docs", "/openapi.json")
SAFE: Final = ("GET", "HEAD", "OPTIONS")
ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
PROCESS: Final = secrets.token_hex(3)
_numbers = itertools.count(secrets.randbits(32))
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)


def scope_of(method: str, path: str) -> Scope | None:
    """Return what a key needs for a request, None when it needs no key."""
    if not path.startswith(API):
        return Scope.READ if path in WITH_KEY or path.startswith("/docs/") else None
    if (method, path) == SIGN_IN:
        return None
    if path == KEYS or path.startswith(f"{KEYS}/"):
        return Scope.ADMIN
    if method in SAFE or path == SIGN_IN[1]:
        return Scope.READ
    return Scope.TRADE


class Front:
    """The middleware; it is the supervisor of requests: what none of them foresaw ends here."""

    def __init__(self, app: ASGIApp, settings: GatewaySettings, keyring: Keyring, limits: Limits) -> None:
        self._app = app
        self._keyring = keyring
        self._body_limit = settings.body_limit_bytes
        self._query_seconds = settings.query_limit_seconds
        self._operation_seconds = settings.operation_limit_seconds
        self._limits = limits

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Take one request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = monotonic()
        headers = Headers(scope=scope)
        answer = _Answer(scope, send, _request_id(headers))
        scope[REQUEST_ID] = answer.request_id
        try:
            await self._within_time(scope, headers, receive, answer)
        except ClientDisconnect:
            answer.status = answer.status or 499
        except NiftyflowError as error:
            await answer.instead(answer_to(error, answer.request_id))
        except Exception as error:  # supervisor: one request that fails must not end the others
            log.exception("request_failed", request_id=answer.request_id, path=scope["path"], error=repr(error))
            message = "a fault of ours; the log has it under this request id"
            await answer.instead(failure("internal", message, answer.request_id))
        finally:
            _count(scope, answer.status, monotonic() - began)

    async def _within_time(self, scope: AsgiScope, headers: Headers, receive: Receive, answer: _Answer) -> None:
        seconds = self._query_seconds if scope["method"] in SAFE else self._operation_seconds
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                refusal = await self._refusal(scope, headers, answer.request_id)
                if refusal is not None:
                    await answer.instead(refusal)
                else:
                    await self._app(scope, self._bounded(headers, receive), answer)
        except TimeoutError:
            if not limit.expired():
                raise
            message = f"it took longer than {seconds:g} s"
            await answer.instead(failure("timeout", message, answer.request_id))

    async def _refusal(self, scope: AsgiScope, headers: Headers, request_id: str) -> Response | None:
        """Return why a request is not let through, None when it is."""
        length = headers.get("content-length")
        if length is not None and length.isdecimal() and int(length) > self._body_limit:
            return failure("body_too_large", f"at most {self._body_limit} bytes", request_id)
        method, path = scope["method"], scope["path"]
        needed = scope_of(method, path)
        if needed is None:
            return await self._unknown_too_often(scope, request_id) if (method, path) == SIGN_IN else None
        identity = await self._keyring.identify(headers)
        if identity is None:
            message = "send a key in X-API-KEY or Authorization: Bearer; see `niftyflow keys` and `niftyflow link`"
            return failure("unauthenticated", message, request_id, None, {"WWW-Authenticate": "Bearer"})
        refusal = self._not_allowed(identity, needed, method, headers, request_id)
        if refusal is not None:
            return refusal
        scope[IDENTITY] = identity
        return await self._too_often(identity.key_id, identity.tier, request_id)

    @staticmethod
    def _not_allowed(
        identity: Identity, needed: Scope, method: str, headers: Mapping[str, str], request_id: str
    ) -> Response | None:
        if needed not in identity.scopes:
            return failure("forbidden", f"the key {identity.name} lacks the scope {needed}", request_id)
        if identity.by_cookie and method not in SAFE and not is_meant(headers):
            message = "a browser's request needs the header X-Requested-With: niftyflow"
            return failure("forbidden", message, request_id)
        return None

    async def _unknown_too_often(self, scope: AsgiScope, request_id: str) -> Response | None:
        """Limit signing in by address, as there is no key yet."""
        client = scope.get("client")
        return await self._too_often(f"address:{client[0] if client else ''}", STANDARD, request_id)

    async def _too_often(self, name: str, tier: str, request_id: str) -> Response | None:
        wait = await self._limits.take(name, tier)
        if not wait:
            return None
        seconds = str(max(1, -int(-wait // 1)))
        message = f"more than {self._limits.rate(tier).per_second:g} requests a second; come back in {seconds} s"
        return failure("too_many_requests", message, request_id, None, {"Retry-After": seconds})

    def _bounded(self, headers: Headers, receive: Receive) -> Receive:
        """Return `receive` that counts: a body sent in pieces need not say how long it is."""
        if "content-length" in headers or "transfer-encoding" not in headers:
            return receive
        limit, received = self._body_limit, 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413, f"at most {limit} bytes")
            return message

        return counted


class _Answer:
    """Sends an answer with the headers that all have, and knows whether it has begun."""

    __slots__ = ("_next", "_scope", "_send", "is_begun", "request_id", "status")

    def __init__(self, scope: AsgiScope, send: Send, request_id: str) -> None:
        self._scope = scope
        self._send = send
        self._next: Send = Packing(send) if takes_gzip(scope["headers"]) else send
        self.request_id = request_id
        self.status = 0
        self.is_begun = False

    async def __call__(self, message: Message) -> None:
        """Pass on a message of the answer."""
        if message["type"] == "http.response.start":
            self.is_begun = True
            self.status = message["status"]
            headers = [*message.get("headers", ()), (b"x-request-id", self.request_id.encode()), *HEADERS]
            if self._scope["path"].startswith(API):
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        await self._next(message)

    async def instead(self, response: Response) -> None:
        """Answer with this, unless an answer has begun: then it can only be left off, and the server closes."""
        if self.is_begun:
            log.warning("answer_broken_off", request_id=self.request_id, path=self._scope["path"])
            raise ConnectionAbortedError(f"request {self.request_id} failed after its answer had begun")
        await response(self._scope, _nothing, self)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _request_id(headers: Headers) -> str:
    """Return the id given, or a new one: it is no secret, and asking the system for randomness costs a tenth of all."""
    given = headers.get("x-request-id")
    return given if given is not None and ID.fullmatch(given) else f"{PROCESS}{next(_numbers):010x}"


def _count(scope: AsgiScope, status: int, seconds: float) -> None:
    # A route's own path, never what was asked for: names that clients choose would grow without bound.
    route = getattr(scope.get("route"), "path", "") or "none"
    metrics.HTTP_REQUESTS.labels(route, str(status)).inc()
    metrics.HTTP_DURATION.observe(seconds)
