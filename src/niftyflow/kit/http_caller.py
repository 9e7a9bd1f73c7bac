"""Questions to other processes over HTTP: whoever answers is tried in turn, within one time limit, behind breakers.

Questions change nothing, so one whose answer was lost is asked again; a refusal is an answer and never asked again.
It answers nothing itself; `runtime/internal_http.py` is the other end.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import secrets
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp

from niftyflow.kit import metrics
from niftyflow.kit.addresses import place_of
from niftyflow.kit.breaker import Breaker
from niftyflow.kit.call_codec import FAULT, MEDIA_TYPE, OK, Question, decode_error
from niftyflow.kit.call_settings import CallSettings
from niftyflow.kit.clock import monotonic
from niftyflow.kit.log import get_logger
from niftyflow.kit.retry import LONGEST_SHORT_WAIT, a_few_times
from niftyflow.model import DecodeError, Misconfigured, NiftyflowError, Refused, Retryable, Unavailable

log = get_logger(__name__)

SECONDS_HEADER: Final = "X-Niftyflow-Seconds"
"""How long whoever asks will wait: work on the answer ends then."""
ROUNDS: Final = 3
"""How often all addresses are tried, when none of them answered."""
FIRST_SHARE: Final = 0.6
"""Of the time left, what an address may take while another one could be asked after it."""
CONNECT_SECONDS: Final = 1.0
ON_THE_WAY_SECONDS: Final = 0.1
"""How much earlier than we stop waiting the other end shall give up, so that it can still say so."""
PROCESS: Final = secrets.token_hex(3)
_numbers = itertools.count()


class _NoAnswer(Exception):
    """An address gave no answer of ours; `is_passing` when it may well give one in a moment."""

    def __init__(self, reason: str, *, is_passing: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_passing = is_passing


class _AllAway(Unavailable):
    """No address answered, and one of them may in a moment."""


class _Fault(Unavailable):
    """A fault kept whoever was asked from answering: asked again, or elsewhere, it would most likely fail again."""


class _Peer:
    """A process that answers, with the breaker in front of it."""

    def __init__(self, who: str, address: str, settings: CallSettings, seconds: Callable[[], float]) -> None:
        self.base = address.rstrip("/")
        self.place = place_of(address)
        self.name = f"{who} at {self.place}"
        self.breaker = Breaker(
            self.place, failures=settings.failures, open_seconds=settings.open_seconds, seconds=seconds
        )


@dataclass(slots=True)
class _Asking:
    """One question on its way: `until` is when its time is up, `said` why one that answered could not."""

    name: str
    question: Question
    message: bytes
    id: str
    until: float
    said: Retryable | None = None
    reasons: dict[str, str] = field(default_factory=dict)

    def left(self) -> float:
        """Return how many seconds are left."""
        return self.until - monotonic()


class HttpCaller:
    """Asks processes at addresses. Open it before the first question; `async with` does.

    `addresses` gives for each question who answers it, as `http://host:port`, and `questions` its types. Addresses of
    one question take turns. `seconds` measures how long a breaker stays open.
    """

    def __init__(
        self, addresses: Mapping[str, Sequence[str]], questions: Mapping[str, Question],
        settings: CallSettings | None = None, *, seconds: Callable[[], float] = monotonic, who: str = "the process",
    ) -> None:  # fmt: skip
        """Check every address and question; `who` is at the addresses, as people are told when nobody answers.

        Raises:
            Misconfigured: an address cannot be, or a question has no types; the message says what to do.
        """
        self._settings = settings or CallSettings()
        self._questions = dict(questions)
        untyped = sorted(addresses.keys() - questions.keys())
        if untyped:
            raise Misconfigured(f"no types are declared for the questions {', '.join(untyped)}: add them to the table")
        for address in itertools.chain.from_iterable(addresses.values()):
            check_address(address, allow_plain_http=self._settings.allow_plain_http)
        known = dict.fromkeys(itertools.chain.from_iterable(addresses.values()))
        peers = {address: _Peer(who, address, self._settings, seconds) for address in known}
        self._peers = {name: [peers[address] for address in dict.fromkeys(some)] for name, some in addresses.items()}
        self._turns = {name: itertools.count() for name in addresses}
        self._has_tls = any(address.startswith("https:") for address in known)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make room for connections; none is made before the first question.

        Raises:
            Misconfigured: the authority's certificate cannot be read.
        """
        token = self._settings.token.get_secret_value()
        headers = {"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, limit_per_host=self._settings.connections, ssl=self._tls() if self._has_tls else True
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            skip_auto_headers=("User-Agent", "Accept-Encoding"),
        )

    async def close(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def __aenter__(self) -> Self:
        """Open it."""
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    async def call(self, name: str, /, **question: Any) -> Any:
        """Return the answer of the first process that gives one.

        Raises:
            Refused: the question cannot be; the message says what was wrong.
            Unavailable: nobody answers it now, or not in time, or a fault kept whoever did from it.
        """
        if not self._peers.get(name):
            raise Unavailable(name, "no address of a process that answers it is set")
        asked = self._questions[name]
        asking = _Asking(
            name, asked, asked.encode(question), f"{PROCESS}-{next(_numbers):x}", monotonic() + self._settings.seconds
        )
        try:
            return await self._in_turn(asking)
        except _AllAway:
            return await self._in_turn_again(asking)

    async def _in_turn_again(self, asking: _Asking) -> Any:
        try:
            async for attempt in a_few_times(_AllAway, ROUNDS - 1):
                with attempt:
                    return await self._in_turn(asking)
        except _AllAway as error:
            if asking.said is not None:
                raise asking.said from error
            raise Unavailable(asking.name, error.reason) from error
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    async def _in_turn(self, asking: _Asking) -> Any:
        """Ask one address after another until one answers."""
        peers = self._peers[asking.name]
        first = next(self._turns[asking.name]) % len(peers)
        is_passing = False
        for place, peer in enumerate((*peers[first:], *peers[:first])):
            left = asking.left()
            if left <= 0:
                break
            term = peer.breaker.admit()
            if term is None:
                asking.reasons.setdefault(peer.name, f"{peer.name} did not answer lately and is left alone for a while")
                continue
            is_last = place == len(peers) - 1
            try:
                return await self._asked(peer, term, asking, left if is_last else left * FIRST_SHARE)
            except _NoAnswer as error:
                asking.reasons[peer.name] = error.reason
                is_passing |= error.is_passing
            except _Fault:
                raise
            except Retryable as error:
                asking.said = error
        if is_passing and asking.left() > LONGEST_SHORT_WAIT:
            raise _AllAway(asking.name, "; ".join(asking.reasons.values()))
        raise asking.said or Unavailable(
            asking.name, "; ".join(asking.reasons.values()) or f"no answer within {self._settings.seconds:g} s"
        )

    async def _asked(self, peer: _Peer, term: int, asking: _Asking, seconds: float) -> Any:
        """Ask one address, and tell its breaker how that went."""
        began = monotonic()
        try:
            answer = await self._exchange(peer, asking, seconds)
        except asyncio.CancelledError:
            peer.breaker.abandoned(term)
            raise
        except _NoAnswer as error:
            peer.breaker.failed(term)
            log.warning("question_unanswered", question=asking.name, request_id=asking.id, reason=error.reason)
            raise
        except NiftyflowError:  # it answered that it cannot
            peer.breaker.succeeded(term)
            raise
        finally:
            metrics.EXTERNAL_REQUEST.labels(peer.place).observe(monotonic() - began)
        peer.breaker.succeeded(term)
        return answer

    async def _exchange(self, peer: _Peer, asking: _Asking, seconds: float) -> Any:
        if self._session is None:
            raise Unavailable(asking.name, "the connections to other processes are not open")
        limit = aiohttp.ClientTimeout(total=seconds, sock_connect=min(seconds, CONNECT_SECONDS))
        headers = {
            "X-Request-ID": asking.id,
            SECONDS_HEADER: f"{max(seconds - ON_THE_WAY_SECONDS, seconds / 2):.3f}",
        }
        try:
            async with self._session.post(
                f"{peer.base}/call/{asking.name}", data=asking.message, headers=headers, timeout=limit,
                allow_redirects=False,
            ) as response:  # fmt: skip
                body = await _body(response, peer.name, self._settings.answer_limit_bytes)
        except TimeoutError as error:
            raise _NoAnswer(f"{peer.name} did not answer within {seconds:.2g} s", is_passing=True) from error
        except aiohttp.ClientSSLError as error:
            raise _NoAnswer(f"{peer.name} cannot be trusted: {_why_not_trusted(error)}", is_passing=False) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _NoAnswer(f"{peer.name} is away: {in_our_words(error)}", is_passing=True) from error
        return _read(peer.name, asking, response, body)

    def _tls(self) -> ssl.SSLContext:
        authority = self._settings.authority_file
        try:
            return ssl.create_default_context(cafile=authority)
        except OSError as error:
            raise Misconfigured(f"authority_file {authority} cannot be read as PEM certificates: {error}") from error


def _why_not_trusted(error: aiohttp.ClientSSLError) -> str:
    cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error.os_error
    return str(getattr(cause, "verify_message", "")) or "it does not speak TLS as we do"


def in_our_words(error: aiohttp.ClientError | OSError) -> str:
    """Return what befell a connection, for people who know nothing of the client."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "this machine knows no host of that name"
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return "nobody listens there"
        case aiohttp.ClientConnectorError():
            return f"it cannot be reached ({error.os_error.strerror or 'the network'})"
        case aiohttp.ClientResponseError():
            return "what answers there speaks no HTTP"
        case _:
            return "the connection broke"


async def _body(response: aiohttp.ClientResponse, peer: str, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise _NoAnswer(f"{peer} answered with more than {limit} bytes", is_passing=False)
    return bytes(body)


def _read(peer: str, asking: _Asking, response: aiohttp.ClientResponse, body: bytes) -> Any:
    """Return an answer, or raise what was answered instead of one."""
    status, is_ours = response.status, response.content_type == MEDIA_TYPE
    try:
        if is_ours and status == OK:
            return asking.question.decode_answer(body)
        error = decode_error(body) if is_ours else _refusal(peer, asking.name, status)
    except DecodeError as garbage:
        raise _NoAnswer(f"{peer} answered what cannot be read: {garbage.reason}", is_passing=False) from garbage
    if status == FAULT:
        raise _Fault(asking.name, str(getattr(error, "reason", error)))
    raise error


def _refusal(peer: str, name: str, status: int) -> Exception:
    """Return what an answer means that was not made by whoever answers the question."""
    match status:
        case 401:
            return _NoAnswer(f"{peer} refused our token: set the same one in every process", is_passing=False)
        case 413:
            return Refused(f"{name}: the question is larger than {peer} reads")
        case 503:
            return _NoAnswer(f"{peer} is busy, starting or stopping", is_passing=True)
        case _:
            reason = f"{peer} answered HTTP {status}, as no process of this version does: look at what listens there"
            return _NoAnswer(reason, is_passing=False)


def check_address(address: str, *, allow_plain_http: bool) -> None:
    """Refuse what is no address of a process, or sends secrets in the clear to another machine.

    Raises:
        Misconfigured: saying what to write instead.
    """
    try:
        parts = urlsplit(address)
        host, has_port = parts.hostname, parts.port is not None
    except ValueError:
        host, has_port = None, False
    if not host or not has_port or parts.scheme not in ("http", "https") or parts.path.strip("/"):
        raise Misconfigured(f"{address!r} is no address of a process: write http://host:port or https://host:port")
    if parts.username is not None or parts.query or parts.fragment:
        raise Misconfigured(f"the address of {host} holds more than host and port: write {parts.scheme}://host:port")
    if parts.scheme == "http" and not is_loopback(host) and not allow_plain_http:
        raise Misconfigured(
            f"{address} would carry the token and the account in the clear to another machine: use https, or set "
            "internal.allow_plain_http where nobody else is on the network"
        )


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its name or address alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
