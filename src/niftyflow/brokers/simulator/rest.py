"""The front of the simulated broker: what every REST call of Kite goes through before and after its route.

Authentication, rate limits, faults, the arrival log, and Kite's envelope. Routes are plain functions of a `Call`; they
know nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from niftyflow.brokers.matching import MatchingSettings
from niftyflow.brokers.simulator.accounts import Account, Accounts, demo_account
from niftyflow.brokers.simulator.arrivals import Arrival, ArrivalLog
from niftyflow.brokers.simulator.broker import Broker
from niftyflow.brokers.simulator.faults import Fault, FaultName, Faults, FaultSpec
from niftyflow.brokers.simulator.kite_errors import KiteError, input_error, not_found, token_error, too_many
from niftyflow.brokers.simulator.limits import Group, RateLimits, group_of
from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.sessions import Sessions
from niftyflow.kit.clock import Clock, WallClock, monotonic
from niftyflow.kit.log import get_logger
from niftyflow.model import InvalidValue, Refused

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FrontOptions:
    """How the simulated broker behaves. Without accounts there is one demo account, a function of the seed."""

    accounts: Sequence[Account] = ()
    seed: int = 1
    has_rate_limits: bool = True
    socket_needs_login: bool = False
    arrivals_file: Path | None = None
    faults: Sequence[FaultSpec] = ()
    matching: MatchingSettings = field(default_factory=MatchingSettings)


@dataclass(slots=True)
class Call:
    """One REST call, read: `shift` ms are added to the times it is answered with."""

    method: str
    path: str
    parts: Mapping[str, str]
    query: Sequence[tuple[str, str]]
    form: dict[str, str]
    body: Any
    account: Account | None
    arrival: Arrival
    shift: int = 0

    @property
    def user(self) -> Account:
        """The account that calls.

        Raises:
            KiteError: nobody is logged in.
        """
        if self.account is None:
            raise token_error()
        return self.account

    def first(self, name: str) -> str:
        """Return the first query parameter of a name, or an empty text."""
        return next((value for key, value in self.query if key == name), "")

    def every(self, name: str) -> list[str]:
        """Return all query parameters of a name."""
        return [value for key, value in self.query if key == name]


Answer = Callable[[Call], Any]
"""A route: returns the data of the envelope, a finished response, or an awaitable of either. Raises `KiteError`."""


class Route(NamedTuple):
    """A method and a path as aiohttp writes it; `is_open` routes need no login."""

    method: str
    path: str
    answer: Answer
    is_open: bool = False


class Front:
    """The broker behind Kite's REST: accounts, sessions, limits, faults and the log of what arrived."""

    def __init__(self, playback: Playback, options: FrontOptions, clock: Clock | None = None) -> None:
        self.playback = playback
        self.options = options
        self.accounts = Accounts(options.accounts or [demo_account(options.seed)])
        self.sessions = Sessions(self.accounts, options.seed)
        self.broker = Broker(playback.source, self.accounts, matching=options.matching, seed=options.seed)
        self.limits = RateLimits(is_on=options.has_rate_limits)
        self.faults = Faults()
        self.arrivals = ArrivalLog(file=options.arrivals_file)
        self.after_call: Callable[[], None] = lambda: None
        self._clock = clock or WallClock()
        for spec in options.faults:
            self.faults.ask(spec, steady_ms())

    def routes(self, routes: Sequence[Route]) -> list[web.RouteDef]:
        """Return the routes as the server wants them."""
        return [web.route(each.method, each.path, self._served(each)) for each in routes]

    def login_of(self, api_key: str, access_token: str) -> Account | None:
        """Return whose socket this is; None for one that says nothing we know."""
        try:
            return self.sessions.account_of(api_key, access_token, self.playback.position)
        except KiteError:
            return None

    def shift(self, account: str = "", route: str = "") -> int:
        """Return by how many ms times are to be wrong now."""
        fault = self.faults.in_force(FaultName.WRONG_CLOCK, steady_ms(), account, route)
        return 0 if fault is None else int(fault.spec.size * 1000)

    async def nothing_here(self, request: web.Request) -> web.Response:
        """Answer a path that is none of ours."""
        return refusal(not_found(), request.method, request.path)

    def _served(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            began = monotonic()
            group = group_of(request.method, request.path)
            arrival = self.arrivals.arrive(
                at=self._clock.now(), session_at=self.playback.position, method=request.method, route=request.path,
                group=group.value,
            )  # fmt: skip
            try:
                response = await self._answer(request, route, arrival, group)
            except KiteError as error:
                arrival.outcome = f"{error.error_type}: {error.message}"
                response = refusal(error, request.method, request.path)
            except Refused as error:  # a rule of ours that has no words of Kite's
                arrival.outcome = f"InputException: {error}"
                response = refusal(input_error(str(error)), request.method, request.path)
            arrival.status, arrival.took_ms = response.status, round((monotonic() - began) * 1000, 3)
            arrival.outcome = arrival.outcome or "done"
            self.arrivals.answered(arrival)
            return response

        return serve

    async def _answer(self, request: web.Request, route: Route, arrival: Arrival, group: Group) -> web.StreamResponse:
        account = self._authenticated(request, route)
        who = arrival.account = "" if account is None else account.user_id
        call = await _read(request, account, arrival)
        arrival.tag = call.form.get("tag", "")
        self._refuse_by_fault(who, request.path, group, arrival)
        self.limits.take(who or str(request.remote), group, steady_ms())
        call.shift = self.shift(who, request.path)
        if account is not None:
            self._wake()
        data = route.answer(call)
        if inspect.isawaitable(data):
            data = await data
        self.after_call()
        await self._late(who, request.path, arrival)
        if group is Group.ORDERS:
            self._spoil(request, who, arrival)
        return data if isinstance(data, web.StreamResponse) else success(data)

    def _authenticated(self, request: web.Request, route: Route) -> Account | None:
        scheme, _, pair = request.headers.get("Authorization", "").partition(" ")
        api_key, _, token = pair.strip().partition(":")
        if route.is_open:
            return self.login_of(api_key, token)
        if scheme.lower() != "token" or not token:
            raise token_error()
        return self.sessions.account_of(api_key, token, self.playback.position)

    def _wake(self) -> None:
        if not self.broker.is_awake:
            self.broker.wake(self.playback.everything(), self.playback.position)

    def _fault(self, name: FaultName, who: str, path: str, arrival: Arrival) -> Fault | None:
        fault = self.faults.take(name, steady_ms(), who, path)
        if fault is not None:
            arrival.fault = f"{arrival.fault},{name}".lstrip(",")
        return fault

    def _refuse_by_fault(self, who: str, path: str, group: Group, arrival: Arrival) -> None:
        if self._fault(FaultName.RATE_STORM, who, path, arrival):
            raise too_many()
        if group is Group.ORDERS and self._fault(FaultName.ERROR_BEFORE_ORDER, who, path, arrival):
            raise KiteError("NetworkException", "Order management system is not reachable. Please try after some time.")

    async def _late(self, who: str, path: str, arrival: Arrival) -> None:
        fault = self._fault(FaultName.SLOW_ANSWERS, who, path, arrival)
        if fault is not None:
            await asyncio.sleep(fault.spec.size)

    def _spoil(self, request: web.Request, who: str, arrival: Arrival) -> None:
        """Keep the answer of an order that was carried out from its client."""
        if self._fault(FaultName.CUT_AFTER_ORDER, who, request.path, arrival):
            arrival.outcome = "carried out, and cut off"
            if request.transport is not None:
                request.transport.abort()
        if self._fault(FaultName.ERROR_AFTER_ORDER, who, request.path, arrival):
            raise KiteError("DataException", "Bad gateway: the order was carried out, and the answer was lost.")


def steady_ms() -> int:
    """Return ms of the steady clock, for limits and faults."""
    return int(monotonic() * 1000)


async def _read(request: web.Request, account: Account | None, arrival: Arrival) -> Call:
    form: dict[str, str] = {}
    body: Any = None
    if request.can_read_body:
        data = await request.read()
        if request.content_type == "application/json":
            try:
                body = msgspec.json.decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise input_error(f"Invalid JSON: {error}") from error
        else:
            form = dict(parse_qsl(data.decode(errors="replace"), keep_blank_values=True))
    query = list(request.query.items())
    return Call(request.method, request.path, request.match_info, query, form, body, account, arrival)


def success(data: Any) -> web.Response:
    """Return data in Kite's envelope."""
    return web.Response(
        body=msgspec.json.encode({"status": "success", "data": data}), content_type="application/json"
    )  # fmt: skip


def refusal(error: KiteError, method: str = "", path: str = "") -> web.Response:
    """Return a refusal in Kite's envelope."""
    log.info("refused", method=method, path=path, error_type=error.error_type, reason=error.message)
    body = {"status": "error", "message": error.message, "data": None, "error_type": error.error_type}
    return web.Response(body=msgspec.json.encode(body), status=error.status, content_type="application/json")


def whole(text: str, name: str) -> int:
    """Return a whole number of a path or query.

    Raises:
        KiteError: it is none.
    """
    if not text.isdecimal():
        raise input_error(f"Invalid `{name}`.")
    return int(text)


def in_kite_words(error: InvalidValue) -> KiteError:
    """Return a refusal of ours as Kite's."""
    return input_error(f"Invalid `{error.field}`: {error.rule}.")
