"""One account's calls to Kite's REST: sent once, through the rate gate, within a time limit, failures told by our tree.

It owns the connections. It knows no routes and reads no answers beyond their envelope; it never retries anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Final, NamedTuple, TypeVar

import aiohttp
import msgspec
from pydantic import SecretStr

from niftyflow.brokers.capabilities import CallKind, RateGate
from niftyflow.brokers.errors import NotSent, OutcomeUnknown, SessionDead
from niftyflow.brokers.kite.capabilities import NAME
from niftyflow.brokers.kite.failures import TOO_MANY, Failure, error_of
from niftyflow.brokers.kite.settings import KiteRestSettings
from niftyflow.kit.log import get_logger
from niftyflow.model import DecodeError, NiftyflowError, Refused, Unavailable

log = get_logger(__name__)

T = TypeVar("T")

Credentials = Callable[[], Awaitable[SecretStr]]
"""Returns the access token of this moment; raises `SessionDead` while there is none."""
Parameters = Mapping[str, str | Sequence[str]]

LONGEST_WAIT_SECONDS: Final = 3600.0
SHOWN_CHARACTERS: Final = 500
"""How much of an answer that is not Kite's JSON is shown."""
_SUCCESSES: Final = range(200, 300)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises; text that is no UTF-8 is no `DecodeError`."""


class _Envelope(msgspec.Struct):
    status: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
    message: str | None = None
    error_type: str | None = None


class _Answer(NamedTuple):
    """An answer's body as it came, and as Kite's envelope where it is one."""

    body: bytes
    envelope: _Envelope | None


class _SentTwice(Exception):
    """The library was about to send a request again on a new connection, which is not its to decide."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `is_change`: it may change something at the broker, so that a lost answer is an unknown outcome.

    `is_urgent`: it takes risk away, and goes through the rate gate first.
    """

    kind: CallKind
    method: str
    path: str
    query: Parameters | None = None
    form: Parameters | None = None
    json: bytes | None = None
    is_change: bool = False
    is_urgent: bool = False
    is_signed: bool = True
    seconds: float | None = None


class KiteRest:
    """Sends calls. `open` it before the first one; `credentials` are asked before every signed call.

    `doubt` is told when Kite refuses the token.
    """

    def __init__(
        self, settings: KiteRestSettings, gate: RateGate, credentials: Credentials, doubt: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._gate = gate
        self._credentials = credentials
        self._doubt = doubt
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make room for connections; none is made yet."""
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_leaves)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._settings.connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"X-Kite-Version": "3"},
            trace_configs=[trace],
        )

    async def close(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def ask(self, call: Call, answer: type[T]) -> T:
        """Send a call and return its `data`.

        Raises:
            NiftyflowError: as `brokers/broker_port.py` says for questions, or for changes when the call is one.
        """
        body, envelope = await self._answer(call)
        if envelope is None:
            raise self._unreadable(call, body, "it is not Kite's JSON")
        try:
            return msgspec.json.decode(envelope.data, type=answer)
        except _UNREADABLE as error:
            raise self._unreadable(call, body, str(error)) from error

    async def text(self, call: Call) -> bytes:
        """Send a call and return the answer's body as it came: Kite's JSON of a success, or a file.

        Raises:
            NiftyflowError: as `ask`.
        """
        return (await self._answer(call)).body

    async def _answer(self, call: Call) -> _Answer:
        """Send a call and return the answer of a success; raise the error that anything else is."""
        if self._session is None:
            raise Refused("open the broker before asking it anything")
        headers, secret = await self._signature(call)
        await self._gate.take(call.kind, is_urgent=call.is_urgent)
        context = SimpleNamespace(has_left=False)
        try:
            status, body, pause = await self._send(self._session, call, headers, context)
        except _SentTwice:
            raise self._no_answer(call, context, "the connection was cut") from None
        except TimeoutError:
            raise self._no_answer(call, context, "no answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Their texts may hold the request; its name is enough.
            raise self._no_answer(call, context, getattr(error, "strerror", None) or type(error).__name__) from None
        answer = _Answer(body, _envelope(body))
        failure = _failure(status, answer, secret)
        if failure is None:
            return answer
        raise self._told(call, failure, pause)

    async def _signature(self, call: Call) -> tuple[dict[str, str], str]:
        if not call.is_signed:
            return {}, ""
        token = (await self._credentials()).get_secret_value()
        return {"Authorization": f"token {self._settings.api_key}:{token}"}, token

    async def _send(
        self, session: aiohttp.ClientSession, call: Call, headers: dict[str, str], context: SimpleNamespace
    ) -> tuple[int, bytes, float]:
        settings = self._settings
        default = settings.order_timeout_seconds if call.is_change else settings.question_timeout_seconds
        if call.json is not None:
            headers["Content-Type"] = "application/json"
        async with (
            asyncio.timeout(call.seconds or default),
            session.request(
                call.method,
                f"{settings.root}{call.path}",
                params=_pairs(call.query),
                data=call.json if call.json is not None else _pairs(call.form) or None,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_timeout_seconds),
                trace_request_ctx=context,
            ) as response,
        ):
            body = await _whole(response, settings.largest_answer_bytes)
            return response.status, body, _pause(response.headers.get("Retry-After"), settings.slow_down_seconds)

    def _told(self, call: Call, failure: Failure, pause: float) -> NiftyflowError:
        error = error_of(failure, is_change=call.is_change, seconds=pause)
        if failure.status == TOO_MANY:
            self._gate.slowed(call.kind, pause)
        if call.is_signed and isinstance(error, SessionDead):
            self._doubt()
        log.warning(
            "broker_refused", broker=NAME, path=call.path, status=failure.status, type=failure.type,
            error=type(error).__name__,
        )  # fmt: skip
        return error

    def _no_answer(self, call: Call, context: SimpleNamespace, reason: str) -> NiftyflowError:
        log.warning("broker_silent", broker=NAME, path=call.path, reason=reason, has_left=context.has_left)
        if not call.is_change:
            return Unavailable(NAME, reason)
        if not context.has_left:
            return NotSent(NAME, f"no connection: {reason}")
        return OutcomeUnknown(NAME, "", reason)

    def _unreadable(self, call: Call, body: bytes, reason: str) -> NiftyflowError:
        if call.is_change:
            return OutcomeUnknown(NAME, "", f"its answer cannot be read: {reason}")
        return DecodeError(f"an answer of Kite's to {call.path} cannot be read: {reason}", body[:1024])


async def _leaves(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    """Note that a request is about to be written, and keep it from being written twice."""
    told = context.trace_request_ctx
    if told.has_left:
        raise _SentTwice
    told.has_left = True


async def _whole(response: aiohttp.ClientResponse, largest: int) -> bytes:
    """Return the whole body, or refuse one that is larger than any of Kite's."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(1 << 16):
        size += len(part)
        if size > largest:
            raise ValueError(f"an answer larger than {largest} bytes")
        parts.append(part)
    return b"".join(parts)


def _pairs(parameters: Parameters | None) -> list[tuple[str, str]]:
    """Return parameters as pairs, a list's name once for each of its values."""
    pairs: list[tuple[str, str]] = []
    for name, value in (parameters or {}).items():
        pairs.extend([(name, value)] if isinstance(value, str) else [(name, each) for each in value])
    return pairs


def _pause(header: str | None, default: float) -> float:
    """Return the seconds of a Retry-After header; the default for one that is missing, a date, or absurd."""
    try:
        seconds = float(header or "")
    except ValueError:
        return default
    return seconds if 0 < seconds <= LONGEST_WAIT_SECONDS else default


def _envelope(body: bytes) -> _Envelope | None:
    try:
        return msgspec.json.decode(body, type=_Envelope)
    except _UNREADABLE:
        return None


def _failure(status: int, answer: _Answer, secret: str) -> Failure | None:
    """Return what an answer says went wrong; None for a success."""
    envelope = answer.envelope
    if envelope is not None and (envelope.status == "error" or envelope.error_type):
        words = _hidden(envelope.message or "", secret)
        return Failure(status, envelope.error_type or "", words)
    if status in _SUCCESSES:
        return None
    return Failure(status, "", _hidden(answer.body.decode(errors="replace")[:SHOWN_CHARACTERS], secret))


def _hidden(words: str, secret: str) -> str:
    return words.replace(secret, "…") if secret else words
