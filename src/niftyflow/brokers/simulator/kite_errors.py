"""The errors of Kite's REST as its clients know them: a type, a message, and the HTTP status it comes with.

It only names them. Which status an order error has, sources disagree on (400 in the Go client, 500 in the Python
one); we send 400, and a client should look at the type.
"""

from __future__ import annotations

from niftyflow.model import Refused

STATUSES = {
    "TokenException": 403,
    "PermissionException": 403,
    "UserException": 403,
    "TwoFAException": 403,
    "InputException": 400,
    "OrderException": 400,
    "MarginException": 400,
    "HoldingException": 400,
    "GeneralException": 500,
    "DataException": 502,
    "NetworkException": 503,
}


class KiteError(Refused):
    """A refusal in Kite's words; `status` is the HTTP status."""

    def __init__(self, error_type: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.status = STATUSES[error_type] if status is None else status


def token_error() -> KiteError:
    """Return what a missing, wrong or dead access token is answered with."""
    return KiteError("TokenException", "Incorrect `api_key` or `access_token`.")


def input_error(message: str) -> KiteError:
    """Return the refusal of a parameter."""
    return KiteError("InputException", message)


def too_many(message: str = "Too many requests") -> KiteError:
    """Return what a request over a rate limit is answered with."""
    return KiteError("NetworkException", message, 429)


def not_found(message: str = "Route not found") -> KiteError:
    """Return what an unknown address or id is answered with."""
    return KiteError("GeneralException", message, 404)
