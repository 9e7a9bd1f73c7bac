"""The one error tree, grouped by what the caller does next.

NiftyflowError
├── Retryable            the world is away (database, bus, network, disk): pause, back off, try again
│   └── Unavailable      a named service did not answer or refused the connection
├── Refused              the request is wrong or not allowed now: say so, change nothing
│   ├── InvalidValue     a field holds an impossible value
│   ├── UnknownInstrument
│   ├── LeaseHeld        somebody else owns what was asked for
│   └── Misconfigured    settings or surroundings do not allow a start
├── Broken               one record cannot be understood or breaks a rule: dead-letter it, go on
│   └── DecodeError      bytes that are not what the protocol promises
└── Unknown              an outcome that only the broker can tell: never guess, never resend
"""

from __future__ import annotations


class NiftyflowError(Exception):
    """Root of every error niftyflow raises on purpose."""


class Retryable(NiftyflowError):
    """The world is away; the same call may succeed later."""


class Unavailable(Retryable):
    """A named service did not answer."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(f"{service} is unavailable: {reason}")
        self.service = service
        self.reason = reason


class Refused(NiftyflowError):
    """The request is wrong, or not allowed now; nothing was changed."""


class InvalidValue(Refused):
    """A field holds a value that cannot be."""

    def __init__(self, field: str, value: object, rule: str) -> None:
        super().__init__(f"{field} is {value!r}: {rule}")
        self.field = field
        self.value = value
        self.rule = rule


class UnknownInstrument(Refused):
    """No instrument of that name is known."""


class LeaseHeld(Refused):
    """Another process owns the lease."""

    def __init__(self, name: str, holder: str) -> None:
        super().__init__(f"{name} is held by {holder}")
        self.name = name
        self.holder = holder


class Misconfigured(Refused):
    """Settings or surroundings do not allow a start; the message says what to do."""


class Broken(NiftyflowError):
    """One record cannot be understood or breaks a rule."""


class DecodeError(Broken):
    """Bytes are not what the protocol promises; `data` keeps them for the log."""

    def __init__(self, reason: str, data: bytes) -> None:
        super().__init__(reason)
        self.reason = reason
        self.data = data


class Unknown(NiftyflowError):
    """The outcome is not known and only the broker can tell it."""
