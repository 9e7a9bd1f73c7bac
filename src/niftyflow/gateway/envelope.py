"""The one form of every answer: `{"status":"success","data":…}`, or `{"status":"error","error":{…}}` with a code.

Money leaves as text with four decimals, times as ms UTC unless a contract says ISO; encoding is msgspec's.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.responses import Response

_encode = msgspec.json.Encoder().encode

CODES: Final[dict[str, tuple[int, str]]] = {
    "bad_json": (400, "The body is no JSON."),
    "invalid_value": (422, "A parameter or field holds a value that cannot be; the message names it."),
    "unauthenticated": (401, "No key or session, or one that is unknown, expired or revoked."),
    "forbidden": (403, "The key lacks the scope that the route needs."),
    "not_found": (404, "There is no such route, or nothing of that name."),
    "unknown_instrument": (404, "No instrument of that name is known."),
    "method_not_allowed": (405, "The route exists, with other methods."),
    "refused": (409, "Not allowed now; the message says why. Nothing was changed."),
    "body_too_large": (413, "The body is larger than the limit."),
    "too_many_requests": (429, "The key's rate is used up; `Retry-After` says when to come back."),
    "internal": (500, "A fault of ours; the log has it under the request id."),
    "unavailable": (503, "A store, the bus or a layer is away for the moment; try again."),
    "timeout": (504, "It took longer than the limit; nothing was changed, or a command's outcome is asked for by id."),
}
"""Every error code with its HTTP status and meaning."""


class Raw(Response):
    """JSON that is encoded already."""

    media_type = "application/json"


def success(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Raw:
    """Answer with data: structs, dicts, lists, dates, decimals, or `msgspec.Raw` that is JSON already."""
    return Raw(_encode({"status": "success", "data": data}), status, headers)


def failure(
    code: str, message: str, request_id: str, details: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Raw:  # fmt: skip
    """Answer with an error of the table `CODES`."""
    error = {"code": code, "message": message, "details": details or {}, "request_id": request_id}
    return Raw(_encode({"status": "error", "error": error}), CODES[code][0], headers)
