"""Signing browsers in and out: by a one-time ticket or a key, with a cookie that no script can read.

What a key may do is decided in `keys.py`, and checked in `front.py`.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from niftyflow.gateway.envelope import failure, success
from niftyflow.gateway.errors import request_id_of
from niftyflow.gateway.keys import COOKIE, Identity, Keyring, Scope, identity_of, session_cookie
from niftyflow.gateway.routing import Route
from niftyflow.gateway.schemas_access import SessionAnswer, SignIn
from niftyflow.gateway.schemas_common import answers
from niftyflow.gateway.settings import GatewaySettings
from niftyflow.gateway.sources import sources_of
from niftyflow.model import InvalidValue

router = APIRouter(tags=["access"], route_class=Route)

SESSION: Final = {
    "name": "owner", "scopes": ["read", "trade", "admin"], "account": "paper-1", "is_demo": True,
    "expires_at": 1803201300000,
}  # fmt: skip


def keyring_of(request: Request) -> Keyring:
    """Return the keyring of the application that a request came to."""
    keyring: Keyring = request.app.state.keyring
    return keyring


def settings_of(request: Request) -> GatewaySettings:
    """Return the settings of the application that a request came to."""
    settings: GatewaySettings = request.app.state.settings
    return settings


@router.get(
    "/api/v1/session", operation_id="getSession", summary="Who is asking",
    responses=answers(SessionAnswer, example=SESSION),
)  # fmt: skip
async def session(request: Request) -> Response:
    """Return the name and scopes of the key or session that asks, and the account that is traded here."""
    identity = identity_of(request)
    return success(_session(request, identity, identity.expires_at))


@router.post(
    "/api/v1/session", operation_id="signIn", summary="Sign a browser in",
    responses=answers(SessionAnswer, example=SESSION, body=True, means="Signed in: the cookie is set"),
)  # fmt: skip
async def sign_in(request: Request, asked: SignIn) -> Response:
    """Take a one-time ticket or a key, and set a cookie that has the key's scopes and that no script can read."""
    keyring, settings = keyring_of(request), settings_of(request)
    if (asked.ticket is None) == (asked.key is None):
        raise InvalidValue("ticket", "one of two", "send either a ticket or a key")
    if asked.ticket is not None:
        identity = await keyring.use_ticket(asked.ticket)
        reason = "the link was used or is over: `niftyflow link` prints a new one"
    else:
        identity = await keyring.of_key(asked.key or "")
        reason = "the key is unknown, expired or revoked: see `niftyflow keys`"
    if identity is None:
        return failure("unauthenticated", reason, request_id_of(request))
    secret, expires_at = await keyring.sign_in(identity.key_id, identity.expires_at, settings.session_life_days)
    response = success(_session(request, identity, expires_at))
    response.set_cookie(
        COOKIE, secret, max_age=settings.session_life_days * 86_400, path="/", httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    return response


@router.delete(
    "/api/v1/session", operation_id="signOut", summary="Sign this browser out",
    responses=answers(None, means="Signed out: the cookie is gone"),
)  # fmt: skip
async def sign_out(request: Request) -> Response:
    """End the session of the cookie, if there is one; keys stay as they are."""
    secret = session_cookie(request.headers)
    if secret is not None:
        await keyring_of(request).sign_out(secret)
    response = success(None)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


def _session(request: Request, identity: Identity, expires_at: int) -> dict[str, object]:
    sources = sources_of(request)
    return {
        "name": identity.name, "scopes": [scope for scope in Scope if scope in identity.scopes],
        "account": sources.account, "is_demo": sources.playing is not None, "expires_at": expires_at,
    }  # fmt: skip
