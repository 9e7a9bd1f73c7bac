"""The desk's routes for faults and for the log of what arrived. They need no login, like the rest of the desk."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from niftyflow.brokers.simulator.faults import MEANINGS, parse_fault
from niftyflow.brokers.simulator.kite_errors import KiteError
from niftyflow.brokers.simulator.rest import Front, steady_ms, success, whole
from niftyflow.model import InvalidValue

_BODY_BYTES = 4096
_MOST_LINES = 10_000


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    fault: str


class FaultDesk:
    """Routes of one front."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/sim/faults", self._list),
            web.post("/sim/faults", self._ask),
            web.delete("/sim/faults", self._end),
            web.delete("/sim/faults/{number}", self._end),
            web.get("/sim/accounts", self._accounts),
            web.get("/sim/arrivals", self._arrivals),
        ]

    def status(self) -> dict[str, Any]:
        """Return the faults that stand, and what can be asked for."""
        known = {name.value: meaning for name, meaning in MEANINGS.items()}
        return {"standing": self._front.faults.standing(steady_ms()), "known": known}

    async def _list(self, _request: web.Request) -> web.Response:
        return success(self.status())

    async def _ask(self, request: web.Request) -> web.Response:
        body = await request.content.read(_BODY_BYTES)
        try:
            spec = parse_fault(msgspec.json.decode(body, type=_Asked).fault)
        except (InvalidValue, msgspec.DecodeError) as error:
            return _failure(str(error))
        self._front.faults.ask(spec, steady_ms())
        return success(self.status())

    async def _end(self, request: web.Request) -> web.Response:
        number = request.match_info.get("number")
        try:
            self._front.faults.end(None if number is None else whole(number, "number"))
        except KiteError as error:
            return _failure(error.message)
        return success(self.status())

    async def _accounts(self, _request: web.Request) -> web.Response:
        told = [
            {
                "user_id": each.user_id,
                "api_key": each.api_key,
                "api_secret": each.api_secret,
                "redirect_url": each.redirect_url,
                "postback_url": each.postback_url,
            }
            for each in self._front.accounts
        ]
        return success(told)

    async def _arrivals(self, request: web.Request) -> web.Response:
        query = request.query
        try:
            since = whole(query.get("since", "0"), "since")
            limit = min(whole(query.get("limit", "1000"), "limit"), _MOST_LINES)
        except KiteError as error:
            return _failure(error.message)
        log = self._front.arrivals
        return success({"arrived": log.arrived, "arrivals": log.since(since, limit, query.get("account"))})


def _failure(message: str) -> web.Response:
    return web.json_response({"status": "error", "message": message, "error_type": "InputException"}, status=400)
