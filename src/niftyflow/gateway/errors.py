"""What every error becomes on the wire: a code, a status and a sentence, never a traceback.

It decides which error is whose fault; `front.py` catches what nobody foresaw.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from niftyflow.gateway.envelope import CODES, failure
from niftyflow.kit.log import get_logger
from niftyflow.model import InvalidValue, NiftyflowError, Refused, Retryable, UnknownInstrument

log = get_logger(__name__)

REQUEST_ID = "niftyflow.request_id"
"""Where a request's id is in its ASGI scope."""
LONGEST_SHOWN = 200
"""Characters of a wrong value that are repeated to whoever sent it."""
MOST_PROBLEMS = 20
SECRETS = ("key", "ticket")
"""Fields whose value is never repeated."""

_OF_STATUS = {status: code for code, (status, _) in reversed(CODES.items())}


class NotFound(Refused):
    """There is nothing of that name; the message says what was looked for."""


def request_id_of(connection: HTTPConnection) -> str:
    """Return the id under which a request is logged."""
    return str(connection.scope.get(REQUEST_ID, ""))


def code_of(error: NiftyflowError) -> str:
    """Return the code of an error of ours: whose fault it is, and what the client does next."""
    match error:
        case InvalidValue():
            return "invalid_value"
        case UnknownInstrument():
            return "unknown_instrument"
        case NotFound():
            return "not_found"
        case Refused():
            return "refused"
        case Retryable():
            return "unavailable"
        case _:
            return "internal"


def answer_to(error: NiftyflowError, request_id: str) -> Response:
    """Return the answer that an error of ours becomes; our own faults are logged and not explained."""
    code = code_of(error)
    if code == "internal":
        log.error("request_failed", request_id=request_id, error=repr(error))
        return failure(code, "a fault of ours; the log has it under this request id", request_id)
    details = getattr(error, "details", None)
    if not isinstance(details, dict):
        details = {"field": error.field} if isinstance(error, InvalidValue) else {}
    headers = {"Retry-After": "1"} if code == "unavailable" else None
    return failure(code, readable(str(error)), request_id, details, headers)


def readable(text: str) -> str:
    """Return text that can be written as UTF-8: what a client sends may hold halves of characters."""
    return text.encode("utf-8", "replace").decode()


def handle_errors(app: FastAPI) -> None:
    """Have the application answer its errors in the envelope."""
    app.add_exception_handler(NiftyflowError, _ours)
    app.add_exception_handler(HTTPException, _of_the_framework)
    app.add_exception_handler(RequestValidationError, _invalid)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, NiftyflowError)  # noqa: S101 - it is registered for these alone
    return answer_to(error, request_id_of(request))


async def _of_the_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these alone
    code = _OF_STATUS.get(error.status_code, "internal" if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
                          else "invalid_value")  # fmt: skip
    message = str(error.detail)
    if code == "not_found" and message == HTTPStatus.NOT_FOUND.phrase:
        message = f"there is nothing at {readable(request.url.path)[:LONGEST_SHOWN]}"
    elif code == "method_not_allowed":
        message = f"{request.method[:LONGEST_SHOWN]} is not possible here"
    return failure(code, message, request_id_of(request), None, dict(error.headers or {}))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for these alone
    found = error.errors()
    if found and found[0]["type"] == "json_invalid":
        reason = readable(str(found[0].get("ctx", {}).get("error", "")))
        return failure("bad_json", f"the body is no JSON: {reason}", request_id_of(request))
    if found and isinstance(error.body, bytes) and found[0]["loc"] == ("body",):
        message = "send the body as JSON, with Content-Type: application/json"
        return failure("invalid_value", message, request_id_of(request))
    problems = [_problem(each) for each in found[:MOST_PROBLEMS]]
    message = "; ".join(f"{each['field']}: {each['problem']}" for each in problems)
    return failure("invalid_value", message, request_id_of(request), {"problems": problems})


def _problem(found: Any) -> dict[str, str]:
    place = [str(part) for part in found["loc"]]
    field = ".".join(place[1:]) or place[0]
    problem = str(found["msg"])
    if found["type"] != "missing" and place[-1] not in SECRETS:
        problem = f"{problem}, not {_shown(found.get('input'))}"
    return {"field": readable(field)[:LONGEST_SHOWN], "problem": readable(problem)[: 3 * LONGEST_SHOWN]}


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
