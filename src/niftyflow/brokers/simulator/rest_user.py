"""REST routes of the login and the user: login page, session tokens, profile, margins of the account."""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from aiohttp import web

from niftyflow.brokers.kite.reading import time_text
from niftyflow.brokers.simulator import margins
from niftyflow.brokers.simulator.accounts import Account, secret_text
from niftyflow.brokers.simulator.kite_errors import input_error
from niftyflow.brokers.simulator.rest import Call, Front, Route, steady_ms
from niftyflow.brokers.simulator.sessions import Login

_KITE_VERSION = "3"
_PAGE = """<!doctype html><meta charset="utf-8"><title>Simulated login</title>
<h1>Logged in to the simulator</h1><p>User {user}. The account has no redirect URL, so copy the request token:</p>
<pre id="request_token">{token}</pre>
"""


class UserRoutes:
    """Routes of one front."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("GET", "/connect/login", self._login, is_open=True),
            Route("POST", "/session/token", self._exchange, is_open=True),
            Route("DELETE", "/session/token", self._end, is_open=True),
            Route("POST", "/session/refresh_token", self._refresh, is_open=True),
            Route("GET", "/user/profile", self._profile),
            Route("GET", "/user/margins", self._margins),
            Route("GET", "/user/margins/{segment}", self._segment),
        ]

    def _login(self, call: Call) -> web.Response:
        """Log in without a password and go to the account's redirect URL, as Kite does after one."""
        if call.first("v") not in {"", _KITE_VERSION}:
            raise input_error("Invalid `v`: this is version 3.")
        account, token = self._front.sessions.request(call.first("api_key"), steady_ms())
        if not account.redirect_url:
            page = _PAGE.format(user=html.escape(account.user_id), token=html.escape(token))
            return web.Response(text=page, content_type="text/html")
        added = {"action": "login", "type": "login", "status": "success", "request_token": token}
        return web.Response(
            status=302, headers={"Location": _with_query(account.redirect_url, added, call.first("redirect_params"))}
        )

    def _exchange(self, call: Call) -> dict[str, Any]:
        form = call.form
        login = self._front.sessions.exchange(
            form.get("api_key", ""), form.get("request_token", ""), form.get("checksum", ""),
            now=steady_ms(), at=self._front.playback.position,
        )  # fmt: skip
        return self._told(login, call)

    def _refresh(self, call: Call) -> dict[str, Any]:
        form = call.form
        login = self._front.sessions.refresh(
            form.get("api_key", ""), form.get("refresh_token", ""), form.get("checksum", ""),
            at=self._front.playback.position,
        )  # fmt: skip
        return self._told(login, call)

    def _told(self, login: Login, call: Call) -> dict[str, Any]:
        call.arrival.account = login.account.user_id
        return {
            **_profile(login.account),
            "api_key": login.account.api_key,
            "access_token": login.access_token,
            "public_token": login.public_token,
            "enctoken": secret_text(self._front.options.seed, login.access_token, 32),
            "refresh_token": login.refresh_token,
            "silo": "",
            "login_time": time_text(login.login_at + call.shift),
        }

    def _end(self, call: Call) -> bool:
        self._front.sessions.end(call.first("api_key"), call.first("access_token") or call.first("refresh_token"))
        return True

    def _profile(self, call: Call) -> dict[str, Any]:
        return _profile(call.user)

    def _margins(self, call: Call) -> dict[str, Any]:
        return {"equity": self._funds(call.user), "commodity": margins.no_funds()}

    def _segment(self, call: Call) -> dict[str, Any]:
        match call.parts["segment"]:
            case "equity":
                return self._funds(call.user)
            case "commodity":
                return margins.no_funds()
            case _:
                raise input_error("Invalid `segment`.")

    def _funds(self, account: Account) -> dict[str, Any]:
        broker = self._front.broker
        state = broker.states[account.user_id]
        return margins.funds(state.ledger, broker.listings, broker.price_of, state.blocked)


def _profile(account: Account) -> dict[str, Any]:
    return {
        "user_id": account.user_id,
        "user_type": "individual",
        "email": account.email,
        "user_name": account.user_name,
        "user_shortname": account.user_name.split()[0],
        "broker": "ZERODHA",
        "exchanges": ["NSE", "NFO", "BFO", "CDS", "BSE", "MCX", "BCD", "MF"],
        "products": ["CNC", "NRML", "MIS"],
        "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
        "avatar_url": None,
        "meta": {"demat_consent": "physical"},
    }


def _with_query(url: str, added: dict[str, str], passed_on: str) -> str:
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query), *added.items(), *parse_qsl(passed_on)]
    return urlunsplit(parts._replace(query=urlencode(query)))
