"""What can go wrong between us and a broker, as branches of the one error tree; each says who must do what.

Retryable  (nothing happened at the broker; the same call may succeed later)
├── NotSent          the request surely did not leave this machine
├── SessionDead      the broker knows our token no longer: log in again
└── RateLimited      the broker said "too many": nothing was done, wait `seconds`
Refused    (the broker, or we before sending, said no; nothing was changed)
├── OrderRejected    the broker refused this order, change or cancellation: final
├── InputRefused     a field is wrong, unknown or not possible here
└── PermissionRefused  this account or app may not do it
Unknown
└── OutcomeUnknown   an order may or may not have been taken: ask the order book, never send it again

A broker that does not answer a question is `niftyflow.model.Unavailable`. No message holds a token or a secret.
"""

from __future__ import annotations

from niftyflow.model import Refused, Retryable, Unknown


class _Told:
    """What a broker said, what it means, and what to do: one sentence for a person, three fields for a program."""

    broker: str
    words: str
    meaning: str
    advice: str

    def _tell(self, broker: str, words: str, meaning: str, advice: str) -> str:
        self.broker, self.words, self.meaning, self.advice = broker, words, meaning, advice
        said = f'{broker} said "{words}": ' if words else f"{broker}: "
        return f"{said}{meaning}; {advice}" if advice else f"{said}{meaning}"


class NotSent(_Told, Retryable):
    """The request surely did not leave: no connection was made, or it was refused."""

    def __init__(self, broker: str, meaning: str) -> None:
        Retryable.__init__(self, self._tell(broker, "", meaning, "nothing was sent; it may be tried again"))


class SessionDead(_Told, Retryable):
    """The broker refuses the token; nothing was done, and nothing will be until somebody logs in."""

    def __init__(self, broker: str, words: str, advice: str = "log in again") -> None:
        Retryable.__init__(self, self._tell(broker, words, "the session has ended", advice))


class RateLimited(_Told, Retryable):
    """The broker refused the call for coming too soon; nothing was done. Wait `seconds` before the next of its kind."""

    def __init__(self, broker: str, words: str, seconds: float) -> None:
        meaning = "too many calls"
        Retryable.__init__(self, self._tell(broker, words, meaning, f"nothing was done; wait {seconds:g} s"))
        self.seconds = seconds


class OrderRejected(_Told, Refused):
    """The broker said no to an order, a change or a cancellation. It is final: the same request would fail again."""

    def __init__(self, broker: str, words: str, meaning: str, advice: str) -> None:
        Refused.__init__(self, self._tell(broker, words, meaning, advice))


class InputRefused(_Told, Refused):
    """A field of the request is wrong, or the broker does not know or offer what was asked for; nothing was done."""

    def __init__(self, broker: str, words: str, meaning: str, advice: str) -> None:
        Refused.__init__(self, self._tell(broker, words, meaning, advice))


class PermissionRefused(_Told, Refused):
    """The account or the app may not do this: a missing subscription, an address not registered, a blocked user."""

    def __init__(self, broker: str, words: str, meaning: str, advice: str) -> None:
        Refused.__init__(self, self._tell(broker, words, meaning, advice))


class OutcomeUnknown(_Told, Unknown):
    """The request may have been taken: the answer did not come, was cut, or says nothing of the outcome.

    Only the broker's order book tells; the request is never sent a second time. Absence from the book is no statement.
    """

    def __init__(self, broker: str, words: str, meaning: str) -> None:
        advice = "look into the broker's order book; do not send it again"
        Unknown.__init__(self, self._tell(broker, words, meaning, advice))
