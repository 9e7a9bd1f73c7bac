"""What Kite's failures mean in our tree, by `error_type` and not by status, on which its own clients disagree.

One status does speak for itself, 429: Kite gives it the type `NetworkException`. Nothing is sent or waited for here.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from niftyflow.brokers.errors import (
    InputRefused,
    OrderRejected,
    OutcomeUnknown,
    PermissionRefused,
    RateLimited,
    SessionDead,
)
from niftyflow.brokers.kite.capabilities import NAME
from niftyflow.model import NiftyflowError, Unavailable

TOO_MANY = 429


class Failure(msgspec.Struct, frozen=True):
    """An answer that is no success: the HTTP status, Kite's type (empty when it is not Kite's JSON) and its words."""

    status: int
    type: str
    words: str


def _of_order(words: str) -> tuple[str, str]:
    """Return what a refusal of an order means, and what to do, by what its words are about."""
    lowered = words.lower()
    for pieces, meaning, advice in _ADVICE:
        if any(piece in lowered for piece in pieces):
            return meaning, advice
    return "it was refused", "read the broker's words; the same order would be refused again"


_ADVICE: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("ip address", "not allowed from", "static ip", "whitelist"), "this address is not registered for orders",
     "register the machine's static address with the app at Kite's developer site"),
    (("market protection", "market_protection"), "a market order needs its protection",
     "set market_protection to -1, or to a percentage"),
    (("insufficient", "margin exceeds", "required margin"), "the money is not there",
     "order less, or add funds to the segment"),
    (("lot size", "multiple of", "lots"), "the quantity is off the lot", "use a multiple of the lot in today's master"),
    (("freeze", "quantity limit", "maximum allowed quantity"), "the quantity is above the exchange's freeze limit",
     "slice the order"),
    (("tick size", "tick-size", "multiple of tick"), "the price is off the tick", "round it to the instrument's tick"),
    (("circuit", "price range", "daily range", "price band", "execution range"), "the price is outside the band",
     "use a price within the day's limits"),
    (("trigger",), "the trigger does not fit the price", "put a buy's trigger above, a sell's below the last price"),
    (("cannot be modified", "cannot be cancelled", "being processed", "not open", "already"),
     "the order is not in a state in which this can be done", "look at its state first"),
    (("market is closed", "markets are closed", "after market", "amo"), "the market takes no such order now",
     "use the variety amo, or wait for the session"),
    (("holding", "authoris", "authoriz", "edis", "tpin"), "the shares are not free to be sold",
     "authorise the sale at the depository"),
)  # fmt: skip


def order_rejected(words: str) -> OrderRejected:
    """Return the refusal of an order, by Kite's words for it: an answer's, or the reason in the book."""
    return OrderRejected(NAME, words, *_of_order(words))


def _input_refused(words: str) -> NiftyflowError:
    settings = _wrong_settings(words)
    if settings is not None:
        return settings
    meaning, advice = _of_order(words)
    return InputRefused(NAME, words, "a field is wrong" if meaning == "it was refused" else meaning, advice)


def _wrong_settings(words: str) -> InputRefused | None:
    """Return the error of a login with the wrong secret or key: another login would fail in the same way."""
    lowered = words.lower()
    if "checksum" in lowered:
        return InputRefused(NAME, words, "the api_secret is not this app's", "correct the api_secret in the settings")
    if "api_key" in lowered and "access_token" not in lowered:
        return InputRefused(NAME, words, "Kite does not know the app", "correct the api_key in the settings")
    return None


def _session_dead(words: str) -> NiftyflowError:
    return _wrong_settings(words) or SessionDead(NAME, words, "log in again: niftyflow login kite")


def _permission_refused(words: str) -> NiftyflowError:
    meaning, advice = "this app or account may not do it", "check the app's subscription and permissions at Kite"
    if "ip" in words.lower().split() or "address" in words.lower():
        meaning, advice = _ADVICE[0][1:]
    return PermissionRefused(NAME, words, meaning, advice)


_FINAL: dict[str, Callable[[str], NiftyflowError]] = {
    "TokenException": _session_dead,
    "InputException": _input_refused,
    "OrderException": order_rejected,
    "MarginException": order_rejected,
    "HoldingException": order_rejected,
    "PermissionException": _permission_refused,
    "UserException": _permission_refused,
    "TwoFAException": _permission_refused,
}
"""Types by which Kite says no. All others (Network, Data, General, names we do not know) tell no outcome."""
_IN_QUESTIONS = {"OrderException": "InputException", "HoldingException": "InputException"}


def error_of(failure: Failure, *, is_change: bool, seconds: float) -> NiftyflowError:
    """Return the error that a failure is; `is_change` when the request could change something at the broker.

    `seconds` is how long to wait when it was one call too many.
    """
    if failure.status == TOO_MANY:
        return RateLimited(NAME, failure.words, seconds)
    kind = failure.type if is_change else _IN_QUESTIONS.get(failure.type, failure.type)
    final = _FINAL.get(kind)
    if final is not None:
        return final(failure.words)
    named = failure.type or "no answer of Kite's"
    if is_change:
        return OutcomeUnknown(NAME, failure.words, f"HTTP {failure.status}, {named}, says nothing of the outcome")
    return Unavailable(NAME, f"HTTP {failure.status}, {named}: {failure.words}")
