"""What a process tells other processes over HTTP: its health, its metrics, and answers to their questions.

GET /health/live and /health/ready, GET /metrics, POST /call/QUESTION. It is no API for people: that is the gateway's.
It listens on this machine alone unless processes share a token.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import re
import secrets
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import prometheus_client
import structlog
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from niftyflow.gateway.envelope import failure, success
from niftyflow.kit import metrics
from niftyflow.kit.addresses import here_of, listening, spelled_host
from niftyflow.kit.call_codec import FAULT, MEDIA_TYPE, Question, encode_error
from niftyflow.kit.call_settings import InternalSettings
from niftyflow.kit.caller import CALL_SECONDS, LocalCaller
from niftyflow.kit.clock import monotonic
from niftyflow.kit.health import Health
from niftyflow.kit.http_caller import SECONDS_HEADER, is_loopback
from niftyflow.kit.http_server import served
from niftyflow.kit.log import get_logger
from niftyflow.kit.readiness import Dependencies, Readiness, readiness
from niftyflow.model import DecodeError, Misconfigured, Refused, Retryable, Unavailable

log = get_logger(__name__)

CALL: Final = "/call/"
METHODS: Final = {"/health/live": "GET", "/health/ready": "GET", "/metrics": "GET"}
READY_SECONDS: Final = 1.0
"""How long what was found of the dependencies is told again: whoever asks needs no token."""
LAST: Final = {"Connection": "close"}
"""For answers to who has not sent everything."""
_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_numbers = itertools.count(secrets.randbits(32))


class Starting:
    """What a process waits for before its engines are open, as a dependency that is away."""

    def __init__(self) -> None:
        self.waits_for = "it starts"

    async def ping(self) -> None:
        """Say what is waited for.

        Raises:
            Retryable: always.
        """
        raise Retryable(self.waits_for)


class InternalApp:
    """The ASGI application of one process; it is the supervisor of its requests.

    Who shows the token may ask everything; who does not learns only whether the process lives and is ready. From the
    first moment it tells that, by what the process waits for at its start; the rest once it `opens`.
    """

    def __init__(
        self, address: str, health: Health, questions: Mapping[str, Question], settings: InternalSettings
    ) -> None:
        """Answer at an address whether the process is ready, which it is not."""
        self.address = address
        self.starts = Starting()
        self._health = health
        self._dependencies: Dependencies = {"start": self.starts.ping}
        self._caller = LocalCaller({"ready": self.ready})
        self._questions = questions
        self._token = settings.token.get_secret_value().encode()
        self._body_limit = settings.question_limit_bytes
        self._read_seconds = settings.read_seconds
        self._most_at_once = settings.questions_at_once
        self._under_way = 0
        self._looking = asyncio.Lock()
        self._looked = -READY_SECONDS
        self._found = Readiness({}, [])
        self._process = secrets.token_hex(8)
        self._own = self._caller

    def opens(self, dependencies: Dependencies, caller: LocalCaller) -> None:
        """From now on look at these dependencies, and answer what `caller` answers.

        Raises:
            Misconfigured: a question it answers has no types.
        """
        untyped = sorted(caller.names - self._questions.keys())
        if untyped:
            raise Misconfigured(f"no types are declared for the questions {', '.join(untyped)}: add them to the table")
        self._dependencies, self._looked = dependencies, -READY_SECONDS
        self._caller, self._own = caller.without(), caller
        self._caller.answers("ready", self.ready)
        if "system" in caller.names:
            self._caller.answers("system", self.system)

    async def ready(self) -> dict[str, Any]:
        """Return the state of every worker and dependency, at most a second old, and which process this is."""
        return {**(await self._readiness()).body, "process": self._process}

    async def system(self) -> dict[str, Any]:
        """Return our own picture, and which process this is: one that is asked at two addresses counts once."""
        return {**await self._own.call("system"), "process": self._process}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        began, headers = monotonic(), Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else f"i{next(_numbers):x}"
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                response = await self._answer(scope, receive, headers, request_id)
            except Exception as error:  # supervisor: one request that fails must not end the others
                log.exception("request_failed", path=scope["path"], error=repr(error))
                response = failure("internal", "a fault of ours; the log has it under this request id", request_id)
        response.headers["X-Request-ID"] = request_id
        await response(scope, receive, send)
        metrics.HTTP_REQUESTS.labels(self._route(scope["path"]), str(response.status_code)).inc()
        metrics.HTTP_DURATION.observe(monotonic() - began)

    def _route(self, path: str) -> str:
        """Return a path as metrics name it: what others choose would grow without bound."""
        is_known = path in METHODS or (path.startswith(CALL) and path[len(CALL) :] in self._caller.names)
        return path if is_known else "none"

    async def _answer(self, scope: Scope, receive: Receive, headers: Headers, request_id: str) -> Response:
        path, method = scope["path"], scope["method"]
        wanted = "POST" if path.startswith(CALL) else METHODS.get(path)
        if wanted is None:
            return failure("not_found", "there is only /health/live, /health/ready, /metrics and /call/…", request_id)
        if method != wanted and not (method == "HEAD" and wanted == "GET"):
            return failure("method_not_allowed", f"use {wanted}", request_id, None, {"Allow": wanted})
        if path == "/health/live":
            return success({"is_live": True})
        is_known = self._is_known(headers)
        if path == "/health/ready":
            return await self._ready(request_id, is_whole=is_known)
        if is_known:
            return await self._for_known(path, receive, headers, request_id)
        message = "send Authorization: Bearer with the token that all processes share (internal.token)"
        return failure("unauthenticated", message, request_id, None, {"WWW-Authenticate": "Bearer", **LAST})

    async def _for_known(self, path: str, receive: Receive, headers: Headers, request_id: str) -> Response:
        if path == "/metrics":
            text = await asyncio.to_thread(prometheus_client.generate_latest)
            return Response(text, media_type="text/plain; version=0.0.4")
        return await self._in_bounds(path[len(CALL) :], receive, headers, request_id)

    def _is_known(self, headers: Headers) -> bool:
        if not self._token:  # a page in a browser here may reach us, under a name of its own for this machine
            return is_loopback(urlsplit(f"//{headers.get('host', '')}").hostname or "")
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), self._token)

    # -- health ----------------------------------------------------------------------------------------------------

    async def _ready(self, request_id: str, *, is_whole: bool) -> Response:
        found = await self._readiness()
        body = found.body if is_whole else {"is_ready": not found.away}
        if not found.away:
            return success(body)
        message = found.message if is_whole else "not ready"
        return failure("unavailable", message, request_id, body, {"Retry-After": "1"})

    async def _readiness(self) -> Readiness:
        async with self._looking:
            if monotonic() - self._looked >= READY_SECONDS:
                self._found = await readiness(self._health, self._dependencies)
                self._looked = monotonic()
            return self._found

    # -- questions -------------------------------------------------------------------------------------------------

    async def _in_bounds(self, name: str, receive: Receive, headers: Headers, request_id: str) -> Response:
        """Answer a question, unless it is too large, too slow, or one too many."""
        if self._under_way >= self._most_at_once:
            busy = f"{self._most_at_once} questions are under way: ask again in a moment"
            return failure("unavailable", busy, request_id, None, {"Retry-After": "1", **LAST})
        self._under_way += 1
        try:
            async with asyncio.timeout(self._read_seconds):
                message = await _body(receive, headers, self._body_limit)
        except TimeoutError:
            late = f"the question did not come within {self._read_seconds:g} s"
            return failure("timeout", late, request_id, None, LAST)
        else:
            if message is None:
                return failure("body_too_large", f"at most {self._body_limit} bytes", request_id, None, LAST)
            return await self._told(name, message, headers, request_id)
        finally:
            self._under_way -= 1

    async def _told(self, name: str, message: bytes, headers: Headers, request_id: str) -> Response:
        if name not in self._caller.names:
            status, told = encode_error(Unavailable(name[:100], "nobody in this process answers it now"))
            return _packed(told, status)
        question = self._questions[name]
        try:
            arguments = question.decode(message)
        except DecodeError as error:
            return failure("invalid_value", error.reason, request_id, {"field": "arguments"})
        try:
            answer = await self._in_time(name, arguments, _seconds_of(headers))
            return _packed(question.encode_answer(answer))
        except (Refused, Retryable) as error:
            status, told = encode_error(error)
            return _packed(told, status)
        except Exception as error:  # supervisor: what nobody foresaw stays here, whoever asks learns where to look
            log.exception("question_failed", question=name, error=repr(error))
            reason = f"a fault kept another process from answering; its log has it under request id {request_id}"
            return _packed(encode_error(Unavailable(name, reason))[1], FAULT)

    async def _in_time(self, name: str, arguments: dict[str, Any], seconds: float) -> Any:
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await self._caller.call(name, **arguments)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise Unavailable(name, f"no answer within {seconds:g} s") from error


def _seconds_of(headers: Headers) -> float:
    """Return how long whoever asks waits, at most as long as any question may take."""
    try:
        seconds = float(headers.get(SECONDS_HEADER, CALL_SECONDS))
    except ValueError:
        return CALL_SECONDS
    return min(seconds, CALL_SECONDS) if seconds > 0 else CALL_SECONDS


async def _body(receive: Receive, headers: Headers, limit: int) -> bytes | None:
    """Return a request's body, or None when it is larger than the limit."""
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(body)  # nobody will read the answer
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _packed(message: bytes, status: int = 200) -> Response:
    return Response(message, status, media_type=MEDIA_TYPE)


@asynccontextmanager
async def internal_http(
    settings: InternalSettings, health: Health, questions: Mapping[str, Question]
) -> AsyncIterator[InternalApp]:
    """Serve other processes for the time of a `with`; gives what answers them, which `opens` when there is more.

    Raises:
        Misconfigured: the address cannot be had, others would reach it without a token, or a certificate cannot be
            read; the message says what to do.
    """
    tls = _tls(settings)
    bound = listening(settings.host, settings.port)
    host, port = bound.getsockname()[:2]
    if not settings.token.get_secret_value() and not is_loopback(host):
        bound.close()
        raise Misconfigured(
            f"internal.host {settings.host} can be reached from other machines and no token is set: set internal.token "
            "(NIFTYFLOW_INTERNAL__TOKEN) to the same secret in every process, or listen on 127.0.0.1"
        )
    address = f"{'https' if tls else 'http'}://{spelled_host(settings.name or here_of(settings.host))}:{port}"
    app = InternalApp(address, health, questions, settings)
    async with served(app, bound, ws="none", **tls):
        log.info("internal_http_listens", address=address)
        yield app


def _tls(settings: InternalSettings) -> dict[str, Any]:
    """Return the server's options for https, none without a certificate."""
    certificate, key = settings.certificate_file, settings.key_file
    if certificate is None and key is None:
        return {}
    if certificate is None or key is None:
        raise Misconfigured("set both internal.certificate_file and internal.key_file, or neither")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:
        raise Misconfigured(
            f"{certificate} and {key} cannot be read as a PEM certificate and its key: {error}"
        ) from error
    return {"ssl_certfile": certificate, "ssl_keyfile": key}
