"""Routes of API keys, for those with scope `admin`: list, make, revoke."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from niftyflow.gateway.envelope import success
from niftyflow.gateway.errors import NotFound
from niftyflow.gateway.routing import Route
from niftyflow.gateway.schemas_access import KeyAnswer, MadeKeyAnswer, NewKey
from niftyflow.gateway.schemas_common import answers
from niftyflow.gateway.session_routes import keyring_of, settings_of
from niftyflow.storage.key_ports import ApiKey

router = APIRouter(tags=["access"], route_class=Route)

KEY: Final = {
    "id": "8c1f02ab93de", "name": "notebook", "scopes": ["read"], "tier": "standard", "created_at": 1795425300000,
    "expires_at": 1803201300000, "revoked_at": None,
}  # fmt: skip


@router.get(
    "/api/v1/keys", operation_id="getKeys", summary="All API keys",
    responses=answers(list[KeyAnswer], example=[KEY], means="Oldest first, the revoked too"),
)  # fmt: skip
async def keys(request: Request) -> Response:
    """Return every key without its text, which is kept nowhere."""
    return success([_key(each) for each in await keyring_of(request).keys()])


@router.post(
    "/api/v1/keys", operation_id="createKey", summary="Make an API key", status_code=201,
    responses=answers(
        MadeKeyAnswer, "refused", status=201, body=True, means="Made; the text is told once",
        example=KEY | {"key": "nfk_…"},
    ),
)  # fmt: skip
async def create_key(request: Request, asked: NewKey) -> Response:
    """Make a key and return its text, this once. It is refused when a key of that name holds."""
    days = asked.days or settings_of(request).key_life_days
    key, secret = await keyring_of(request).add(asked.name, list(asked.scopes), asked.tier, days)
    return success(_key(key) | {"key": secret}, 201)


@router.delete(
    "/api/v1/keys/{key_id}", operation_id="revokeKey", summary="Revoke an API key",
    responses=answers(None, "not_found", means="Revoked, and its sessions ended"),
)  # fmt: skip
async def revoke_key(
    request: Request, key_id: Annotated[str, Path(min_length=1, max_length=64, examples=["8c1f02ab93de"])]
) -> Response:
    """Revoke a key and end its sessions: at once in every gateway that shares a hot store, else within a minute."""
    if not (await keyring_of(request).revoke(key_id)).is_done:
        raise NotFound(f"no key of id {key_id} holds")
    return success(None)


def _key(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id, "name": key.name, "scopes": key.scopes, "tier": key.tier, "created_at": key.created_at,
        "expires_at": key.expires_at, "revoked_at": key.revoked_at,
    }  # fmt: skip
